"""HTTP backends of integrations: one client for all APIs; it follows no redirects and changes no bytes.

Called by HTTP and HTTP_PROXY integrations and by the JWT authorizer. Application closes it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from yarl import URL

from labhelpers import limits
from labhelpers.gateway.exchange import Pairs

_SKIPPED = frozenset({"Accept", "Accept-Encoding", "Content-Type", "User-Agent"})
_CONNECT_S = 10.0


class Trouble(Enum):
    """Why a backend gave no answer."""

    TIMED_OUT = "timed out"
    UNREACHABLE = "unreachable"
    TOO_LARGE = "too large"
    BAD_ADDRESS = "bad address"


class BackendFailure(Exception):
    """No answer from a backend. `message` says why, in the words of a log."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.message = message


@dataclass(frozen=True, slots=True)
class BackendAnswer:
    """What a backend answered. `headers` are as it sent them; `body` is whole and as it came (perhaps compressed)."""

    status: int
    headers: Pairs
    body: bytes


class HttpBackend:
    """Sends requests to backends; any number at once. Made on a running event loop, or before it."""

    def __init__(self) -> None:
        self._session: ClientSession | None = None

    async def send(
        self, method: str, url: str, headers: Pairs, body: bytes, *, timeout_s: float
    ) -> BackendAnswer:
        """One request; `url` is sent as it is written, its path and query not encoded again.

        `headers` are sent as they are; Host comes from the URL unless it is among them, Content-Length from the body.
        BackendFailure when there is no answer within `timeout_s`, no connection, or an answer over 10 MB.
        """
        try:
            address = URL(url, encoded=True)
            if address.scheme not in ("http", "https") or not address.host:
                raise ValueError("no http address")
        except ValueError as error:
            raise BackendFailure(Trouble.BAD_ADDRESS, f"Invalid endpoint address {url!r}: {error}") from error
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._client().request(
                    method, address, headers=kept, data=body or None, allow_redirects=False
                ) as response,
            ):
                data = bytearray()
                async for chunk in response.content.iter_any():
                    data += chunk
                    if len(data) > limits.GATEWAY_PAYLOAD_BYTES_MAX:
                        raise BackendFailure(Trouble.TOO_LARGE, "The answer is larger than 10 MB")
                return BackendAnswer(response.status, _pairs(response.raw_headers), bytes(data))
        except TimeoutError:
            raise BackendFailure(Trouble.TIMED_OUT, f"{url} did not answer within {timeout_s:g} s") from None
        except (ClientError, OSError, ValueError) as error:
            raise BackendFailure(
                Trouble.UNREACHABLE, f"{url}: {str(error) or type(error).__name__}"
            ) from error

    def _client(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(limit=0),
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=_SKIPPED,
                timeout=ClientTimeout(total=None, sock_connect=_CONNECT_S),
                trust_env=False,
                max_line_size=65536,
                max_field_size=65536,
            )
        return self._session

    async def close(self) -> None:
        """End every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _pairs(raw: tuple[tuple[bytes, bytes], ...]) -> Pairs:
    return tuple(
        (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
        for name, value in raw
    )
