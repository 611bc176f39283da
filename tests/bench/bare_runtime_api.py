"""The floor for a function: AWS's runtime client in its own process against a Runtime API that does nothing else."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

HANDLER = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'ok'}\n"


class _Api(asyncio.Protocol):
    """Answers `next` when told to and `response` at once."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n")[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            if head.startswith(b"GET"):
                self._floor.on_next(self._transport)
            else:
                self._transport.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")  # type: ignore[attr-defined]
                self._floor.on_response()


class Floor:
    """One runtime client and its bare Runtime API."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready: asyncio.Future[None] | None = None
        self._answered: asyncio.Future[None] | None = None
        self._transport: asyncio.BaseTransport | None = None

    def on_next(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    def on_response(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    async def measure(self, calls: int) -> tuple[float, list[float], int]:
        """Seconds of a cold start, seconds of each warm call, and the process's proportional set size in bytes."""
        loop = asyncio.get_running_loop()
        (self._folder / "index.py").write_text(HANDLER, encoding="utf-8")
        server = await loop.create_server(lambda: _Api(self), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self._ready = loop.create_future()
        start = time.perf_counter()
        environment = {
            **os.environ,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
            "PYTHONPATH": str(self._folder),
        }
        environment["AWS_EXECUTION_ENV"] = "AWS_Lambda_python3.13"
        process = subprocess.Popen(  # noqa: ASYNC220 - the start is what is measured
            [sys.executable, "-m", "awslambdaric", "index.handler"], env=environment
        )
        try:
            await asyncio.wait_for(self._ready, 20)
            cold = time.perf_counter() - start
            times = []
            for number in range(calls):
                self._ready, self._answered = loop.create_future(), loop.create_future()
                start = time.perf_counter()
                head = (
                    f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: {number}\r\n"
                    f"Lambda-Runtime-Deadline-Ms: {int(time.time() * 1000) + 3000}\r\nContent-Length: 2\r\n\r\n{{}}"
                )
                self._transport.write(head.encode())  # type: ignore[union-attr]
                await self._answered
                times.append(time.perf_counter() - start)
                await self._ready
            memory = getattr(psutil.Process(process.pid).memory_full_info(), "pss", 0)
        finally:
            process.kill()
            process.wait()
            server.close()
        return cold, times, memory
