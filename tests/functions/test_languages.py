"""How Python is started: by a fork, or as a fresh interpreter where something asks for one; with either client."""

from __future__ import annotations

import compileall
import importlib.util
import json
import sys
from typing import Any

import pytest

from labhelpers.functions.languages import runtime_version
from labhelpers.functions.runtimes_python import other_python
from tests.functions.function_lab import FunctionLab, function_lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOOK = """
import os, sys
def handler(e, c):
    return {"path": sys.path, "env": dict(os.environ), "argv": sys.argv, "flags": list(sys.flags), "file": __file__,
        "main": sys.modules["__main__"].__name__, "modules": sorted(sys.modules), "cwd": os.getcwd()}
"""
_HAS_NATIVE = importlib.util.find_spec("runtime_client") is not None
VERSION = "python3.12"  # Of the functions in these tests, whichever Python runs them.


async def look(lab: FunctionLab, **settings: Any) -> dict[str, Any]:
    """What a function sees of its interpreter."""
    seen: dict[str, Any] = await lab.value(lab.function(LOOK, **settings))
    return seen


async def test_path_of_a_forked_runtime(lab: FunctionLab) -> None:
    """Code, layers, runtime, standard library, in this order; nothing of the lab can be imported or is loaded."""
    seen = await look(lab)
    root = seen["env"]["LAMBDA_TASK_ROOT"]
    assert seen["path"][0] == root == seen["cwd"]
    assert seen["path"][1].endswith(f"/python/lib/{VERSION}/site-packages") and seen["path"][2].endswith(
        "/python"
    )
    assert seen["path"][3] == seen["env"]["LAMBDA_RUNTIME_DIR"]
    assert not [
        path for path in seen["path"] if "site-packages" in path and not path.startswith(seen["path"][2])
    ]
    assert not [name for name in seen["modules"] if name.startswith("labhelpers")]
    if lab.isolated:
        assert seen["path"][:4] == [
            "/var/task",
            f"/opt/python/lib/{VERSION}/site-packages",
            "/opt/python",
            "/var/runtime",
        ]


@pytest.mark.parametrize("variables", [{"PYTHONUTF8": "1"}, {"LD_PRELOAD": ""}, {"PYTHONOPTIMIZE": "1"}])
async def test_fresh_interpreter_sees_the_same(lab: FunctionLab, variables: dict[str, str]) -> None:
    """Variables that an interpreter reads when it starts are heeded; path, variables and folder are those of a fork."""
    forked, fresh = await look(lab), await look(lab, variables=variables)
    names = ["path", "main"] if lab.isolated else ["main"]
    assert [fresh[name] for name in names] == [forked[name] for name in names]
    assert fresh["env"].keys() - {"LC_CTYPE"} == forked["env"].keys() | variables.keys()
    assert fresh["path"][0] == fresh["cwd"] == fresh["env"]["LAMBDA_TASK_ROOT"]
    assert not [name for name in fresh["modules"] if name.startswith("labhelpers")]
    if "PYTHONOPTIMIZE" in variables:
        assert [forked["flags"][3], fresh["flags"][3]] == [0, 1]


async def test_own_python_path(lab: FunctionLab) -> None:
    """A function's PYTHONPATH comes right after its code, and needs no fresh interpreter."""
    name = lab.function(
        {"index.py": "import deep\ndef handler(e, c): return deep.value\n", "lib/deep.py": "value = 5\n"},
        variables={"PYTHONPATH": "lib"},
    )
    version = lab.registry.versions[name]
    path = "/var/task/lib" if lab.isolated else str(version.code_root / "lib")
    lab.change(name, variables={"PYTHONPATH": path})
    assert await lab.value(name) == 5


async def test_layers_are_found(lab: FunctionLab) -> None:
    """Both places of a layer for Python, the later layer over the earlier; a file of /opt by its path."""
    name = lab.function(
        "import one, two, both, sys\ndef handler(e, c):\n    return [one.x, two.x, both.x, one.__file__]\n",
        layers={
            "a": {"python/one.py": "x = 1\n", "python/both.py": "x = 'a'\n"},
            "b": {f"python/lib/{VERSION}/site-packages/two.py": "x = 2\n", "python/both.py": "x = 'b'\n"},
        },
    )
    one, two, both, file = await lab.value(name)
    assert [one, two, both] == [1, 2, "b"]
    if lab.isolated:
        assert file == "/opt/python/one.py"


async def test_layer_with_libraries_gets_a_fresh_interpreter(lab: FunctionLab) -> None:
    """/opt/lib is on the linker's path only if the variable was there before the interpreter started."""
    name = lab.function(LOOK, layers={"a": {"lib/libx.so": "", "python/one.py": ""}})
    seen = await lab.value(name)
    opt = "/opt" if lab.isolated else str(lab.folder)
    assert opt in seen["env"]["LD_LIBRARY_PATH"] and seen["env"]["LD_LIBRARY_PATH"].endswith("/lib")
    assert seen["argv"][0].endswith("/bootstrap.py")


async def test_wrapper_that_is_missing(lab: FunctionLab) -> None:
    """Recorded on AWS: exit status 127."""
    name = lab.function(variables={"AWS_LAMBDA_EXEC_WRAPPER": "/idontexist.sh"})
    body = await lab.failure(name)
    assert body["errorType"] == "Runtime.ExitError"
    assert body["errorMessage"].endswith(" Error: Runtime exited with error: exit status 127")
    assert "/idontexist.sh: No such file or directory\n" in lab.log(name)


async def test_wrapper_of_the_package(lab: FunctionLab) -> None:
    """A wrapper script changes the environment and starts the runtime that it is given."""
    wrapper = '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n'
    name = lab.function({"index.py": LOOK, "wrapper": wrapper})
    root = "/var/task" if lab.isolated else str(lab.registry.versions[name].code_root)
    lab.change(name, variables={"AWS_LAMBDA_EXEC_WRAPPER": f"{root}/wrapper"})
    assert (await lab.value(name))["env"]["WRAPPED"] == "yes"


async def test_standard_library_and_boto3_are_there(lab: FunctionLab) -> None:
    """Modules that the guardian did not load, threads, subprocesses, temporary files, time zone, exit()."""
    name = lab.function(
        "import asyncio, boto3, ctypes, email, multiprocessing, queue, sqlite3, ssl, subprocess, tempfile\n"
        "import threading, time, urllib.request, uuid, zoneinfo, zipfile\n"
        "def handler(e, c):\n"
        "    with tempfile.NamedTemporaryFile() as f: f.write(b'x')\n"
        "    out = []\n    t = threading.Thread(target=lambda: out.append(1)); t.start(); t.join()\n"
        "    asyncio.run(asyncio.sleep(0))\n"
        "    s3 = boto3.client('s3')\n"
        "    said = subprocess.check_output(['sh', '-c', 'echo hi; pwd']).decode()\n"
        "    return [said, out, time.tzname[0], s3.meta.endpoint_url,\n"
        "        callable(exit), ssl.create_default_context().cert_store_stats()['x509_ca'] >= 0]\n",
        memory_mb=512,
        timeout_s=20,
    )
    said, *others = await lab.value(name)
    assert said.startswith("hi\n/")
    assert others == [[1], "UTC", "http://127.0.0.1:9", True, True]


async def test_tracebacks_name_the_package_as_aws_does(lab: FunctionLab) -> None:
    """Also of a sibling module, and in what a handler formats itself."""
    name = lab.function(
        {
            "index.py": "import traceback\nfrom inner import deep\n"
            "def handler(e, c):\n    try: deep.fail()\n    except KeyError: return traceback.format_exc()\n",
            "inner/__init__.py": "",
            "inner/deep.py": "def fail():\n    raise KeyError('k')\n",
        }
    )
    text = await lab.value(name)
    assert 'File "/var/task/index.py", line 4, in handler\n    try: deep.fail()\n' in text
    assert "File \"/var/task/inner/deep.py\", line 2, in fail\n    raise KeyError('k')\n" in text


async def test_compiled_modules_do_not_hide_where_they_came_from(lab: FunctionLab) -> None:
    """A package may bring __pycache__ or compiled modules only; names in tracebacks are AWS's all the same."""
    files = {
        "index.py": "import helper\ndef handler(e, c): helper.fail()\n",
        "helper.py": "def fail(): raise KeyError('k')\n",
        "only/__init__.py": "value = 1\n",
    }
    name = lab.function(files)
    root = lab.registry.versions[name].code_root
    compileall.compile_dir(root, quiet=1)
    compileall.compile_dir(root / "only", quiet=1, legacy=True)
    (root / "only" / "__init__.py").unlink()
    body = await lab.failure(name)
    assert body["stackTrace"] == [
        '  File "/var/task/index.py", line 2, in handler\n    def handler(e, c): helper.fail()\n',
        "  File \"/var/task/helper.py\", line 1, in fail\n    def fail(): raise KeyError('k')\n",
    ]
    other = lab.function({"index.py": "import only\ndef handler(e, c): return only.value\n"})
    (lab.registry.versions[other].code_root / "only").mkdir()
    (root / "only" / "__init__.pyc").rename(lab.registry.versions[other].code_root / "only" / "__init__.pyc")
    assert await lab.value(other) == 1


@pytest.mark.parametrize("variables", [{}, {"PYTHONHASHSEED": "0"}])
@pytest.mark.parametrize(
    ("runtime", "payload"), [("python3.11", rb'"\u00e9\u2603"'), ("python3.12", '"é☃"'.encode())]
)
async def test_text_of_a_result_is_written_as_its_runtime_does(
    lab: FunctionLab, runtime: str, payload: bytes, variables: dict[str, str]
) -> None:
    """As characters from Python 3.12 on, escaped before; in a fork and in a fresh interpreter."""
    name = lab.function("def handler(e, c): return 'é☃'\n", runtime=runtime, variables=variables)
    assert (await lab.invoke(name)).payload == payload


async def test_runtime_names_itself_as_on_aws(lab: FunctionLab) -> None:
    """Frames of the client are below /var/runtime."""
    name = lab.function("import inspect\ndef handler(e, c): return [f.filename for f in inspect.stack()]\n")
    frames = await lab.value(name)
    assert frames[:2] == ["/var/task/index.py", "/var/runtime/awslambdaric/bootstrap.py"]


@pytest.mark.parametrize("isolated", [True, False])
@pytest.mark.parametrize(
    "native",
    [False, pytest.param(True, marks=pytest.mark.skipif(not _HAS_NATIVE, reason="AWS's part is not here"))],
)
async def test_own_client_and_compiled_one(isolated: bool, native: bool) -> None:
    """Our module in the place of the compiled part of AWS's client behaves as that does."""
    async with function_lab(isolated=isolated, native_client=native) as lab:
        name = lab.function(
            "import json, runtime_client\n"
            "def handler(e, c):\n"
            "    if e == 'raise': raise ValueError('ä' * 3000)\n"
            "    if e == 'large': return 'x' * 7_000_000\n"
            "    return [e, runtime_client.__file__.endswith('.so'), c.aws_request_id, c.client_context.custom,\n"
            "        c.get_remaining_time_in_millis() > 0]\n",
            memory_mb=512,
        )
        request: dict[str, Any] = {"client_context": json.dumps({"custom": {"ü": 1}}), "request_id": "r-1"}
        assert await lab.value(name, {"a": "ä"}, **request) == [{"a": "ä"}, native, "r-1", {"ü": 1}, True]
        assert (await lab.failure(name, "raise"))["errorMessage"] == "ä" * 3000
        assert len(lab.environments(name)) == 1
        assert (await lab.failure(name, "large"))["errorType"] == "Function.ResponseSizeTooLarge"
        large = {"x": "y" * 5_000_000}
        assert (await lab.value(name, large, **request))[0] == large
        broken = lab.function("import nothere\n")
        assert (await lab.failure(broken))["errorType"] == "Runtime.ImportModuleError"


async def test_runtime_version_is_the_one_that_runs() -> None:
    """INIT_START names the interpreter truthfully."""
    version, arn = runtime_version("python3.12")
    assert version == f"python:{sys.version_info.major}.{sys.version_info.minor}.v{sys.version_info.micro}"
    assert len(arn.rpartition(":")[2]) == 64


OTHER = next(
    (name for minor in (14, 13, 12, 11) if other_python(name := f"python3.{minor}") is not None),
    "another python3",
)


@pytest.mark.skipif(OTHER == "another python3", reason="only one Python")
async def test_python_that_was_asked_for_runs(lab: FunctionLab) -> None:
    """Where the machine has the version that the runtime names, that runs, and finds the same things."""
    name = lab.function(LOOK.replace('"argv"', '"version": sys.version_info[:2], "argv"'), runtime=OTHER)
    seen = await lab.value(name)
    assert f"python{seen['version'][0]}.{seen['version'][1]}" == OTHER
    assert seen["path"][0] == seen["cwd"] == seen["env"]["LAMBDA_TASK_ROOT"]
    assert seen["path"][3] == seen["env"]["LAMBDA_RUNTIME_DIR"]
    boto = lab.function("import boto3\ndef handler(e, c): return boto3.__version__\n", runtime=OTHER)
    assert await lab.value(boto)
    assert lab.log(name).startswith(f"INIT_START Runtime Version: {OTHER.replace('python', 'python:')}.v")
