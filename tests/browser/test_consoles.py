"""The consoles in a real JupyterLab: a request is written and sent, two clients talk."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import ROOT, Desk
from tests.browser.test_accessibility import problems

pytestmark = pytest.mark.browser

SET_UP = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from labhelpers import ApiConsole, Lab, WebSocketConsole
from tests.views.gateway_account import deploy_echo, make_rest_api, make_websocket_api
lab = Lab()
arn = deploy_echo(lab, Path("."))
"""


def test_request_is_written_and_sent(desk: Desk, page: Page) -> None:
    """A mistake is named; then status, body, headers as text, the event and the execution log are there."""
    desk.write("api.ipynb", SET_UP + "make_rest_api(lab, arn)", "ApiConsole(lab)")
    desk.choose_theme(dark=True)
    notebook = desk.open(page, "api.ipynb")
    desk.choose_theme(dark=False)
    notebook.run_all()
    view = notebook.view(".lv-api-console")
    view.get_by_label("Route").select_option(label="POST /parcels/{id}")
    view.get_by_role("button", name="Send").click()
    expect(view.get_by_role("alert")).to_contain_text("put a value in place of {id}")
    path = view.get_by_label("Path")
    path.fill("/parcels/7?colour=red")
    view.get_by_label("Body", exact=True).fill('{"to": "Ada"}')
    path.press("Enter")
    expect(view.locator(".lv-headline")).to_contain_text("✓ 200 OK")
    expect(view.get_by_role("alert")).to_be_hidden()
    expect(view.get_by_role("cell", name="<b>bold</b>")).to_be_visible()
    expect(view.get_by_role("region", name="Event")).to_contain_text('"path": "/parcels/7"')
    expect(view.get_by_role("region", name="Execution log")).to_contain_text(
        "Method completed with status: 200"
    )
    assert not problems(page, ".lv-api-console")
    view.get_by_label("Route").select_option(label="GET /parcels/{id}")
    expect(view.get_by_text("This method asks for an API key.")).to_be_visible()
    path.fill("/parcels/7")
    view.get_by_role("button", name="Send").click()
    expect(view.locator(".lv-headline")).to_contain_text("✗ 403 Forbidden")
    expect(view.get_by_text("No function has got an event")).to_be_visible()


def test_two_clients_talk(desk: Desk, page: Page) -> None:
    """Connect, speak, ping and leave; markup is text; a refused handshake is an error in the view."""
    desk.write("ws.ipynb", SET_UP + "make_websocket_api(lab, arn)", "WebSocketConsole(lab, ('Ada', 'Ben'))")
    notebook = desk.open(page, "ws.ipynb")
    notebook.run_all()
    view = notebook.view(".lv-websocket-console")
    ada = view.get_by_role("region", name="Ada")
    ben = view.get_by_role("region", name="Ben")
    ada.get_by_role("button", name="Connect").click()
    expect(ada.get_by_text("● open")).to_be_visible()
    ada.get_by_label("Message of Ada").fill("<b>hi</b>")
    ada.get_by_label("Message of Ada").press("Enter")
    expect(ada.get_by_role("log")).to_contain_text('{"got": "<b>hi</b>"}')
    ada.get_by_role("button", name="Ping").click()
    expect(ada.get_by_role("log")).to_contain_text("pong")
    ben.get_by_label("Query").fill("refuse=1")
    ben.get_by_label("Query").press("Enter")
    expect(ben.get_by_text("✗ refused")).to_be_visible()
    expect(view.get_by_role("alert")).to_contain_text("Ben: the handshake was refused: HTTP 403")
    expect(ben.get_by_role("button", name="Send")).to_be_disabled()
    ada.get_by_role("button", name="Disconnect").click()
    expect(ada.get_by_text("■ closed")).to_be_visible()
    expect(ada.get_by_role("log")).to_contain_text("1000 (normal end)")
    expect(view.get_by_role("listitem")).to_have_count(9)
    assert not problems(page, ".lv-websocket-console")
