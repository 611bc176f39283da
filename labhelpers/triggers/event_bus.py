"""Event buses at work: which rules an event matches, and its way to each of their targets.

Called by `cloud.events_service` (PutEvents) and `cloud.delivery` (events of AWS's own services). Its rules:
- `put` returns at once; each target is served by itself, and none waits for another.
- A target that fails for a while is tried again on the lab's clock until its retry policy ends; one that cannot take
  the event at all (no permission, gone, no JSON) is not tried again.
- An event that is given up goes to the target's dead-letter queue; without one the journal says what would help.
AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-event-delivery.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from labhelpers.clock import Clock
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.events.destinations import Outgoing
from labhelpers.events.eventbridge import MAX_HOPS, BusEvent, event_time
from labhelpers.events.eventbridge_failures import Undeliverable, code_of, dead_letter_attributes
from labhelpers.events.eventbridge_rules import Rule, Target
from labhelpers.events.input_transformer import InvalidInput, Occasion, compact
from labhelpers.functions.destinations import Deliver, is_passing
from labhelpers.functions.event_queue import Tasks
from labhelpers.journal import Journal
from labhelpers.metrics import MetricSums
from labhelpers.model import Account, InvokeRequest

PRINCIPAL = "events.amazonaws.com"
NAMESPACE = "AWS/Events"
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 512.0


class Policies(Protocol):
    """The registry's part that knows functions, AwsError 404 for those that are none, and whom they let in."""

    def resolve(self, function: str, qualifier: str = "") -> object: ...
    def allows(
        self, function: str, qualifier: str, *, principal: str, source_arn: str = "", source_account: str = ""
    ) -> bool: ...


Submit = Callable[[InvokeRequest], str]
# Keeps an event in an archive of a region: (region, archive, event).
Archive = Callable[[str, str, Mapping[str, Any]], Awaitable[None]]


class EventBus:
    """All event buses. Used from the cloud's event loop only.

    `rules_changed` are called with a region after its rules have changed, for those who act on rules by themselves.
    `archive` keeps events in archives.
    """

    def __init__(
        self,
        policies: Policies,
        submit: Submit,
        deliver: Deliver,
        journal: Journal,
        clock: Clock,
        account: Account,
        metrics: MetricSums,
    ) -> None:
        self.archive: Archive | None = None
        self.rules_changed: list[Callable[[str], None]] = []
        self._policies = policies
        self._submit = submit
        self._deliver = deliver
        self._journal = journal
        self._clock = clock
        self._account = account
        self._metrics = metrics
        self._buses: dict[str, dict[str, tuple[Rule, ...]]] = {}
        self._tasks = Tasks(self._broken)

    async def close(self) -> None:
        """Stop at once; what has not been delivered is dropped."""
        await self._tasks.close()

    # --- Rules ---

    def set_rules(self, region: str, buses: Mapping[str, Sequence[Rule]]) -> None:
        """From now on the buses of a region, by name, have these rules."""
        self._buses[region] = {name: tuple(rules) for name, rules in buses.items()}
        for changed in self.rules_changed:
            changed(region)

    def rules(self, region: str) -> tuple[Rule, ...]:
        """All rules of a region."""
        return tuple(rule for rules in self._buses.get(region, {}).values() for rule in rules)

    def has_bus(self, name: str, region: str) -> bool:
        """Whether there is a bus of that name; the default one always is."""
        return name == "default" or name in self._buses.get(region, {})

    # --- Events ---

    def put(self, event: BusEvent, bus: str, region: str, *, only: Collection[str] = ()) -> None:
        """Send `event` to the targets of every rule of the bus that it matches. Never waits.

        `only` are the ARNs of the rules that may have it (default: all).
        AWS: takes events for buses that do not exist, and forgets them. Here: the journal tells of it.
        """
        arn = self.arn(bus, region)
        if not self.has_bus(bus, region):
            self._journal.failure(
                f"an event was sent to {arn}, which does not exist, and is lost: create the bus, or correct its name",
                arn,
                trace_id=event.trace_id,
                event=event.id,
            )
            return
        rules = self._buses.get(region, {}).get(bus, ())
        matching = [rule for rule in rules if (not only or rule.arn in only) and rule.matches(event.body)]
        self._journal.append(
            "events.put",
            arn,
            trace_id=event.trace_id,
            event=event.id,
            source=event.body["source"],
            detail_type=event.body["detail-type"],
            rules=[rule.name for rule in matching],
        )
        for rule in matching:
            self._count(rule, "MatchedEvents")
            self.send_to_targets(rule, event)

    def send_to_targets(self, rule: Rule, event: BusEvent) -> None:
        """Send `event` to all targets of `rule`, whether it matches or not. Never waits."""
        if rule.targets:
            self._count(rule, "TriggeredRules")
        for target in rule.targets:
            self._tasks.start(
                self._keep(rule, target, event) if target.archive else self._serve(rule, target, event)
            )

    def arn(self, bus: str, region: str) -> str:
        """The ARN of a bus of this account."""
        return f"arn:aws:events:{region}:{self._account.id}:event-bus/{bus}"

    async def _keep(self, rule: Rule, target: Target, event: BusEvent) -> None:
        if self.archive is not None:
            await self.archive(rule.region, target.archive, event.body)

    # --- One target ---

    async def _serve(self, rule: Rule, target: Target, event: BusEvent) -> None:
        """Attempts until one succeeds, the retry policy ends, or another one would be useless."""
        began, wait_s, retries = self._clock.now(), _FIRST_WAIT_S, 0
        while True:
            try:
                invocation = await self._attempt(rule, target, event)
            except Undeliverable as error:
                return await self._give_up(rule, target, event, error.code, str(error), retries)
            except AwsError as error:
                why = f"{error.code}: {error.message}"
                if isinstance(error, NotEmulated) or not is_passing(error):
                    return await self._give_up(rule, target, event, code_of(error), why, retries)
                ended = self._retries_end(target, retries, self._clock.now() - began + wait_s)
                if ended:
                    return await self._give_up(rule, target, event, code_of(error), why, retries, ended)
                self._note("events.retry_in", rule, target, event, seconds=wait_s, reason=error.code)
            else:
                self._count(rule, "Invocations")
                return self._note("events.notification", rule, target, event, invocation=invocation)
            await self._clock.sleep(wait_s)
            # AWS: backs off exponentially with jitter. Here: without, so that a lesson can be repeated.
            wait_s, retries = min(2 * wait_s, _LONGEST_WAIT_S), retries + 1

    def _retries_end(self, target: Target, retries: int, age_s: float) -> str:
        """The limit of the retry policy that another attempt would break, or ""."""
        if retries >= target.max_attempts:
            return "MaximumRetryAttempts"
        return "MaximumEventAgeInSeconds" if age_s > target.max_age_s else ""

    async def _attempt(self, rule: Rule, target: Target, event: BusEvent) -> str:
        """Hand the event over; the request id where a function takes it, else "". AwsError, Undeliverable."""
        occasion = Occasion(rule.arn, rule.name, event_time(event.ingested_at))
        if target.service == "events":
            self._send_on(target, event)
            return ""
        try:
            body = target.render(event.body, occasion)
        except InvalidInput as error:
            raise Undeliverable("INVALID_JSON", f"{error}; correct the InputTemplate") from None
        if target.service == "lambda":
            return self._invoke(rule, target, event, body)
        key = target.group
        if target.service == "kinesis":
            key = target.partition(event.body, occasion).strip('"') if target.partition else event.id
        await self._deliver(
            Outgoing(target.arn, body, key=key, at=event.ingested_at, trace_id=event.trace_id)
        )
        return ""

    def _invoke(self, rule: Rule, target: Target, event: BusEvent, body: str) -> str:
        try:
            self._policies.resolve(target.arn)
            allowed = self._policies.allows(
                target.arn,
                "",
                principal=PRINCIPAL,
                source_arn=rule.arn,
                source_account=self._account.id,
            )
        except AwsError as error:
            if error.status not in (403, 404):
                raise
            raise Undeliverable("NO_RESOURCE", f"{target.arn} does not exist") from None
        if not allowed:
            raise Undeliverable(
                "NO_PERMISSIONS",
                f"the function's resource policy does not let {PRINCIPAL} call it for {rule.arn}: "
                f"add_permission(FunctionName={target.arn!r}, StatementId=..., Action='lambda:InvokeFunction', "
                f"Principal={PRINCIPAL!r}, SourceArn={rule.arn!r})",
            )
        return self._submit(
            InvokeRequest(
                target.arn, body.encode(), trace_id=event.trace_id, source="events", source_arn=rule.arn
            )
        )

    def _send_on(self, target: Target, event: BusEvent) -> None:
        _, _, _, region, account, name = target.arn.split(":", 5)
        bus = name.removeprefix("event-bus/")
        if account != self._account.id:
            raise NotEmulated(f"event buses of other accounts ({target.arn})")
        if not self.has_bus(bus, region):
            raise Undeliverable("NO_RESOURCE", f"{target.arn} does not exist")
        if event.hops >= MAX_HOPS:
            raise Undeliverable(
                "LOOP", f"the event has gone through {MAX_HOPS} buses: rules send it in a circle; remove one"
            )
        self.put(replace(event, hops=event.hops + 1), bus, region)

    # --- The end of an event that did not arrive ---

    async def _give_up(
        self, rule: Rule, target: Target, event: BusEvent, code: str, why: str, retries: int, ended: str = ""
    ) -> None:
        self._count(rule, "Invocations")
        self._count(rule, "FailedInvocations")
        if target.dead_letter_arn:
            attributes = dead_letter_attributes(rule, target, code, why, retries, ended)
            try:
                await self._deliver(
                    Outgoing(target.dead_letter_arn, compact(event.body), attributes, trace_id=event.trace_id)
                )
            except AwsError as error:
                self._count(rule, "InvocationsFailedToBeSentToDlq")
                why += (
                    f"; nor could its dead-letter queue {target.dead_letter_arn} be reached: {error.message}"
                )
            else:
                self._count(rule, "InvocationsSentToDlq")
                self._note(
                    "events.dead_letter",
                    rule,
                    target,
                    event,
                    queue=target.dead_letter_arn,
                    code=code,
                    reason=why,
                )
                return
        self._journal.failure(
            f"the rule {rule.name} could not send an event to {target.arn} ({code}): {why}",
            self.arn(rule.bus, rule.region),
            trace_id=event.trace_id,
            event=event.id,
            rule=rule.arn,
            destination=target.arn,
            retries=retries,
        )

    def _note(self, kind: str, rule: Rule, target: Target, event: BusEvent, **detail: Any) -> None:
        self._journal.append(
            kind,
            self.arn(rule.bus, rule.region),
            trace_id=event.trace_id,
            event=event.id,
            rule=rule.arn,
            destination=target.arn,
            **detail,
        )

    def _count(self, rule: Rule, metric: str) -> None:
        self._metrics.add((("RuleName", rule.name),), metric, 1)

    def _broken(self, error: BaseException) -> None:
        self._journal.failure(f"an event of an event bus was lost in the lab itself: {error!r}")
