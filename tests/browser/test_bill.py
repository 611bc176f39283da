"""The bill in a real JupyterLab: it grows with what is used, row by row, and is read as a table."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import Desk

pytestmark = pytest.mark.browser

SET_UP = """
from pathlib import Path
import boto3
from labhelpers import Bill, Lab, deploy_function
lab = Lab()
Path("answer.py").write_text("def handler(event, context): return 1")
deploy_function("answer", "answer.py", lab.role_arn)
apis = boto3.client("apigateway")
plan = apis.create_usage_plan(name="<b>gold</b>")["id"]
key = apis.create_api_key(name="k", customerId="<i>ada</i>", enabled=True)["id"]
apis.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
"""
CALL = "boto3.client('lambda').invoke(FunctionName='answer')"


def test_bill_grows_with_what_is_used(desk: Desk, page: Page) -> None:
    """A new line appears, an old one changes in its place; names are shown as text; the lab's end is said."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    desk.write("bill.ipynb", SET_UP, "bill = Bill(lab, plan_prices=0.5)", "bill")
    notebook = desk.open(page, "bill.ipynb")
    notebook.run_all()
    view = notebook.view(".lv-bill")
    table = view.get_by_role("table", name="What this lab would have cost, by service")
    expect(view.locator(".lv-amount")).to_have_text("$0")
    expect(view).to_contain_text("Before any free tier.")
    notebook.run_line(CALL)
    requests = table.get_by_role("row", name="requests")
    expect(requests).to_contain_text("1 request")
    expect(requests).to_contain_text("$0.20 per million requests")
    expect(requests).to_contain_text("$0.000000200")
    row = requests.element_handle()
    notebook.run_line(CALL)
    expect(requests).to_contain_text("2 requests")
    assert row.is_visible()
    notebook.run_line("s3 = boto3.client('s3'); s3.create_bucket(Bucket='inbox')")
    expect(table.get_by_role("row", name="Amazon S3")).to_contain_text("$0.00000500")
    summary = view.get_by_text("Where these prices come from")
    summary.focus()
    summary.press("Enter")
    expect(view.get_by_role("listitem").first).to_contain_text("today's price: https://aws.amazon.com/")
    notebook.run_line("lab.close()")
    expect(view).to_contain_text("the lab has ended")
    assert not errors


def test_invoices_are_shown_as_text(desk: Desk, page: Page) -> None:
    """A name that looks like HTML is no HTML."""
    ask = """
import urllib.request
api = apis.create_rest_api(name="shop")["id"]
method = {"restApiId": api, "resourceId": apis.get_resources(restApiId=api)["items"][0]["id"], "httpMethod": "GET"}
apis.put_method(**method, authorizationType="NONE", apiKeyRequired=True)
apis.put_integration(**method, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
apis.put_method_response(**method, statusCode="200")
apis.put_integration_response(**method, statusCode="200")
apis.create_deployment(restApiId=api, stageName="live")
add = {"op": "add", "path": "/apiStages", "value": f"{api}:live"}
apis.update_usage_plan(usagePlanId=plan, patchOperations=[add])
value = apis.get_api_key(apiKey=key, includeValue=True)["value"]
address = f"{lab.endpoint_url}/_aws/execute-api/{api}/live/"
for _ in range(3):
    urllib.request.urlopen(urllib.request.Request(address, headers={"x-api-key": value})).close()
"""
    desk.write("invoices.ipynb", SET_UP, ask, "bill = Bill(lab, plan_prices=0.5)", "bill")
    notebook = desk.open(page, "invoices.ipynb")
    notebook.run_all()
    invoices = notebook.view(".lv-bill").get_by_role("table", name="Invoices of the usage plans")
    expect(invoices.get_by_role("row", name="<i>ada</i>")).to_contain_text("$1.50")
    expect(invoices.locator("b, i")).to_have_count(0)
    notebook.run_line("lab.close()")
