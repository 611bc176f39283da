"""X-Ray's segment documents, made from what the journal says of a sampled trace; summaries and graphs of them. Pure.

AWS: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
     https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from labhelpers.events.tracing import parse_trace_header
from labhelpers.journal import Entry

Document = dict[str, Any]
_CLIENT_ERRORS = range(400, 500)


def documents(entries: Sequence[Entry]) -> dict[str, list[Document]]:
    """The documents of all sampled traces that these entries tell of, by trace id."""
    attempts: dict[str, dict[str, Entry]] = {}
    queued: dict[str, Entry] = {}
    found: dict[str, list[Document]] = {}
    for entry in entries:
        if entry.kind in ("invoke.started", "invoke.ended"):
            attempts.setdefault(entry.trace_id, {})[entry.kind] = entry
        elif entry.kind == "invoke.queued":
            queued.setdefault(entry.request_id, entry)
    tries: dict[str, int] = {}
    for entry in entries:
        root = parse_trace_header(entry.trace_id).root
        if entry.kind == "trace.gateway":
            found.setdefault(root, []).append(_of_gateway(entry, root))
        elif entry.kind == "trace.segment":
            n = tries[entry.request_id] = tries.get(entry.request_id, 0) + 1
            attempt = attempts.get(entry.trace_id, {})
            found.setdefault(root, []).extend(
                _of_function(entry, root, attempt, queued.get(entry.request_id), n)
            )
    return found


def _of_gateway(entry: Entry, root: str) -> Document:
    """A stage's segment; the entry's detail has its own figures."""
    detail = entry.detail
    document = _segment(parse_trace_header(entry.trace_id).parent, root, detail["name"], detail["parent"])
    document |= {
        "start_time": detail["start"],
        "end_time": detail["end"],
        "origin": "AWS::ApiGateway::Stage",
        "resource_arn": entry.resource,
        "http": {
            "request": {"method": detail["method"], "url": detail["url"]},
            "response": {"status": detail["status"]},
        },
        "aws": {"api_gateway": {"request_id": entry.request_id, "stage": detail["stage"]}},
    }
    return document | _flags(detail["status"])


def _of_function(
    entry: Entry, root: str, attempt: Mapping[str, Entry], queued: Entry | None, n: int
) -> list[Document]:
    """The segment of the Lambda service, and below it that of the function's code once it has started."""
    own = parse_trace_header(entry.trace_id).parent
    name = entry.resource.split(":")[6]
    started, ended = attempt.get("invoke.started"), attempt.get("invoke.ended")
    service = _segment(_id(own), root, name, entry.detail["parent"])
    service |= {
        "origin": "AWS::Lambda",
        "resource_arn": entry.resource,
        "aws": {"request_id": entry.request_id},
    }
    begun = queued.at if queued is not None and n == 1 else entry.at
    service["start_time"] = begun
    if ended is None:
        return [service | {"in_progress": True}]
    failed = ended.detail["status"] != "success"
    service |= {"end_time": ended.at, "http": {"response": {"status": 200}}}
    if queued is not None:
        service["http"] = {"response": {"status": 202}}
        service["subsegments"] = [
            _part(own, f"Attempt #{n}", entry.at, ended.at),
            *([_part(own, "Dwell Time", begun, entry.at)] if n == 1 else []),
        ]
    if failed:
        service["fault"] = True
    return [service, _of_code(entry, root, own, name, started or ended, ended, failed)]


def _of_code(
    entry: Entry, root: str, own: str, name: str, started: Entry, ended: Entry, failed: bool
) -> Document:
    detail = ended.detail
    over = started.at + detail["duration_ms"] / 1000
    parts = [_part(own, "Invocation", started.at, over), _part(own, "Overhead", over, max(over, ended.at))]
    if detail["init_ms"] is not None:
        begun = started.at - detail["init_ms"] / 1000
        parts.insert(0, _part(own, "Initialization", begun, started.at))
    document = _segment(own, root, name, _id(own)) | {
        "start_time": started.at,
        "end_time": max(over, ended.at),
        "origin": "AWS::Lambda::Function",
        "aws": {"account_id": entry.resource.split(":")[4], "function_arn": ended.resource},
        "subsegments": parts,
    }
    if failed:
        document["fault"] = True
        document["cause"] = {
            "exceptions": [
                {"id": _id(own, "cause"), "type": detail["error_type"], "message": detail["error_message"]}
            ]
        }
    return document


def _segment(id_: str, root: str, name: str, parent: str) -> Document:
    document: Document = {"id": id_, "trace_id": root, "name": name}
    return document | {"parent_id": parent} if parent else document


def _part(own: str, name: str, start: float, end: float) -> Document:
    return {"id": _id(own, name), "name": name, "start_time": start, "end_time": end}


def _id(*parts: str) -> str:
    """An id of 16 hexadecimal digits that is the same for the same thing."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()


def _flags(status: int) -> Document:
    flags: Document = {}
    if status >= 500:
        flags["fault"] = True
    elif status in _CLIENT_ERRORS:
        flags["error"] = True
        if status == 429:
            flags["throttle"] = True
    return flags


# --- What is said of a trace as a whole ---


def span(trace: Iterable[Document]) -> tuple[float, float]:
    """When a trace began and ended, in epoch seconds."""
    trace = list(trace)
    start = min(document["start_time"] for document in trace)
    return start, max(_end(document) for document in trace)


def _end(document: Document) -> float:
    end: float = document.get("end_time") or document["start_time"]
    return end


def root_of(trace: Sequence[Document]) -> Document:
    """The segment where the trace entered: the first one without a parent that is part of it."""
    ids = {document["id"] for document in trace}
    tops = [document for document in trace if document.get("parent_id") not in ids]
    return min(tops or trace, key=lambda document: float(document["start_time"]))


def summary(trace_id: str, trace: Sequence[Document], account: str) -> Document:
    """One of GetTraceSummaries' members."""
    start, end = span(trace)
    top = root_of(trace)
    made: Document = {
        "Id": trace_id,
        "StartTime": start,
        "Duration": round(end - start, 6),
        "ResponseTime": round(top.get("end_time", end) - top["start_time"], 6),
        "HasFault": any(document.get("fault", False) for document in trace),
        "HasError": any(document.get("error", False) for document in trace),
        "HasThrottle": any(document.get("throttle", False) for document in trace),
        "IsPartial": any(document.get("in_progress", False) for document in trace),
        "Http": _http(top),
        "Annotations": _annotations(trace),
        "ServiceIds": [_service(d, account) for d in _distinct(trace)],
        "ResourceARNs": [
            {"ARN": arn} for arn in dict.fromkeys(d.get("resource_arn", "") for d in trace) if arn
        ],
        "EntryPoint": _service(top, account),
    }
    return made


def _http(document: Document) -> Document:
    http = document.get("http", {})
    members = {
        "HttpURL": http.get("request", {}).get("url"),
        "HttpMethod": http.get("request", {}).get("method"),
        "HttpStatus": http.get("response", {}).get("status"),
    }
    return {name: value for name, value in members.items() if value is not None}


def _annotations(trace: Iterable[Document]) -> Document:
    found: dict[str, list[Document]] = {}
    kinds = {bool: "BooleanValue", int: "NumberValue", float: "NumberValue"}
    for document in trace:
        for name, value in document.get("annotations", {}).items():
            kind = kinds.get(type(value), "StringValue")
            found.setdefault(name, []).append({"AnnotationValue": {kind: value}, "ServiceIds": []})
    return found


def _distinct(trace: Iterable[Document]) -> list[Document]:
    return list({(d["name"], d.get("origin", "")): d for d in trace}.values())


def _service(document: Document, account: str) -> Document:
    return {
        "Name": document["name"],
        "Names": [document["name"]],
        "AccountId": account,
        "Type": document.get("origin", "client"),
    }


def graph(traces: Iterable[Sequence[Document]], account: str) -> list[Document]:
    """The services of these traces with the edges between them, as GetServiceGraph and GetTraceGraph have them."""
    nodes: dict[tuple[str, str], Document] = {}
    for trace in traces:
        by_id = {document["id"]: document for document in trace}
        for document in trace:
            node = _node(nodes, document, account)
            parent = by_id.get(document.get("parent_id", ""))
            _count(node, document)
            if parent is None:
                node["Root"] = True
                continue
            above = _node(nodes, parent, account)
            edge = next((e for e in above["Edges"] if e["ReferenceId"] == node["ReferenceId"]), None)
            if edge is None:
                edge = {"ReferenceId": node["ReferenceId"], "SummaryStatistics": _statistics()}
                above["Edges"].append(edge)
            _count(edge, document)
    return list(nodes.values())


def _node(nodes: dict[tuple[str, str], Document], document: Document, account: str) -> Document:
    key = document["name"], document.get("origin", "")
    if key not in nodes:
        nodes[key] = {
            **_service(document, account),
            "ReferenceId": len(nodes),
            "State": "active",
            "Edges": [],
            "SummaryStatistics": _statistics(),
        }
    return nodes[key]


def _statistics() -> Document:
    return {
        "OkCount": 0,
        "ErrorStatistics": {"ThrottleCount": 0, "OtherCount": 0, "TotalCount": 0},
        "FaultStatistics": {"OtherCount": 0, "TotalCount": 0},
        "TotalCount": 0,
        "TotalResponseTime": 0.0,
    }


def _count(counted: Document, document: Document) -> None:
    start, end = document["start_time"], _end(document)
    counted["StartTime"] = min(counted.get("StartTime", start), start)
    counted["EndTime"] = max(counted.get("EndTime", end), end)
    statistics = counted["SummaryStatistics"]
    statistics["TotalCount"] += 1
    statistics["TotalResponseTime"] += end - start
    if document.get("fault"):
        kinds, kind = statistics["FaultStatistics"], "OtherCount"
    elif document.get("error"):
        kinds, kind = (
            statistics["ErrorStatistics"],
            "ThrottleCount" if document.get("throttle") else "OtherCount",
        )
    else:
        statistics["OkCount"] += 1
        return
    kinds[kind] += 1
    kinds["TotalCount"] += 1
