// The Lambda Runtime API as a runtime speaks it: HTTP/1.1 on one connection that stays open.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
import { connect } from "node:net";

const PREFIX = "/2018-06-01/runtime";
const END_OF_HEAD = Buffer.from("\r\n\r\n");

export class RuntimeApi {
  // `address` is what Lambda puts into AWS_LAMBDA_RUNTIME_API: host:port.
  constructor(address) {
    const [host, port] = address.split(":");
    this.address = address;
    this.chunks = [];
    this.wanted = 0; // Bytes of the whole answer; 0 while its head is incomplete.
    this.received = 0;
    this.waiting = null; // Who waits for the answer. One request at a time: the API has no use for more.
    this.socket = connect({ host, port: Number(port), noDelay: true });
    this.socket.on("data", (data) => this.onData(data));
    this.socket.on("error", () => process.exit(1));
    this.socket.on("close", () => process.exit(1));
  }

  // Wait for the next event: { headers, body }.
  next() {
    return this.request("GET", "/invocation/next");
  }

  // Send what the handler has returned, as JSON text.
  respond(requestId, json) {
    return this.request("POST", `/invocation/${requestId}/response`, json);
  }

  // Send what the handler has thrown: { errorType, errorMessage, trace }.
  fail(requestId, error) {
    return this.request("POST", `/invocation/${requestId}/error`, JSON.stringify(error), error.errorType);
  }

  // Say that the handler could not be loaded.
  failInit(error) {
    return this.request("POST", "/init/error", JSON.stringify(error), error.errorType);
  }

  request(method, path, body = "", errorType = "") {
    const lines = [
      `${method} ${PREFIX}${path} HTTP/1.1`,
      `Host: ${this.address}`,
      "Content-Type: application/json",
      `Content-Length: ${Buffer.byteLength(body)}`,
    ];
    if (errorType) lines.push(`Lambda-Runtime-Function-Error-Type: ${errorType.replace(/[^\x20-\x7e]/g, "?")}`);
    this.socket.ref(); // While we wait, this connection keeps Node running.
    this.socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`);
    return new Promise((resolve) => (this.waiting = resolve));
  }

  onData(data) {
    this.chunks.push(data);
    this.received += data.length;
    if (!this.wanted) {
      const start = Buffer.concat(this.chunks);
      this.chunks = [start];
      const end = start.indexOf(END_OF_HEAD);
      if (end < 0) return;
      this.bodyAt = end + END_OF_HEAD.length;
      this.headers = parseHead(start.toString("utf8", 0, end));
      this.wanted = this.bodyAt + Number(this.headers["content-length"] ?? 0);
    }
    if (this.received < this.wanted) return;
    const body = Buffer.concat(this.chunks).toString("utf8", this.bodyAt, this.wanted);
    const { headers, waiting } = this;
    this.chunks = [];
    this.received = this.wanted = 0;
    this.waiting = null;
    this.socket.unref(); // From here on only the function's own work does.
    waiting?.({ headers, body });
  }
}

function parseHead(text) {
  const headers = {};
  for (const line of text.split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return headers;
}
