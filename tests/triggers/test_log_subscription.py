"""Log groups as triggers: who may be subscribed, and what is seen when a function can no longer be called."""

from dataclasses import dataclass, field, replace

import pytest

from labhelpers.errors import RESOURCE_NOT_FOUND, AwsError, NotEmulated
from labhelpers.events.log_subscription import LogDelivery, SubscribedEvent
from labhelpers.journal import Journal
from labhelpers.model import Account, FunctionVersion, InvokeRequest
from labhelpers.triggers.log_subscription import LogSubscriptions
from tests.fakes import function_arn, function_version

GROUP = "/app"
SOURCE = "arn:aws:logs:us-east-1:123456789012:log-group:/app:*"
READER, OTHER = function_arn("reader"), function_arn("other")


@dataclass
class FakeResolved:
    """What an ARN leads to."""

    version: FunctionVersion


@dataclass
class FakeFunctions:
    """Functions with log groups of their own; `allowed` are (function, principal)."""

    groups: dict[str, str] = field(
        default_factory=lambda: {READER: "/aws/lambda/reader", OTHER: "/aws/lambda/other"}
    )
    allowed: set[tuple[str, str]] = field(default_factory=lambda: {(READER, "logs.amazonaws.com")})

    def resolve(self, function: str, qualifier: str = "") -> FakeResolved:
        if function not in self.groups:
            raise AwsError(RESOURCE_NOT_FOUND, "Function not found", 404)
        return FakeResolved(replace(function_version("f"), log_group=self.groups[function]))

    def allows(
        self, function: str, qualifier: str, *, principal: str, source_arn: str = "", source_account: str = ""
    ) -> bool:
        assert source_account == "123456789012"
        return (function, principal) in self.allowed


@dataclass
class World:
    """LogSubscriptions with everything around them faked."""

    functions: FakeFunctions = field(default_factory=FakeFunctions)
    journal: Journal = field(default_factory=Journal)
    submitted: list[InvokeRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.logs = LogSubscriptions(self.functions, self.submit, self.journal, Account())

    def submit(self, request: InvokeRequest) -> str:
        self.submitted.append(request)
        return "invocation-1"


def delivery(group: str = GROUP) -> LogDelivery:
    """One event for the reader."""
    return LogDelivery(group, "s", "f", READER, [SubscribedEvent("1", 1, "m")])


@pytest.mark.parametrize("principal", ["logs.amazonaws.com", "logs.us-east-1.amazonaws.com"])
def test_permitted_function_is_invoked(principal: str) -> None:
    """The permission may name the service with or without its region; the journal tells of the call."""
    world = World()
    world.functions.allowed = {(READER, principal)}
    world.logs.check(GROUP, READER, {})
    world.logs.deliver(delivery())
    [request] = world.submitted
    assert (request.function, request.source, request.source_arn) == (READER, "logs", SOURCE)
    [entry] = world.journal.since(kind="logs.subscription")
    assert (entry.resource, entry.detail["destination"]) == (SOURCE, READER)


def test_function_without_permission_is_refused() -> None:
    """AWS says the same of a function that it may not call and of one that does not exist."""
    world = World()
    for arn in (OTHER, function_arn("nobody")):
        with pytest.raises(AwsError, match="Could not execute the lambda function") as caught:
            world.logs.check(GROUP, arn, {})
        assert caught.value.code == "InvalidParameterException"


def test_function_of_another_account_is_refused() -> None:
    """Functions of others are reached by destinations only."""
    with pytest.raises(AwsError, match="Cross-account lambda invocation") as caught:
        World().logs.check(GROUP, READER.replace("123456789012", "000000000000"), {})
    assert caught.value.code == "AccessDeniedException"


def test_loops_are_refused() -> None:
    """A function is not subscribed to its own logs, nor to those of a function that is subscribed to its logs."""
    world = World()
    with pytest.raises(NotEmulated, match="their own logs"):
        world.logs.check("/aws/lambda/reader", READER, {})
    with pytest.raises(NotEmulated, match="their own logs"):
        world.logs.check("/aws/lambda/other", READER, {"/aws/lambda/reader": [OTHER]})
    world.logs.check("/aws/lambda/other", READER, {GROUP: [OTHER]})


def test_loop_that_came_later_is_cut() -> None:
    """A function that now logs to the group that it reads is not called any more, and the journal says so."""
    world = World()
    world.functions.groups[READER] = GROUP
    world.logs.deliver(delivery())
    assert not world.submitted
    assert "for ever" in world.journal.since(kind="failure")[0].detail["message"]


def test_lost_permission_is_told() -> None:
    """What can no longer be delivered is a failure that names the next step."""
    world = World()
    world.functions.allowed.clear()
    world.logs.deliver(delivery())
    assert not world.submitted
    assert "add_permission" in world.journal.since(kind="failure")[0].detail["message"]
