"""The environments in a real JupyterLab: lanes grow while functions run, and what they show is also there in words."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import Desk

pytestmark = pytest.mark.browser

DEPLOY = """
from pathlib import Path
import boto3
from labhelpers import Environments, Lab, deploy_function
lab = Lab()
Path("crash.py").write_text('''import os
def handler(event, context):
    if event: os._exit(1)
''')
deploy_function("crash", "crash.py", lab.role_arn)
invoke = boto3.client("lambda").invoke
"""


def test_lanes_show_what_environments_do(desk: Desk, page: Page) -> None:
    """A call makes a lane; a crash and a throttle get their marks; Enter opens the words."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    desk.write("lanes.ipynb", DEPLOY, "view = Environments(lab, 'crash')", "view")
    notebook = desk.open(page, "lanes.ipynb")
    notebook.run_all()
    view = notebook.view(".lv-environments")
    expect(view).to_contain_text("nobody has called")
    notebook.run_line("invoke(FunctionName='crash', Payload='0'); invoke(FunctionName='crash', Payload='1')")
    lane = view.get_by_role("img", name=re.compile(r"crash 1 .*2 calls, 1 cold, 1 failed"))
    expect(lane).to_be_visible()
    expect(lane.locator(".lv-init")).to_have_count(1)
    expect(lane.locator(".lv-busy-bar")).to_have_count(2)
    expect(lane.locator(".lv-cross")).to_have_count(1)
    words = view.locator("details summary")
    words.press("Enter")
    expect(view.locator("pre")).to_contain_text("crash 1 (")
    assert not errors
