"""EventBridge Scheduler's API: checks requests as AWS does and answers from the store of schedules.

Called by the front door. AWS: https://docs.aws.amazon.com/scheduler/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.errors import VALIDATION, AwsError, NotEmulated
from labhelpers.functions.constraints import Choice, Constraint, ListOf, Number, Structure, Text, check
from labhelpers.model import Account
from labhelpers.routing import Router
from labhelpers.triggers.scheduler_settings import DEFAULT_GROUP, Group, ScheduleSettings, ScheduleStore

PRINCIPAL = "scheduler.amazonaws.com"
_NAME = Text(1, 64, r"[0-9a-zA-Z-_.]+")
_DATE = Number(fraction=True)
_TAGS = ListOf(Structure({"Key": Text(1, 128), "Value": Text(1, 256)}, ("Key", "Value")), 0, 200)
_TARGET = Structure(
    {
        "Arn": Text(1, 1600),
        "RoleArn": Text(1, 1600, r"arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@\/-]+"),
        "DeadLetterConfig": Structure({"Arn": Text(1, 1600)}),
        "EventBridgeParameters": Structure(
            {
                "DetailType": Text(1, 128),
                "Source": Text(
                    1, 256, r"(?=[/\.\-_A-Za-z0-9]+)((?!aws\.).*)|(\$(\.[\w_-]+(\[(\d+|\*)\])*)*)"
                ),
            },
            ("DetailType", "Source"),
        ),
        "Input": Text(1),
        "KinesisParameters": Structure({"PartitionKey": Text(1, 256)}, ("PartitionKey",)),
        "RetryPolicy": Structure(
            {"MaximumEventAgeInSeconds": Number(60, 86_400), "MaximumRetryAttempts": Number(0, 185)}
        ),
        "SqsParameters": Structure({"MessageGroupId": Text(1, 128)}),
    },
    ("Arn", "RoleArn"),
)
_MEMBERS: dict[str, Constraint] = {
    "Name": _NAME,
    "GroupName": _NAME,
    "ScheduleExpression": Text(1, 256),
    "ScheduleExpressionTimezone": Text(1, 50),
    "StartDate": _DATE,
    "EndDate": _DATE,
    "Description": Text(0, 512),
    "State": Choice(("ENABLED", "DISABLED")),
    "KmsKeyArn": Text(1, 2048),
    "Target": _TARGET,
    "FlexibleTimeWindow": Structure(
        {"Mode": Choice(("OFF", "FLEXIBLE")), "MaximumWindowInMinutes": Number(1, 1440)}, ("Mode",)
    ),
    "ActionAfterCompletion": Choice(("NONE", "DELETE")),
}
_SCHEDULE = Structure(_MEMBERS, ("Name", "ScheduleExpression", "Target", "FlexibleTimeWindow"))
_GROUP = Structure({"Name": _NAME, "Tags": _TAGS}, ("Name",))
_LIST = Structure(
    {
        "MaxResults": Number(1, 100),
        "NamePrefix": _NAME,
        "State": Choice(("ENABLED", "DISABLED")),
        "ScheduleGroup": _NAME,
    }
)
_TARGETS_LEFT_OUT = ("EcsParameters", "SageMakerPipelineParameters")


@dataclass(frozen=True, slots=True)
class Call:
    """A request taken apart: names in its path, its query (each once, tag keys as a list), its JSON body."""

    names: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: dict[str, Any]

    def one(self, name: str, default: str = "") -> str:
        """A query parameter."""
        return self.query.get(name, [default])[0]


class SchedulerService:
    """Answers every request for Scheduler. `trusts(role_arn, service)` asks IAM whom a role lets take it on."""

    def __init__(self, store: ScheduleStore, account: Account, trusts: Callable[[str, str], bool]) -> None:
        self._store = store
        self._account = account
        self._trusts = trusts
        self._routes: Router[Callable[[Call], dict[str, Any]]] = Router()
        for method, template, operation in (
            ("POST", "/schedules/{Name}", self._create_schedule),
            ("GET", "/schedules/{Name}", self._get_schedule),
            ("PUT", "/schedules/{Name}", self._update_schedule),
            ("DELETE", "/schedules/{Name}", self._delete_schedule),
            ("GET", "/schedules", self._list_schedules),
            ("POST", "/schedule-groups/{Name}", self._create_group),
            ("GET", "/schedule-groups/{Name}", self._get_group),
            ("DELETE", "/schedule-groups/{Name}", self._delete_group),
            ("GET", "/schedule-groups", self._list_groups),
            ("POST", "/tags/{Arn}", self._tag),
            ("DELETE", "/tags/{Arn}", self._untag),
            ("GET", "/tags/{Arn}", self._tags),
        ):
            self._routes.add(method, template, operation)

    async def handle(self, request: AwsRequest) -> AwsResponse:
        """AWS's answer. AwsError for its errors."""
        if request.region != self._account.region:
            raise NotEmulated(
                f"EventBridge Scheduler in {request.region}: this lab is {self._account.region}"
            )
        found = self._routes.match(request.method, request.path)
        if found is None:
            raise AwsError("UnknownOperationException", "", 404)
        operation, names = found
        call = Call(names, parse_qs(request.query, keep_blank_values=True), _json(request.body))
        answer = operation(call)
        return AwsResponse(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    # --- Schedules ---

    def _create_schedule(self, call: Call) -> dict[str, Any]:
        return {"ScheduleArn": self._store.create(call.names["Name"], self._checked(call)).arn}

    def _update_schedule(self, call: Call) -> dict[str, Any]:
        return {"ScheduleArn": self._store.update(call.names["Name"], self._checked(call)).arn}

    def _checked(self, call: Call) -> dict[str, Any]:
        request = {**call.body, "Name": call.names["Name"]}
        check(_SCHEDULE, request)
        for name in _TARGETS_LEFT_OUT:
            if name in request["Target"]:
                raise NotEmulated(f"{name} of EventBridge Scheduler targets")
        if not self._trusts(request["Target"]["RoleArn"], PRINCIPAL):
            raise AwsError(
                VALIDATION,
                "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
            )
        return request

    def _get_schedule(self, call: Call) -> dict[str, Any]:
        settings = self._store.schedule(call.one("groupName", DEFAULT_GROUP), call.names["Name"])
        window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": settings.window_s // 60}
        answer = {
            **_summary(settings),
            "ActionAfterCompletion": settings.after_completion,
            "Description": settings.description,
            "EndDate": settings.end,
            "FlexibleTimeWindow": window if settings.window_s else {"Mode": "OFF"},
            "KmsKeyArn": settings.kms_key_arn,
            "ScheduleExpression": settings.expression,
            "ScheduleExpressionTimezone": settings.zone,
            "StartDate": settings.start,
            "Target": dict(settings.target),
        }
        return {name: value for name, value in answer.items() if value is not None}

    def _delete_schedule(self, call: Call) -> dict[str, Any]:
        self._store.delete(call.one("groupName", DEFAULT_GROUP), call.names["Name"])
        return {}

    def _list_schedules(self, call: Call) -> dict[str, Any]:
        _check_list(call)
        group, state, prefix = call.one("ScheduleGroup"), call.one("State"), call.one("NamePrefix")
        groups = [self._store.group(group)] if group else list(self._store.groups.values())
        found = [
            _summary(settings)
            for kept in groups
            for settings in kept.schedules.values()
            if (not state or settings.state == state) and settings.name.startswith(prefix)
        ]
        return _page("Schedules", found, call)

    # --- Groups and their tags ---

    def _create_group(self, call: Call) -> dict[str, Any]:
        request = {**call.body, "Name": call.names["Name"]}
        check(_GROUP, request)
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()}
        return {"ScheduleGroupArn": self._store.create_group(request["Name"], tags).arn}

    def _get_group(self, call: Call) -> dict[str, Any]:
        return _group(self._store.group(call.names["Name"]))

    def _delete_group(self, call: Call) -> dict[str, Any]:
        self._store.delete_group(call.names["Name"])
        return {}

    def _list_groups(self, call: Call) -> dict[str, Any]:
        _check_list(call)
        prefix = call.one("NamePrefix")
        found = [_group(group) for group in self._store.groups.values() if group.name.startswith(prefix)]
        return _page("ScheduleGroups", found, call)

    def _tag(self, call: Call) -> dict[str, Any]:
        check(Structure({"Tags": _TAGS}, ("Tags",)), call.body)
        group = self._store.tagged(call.names["Arn"])
        group.tags.update({tag["Key"]: tag["Value"] for tag in call.body["Tags"]})
        return {}

    def _untag(self, call: Call) -> dict[str, Any]:
        group = self._store.tagged(call.names["Arn"])
        for key in call.query.get("TagKeys", ()):
            group.tags.pop(key, None)
        return {}

    def _tags(self, call: Call) -> dict[str, Any]:
        tags = self._store.tagged(call.names["Arn"]).tags
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise AwsError("SerializationException", "The body of this request is no JSON object")
    return value


def _check_list(call: Call) -> None:
    request: dict[str, Any] = {
        name: call.one(name) for name in ("NamePrefix", "State", "ScheduleGroup") if call.one(name)
    }
    limit = call.one("MaxResults")
    if limit:
        request["MaxResults"] = int(limit) if limit.isdigit() else -1
    check(_LIST, request)


def _page(name: str, found: Iterable[dict[str, Any]], call: Call) -> dict[str, Any]:
    """One page of a list; NextToken is the number of items before the next page."""
    items, token = list(found), call.one("NextToken", "0")
    if not token.isdigit():
        raise AwsError(VALIDATION, "Invalid NextToken.")
    start = int(token)
    end = start + int(call.one("MaxResults", "100"))
    answer: dict[str, Any] = {name: items[start:end]}
    if end < len(items):
        answer["NextToken"] = str(end)
    return answer


def _summary(settings: ScheduleSettings) -> dict[str, Any]:
    return {
        "Arn": settings.arn,
        "CreationDate": settings.created,
        "GroupName": settings.group,
        "LastModificationDate": settings.modified,
        "Name": settings.name,
        "State": settings.state,
        "Target": {"Arn": settings.target["Arn"]},
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "Arn": group.arn,
        "CreationDate": group.created,
        "LastModificationDate": group.modified,
        "Name": group.name,
        "State": "ACTIVE",
    }
