"""The floor for a gateway: a bare aiohttp server that answers every request with the same bytes.

Run as a process of its own: prints its port, serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web


async def answer(request: web.BaseRequest) -> web.Response:
    """What the function behind the gateway answers."""
    return web.Response(text="ok")


async def main() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(web.Server(answer), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(main())
    except ImportError:
        asyncio.run(main())
