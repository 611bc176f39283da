"""The data of the map: where its things and links are drawn, and what is going on at each of them; pure.

`build_map` makes all of it from what boto3 and the journal say; a live map keeps a `Tally` and builds what changed.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from labhelpers.views.api_things import NOTES, WEBSOCKET
from labhelpers.views.layout import Layout, Size, lay_out
from labhelpers.views.map_links import Place, Way, draw_ways
from labhelpers.views.map_shapes import (
    GAP,
    MARGIN,
    shape_of,
    shorten,
    size_of,
    title_lines,
)
from labhelpers.views.shown_text import sendable
from labhelpers.views.tally import Tally
from labhelpers.views.tally_counts import Count, Failure
from labhelpers.views.things import (
    API,
    BUCKET,
    BUS,
    CALL,
    CLIENT,
    DATABASE,
    FUNCTION,
    QUEUE,
    RULE,
    SCHEDULE,
    STREAM,
    TABLE,
    TOPIC,
    Link,
    Resources,
    Thing,
)

LABEL_LETTERS = 13
NAME_LETTERS = 11
LETTER_WIDTH = 6.5
PIPE_LETTERS = 13  # In a line of a queue's or a stream's name: its right end is curved.
LABEL_ROOM = 22.0  # Below the place of a label, for the number under it.

YOU = Thing(CLIENT, CLIENT, "You", "your notebook, or any other client")
KINDS = {CLIENT: "client", BUCKET: "bucket", FUNCTION: "function", DATABASE: "database"}
KINDS |= {TOPIC: "topic", BUS: "bus", RULE: "rule", SCHEDULE: "schedule"}
KINDS |= {QUEUE: "queue", STREAM: "stream", TABLE: "table", API: "API"}


@dataclass(frozen=True, slots=True)
class Node:
    """A drawn thing: its middle (`x`, `y`), its shape, its name in lines."""

    id: str
    kind: str
    name: str
    note: str
    title: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float
    outline: str
    lines: str
    shift: float
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Arrow:
    """A drawn link: its path, its label and where that goes. `kind` is event (dashed) or call (solid)."""

    id: str
    source: str
    target: str
    kind: str
    path: str
    label: str
    full_label: str
    label_x: float
    label_y: float


@dataclass(frozen=True, slots=True)
class Picture:
    """What changes only with the account's settings."""

    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]
    width: float
    height: float

    def as_json(self) -> dict[str, Any]:
        """For the page."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Status:
    """What a thing is doing: two short lines, and a tone (idle, busy, failed)."""

    lines: tuple[str, str]
    tone: str


@dataclass(frozen=True, slots=True)
class Now:
    """What changes with every entry of the journal."""

    statuses: Mapping[str, Status]
    travelled: Mapping[str, int]
    done: int
    failed: int
    running: int
    waiting: int
    failure: Failure | None = None
    failed_thing: str = ""

    def as_json(self) -> dict[str, Any]:
        """For the page. The failure's time is given as the clock of this machine shows it."""
        found = asdict(self)
        if self.failure:
            found["failure"]["time"] = clock_time(self.failure.at)
        return found


@dataclass(frozen=True, slots=True)
class MapData:
    """The whole map at one moment."""

    picture: Picture
    now: Now


def build_map(resources: Resources, entries: Iterable[Mapping[str, Any]]) -> MapData:
    """The map of these resources after these entries of the journal (dicts, as `Lab.journal` gives them)."""
    tally = Tally()
    tally.know(resources.named(FUNCTION), resources.links)
    tally.add_all(entries)
    picture = build_picture(resources, tally.seen.values())
    return MapData(picture, build_now(picture, tally))


# --- The picture ---

_BEGINS = re.compile(r"arn:aws:(s3|sns|sqs|dynamodb|kinesis):|arn:aws:events:[^:]*:[^:]*:event-bus/")


def drawn_links(resources: Resources, seen: Iterable[Link]) -> tuple[Link, ...]:
    """The links of the settings, those that something has taken, and one from the client to where things begin."""
    known = {thing.id for thing in resources.things} | {CLIENT}
    links = {(link.source, link.target): link for link in seen}
    links |= {(link.source, link.target): link for link in resources.links}
    links = {pair: link for pair, link in links.items() if set(pair) <= known}
    reached = {target for _, target in links}
    for source, _ in list(links):
        if source not in reached and _BEGINS.match(source):
            links[CLIENT, source] = Link(CLIENT, source, CALL)
    return tuple(links.values())


def build_picture(resources: Resources, seen: Iterable[Link] = ()) -> Picture:
    """Lay out the things of the account; `seen` are links that the journal has told of."""
    links = drawn_links(resources, seen)
    has_client = any(CLIENT in (link.source, link.target) for link in links)
    things = [YOU, *resources.things] if has_client else list(resources.things)
    sizes = {thing.id: size_of(thing.kind) for thing in things}
    layout = lay_out(sizes, [(link.source, link.target) for link in links], gap=_gap(links))
    nodes = {thing.id: _node(thing, layout) for thing in things}
    links = tuple(sorted(links, key=lambda link: _from_left(link, nodes)))
    labels = {(link.source, link.target): shorten(link.label, LABEL_LETTERS) for link in links}
    ways = draw_ways({name: _place(node) for name, node in nodes.items()}, labels, layout)
    arrows = tuple(
        _arrow(link, labels[link.source, link.target], ways[link.source, link.target]) for link in links
    )
    lowest = max((arrow.label_y + LABEL_ROOM for arrow in arrows), default=0.0)
    height = max(layout.height + MARGIN, lowest) + MARGIN
    return Picture(tuple(nodes.values()), arrows, layout.width + 2 * MARGIN, height)


def _gap(links: Iterable[Link]) -> Size:
    """Room between things for the longest label."""
    longest = max((len(shorten(link.label, LABEL_LETTERS)) for link in links), default=0)
    return Size(max(GAP.width, LETTER_WIDTH * longest + 2 * LETTER_WIDTH), GAP.height)


def _from_left(link: Link, nodes: Mapping[str, Node]) -> tuple[float, ...]:
    source, target = nodes[link.source], nodes[link.target]
    return source.x, source.y, target.x, target.y


def _node(thing: Thing, layout: Layout) -> Node:
    size, shape = size_of(thing.kind), shape_of(thing.kind)
    x, y = layout.middles[thing.id]
    return Node(
        thing.id,
        thing.kind,
        thing.name,
        thing.note,
        title_lines(thing.name, PIPE_LETTERS) if thing.kind in (QUEUE, STREAM) else title_lines(thing.name),
        round(x + MARGIN, 1),
        round(y + MARGIN, 1),
        size.width,
        size.height,
        shape.outline,
        shape.lines,
        shape.shift,
        thing.facts,
    )


def _place(node: Node) -> Place:
    return Place(node.x, node.y, node.width / 2, node.height / 2, _side(node))


def _arrow(link: Link, label: str, way: Way) -> Arrow:
    x, y = round(way.label[0], 1), round(way.label[1], 1)
    return Arrow(link.id, link.source, link.target, link.kind, way.path, label, link.label, x, y)


def _side(node: Node) -> float:
    """From the middle of a thing to where its links begin: a bucket is narrower at half its height."""
    narrower = {BUCKET: 4.0, CLIENT: 12.0}.get(node.kind, 0.0)
    return node.width / 2 - narrower


# --- What is going on ---


def build_now(picture: Picture, tally: Tally) -> Now:
    """What is going on at each thing and along each link of the picture."""
    empty = Count()
    total = tally.total()
    names = {node.id: node.name for node in picture.nodes}
    return Now(
        {
            node.id: status_of(node.kind, tally.counts.get(node.id, empty), node, tally)
            for node in picture.nodes
        },
        {arrow.id: tally.travelled[arrow.source, arrow.target] for arrow in picture.arrows},
        total.done,
        total.failed,
        len(total.running),
        len(total.waiting),
        tally.failure,
        names.get(tally.failure.where, "") if tally.failure else "",
    )


def status_of(kind: str, count: Count, node: Node, tally: Tally) -> Status:
    """Two short lines for a thing, and whether it is idle, busy or failed last."""
    if kind == FUNCTION:
        first = f"{count.done:,} done"
        if count.failed:
            first += f", {count.failed:,} failed"
        second = _running_text(count)
        tone = "busy" if count.running else "failed" if count.last_failed else "idle"
        return Status((first, second), tone)
    if kind == BUCKET:
        last = f"last: {shorten(count.last_name, NAME_LETTERS)}" if count.last_name else ""
        return Status((_plural(count.arrived, "object") + " came in", last), "idle")
    if kind == DATABASE:
        state = count.state or dict(node.facts).get("Status when read", "")
        tone = "failed" if state == "failed" else "idle"
        opened = _plural(count.arrived, "connection") if count.arrived else ""
        if opened and state == "available":
            return Status((opened, "opened so far"), tone)
        return Status((state, opened), tone)
    if kind == API:
        return _api_status(count, node)
    if kind == QUEUE:
        told = [f"{count.gone:,} done"] if count.gone else []
        told += [f"{count.again:,} back"] if count.again else []
        return Status((f"{count.arrived:,} came in", ", ".join(told)), "idle")
    if kind in (TOPIC, BUS, RULE, SCHEDULE):
        word = {TOPIC: "message", BUS: "event", RULE: "event"}.get(kind, "call")
        return Status((_plural(count.arrived, word), _SENDER_WORDS[kind]), "idle")
    if kind in (STREAM, TABLE):
        word = "record"
        again = f"tried again: {count.again:,}" if count.again else ""
        return Status((f"{_plural(count.arrived, word)} read" if count.arrived else "", again), "idle")
    sent = sum(number for (source, _), number in tally.travelled.items() if source == CLIENT)
    return Status((_plural(sent, "call") if sent else "", ""), "idle")


def _api_status(count: Count, node: Node) -> Status:
    told = [
        f"{number:,} \N{MULTIPLICATION SIGN} {name}"
        for number, name in ((count.client_errors, "4XX"), (count.server_errors, "5XX"))
        if number
    ]
    tone = "failed" if count.last_failed else "idle"
    if node.note != NOTES[WEBSOCKET]:
        return Status((_plural(count.arrived, "request"), ", ".join(told)), tone)
    clients = _plural(len(count.connections), "client")
    return Status((_plural(count.arrived, "message"), ", ".join([clients, *told])), tone)


_SENDER_WORDS = {TOPIC: "published", BUS: "put", RULE: "matched or due", SCHEDULE: "when due"}


def _running_text(count: Count) -> str:
    parts = []
    if count.running:
        parts.append(f"{len(count.running):,} running")
    if count.waiting:
        parts.append(f"{len(count.waiting):,} waiting")
    if not parts:
        parts.append(
            _plural(len(count.environments), "environment") if count.environments else "no environment"
        )
    return ", ".join(parts)


def _plural(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def event_text(event: str | Mapping[str, Any]) -> str:
    """An event as it is shown to somebody: JSON in lines, or what there is of a longer one."""
    if not event:
        return ""
    try:
        value = json.loads(event) if isinstance(event, str) else event
        return sendable(json.dumps(value, indent=2, ensure_ascii=False, default=str))
    except (ValueError, RecursionError):
        return sendable(str(event))


def clock_time(at: float) -> str:
    """Epoch seconds as the clock of this machine shows them."""
    return time.strftime("%H:%M:%S", time.localtime(at))
