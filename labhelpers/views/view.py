"""What all views share: a text form, a form for saved notebooks, and errors that are shown and not lost."""

from __future__ import annotations

import base64
import contextlib
import html
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import anywidget
import traitlets
from botocore.exceptions import ClientError

from labhelpers.errors import LabError
from labhelpers.views.arguments import check_arguments

FOLDER = Path(__file__).parent
_RETRIES = re.compile(r" \(reached max retries: \d+\)")  # Of botocore; it says nothing about the call.


def script(name: str) -> str:
    """The JavaScript module of a view: what all views share, and its own file."""
    return _joined("common.js", f"{name}.js")


def style(name: str) -> str:
    """The style sheet of a view: the colours that all views share, and its own file."""
    return _joined("common.css", f"{name}.css")


def _joined(*names: str) -> str:
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names)


class View(anywidget.AnyWidget):
    """A widget with a text form. `problem` is what went wrong last, `busy` whether it works; the page shows both."""

    problem = traitlets.Unicode("").tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse wrong arguments by name, before there is anything to close."""
        check_arguments(cls, *args, **kwargs)
        made: Self = super().__new__(cls, *args, **kwargs)
        return made

    def __del__(self) -> None:
        """Close what is open; a view whose maker failed never was, and lacks what `close` needs."""
        if self.comm is not None:
            super().__del__()

    def close(self) -> None:
        """Take the view from the page, and its layout, which is a widget of its own."""
        if self.comm is not None:
            self.layout.close()
        super().close()

    def to_text(self) -> str:
        """What the view shows, as plain text."""
        raise NotImplementedError

    def to_html(self) -> str:
        """What the view shows, for a page without a kernel."""
        return (
            f'<pre style="white-space: pre-wrap; font-family: monospace">{html.escape(self.to_text())}</pre>'
        )

    @contextlib.contextmanager
    def showing_errors(self, doing: str) -> Iterator[None]:
        """Show in the view what is raised inside; `doing` says what was tried."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - shown in the view: a callback has nobody else to tell
            self.show_problem(doing, error)
        else:
            self.problem = ""

    @contextlib.contextmanager
    def working(self, doing: str) -> Iterator[None]:
        """Be busy inside, and show what is raised, which then goes on to the caller."""
        self.busy = True
        try:
            yield
        except BaseException as error:
            self.show_problem(doing, error)
            raise
        else:
            self.problem = ""
        finally:
            self.busy = False

    def in_background(self, work: Callable[[], object]) -> threading.Thread:
        """Do `work`, which shows its own errors, beside the kernel's cells, so that the page goes on answering."""

        def run() -> None:
            with contextlib.suppress(Exception):
                work()

        thread = threading.Thread(target=run, name=f"labhelpers-{type(self).__name__}", daemon=True)
        thread.start()
        return thread

    def show_problem(self, doing: str, error: BaseException) -> None:
        """Show an error in the view."""
        self.problem = f"{doing}: {error_text(error)}"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:  # Closed.
            return {"text/html": self.to_html(), "text/plain": self.to_text()}, {}
        data, metadata = bundle
        return {**data, "text/html": self.to_html(), "text/plain": self.to_text()}, metadata


def error_text(error: BaseException) -> str:
    """What an error says. The lab's and AWS's own need no class name before it."""
    if isinstance(error, ClientError):
        text = _RETRIES.sub("", str(error))
        missing = error.response.get("Error", {}).get("Code") == "ResourceNotFoundException"
        return f"{text} (check the name, or create it)" if missing else text
    if isinstance(error, LabError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def picture_html(svg: str, text: str) -> str:
    """An SVG as an image that no page has to trust, described by `text`."""
    encoded = base64.b64encode(svg.encode()).decode()
    return (
        f'<img src="data:image/svg+xml;base64,{encoded}" alt="{html.escape(text, quote=True)}" '
        'style="max-width: 100%">'
    )
