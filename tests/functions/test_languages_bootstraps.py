"""Custom runtimes that do wrong: AWS's error each, and the next call works."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from labhelpers.functions.environment import State
from tests.functions.function_lab import FunctionLab, function_lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

# A runtime in Python's standard library, whose `misbehave` says what is wrong with it. `{"ok": 1}` is answered well.
BOOTSTRAP = """#!/usr/bin/env python3
import http.client, json, os, sys, time

PREFIX = "/2018-06-01/runtime/invocation/"
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

def ask(method, path, body=None):
    api.request(method, PREFIX + path, body)
    answer = api.getresponse()
    return answer.status, answer.read(), answer.headers

{init}
while True:
    _, event, headers = ask("GET", "next")
    event, id = json.loads(event), headers["Lambda-Runtime-Aws-Request-Id"]
    if "ok" not in event:
{misbehave}
    ask("POST", id + "/response", json.dumps({{"cwd": os.getcwd(), "argv": sys.argv, "env": dict(os.environ)}}))
"""
OK = {"ok": 1}


def bootstrap(misbehave: str = "pass", init: str = "") -> str:
    """The runtime's text."""
    lines = "\n".join(f"        {line}" for line in misbehave.splitlines())
    return BOOTSTRAP.format(init=init, misbehave=lines)


def function(lab: FunctionLab, files: Mapping[str, str] | str, **settings: Any) -> str:
    """A function with this bootstrap, or these files."""
    given = {"bootstrap": files} if isinstance(files, str) else files
    return lab.function(given, **{"runtime": "provided.al2023", "handler": "own.handler"} | settings)


async def test_bootstrap_is_started_as_on_aws(lab: FunctionLab) -> None:
    """In the package's folder, without arguments, with AWS's variables; none names a managed runtime."""
    seen = await lab.value(function(lab, bootstrap()), OK)
    root = seen["env"]["LAMBDA_TASK_ROOT"]
    assert (seen["cwd"], seen["argv"]) == (root, [f"{root}/bootstrap"])
    assert seen["env"]["_HANDLER"] == "own.handler"
    assert not {"AWS_EXECUTION_ENV", "PYTHONPATH", "NODE_PATH", "PWD", "SHLVL"} & set(seen["env"]) - {
        "PWD",
        "SHLVL",
    }
    if lab.isolated:
        assert root == "/var/task"
        libraries = "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
        assert seen["env"]["LD_LIBRARY_PATH"] == libraries
        assert seen["env"]["PATH"] == "/usr/local/bin:/usr/bin/:/bin:/opt/bin"
        assert seen["env"]["LAMBDA_RUNTIME_DIR"] == "/var/runtime"


async def test_bootstrap_of_a_layer(lab: FunctionLab) -> None:
    """A layer may bring the runtime; that of the package counts more."""
    layers = {"own-runtime": {"bootstrap": bootstrap()}}
    seen = await lab.value(function(lab, {"code": ""}, layers=layers), OK)
    assert seen["argv"][0].endswith("/bootstrap")
    assert not lab.isolated or seen["argv"] == ["/opt/bootstrap"]
    both = await lab.value(function(lab, bootstrap(), layers=layers), OK)
    assert both["argv"] == [f"{both['env']['LAMBDA_TASK_ROOT']}/bootstrap"]


def rewrite(lab: FunctionLab, name: str, text: str, mode: int = 0o755) -> None:
    """Put another bootstrap in the place of a function's."""
    path = Path(lab.registry.versions[name].code_root, "bootstrap")
    path.write_bytes(text.encode())
    path.chmod(mode)


async def entrypoint_failure(lab: FunctionLab, name: str) -> str:
    """The message of a function that cannot be started, which is also in its log, as on AWS."""
    body = await lab.failure(name, OK, request_id="r-1")
    assert body["errorType"] == "Runtime.InvalidEntrypoint"
    text: str = body["errorMessage"]
    await lab.rested(name)
    log = lab.log(name)
    assert log.count("\tStatus: error\tError Type: Runtime.InvalidEntrypoint\n") >= 2
    assert f"{text}\nRuntime.InvalidEntrypoint\n" in log
    assert text.startswith("RequestId: r-1 Error: ")
    return text.removeprefix("RequestId: r-1 Error: ")


async def test_no_bootstrap(lab: FunctionLab) -> None:
    """Neither in the package nor in a layer; a folder of that name is none."""
    for files in ({"code": ""}, {"bootstrap/file": ""}):
        text = await entrypoint_failure(lab, function(lab, files))
        assert text == "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        (bootstrap(), 0o644, "permission denied"),
        ("no program\n", 0o755, "exec format error"),
        ("#!/no/such/program\n", 0o755, "no such file or directory"),
        ("#!/bin/sh\r\necho\r\n", 0o755, "no such file or directory"),
    ],
)
async def test_bootstrap_that_cannot_be_executed(lab: FunctionLab, text: str, mode: int, reason: str) -> None:
    """Without its mode, without a first line, with one that names nothing, with line ends of Windows."""
    name = function(lab, {"bootstrap": text})
    rewrite(lab, name, text, mode)
    assert await entrypoint_failure(lab, name) == f"fork/exec /var/task/bootstrap: {reason}"
    rewrite(lab, name, bootstrap())
    assert (await lab.value(name, OK))["env"]["_HANDLER"] == "own.handler"


@pytest.mark.parametrize(
    ("script", "ending"),
    [
        ("exit 0", "Runtime exited without providing a reason"),
        ("exit 9", "Runtime exited with error: exit status 9"),
        ("kill -s SEGV $$", "Runtime exited with error: signal: segmentation fault"),
        ("exec /no/such/program", "Runtime exited with error: exit status 127"),
    ],
)
async def test_bootstrap_that_exits_at_once(lab: FunctionLab, script: str, ending: str) -> None:
    """INIT is tried twice; the caller hears how it ended."""
    name = function(lab, f"#!/bin/sh\necho started\n{script}\n")
    for _ in range(2):
        body = await lab.failure(name, OK, request_id="r-1")
        assert body == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: r-1 Error: {ending}"}
    assert lab.log(name).count("started\n") == 3  # INIT, INIT again, and once for the second call.


async def test_bootstrap_that_exits_in_a_call(lab: FunctionLab) -> None:
    """Before its answer."""
    name = function(lab, bootstrap("sys.exit(4)"))
    body = await lab.failure(name, {})
    assert body["errorMessage"].endswith("Error: Runtime exited with error: exit status 4")
    assert await lab.value(name, OK)


async def test_bootstrap_that_answers_twice(lab: FunctionLab) -> None:
    """The first answer counts; the runtime is told that the second is not allowed, and goes on."""
    twice = (
        'ask("POST", id + "/response", json.dumps("first"))\n'
        'print("second:", *ask("POST", id + "/response", json.dumps("second"))[:2])\n'
        'print("error:", ask("POST", id + "/error", "{}")[0], flush=True)\n'
        "continue"
    )
    name = function(lab, bootstrap(twice))
    assert await lab.value(name, {}) == "first"
    assert await lab.value(name, OK)
    await lab.rested(name)
    assert "second: 403 b'{" in lab.log(name) and "InvalidStateTransition" in lab.log(name)
    assert (
        "State transition from RuntimeResponseSentState to InvocationResponse failed for runtime."
        in lab.log(name)
    )
    assert "error: 403\n" in lab.log(name)
    assert len(lab.environments(name)) == 1


async def test_bootstrap_that_answers_another_request(lab: FunctionLab) -> None:
    """400 InvalidRequestID for the runtime; the caller gets the answer that was meant for it."""
    other = 'print("other:", *ask("POST", "r-other/response", json.dumps("wrong"))[:2], flush=True)'
    name = function(lab, bootstrap(other))
    assert "cwd" in await lab.value(name, {})
    await lab.rested(name)
    assert "other: 400" in lab.log(name) and "InvalidRequestID" in lab.log(name)


async def test_bootstrap_that_only_answers_another_request(lab: FunctionLab) -> None:
    """Nothing comes for the caller but the timeout."""
    other = 'ask("POST", "r-other/response", json.dumps("wrong"))\ncontinue'
    name = function(lab, bootstrap(other), timeout_s=1)
    body = await lab.failure(name, {})
    assert body["errorType"] == "Sandbox.Timedout"
    assert await lab.value(name, OK)


async def test_bootstrap_that_asks_again_instead_of_answering(lab: FunctionLab) -> None:
    """It gets the same event again, and the call ends in its timeout."""
    again = 'print("again:", *ask("GET", "next")[:2], flush=True)\ntime.sleep(60)'
    name = function(lab, bootstrap(again), timeout_s=1)
    body = await lab.failure(name, {"a": 1})
    assert body["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert "again: 200 b'{\"a\": 1}'\n" in lab.log(name)
    assert await lab.value(name, OK)


async def test_bootstrap_that_never_asks_after_its_answer(lab: FunctionLab) -> None:
    """The caller has its answer at once; the environment is ended at the timeout, and the next call gets another."""
    name = function(lab, bootstrap('ask("POST", id + "/response", b"1")\ntime.sleep(60)'), timeout_s=1)
    async with asyncio.timeout(0.9):
        assert await lab.value(name, {}) == 1
    assert await lab.value(name, OK)
    await lab.until(lambda: "Task timed out after 1.00 seconds" in lab.log(name))


async def test_bootstrap_that_never_asks_at_all() -> None:
    """INIT is over after its limit, then again after the function's timeout."""
    async with function_lab(init_limit_s=0.3) as lab:
        name = function(lab, "#!/bin/sh\nexec sleep 60\n", timeout_s=1)
        body = await lab.failure(name, {}, request_id="r-1")
        text = "RequestId: r-1 Error: Task timed out after 1.00 seconds"
        assert body == {"errorType": "Sandbox.Timedout", "errorMessage": text}
        assert "\tPhase: init\tStatus: timeout" in lab.log(name)
        rewrite(lab, name, bootstrap())
        assert await lab.value(name, OK)


async def test_bootstrap_that_prints_without_end(lab: FunctionLab) -> None:
    """It is slowed by its own pipe and ended by its timeout; others are served meanwhile."""
    name = function(lab, bootstrap('while True: print("x" * 1000)'), timeout_s=1)
    other = function(lab, bootstrap())
    endless = asyncio.create_task(lab.failure(name, {}))
    for _ in range(3):
        assert await lab.value(other, OK)
    assert (await endless)["errorType"] == "Sandbox.Timedout"
    assert await lab.value(name, OK)
    lab.events.clear()


async def test_bootstrap_that_speaks_no_http(lab: FunctionLab) -> None:
    """What is no HTTP is refused, and harms nobody; nor does a path that the Runtime API does not have."""
    nonsense = (
        "import socket\n"
        'host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")\n'
        "with socket.create_connection((host, int(port))) as raw:\n"
        '    raw.sendall(b"\\x00\\x01 nonsense\\r\\n\\r\\n")\n'
        '    print("nonsense:", raw.recv(12), flush=True)\n'
        'print("unknown:", ask("GET", "../../unknown")[0], flush=True)'
    )
    name = function(lab, bootstrap(nonsense))
    assert await lab.value(name, {})
    await lab.rested(name)
    assert "nonsense: b'HTTP/1.1 400'\n" in lab.log(name)
    assert "unknown: 404\n" in lab.log(name)


@pytest.mark.parametrize(
    "body", [b"", b"no JSON", b"[1]", b'{"errorType": 5}', json.dumps({"a": "b"}).encode()]
)
async def test_bootstrap_that_reports_nonsense(lab: FunctionLab, body: bytes) -> None:
    """An error of whatever form is one; the next call works."""
    name = function(lab, bootstrap(f'ask("POST", id + "/error", {body!r})\ncontinue'))
    result = await lab.invoke(name, {})
    assert result.error is not None and isinstance(json.loads(result.payload), dict)
    assert await lab.value(name, OK)
    assert [found.state for found in await lab.rested(name)] == [State.IDLE]


async def test_own_wrapper_is_for_managed_runtimes(lab: FunctionLab) -> None:
    """AWS: AWS_LAMBDA_EXEC_WRAPPER does nothing for a custom runtime."""
    assert await lab.value(function(lab, bootstrap(), variables={"AWS_LAMBDA_EXEC_WRAPPER": "/no/such"}), OK)


async def test_programs_of_this_machine_are_found(
    lab: FunctionLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What conda or Homebrew have installed is on the PATH of a custom runtime, after the system's own."""
    program = tmp_path / "own" / "bin" / "pwsh"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nexec python3 "$1"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    text = bootstrap().replace("#!/usr/bin/env python3", "#!/usr/bin/env pwsh")
    seen = await lab.value(function(lab, text), OK)
    assert seen["env"]["PATH"].split(":")[-1] == str(program.parent)
