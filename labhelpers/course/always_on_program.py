"""The program of an always-on server: answers each POST with what a handler returns for its body.

`always_on` runs this file by its path: `always_on_program.py FILE FUNCTION`. It is what one writes to put a function
behind HTTP oneself, with the standard library alone. It prints its port when it listens, and ends when its standard
input closes, for whoever started it is gone then.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Handler = Callable[[Any, None], Any]


def load(file: str, function: str) -> Handler:
    """The handler: a function of a Python file, whose folder it may import from."""
    path = Path(file).resolve()
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    handler: Handler = getattr(module, function)
    return handler


def answering(handler: Handler) -> type[BaseHTTPRequestHandler]:
    """The class that http.server makes one of for each connection."""

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Hand the body to the handler as its event; 500 with the error if it raises."""
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                status, answer = 200, json.dumps(handler(json.loads(body), None))
            except Exception as error:  # noqa: BLE001 - one request's error must not end the server
                traceback.print_exc()
                status = 500
                answer = json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)})
            encoded = answer.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

    return Answering


def end_with_parent() -> None:
    """Wait until whoever started this is gone; then end, whatever requests are under way."""
    while os.read(0, 1024):
        pass
    os._exit(0)


def main(file: str, function: str) -> None:
    """Load the handler once, then serve until the end."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    ready = os.dup(1)
    os.dup2(2, 1)  # What the handler prints belongs in the log.
    server = ThreadingHTTPServer(("127.0.0.1", 0), answering(load(file, function)))
    server.daemon_threads = True
    os.write(ready, f"{server.server_address[1]}\n".encode())
    os.close(ready)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
