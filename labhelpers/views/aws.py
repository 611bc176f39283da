"""boto3 for views: they run on threads of their own, and a notebook may end its lab or start another at any time.

Without a lab the environment names the real AWS, where a button of an old view must do nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

from labhelpers.errors import LabError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")

_lock = threading.Lock()
_session: Any = None
_account: tuple[str | None, ...] = ()


def make_client(service: str, **options: Any) -> Any:
    """A boto3 client of the lab that the environment names now. LabError when it names none. Close it after use."""
    global _session, _account
    if urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname not in _LOOPBACK:
        raise LabError("no lab is running here; `Lab()` starts one")
    with _lock:  # A session makes one client at a time.
        account = tuple(os.environ.get(name) for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"))
        if _session is None or account != _account:
            _session, _account = boto3.session.Session(), account
        return _session.client(service, **options)


@contextlib.contextmanager
def client(service: str, **options: Any) -> Iterator[Any]:
    """The same for a `with`, which closes its connections."""
    made = make_client(service, **options)
    try:
        yield made
    finally:
        made.close()


GONE = frozenset(("NotFoundException", "ResourceNotFoundException"))


class Apis:
    """What a view asks AWS's APIs for again and again: clients that are kept, answers page by page.

    What was deleted since it was listed is left out.
    """

    def __init__(self, make: Callable[[str], Any] = make_client) -> None:
        self._make = make
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """The client for a service."""
        if service not in self._clients:
            self._clients[service] = self._make(service)
        return self._clients[service]

    def pages(self, service: str, operation: str, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        """All pages of an operation's answer; one, if the operation has no pages."""
        client = self.client(service)
        try:
            if client.can_paginate(operation):
                yield from client.get_paginator(operation).paginate(**arguments)
            else:
                yield getattr(client, operation)(**arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] not in GONE:
                raise

    def all(self, service: str, operation: str, member: str, **arguments: Any) -> Iterator[Any]:
        """All that the pages list as `member`."""
        for page in self.pages(service, operation, **arguments):
            yield from page.get(member) or ()

    def close(self) -> None:
        """Close the clients' connections."""
        for made in self._clients.values():
            made.close()
