// console.log and its kin as AWS writes them: time, request id, level and message, each call one log event.
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-logging.html
import { writeSync } from "node:fs";
import { format } from "node:util";

const LEVELS = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };
const METHODS = { trace: "TRACE", debug: "DEBUG", info: "INFO", log: "INFO", warn: "WARN", error: "ERROR", fatal: "FATAL" };
const TEXT_FRAME = 0xa55a0003;
const JSON_FRAME = 0xa55a0002;

const isJson = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === "JSON";
const lowest = LEVELS[process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()] ?? LEVELS.TRACE;
// What AWS shows before the first event.
let requestId = /nodejs(18|20|22)/.test(process.env.AWS_EXECUTION_ENV) ? "undefined" : "-";

export function setRequestId(id) {
  requestId = id;
}

export function patchConsole() {
  for (const [method, level] of Object.entries(METHODS)) {
    console[method] = LEVELS[level] < lowest ? () => {} : (...values) => log(level, values);
  }
}

function log(level, values) {
  const now = new Date();
  if (isJson) {
    writeFrame(JSON_FRAME | (LEVELS[level] << 2), now, jsonRecord(level, now, values));
  } else {
    writeFrame(TEXT_FRAME, now, `${now.toISOString()}\t${requestId}\t${level}\t${format(...values)}\n`);
  }
}

function jsonRecord(level, now, [message, ...others]) {
  const record = { timestamp: now.toISOString(), level, requestId };
  if (!others.length) {
    try {
      return JSON.stringify({ ...record, message }, (_, value) => (value instanceof Error ? fields(value) : value));
    } catch {
      return JSON.stringify({ ...record, message: format(message) }); // It refers to itself.
    }
  }
  const error = others.find((value) => value instanceof Error);
  return JSON.stringify({ ...record, message: format(message, ...others), ...(error ? fields(error) : {}) });
}

function fields(error) {
  return {
    errorType: error.constructor?.name ?? "UnknownError",
    errorMessage: error.message,
    stackTrace: String(error.stack ?? "").split("\n"),
  };
}

// A frame is type, length and time in microseconds, then the text: so Lambda knows where an event with several lines ends.
function writeFrame(type, now, text) {
  const body = Buffer.from(text);
  const frame = Buffer.alloc(16 + body.length);
  frame.writeUInt32BE(type >>> 0, 0);
  frame.writeUInt32BE(body.length, 4);
  frame.writeBigUInt64BE(BigInt(now.getTime()) * 1000n, 8);
  body.copy(frame, 16);
  for (let at = 0; at < frame.length; ) {
    try {
      at += writeSync(1, frame, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); // The pipe is full: a millisecond later.
    }
  }
}
