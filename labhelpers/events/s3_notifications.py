"""A bucket's notification configuration: read from S3's XML, checked as S3 checks it, and matched with events. Pure.

Called by `triggers.s3` and by the bridge to moto (which keeps the configuration).
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
     https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any
from xml.etree import ElementTree

from labhelpers.errors import AwsError
from labhelpers.events.s3 import encoded_key

INVALID_ARGUMENT = "InvalidArgument"
EVENT_BRIDGE = "EventBridge"
MAX_RULES = 100
MAX_FILTER_VALUE_BYTES = 1024

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
# The XML's element for each kind of destination, and the service in its ARN.
DESTINATIONS = {"CloudFunction": "lambda", "Queue": "sqs", "Topic": "sns"}
_ARN = re.compile(r"arn:aws[\w-]*:(?P<service>lambda|sqs|sns):(?P<region>[\w-]+):\d{12}:.+")

EVENT_TYPES: dict[str, tuple[str, ...]] = {
    "ObjectCreated": ("Put", "Post", "Copy", "CompleteMultipartUpload"),
    "ObjectRemoved": ("Delete", "DeleteMarkerCreated"),
    "ObjectRestore": ("Post", "Completed", "Delete"),
    "ReducedRedundancyLostObject": (),
    "Replication": (
        "OperationFailedReplication",
        "OperationNotTracked",
        "OperationMissedThreshold",
        "OperationReplicatedAfterThreshold",
    ),
    "LifecycleExpiration": ("Delete", "DeleteMarkerCreated"),
    "LifecycleTransition": (),
    "IntelligentTiering": (),
    "ObjectTagging": ("Put", "Delete"),
    "ObjectAcl": ("Put",),
    "ObjectAnnotation": ("Put", "Delete"),
    "ObjectRetention": ("Put",),
}
# AWS offers no wildcard for the two families that have one member.
_WITHOUT_WILDCARD = ("ObjectAcl", "ObjectRetention")


def _all_events() -> Iterator[str]:
    for family, members in EVENT_TYPES.items():
        if not members:
            yield f"s3:{family}"
        elif family not in _WITHOUT_WILDCARD:
            yield f"s3:{family}:*"
        yield from (f"s3:{family}:{member}" for member in members)


EVENTS = frozenset(_all_events())


@dataclass(frozen=True, slots=True)
class NotificationRule:
    """One destination (`CloudFunction`, `Queue` or `Topic`) and what it is told of; `events` start with "s3:"."""

    id: str
    destination: str
    arn: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""

    def matches(self, name: str, key: str) -> bool:
        """Whether an event `name` (without "s3:") of the plain `key` is for this rule.

        # AWS compares with the encoded key: its page asks for `+` and percent-encoding in prefixes and suffixes.
        """
        encoded = encoded_key(key)
        return (
            any(event_matches(pattern, name) for pattern in self.events)
            and encoded.startswith(self.prefix)
            and encoded.endswith(self.suffix)
        )


@dataclass(frozen=True, slots=True)
class NotificationConfiguration:
    """All rules of a bucket, in order; `event_bridge` sends every event to the default bus as well."""

    rules: tuple[NotificationRule, ...] = ()
    event_bridge: bool = False

    def matching(self, name: str, key: str) -> tuple[NotificationRule, ...]:
        """The rules for an event `name` (without "s3:") of the plain `key`."""
        return tuple(rule for rule in self.rules if rule.matches(name, key))


def event_matches(pattern: str, name: str) -> bool:
    """Whether `name` ("ObjectCreated:Put") is what `pattern` ("s3:ObjectCreated:*") asks for."""
    wanted = pattern.removeprefix("s3:")
    if wanted.endswith(":*"):
        return name.startswith(wanted[:-1])
    return name == wanted


# --- Reading and writing S3's XML ---


def parse_configuration(
    body: bytes, new_id: Callable[[], str] = lambda: str(uuid.uuid4()), region: str = ""
) -> NotificationConfiguration:
    """The configuration in the body of PutBucketNotificationConfiguration, checked but for its destinations' existence.

    A rule without an Id gets one. `region` is the bucket's; empty leaves out that check. AwsError as S3 answers.
    """
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise _malformed() from None
    if _local(root) != "NotificationConfiguration":
        raise _malformed()
    event_bridge = any(_local(child) == "EventBridgeConfiguration" for child in root)
    rules = tuple(
        _parse_rule(child, destination, new_id)
        for destination in ("Topic", "Queue", "CloudFunction")
        for child in root
        if _local(child) == f"{destination}Configuration"
    )
    configuration = NotificationConfiguration(rules, event_bridge)
    validate_configuration(configuration, region)
    return configuration


def configuration_xml(configuration: NotificationConfiguration) -> bytes:
    """The body of GetBucketNotificationConfiguration's answer."""
    root = ElementTree.Element("NotificationConfiguration", xmlns=_NAMESPACE)
    for rule in configuration.rules:
        element = ElementTree.SubElement(root, f"{rule.destination}Configuration")
        ElementTree.SubElement(element, "Id").text = rule.id
        ElementTree.SubElement(element, rule.destination).text = rule.arn
        for event in rule.events:
            ElementTree.SubElement(element, "Event").text = event
        filters = [
            (name, value) for name, value in (("Prefix", rule.prefix), ("Suffix", rule.suffix)) if value
        ]
        if filters:
            keys = ElementTree.SubElement(ElementTree.SubElement(element, "Filter"), "S3Key")
            for name, value in filters:
                filter_rule = ElementTree.SubElement(keys, "FilterRule")
                ElementTree.SubElement(filter_rule, "Name").text = name
                ElementTree.SubElement(filter_rule, "Value").text = value
    if configuration.event_bridge:
        ElementTree.SubElement(root, "EventBridgeConfiguration")
    text: bytes = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text


def _parse_rule(
    element: ElementTree.Element, destination: str, new_id: Callable[[], str]
) -> NotificationRule:
    arn = _text(element, destination)
    events = tuple(child.text or "" for child in element if _local(child) == "Event")
    if not arn or not events:
        raise _malformed()
    filters: dict[str, str] = {}
    for filter_rule in (node for node in element.iter() if _local(node) == "FilterRule"):
        given = _text(filter_rule, "Name")
        name = given.lower()
        if name not in ("prefix", "suffix"):
            raise _argument("filter rule name must be either prefix or suffix", "FilterRule.Name", given)
        if name in filters:
            raise _argument(
                f"Cannot specify more than one {name} rule in a filter.", "FilterRule.Name", given
            )
        filters[name] = _text(filter_rule, "Value")
    return NotificationRule(
        _text(element, "Id") or new_id(),
        destination,
        arn,
        events,
        filters.get("prefix", ""),
        filters.get("suffix", ""),
    )


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: ElementTree.Element, name: str) -> str:
    for child in element:
        if _local(child) == name:
            return child.text or ""
    return ""


# --- Checks ---


def validate_configuration(configuration: NotificationConfiguration, region: str = "") -> None:
    """Raise what S3 answers to a configuration that is wrong in itself: ARNs, events, filters, ids, overlaps."""
    if len(configuration.rules) > MAX_RULES:
        raise AwsError(INVALID_ARGUMENT, f"Number of configurations exceeds the limit of {MAX_RULES}")
    for rule in configuration.rules:
        _validate_rule(rule, region)
    ids = [rule.id for rule in configuration.rules]
    if len(set(ids)) < len(ids):
        raise AwsError(INVALID_ARGUMENT, "Same ID used for multiple configurations. IDs must be unique")
    if any(overlap(one, other) for one, other in combinations(configuration.rules, 2)):
        raise AwsError(
            INVALID_ARGUMENT,
            "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules "
            "if the prefixes are overlapping for the same event type.",
        )


def _validate_rule(rule: NotificationRule, region: str) -> None:
    arn = _ARN.fullmatch(rule.arn)
    if arn is None or arn["service"] != DESTINATIONS[rule.destination]:
        raise _argument("The ARN could not be parsed", rule.destination, rule.arn)
    if region and arn["region"] != region:
        raise _argument(
            "The notification destination service region is not valid for the bucket location constraint",
            rule.destination,
            rule.arn,
        )
    for event in rule.events:
        if event not in EVENTS:
            raise _argument(f"The event '{event}' is not supported for notifications", "Event", event)
    for value in (rule.prefix, rule.suffix):
        if len(value.encode()) > MAX_FILTER_VALUE_BYTES:
            raise _argument(
                "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation",
                "FilterRule.Value",
                value,
            )


def overlap(one: NotificationRule, other: NotificationRule) -> bool:
    """Whether some event of some key could be for both rules, which S3 refuses.

    AWS compares prefixes and suffixes each on their own, whether or not one key could have both.
    """
    events = any(
        event_matches(a, b.removeprefix("s3:")) or event_matches(b, a.removeprefix("s3:"))
        for a in one.events
        for b in other.events
    )
    prefixes = one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)
    suffixes = one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix)
    return events and prefixes and suffixes


def destinations_refused(reasons: list[tuple[str, str]]) -> AwsError:
    """S3's answer when destinations do not exist or refuse it. `reasons`: (ARN as S3 writes it, why), not empty."""
    fields: dict[str, Any] = {}
    for number, (name, why) in enumerate(reasons, 1):
        fields[f"ArgumentName{number}"] = name
        fields[f"ArgumentValue{number}"] = why
    return AwsError(
        INVALID_ARGUMENT, "Unable to validate the following destination configurations", fields=fields
    )


def _argument(message: str, name: str, value: str) -> AwsError:
    return AwsError(INVALID_ARGUMENT, message, fields={"ArgumentName": name, "ArgumentValue": value})


def _malformed() -> AwsError:
    return AwsError(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
