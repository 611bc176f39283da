# frozen_string_literal: true

require 'json'
require 'socket'

# The Lambda Runtime API as a runtime speaks it: HTTP/1.1 on one connection that stays open.
# https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
class RuntimeApi
  PREFIX = '/2018-06-01/runtime'

  # `address` is what Lambda puts into AWS_LAMBDA_RUNTIME_API: host:port.
  def initialize(address)
    host, port = address.split(':')
    @address = address
    @socket = TCPSocket.new(host, port.to_i)
    @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
  end

  # Wait for the next event; returns its headers, with small letters, and its body.
  def next_event
    request('GET', '/invocation/next')
  end

  # Send what the handler has returned, as JSON text.
  def respond(request_id, json)
    request('POST', "/invocation/#{request_id}/response", json)
  end

  # Send what the handler has raised.
  def fail(request_id, error)
    request('POST', "/invocation/#{request_id}/error", error.to_body.to_json, error.type)
  end

  # Say that the handler could not be loaded.
  def fail_init(error)
    request('POST', '/init/error', error.to_body.to_json, error.type)
  end

  private

  def request(method, path, body = '', error_type = nil)
    head = "#{method} #{PREFIX}#{path} HTTP/1.1\r\nHost: #{@address}\r\nContent-Type: application/json\r\n"
    head += "Lambda-Runtime-Function-Error-Type: #{error_type}\r\n" if error_type
    @socket.write("#{head}Content-Length: #{body.bytesize}\r\n\r\n", body)
    receive
  end

  def receive
    @socket.gets("\r\n") || exit!(1) # The status line; without one, Lambda has ended this environment.
    headers = {}
    while (line = @socket.gets("\r\n", chomp: true)) && !line.empty?
      name, value = line.split(':', 2)
      headers[name.downcase] = value.strip.force_encoding(Encoding::UTF_8)
    end
    [headers, @socket.read(headers.fetch('content-length', '0').to_i).force_encoding(Encoding::UTF_8)]
  end
end
