"""Text on its way to a page; pure."""

from __future__ import annotations


def sendable(text: str) -> str:
    """A text without half characters, which JSON can have and UTF-8 cannot: they are written as JSON does."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
