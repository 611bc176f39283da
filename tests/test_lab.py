"""`Lab`: a cloud that lives and ends with a Python process."""

from __future__ import annotations

import gc
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from labhelpers import Lab, connect_bucket, deploy_function, event_outcomes, pip_layer
from labhelpers.cloud.environment_variables import forget_default_session
from labhelpers.errors import LabError
from tests.conftest import PATIENCE_S, folder_of, lab_processes, wait_for
from tests.deployment_packages import make_zip


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """Each test has the environment of the first: what a lab leaves in it goes with the test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    forget_default_session()


@pytest.fixture
def real_account(own_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A learner whose environment and files lead to a real account."""
    profile = "aws_access_key_id = AKIAREALREALREALREAL\naws_secret_access_key = real\n"
    (tmp_path / "credentials").write_text(f"[default]\n{profile}[company]\n{profile}")
    variables = {
        "AWS_PROFILE": "company",
        "AWS_ACCESS_KEY_ID": "AKIAREALREALREALREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_SESSION_TOKEN": "real-token",
        "AWS_ENDPOINT_URL_S3": "http://192.0.2.1",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "HTTP_PROXY": "http://192.0.2.1:3128",
        "NO_PROXY": "intranet.example",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def is_listening(endpoint_url: str) -> bool:
    """Whether anything answers there."""
    parts = urlsplit(endpoint_url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


def test_boto3_reaches_the_lab_without_a_word(real_account: dict[str, str]) -> None:
    """Plain clients go to the lab, whatever the environment said before."""
    with Lab() as lab:
        identity = boto3.client("sts").get_caller_identity()
        assert identity["Account"] == lab.account_id
        assert boto3.client("s3").meta.endpoint_url == lab.endpoint_url
        assert boto3.session.Session().region_name == lab.region == "us-east-1"
        assert "AWS_PROFILE" not in os.environ
        assert os.environ["NO_PROXY"] == "intranet.example,127.0.0.1,localhost"


def leads_to_no_account(endpoint_url: str) -> bool:
    """Whether new clients know no keys of the learner's and go to `endpoint_url`, where nothing listens."""
    client = boto3.client("sts", config=Config(retries={"total_max_attempts": 1}))
    assert client.meta.endpoint_url == endpoint_url
    with pytest.raises(EndpointConnectionError, match=re.escape(endpoint_url)):
        client.get_caller_identity()
    session = boto3.session.Session()
    keys = session.get_credentials()
    return session.available_profiles == [] and keys is not None and "REAL" not in keys.access_key


@pytest.mark.parametrize("labs", [1, 2])
def test_ended_lab_never_leaves_the_way_to_an_account_open(real_account: dict[str, str], labs: int) -> None:
    """After `close()`, a `with` and a second lab, clients fail to connect: the learner's keys stay hidden."""
    for _ in range(labs):
        with Lab() as lab:
            boto3.client("sts").get_caller_identity()
    assert leads_to_no_account(lab.endpoint_url)
    lab.close()
    assert leads_to_no_account(lab.endpoint_url)
    assert not {"AKIAREALREALREALREAL", "real", "real-token", "company"} & set(os.environ.values())


def test_killed_cloud_leads_to_no_account(real_account: dict[str, str]) -> None:
    """A cloud that died of itself is no reason to reach AWS either."""
    with Lab() as lab:
        lab._process.kill()
        lab._process.wait(PATIENCE_S)
        assert leads_to_no_account(lab.endpoint_url)


def test_lab_that_does_not_start_leads_to_no_account(real_account: dict[str, str]) -> None:
    """The cell after a failed `Lab()` may be run all the same."""
    with pytest.raises(LabError, match="clock_speed is a number"):
        Lab(clock_speed=0)
    assert leads_to_no_account("http://127.0.0.1:1")


def test_account_may_be_small() -> None:
    """`concurrency` is the account's limit of calls at once, within AWS's own."""
    with pytest.raises(LabError, match="concurrency is a number from 1 to 1000, not 0"):
        Lab(concurrency=0)
    with Lab(concurrency=20):
        settings = boto3.client("lambda").get_account_settings()
    assert settings["AccountLimit"]["ConcurrentExecutions"] == 20


def test_certificates_go_with_the_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file of authorities is gone, so OpenSSL is led back to what it trusted before."""
    monkeypatch.setenv("SSL_CERT_FILE", "/company.pem")
    with Lab():
        assert Path(os.environ["SSL_CERT_FILE"]).is_file()
        with Lab():
            assert Path(os.environ["AWS_CA_BUNDLE"]).is_file()
    assert os.environ["SSL_CERT_FILE"] == "/company.pem"
    assert "AWS_CA_BUNDLE" not in os.environ


def test_helpers_refuse_without_a_lab(tmp_path: Path) -> None:
    """Neither before the first lab nor after the last do they call anything."""
    (tmp_path / "f.py").write_text("")
    calls = (
        lambda: deploy_function("f", tmp_path / "f.py", "role"),
        lambda: connect_bucket("bucket", "f"),
        lambda: pip_layer("layer", "jmespath"),
    )

    def refuse() -> None:
        for call in calls:
            with pytest.raises(LabError, match=r"no lab is running here; `Lab\(\)` starts one"):
                call()

    refuse()
    with Lab() as lab:
        pass
    refuse()
    with pytest.raises(LabError, match=r"`Lab\(\)` starts another"):
        event_outcomes(lab)


def test_real_keys_are_not_passed_on(real_account: dict[str, str]) -> None:
    """Neither the cloud nor anything that it starts has them in its environment."""
    with Lab() as lab:
        boto3.client("sts").get_caller_identity()
        for process in lab_processes(lab._process.pid):
            values = process.environ().values()
            assert not {"AKIAREALREALREALREAL", "real", "real-token", "company"} & set(values)


def test_addresses_and_keys_are_there() -> None:
    """What a program needs that does not read the environment."""
    with Lab() as lab:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", lab.endpoint_url)
        client = boto3.client(
            "iam",
            endpoint_url=lab.endpoint_url,
            region_name=lab.region,
            aws_access_key_id=lab.access_key_id,
            aws_secret_access_key=lab.secret_access_key,
        )
        assert client.get_role(RoleName=lab.role_arn.rpartition("/")[2])["Role"]["Arn"] == lab.role_arn


def test_running_call_keeps_its_code() -> None:
    """A function that is updated or deleted while it runs still finds its files; afterwards they are gone."""
    code = "import time\ndef handler(e, c):\n    time.sleep(e)\n    import late\n    return late.v\n"
    with Lab() as lab, ThreadPoolExecutor() as threads:
        functions = boto3.client("lambda")
        packages = folder_of(lab._process.pid) / "packages"

        def call(seconds: float) -> bytes:
            return functions.invoke(FunctionName="f", Payload=str(seconds).encode())["Payload"].read()

        functions.create_function(
            FunctionName="f",
            Runtime="python3.13",
            Role=lab.role_arn,
            Handler="f.handler",
            Code={"ZipFile": make_zip({"f.py": code, "late.py": "v = 1"})},
        )
        first = threads.submit(call, 0.5)
        wait_for(lambda: lab.journal(kind="invoke.started"), "the call to begin")
        functions.update_function_code(
            FunctionName="f", ZipFile=make_zip({"f.py": code, "late.py": "v = 22"}), Publish=False
        )
        second = threads.submit(call, 0.7)
        wait_for(lambda: len(lab.journal(kind="invoke.started")) == 2, "the second call to begin")
        functions.delete_function(FunctionName="f")
        assert [first.result(), second.result()] == [b"1", b"22"]
        wait_for(lambda: not list(packages.iterdir()), "the code to be removed")


def test_journal_and_clock_are_at_hand() -> None:
    """The past, what happens from now on, and how fast the lab's time runs."""
    with Lab(clock_speed=2) as lab:
        assert [entry["kind"] for entry in lab.journal(kind="lab.")] == ["lab.started"]
        followed: list[str] = []
        seen = threading.Event()

        def follow() -> None:
            for entry in lab.follow(kind="clock."):
                followed.append(entry["kind"])
                seen.set()

        reader = threading.Thread(target=follow, daemon=True)
        reader.start()
        assert lab.clock_speed == 2
        lab.clock_speed = 60
        assert lab.clock_speed == 60
        assert seen.wait(PATIENCE_S)
        assert followed == ["clock.speed"]
        with pytest.raises(LabError, match="1 to 3600"):
            lab.clock_speed = 0.5
        before = lab.now()
        lab.step_clock(3600)
        assert (lab.now() - before).total_seconds() >= 3600
        with pytest.raises(LabError, match="steps by"):
            lab.step_clock(-1)
    reader.join(PATIENCE_S)
    assert not reader.is_alive()


def test_close_leaves_nothing_and_may_be_repeated() -> None:
    """No process, no socket, no folder."""
    lab = Lab()
    processes, folder = lab_processes(lab._process.pid), folder_of(lab._process.pid)
    lab.close()
    lab.close()
    assert not lab.is_running
    assert not is_listening(lab.endpoint_url)
    assert not folder.exists()
    wait_for(lambda: not any(process.is_running() for process in processes), "the lab's processes to end")
    with pytest.raises(LabError, match="this lab has ended"):
        lab.journal()


def test_second_lab_replaces_the_first() -> None:
    """A notebook whose set-up cell runs again has one cloud, is told so, and boto3 reaches the new one."""
    first = Lab()
    boto3.client("s3").create_bucket(Bucket="first-bucket")
    second = Lab()
    try:
        assert not first.is_running and second.is_running
        for shown in (repr(second), second._repr_html_()):
            assert "The earlier lab of this notebook was ended; run the cells after this one again." in shown
        assert "earlier" not in repr(first) + first._repr_html_()
        assert boto3.client("s3").list_buckets()["Buckets"] == []
        first.close()
        assert second.is_running and os.environ["AWS_ENDPOINT_URL"] == second.endpoint_url
    finally:
        second.close()
    with Lab() as third:  # Nothing ran any more.
        assert "earlier" not in repr(third)


def test_representation_is_short() -> None:
    """What a notebook shows of it."""
    with Lab() as lab:
        assert repr(lab) == f"<Lab {lab.endpoint_url}, running>"
        assert lab.endpoint_url in lab._repr_html_()
        assert lab.secret_access_key not in repr(lab) + lab._repr_html_()
    assert repr(lab).endswith("ended>")


def test_failed_start_says_why() -> None:
    """The cloud's own last words."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(LabError, match="cannot listen on"):
            Lab(port=taken.getsockname()[1])
    with pytest.raises(LabError, match="clock_speed is a number"):
        Lab(clock_speed=0)


def test_killed_cloud_is_noticed() -> None:
    """Its processes and its folder go with it; the next call says what happened."""
    with Lab() as lab:
        processes, folder = lab_processes(lab._process.pid), folder_of(lab._process.pid)
        lab._process.send_signal(signal.SIGKILL)
        lab._process.wait(PATIENCE_S)
        assert repr(lab).endswith("ended>")
        with pytest.raises(LabError, match="this lab has ended"):
            lab.journal()
        wait_for(lambda: not folder.exists(), "the folder to go")
        wait_for(lambda: not any(process.is_running() for process in processes), "the lab's processes to end")


def test_interrupting_a_cell_leaves_the_cloud_alone(notebook: Notebook) -> None:
    """SIGINT goes to the notebook's process group, and the cloud is in another."""
    os.killpg(notebook.process.pid, signal.SIGINT)
    assert notebook.ask("interrupted()") == "True"
    assert notebook.ask("boto3.client('sts').get_caller_identity()['Account']") == "123456789012"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_notebook_takes_its_cloud_along(notebook: Notebook, number: signal.Signals) -> None:
    """However its process ends."""
    cloud = int(notebook.ask("lab._process.pid"))
    endpoint_url = notebook.ask("lab.endpoint_url")
    processes, folder = lab_processes(cloud), folder_of(cloud)
    notebook.process.send_signal(number)
    notebook.process.wait(PATIENCE_S)
    wait_for(lambda: not any(process.is_running() for process in processes), "the lab's processes to end")
    wait_for(lambda: not folder.exists(), "the folder to go")
    assert not is_listening(endpoint_url)


def test_forked_child_neither_ends_nor_outlives_the_lab(notebook: Notebook) -> None:
    """A child that ends takes nothing along, and one that lives on does not keep the cloud alive."""
    assert notebook.ask("fork_and_exit()") == "0"
    assert notebook.ask("lab.is_running") == "True"
    child = int(notebook.ask("fork_and_sleep()"))
    cloud = psutil.Process(int(notebook.ask("lab._process.pid")))
    notebook.process.kill()
    notebook.process.wait(PATIENCE_S)
    wait_for(lambda: not cloud.is_running(), "the cloud to end")
    assert psutil.pid_exists(child)
    os.kill(child, signal.SIGKILL)


def test_two_notebooks_have_two_clouds(notebook: Notebook) -> None:
    """What one makes the other does not see; the end of one is not the other's."""
    notebook.ask("boto3.client('s3').create_bucket(Bucket='shared-name') and 1")
    with Lab() as other:
        assert notebook.ask("lab.endpoint_url") != other.endpoint_url
        assert boto3.client("s3").list_buckets()["Buckets"] == []
        boto3.client("s3").create_bucket(Bucket="shared-name")
    assert notebook.ask("len(boto3.client('s3').list_buckets()['Buckets'])") == "1"


def test_module_of_the_working_folder_does_not_disturb_the_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A learner's json.py is no reason not to start."""
    for name in ("json.py", "asyncio.py", "aiohttp.py"):
        (tmp_path / name).write_text("raise RuntimeError('not me')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Lab() as lab:
        assert lab.is_running


class Notebook:
    """Another Python process with a Lab, which evaluates expressions as a kernel does."""

    SETUP = textwrap.dedent(
        """
        import os, signal, sys, time
        import boto3
        from labhelpers import Lab

        interrupts = []
        signal.signal(signal.SIGINT, lambda *_: interrupts.append(1))

        def interrupted():
            deadline = time.monotonic() + 10
            while not interrupts and time.monotonic() < deadline:
                time.sleep(0.01)
            return bool(interrupts)

        def fork_and_exit():
            child = os.fork()
            if child == 0:
                lab.close()
                os._exit(0)
            return os.waitpid(child, 0)[1]

        def fork_and_sleep():
            child = os.fork()
            if child == 0:
                os.closerange(0, 3)
                time.sleep(60)
                os._exit(0)
            return child

        lab = Lab()
        print("ready", flush=True)
        for line in sys.stdin:
            print(eval(line), flush=True)
        """
    )

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.SETUP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._read() == "ready"

    def ask(self, expression: str) -> str:
        """What the expression's value is printed as."""
        assert self.process.stdin is not None
        self.process.stdin.write(expression + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        """End it as a kernel is shut down."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        self.process.wait(PATIENCE_S)


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    """A notebook with a running lab."""
    running = Notebook()
    yield running
    running.end()


def test_lab_is_ready_soon() -> None:
    """About half a second; the bound leaves room for a busy machine."""
    started = time.monotonic()
    with Lab():
        boto3.client("sts").get_caller_identity()
        assert time.monotonic() - started < 5


def test_closing_a_follower_ends_its_wait() -> None:
    """A thread that waits for the next entry is set free by `close()` from another."""
    with Lab() as lab:
        follower = lab.follow(since=lab.journal()[-1]["seq"])
        reader = threading.Thread(target=lambda: list(follower), daemon=True)
        reader.start()
        follower.close()
        reader.join(PATIENCE_S)
        assert not reader.is_alive()


def test_closed_lab_is_forgotten() -> None:
    """Whoever opens one after the other for a day keeps none of them."""
    lab = Lab()
    lab.close()
    gone = weakref.ref(lab)
    del lab
    gc.collect()
    assert gone() is None
