"""An event bus in front of a bridge, as the composition root connects it."""

from labhelpers.clock import Clock
from labhelpers.cloud.delivery import Delivery
from labhelpers.cloud.events_service import EventsService
from labhelpers.cloud.moto_bridge import MotoBridge
from labhelpers.functions.asynchronous import AsyncInvoker
from labhelpers.journal import Journal
from labhelpers.metrics import MetricSums
from labhelpers.model import Account, InvokeRequest
from labhelpers.triggers.event_bus import EventBus, Policies
from tests.fakes import FakeRegistry


def connect_event_bus(
    bridge: MotoBridge,
    delivery: Delivery,
    journal: Journal,
    *,
    policies: Policies | None = None,
    queue: AsyncInvoker | None = None,
) -> tuple[EventBus, EventsService]:
    """The bus, to be closed, and the service that `bridge_calls.call` takes in the bridge's place."""
    account, clock = Account(), Clock()

    def nothing(request: InvokeRequest) -> str:
        raise AssertionError(f"nobody runs {request.function} here")

    bus = EventBus(
        policies or FakeRegistry(),
        queue.submit if queue else nothing,
        delivery,
        journal,
        clock,
        account,
        MetricSums("AWS/Events", bridge.put_metrics),
    )
    service = EventsService(bridge, bus, account, clock)
    bus.archive, delivery.put_event = service.archive, service.put_by_aws
    return bus, service
