// A Lambda runtime for Node.js: loads the handler, then asks for an event, calls it, answers, and asks again.
import { patchConsole, setRequestId } from "./console.mjs";
import { NodeJsExit, NotEmulated, JSONStringifyError, UnhandledPromiseRejection, toBody, toLog } from "./errors.mjs";
import { loadHandler, takesCallback } from "./handler.mjs";
import { RuntimeApi } from "./runtime_api.mjs";

const AsyncFunction = (async () => {}).constructor;

class Runtime {
  constructor(api) {
    this.api = api;
    this.isLoaded = false;
    this.requestId = null; // Of the event in hand.
    this.whenIdle = null; // What to do when the function has nothing left to wait for.
    process.on("beforeExit", () => this.whenIdle?.());
    process.on("uncaughtException", (error) => this.die("Uncaught Exception", error, 129));
    process.on("unhandledRejection", (reason, promise) => {
      this.die("Unhandled Promise Rejection", new UnhandledPromiseRejection(reason, promise), 128);
    });
  }

  async run(root, handlerName) {
    try {
      this.handler = await loadHandler(root, handlerName);
    } catch (error) {
      await this.die(takesCallback ? "Uncaught Exception" : "Init Error", error, 129);
    }
    this.isLoaded = true;
    for (;;) {
      const { headers, body } = await this.api.next();
      const { json, error } = await this.answer(headers, body);
      const requestId = this.requestId;
      this.requestId = null;
      if (error) await this.api.fail(requestId, error);
      else await this.api.respond(requestId, json);
    }
  }

  // What becomes of one event: { json } or { error }.
  answer(headers, body) {
    this.requestId = headers["lambda-runtime-aws-request-id"];
    setRequestId(this.requestId);
    if (headers["lambda-runtime-trace-id"]) process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"];
    return new Promise((resolve) => {
      let open = true;
      const settle = (result) => {
        if (!open) return;
        open = false;
        this.whenIdle = null;
        resolve(result);
      };
      const succeed = (value) => {
        if (open) settle(serialized(value));
      };
      const fail = (error) => {
        if (!open) return;
        console.error("Invoke Error", toLog(error));
        settle({ error: toBody(error) });
      };
      this.handleOnceNonStreaming(JSON.parse(body), makeContext(headers), succeed, fail);
    });
  }

  handleOnceNonStreaming(event, context, succeed, fail) {
    this.whenIdle = () => (this.handler instanceof AsyncFunction ? fail(neverSettled()) : succeed(null));
    const callback = takesCallback ? this.addCallbacks(context, succeed, fail) : undefined;
    try {
      const returned = this.handler(event, context, callback);
      if (typeof returned?.then === "function") returned.then(succeed, fail);
      else if (!takesCallback) succeed(returned);
    } catch (error) {
      fail(error);
    }
  }

  // Up to Node.js 22 a handler may answer through its third argument or through the context.
  addCallbacks(context, succeed, fail) {
    const done = (error, value) => (error === undefined || error === null ? succeed(value) : fail(error));
    Object.assign(context, { callbackWaitsForEmptyEventLoop: true, succeed, fail, done });
    return (error, value) => {
      const isError = error !== undefined && error !== null;
      if (isError || !context.callbackWaitsForEmptyEventLoop) done(error, value);
      else this.whenIdle = () => succeed(value);
    };
  }

  // An error that no code of the function has caught: the caller and the log hear of it, and the process ends.
  async die(title, error, exitCode) {
    console.error(title, toLog(error));
    const body = toBody(error);
    if (this.requestId) await this.api.fail(this.requestId, body);
    else if (!this.isLoaded) await this.api.failInit(body);
    process.exit(exitCode);
  }
}

function makeContext(headers) {
  const deadlineMs = Number(headers["lambda-runtime-deadline-ms"]);
  const parsed = (name) => (headers[name] ? JSON.parse(headers[name]) : undefined);
  const { env } = process;
  return {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parsed("lambda-runtime-client-context"),
    identity: parsed("lambda-runtime-cognito-identity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    getRemainingTimeInMillis: () => deadlineMs - Date.now(),
  };
}

function serialized(value) {
  try {
    return { json: JSON.stringify(value) ?? "null" };
  } catch {
    const error = new JSONStringifyError("Unable to stringify response body");
    console.error("Invoke Error", toLog(error));
    return { error: toBody(error) };
  }
}

function neverSettled() {
  const error = new NodeJsExit(
    "The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise " +
      "that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes",
  );
  delete error.stack;
  return error;
}

delete process.env.LAB_OPT;
patchConsole();
globalThis.awslambda = {
  streamifyResponse() {
    throw new NotEmulated("This lab does not emulate response streaming. On AWS it exists; the README lists what this lab leaves out.");
  },
};
new Runtime(new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API)).run(
  process.env.LAMBDA_TASK_ROOT,
  process.env._HANDLER,
);
