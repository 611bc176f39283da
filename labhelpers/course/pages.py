"""Pages for the learner's browser: their addresses, a server of a folder's files, and a frame that shows them.

A notebook imports them from `labhelpers`. The browser may be on another machine than the kernel (JupyterHub, Binder, a
tunnel). So a page is reached through the Jupyter server that the browser talks to anyway: jupyter-server-proxy hands
`{the server's prefix}proxy/{port}/...` on. The server's token is neither read nor passed on; its cookie opens the way.
"""

from __future__ import annotations

import atexit
import json
import os
import threading
from functools import partial
from html import escape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from jupyter_core.paths import jupyter_runtime_dir

from labhelpers.errors import LabError

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def page_url(address: int | str, **parameters: str) -> str:
    """The address by which the learner's browser reaches a port of this machine, or an `http` or `ws` URL on it.

    Within Jupyter it is a path from the root of the site, such as `/user/ada/proxy/8000/chat`: a link, a frame, `fetch`
    and `WebSocket` complete it by the page's own address. Elsewhere it is the address as it is. `parameters` are added
    to the query. LabError for a URL of another machine.
    """
    url = f"http://127.0.0.1:{address}/" if isinstance(address, int) else address
    parts = urlsplit(url)
    if parts.hostname not in _LOOPBACK or parts.port is None:
        raise LabError(f"{url!r} is no address of this machine with a port, such as http://127.0.0.1:8000/")
    prefix = _server_prefix(os.environ)
    if prefix is None:
        found = parts._replace(path=parts.path or "/")
    else:
        path = f"{prefix}proxy/{parts.port}{parts.path or '/'}"
        found = parts._replace(scheme="", netloc="", path=path)
    query = "&".join(filter(None, (parts.query, urlencode(parameters))))
    return found._replace(query=query).geturl()


def page_api(endpoint: str) -> str:
    """The address for `fetch` to an API of the lab: `endpoint` itself, so that the browser sees another origin than the
    page's; on JupyterHub and Binder, where a browser can't reach that, `page_url(endpoint)`.
    """
    return page_url(endpoint) if "JUPYTERHUB_SERVICE_PREFIX" in os.environ else endpoint


def _server_prefix(environ: os._Environ[str] | dict[str, str]) -> str | None:
    """The path below which the Jupyter server that started this kernel answers, with `/` at both ends."""
    hub = environ.get("JUPYTERHUB_SERVICE_PREFIX")
    if hub:
        return hub if hub.endswith("/") else f"{hub}/"
    # A server describes itself in a file that has its process id; the launcher tells a kernel that id.
    file = Path(jupyter_runtime_dir(), f"jpserver-{environ.get('JPY_PARENT_PID', '')}.json")
    if not file.is_file():
        return None
    return str(json.loads(file.read_text(encoding="utf-8"))["base_url"])


class _Files(SimpleHTTPRequestHandler):
    """Files, never kept by the browser: the learner changes them."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *args: object) -> None:
        """Nothing: this would be printed below some cell."""


class PageServer:
    """Serves the files of a folder to the learner's browser, on a port of its own, until `close()` or the kernel's end.

    LabError if there is no such folder.
    """

    def __init__(self, folder: str | Path) -> None:
        path = Path(folder)
        if not path.is_dir():
            raise LabError(f"there is no folder {path} (looked from {Path.cwd()}); check its name")
        handler = partial(_Files, directory=str(path.resolve()))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()
        atexit.register(self.close)

    @property
    def url(self) -> str:
        """Where it listens on this machine."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """End it. Does nothing the second time."""
        atexit.unregister(self.close)
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def __enter__(self) -> PageServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<PageServer {self.url}, {'up' if self._thread.is_alive() else 'down'}>"


class ShownPage:
    """A page in a frame, with a link that opens it in a tab of its own; its text form is its address."""

    def __init__(self, url: str, title: str, height_px: int) -> None:
        self.url = url
        self.title = title
        self._height_px = height_px

    def __repr__(self) -> str:
        return f"{self.title}: {self.url}"

    def _repr_html_(self) -> str:
        url, title = escape(self.url), escape(self.title)
        # White: the page was not made for a dark notebook, and a frame would let that shine through.
        style = "width: 100%; border: 1px solid #888; background: white; color-scheme: light"
        return (
            f'<a href="{url}" target="_blank" rel="noopener noreferrer">{title}, in a tab of its own</a>'
            f'<iframe src="{url}" title="{title}" height="{self._height_px}" style="{style}"'
            ' referrerpolicy="no-referrer"></iframe>'
        )


def show_page(url: str, title: str, *, height_px: int = 220) -> ShownPage:
    """Show a page of this machine (its `url` from `page_url`) as a cell's last value. `title` says what it is."""
    return ShownPage(url, title, height_px)
