"""Views that are made with wrong arguments: one clear error each, and nothing left behind."""

from __future__ import annotations

import gc
import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ipywidgets.widgets import widget as widgets

import labhelpers
from labhelpers.errors import LabError
from labhelpers.views import api_console, data_browser
from labhelpers.views.api_console_data import HTTP, Api
from labhelpers.views.data_listing import EMPTY, Source
from labhelpers.views.view import View
from tests.views.gauges_lab import TimedFakeLab

Made = Callable[..., Any]
VIEWS: list[type[View]] = [
    found
    for name in labhelpers.__all__
    if isinstance(found := getattr(labhelpers, name), type) and issubclass(found, View)
]
FOLLOWING = [view for view in VIEWS if "lab" in "".join(view.__init__.__code__.co_varnames[:2])]
NO_LABS = [None, 3, "lab", labhelpers.Lab]


class ApiLab(TimedFakeLab):
    """A lab that says where it answers; nobody is there."""

    endpoint_url = "http://127.0.0.1:9"

    def __repr__(self) -> str:
        return "<lab>"


class EndedLab(ApiLab):
    """A lab that is there no more."""

    def journal(self, since: int = 0) -> list[dict[str, Any]]:
        raise LabError("this lab has ended; `Lab()` starts another")


class NoClient:
    """AWS, which nobody asks."""

    def __init__(self, *_: object, **__: object) -> None:
        raise LabError("no lab is running here")


@pytest.fixture
def lab() -> Iterator[ApiLab]:
    """A lab that ends with the test."""
    made = ApiLab()
    yield made
    made.end()


@pytest.fixture(autouse=True)
def _nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No widget, no thread, and nothing said by an object that goes."""
    said: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: said.append(told.exc_value))
    open_before, threads_before = set(widgets._instances), set(threading.enumerate())
    yield
    gc.collect()
    for thread in set(threading.enumerate()) - threads_before:
        thread.join(5)
    assert not said
    assert set(widgets._instances) <= open_before
    assert set(threading.enumerate()) <= threads_before


def refused(make: Callable[[], object]) -> str:
    """What the error says; the view that could not be made is gone by then."""
    with pytest.raises(LabError) as caught:
        make()
    text = str(caught.value)
    del caught
    return text


@pytest.mark.parametrize("view", FOLLOWING)
def test_what_is_no_lab_is_refused_by_name(view: Made) -> None:
    """None, another thing, and the class itself, which has all that a lab has."""
    rest = ["greet"] if view is labhelpers.Meters else []
    for wrong in NO_LABS:
        if view is labhelpers.WebSocketConsole and wrong == "lab":
            continue  # Taken for an address, and refused as one.
        text = refused(lambda wrong=wrong: view(wrong, *rest))
        assert text.startswith(f"{view.__name__}: lab")
        assert "takes a lab, as `lab = Lab()` makes it" in text
        assert f"; write {view.__name__}(lab" in text


@pytest.mark.parametrize("view", [view for view in VIEWS if view is not labhelpers.CostSliders])
def test_what_is_missing_is_named(view: Made) -> None:
    """With how the whole call looks."""
    text = refused(view)
    assert text.startswith(f"{view.__name__}: missing a required argument: '")
    assert f"; write {view.__name__}(" in text


@pytest.mark.parametrize("view", VIEWS)
def test_what_there_is_not_is_named(view: Made, lab: ApiLab) -> None:
    """A keyword that is none of the view's."""
    names = inspect.signature(view).parameters.values()
    needed = [lab for each in names if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]
    assert "got an unexpected keyword argument 'colour'" in refused(lambda: view(*needed, colour="red"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda lab: labhelpers.LiveMap(lab, reader=3), "reader takes something with close, notice, read, not 3"),
        (lambda lab: labhelpers.Trace(lab, 3), "about takes text, not 3; write Trace(lab, about='')"),
        (lambda lab: labhelpers.Environments(lab, 3), "functions takes text or a list of text, not 3"),
        (lambda lab: labhelpers.Environments(lab, [3]), "functions takes text or a list of text, not [3]"),
        (lambda lab: labhelpers.Logs(lab, "a", ["b"]), "functions takes text, not ['b']; write Logs(lab, *functions)"),
        (lambda lab: labhelpers.Gauges(lab, 3), "sections takes text, not 3"),
        (lambda lab: labhelpers.Gauges(lab, "tanks"), "there is no gauge 'tanks'; there are buckets, quotas"),
        (lambda lab: labhelpers.Bill(lab, {"a": 1}), "Bill: too many positional arguments; write Bill(lab, *, plan_"),
        (lambda lab: labhelpers.Bill(lab, plan_prices="x"), "plan_prices takes a number of dollars, or a dictionary"),
        (lambda lab: labhelpers.Bill(lab, plan_prices={"a": "x"}), "the price of the plan 'a' is a number, or a dict"),
        (lambda lab: labhelpers.Meters(lab, 3), "functions takes text or a list of text, not 3"),
        (lambda lab: labhelpers.Meters(lab, "f", 3), "server takes something with is_running, up_s, not 3"),
        (lambda lab: labhelpers.Meters(lab, "f", instance_type="x"), "no price for 'ec2.x'; the table has: ec2.t3."),
        (lambda _: labhelpers.CostSliders("x"), "memory_mb takes a whole number, not 'x'"),
        (lambda _: labhelpers.CostSliders(free_tier="no"), "free_tier takes True or False, not 'no'"),
        (lambda lab: labhelpers.DataBrowser(lab, 3), "selected takes text, not 3"),
        (lambda lab: labhelpers.DataBrowser(lab, database_url=3), "database_url takes text, not 3"),
        (lambda lab: labhelpers.ApiConsole(lab, 3), "api_id takes text, not 3"),
        (lambda lab: labhelpers.WebSocketConsole(lab, 0), "a console has 1 to 8 clients, not 0"),
        (lambda lab: labhelpers.WebSocketConsole(lab, 1, query=3), "query takes text, not 3"),
        (lambda _: labhelpers.WebSocketConsole("http://x"), "begins with ws:// or wss://, not 'http://x'"),
        (lambda _: labhelpers.UploadBox(3), "bucket takes text, not 3"),
        (lambda _: labhelpers.FunctionEditor("f", 3), "path takes text or a path, not 3"),
        (lambda _: labhelpers.FunctionEditor("f", "none.py"), "write it first, with %%writefile for example"),
        (lambda _: labhelpers.EventForm("f", {"a": object()}), "the sample event 'a' is no JSON"),
    ],
)  # fmt: skip
def test_wrong_argument_is_named(lab: ApiLab, make: Made, message: str) -> None:
    """And what it may be, or what to do; values that only AWS knows are another matter."""
    assert message in refused(lambda: make(lab))


@pytest.mark.parametrize("view", FOLLOWING)
def test_lab_that_has_ended_leaves_no_view(view: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that cannot begin to follow is taken from the page again."""
    reader: dict[str, Any] = {}
    if view is labhelpers.LiveMap:
        from tests.views.accounts import pipeline
        from tests.views.test_live_map import Account

        reader["reader"] = Account(pipeline())
    rest = ["greet"] if view is labhelpers.Meters else []
    assert "this lab has ended" in refused(lambda: view(EndedLab(), *rest, **reader))


def test_api_that_there_is_not_is_refused(lab: ApiLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """With those that there are; one that is there is chosen."""
    found = [Api("a1", "desk", HTTP), Api("h1", "shop", HTTP)]
    monkeypatch.setattr(api_console, "read_apis", lambda _: found)
    text = refused(lambda: labhelpers.ApiConsole(lab, "nosuchapi"))
    assert text == "ApiConsole: there is no API 'nosuchapi'; there are 'a1' (desk), 'h1' (shop)"
    console = labhelpers.ApiConsole(lab, "h1")
    assert console.chosen["api"] == "h1"
    console.close()
    found.clear()
    text = refused(lambda: labhelpers.ApiConsole(lab, "nosuchapi"))
    assert text == "ApiConsole: there is no API 'nosuchapi', nor any other; create one first"


def test_source_that_there_is_not_is_refused(lab: ApiLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """With those that there are."""
    found = [Source("bucket", "photos")]
    monkeypatch.setattr(data_browser.data_listing, "find_sources", lambda *_: found)
    monkeypatch.setattr(data_browser.data_listing, "read_source", lambda *_, **__: EMPTY)
    text = refused(lambda: labhelpers.DataBrowser(lab, "bucket fotos"))
    assert text == "DataBrowser: there is no 'bucket fotos'; there are 'bucket photos'"
    browser = labhelpers.DataBrowser(lab, "bucket photos")
    assert browser.selected == "bucket photos"
    browser.close()


def test_what_cannot_be_asked_is_no_wrong_argument(lab: ApiLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view whose lab does not answer says so itself."""
    monkeypatch.setattr(data_browser, "client", NoClient)
    monkeypatch.setattr(api_console, "client", NoClient)
    for view in (labhelpers.DataBrowser(lab, "bucket photos"), labhelpers.ApiConsole(lab, "h1")):
        assert "no lab is running here" in view.problem
        view.close()


def test_maker_that_fails_early_leaves_nothing_to_close(tmp_path: Path) -> None:
    """Its error is the only one, though the view's own `close` needs what was not made."""

    class Early(View):
        def __init__(self, name: str) -> None:
            raise LabError(f"no {name}")

        def close(self) -> None:
            raise AssertionError("nothing is open")

    assert refused(lambda: Early("luck")) == "no luck"


@pytest.mark.parametrize("number", [np.int64(256), np.float64(256), pd.Series([256])[0], 256.0], ids=repr)
def test_numbers_of_other_libraries_are_numbers(number: object) -> None:
    """A notebook takes them from a table."""
    sliders = labhelpers.CostSliders(number, free_tier=1)  # type: ignore[arg-type]
    assert "with 256" in sliders.to_text()
    sliders.close()


def test_names_may_come_in_any_collection(lab: ApiLab) -> None:
    """As a table's column, or the keys of a dictionary."""
    for names in (np.array(["f"]), pd.Series(["f"]), {"f"}, {"f": 1}.keys()):
        labhelpers.Environments(lab, names).close()  # type: ignore[arg-type]


def test_types_that_nobody_can_look_up_are_not_checked() -> None:
    """A learner's own view may have any."""

    class Own(View):
        def __init__(self, what: Nowhere) -> None:  # type: ignore[name-defined] # noqa: F821
            super().__init__()

    Own(3).close()
