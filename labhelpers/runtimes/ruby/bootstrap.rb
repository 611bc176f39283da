# frozen_string_literal: true

# A Lambda runtime for Ruby: loads the handler, then asks for an event, calls it, answers, and asks again.
require_relative 'runtime_api'
require_relative 'lambda_context'
require_relative 'lambda_error'
require_relative 'lambda_log'
require 'json'

$stdout.sync = true

# The handler that _HANDLER names: file.method, or file.Class.method.
class Handler
  def initialize(name)
    parts = name.split('.')
    raise ArgumentError, "Invalid handler #{parts}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD" unless [2, 3].include?(parts.size)

    @file, *@owner, @method = parts
  end

  def load
    require @file
  end

  # The answer as JSON text. AWS ends the runtime after an error that is no StandardError, or a wrong name.
  def call(event, context)
    owner = @owner.empty? ? nil : Kernel.const_get(@owner.first)
    value = owner ? owner.send(@method, event: event, context: context) : TOPLEVEL_BINDING.receiver.send(@method, event: event, context: context)
    value.to_json
  rescue NameError => e
    raise LambdaError.new(e, fatal: true)
  rescue StandardError => e
    raise LambdaError.new(e)
  rescue Exception => e # rubocop:disable Lint/RescueException -- exit() and the like are the function's too
    raise LambdaError.new(e, fatal: true)
  end
end

# The loop.
class Runtime
  def initialize(api)
    @api = api
  end

  def run(name)
    begin
      handler = Handler.new(name)
      handler.load
    rescue Exception => e # rubocop:disable Lint/RescueException
      error = LambdaError.new(e, kind: 'Init')
      LambdaLog.error(error, "Init error when loading handler #{name}")
      @api.fail_init(error)
      exit!(252)
    end
    answer_next(handler) while true
  end

  private

  def answer_next(handler)
    headers, body = @api.next_event
    request_id = headers['lambda-runtime-aws-request-id']
    $_global_aws_request_id = request_id
    ENV['_X_AMZN_TRACE_ID'] = headers['lambda-runtime-trace-id']
    json = handler.call(JSON.parse(body), LambdaContext.new(headers))
    @api.respond(request_id, json)
  rescue LambdaError => e
    LambdaLog.error(e, e.fatal? ? 'Critical exception from handler' : 'Error raised from handler method')
    @api.fail(request_id, e)
    exit!(255) if e.fatal?
  end
end

trap('TERM', 'SYSTEM_DEFAULT') # The end of an environment is no exception.
ENV.delete('LAB_OPT')
root = ENV.fetch('LAMBDA_TASK_ROOT')
$LOAD_PATH.unshift(root) unless $LOAD_PATH.include?(root)
Runtime.new(RuntimeApi.new(ENV.fetch('AWS_LAMBDA_RUNTIME_API'))).run(ENV.fetch('_HANDLER'))
