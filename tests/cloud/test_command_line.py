"""`labhelpers up` as a terminal has it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from labhelpers.cloud.lab_folder import PREFIX
from labhelpers.cloud.process import DESCRIPTORS
from tests.conftest import Cloud, folder_of, lab_processes, wait_for

COMMAND = [sys.executable, "-m", "labhelpers.cloud.command_line"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with these arguments, run to its end."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False)


def test_ready_line_and_variables_are_printed() -> None:
    """What a learner pastes into a shell."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*COMMAND, "up"], text=True, **pipes) as process:
        assert process.stdout is not None and process.stderr is not None
        lines = [process.stdout.readline().strip() for _ in range(6)]
        hint = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
    assert hint == "Keep this terminal open; paste these lines into another; Ctrl-C ends the lab.\n"
    address = re.fullmatch(r"ready (http://127\.0\.0\.1:\d+)", lines[0])
    assert address is not None
    variables = dict(line.removeprefix("export ").split("=", 1) for line in lines[1:])
    assert variables["AWS_ENDPOINT_URL"] == address[1]
    assert variables["AWS_ACCESS_KEY_ID"].startswith("AKIA")
    assert set(variables) == {
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
    }


def test_json_is_one_line_and_nothing_else() -> None:
    """For programs."""
    with subprocess.Popen([*COMMAND, "up", "--json"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())
        process.terminate()
        assert process.stdout.read() == ""
        assert process.wait(15) == 0
    assert set(address) == {"endpoint_url", "access_key_id", "secret_access_key", "region", "account_id"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_whatever_ends_the_cloud_nothing_is_left(
    start_cloud: Callable[..., Cloud], number: signal.Signals
) -> None:
    """No process, no listening socket, no folder."""
    cloud = start_cloud()
    cloud.client("s3").create_bucket(Bucket="some-bucket")
    cloud.client("s3").put_object(Bucket="some-bucket", Key="large", Body=b"x" * 8_000_000)
    processes = lab_processes(cloud.process.pid)
    folder = folder_of(cloud.process.pid)
    cloud.end(number)
    assert cloud.process.returncode == (-number if number is signal.SIGKILL else 0)
    wait_for(lambda: not any(process.is_running() for process in processes), "the lab's processes to end")
    host, port = cloud.netloc.split(":")
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0
    wait_for(lambda: not folder.exists(), "the lab's folder to go")


def test_new_cloud_sweeps_what_dead_ones_left(start_cloud: Callable[..., Cloud], tmp_path: Path) -> None:
    """Nobody was left to do it when the guardian was killed with everything else."""
    dead = tmp_path / f"{PREFIX}dead"
    data = dead / "databases" / "0" / "data"
    data.mkdir(parents=True)
    (data / "postmaster.pid").write_text("")
    (dead / "lab.lock").write_text("")
    os.utime(dead, (0, 0))
    cloud = start_cloud(environment={"TMPDIR": str(tmp_path)})
    wait_for(lambda: not dead.exists(), "the dead lab's folder to go")
    assert folder_of(cloud.process.pid).parent == tmp_path


def test_cloud_may_open_many_files() -> None:
    """As many as the system allows, whatever the shell's own limit says."""
    code = "import resource as r; from labhelpers.cloud import process as p; l = r.RLIMIT_NOFILE; "
    code += "r.setrlimit(l, (256, r.getrlimit(l)[1])); p._allow_many_descriptors(); print(*r.getrlimit(l))"
    soft, hard = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert int(soft) == (min(DESCRIPTORS, int(hard)) if int(hard) > 0 else DESCRIPTORS)


def test_port_that_is_taken_is_one_clear_line() -> None:
    """And exit code 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("up", "--port", str(port))
    assert result.returncode == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert f"127.0.0.1:{port}" in result.stderr and "choose another port" in result.stderr
    assert result.stdout == ""


def test_port_that_is_asked_for_is_used(start_cloud: Callable[..., Cloud]) -> None:
    """The same port again, right after the lab before has ended."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for _ in range(2):
        cloud = start_cloud("--port", str(port))
        assert cloud.netloc == f"127.0.0.1:{port}"
        cloud.client("sts").get_caller_identity()
        cloud.end()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required"),
        (["down"], "invalid choice"),
        (["up", "--port", "x"], "a port is a number from 0 to 65535, not 'x'"),
        (["up", "--port", "70000"], "a port is a number from 0 to 65535"),
        (["up", "--speed", "0"], "a speed is a number from 1 to 3600"),
        (["up", "--speed", "fast"], "not 'fast'"),
        (["up", "--concurrency", "1001"], "not a number from 1 to 1000"),
        (["up", "--colour"], "unknown argument '--colour'"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], words: str) -> None:
    """With the usage, and exit code 2."""
    result = run(*arguments)
    assert result.returncode == 2
    assert words in result.stderr and "usage: labhelpers" in result.stderr


def test_real_keys_in_the_terminal_are_not_used(start_cloud: Callable[..., Cloud]) -> None:
    """Keys, a profile and an endpoint of a real account stay out of it."""
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIAREALREALREALREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_PROFILE": "company",
        "AWS_ENDPOINT_URL": "http://192.0.2.1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "MOTO_ACCOUNT_ID": "999999999999",
    }
    cloud = start_cloud(environment=environment)
    assert cloud.access_key_id != environment["AWS_ACCESS_KEY_ID"]
    identity = cloud.client("sts").get_caller_identity()
    assert (cloud.region, identity["Account"]) == ("us-east-1", "123456789012")


@pytest.mark.parametrize("command", ["lab", "doctor"])
def test_help_starts_nothing(command: str) -> None:
    """It says what the command does, instead of doing it."""
    result = run(command, "--help")
    assert result.returncode == 0
    assert f"usage: labhelpers {command}" in result.stdout
    assert "pipeline" not in result.stdout or command == "doctor"


@pytest.mark.parametrize("module", ["aiohttp", "labhelpers.course.doctor"])
def test_library_that_is_missing_is_one_clear_line(module: str) -> None:
    """With the next step, and exit code 1, for every command that needs it."""
    code = "import sys; sys.modules[sys.argv[1]] = None; from labhelpers.cloud import command_line; "
    code += "sys.exit(command_line.main(sys.argv[2:]))"
    command = "up" if module == "aiohttp" else "doctor"
    result = subprocess.run(
        [sys.executable, "-c", code, module, command], capture_output=True, text=True, timeout=30, check=False
    )
    assert result.returncode == 1
    [line] = result.stderr.strip().splitlines()
    assert line.startswith("labhelpers: ") and module in line and line.endswith("; run `make setup`")
