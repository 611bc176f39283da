"""The gauges in a real JupyterLab: buckets fill and countdowns run by themselves; the keyboard opens what has ended."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import Desk
from tests.browser.test_accessibility import problems

pytestmark = pytest.mark.browser

SET_UP = """
import urllib.error, urllib.request
from pathlib import Path
import boto3
from labhelpers import Gauges, Lab, deploy_function
lab = Lab()
Path("mail.py").write_text('''def handler(event, context):
    if event.get("fails"):
        raise RuntimeError("<img src=x onerror=boom()>")
''')
deploy_function("mail", "mail.py", lab.role_arn)
functions, http = boto3.client("lambda"), boto3.client("apigatewayv2")
arn = functions.publish_version(FunctionName="mail")["FunctionArn"]
functions.create_alias(FunctionName="mail", Name="live", FunctionVersion="1")
invoke = lambda **options: functions.invoke(FunctionName="mail", **options)
api = http.create_api(Name="quick", ProtocolType="HTTP", Target=arn)["ApiId"]
throttle = {"ThrottlingRateLimit": 0.4, "ThrottlingBurstLimit": 2}
http.update_stage(ApiId=api, StageName="$default", DefaultRouteSettings=throttle)

def ask():
    try:
        urllib.request.urlopen(f"{lab.endpoint_url}/_aws/execute-api/{api}/").close()
    except urllib.error.HTTPError as error:
        error.close()
"""
EVENT = "invoke(InvocationType='Event', Payload='{\"fails\": true}')"


def test_gauges_move_by_themselves(desk: Desk, page: Page) -> None:
    """A bucket empties and fills, a retry counts down on the lab's clock and ends, an alias's calls are shared out."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    desk.write("gauges.ipynb", SET_UP, "Gauges(lab)")
    notebook = desk.open(page, "gauges.ipynb")
    notebook.run_all()
    view = notebook.view(".lv-gauges")
    expect(view).to_contain_text("Nothing waits to be tried again.")
    expect(view).to_contain_text("No usage plan with a key has a quota.")

    notebook.run_line("[ask() for _ in range(5)]")
    meter = view.get_by_role("meter", name="Tokens of stage $default of quick: $default")
    expect(meter).to_have_attribute("aria-valuemax", "2")
    expect(view).to_contain_text("2 let through, 3 throttled")
    expect(view).to_contain_text("■ empty: the next request is throttled")
    expect(view).to_contain_text("▲ filling")  # Nothing more has come: the page itself goes on.
    assert float(meter.get_attribute("aria-valuenow") or 0) >= 1

    notebook.run_line(EVENT)
    retries = view.get_by_role("region", name="Retries")
    expect(retries).to_contain_text(re.compile(r"◷ try 2 in (1 min 0|5\d) s"))
    before = retries.locator(".lv-value").first.text_content() or ""
    expect(retries.locator(".lv-value").first).not_to_have_text(before)
    expect(retries).to_contain_text("tried once · the last failure: RuntimeError")
    notebook.run_line("lab.step_clock(60)")
    expect(retries).to_contain_text(re.compile(r"◷ try 3 in (2 min 0|1 min 5\d) s"))
    notebook.run_line("lab.step_clock(120)")
    expect(retries).to_contain_text("Nothing waits to be tried again.")
    ended = retries.locator("details summary")
    expect(ended).to_contain_text("Ended lately: 1")
    ended.focus()
    page.keyboard.press("Enter")
    expect(retries.get_by_role("listitem")).to_contain_text("✗ dropped after 3 tries (RetriesExhausted)")

    notebook.run_line("[invoke(Qualifier='live', Payload='{}') for _ in range(3)]")
    weights = view.get_by_role("region", name="Weights")
    expect(weights).to_contain_text("alias live of mail")
    expect(weights).to_contain_text("version 1: set to 100%, got 3 (100%)")
    assert not problems(page, ".lv-gauges [aria-label=Retries]")
    notebook.run_line("lab.close()")
    expect(view.get_by_role("alert")).to_be_hidden()
    assert not errors
