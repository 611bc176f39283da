"""Inside the guardian and its forks: AWS's own Python runtime client (awslambdaric), imported once, run per fork.

https://github.com/aws/aws-lambda-python-runtime-interface-client; its bootstrap is used as it is.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from types import CodeType, ModuleType
from typing import Any, NoReturn

from labhelpers.processes.isolation import OPT, RUNTIME, TASK
from labhelpers.processes.spec import ProcessSpec

_CLIENT = "runtime_client"
_HANDLED_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2)
_TELEMETRY = "_LAMBDA_TELEMETRY_LOG_FD"
_READ_BY_INTERPRETER_START = ("PYTHON", "LD_")


def must_be_executed(env: Mapping[str, str], opt: str) -> bool:
    """Whether a fresh interpreter is needed: the user's variables `env`, or a library folder in the layers, set
    something that only an interpreter's or a linker's start reads.
    """
    if env.get("AWS_LAMBDA_EXEC_WRAPPER"):
        return True
    named = any(name.startswith(_READ_BY_INTERPRETER_START) for name in env if name != "PYTHONPATH")
    return named or os.path.isdir(os.path.join(opt, "lib"))


def preload(runtime: str) -> None:
    """Import what every Python environment needs; `runtime` is the host's folder of the runtime's packages."""
    sys.path.insert(0, runtime)
    show_as(runtime, RUNTIME)
    ours = os.path.exists(os.path.join(runtime, _CLIENT + ".py"))
    if not ours:  # AWS's reads its address when it is loaded: after the fork.
        sys.modules[_CLIENT] = None  # type: ignore[assignment]
    for name in (
        "http.client",
        "decimal",
        "logging",
        "concurrent.futures.thread",
        "awslambdaric.bootstrap",
        "awslambdaric.__main__",
    ):
        importlib.import_module(name)
    if not ours:
        del sys.modules[_CLIENT]
    sys.path.remove(runtime)
    gc.collect()
    gc.freeze()


def run_handler(spec: ProcessSpec) -> NoReturn:
    """Become the runtime for `spec.python_handler`; ends the process."""
    code = 1
    try:
        _become_runtime(spec)
        from awslambdaric import bootstrap

        if any(name in spec.env for name in ("AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL")):
            importlib.reload(bootstrap)  # It reads these when it is imported.
        _load_client()
        sys.argv = [RUNTIME + "/bootstrap.py", spec.python_handler]
        bootstrap.run(spec.python_handler, _make_client(spec.env["AWS_LAMBDA_RUNTIME_API"]))
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        if isinstance(leaving.code, str):
            sys.stderr.write(leaving.code + "\n")
    except BaseException:  # noqa: BLE001 - as an interpreter does at its end
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code & 0xFF)
    raise AssertionError


def _make_client(address: str) -> Any:
    """AWS's client, which waits for events in a thread only where that makes a difference.

    AWS: from Python 3.12 on the client waits in a thread of its own, made for each event, so that the main thread can
    run the function's signal handlers meanwhile. Here: the same once there is such a handler; without one, waiting in
    the main thread is a tenth of a millisecond faster.
    """
    from concurrent.futures import ThreadPoolExecutor

    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient
    from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

    class Client(LambdaRuntimeClient):  # type: ignore[misc]
        marshaller = LambdaMarshaller()  # Made anew: it goes by the runtime's name, which is known by now.

        @property
        def use_thread_for_polling_next(self) -> bool:
            return any(callable(signal.getsignal(number)) for number in _HANDLED_SIGNALS)

        @use_thread_for_polling_next.setter
        def use_thread_for_polling_next(self, value: bool) -> None:
            self.ThreadPoolExecutor = ThreadPoolExecutor

    return Client(address)


def _load_client() -> None:
    """Load the client's own part now that this environment's Runtime API is known."""
    from awslambdaric import lambda_runtime_client

    client = importlib.import_module(_CLIENT)
    client.initialize_client(lambda_runtime_client._user_agent())
    lambda_runtime_client.runtime_client = client


def _become_runtime(spec: ProcessSpec) -> None:
    """Make this fork look like a fresh interpreter in an execution environment."""
    os.environ.clear()
    os.environ.update(spec.env)
    os.environ[_TELEMETRY] = str(os.dup(1))
    time.tzset()
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - open until the end
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    for name, stream in (("__stdout__", sys.stdout), ("__stderr__", sys.stderr)):
        setattr(sys, name, stream)
    task, runtime, opt = (
        (TASK, RUNTIME, OPT)
        if spec.sandbox
        else (spec.env["LAMBDA_TASK_ROOT"], spec.env["LAMBDA_RUNTIME_DIR"], spec.env["LAB_OPT"])
    )
    version = spec.env["AWS_EXECUTION_ENV"].removeprefix(
        "AWS_Lambda_"
    )  # Layers are laid out for the runtime's name.
    sys.path[:] = [
        task,
        f"{opt}/python/lib/{version}/site-packages",
        f"{opt}/python",
        runtime,
        *_standard_library(),
    ]
    if spec.env.get("PYTHONPATH"):
        sys.path[1:1] = [entry for entry in spec.env["PYTHONPATH"].split(":") if entry != runtime]
    for name in [name for name in sys.modules if name == "labhelpers" or name.startswith("labhelpers.")]:
        del sys.modules[name]
    sys.modules["__main__"] = ModuleType("__main__")
    _move_packages(runtime)
    sys.path_importer_cache.clear()
    sys.dont_write_bytecode = True
    _add_site_builtins()
    if not spec.sandbox:
        os.environ.pop("LAB_OPT")
        show_as(task, TASK)


def _move_packages(runtime: str) -> None:
    """What was imported before the fork now lives in `runtime`; the rest of those packages is found there."""
    was = os.path.dirname(os.path.dirname(sys.modules["awslambdaric"].__file__ or ""))
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and file.startswith(was + "/"):
            module.__file__ = runtime + file.removeprefix(was)
            if hasattr(module, "__path__"):
                module.__path__ = [os.path.dirname(module.__file__)]


def _standard_library() -> list[str]:
    base = os.path.dirname(os.__file__)
    return [
        entry for entry in sys.path if entry == base or entry.startswith(base + "/") or entry.endswith(".zip")
    ]


def _add_site_builtins() -> None:
    """exit(), quit(), help() and copyright, which the guardian's interpreter (-S) started without."""
    import site

    site.setquit()
    site.setcopyright()
    site.sethelper()


_shown: dict[str, str] = {}  # where a folder really is -> where it is on AWS


class _ShownLoader(SourceFileLoader):
    """Loads modules under the names that they have on AWS, so tracebacks read as they do there."""

    def get_code(self, fullname: str) -> CodeType | None:
        """Load as ever, then rename."""
        code = super().get_code(fullname)
        path = self.get_filename(fullname)
        for real_root, shown_root in _shown.items():
            if code is not None and path.startswith(real_root + "/"):
                return _renamed(code, shown_root + path.removeprefix(real_root))
        return code


def _renamed(code: CodeType, name: str) -> CodeType:
    inner = tuple(_renamed(part, name) if isinstance(part, CodeType) else part for part in code.co_consts)
    return code.replace(co_filename=name, co_consts=inner)


def show_as(real_root: str, shown_root: str) -> None:
    """Name the files below `real_root` in tracebacks as if they were below `shown_root` (`/var/task`)."""
    if not _shown:
        sys.path_hooks.insert(0, _find_shown)
    _shown[real_root] = shown_root
    sys.path_importer_cache.clear()


def _find_shown(path: str) -> FileFinder:
    if not any(path == root or path.startswith(root + "/") for root in _shown):
        raise ImportError(f"{path} is shown as it is")
    return FileFinder(
        path,
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (_ShownLoader, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )
