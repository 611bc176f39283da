"""Addresses of function URLs: `{endpoint}/_aws/lambda-url/{id}/`, or by Host `{id}.lambda-url.{region}.localhost`."""

from __future__ import annotations

import re

PREFIX = "/_aws/lambda-url/"
_HOST = re.compile(r"(?P<id>[a-z0-9]+)\.lambda-url(\.[\w-]+)*(:\d+)?", re.IGNORECASE)


def address(endpoint_url: str, url_id: str) -> str:
    """What AWS's answers call FunctionUrl."""
    return f"{endpoint_url}{PREFIX}{url_id}/"


def id_in_host(host: str) -> str | None:
    """The URL's id in a Host header; None in any other host."""
    found = _HOST.fullmatch(host)
    return found["id"].lower() if found else None
