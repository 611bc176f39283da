"""Reads what a journal tells of REST, HTTP and WebSocket APIs into the map's counts; pure. `tally` is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labhelpers.views.tally_counts import Counts, Failure, Move, cut
from labhelpers.views.things import CALL, CLIENT, EVENT


class ApiReaders(Counts):
    """A reader for each kind of entry."""

    def _requested(self, entry: Mapping[str, Any]) -> list[Move]:
        """A REST or HTTP API has answered a request."""
        api, detail = entry["resource"], entry["detail"]
        route = str(detail.get("route") or f"{detail.get('method', '')} {detail.get('path', '')}")
        self._answered(entry, route)
        return [self._moved(CLIENT, api, CALL, str(detail.get("path") or route.partition(" ")[2]))]

    def _by_websocket(self, entry: Mapping[str, Any]) -> list[Move]:
        """A client has come, said something, or gone."""
        api, detail = entry["resource"], entry["detail"]
        count, connection = self.of(api), str(detail.get("connection", ""))
        if entry["kind"] == "websocket.connected":
            count.connections.add(connection)
        elif entry["kind"] == "websocket.disconnected":
            count.connections.discard(connection)
        self._answered(entry, str(detail.get("route", "")), counted=entry["kind"] == "websocket.message")
        return [self._moved(CLIENT, api, CALL, str(detail.get("route", "")))]

    def _answered(self, entry: Mapping[str, Any], route: str, *, counted: bool = True) -> None:
        api, detail = entry["resource"], entry["detail"]
        count, status = self.of(api), int(detail.get("status", 200))
        count.arrived += counted
        count.client_errors += 400 <= status < 500
        count.server_errors += status >= 500
        count.last_failed = status >= 500
        count.last_event = detail
        error = str(detail.get("error") or "")
        count.recent.append(cut(f"{route}: {status} {error}".rstrip()))
        if status < 500:
            return
        count.last_failure = count.recent[-1]
        if not entry["trace_id"] or entry["trace_id"] != self._failed_trace:  # Its function has said why.
            self.failure = Failure(entry["at"], api, count.last_failure)

    def _pushed(self, entry: Mapping[str, Any]) -> list[Move]:
        """A WebSocket API has sent a client something: a route's reply, or what somebody gave to @connections."""
        api, detail = entry["resource"], entry["detail"]
        text = f"{int(detail.get('size', 0)):,} bytes"
        self.of(api).last_event = detail
        self.of(api).recent.append(f"{text} to {detail.get('connection', '')} by {detail.get('by', '')}")
        sent = self._moved(api, CLIENT, EVENT, text)
        if principal := str(detail.get("principal", "")):
            return [self._moved(self._caller(principal), api, CALL, "@connections"), sent]
        return [sent]
