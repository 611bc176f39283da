"""One table of cases for every language that this machine has: the same function behaves the same in all of them."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
import pytest_asyncio

from labhelpers.functions.environment import State
from tests.functions.function_lab import ACCOUNT, FunctionLab, function_lab
from tests.functions.language_functions import ALL, InLanguage

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _here(language: InLanguage) -> Any:
    """The language as a parameter; left out in one word where its programs are missing."""
    missing = language.missing
    # In continuous integration all that can be installed has been.
    assert not missing or "CI" not in os.environ or language.name == "powershell", (
        f"{language.name}: no {missing}"
    )
    skip = pytest.mark.skipif(bool(missing), reason=f"no {' '.join(missing)}")
    return pytest.param(language, id=language.name, marks=skip)


LANGUAGES = pytest.mark.parametrize("language", [_here(language) for language in ALL])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab() -> AsyncIterator[FunctionLab]:
    """A lab as the machine gives it: with root folders where it has namespaces."""
    async with function_lab() as made:
        yield made


def deploy(lab: FunctionLab, language: InLanguage, **settings: Any) -> str:
    """Make the function; returns its name."""
    known = {"runtime": language.runtime, "handler": language.handler, "memory_mb": language.memory_mb}
    name = lab.function({}, **known | settings)
    shutil.copytree(language.package(), lab.registry.versions[name].code_root, dirs_exist_ok=True)
    return name


def leave_out(language: InLanguage, case: str) -> None:
    """Leave a case out that a language cannot have."""
    if case in language.left_out:
        pytest.skip(f"{language.name} has no {case}")


@LANGUAGES
async def test_event_context_environment_and_globals(lab: FunctionLab, language: InLanguage) -> None:
    """Unicode both ways, the context's values, the function's own variables and AWS's, globals from call to call."""
    name = deploy(lab, language, variables={"OWN": "variable"}, memory_mb=320)
    event = {"do": "echo", "text": 'ä € 😀 \\ " \n', "list": [1, 2.5, None, True, {"a": []}]}
    assert await lab.value(name, event) == event
    seen = await lab.value(name, {"do": "context"}, request_id="7a3c3b5e-0000-4000-8000-000000000001")
    left_ms = seen.pop("left")
    assert seen == {
        "id": "7a3c3b5e-0000-4000-8000-000000000001",
        "arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}",
        "name": name,
        "memory": 320,
    }
    assert 5_000 < left_ms <= 10_000
    for variable, value in (("OWN", "variable"), ("TZ", ":UTC"), ("_HANDLER", language.handler)):
        assert await lab.value(name, {"do": "env", "name": variable}) == value
    expected = "" if language.runtime.startswith("provided") else f"AWS_Lambda_{language.runtime}"
    assert await lab.value(name, {"do": "env", "name": "AWS_EXECUTION_ENV"}) in (expected, expected or None)
    assert [await lab.value(name, {"do": "count"}) for _ in range(3)] == [1, 2, 3]
    assert len(lab.environments(name)) == 1


@LANGUAGES
async def test_log(lab: FunctionLab, language: InLanguage) -> None:
    """What the function prints is in its log, between START and END of that call."""
    name = deploy(lab, language)
    await lab.value(name, {"do": "log"})
    await lab.rested(name)
    log = lab.log(name)
    assert log.index("START RequestId") < log.index("logged ü") < log.index("END RequestId")
    family = re.match("[a-z]+", language.runtime)
    assert family and log.startswith(f"INIT_START Runtime Version: {family[0]}:")


@LANGUAGES
async def test_error_with_stack_trace(lab: FunctionLab, language: InLanguage) -> None:
    """An error is AWS's JSON with message, type and stack; the same environment takes the next call."""
    name = deploy(lab, language)
    body = await lab.failure(name, {"do": "fail"})
    assert (body["errorMessage"], body["errorType"]) == (language.message, language.error_type)
    where, what = language.stack
    assert what in json.dumps(body.get(where, ""))
    assert await lab.value(name, {"do": "count"}) == 1
    assert await lab.value(name, {"do": "echo"}) == {"do": "echo"}
    assert len(lab.environments(name)) == 1
    assert language.message.partition(" ")[0] in lab.log(name) or "bad ü" in lab.log(name)


@pytest.mark.parametrize("language", [_here(language) for language in ALL if language.name == "go"])
async def test_panic_of_nothing(lab: FunctionLab, language: InLanguage) -> None:
    """Go's panic(nil) is an error as well: older programs recover nothing from it."""
    name = deploy(lab, language)
    body = await lab.failure(name, {"do": "panic-nil"})
    assert body["errorMessage"].startswith("panic called with nil argument")
    assert await lab.value(name, {"do": "count"}) == 1


@LANGUAGES
async def test_timeout(lab: FunctionLab, language: InLanguage) -> None:
    """A function that takes too long is ended with all that it started; the next call finds a fresh one."""
    limit_s = 3 if language.name == "java" else 1  # The call after it starts a new JVM within the same limit.
    name = deploy(lab, language, timeout_s=limit_s)
    await lab.value(name, {"do": "echo"})  # Its INIT is not what is measured.
    body = await lab.failure(name, {"do": "sleep"})
    assert body["errorType"] == "Sandbox.Timedout"
    assert body["errorMessage"].endswith(f"Error: Task timed out after {limit_s}.00 seconds")
    assert await lab.value(name, {"do": "echo"}) == {"do": "echo"}
    assert [found.state for found in await lab.rested(name)] == [State.IDLE]


@LANGUAGES
async def test_exit(lab: FunctionLab, language: InLanguage) -> None:
    """A function that ends its own process: Runtime.ExitError with how it ended; the next call works."""
    name = deploy(lab, language)
    body = await lab.failure(name, {"do": "exit"})
    assert body["errorType"] == "Runtime.ExitError"
    assert body["errorMessage"].endswith(f"Error: Runtime exited with error: {language.exit_error}")
    assert await lab.value(name, {"do": "echo"}) == {"do": "echo"}


@LANGUAGES
async def test_memory(lab: FunctionLab, language: InLanguage) -> None:
    """A function that wants more than its memory is ended or told so; the next call works."""
    leave_out(language, "allocate")
    name = deploy(lab, language, memory_mb=160, timeout_s=10)
    body = await lab.failure(name, {"do": "allocate"})
    assert body["errorType"] in {
        "Runtime.OutOfMemory",
        "MemoryError",
        "java.lang.OutOfMemoryError",
        "Function<NoMemoryError>",
    }
    assert await lab.value(name, {"do": "echo"}) == {"do": "echo"}


@LANGUAGES
async def test_frozen_between_calls(lab: FunctionLab, language: InLanguage) -> None:
    """An environment that rests is stopped; the next call finds it as it was."""
    name = deploy(lab, language)
    assert await lab.value(name, {"do": "count"}) == 1
    [environment] = await lab.rested(name)
    process = psutil.Process(environment.pid)
    await lab.until(lambda: process.status() == psutil.STATUS_STOPPED)
    assert await lab.value(name, {"do": "count"}) == 2
    assert process.is_running()


@LANGUAGES
async def test_large_event_and_answer(lab: FunctionLab, language: InLanguage) -> None:
    """Five megabytes in and out, whole."""
    leave_out(language, "plain")
    name = deploy(lab, language, memory_mb=1024)
    event = {"do": "echo", "text": "x" * 5_000_000 + "ä"}
    assert await lab.value(name, event) == event


@LANGUAGES
async def test_without_root_folders(language: InLanguage) -> None:
    """Where Linux's namespaces are not to be had, the same function works, and names its files as AWS does."""
    async with function_lab(isolated=False) as lab:
        name = deploy(lab, language)
        assert await lab.value(name, {"do": "echo", "x": 1}) == {"do": "echo", "x": 1}
        body = await lab.failure(name, {"do": "fail"})
        where, what = language.stack
        assert what in json.dumps(body.get(where, ""))
