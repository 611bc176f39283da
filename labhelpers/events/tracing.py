"""The X-Amzn-Trace-Id header: which trace a request belongs to, and through which functions it has come. Pure.

Lambda counts in it how often a chain of requests has called each function; that stops loops.
AWS: https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
     https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from __future__ import annotations

import os
import time
import zlib
from dataclasses import dataclass

_ROOM = 32  # Functions that one chain remembers; the header has to stay small.


def new_trace_id() -> str:
    """A header of a trace that begins here; whether it is sampled is not decided yet."""
    random = os.urandom(20).hex()
    return f"Root=1-{int(time.time()):08x}-{random[:24]};Parent={random[24:]}"


@dataclass(frozen=True, slots=True)
class TraceHeader:
    """A header taken apart. `sampled` is "1", "0" or "" where nobody has decided; `lineage` (function, calls) pairs."""

    root: str = ""
    parent: str = ""
    sampled: str = ""
    lineage: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        parts = [("Root", self.root), ("Parent", self.parent), ("Sampled", self.sampled)]
        text = ";".join(f"{name}={value}" for name, value in parts if value)
        if self.lineage:
            text += ";Lineage=" + "|".join(f"1:{name}:{count}" for name, count in self.lineage)
        return text


def parse_trace_header(text: str) -> TraceHeader:
    """Read a header; members that are not there, or are not readable, stay empty."""
    members = dict(part.strip().partition("=")[::2] for part in text.split(";"))
    lineage = []
    for entry in members.get("Lineage", "").split("|")[:_ROOM]:
        _, _, rest = entry.partition(":")
        name, _, count = rest.partition(":")
        if name and count.isdigit() and len(count) < 5:
            lineage.append((name, int(count)))
    sampled = members.get("Sampled", "")
    return TraceHeader(
        members.get("Root", ""),
        members.get("Parent", ""),
        sampled if sampled in ("0", "1") else "",
        tuple(lineage),
    )


def lineage_name(arn: str) -> str:
    """How a function is named in a lineage: eight hexadecimal digits made from its unqualified ARN."""
    return f"{zlib.crc32(arn.encode()):08x}"
