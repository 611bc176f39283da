"""What AWS demands of a message that is published to SNS: attributes, size, structure. Pure.

docs.aws.amazon.com/sns/latest/api/API_Publish.html, docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from labhelpers.errors import AwsError
from labhelpers.events.sns import Attribute

INVALID = "InvalidParameter"
# The wire's name of InvalidParameterValueException.
INVALID_VALUE = "ParameterValueInvalid"
MAX_MESSAGE_BYTES = 262_144
MAX_SUBJECT = 100
MAX_NAME = 256

_TYPE = re.compile(r"(String|Number|Binary)(\..+)?")
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_NAME_CHARACTER = re.compile(r"[A-Za-z0-9_.-]")


def invalid(what: str) -> AwsError:
    """InvalidParameter (400) in AWS's frame."""
    return AwsError(INVALID, f"Invalid parameter: {what}")


def read_attributes(
    given: Mapping[str, Mapping[str, str]], at: str = "messageAttributes"
) -> dict[str, Attribute]:
    """Message attributes by name, from DataType, StringValue and BinaryValue (base64). AwsError 400.

    `at` is where they stand in the request, for AWS's message about one without a type.
    """
    return {name: _read(name, value, at) for name, value in given.items()}


def _read(name: str, given: Mapping[str, str], at: str) -> Attribute:
    _check_name(name)
    data_type = given.get("DataType")
    if data_type is None:
        raise AwsError(
            "ValidationError",
            f"1 validation error detected: Value null at '{at}.{name}.member.dataType' failed to satisfy "
            "constraint: Member must not be null",
        )
    if not _TYPE.fullmatch(data_type):
        raise _bad(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type "
            "prefixes is Binary, Number, and String."
        )
    empty = f"The message attribute '{name}' must contain non-empty message attribute value for message attribute type"
    kind = "Binary" if data_type.startswith("Binary") else "String"
    if not {"StringValue", "BinaryValue"} & given.keys():
        raise _bad(f"{empty} '{data_type}'.")
    if f"{kind}Value" not in given:
        raise _bad(f"The message attribute '{name}' with type '{data_type}' must use field '{kind}'.")
    value = given[f"{kind}Value"]
    if not value:
        raise _bad(f"{empty} '{data_type}'.")
    if data_type == "Number":
        _check_number(name, value)
    return Attribute(data_type, value)


def _check_number(name: str, value: str) -> None:
    try:
        float(value)
    except ValueError:
        raise _bad(f"Could not cast message attribute '{name}' value to number.") from None


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME:
        raise _bad("Length of message attribute name must be less than 256 bytes.")
    if _NAME.fullmatch(name):
        return
    if name[:1] == ".":
        raise _bad("Invalid message attribute name starting with character '.' was found.")
    if name[-1:] == ".":
        raise _bad("Invalid message attribute name ending with character '.' was found.")
    for char in name:
        if not _NAME_CHARACTER.fullmatch(char):
            raise _bad(
                f"Invalid non-alphanumeric character '#x{ord(char):X}' was found in the message attribute name. "
                "Can only include alphanumeric characters, hyphens, underscores, or dots."
            )
    raise _bad("Message attribute name can not have successive '.' character.")


def _bad(message: str) -> AwsError:
    return AwsError(INVALID_VALUE, message)


def size_of(message: str, attributes: Mapping[str, Attribute]) -> int:
    """The bytes of a message that count for SNS's 256 KB: its text, and attributes with their names and types."""
    parts = [
        message,
        *(part for name, each in attributes.items() for part in (name, each.data_type, each.value)),
    ]
    return sum(len(part.encode("utf-8", "surrogatepass")) for part in parts)


def check_subject(subject: str | None) -> None:
    """AwsError 400 for a subject that is empty, too long, or not one line of text."""
    if subject is None:
        return
    if not subject or len(subject) > MAX_SUBJECT or not subject.isprintable():
        raise invalid("Subject")


def read_structure(structure: str | None, message: str) -> dict[str, str] | None:
    """The texts by protocol of a message with MessageStructure json; None for a plain one. AwsError 400."""
    if structure is None:
        return None
    if structure != "json":
        raise invalid("MessageStructure")
    frame = "Message Structure -"
    try:
        texts = json.loads(message)
    except (ValueError, RecursionError):
        raise invalid(f"{frame} JSON message body failed to parse") from None
    if not isinstance(texts, dict):
        raise invalid(f"{frame} JSON message body failed to parse")
    found = {name: text for name, text in texts.items() if isinstance(text, str)}
    if "default" not in found:
        raise invalid(f"{frame} No default entry in JSON message body")
    return found
