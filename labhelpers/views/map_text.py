"""The map as text: for readers who cannot see it, for saved notebooks and terminals; pure."""

from __future__ import annotations

from labhelpers.views.map_data import KINDS, MapData, Node, clock_time


def map_text(data: MapData) -> str:
    """All links, all things and the last failure, a line each."""
    nodes = {node.id: node for node in data.picture.nodes}
    if not nodes:
        return "Nothing to draw yet."
    lines = []
    for arrow in data.picture.arrows:
        what = "event" if arrow.kind == "event" else "call"
        only = f" for {arrow.full_label}" if arrow.full_label else ""
        number = data.now.travelled.get(arrow.id, 0)
        way = f"{named(nodes[arrow.source])} -> {named(nodes[arrow.target])}"
        lines.append(f"{way} ({what}{only}): {number:,} so far")
    for node in data.picture.nodes:
        told = ", ".join(line for line in data.now.statuses[node.id].lines if line)
        if told:
            lines.append(f"{named(node)}: {told}")
    lines += [totals(data), failure_line(data)]
    return "\n".join(lines)


def named(node: Node) -> str:
    """A thing with its kind."""
    return node.name if node.kind == "client" else f"{KINDS.get(node.kind, node.kind)} {node.name}"


def totals(data: MapData) -> str:
    """One line: what became of all invocations."""
    now = data.now
    return f"Invocations: {now.done:,} done, {now.failed:,} failed, {now.running:,} running, {now.waiting:,} waiting."


def failure_line(data: MapData) -> str:
    """One line: the last failure, with when and where."""
    failure = data.now.failure
    if failure is None:
        return "No failure."
    where = f" {data.now.failed_thing}:" if data.now.failed_thing else ""
    return f"Last failure {clock_time(failure.at)}:{where} {failure.text}"
