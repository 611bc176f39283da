"""Fixtures that several tests share: a real cloud in a process of its own, reached by boto3."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import boto3
import psutil
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from labhelpers.cloud.environment_variables import forget_default_session

PATIENCE_S = 15.0


class Cloud:
    """A cloud started by `labhelpers up`, as a terminal has it. The tests' own environment stays as it is."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "labhelpers.cloud.command_line", "up", "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"no cloud: {self.end()}")
        address = json.loads(line)
        self.endpoint_url: str = address["endpoint_url"]
        self.access_key_id: str = address["access_key_id"]
        self.secret_access_key: str = address["secret_access_key"]
        self.region: str = address["region"]
        self.account_id: str = address["account_id"]
        self.netloc = urlsplit(self.endpoint_url).netloc
        self._clients: dict[tuple[str, str], Any] = {}

    @property
    def keys(self) -> dict[str, str]:
        """The keys as arguments of a boto3 client."""
        return {"aws_access_key_id": self.access_key_id, "aws_secret_access_key": self.secret_access_key}

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of this cloud; the same one for the same options."""
        name = (service, repr(sorted(options.items())))
        if name not in self._clients:
            config = Config(retries={"total_max_attempts": 1}, max_pool_connections=32)
            settings = {"region_name": self.region, "config": config, **self.keys, **options}
            self._clients[name] = boto3.session.Session().client(
                service, endpoint_url=self.endpoint_url, **settings
            )
        return self._clients[name]

    def ask(
        self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One plain HTTP request: status, headers in lower case, body."""
        with contextlib.closing(http.client.HTTPConnection(self.netloc, timeout=PATIENCE_S)) as connection:
            connection.request(method, target, body or None, headers or {})
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return response.status, names, response.read()

    def signed_headers(
        self, method: str, target: str, service: str = "execute-api", body: bytes = b""
    ) -> dict[str, str]:
        """Headers that sign a plain request with this cloud's keys."""
        request = AWSRequest(method, f"{self.endpoint_url}{target}", {}, body)
        SigV4Auth(Credentials(self.access_key_id, self.secret_access_key), service, self.region).add_auth(
            request
        )
        return dict(request.headers.items())

    def journal(self, since: int = 0, kind: str = "") -> list[dict[str, Any]]:
        """The journal's entries after `since` of that kind."""
        target = f"/_lab/journal?{urlencode({'kind': kind, 'since': since})}"
        status, _, body = self.ask("GET", target, headers=self.signed_headers("GET", target))
        assert status == 200, body
        entries: list[dict[str, Any]] = json.loads(body)
        return entries

    def end(self, signal_number: int | None = None) -> str:
        """End the cloud and wait; what it wrote on stderr."""
        for client in getattr(self, "_clients", {}).values():
            client.close()
        if self.process.poll() is None:
            if signal_number is None:
                self.process.terminate()
            else:
                self.process.send_signal(signal_number)
        _, stderr = self.process.communicate(timeout=PATIENCE_S)
        return stderr.decode("utf-8", "replace")


@pytest.fixture(autouse=True, scope="module")
def own_environment() -> Iterator[None]:
    """A lab leaves the environment leading to where it was: each module's tests start from what was there before."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    forget_default_session()


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """One cloud for all tests that only need one: let every test use names of its own."""
    running = Cloud()
    yield running
    stderr = running.end()
    assert running.process.returncode == 0, stderr


@pytest.fixture
def start_cloud() -> Iterator[Callable[..., Cloud]]:
    """Starts clouds of a test's own, with arguments of `labhelpers up`; they end with the test."""
    started: list[Cloud] = []

    def start(*arguments: str, environment: dict[str, str] | None = None) -> Cloud:
        started.append(Cloud(*arguments, environment=environment))
        return started[-1]

    yield start
    for running in started:
        running.end()


def wait_for(condition: Callable[[], Any], what: str = "it", patience_s: float = PATIENCE_S) -> Any:
    """Wait until `condition` gives something true, and return that. AssertionError when it takes too long."""
    deadline = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {patience_s:g} s for {what}"
        time.sleep(0.02)
    return found


def lab_processes(pid: int) -> list[psutil.Process]:
    """The cloud's process and all that it has started, directly or not."""
    cloud = psutil.Process(pid)
    return [cloud, *cloud.children(recursive=True)]


def folder_of(pid: int) -> Path:
    """The lab's own folder, by the lock that its cloud holds open."""
    lock = next(file.path for file in psutil.Process(pid).open_files() if file.path.endswith("/lab.lock"))
    return Path(lock).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in a browser come last: Playwright keeps an event loop running, beside which no other can be started."""
    items.sort(key=lambda item: item.path.parent.name == "browser")
