"""EventBridge Scheduler at work: calls each schedule's target when due, tries again, fills dead-letter queues.

Called by its settings' store; functions are called asynchronously through `submit`, other targets through `deliver`.
AWS: https://docs.aws.amazon.com/scheduler/latest/UserGuide/what-is-scheduler.html
"""

from __future__ import annotations

import random
import secrets
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from labhelpers.clock import Clock
from labhelpers.errors import AwsError
from labhelpers.events.destinations import Outgoing
from labhelpers.events.scheduler import Execution, dead_letter_attributes, default_notification, fill_in
from labhelpers.functions.destinations import Deliver, is_passing
from labhelpers.functions.event_queue import Tasks
from labhelpers.functions.execution_roles import Allows, everything_allowed, may_send
from labhelpers.journal import Journal
from labhelpers.model import Account, InvokeRequest
from labhelpers.triggers.recurring import Recurring
from labhelpers.triggers.scheduler_settings import ScheduleSettings, ScheduleStore

_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 300.0


class Scheduler:
    """Runs what `store` keeps. Used from the cloud's event loop only."""

    def __init__(
        self,
        store: ScheduleStore,
        submit: Callable[[InvokeRequest], str],
        deliver: Deliver,
        journal: Journal,
        clock: Clock,
        account: Account,
    ) -> None:
        self._store = store
        self.allows: Allows = everything_allowed
        self._submit = submit
        self._deliver = deliver
        self._journal = journal
        self._clock = clock
        self._account = account
        self._recurring = Recurring(clock, journal)
        self._tasks = Tasks(self._broken)
        store.on_change = self.changed

    async def close(self) -> None:
        """Stop at once; attempts that wait are dropped."""
        await self._recurring.close()
        await self._tasks.close()

    def changed(self, arn: str, settings: ScheduleSettings | None) -> None:
        """A schedule has new settings, or is gone: what it does next follows them."""
        self._recurring.remove(arn)
        if settings is None or settings.state != "ENABLED":
            return
        once = settings.expression.startswith("at(")
        self._recurring.put(
            arn,
            settings.schedule,
            lambda due: self._due(settings, due),
            start=settings.start,
            end=None if once else settings.end,
            # AWS: a rate without a start date calls its target at once, and then at each interval.
            at_start=settings.expression.startswith("rate("),
            over=lambda: self._over(settings),
        )

    def _over(self, settings: ScheduleSettings) -> None:
        """Nothing is due any more: ActionAfterCompletion says whether the schedule stays."""
        if settings.after_completion == "DELETE":
            self._store.delete(settings.group, settings.name)
            self._journal.append("scheduler.deleted", settings.arn, after="completion")

    def _due(self, settings: ScheduleSettings, due: float) -> None:
        self._tasks.start(self._run(settings, Execution(settings.arn, due, secrets.token_hex(8))))

    async def _run(self, settings: ScheduleSettings, execution: Execution) -> None:
        """Attempts until one succeeds, the policy's limits are reached, or another one would be useless."""
        if settings.window_s:
            await self._clock.sleep(random.uniform(0, settings.window_s))
        began, wait_s = self._clock.now(), _FIRST_WAIT_S
        policy = settings.target["RetryPolicy"]
        while True:
            try:
                return await self._attempt(settings, execution)
            except AwsError as error:
                exhausted = self._exhausted(policy, execution, began, wait_s, error)
                if exhausted is not None:
                    return await self._give_up(settings, execution, error, exhausted)
                self._note("scheduler.retry_in", settings, execution, seconds=wait_s, reason=error.code)
            await self._clock.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            execution = replace(execution, attempt=execution.attempt + 1)

    def _exhausted(
        self, policy: dict[str, Any], execution: Execution, began: float, wait_s: float, error: AwsError
    ) -> str | None:
        """Which limit ends it; "" if another attempt could not succeed either; None if there is another."""
        if not is_passing(error):
            return ""
        if execution.attempt > policy["MaximumRetryAttempts"]:
            return "MaximumRetryAttempts"
        if self._clock.now() - began + wait_s > policy["MaximumEventAgeInSeconds"]:
            return "MaximumEventAgeInSeconds"
        return None

    async def _attempt(self, settings: ScheduleSettings, execution: Execution) -> None:
        target = settings.target
        body = self._body(settings, execution)
        if not may_send(self.allows, target["RoleArn"], target["Arn"]):
            message = f"The schedule's role {target['RoleArn']} may not send to {target['Arn']}"
            raise AwsError("AccessDeniedException", message, 403)
        if target["Arn"].split(":")[2] == "lambda":
            invocation = self._submit(
                InvokeRequest(target["Arn"], body.encode(), source="scheduler", source_arn=settings.arn)
            )
            self._note("scheduler.notification", settings, execution, invocation=invocation)
            return
        await self._deliver(self._message(settings, execution, body))
        self._note("scheduler.notification", settings, execution)

    def _body(self, settings: ScheduleSettings, execution: Execution) -> str:
        if settings.target.get("Input") is None:
            return default_notification(execution, self._account, str(uuid.uuid4()))
        return fill_in(settings.target["Input"], execution)

    def _message(self, settings: ScheduleSettings, execution: Execution, body: str) -> Outgoing:
        target = settings.target
        event = target.get("EventBridgeParameters", {})
        return Outgoing(
            target["Arn"],
            body,
            key=target.get("KinesisParameters", {}).get("PartitionKey")
            or target.get("SqsParameters", {}).get("MessageGroupId", ""),
            source=event.get("Source", ""),
            detail_type=event.get("DetailType", ""),
            at=execution.due,
        )

    async def _give_up(
        self, settings: ScheduleSettings, execution: Execution, error: AwsError, exhausted: str
    ) -> None:
        """Keep what could not be delivered in the dead-letter queue; the journal says what happened in any case."""
        queue = settings.target.get("DeadLetterConfig", {}).get("Arn", "")
        why = f"{error.code}: {error.message}"
        if queue:
            attributes = dead_letter_attributes(
                execution, settings.target["Arn"], code=error.code, message=error.message, exhausted=exhausted
            )
            try:
                await self._deliver(Outgoing(queue, self._body(settings, execution), attributes=attributes))
            except AwsError as refusal:
                why += f"; nor could its dead-letter queue {queue} be reached: {refusal.message}"
            else:
                self._note("scheduler.dead_letter", settings, execution, queue=queue, reason=why)
                return
        self._journal.failure(
            f"the schedule {settings.name} could not call {settings.target['Arn']}: {why}",
            settings.arn,
            destination=settings.target["Arn"],
            execution=execution.id,
        )

    def _note(self, kind: str, settings: ScheduleSettings, execution: Execution, **detail: Any) -> None:
        self._journal.append(
            kind,
            settings.arn,
            destination=settings.target["Arn"],
            execution=execution.id,
            due=execution.scheduled_time,
            attempt=execution.attempt,
            **detail,
        )

    def _broken(self, error: BaseException) -> None:
        self._journal.failure(f"a schedule failed in the lab itself: {error!r}")
