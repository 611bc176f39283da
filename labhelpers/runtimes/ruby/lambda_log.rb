# frozen_string_literal: true

require 'json'

# Log events of several lines, and the request id in each line of a Logger, as AWS writes them.
# https://docs.aws.amazon.com/lambda/latest/dg/ruby-logging.html
module LambdaLog
  TEXT_FRAME = 0xa55a0003

  # One log event: type, length and time in microseconds, then the text.
  def self.write(text)
    data = text.to_s.encode('UTF-8', invalid: :replace, undef: :replace)
    now_us = Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
    $stdout.write([TEXT_FRAME, data.bytesize, now_us].pack('L>L>Q>') + data.b)
    data.bytesize
  end

  # A LambdaError, as AWS's runtime notes it.
  def self.error(error, message)
    write(message)
    write(JSON.pretty_generate(error.to_body))
  end

  # A log device for Logger.
  class Device
    def write(text)
      LambdaLog.write(text)
    end

    def close; end
  end
end

module Kernel
  # `puts` makes one log event of all that it is given.
  def puts(*values)
    LambdaLog.write(values.flatten.map(&:to_s).join("\n"))
    nil
  end
end

# Loggers that write to the log: with the request id, each message one event. Loaded when the function loads `logger`.
module LambdaLogger
  # A line of Logger's own format, with the request id before the program's name.
  class Formatter
    def call(severity, time, progname, message)
      text = message.is_a?(String) ? message : message.inspect
      text = "#{message.message} (#{message.class})\n#{Array(message.backtrace).join("\n")}" if message.is_a?(Exception)
      stamp = time.strftime('%Y-%m-%dT%H:%M:%S.%6N')
      format("%s, [%s #%d] %5s %s -- %s: %s\n", severity[0], stamp, Process.pid, severity, $_global_aws_request_id, progname, text)
    end
  end

  def initialize(device = nil, *rest, **options)
    return super unless device.nil? || device == $stdout || device == $stderr

    super(Device.new, *rest, **options)
    @default_formatter = Formatter.new
  end

  Device = LambdaLog::Device
end

require 'logger'
Logger.prepend(LambdaLogger)
