"""Asks AWS's APIs for all that the map draws; a service that nobody has called yet is not asked.

`LiveMap` makes one; `things` and `trigger_things` say what the answers mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from labhelpers.views.api_reader import read_apis
from labhelpers.views.api_things import describe_apis
from labhelpers.views.aws import Apis
from labhelpers.views.things import Reader, Resources, changes_things, describe, pages
from labhelpers.views.trigger_things import Answer, TriggerAnswers, describe_triggers

_DESTINATIONS = "destinations"
_GATEWAYS = frozenset(("apigateway", "apigatewayv2"))
# Calls that change what is drawn, by service; `api.call` names REST calls by method and path.
_CHANGING = {
    "sns": r"CreateTopic|DeleteTopic|Subscribe|Unsubscribe|SetSubscriptionAttributes",
    "sqs": r"CreateQueue|DeleteQueue|SetQueueAttributes",
    "dynamodb": r"CreateTable|DeleteTable",
    "events": r"(Create|Delete)EventBus|(Put|Delete|Enable|Disable)Rule|(Put|Remove)Targets",
    "scheduler": r"(POST|PUT|DELETE) /schedules/.*",
    "apigateway": r"(POST|PUT|PATCH|DELETE) /restapis\b.*",
    "apigatewayv2": r"(POST|PUT|PATCH|DELETE) /v2/apis\b.*",
    "lambda": r"(POST|PUT|DELETE) /[\d-]+/functions/[^/]+/event-invoke-config.*",
}


def changed_service(entry: Mapping[str, Any]) -> str:
    """The service whose topics, queues, rules or the like a journal entry says to have changed; "" for none."""
    if entry["kind"] == "scheduler.deleted":
        return "scheduler"
    if entry["kind"] != "api.call":
        return ""
    service, call = str(entry["detail"].get("service", "")), str(entry["detail"].get("call", ""))
    pattern = _CHANGING.get(service)
    if pattern is None or not re.fullmatch(pattern, call):
        return ""
    return _DESTINATIONS if service == "lambda" else service


class AwsReader:
    """Reads an account, from one thread at a time; `notice` may come from another one."""

    def __init__(self, make_client: Callable[[str], Any]) -> None:
        self._reader = Reader(make_client)
        self._apis = Apis(make_client)
        self._used: frozenset[str] = frozenset()

    def notice(self, entries: Iterable[Mapping[str, Any]]) -> bool:
        """Whether these entries of the journal say that the account may have other things or links now."""
        changed = False
        for entry in entries:
            if service := changed_service(entry):
                self._used |= {service}
            changed = changed or bool(service) or changes_things(entry)
        return changed

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()
        self._apis.close()

    def read(self) -> Resources:
        """What the account has now. Raises botocore's errors."""
        answers, used = self._reader.answers(), self._used
        known = describe(answers)
        if used & _GATEWAYS:
            known = describe_apis(read_apis(self._apis), known)
        if not used - _GATEWAYS:
            return known
        rules, targets = self._rules() if "events" in used else ([], {})
        found = TriggerAnswers(
            [topic["TopicArn"] for topic in self._all("sns", "list_topics", "Topics", used)],
            list(self._subscriptions()) if "sns" in used else (),
            list(self._queues()) if "sqs" in used else (),
            list(self._tables()) if "dynamodb" in used else (),
            self._apis.client("events").list_event_buses()["EventBuses"] if "events" in used else (),
            rules,
            targets,
            list(self._schedules()) if "scheduler" in used else (),
            list(self._destinations(answers.functions)) if _DESTINATIONS in used else (),
        )
        return describe_triggers(found, answers.functions, known)

    # --- Each service; what was deleted since it was listed is left out ---

    def _all(self, service: str, operation: str, member: str, used: frozenset[str]) -> Iterator[Any]:
        return pages(self._apis.client(service), operation, member) if service in used else iter(())

    def _subscriptions(self) -> Iterator[Answer]:
        sns = self._apis.client("sns")
        for listed in pages(sns, "list_subscriptions", "Subscriptions"):
            if ":" not in listed["SubscriptionArn"]:  # It waits to be confirmed.
                continue
            try:
                found = sns.get_subscription_attributes(SubscriptionArn=listed["SubscriptionArn"])
            except sns.exceptions.NotFoundException:
                continue
            yield found["Attributes"]

    def _queues(self) -> Iterator[Answer]:
        sqs = self._apis.client("sqs")
        for url in pages(sqs, "list_queues", "QueueUrls"):
            try:
                yield sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn", "RedrivePolicy"])[
                    "Attributes"
                ]
            except sqs.exceptions.QueueDoesNotExist:
                continue

    def _tables(self) -> Iterator[Answer]:
        dynamodb = self._apis.client("dynamodb")
        for name in pages(dynamodb, "list_tables", "TableNames"):
            try:
                yield dynamodb.describe_table(TableName=name)["Table"]
            except dynamodb.exceptions.ResourceNotFoundException:
                continue

    def _rules(self) -> tuple[list[Answer], dict[str, list[Answer]]]:
        events = self._apis.client("events")
        rules: list[Answer] = []
        targets: dict[str, list[Answer]] = {}
        for bus in events.list_event_buses()["EventBuses"]:
            try:
                for rule in events.list_rules(EventBusName=bus["Name"])["Rules"]:
                    listed = events.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus["Name"])
                    rules.append(rule)
                    targets[rule["Arn"]] = listed["Targets"]
            except events.exceptions.ResourceNotFoundException:
                continue
        return rules, targets

    def _schedules(self) -> Iterator[Answer]:
        scheduler = self._apis.client("scheduler")
        for listed in pages(scheduler, "list_schedules", "Schedules"):
            try:
                yield scheduler.get_schedule(GroupName=listed["GroupName"], Name=listed["Name"])
            except scheduler.exceptions.ResourceNotFoundException:
                continue

    def _destinations(self, functions: Iterable[Answer]) -> Iterator[Answer]:
        client = self._apis.client("lambda")
        for function in functions:
            try:
                found = client.list_function_event_invoke_configs(FunctionName=function["FunctionName"])
            except client.exceptions.ResourceNotFoundException:
                continue
            yield from found["FunctionEventInvokeConfigs"]
