"""The views in Notebook 7, which shares JupyterLab's parts but has a page of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.desk import Desk, NotebookDesk

pytestmark = pytest.mark.browser

SET_UP = """
from pathlib import Path
import altair, boto3
from labhelpers import *
lab = Lab()
Path("greet.py").write_text('''def handler(event, context):
    return {"statusCode": 200, "body": "Hello from Notebook 7"}
''')
arn = deploy_function("greet", "greet.py", lab.role_arn)
boto3.client("lambda").add_permission(
    FunctionName="greet", StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
)
boto3.client("apigatewayv2").create_api(Name="greetings", ProtocolType="HTTP", Target=arn)
"""
CHART = """
values = [{"calls": 1, "cost": 2}, {"calls": 2, "cost": 5}]
chart = altair.Chart(altair.Data(values=values)).mark_line().encode(x="calls:Q", y="cost:Q")
draw_chart(chart, "A line that rises from 2 to 5.")
"""
# Wider than its cell, or with a scroll bar of the output around it.
_CUT_OFF = """(view) => {
    const output = view.closest(".jp-OutputArea-output");
    return view.scrollWidth > view.clientWidth || output.scrollHeight > output.clientHeight;
}"""


@pytest.fixture(scope="module")
def notebook_desk(tmp_path_factory: pytest.TempPathFactory, chrome: Browser) -> Iterator[Desk]:
    """Notebook 7."""
    started = NotebookDesk(Path(tmp_path_factory.mktemp("notebook7")))
    yield started
    started.close()


def test_views_live_in_notebook_7(notebook_desk: Desk, page: Page) -> None:
    """In its dark theme a map moves with what a console sends, a chart is drawn, and nothing is cut off."""
    notebook_desk.choose_theme(dark=True)
    notebook_desk.write("views.ipynb", SET_UP, "LiveMap(lab)", "ApiConsole(lab)", CHART)
    notebook = notebook_desk.open(page, "views.ipynb")
    assert "/notebooks/views.ipynb" in page.url
    notebook.run_all()
    live, console = notebook.view(".lv-map"), notebook.view(".lv-api-console")
    console.get_by_role("button", name="Send").click()
    expect(console.locator(".lv-headline")).to_contain_text("✓ 200")
    expect(console.get_by_role("region", name="Body")).to_contain_text("Hello from Notebook 7")
    live.scroll_into_view_if_needed()
    expect(live.get_by_role("button", name=re.compile("Lambda function greet.*1 done"))).to_be_visible()
    expect(page.locator(".vega-embed").first).to_be_visible()
    for view in (live, console):
        assert not view.evaluate(_CUT_OFF)
        assert view.evaluate("view => getComputedStyle(view).color") == "rgb(231, 235, 240)"
