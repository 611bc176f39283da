"""A local AWS cloud in a notebook: `Lab()` starts it, plain boto3 reaches it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labhelpers import pricing
    from labhelpers.course.always_on import AlwaysOnServer
    from labhelpers.course.async_events import event_outcomes
    from labhelpers.course.burst import run_arrivals
    from labhelpers.course.deploy import deploy_function, pip_layer, zip_code
    from labhelpers.course.doctor import check_machine
    from labhelpers.course.languages import deploy_source, languages_here, measure_function
    from labhelpers.course.pages import PageServer, page_api, page_url, show_page
    from labhelpers.course.pipeline import connect_bucket
    from labhelpers.course.scaling import simulate_scaling
    from labhelpers.course.waiting import wait_for
    from labhelpers.lab import Lab
    from labhelpers.views.api_console import ApiConsole
    from labhelpers.views.bill import Bill
    from labhelpers.views.chart import draw_chart
    from labhelpers.views.cost_sliders import CostSliders
    from labhelpers.views.data_browser import DataBrowser
    from labhelpers.views.environments import Environments
    from labhelpers.views.event_form import EventForm
    from labhelpers.views.function_editor import FunctionEditor
    from labhelpers.views.gauges import Gauges
    from labhelpers.views.live_map import LiveMap
    from labhelpers.views.logs import Logs
    from labhelpers.views.meters import Meters
    from labhelpers.views.trace import Trace
    from labhelpers.views.upload_box import UploadBox
    from labhelpers.views.waterfall import draw_waterfall
    from labhelpers.views.websocket_console import WebSocketConsole

__all__ = [
    "AlwaysOnServer",
    "ApiConsole",
    "Bill",
    "CostSliders",
    "DataBrowser",
    "Environments",
    "EventForm",
    "FunctionEditor",
    "Gauges",
    "Lab",
    "LiveMap",
    "Logs",
    "Meters",
    "PageServer",
    "Trace",
    "UploadBox",
    "WebSocketConsole",
    "check_machine",
    "connect_bucket",
    "deploy_function",
    "deploy_source",
    "draw_chart",
    "draw_waterfall",
    "event_outcomes",
    "languages_here",
    "measure_function",
    "page_api",
    "page_url",
    "pip_layer",
    "pricing",
    "run_arrivals",
    "show_page",
    "simulate_scaling",
    "wait_for",
    "zip_code",
]

# Where each public name lives: loaded when it is first asked for, so that the cloud's process loads none of them.
_HOMES = {
    "AlwaysOnServer": "course.always_on",
    "ApiConsole": "views.api_console",
    "Bill": "views.bill",
    "CostSliders": "views.cost_sliders",
    "DataBrowser": "views.data_browser",
    "Environments": "views.environments",
    "EventForm": "views.event_form",
    "FunctionEditor": "views.function_editor",
    "Gauges": "views.gauges",
    "Lab": "lab",
    "LiveMap": "views.live_map",
    "Logs": "views.logs",
    "Meters": "views.meters",
    "PageServer": "course.pages",
    "Trace": "views.trace",
    "UploadBox": "views.upload_box",
    "WebSocketConsole": "views.websocket_console",
    "check_machine": "course.doctor",
    "connect_bucket": "course.pipeline",
    "deploy_function": "course.deploy",
    "deploy_source": "course.languages",
    "draw_chart": "views.chart",
    "draw_waterfall": "views.waterfall",
    "event_outcomes": "course.async_events",
    "languages_here": "course.languages",
    "measure_function": "course.languages",
    "page_api": "course.pages",
    "page_url": "course.pages",
    "pip_layer": "course.deploy",
    "pricing": "pricing",
    "run_arrivals": "course.burst",
    "show_page": "course.pages",
    "simulate_scaling": "course.scaling",
    "wait_for": "course.waiting",
    "zip_code": "course.deploy",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"labhelpers has no {name!r}; it has {', '.join(__all__)}")
    home = import_module(f"labhelpers.{_HOMES[name]}")
    return home if name == _HOMES[name] else getattr(home, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
