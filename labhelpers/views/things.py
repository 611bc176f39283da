"""The things of an account and the links that their settings make, read through plain boto3.

`describe` is pure and knows how AWS's answers look; the map only sees `Thing` and `Link`, so another service needs
one more function here and nothing elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CLIENT = "client"
BUCKET, FUNCTION, DATABASE = "bucket", "function", "database"
# What functions read through event source mappings.
QUEUE, STREAM, TABLE = "queue", "stream", "table"
# What sends events on, by itself or to whom it is told to.
TOPIC, BUS, RULE, SCHEDULE = "topic", "bus", "rule", "schedule"
API = "api"

EVENT, CALL = "event", "call"


@dataclass(frozen=True, slots=True)
class Thing:
    """Something of the account. `id` is its ARN (an API's: `api_things.api_thing`).

    `facts` are settings worth reading, as name and value.
    """

    id: str
    kind: str
    name: str
    note: str = ""
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A way that something can take: an event that AWS sends, or a call that a program makes."""

    source: str
    target: str
    kind: str
    label: str = ""

    @property
    def id(self) -> str:
        return f"{self.source}>{self.target}"


@dataclass(frozen=True, slots=True)
class Resources:
    """What the account has now."""

    things: tuple[Thing, ...] = ()
    links: tuple[Link, ...] = ()

    def named(self, kind: str) -> dict[str, str]:
        """Name to id, of one kind."""
        return {thing.name: thing.id for thing in self.things if thing.kind == kind}


@dataclass(frozen=True, slots=True)
class Answers:
    """AWS's answers, as boto3 gives them: list_buckets, one notification configuration a bucket, list_functions, ..."""

    buckets: Sequence[Mapping[str, Any]] = ()
    notifications: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    functions: Sequence[Mapping[str, Any]] = ()
    databases: Sequence[Mapping[str, Any]] = ()
    mappings: Sequence[Mapping[str, Any]] = ()


def describe(answers: Answers) -> Resources:
    """The things and links in these answers."""
    things = [
        *(_bucket(bucket) for bucket in answers.buckets),
        *(_function(function) for function in answers.functions),
        *(_database(database) for database in answers.databases),
        *_sources(answers.mappings),
    ]
    links = [
        *(link for mapping in answers.mappings for link in _read(mapping)),
        *(link for name, found in answers.notifications.items() for link in _notified(name, found)),
        *(link for function in answers.functions for link in _named_in(function, answers)),
    ]
    return Resources(tuple(things), without_doubles(links))


def bucket_id(name: str) -> str:
    """A bucket's ARN."""
    return f"arn:aws:s3:::{name}"


def source_id(arn: str) -> str:
    """The thing that an event source's ARN names: a stream of a table stands for the table."""
    return arn.partition("/stream/")[0] if ":dynamodb:" in arn else arn


def target_id(arn: str) -> str:
    """The thing that an ARN of a destination names."""
    return function_id(arn) if ":lambda:" in arn else arn


def function_id(arn: str) -> str:
    """A function's ARN without its version or alias."""
    return ":".join(arn.split(":")[:7])


def _bucket(bucket: Mapping[str, Any]) -> Thing:
    name = str(bucket["Name"])
    return Thing(bucket_id(name), BUCKET, name, "S3 bucket")


def _function(function: Mapping[str, Any]) -> Thing:
    facts = (
        ("Runtime", str(function.get("Runtime", ""))),
        ("Handler", str(function.get("Handler", ""))),
        ("Memory", f"{function.get('MemorySize', '?')} MB"),
        ("Timeout", f"{function.get('Timeout', '?')} s"),
    )
    arn = function_id(str(function["FunctionArn"]))
    return Thing(arn, FUNCTION, str(function["FunctionName"]), "Lambda function", facts)


def _database(database: Mapping[str, Any]) -> Thing:
    endpoint = database.get("Endpoint") or {}
    facts = [("Engine", f"{database.get('Engine', '')} {database.get('EngineVersion', '')}".strip())]
    if endpoint.get("Port"):
        facts.append(("Endpoint", f"{endpoint.get('Address', '')}:{endpoint['Port']}"))
    name = str(database["DBInstanceIdentifier"])
    facts.append(("Status when read", str(database.get("DBInstanceStatus", ""))))
    return Thing(str(database["DBInstanceArn"]), DATABASE, name, "RDS database", tuple(facts))


def _sources(mappings: Sequence[Mapping[str, Any]]) -> Iterator[Thing]:
    """The queues, streams and tables that functions read."""
    for arn in dict.fromkeys(source_id(str(mapping["EventSourceArn"])) for mapping in mappings):
        service, name = arn.split(":")[2], arn.split(":", 5)[5]
        if service == "sqs":
            yield Thing(arn, QUEUE, name, "SQS queue")
        elif service == "kinesis":
            yield Thing(arn, STREAM, name.split("/")[1], "Kinesis stream")
        else:
            yield Thing(arn, TABLE, name.split("/")[1], "DynamoDB table, read by its stream")


def _read(mapping: Mapping[str, Any]) -> Iterator[Link]:
    """The way of batches to a function, labelled with how many records go together, or that it is disabled.

    And the way of the reports on what was given up.
    """
    on = mapping.get("State") not in ("Disabled", "Disabling")
    label = f"batch {mapping.get('BatchSize', '?')}" if on else "disabled"
    source = source_id(str(mapping["EventSourceArn"]))
    yield Link(source, function_id(str(mapping["FunctionArn"])), EVENT, label)
    on_failure = mapping.get("DestinationConfig", {}).get("OnFailure", {})
    if reported := on_failure.get("Destination"):
        yield Link(source, str(reported), EVENT, "on failure")


def _notified(bucket: str, configuration: Mapping[str, Any]) -> Iterator[Link]:
    """A link for each function, queue and topic that the bucket's notification configuration names."""
    for rule in configuration.get("LambdaFunctionConfigurations", ()):
        target = function_id(str(rule["LambdaFunctionArn"]))
        yield Link(bucket_id(bucket), target, EVENT, _filter_text(rule))
    for kind in ("Queue", "Topic"):
        for rule in configuration.get(f"{kind}Configurations", ()):
            yield Link(bucket_id(bucket), str(rule[f"{kind}Arn"]), EVENT, _filter_text(rule))


def _filter_text(rule: Mapping[str, Any]) -> str:
    """A rule's filter as a pattern: `in/*.csv`; "" when every key passes."""
    parts = {
        str(part["Name"]).lower(): str(part["Value"])
        for part in rule.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    }
    prefix, suffix = parts.get("prefix", ""), parts.get("suffix", "")
    return f"{prefix}*{suffix}" if prefix or suffix else ""


def _named_in(function: Mapping[str, Any], answers: Answers) -> Iterator[Link]:
    """A link for each bucket and database that the function's environment variables name: it means to call them."""
    values = [str(value) for value in function.get("Environment", {}).get("Variables", {}).values()]
    source = function_id(str(function["FunctionArn"]))
    for bucket in answers.buckets:
        if mentions(values, str(bucket["Name"])):
            yield Link(source, bucket_id(str(bucket["Name"])), CALL)
    for database in answers.databases:
        endpoint = database.get("Endpoint") or {}
        address, port = str(endpoint.get("Address", "")), str(endpoint.get("Port", ""))
        by_endpoint = address and port and mentions(values, address) and mentions(values, port)
        if by_endpoint or mentions(values, str(database["DBInstanceIdentifier"])):
            yield Link(source, str(database["DBInstanceArn"]), CALL)


def mentions(values: Sequence[str], word: str) -> bool:
    """Whether one of the values has `word` as a word of its own."""
    pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
    return any(pattern.search(value) for value in values)


def without_doubles(links: Iterable[Link]) -> tuple[Link, ...]:
    """One link for each pair; labels of several rules are joined."""
    labels: dict[tuple[str, str, str], list[str]] = {}
    for link in links:
        found = labels.setdefault((link.source, link.target, link.kind), [])
        if link.label not in found:
            found.append(link.label)
    return tuple(
        Link(source, target, kind, "" if "" in texts else ", ".join(texts))
        for (source, target, kind), texts in labels.items()
    )


class Reader:
    """Asks AWS's APIs what there is; used by one thread at a time. `make_client` makes a boto3 client of a service."""

    def __init__(self, make_client: Callable[[str], Any]) -> None:
        self._s3, self._lambda, self._rds = (make_client(name) for name in ("s3", "lambda", "rds"))

    def close(self) -> None:
        """Close the connections."""
        for client in (self._s3, self._lambda, self._rds):
            client.close()

    def answers(self) -> Answers:
        """What AWS answers now. Raises botocore's errors."""
        buckets = self._s3.list_buckets().get("Buckets", [])
        names = [bucket["Name"] for bucket in buckets]
        return Answers(
            buckets,
            {name: found for name in names if (found := self._notifications(name))},
            list(pages(self._lambda, "list_functions", "Functions")),
            list(pages(self._rds, "describe_db_instances", "DBInstances")),
            list(pages(self._lambda, "list_event_source_mappings", "EventSourceMappings")),
        )

    def _notifications(self, bucket: str) -> Mapping[str, Any]:
        try:
            found: Mapping[str, Any] = self._s3.get_bucket_notification_configuration(Bucket=bucket)
        except self._s3.exceptions.NoSuchBucket:  # Deleted since it was listed.
            return {}
        return found


def pages(client: Any, operation: str, member: str) -> Iterator[Any]:
    """All that an operation lists."""
    for page in client.get_paginator(operation).paginate():
        yield from page.get(member, ())


# Calls that change what is drawn. `api.call` names S3's calls by method and path, the others by operation.
_CHANGING_PATH = re.compile(r"(PUT|DELETE) /[^/?]+/?(\?notification.*)?$")


def changes_things(entry: Mapping[str, Any]) -> bool:
    """Whether a journal entry says that the account may have other things or links now."""
    kind = entry["kind"]
    if kind.startswith(("function.", "mapping.")) or kind == "database.state":
        return True
    if kind != "api.call":
        return False
    detail = entry["detail"]
    return detail.get("service") == "s3" and bool(_CHANGING_PATH.match(str(detail.get("call", ""))))
