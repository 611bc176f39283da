"""Documentation parts of a REST API in the documents that are exported: what is said of which place. Pure.

What is said of a path holds for all below it, unless something is said nearer.
docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-documenting-api-content-representation.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labhelpers.gateway.rest.documents import Record


@dataclass(frozen=True, slots=True)
class Documentation:
    """A documentation version: its name, its record, its parts. Without a name there is none."""

    version: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[Mapping[str, Any]] = ()

    def of(self, kind: str, path: str = "/", method: str = "*", status: str = "*", name: str = "") -> Record:
        """What is said of a place: the properties of the nearest part, or nothing."""
        found: Record = {}
        nearest: tuple[int, bool, bool] | None = None
        for part in self.parts:
            location = part["location"]
            its_path = str(location.get("path") or "/")
            its_method, its_status = (
                str(location.get("method") or "*"),
                str(location.get("statusCode") or "*"),
            )
            if (
                location.get("type") != kind
                or (name and location.get("name") != name)
                or its_method not in ("*", method)
                or its_status not in ("*", status)
                or not (path == its_path or f"{path}/".startswith(f"{its_path.rstrip('/')}/"))
            ):
                continue
            nearness = (len(its_path), its_method != "*", its_status != "*")
            if nearest is None or nearness > nearest:
                nearest, found = nearness, json.loads(part["properties"])
        return found

    def extension(self) -> Record:
        """`x-amazon-apigateway-documentation`."""
        created = time.gmtime(self.record.get("createdDate") or 0)
        return {
            "version": self.version,
            "createdDate": time.strftime("%Y-%m-%dT%H:%M:%SZ", created),
            "documentationParts": [
                {"location": dict(part["location"]), "properties": json.loads(part["properties"])}
                for part in self.parts
            ],
        }
