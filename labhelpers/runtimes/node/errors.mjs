// The errors that AWS's runtime for Node.js names, and how an error travels to whoever called the function.
class RuntimeError extends Error {}

function named(name) {
  const made = class extends RuntimeError {};
  Object.defineProperty(made.prototype, "name", { value: name, enumerable: false });
  return made;
}

export const HandlerNotFound = named("Runtime.HandlerNotFound");
export const MalformedHandlerName = named("Runtime.MalformedHandlerName");
export const ImportModuleError = named("Runtime.ImportModuleError");
export const UserCodeSyntaxError = named("Runtime.UserCodeSyntaxError");
export const CallbackHandlerDeprecated = named("Runtime.CallbackHandlerDeprecated");
export const JSONStringifyError = named("Runtime.JSONStringifyError");
export const NodeJsExit = named("Runtime.NodeJsExit");
export const NotEmulated = named("NotEmulatedByThisLab");

export class UnhandledPromiseRejection extends named("Runtime.UnhandledPromiseRejection") {
  constructor(reason, promise) {
    super(String(reason));
    this.reason = reason;
    this.promise = promise;
  }
}

// In a lab without root folders of its own the code is elsewhere; a stack trace shows where it is on AWS.
const places = [
  [process.env.LAMBDA_TASK_ROOT, "/var/task"],
  [process.env.LAMBDA_RUNTIME_DIR, "/var/runtime"],
].filter(([real, shown]) => real && real !== shown);

export function asOnAws(text) {
  return places.reduce((shown, [real, place]) => shown.replaceAll(real, place), text);
}

// The body that Lambda hands to the caller.
export function toBody(error) {
  if (!(error instanceof Error)) {
    return { errorType: typeof error, errorMessage: text(error), trace: [] };
  }
  return {
    errorType: error.name,
    errorMessage: asOnAws(String(error.message)),
    trace: asOnAws(String(error.stack ?? "")).split("\n"),
  };
}

// The same error in the log: all of its own properties too, and the stack line by line.
export function toLog(error) {
  const whole = error instanceof Error ? error : new Error(text(error));
  try {
    return "\t" + asOnAws(JSON.stringify(whole, (_, value) => (value instanceof Error ? properties(value) : value)));
  } catch {
    return "\t" + JSON.stringify(toBody(whole));
  }
}

function properties(error) {
  const found = { errorType: error.name, errorMessage: error.message, code: error.code, ...error };
  if (typeof error.stack === "string") found.stack = error.stack.split("\n");
  return found;
}

function text(value) {
  try {
    return String(value);
  } catch {
    return "the function failed with something that has no text";
  }
}
