"""Node.js: how handlers are named and loaded, callbacks, logs, and every error that AWS's runtime names."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

import pytest

from tests.functions.function_lab import FunctionLab

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not shutil.which("node"), reason="no node"),
]


def function(lab: FunctionLab, code: str | dict[str, str], **settings: Any) -> str:
    """A function in Node.js of this index.js, or these files."""
    files = {"index.js": code} if isinstance(code, str) else code
    return lab.function(files, **{"runtime": "nodejs22.x"} | settings)


MODULE = "export const handler = async (event) => [event, typeof require, import.meta.url];"


@pytest.mark.parametrize(
    ("files", "handler", "expected"),
    [
        ({"index.js": "exports.handler = async () => 1;"}, "index.handler", 1),
        ({"index.cjs": "exports.handler = async () => 2;"}, "index.handler", 2),
        ({"a/b/index.js": "exports.handler = async () => 3;"}, "a/b/index.handler", 3),
        ({"index.js": "exports.a = { b: async () => 4 };"}, "index.a.b", 4),
        ({"index.js": "module.exports = { handler: () => Promise.resolve(5) };"}, "index.handler", 5),
        ({"index.mjs": "export const handler = async () => 6;"}, "index.handler", 6),
        ({"index.mjs": "export default { handler: async () => 7 };"}, "index.handler", 7),
        (
            {"index.mjs": "const x = await Promise.resolve(8); export const handler = async () => x;"},
            "index.handler",
            8,
        ),
        (
            {"package.json": '{"type": "module"}', "index.js": "export const handler = async () => 9;"},
            "index.handler",
            9,
        ),
        (
            {"package.json": '{"type": "module"}', "index.cjs": "exports.handler = async () => 10;"},
            "index.handler",
            10,
        ),
        (
            {
                "index.js": "exports.handler = require('lib').f;",
                "node_modules/lib/index.js": "exports.f = async () => 11;",
            },
            "index.handler",
            11,
        ),
    ],
)
async def test_handlers_are_found(
    lab: FunctionLab, files: dict[str, str], handler: str, expected: int
) -> None:
    """CommonJS and ES modules, in folders, within exports, with modules of the package."""
    assert await lab.value(function(lab, files, handler=handler)) == expected


async def test_modules_of_layers_are_found(lab: FunctionLab) -> None:
    """Both places of a layer for Node.js."""
    layers = {
        "a": {"nodejs/node_modules/one/index.js": "exports.x = 1;"},
        "b": {"nodejs/node22/node_modules/two/index.js": "exports.x = 2;"},
    }
    code = "const [a, b] = [require('one'), require('two')]; exports.handler = async () => [a.x, b.x];"
    assert await lab.value(function(lab, code, layers=layers)) == [1, 2]


async def test_callbacks(lab: FunctionLab) -> None:
    """The third argument, the context's three methods, and null where none of them is used."""
    code = """
    exports.handler = (event, context, callback) => {
      if (event === "callback") setTimeout(() => callback(null, "called"), 5);
      if (event === "error") callback(new RangeError("no"));
      if (event === "succeed") context.succeed("succeeded");
      if (event === "fail") context.fail("only a text");
      if (event === "done") context.done(null, "done");
    };"""
    name = function(lab, code)
    assert await lab.value(name, "callback") == "called"
    assert await lab.value(name, "succeed") == "succeeded"
    assert await lab.value(name, "done") == "done"
    assert await lab.value(name, "none") is None
    assert (await lab.failure(name, "error"))["errorType"] == "RangeError"
    assert await lab.failure(name, "fail") == {
        "errorType": "string",
        "errorMessage": "only a text",
        "trace": [],
    }
    assert len(lab.environments(name)) == 1


async def test_callback_waits_for_the_event_loop(lab: FunctionLab) -> None:
    """Unless told otherwise, an answer by callback goes out when nothing is left to wait for."""
    code = """
    let ticks = 0;
    exports.handler = (event, context, callback) => {
      context.callbackWaitsForEmptyEventLoop = event.waits;
      setTimeout(() => ticks++, 40);
      callback(null, { get ticks() { return ticks; } });
    };"""
    assert await lab.value(function(lab, code), {"waits": True}) == {"ticks": 1}
    assert await lab.value(function(lab, code), {"waits": False}) == {"ticks": 0}


async def test_no_callbacks_since_node_24(lab: FunctionLab) -> None:
    """A handler with a third parameter is refused in AWS's words; the context has no done()."""
    refused = function(
        lab, "exports.handler = (event, context, callback) => callback(null, 1);", runtime="nodejs24.x"
    )
    body = await lab.failure(refused)
    assert body["errorType"] == "Runtime.CallbackHandlerDeprecated"
    assert body["errorMessage"].startswith(
        "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24."
    )
    plain = function(
        lab, "exports.handler = (event, context) => [typeof context.done];", runtime="nodejs24.x"
    )
    assert await lab.value(plain) == ["undefined"]


@pytest.mark.parametrize(
    ("files", "kind", "message"),
    [
        (
            {"other.js": ""},
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'index'\nRequire stack:\n- /var/runtime/index.mjs",
        ),
        (
            {"index.js": "require('nothere');"},
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'nothere'\nRequire stack:\n- /var/task/index.js\n- /var/runtime/index.mjs",
        ),
        (
            {"index.js": "exports.handler = ("},
            "Runtime.UserCodeSyntaxError",
            "SyntaxError: Unexpected end of input",
        ),
        (
            {"index.mjs": "export const handler = ("},
            "Runtime.UserCodeSyntaxError",
            "SyntaxError: Unexpected end of input",
        ),
        (
            {"index.js": "exports.other = 1;"},
            "Runtime.HandlerNotFound",
            "index.handler is undefined or not exported",
        ),
        ({"index.js": "exports.handler = 1;"}, "Runtime.HandlerNotFound", "index.handler is not a function"),
        ({"index.js": "null.x;"}, "TypeError", "Cannot read properties of null (reading 'x')"),
    ],
)
async def test_errors_of_loading(lab: FunctionLab, files: dict[str, str], kind: str, message: str) -> None:
    """Named as AWS's runtime names them, with the paths of AWS; also in INIT_REPORT and the log."""
    name = function(lab, files)
    body = await lab.failure(name)
    assert (body["errorType"], body["errorMessage"]) == (kind, message)
    assert isinstance(body["trace"], list)
    shown = kind if kind.startswith("Runtime.") else "Runtime.Unknown"
    assert f"\tPhase: init\tStatus: error\tError Type: {shown}\n" in lab.log(name)
    assert re.search(
        r"Z\tundefined\tERROR\tUncaught Exception \t\{\"errorType\":\"" + re.escape(kind), lab.log(name)
    )


@pytest.mark.parametrize("handler", ["index", "../index.handler", "a/../b.handler"])
async def test_malformed_handler_names(lab: FunctionLab, handler: str) -> None:
    """Runtime.MalformedHandlerName, as on AWS."""
    body = await lab.failure(function(lab, "exports.handler = async () => 1;", handler=handler))
    assert body["errorType"] == "Runtime.MalformedHandlerName"


async def test_errors_of_a_call(lab: FunctionLab) -> None:
    """Thrown, rejected, with properties of their own; no error at all; what is no JSON."""
    code = """
    class OwnError extends Error { constructor(m) { super(m); this.name = "OwnError"; this.detail = { a: 1 }; } }
    exports.handler = async (event) => {
      if (event === "own") throw new OwnError("bad");
      if (event === "text") throw "a text";
      if (event === "nothing") throw undefined;
      if (event === "loop") { const a = {}; a.a = a; return a; }
      if (event === "bigint") return 1n;
      return undefined;
    };"""
    name = function(lab, code)
    own = await lab.failure(name, "own")
    assert (own["errorType"], own["errorMessage"], own["trace"][0]) == ("OwnError", "bad", "OwnError: bad")
    assert "/var/task/index.js:4:" in own["trace"][1]
    await lab.rested(name)
    assert (
        '\tERROR\tInvoke Error \t{"errorType":"OwnError","errorMessage":"bad","name":"OwnError","detail":{"a":1},'
        in lab.log(name)
    )
    assert await lab.failure(name, "text") == {"errorType": "string", "errorMessage": "a text", "trace": []}
    assert (await lab.failure(name, "nothing"))["errorType"] == "undefined"
    for event in ("loop", "bigint"):
        body = await lab.failure(name, event)
        assert (body["errorType"], body["errorMessage"]) == (
            "Runtime.JSONStringifyError",
            "Unable to stringify response body",
        )
    assert await lab.value(name, None) is None
    assert len(lab.environments(name)) == 1


async def test_errors_that_nobody_catches(lab: FunctionLab) -> None:
    """A rejection or an exception outside the handler's promise ends the process; the next call works."""
    code = """
    const wait = () => new Promise((resolve) => setTimeout(resolve, 500));
    exports.handler = async (event) => {
      if (event === "reject") { Promise.reject(new TypeError("left alone")); await wait(); }
      if (event === "throw") { setTimeout(() => { throw new RangeError("later"); }); await wait(); }
      if (event === "never") await new Promise(() => {});
      return "fine";
    };"""
    name = function(lab, code)
    body = await lab.failure(name, "reject")
    assert (body["errorType"], body["errorMessage"]) == (
        "Runtime.UnhandledPromiseRejection",
        "TypeError: left alone",
    )
    assert await lab.value(name, "") == "fine"
    assert (
        '\tERROR\tUnhandled Promise Rejection \t{"errorType":"Runtime.UnhandledPromiseRejection"'
        in lab.log(name)
    )
    assert " Error: Runtime exited with error: exit status 128\nRuntime.ExitError\nEND " in lab.log(name)
    body = await lab.failure(name, "throw")
    assert (body["errorType"], body["errorMessage"]) == ("RangeError", "later")
    assert await lab.value(name, "") == "fine"
    body = await lab.failure(name, "never")
    assert body["errorType"] == "Runtime.NodeJsExit"
    assert await lab.value(name, "") == "fine"


async def test_streaming_is_refused_by_name(lab: FunctionLab) -> None:
    """awslambda.streamifyResponse says that the lab does not have it."""
    name = function(
        lab, "exports.handler = awslambda.streamifyResponse(async (event, stream) => stream.end());"
    )
    body = await lab.failure(name)
    assert body["errorType"] == "NotEmulatedByThisLab"
    assert "response streaming" in body["errorMessage"]


async def test_context_has_what_aws_gives(lab: FunctionLab) -> None:
    """Names and kinds of all values; memoryLimitInMB is a text; the client's context is parsed."""
    code = "exports.handler = async (event, context) => context;"
    seen = await lab.value(
        function(lab, code, memory_mb=256), client_context=json.dumps({"custom": {"ü": 1}})
    )
    assert set(seen) == {
        "callbackWaitsForEmptyEventLoop",
        "functionVersion",
        "functionName",
        "memoryLimitInMB",
        "logGroupName",
        "logStreamName",
        "clientContext",
        "invokedFunctionArn",
        "awsRequestId",
    }
    assert (seen["memoryLimitInMB"], seen["clientContext"]) == ("256", {"custom": {"ü": 1}})


async def test_console_in_text(lab: FunctionLab) -> None:
    """Time, request id, level, message; several lines are one event; what is written directly stays as it is."""
    code = """
    console.log("loading");
    exports.handler = async () => {
      console.log("a %s", "b", { c: 1 }); console.debug("two\\nlines"); console.info(1); console.warn(2);
      console.error(3); console.trace("t"); process.stdout.write("direct\\n");
    };"""
    name = function(lab, code)
    await lab.value(name, request_id="r-1")
    await lab.rested(name)
    found = [re.sub(r"^\S+Z\t", "", message) for message in lab.messages(name)]
    assert found[1] == "undefined\tINFO\tloading\n"
    assert found[3:10] == [
        "r-1\tINFO\ta b { c: 1 }\n",
        "r-1\tDEBUG\ttwo\nlines\n",
        "r-1\tINFO\t1\n",
        "r-1\tWARN\t2\n",
        "r-1\tERROR\t3\n",
        "r-1\tTRACE\tt\n",
        "direct\n",
    ]


async def test_console_in_json(lab: FunctionLab) -> None:
    """With the log format JSON each call is a record, from the level that the function asks for."""
    code = """
    exports.handler = async () => {
      console.debug("left out"); console.log({ a: 1 }); console.error("no: %s", "why", new RangeError("bad"));
    };"""
    name = function(lab, code, log_format="JSON", application_log_level="INFO")
    await lab.value(name, request_id="r-1")
    await lab.rested(name)
    records = [json.loads(text) for text in lab.messages(name) if '"requestId":"r-1","message"' in text]
    assert (records[0]["level"], records[0]["message"]) == ("INFO", {"a": 1})
    assert records[1]["level"] == "ERROR" and records[1]["message"].startswith("no: why RangeError: bad")
    assert (records[1]["errorType"], records[1]["errorMessage"]) == ("RangeError", "bad")
    assert len(records) == 2


async def test_log_that_fills_its_pipe(lab: FunctionLab) -> None:
    """A megabyte in one call and many small ones: all of it arrives, in order."""
    code = """
    exports.handler = async () => {
      process.stdout.write("first\\n");
      console.log("x".repeat(1_000_000));
      for (let i = 0; i < 3000; i++) console.log("line", i);
    };"""
    name = function(lab, code, timeout_s=20)
    await lab.value(name)
    await lab.rested(name)
    log = lab.log(name)
    assert log.count("x" * 1000) == 1000
    assert [int(number) for number in re.findall(r"\tline (\d+)\n", log)] == list(range(3000))
    lab.events.clear()
