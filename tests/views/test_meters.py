"""Two meters on the same work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labhelpers.errors import LabError
from labhelpers.views.meters import Meters
from labhelpers.views.meters_data import Usage, build_meters, meters_text, money
from tests.views.accounts import COPIER, WRITER, Writer
from tests.views.test_feed import FakeLab
from tests.views.test_live_map import Watch, write


def calls(number: int, function: str = COPIER, memory_mb: int = 128, billed_ms: int = 100) -> Writer:
    """A journal with so many calls."""
    made = Writer()
    for index in range(number):
        made("invoke.started", function, f"r{index}")
        made(
            "invoke.ended", function, f"r{index}", status="success", memory_mb=memory_mb, billed_ms=billed_ms
        )
    return made


def test_function_is_charged_for_calls_and_memory_times_time() -> None:
    """A thousand calls of 128 MB and 100 ms: a thousandth of the course's 0.408 dollars a million."""
    data = build_meters(calls(1000).entries, ["copier"], up_s=3600)
    assert (data.function.calls, data.function.billed_ms) == (1000, 100_000)
    assert data.function.gb_seconds == pytest.approx(12.5)
    assert round(data.function.dollars * 1000, 3) == 0.408


def test_server_is_charged_while_it_is_up() -> None:
    """An hour of a t3.micro, with no call at all."""
    data = build_meters([], ["copier"], up_s=3600)
    assert data.server.dollars == pytest.approx(0.0104)
    assert (data.function.dollars, data.pace, data.break_even_calls) == (0, None, None)


def test_month_at_this_pace_and_break_even() -> None:
    """One call of 100 ms a second is 2.6 million a month; both cost the same at 18.6 million."""
    data = build_meters(calls(60).entries, ["copier"], up_s=60)
    assert data.pace is not None and data.break_even_calls is not None
    assert round(data.pace.calls) == 730 * 3600
    assert round(data.pace.server_dollars, 2) == 7.59
    assert round(data.pace.function_dollars, 2) == 1.07
    assert round(data.break_even_calls / 1e6, 1) == 18.6


def test_other_functions_and_earlier_calls_do_not_count() -> None:
    """The meter is for the named functions, since the server came up."""
    entries = [*calls(3).entries, *calls(5, WRITER).entries]
    assert build_meters(entries, ["copier"], up_s=1).function.calls == 3
    assert build_meters(entries, ["copier", "writer"], up_s=1).function.calls == 8
    assert build_meters(entries, ["copier"], up_s=1, since=1.7e9 + 5).function.calls == 1


def test_call_that_runs_is_known_until_it_ends() -> None:
    """An alias of the function counts, too."""
    usage, journal = Usage(["copier"]), Writer()
    assert usage.add_all([journal("invoke.started", f"{COPIER}:live", "r1")])
    assert usage.running == {"r1"}
    assert not usage.add_all([journal("log", COPIER, "r1", message="x")])


def test_unknown_instance_type_is_refused() -> None:
    """With those that have a price."""
    with pytest.raises(LabError, match=r"no price for 'ec2.x9.huge'; the table has: ec2.t3.nano"):
        build_meters([], ["copier"], instance_type="x9.huge", up_s=1)


def test_text_says_what_is_charged_for_and_where_prices_are_from() -> None:
    """Amounts, units, source and date."""
    text = meters_text(build_meters(calls(60).entries, ["copier"], up_s=60, requests=60))
    assert "Always-on server (t3.micro, $0.0104 an hour): $0.00017333" in text
    assert "Function (copier): $0.00002450" in text
    assert "seen 2024-2026; today's price: https://aws.amazon.com/lambda/pricing/" in text


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [(0, "$0.00000000"), (2.9e-6, "$0.00000290"), (0.0104, "$0.0104"), (7592, "$7,592.00")],
)
def test_money_has_the_digits_that_matter(dollars: float, shown: str) -> None:
    """Cents where there are some, more below."""
    assert money(dollars) == shown


class FakeServer:
    """An always-on server that a test moves."""

    def __init__(self) -> None:
        self.up_s, self.is_running, self.requests = 36.0, True, 0


@pytest.fixture
def lab() -> Iterator[FakeLab]:
    """A lab that ends with the test."""
    made = FakeLab()
    yield made
    made.end()


def test_meters_follow_server_and_journal(lab: FakeLab) -> None:
    """The function's moves with its calls, the server's stands when it is down; `stop` holds both."""
    server = FakeServer()
    meters = Meters(lab, "copier", server)
    watch = Watch(meters, "data")
    write(lab, [{**entry, "at": 4e9} for entry in calls(2).entries])
    watch.until(lambda: meters.data["function"]["calls"] == 2)
    server.up_s, server.is_running = 72.0, False
    watch.until(lambda: not meters.data["server"]["running"])
    assert meters.data["server"]["dollars"] == pytest.approx(0.0104 / 50)
    meters.stop()
    server.up_s = 100.0
    assert meters.read().server.up_s == 72.0
    assert meters.state == "stopped"
    assert "meter stopped" in meters.to_text()
    meters.close()
    assert lab.streams[0].closed.is_set()


def test_meters_without_a_server_count_from_now(lab: FakeLab) -> None:
    """Until they are stopped."""
    meters = Meters(lab, "copier")
    assert meters.data["server"]["running"]
    meters.stop()
    first = meters.read().server
    assert (first, first.running) == (meters.read().server, False)
    meters.close()


def test_server_that_cannot_be_read_is_shown(lab: FakeLab) -> None:
    """In the view; the meters go on."""

    class Broken(FakeServer):
        broken = False

        @property
        def is_running(self) -> bool:
            if self.broken:
                raise OSError("no such process")
            return True

        @is_running.setter
        def is_running(self, value: bool) -> None:
            pass

    server = Broken()
    meters = Meters(lab, "copier", server)
    watch = Watch(meters, "problem")
    server.broken = True
    watch.until(lambda: "OSError: no such process" in meters.problem)
    meters.close()


def test_meters_have_nothing_to_ask_before_the_lab_closes(lab: FakeLab) -> None:
    """They only follow the journal: the last look that all views are asked for shows no problem."""
    meters = Meters(lab, COPIER)
    for settle in lab.before_close:
        settle()
    assert meters.problem == ""
    meters.close()
