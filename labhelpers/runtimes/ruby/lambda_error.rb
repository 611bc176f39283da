# frozen_string_literal: true

# An error on its way to whoever called the function. `kind` is Function, or Init while the handler is loaded.
class LambdaError < StandardError
  attr_reader :error

  def initialize(error, kind: 'Function', fatal: false)
    @error = error
    super(said)
    @kind = kind
    @fatal = fatal
  end

  # The error's message. It is the function's own code, which may fail here, too.
  def said
    error.message.to_s
  rescue StandardError => e
    "#{error.class} whose message cannot be read: it raises #{e.class}"
  end

  # Whether the runtime ends after it.
  def fatal?
    @fatal
  end

  def type
    "#{@kind}<#{error.class}>"
  end

  def to_body
    { errorMessage: as_on_aws(text(said)), errorType: type, stackTrace: stack }
  end

  # The function's own lines: the runtime's are left out. In a lab without root folders the code is elsewhere.
  def stack
    lines = Array(error.backtrace).first(100).map { |line| as_on_aws(line) }
    lines.take_while { |line| !line.start_with?('/var/runtime/') }
  end

  private

  def as_on_aws(line)
    line.gsub(ENV.fetch('LAMBDA_TASK_ROOT'), '/var/task').gsub(ENV.fetch('LAMBDA_RUNTIME_DIR'), '/var/runtime')
  end

  def text(message)
    message.dup.force_encoding(Encoding::UTF_8).scrub
  end
end
