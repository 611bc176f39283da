"""The lab's own addresses, `/_lab/...`: its journal as a stream or a list, its clock, its health, functions' packages.

Called by the front door. All but health, packages and certificates want the lab's token or a call signed with its keys.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from labhelpers.clock import Clock
from labhelpers.cloud import signature
from labhelpers.cloud.authentication import Authenticator, Incoming, body_hash
from labhelpers.cloud.credentials import Keys
from labhelpers.cloud.denials import Denied
from labhelpers.journal import Entry, Journal

HEARTBEAT_S = 15.0
# A call makes several entries within a few milliseconds: they go together. While entries rain, each writing costs the
# calls more than the entries themselves, so that the stream pauses the longer, the more there was to send.
GATHER_S = 0.003
PAUSE_PER_ENTRY_S, LONGEST_PAUSE_S = 0.005, 0.1
PACKAGES = "/_lab/lambda-code/"

_encode = json.JSONEncoder(default=str, separators=(",", ":")).encode


def no_packages(token: str) -> Path | None:
    """A store without packages."""
    return None


class LabPages:
    """`packages` gives the archive of the deployment package that a token stands for, None for an unknown token.

    `certificate` gives the certificate at a path below `/_lab/sns/`, None where there is none.
    """

    def __init__(
        self,
        keys: Keys,
        authenticator: Authenticator,
        journal: Journal,
        clock: Clock,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.packages: Callable[[str], Path | None] = no_packages
        self.certificate: Callable[[str], bytes | None] = lambda _: None
        self._keys = keys
        self._authenticator = authenticator
        self._journal = journal
        self._clock = clock
        self._now = now

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer of one of the lab's own pages."""
        path, _, query = request.raw_path.partition("?")
        fields = {name: values[0] for name, values in parse_qs(query).items()}
        if path == "/_lab/health":
            return _json({"status": "running"})
        if path.startswith(PACKAGES):
            return await self._package(path.removeprefix(PACKAGES))
        if found := self.certificate(path):
            return web.Response(body=found, content_type="application/x-pem-file")
        body = await request.read()
        if not self._is_allowed(request, path, query, fields, body):
            return _json(
                {"message": "This page of the lab wants its token or a call signed with its keys"}, 403
            )
        match request.method, path:
            case "GET", "/_lab/journal":
                entries = self._journal.since(_since(request, fields), fields.get("kind", ""))
                return _json([entry.as_dict() for entry in entries])
            case "GET", "/_lab/events":
                return await self._stream(request, _since(request, fields), fields.get("kind", ""))
            case "GET", "/_lab/clock":
                return self._show_clock()
            case "PUT", "/_lab/clock":
                return self._set_clock(body)
        return _json({"message": f"no page {request.method} {path}"}, 404)

    def _is_allowed(
        self, request: web.BaseRequest, path: str, query: str, fields: dict[str, str], body: bytes
    ) -> bool:
        authorization = request.headers.get("Authorization", "")
        token = (
            authorization.removeprefix("Bearer ")
            if authorization.startswith("Bearer ")
            else fields.get("token", "")
        )
        if token:
            return self._keys.is_lab_token(token)
        try:
            claim = signature.read_claim(request.headers, query)
            if claim is None:
                return False
            incoming = Incoming(request.method, path, query, request.headers, body, body_hash(body))
            caller = self._authenticator.identify(incoming, claim, self._now())
        except Denied:
            return False
        return caller.credentials == self._keys.lab

    async def _package(self, token: str) -> web.Response:
        archive = self.packages(token)
        if archive is None:
            return _json({"message": "The link has expired"}, 403)
        return web.Response(body=await asyncio.to_thread(archive.read_bytes), content_type="application/zip")

    def _show_clock(self) -> web.Response:
        return _json({"now": self._clock.now(), "speed": self._clock.speed})

    def _set_clock(self, body: bytes) -> web.Response:
        try:
            wanted = json.loads(body)
            if "step" in wanted:
                self._clock.step(float(wanted["step"]))
                self._note_clock("clock.step", seconds=float(wanted["step"]))
            else:
                self._clock.set_speed(float(wanted["speed"]))
                self._note_clock("clock.speed")
        except (ValueError, KeyError, TypeError) as error:
            return _json(
                {"message": f'the clock takes {{"speed": 1 to 3600}} or {{"step": seconds}}: {error}'}, 400
            )
        return self._show_clock()

    def _note_clock(self, kind: str, **detail: Any) -> None:
        """The clock was set: `now` is what it reads since, so that readers know the lab's time of other entries."""
        self._journal.append(kind, now=self._clock.now(), speed=self._clock.speed, **detail)

    async def _stream(self, request: web.BaseRequest, since: int, kind: str) -> web.StreamResponse:
        """Server-sent events: the journal after `since`, then each entry as it happens; a comment now and then."""
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        past = self._journal.since(since, kind)
        last = max(since, self._journal.last_seq)
        await response.write(b": the lab's journal\n\n" + b"".join(map(_event, past)))
        spoken = time.monotonic()
        with contextlib.suppress(ConnectionError):  # The reader has gone.
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_S):
                        await self._journal.more_than(last)
                    await asyncio.sleep(GATHER_S)
                entries = self._journal.since(last, kind)
                came = max(0, self._journal.last_seq - last)
                last += came
                if entries or time.monotonic() - spoken >= HEARTBEAT_S:
                    await response.write(b"".join(map(_event, entries)) or b": still here\n\n")
                    spoken = time.monotonic()
                await asyncio.sleep(min(came * PAUSE_PER_ENTRY_S, LONGEST_PAUSE_S))
        return response


def _event(entry: Entry) -> bytes:
    return f"id: {entry.seq}\ndata: {_encode(entry.as_dict())}\n\n".encode()


def _since(request: web.BaseRequest, fields: dict[str, str]) -> int:
    text = request.headers.get("Last-Event-ID") or fields.get("since", "0")
    return int(text) if text.isdigit() else 0


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(status=status, text=json.dumps(value, default=str), content_type="application/json")
