"""What buckets, queues, tables and databases hold, as rows of text, read through clients that are given.

Looking at a queue's messages counts as receiving them: it is done only when asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from labhelpers.errors import LabError

MOST_ROWS = 100
MOST_TEXT = 4_000
BUCKET, QUEUE, TABLE, ROWS = "bucket", "queue", "table", "database table"
_CHANGES = ("s3.", "sqs.", "sns.", "dynamodb.", "invoke.ended", "scheduler.", "events.")
_READING = re.compile(r"(GET|HEAD) |List|Get|Describe|Scan|Query|BatchGet|TransactGet")
Clients = Callable[[str], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Source:
    """Something that holds data: `kind` is bucket, queue, table or database table."""

    kind: str
    name: str

    @property
    def id(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows of text under `columns`; `details` has the whole of each row, `note` says how many there are."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    details: tuple[str, ...] = ()
    note: str = ""

    def as_text(self) -> str:
        """The rows with a bar between their cells."""
        lines = [" | ".join(self.columns), *(" | ".join(row) for row in self.rows)]
        return "\n".join([*(lines if self.columns else []), self.note]).strip()


EMPTY = Listing()


def find_sources(clients: Clients, database: Any = None) -> list[Source]:
    """All that the account holds data in, by name; `database` is a connection of psycopg, or None."""
    with clients("s3") as s3:
        found = [Source(BUCKET, bucket["Name"]) for bucket in s3.list_buckets()["Buckets"]]
    with clients("sqs") as sqs:
        urls = sqs.list_queues(MaxResults=1000).get("QueueUrls", [])
        found += [Source(QUEUE, url.rpartition("/")[2]) for url in urls]
    with clients("dynamodb") as dynamodb:
        found += [Source(TABLE, name) for name in dynamodb.list_tables()["TableNames"]]
    if database is not None:
        rows = database.execute(
            "select table_schema || '.' || table_name from information_schema.tables "
            "where table_schema not in ('pg_catalog', 'information_schema') order by 1"
        ).fetchall()
        found += [Source(ROWS, name.removeprefix("public.")) for (name,) in rows]
    return found


def changes_data(entry: Mapping[str, Any]) -> bool:
    """Whether a journal entry says that some data may have changed. Calls that only read, as a look does, are none."""
    if entry["kind"] == "api.call":
        return not _READING.match(str(entry["detail"].get("call", "")))
    return str(entry["kind"]).startswith(_CHANGES)


def read_source(
    source: Source,
    clients: Clients,
    database: Any = None,
    *,
    receive: bool = False,
    before: Listing = EMPTY,
) -> Listing:
    """What a source holds now, the first hundred things. `receive` takes a queue's messages to look at them.

    Messages that were taken `before` stay in the listing until the queue is empty or others are taken.
    """
    if source.kind == BUCKET:
        with clients("s3") as s3:
            return build_objects(s3.list_objects_v2(Bucket=source.name, MaxKeys=MOST_ROWS))
    if source.kind == QUEUE:
        with clients("sqs") as sqs:
            return _read_queue(sqs, source.name, before, receive=receive)
    if source.kind == TABLE:
        with clients("dynamodb") as dynamodb:
            return build_items(dynamodb.scan(TableName=source.name, Limit=MOST_ROWS))
    if database is None:
        raise LabError("the rows of a database need its address: DataBrowser(lab, database_url=...)")
    return _read_rows(database, source.name)


def read_object(bucket: str, key: str, clients: Clients) -> str:
    """The beginning of an object, if it is text."""
    with clients("s3") as s3:
        answer = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{MOST_TEXT - 1}")
        return show_bytes(answer["Body"].read())


def show_bytes(content: bytes) -> str:
    """Bytes as text, or as the first of them in hexadecimal digits."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return f"no text; it begins with {content[:32].hex(' ')}"
    return text if text.isprintable() or not any(ord(c) < 9 for c in text) else content[:32].hex(" ")


def build_objects(answer: Mapping[str, Any]) -> Listing:
    """ListObjectsV2's answer."""
    objects = answer.get("Contents", [])
    rows = tuple((o["Key"], _size(o["Size"]), f"{o['LastModified']:%Y-%m-%d %H:%M:%S}") for o in objects)
    more = " (the first hundred)" if answer.get("IsTruncated") else ""
    return Listing(
        ("key", "size", "last modified"), rows, ("",) * len(rows), f"{_count(rows, 'object')}{more}"
    )


def _size(size: int) -> str:
    return f"{size:,} byte{'' if size == 1 else 's'}"


def build_items(answer: Mapping[str, Any]) -> Listing:
    """Scan's answer: the attributes of all items as columns, the most frequent first."""
    items = answer.get("Items", [])
    names = sorted(
        {name for item in items for name in item}, key=lambda name: (-sum(name in i for i in items), name)
    )
    rows = tuple(tuple(_attribute(item[name]) if name in item else "" for name in names) for item in items)
    details = tuple(json.dumps(item, indent=2, default=str, ensure_ascii=False) for item in items)
    more = " (the first hundred)" if "LastEvaluatedKey" in answer else ""
    return Listing(tuple(names), rows, details, f"{_count(rows, 'item')}{more}")


def _attribute(value: Mapping[str, Any]) -> str:
    (kind, content), *_ = value.items()
    return _short(content if kind in ("S", "N") else json.dumps(content, default=str, ensure_ascii=False))


def build_messages(
    messages: Sequence[Mapping[str, Any]], attributes: Mapping[str, str], before: Listing = EMPTY
) -> Listing:
    """A queue's counts, and the messages that were taken to be looked at, now or `before`."""
    rows = tuple(
        (m["MessageId"], m["Attributes"]["ApproximateReceiveCount"], _short(m["Body"])) for m in messages
    )
    waiting = attributes["ApproximateNumberOfMessages"]
    hidden = attributes["ApproximateNumberOfMessagesNotVisible"]
    delayed = attributes["ApproximateNumberOfMessagesDelayed"]
    note = f"{waiting} waiting, {hidden} in flight, {delayed} delayed"
    if not messages and before.rows and (waiting, hidden, delayed) != ("0", "0", "0"):
        return replace(before, note=note)
    if not messages:
        return Listing(
            note=f"{note}. To see messages is to receive them: each look counts in ApproximateReceiveCount."
        )
    return Listing(("message id", "received", "body"), rows, tuple(m["Body"] for m in messages), note)


def _read_queue(sqs: Any, name: str, before: Listing, *, receive: bool) -> Listing:
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    messages = []
    if receive:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageSystemAttributeNames=["All"]
        )
        messages = answer.get("Messages", [])
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return build_messages(messages, attributes, EMPTY if receive else before)


def _read_rows(database: Any, name: str) -> Listing:
    from psycopg import sql

    table = sql.Identifier(*name.split(".", 1))
    cursor = database.execute(sql.SQL("select * from {} limit {}").format(table, MOST_ROWS))
    columns = tuple(column.name for column in cursor.description)
    found = cursor.fetchall()
    (total,) = database.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
    rows = tuple(tuple(_short(value) for value in row) for row in found)
    details = tuple("\n".join(f"{c}: {v}" for c, v in zip(columns, row, strict=True)) for row in found)
    more = " (the first hundred)" if total > len(rows) else ""
    return Listing(columns, rows, details, f"{total:,} {'row' if total == 1 else 'rows'}{more}")


def _short(value: object, most: int = 80) -> str:
    text = str(value).replace("\n", " ")
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _count(rows: Sequence[object], word: str) -> str:
    return f"{len(rows)} {word}{'' if len(rows) == 1 else 's'}"
