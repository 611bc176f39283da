"""Execution environments: INIT, calls, failures, reset and end, with AWS's words in results and logs."""

from __future__ import annotations

import json
import re
import time

import pytest

from labhelpers.functions.environment import TRANSITIONS, State
from tests.functions.function_lab import FunctionLab, function_lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

ID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


async def test_globals_live_on_between_calls(lab: FunctionLab) -> None:
    """INIT happens once; the environment is used again, and only the first call has an Init Duration."""
    name = lab.function("n = 0\ndef handler(e, c):\n    global n\n    n += 1\n    return n\n")
    first = await lab.invoke(name, log_tail=True)
    second = await lab.invoke(name, log_tail=True)
    assert [first.payload, second.payload] == [b"1", b"2"]
    assert first.init_ms and second.init_ms is None
    assert first.billed_ms >= first.init_ms + first.duration_ms > second.billed_ms
    assert len(lab.environments(name)) == 1
    assert lab.log(name).count("INIT_START") == 1


async def test_stream_in_a_shared_group_has_the_functions_name(lab: FunctionLab) -> None:
    """The function knows it; in the function's own group the name is not said again."""
    code = "import os\ndef handler(e, c):\n    return c.log_stream_name\n"
    shared, own = lab.function(code, log_group="shared", log_format="JSON"), lab.function(code)
    streams = [await lab.value(name) for name in (shared, own)]
    assert re.fullmatch(rf"\d{{4}}/\d\d/\d\d/{shared}\[\$LATEST\][0-9a-f]{{32}}", streams[0])
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", streams[1])
    await lab.rested(shared)
    (started, *_) = [event.message for _, stream, event in lab.events if stream == streams[0]]
    assert json.loads(started)["record"]["instanceId"] == streams[0]


async def test_log_of_a_cold_and_a_warm_call(lab: FunctionLab) -> None:
    """INIT_START, START, the function's lines, END and REPORT: each an event, in this order, as AWS writes them."""
    name = lab.function("print('loading')\ndef handler(e, c):\n    print('one')\n    print('two')\n")
    await lab.invoke(name)
    await lab.invoke(name)
    await lab.rested(name)
    arn = "arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}"
    init_start = rf"INIT_START Runtime Version: python:3\.\d+\.v\d+\tRuntime Version ARN: {arn}"
    start, end = rf"START RequestId: {ID} Version: \$LATEST", rf"END RequestId: {ID}"
    durations = rf"REPORT RequestId: {ID}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms"
    report = durations + r"\tMemory Size: 256 MB\tMax Memory Used: \d+ MB\t"
    first_report = report + r"Init Duration: \d+\.\d\d ms\t"
    patterns = [
        init_start,
        "loading",
        start,
        "one",
        "two",
        end,
        first_report,
        start,
        "one",
        "two",
        end,
        report,
    ]
    messages = lab.messages(name)
    assert len(messages) == len(patterns), messages
    for pattern, message in zip(patterns, messages, strict=True):
        assert re.fullmatch(pattern + "\n", message), message


async def test_context_object_is_true(lab: FunctionLab) -> None:
    """What the context says is what the call and the function are."""
    name = lab.function(
        "def handler(e, c):\n"
        "    left = c.get_remaining_time_in_millis()\n"
        "    return {'left': left, 'client': c.client_context.custom, 'env': c.client_context.env,\n"
        "        'identity': c.identity.cognito_identity_id, 'tenant': c.tenant_id,\n"
        "        **{k: getattr(c, k) for k in ('aws_request_id', 'function_name', 'function_version',\n"
        "        'invoked_function_arn', 'memory_limit_in_mb', 'log_group_name', 'log_stream_name')}}\n",
        timeout_s=7,
    )
    request_id = "11111111-2222-3333-4444-555555555555"
    context = '{"custom": {"k": "ü\\n"},\n "env": {"a": "b"}}'
    said = await lab.value(name, qualifier="live", request_id=request_id, client_context=context)
    [environment] = lab.environments(name)
    assert 6000 < said.pop("left") <= 7000
    assert said == {
        "client": {"k": "ü\n"},
        "env": {"a": "b"},
        "identity": None,
        "tenant": None,
        "aws_request_id": request_id,
        "function_name": name,
        "function_version": "$LATEST",
        "invoked_function_arn": f"arn:aws:lambda:us-east-1:123456789012:function:{name}:live",
        "memory_limit_in_mb": "256",
        "log_group_name": f"/aws/lambda/{name}",
        "log_stream_name": environment.log_stream,
    }
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", environment.log_stream)


async def test_variables_are_the_documented_ones(lab: FunctionLab) -> None:
    """A function sees Lambda's variables, its role's keys and its own, and nothing of the host's."""
    code = "import os\ndef handler(e, c): return dict(os.environ)\n"
    name = lab.function(code, variables={"MINE": "1"})
    env = await lab.value(name, trace_id="Root=1-00000000-000000000000000000000000;Sampled=0")
    [environment] = lab.environments(name)
    told = {
        "_HANDLER": "index.handler",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": environment.log_stream,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "SHLVL": "0",
        "MINE": "1",
    }
    assert {key: env.get(key) for key in told} == told
    # The caller's trace, with what Lambda adds to it.
    assert env["_X_AMZN_TRACE_ID"].startswith("Root=1-00000000-000000000000000000000000;Parent=")
    assert ";Sampled=0;Lineage=1:" in env["_X_AMZN_TRACE_ID"]
    assert env["AWS_ACCESS_KEY_ID"] in lab.roles.minted
    assert env["AWS_LAMBDA_RUNTIME_API"].startswith("127.0.0.1:")
    assert not {"HOME", "USER", "LAB_OPT", "LABHELPERS_ISOLATION", "_LAMBDA_TELEMETRY_LOG_FD"} & set(env)
    if lab.isolated:
        assert [env["LAMBDA_TASK_ROOT"], env["LAMBDA_RUNTIME_DIR"]] == ["/var/task", "/var/runtime"]
        assert env["PWD"] == "/var/task" and "TMPDIR" not in env


async def test_each_environment_has_its_own_keys(lab: FunctionLab) -> None:
    """Keys of its role, forgotten when it ends; the session of a name of one letter is lengthened."""
    name = lab.function("import os\ndef handler(e, c): return os.environ['AWS_ACCESS_KEY_ID']\n", name="k")
    key = await lab.value(name)
    assert lab.roles.minted[key] == "k@lambda_function"
    lab.change(name, memory_mb=128)
    assert await lab.value(name) != key
    await lab.until(lambda: key not in lab.roles.minted)


@pytest.mark.parametrize(
    ("handler", "code", "kind", "message"),
    [
        ("index.nothing", "x = 1", "Runtime.HandlerNotFound", "Handler 'nothing' missing on module 'index'"),
        (
            "nodot",
            "x = 1",
            "Runtime.MalformedHandlerName",
            "Bad handler 'nodot': not enough values to unpack (expected 2, got 1)",
        ),
        (
            "absent.handler",
            "x = 1",
            "Runtime.ImportModuleError",
            "Unable to import module 'absent': No module named 'absent'",
        ),
        (
            "index.handler",
            "import pandas",
            "Runtime.ImportModuleError",
            "Unable to import module 'index': No module named 'pandas'",
        ),
        (
            "sys.handler",
            "x = 1",
            "Runtime.BuiltInModuleConflict",
            "Cannot use built-in module sys as a handler module",
        ),
        (
            "index.handler",
            "def handler(:",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'index': invalid syntax (index.py, line 1)",
        ),
    ],
)
async def test_handler_that_cannot_be_loaded(
    lab: FunctionLab, handler: str, code: str, kind: str, message: str
) -> None:
    """The client's own error reaches the caller; INIT is tried twice, and REPORT names the error."""
    name = lab.function(code, handler=handler)
    body = await lab.failure(name)
    assert [body["errorType"], body["errorMessage"], body["requestId"]] == [kind, message, ""]
    log = lab.log(name)
    assert log.count(f"[ERROR] {kind}: {message}") == 2
    assert f"\tPhase: init\tStatus: error\tError Type: {kind}\n" in log
    assert f"\tPhase: invoke\tStatus: error\tError Type: {kind}\nSTART RequestId: " in log
    assert re.search(rf"MB\tStatus: error\tError Type: {kind}\n$", log)


async def test_exception_at_import(lab: FunctionLab) -> None:
    """The caller gets the exception and where it was raised, without a request id; Lambda has no name for its type."""
    name = lab.function("raise ValueError('Runtime startup fails')\n")
    body = await lab.failure(name)
    assert [body["errorType"], body["errorMessage"], body["requestId"]] == [
        "ValueError",
        "Runtime startup fails",
        "",
    ]
    assert body["stackTrace"][-1] == (
        "  File \"/var/task/index.py\", line 1, in <module>\n    raise ValueError('Runtime startup fails')\n"
    )
    assert "\tPhase: init\tStatus: error\tError Type: Runtime.Unknown\n" in lab.log(name)


async def test_failed_init_is_tried_again_by_the_next_call(lab: FunctionLab) -> None:
    """The environment stays, reset; the next call starts its runtime once, in its own time, without INIT_START."""
    name = lab.function("import nothere\n")
    await lab.failure(name)
    [environment] = lab.environments(name)
    assert environment.state is State.RESET
    before = len(lab.messages(name))
    await lab.failure(name)
    assert lab.environments(name) == [environment]
    later = "".join(lab.messages(name)[before:])
    assert later.count("INIT_REPORT") == later.count("Phase: invoke") == later.count("START RequestId") == 1
    assert "INIT_START Runtime" not in later


async def test_handlers_exception_does_not_end_the_environment(lab: FunctionLab) -> None:
    """The caller gets type, message and trace as the client makes them; the same environment takes the next call."""
    name = lab.function(
        "n = 0\nclass Own(Exception): pass\n"
        "def handler(e, c):\n    global n\n    n += 1\n"
        "    if n == 1: raise Own('some error')\n    return n\n"
    )
    result = await lab.invoke(name, log_tail=True)
    assert result.error is not None and result.error.handled == "Unhandled"
    body = result.error.payload.decode()
    assert f'"requestId": "{result.request_id}"' in body and '"errorType": "Own"' in body
    assert r'"  File \"/var/task/index.py\", line 6, in handler\n' in body
    assert result.log_tail is not None
    log = result.log_tail.decode()
    # Recorded on AWS: the record of an error has no line break, so END follows at once; its own event all the same.
    assert f"raise Own('some error')END RequestId: {result.request_id}\n" in log
    assert '\u00a0\u00a0File "/var/task/index.py", line 6, in handler\n' in log
    assert "Status:" not in log
    assert await lab.value(name) == 2


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("os._exit(0)", "exited without providing a reason"),
        ("os._exit(3)", "exited with error: exit status 3"),
        ("sys.exit(4)", "exited with error: exit status 4"),
        ("sys.exit()", "exited without providing a reason"),
        ("sys.exit('so long')", "exited with error: exit status 1"),
        ("os.kill(os.getpid(), 9)", "exited with error: signal: killed"),
        ("os.kill(os.getpid(), 11)", "exited with error: signal: segmentation fault"),
        ("os.abort()", "exited with error: signal: aborted"),
        ("os.kill(os.getpid(), 15)", "exited with error: signal: terminated"),
    ],
)
@pytest.mark.parametrize("where", ["import", "handler"])
async def test_runtime_that_ends(lab: FunctionLab, statement: str, reason: str, where: str) -> None:
    """However a runtime ends, its last words are kept, the caller hears how, and the next call finds a fresh one."""
    spoil = f"    print('last words', flush=True)\n    {statement}\n"
    code = {
        "import": f"if not os.path.exists(TMP):\n    open(TMP, 'w').close()\n{spoil}def handler(e, c): return 'ok'\n",
        "handler": f"def handler(e, c):\n    if e:\n        return 'ok'\n{spoil}",
    }[where]
    head = "import os, sys, tempfile\nTMP = tempfile.gettempdir() + '/ended'\n"
    name = lab.function(head + code)
    if where == "import":  # The second INIT, in the call's own time, finds the file.
        assert await lab.value(name) == "ok"
        assert "\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\n" in lab.log(name)
    else:
        result = await lab.invoke(name, log_tail=True)
        assert result.error is not None and result.error.type == "Runtime.ExitError"
        assert result.error.message == f"RequestId: {result.request_id} Error: Runtime {reason}"
        log = (result.log_tail or b"").decode()
        assert f"\n{result.error.message}\nRuntime.ExitError\nEND RequestId: {result.request_id}\n" in log
        assert "\tStatus: error\tError Type: Runtime.ExitError\n" in log
        assert await lab.value(name, True) == "ok"
    assert "last words\n" in lab.log(name)
    if "so long" in statement:
        assert "so long\n" in lab.log(name)


async def test_runtime_that_always_ends_at_import(lab: FunctionLab) -> None:
    """Recorded on AWS: no reason given, after START; both tries are reported."""
    name = lab.function("import sys\nsys.exit(0)\n")
    result = await lab.invoke(name, log_tail=True)
    assert result.error is not None
    text = f"RequestId: {result.request_id} Error: Runtime exited without providing a reason"
    assert [result.error.type, result.error.message] == ["Runtime.ExitError", text]
    log = (result.log_tail or b"").decode()
    assert log.startswith("INIT_REPORT") and log.count("INIT_REPORT") == 2
    assert f"START RequestId: {result.request_id} Version: $LATEST\n{text}\nRuntime.ExitError\nEND" in log


async def test_runtime_killed_while_idle(lab: FunctionLab) -> None:
    """The next call does not hear of it: it gets a fresh runtime in the same environment."""
    name = lab.function("import os\nn = 0\ndef handler(e, c):\n    global n\n    n += 1\n    return n\n")
    assert await lab.value(name) == 1
    [environment] = await lab.rested(name)
    environment.kill()
    await lab.until(lambda: environment.state is State.RESET)
    assert await lab.value(name) == 1
    assert await lab.value(name) == 2
    assert lab.environments(name) == [environment]


async def test_runtime_is_not_warned_of_its_end(lab: FunctionLab) -> None:
    """Without extensions AWS sends no SIGTERM: neither handlers of signals nor those of atexit run."""
    name = lab.function(
        "import atexit, signal, sys\n"
        "atexit.register(print, 'at exit')\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('told'), sys.exit()))\n"
        "def handler(e, c): print('called')\n"
    )
    await lab.value(name)
    [environment] = await lab.rested(name)
    await environment.shut_down()
    assert environment.state is State.ENDED
    messages = "".join(lab.messages(name))
    assert "called" in messages and "told" not in messages and "at exit" not in messages


async def test_timeout(lab: FunctionLab) -> None:
    """The caller hears of it on time; log and report say so, and the function's billed time is its timeout."""
    name = lab.function(
        "import time\ndef handler(e, c):\n    print('waits')\n    time.sleep(60)\n", timeout_s=1
    )
    began = time.monotonic()
    result = await lab.invoke(name, log_tail=True)
    assert 1.0 <= time.monotonic() - began < 4
    text = f"RequestId: {result.request_id} Error: Task timed out after 1.00 seconds"
    assert result.error is not None
    assert [result.error.type, result.error.message] == ["Sandbox.Timedout", text]
    log = (result.log_tail or b"").decode()
    when = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.search(rf"waits\n{when} {result.request_id} Task timed out after 1\.00 seconds\n\nEND", log)
    assert re.search(r"\tDuration: 1000\.00 ms\t.*\tInit Duration: [\d.]+ ms\tStatus: timeout\n$", log)
    assert 1000 < result.billed_ms < 2000


async def test_reset_keeps_tmp_and_loses_globals(lab: FunctionLab) -> None:
    """Recorded on AWS: after a timeout the file in /tmp is still there, the number in a global is not."""
    name = lab.function(
        "import tempfile, time\nnumber = 0\nfile = tempfile.gettempdir() + '/kept'\n"
        "def handler(e, c):\n    global number\n"
        "    if e == 'write':\n        number = 42\n        open(file, 'w').write('some-content')\n"
        "    if e == 'sleep': time.sleep(60)\n    return [open(file).read(), number]\n",
        timeout_s=1,
    )
    assert await lab.value(name, "write") == ["some-content", 42]
    [environment] = lab.environments(name)
    assert (await lab.failure(name, "sleep"))["errorType"] == "Sandbox.Timedout"
    assert await lab.value(name, "read") == ["some-content", 0]
    assert lab.environments(name) == [environment]
    await lab.rested(name)
    assert "Init Duration" not in lab.messages(name)[-1], "an INIT in a call's time is part of its duration"


async def test_init_that_takes_too_long() -> None:
    """After its limit INIT is broken off; it is tried once more within the function's own timeout, and may succeed."""
    async with function_lab(init_limit_s=0.3) as lab:
        name = lab.function("import time\ntime.sleep(0.8)\ndef handler(e, c): return 1\n", timeout_s=5)
        result = await lab.invoke(name, log_tail=True)
        assert result.payload == b"1" and result.init_ms is None
        assert result.duration_ms > 800
        log = (result.log_tail or b"").decode()
        assert re.match(
            r"INIT_REPORT Init Duration: 3\d\d\.\d\d ms\tPhase: init\tStatus: timeout\nSTART", log
        )
        name = lab.function("import time\nprint('loads')\ntime.sleep(60)\n", timeout_s=1)
        result = await lab.invoke(name, log_tail=True)
        assert result.error is not None and result.error.message.endswith("Task timed out after 1.00 seconds")
        log = (result.log_tail or b"").decode()
        assert re.search(
            r"loads\nINIT_REPORT Init Duration: 1\d{3}\.\d\d ms\tPhase: invoke\tStatus: timeout\nSTART", log
        )
        assert re.search(r"\tDuration: 1000\.00 ms\tBilled Duration: 1000 ms\t.*\tStatus: timeout\n$", log)


async def test_call_that_times_out_after_a_slow_second_init() -> None:
    """What the second INIT took is taken from the call's time, and from what the context says is left."""
    async with function_lab(init_limit_s=0.2) as lab:
        name = lab.function(
            "import time\ntime.sleep(0.5)\n"
            "def handler(e, c):\n    print('left', c.get_remaining_time_in_millis())\n    time.sleep(60)\n",
            timeout_s=1,
        )
        began = time.monotonic()
        assert (await lab.failure(name))["errorType"] == "Sandbox.Timedout"
        assert time.monotonic() - began < 4
        left = re.search(r"left (\d+)\n", lab.log(name))
        assert left is not None and 0 < int(left[1]) < 500


async def test_endless_loop_is_ended(lab: FunctionLab) -> None:
    """A handler that never gives the processor back is ended all the same."""
    name = lab.function("def handler(e, c):\n    while True: pass\n", timeout_s=1)
    assert (await lab.failure(name))["errorType"] == "Sandbox.Timedout"


async def test_response_that_is_too_large(lab: FunctionLab) -> None:
    """Over 6 MB the caller gets AWS's error, and the next call works; 6 MB and 100 bytes is the limit."""
    name = lab.function("def handler(e, c): return 'a' * e\n", memory_mb=1024)
    assert len((await lab.invoke(name, 6 * 1024 * 1024)).payload) == 6 * 1024 * 1024 + 2
    for _ in range(2):
        body = await lab.failure(name, 7 * 1024 * 1024)
        assert body == {
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        }
    assert await lab.value(name, 3) == "aaa"
    assert "\tStatus: error\tError Type: Function.ResponseSizeTooLarge\n" in lab.log(name)


@pytest.mark.parametrize("value", ["{1, 2}", "object()", "lambda: 1"])
async def test_response_that_is_not_json(lab: FunctionLab, value: str) -> None:
    """A value that JSON has no form for is the client's marshal error; the environment lives on."""
    name = lab.function(f"def handler(e, c): return 1 if e else {value}\n")
    body = await lab.failure(name)
    assert body["errorType"] == "Runtime.MarshalError"
    assert body["errorMessage"].startswith("Unable to marshal response: Object of type ")
    assert await lab.value(name, True) == 1
    assert len(lab.environments(name)) == 1


@pytest.mark.parametrize(
    "event",
    [b"true", b"null", b"[1, 2]", b'"\xc3\xa4 \xf0\x9f\xa5\xb3"', b'{"a": {"b": [1.5, "\\u0000"]}}', b"{}"],
)
async def test_event_arrives_as_it_was_sent(lab: FunctionLab, event: bytes) -> None:
    """Any JSON value is an event, and comes back from an echo."""
    name = lab.function(name="echo") if "echo" not in lab.registry.versions else "echo"
    assert await lab.value(name, event) == json.loads(event)


async def test_error_that_is_too_large(lab: FunctionLab) -> None:
    """An error of more than 6 MB is none that could be told: its size is, and the environment answers the next call."""
    name = lab.function(
        "def handler(e, c):\n    if e: raise ValueError('x' * e)\n    return 1\n", memory_mb=512
    )
    failure = await lab.failure(name, 7_000_000)
    assert failure["errorType"] == "Function.ResponseSizeTooLarge" and "6291556" in failure["errorMessage"]
    assert await lab.value(name, 0) == 1


async def test_large_event(lab: FunctionLab) -> None:
    """An event near the limit of 6 MB goes there and back."""
    name = lab.function(memory_mb=1024)
    event = {"hello": "obi wan!" * 128 * 1024 * 5}
    assert await lab.value(name, event) == event


async def test_illegal_transition_is_refused() -> None:
    """States follow the table, which knows every state."""
    assert set(TRANSITIONS) == set(State)
    assert not TRANSITIONS[State.ENDED]
