"""Log groups as triggers: checks that CloudWatch Logs may call a function, and hands it the events of its subscription.

The cloud calls `check` before it keeps a subscription filter and `deliver` for what was written to a subscribed group.
AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html#LambdaFunctionExample
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from labhelpers.errors import AwsError, NotEmulated
from labhelpers.events.log_subscription import LogDelivery, function_events, group_arn
from labhelpers.journal import Journal
from labhelpers.model import Account, FunctionVersion, InvokeRequest

INVALID_PARAMETER = "InvalidParameterException"
_NOT_EXECUTED = (
    "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your "
    "function."
)


class Resolved(Protocol):
    """What a function's ARN leads to."""

    @property
    def version(self) -> FunctionVersion: ...


class Functions(Protocol):
    """The registry's part that is needed here; both raise AwsError 404 for no such function."""

    def resolve(self, function: str, qualifier: str = "") -> Resolved: ...

    def allows(
        self, function: str, qualifier: str, *, principal: str, source_arn: str = "", source_account: str = ""
    ) -> bool: ...


class LogSubscriptions:
    """Used from the cloud's event loop only."""

    def __init__(
        self,
        functions: Functions,
        submit: Callable[[InvokeRequest], str],
        journal: Journal,
        account: Account,
    ) -> None:
        self._functions = functions
        self._submit = submit
        self._journal = journal
        self._account = account
        # AWS writes either in its own pages.
        self._principals = ("logs.amazonaws.com", f"logs.{account.region}.amazonaws.com")

    def check(self, group: str, destination_arn: str, subscribed: Mapping[str, Iterable[str]]) -> None:
        """Refuse a function that may not be called, or that would call itself. AwsError as AWS, NotEmulated for a loop.

        `subscribed` are the functions that log groups have already, by the group's name.
        """
        if destination_arn.split(":")[4:5] != [self._account.id]:
            raise AwsError(
                "AccessDeniedException",
                "Cross-account lambda invocation passing is not allowed. "
                "You must use DestinationPolicies to create cross account lambda triggers.",
            )
        if not self._allowed(destination_arn, group):
            raise AwsError(INVALID_PARAMETER, _NOT_EXECUTED)
        if self._leads_back(group, destination_arn, subscribed):
            # AWS: takes it, warns of the bill, and the function starts itself for ever.
            raise NotEmulated(
                "log subscriptions of functions to their own logs (they would start themselves for ever)"
            )

    def _leads_back(self, group: str, destination_arn: str, subscribed: Mapping[str, Iterable[str]]) -> bool:
        """Whether what the function logs would come back to `group`, perhaps by other functions' logs."""
        waiting, seen = [destination_arn], set()
        while waiting:
            log_group = self._log_group(waiting.pop())
            if log_group == group:
                return True
            if log_group not in seen:
                seen.add(log_group)
                waiting += subscribed.get(log_group, ())
        return False

    def _log_group(self, function_arn: str) -> str:
        try:
            return self._functions.resolve(function_arn).version.log_group
        except AwsError:
            return ""

    def _allowed(self, function_arn: str, group: str) -> bool:
        source_arn = group_arn(self._account.region, self._account.id, group)
        try:
            return any(
                self._functions.allows(
                    function_arn,
                    "",
                    principal=principal,
                    source_arn=source_arn,
                    source_account=self._account.id,
                )
                for principal in self._principals
            )
        except AwsError as error:
            if error.status in (403, 404):
                return False
            raise

    def deliver(self, delivery: LogDelivery) -> None:
        """Invoke the function asynchronously with these events. Never raises, never waits."""
        try:
            self._deliver(delivery)
        except Exception as error:  # noqa: BLE001 - who writes logs must not see it, so the journal does
            self._fail(delivery, repr(error))

    def _deliver(self, delivery: LogDelivery) -> None:
        arn = delivery.destination_arn
        if self._log_group(arn) == delivery.group:
            self._fail(delivery, "the function now logs to this very group, and would start itself for ever")
            return
        if not self._allowed(arn, delivery.group):
            self._fail(
                delivery,
                "the function does not exist, or its resource policy does not let CloudWatch Logs call it; "
                f"add_permission with Principal={self._principals[0]} would",
            )
            return
        source_arn = group_arn(self._account.region, self._account.id, delivery.group)
        for payload in function_events(delivery, self._account.id):
            invocation = self._submit(InvokeRequest(arn, payload, source="logs", source_arn=source_arn))
            self._journal.append(
                "logs.subscription",
                source_arn,
                filter=delivery.filter_name,
                stream=delivery.stream,
                events=len(delivery.events),
                destination=arn,
                invocation=invocation,
            )

    def _fail(self, delivery: LogDelivery, why: str) -> None:
        self._journal.failure(
            f"CloudWatch Logs could not deliver from {delivery.group} to {delivery.destination_arn}: {why}",
            group_arn(self._account.region, self._account.id, delivery.group),
            filter=delivery.filter_name,
            destination=delivery.destination_arn,
        )
