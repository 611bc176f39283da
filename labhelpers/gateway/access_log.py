"""Access logs: a stage's format, filled for each request and written to a log group. The format is parsed once.

docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from labhelpers.gateway.context import as_text, lookup
from labhelpers.model import LogEvent

WriteLogs = Callable[[str, str, list[LogEvent]], None]

_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*)")
_CONTROL = re.compile(r'["\\\x00-\x1f\x7f]')


class AccessLogFormat:
    """A format with `$context.x` in it: JSON, CLF, XML, CSV or anything else. `names` are the variables it needs."""

    def __init__(self, text: str) -> None:
        parts = _VARIABLE.split(text.replace("\n", " "))
        self._literals = parts[0::2]
        self.names = tuple(parts[1::2])

    def render(self, context: Mapping[str, Any]) -> str:
        """One line. What has no value is `-`; quotes and control characters are escaped, so no value forges a line."""
        found = [self._literals[0]]
        for name, literal in zip(self.names, self._literals[1:], strict=True):
            text = as_text(lookup(context, name))
            found.append("-" if text is None or text == "" else _CONTROL.sub(_escaped, text))
            found.append(literal)
        return "".join(found)


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return f"\\{character}" if character in '"\\' else f"\\u{ord(character):04x}"


class AccessLog:
    """One stage's access log. `destination` is the ARN of a log group (`arn:aws:logs:...:log-group:NAME`)."""

    def __init__(self, destination: str, format_text: str, write_logs: WriteLogs, key: str) -> None:
        self.format = AccessLogFormat(format_text)
        self._group = group_of(destination)
        self._stream = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
        self._write_logs = write_logs

    def write(self, context: Mapping[str, Any]) -> None:
        """Append one request's line."""
        event = LogEvent(int(time.time() * 1000), self.format.render(context))
        self._write_logs(self._group, self._stream, [event])


def group_of(destination: str) -> str:
    """The log group that an ARN names; "" for an ARN of something else."""
    parts = destination.split(":")
    return parts[6] if len(parts) > 6 and parts[2] == "logs" and parts[5] == "log-group" else ""
