"""The trace in a real JupyterLab: chosen, opened, and read by keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import Desk

pytestmark = pytest.mark.browser

SET_UP = """
from pathlib import Path
import boto3, json
from labhelpers import Lab, Trace, deploy_function
lab = Lab()
Path("greet.py").write_text('''def handler(event, context):
    return {"greeting": "Hello " + event["name"]}
''')
deploy_function("greet", "greet.py", lab.role_arn)
call = lambda event: boto3.client("lambda").invoke(FunctionName="greet", Payload=json.dumps(event))
call({"name": "<b>Ada</b>"})["StatusCode"]
"""


def test_a_trace_is_followed_chosen_and_opened(desk: Desk, page: Page) -> None:
    """The newest is shown; an older one stays chosen while new ones come; an event is shown as text."""
    desk.write("trace.ipynb", SET_UP, "Trace(lab)")
    notebook = desk.open(page, "trace.ipynb")
    notebook.run_all()
    view = notebook.view(".lv-trace")
    expect(view.get_by_role("cell", name=re.compile("ran "))).to_have_count(1)
    button = view.get_by_role("button", name="Event")
    button.press("Enter")
    expect(view.locator("pre")).to_contain_text('"name": "<b>Ada</b>"')
    choice = view.get_by_role("combobox", name="Trace")
    choice.select_option(index=0)
    notebook.run_line("call({})['StatusCode']")
    expect(choice.locator("option")).to_have_count(2)
    expect(view.locator("pre")).to_be_visible()
    view.get_by_role("button", name="Follow the newest").click()
    expect(view.get_by_role("cell", name=re.compile("failed after .*: KeyError"))).to_be_visible()
