"""The query protocol to services that speak JSON."""

from __future__ import annotations

import json

from labhelpers.cloud import query_requests


def test_parameters_come_from_the_query_and_a_form() -> None:
    """What names no action, or nothing but one, is no such request."""
    assert query_requests.read("Action=A&Version=1", b"B=%201", is_form=True) == {"Action": "A", "B": " 1"}
    assert query_requests.read("B=1", b"", is_form=True) is None
    assert query_requests.read("Action=A", b'{"B": 1}', is_form=False) is None


def test_parameters_become_json() -> None:
    """Lists by number, numbers and truth by the service's model; an unknown action is none."""
    asked = {"Action": "GetParametersByPath", "Path": "/", "Recursive": "true", "MaxResults": "5"}
    asked |= {"ParameterFilters.member.1.Key": "Type", "ParameterFilters.member.1.Values.member.1": "String"}
    assert json.loads(query_requests.as_json("ssm", asked) or b"") == {
        "Path": "/",
        "Recursive": True,
        "MaxResults": 5,
        "ParameterFilters": [{"Key": "Type", "Values": ["String"]}],
    }
    assert query_requests.as_json("ssm", {"Action": "Nothing"}) is None


def test_errors_are_worded_in_this_protocol() -> None:
    """Whose fault it was is in them."""
    body = b'{"__type": "com.amazonaws.ssm#ParameterNotFound", "message": "no"}'
    made = json.loads(query_requests.answer("ssm", "GetParameter", 400, body, "id"))
    assert made == {
        "Error": {"Code": "ParameterNotFound", "Message": "no", "Type": "Sender"},
        "RequestId": "id",
    }
