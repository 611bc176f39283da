"""The widgets in a real JupyterLab: what a learner does with mouse and keyboard, and sees."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.desk import ROOT, Desk

pytestmark = pytest.mark.browser

PIPELINE = """
from labhelpers import Lab
from labhelpers.course.pipeline import build_pipeline
from labhelpers.views.live_map import LiveMap
from labhelpers.views.upload_box import UploadBox
lab = Lab()
pipeline = build_pipeline(lab.role_arn)
"""
GREET = """
from pathlib import Path
import boto3
from labhelpers import Lab, zip_code
from labhelpers.views.event_form import EventForm
from labhelpers.views.function_editor import FunctionEditor
from labhelpers.views.meters import Meters
lab = Lab()
Path("greet.py").write_text('''def handler(event, context):
    print("<script>document.title = 'run'</script>")
    return {"greeting": "Hello " + event["name"]}
''')
boto3.client("lambda").create_function(
    FunctionName="greet", Runtime="python3.13", Role=lab.role_arn, Handler="greet.handler",
    Code={"ZipFile": zip_code("greet.py")},
)["FunctionName"]
"""
APIS = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
import boto3
from labhelpers import Lab, LiveMap
from tests.views.gateway_account import deploy_echo, make_http_api, make_rest_api, make_websocket_api
lab = Lab()
arn = deploy_echo(lab, Path("."))
make_rest_api(lab, arn)
make_websocket_api(lab, arn)
url = boto3.client("apigatewayv2").get_api(ApiId=make_http_api(arn))["ApiEndpoint"]
"""
BIGGER_THAN_A_MESSAGE = 12 * 1024 * 1024  # Jupyter's server takes up to 10 MB at once.


@pytest.fixture
def page(page: Page) -> Iterator[Page]:
    """A page whose scripts may not fail."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert not errors


def test_file_travels_through_the_map(desk: Desk, page: Page) -> None:
    """Chosen in the upload box, it goes along every arrow to the database; a click tells more about a thing."""
    desk.write("map.ipynb", PIPELINE, "LiveMap(lab)", "UploadBox(pipeline.inbox)")
    notebook = desk.open(page, "map.ipynb")
    notebook.run_all()
    live, box = notebook.view(".lv-map"), notebook.view(".lv-upload")
    expect(live.locator(".lv-thing")).to_have_count(6)
    page.evaluate(_COUNT_DOTS)
    box.locator("input").set_input_files(
        {"name": "report.csv", "mimeType": "text/csv", "buffer": b"x" * BIGGER_THAN_A_MESSAGE}
    )
    expect(box.get_by_text("✓ uploaded")).to_be_visible()
    expect(live.get_by_role("button", name=re.compile(r"Lambda function writer.*: 1 done"))).to_be_visible()
    expect(live.locator(".lv-done dd")).to_have_text("2")
    page.wait_for_function("window.dotsSeen >= 4")
    inbox = live.get_by_role(
        "button", name=re.compile("S3 bucket inbox.*: 1 object came in, last: report.csv")
    )
    inbox.press("Enter")
    expect(live.get_by_role("region", name="Details")).to_contain_text("ObjectCreated:Put report.csv")
    inbox.press("Escape")
    expect(live.get_by_role("region", name="Details")).to_be_hidden()
    live.get_by_role("button", name=re.compile(r"Lambda function copier")).click()
    expect(live.get_by_label("Last event")).to_contain_text('"eventName": "ObjectCreated:Put"')
    expect(live.get_by_role("region", name="Details")).to_contain_text("REPORT RequestId")


def test_requests_pass_through_the_map_s_apis(desk: Desk, page: Page) -> None:
    """An API of each kind is drawn before its function; each request moves along both arrows and is counted."""
    desk.write("apis.ipynb", APIS, "LiveMap(lab)", "url")
    notebook = desk.open(page, "apis.ipynb")
    notebook.run_all()
    live = notebook.view(".lv-map")
    for name in ("REST API desk", "HTTP API shop", "WebSocket API chat"):
        expect(live.get_by_role("button", name=re.compile(name))).to_be_visible()
    page.evaluate(_COUNT_DOTS)
    notebook.run_line("import urllib.request; urllib.request.urlopen(url).read()")
    shop = live.get_by_role("button", name=re.compile("HTTP API shop: 1 request"))
    expect(shop).to_be_visible()
    page.wait_for_function("window.dotsSeen >= 2")
    shop.press("Enter")
    expect(live.get_by_label("Last event")).to_contain_text('"status": 200')


def test_motion_can_be_left_out(desk: Desk, chrome: Browser) -> None:
    """For readers who want none, arrows light up and no dot moves."""
    context = chrome.new_context(reduced_motion="reduce")
    page = context.new_page()
    desk.write("still.ipynb", PIPELINE, "box = UploadBox(pipeline.inbox)", "LiveMap(lab)")
    notebook = desk.open(page, "still.ipynb")
    notebook.run_all()
    live = notebook.view(".lv-map")
    expect(live.locator(".lv-thing")).to_have_count(6)
    page.evaluate(_COUNT_DOTS)
    notebook.run_line("box.upload(b'a', 'a.csv')")
    expect(live.locator(".lv-done dd")).to_have_text("2")
    assert page.evaluate("[window.dotsSeen, window.flashesSeen > 0]") == [0, True]
    context.close()


def test_code_is_edited_deployed_and_called(desk: Desk, page: Page) -> None:
    """A new line of code answers the next call; errors and logs are shown as text; the meters have counted."""
    desk.write(
        "function.ipynb",
        GREET,
        "FunctionEditor('greet', 'greet.py')",
        "EventForm('greet', {'a name': {'name': 'Ada'}, 'nobody': {}})",
        "Meters(lab, 'greet')",
    )
    notebook = desk.open(page, "function.ipynb")
    notebook.run_all()
    editor, form, meters = (notebook.view(name) for name in (".lv-editor", ".lv-form", ".lv-meters"))
    code = editor.get_by_role("textbox")
    code.press("Control+Home")
    code.press_sequentially("WORD = 'Salut '\n")
    code.fill(code.input_value().replace('"Hello "', "WORD"))
    expect(editor.get_by_text("changed, not deployed")).to_be_visible()
    editor.get_by_role("button", name="Save and deploy").click()
    expect(editor.get_by_role("status")).to_contain_text("Deployed at")

    form.get_by_role("button", name="Invoke").click()
    answer = form.get_by_role("region", name="Answer")
    expect(answer).to_contain_text('"greeting": "Salut Ada"')
    expect(answer.locator(".lv-log-start th")).to_have_text("START")
    expect(answer.locator(".lv-log-line td")).to_have_text("<script>document.title = 'run'</script>")
    form.get_by_role("combobox").select_option("nobody")
    form.get_by_role("button", name="Invoke").click()
    expect(answer.locator(".lv-error")).to_contain_text("KeyError: 'name'")
    form.get_by_role("textbox").fill("{oops")
    form.get_by_role("textbox").press("Control+Enter")
    expect(form.get_by_role("alert")).to_contain_text("Not sent: this is not valid JSON (line 1, column 2)")
    assert page.title() != "run"

    expect(meters.locator(".lv-funct .lv-note").first).to_have_text("2 calls: $0.00000040")
    before = meters.locator(".lv-server .lv-amount").inner_text()
    expect(meters.locator(".lv-server .lv-amount")).not_to_have_text(before)


def test_keyboard_gets_into_the_editor_and_out(desk: Desk, page: Page) -> None:
    """Tab indents, Shift+Tab takes it back, Enter keeps the indent; Escape and Tab lead on to the button."""
    desk.write(
        "keys.ipynb",
        "open('keys.py', 'w').write('if 1:')\n"
        "from labhelpers.views.function_editor import FunctionEditor\nFunctionEditor('f', 'keys.py')",
    )
    notebook = desk.open(page, "keys.ipynb")
    notebook.run_all()
    editor = notebook.view(".lv-editor")
    code = editor.get_by_role("textbox")
    code.press("Control+End")
    code.press("Enter")
    code.press_sequentially("a")
    code.press("Enter")
    code.press("Tab")
    code.press_sequentially("b")
    expect(code).to_have_value("if 1:\n    a\n        b")
    code.press("Shift+Tab")
    expect(code).to_have_value("if 1:\n    a\n    b")
    code.press("Escape")
    code.press("Tab")
    expect(editor.get_by_role("button", name="Save and deploy")).to_be_focused()


def test_reload_takes_the_file_and_not_what_was_typed(desk: Desk, page: Page) -> None:
    """Also when the file is as it was read, so that only the page has changed."""
    desk.write(
        "reload.ipynb",
        "open('again.py', 'w').write('a = 1')\n"
        "from labhelpers.views.function_editor import FunctionEditor\nFunctionEditor('f', 'again.py')",
    )
    notebook = desk.open(page, "reload.ipynb")
    notebook.run_all()
    editor = notebook.view(".lv-editor")
    editor.get_by_role("textbox").fill("typed and not saved")
    editor.get_by_role("button", name="Reload").click()
    expect(editor.get_by_role("textbox")).to_have_value("a = 1")


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "kernel.restart()", "kernel.shutdown()"])
def test_end_of_the_kernel_is_told(desk: Desk, page: Page, end: str) -> None:
    """Killed, begun anew or shut down: the widget says so, takes no more clicks and waits for nothing."""
    desk.write("ends.ipynb", "import os\nfrom labhelpers.views.upload_box import UploadBox\nUploadBox('b')")
    notebook = desk.open(page, "ends.ipynb")
    notebook.run_all()
    box = notebook.view(".lv-upload")
    notebook.run_in_background("import time; time.sleep(600)" if end.startswith("kernel") else "0")
    box.locator("input").set_input_files({"name": "a.csv", "mimeType": "text/csv", "buffer": b"a"})
    notebook.end_kernel(end)
    expect(box.get_by_text("The kernel has ended: run this cell again")).to_be_visible()
    expect(box.get_by_role("button")).to_have_count(0)
    expect(box.locator("progress")).to_have_count(0)


def test_large_file_is_refused_with_the_way_out(desk: Desk, page: Page) -> None:
    """Before anything is sent."""
    desk.write(
        "large.ipynb",
        "from labhelpers.views.upload_box import UploadBox\nbox = UploadBox('b')\nbox.max_bytes = 1024**2\nbox",
    )
    notebook = desk.open(page, "large.ipynb")
    notebook.run_all()
    box = notebook.view(".lv-upload")
    box.locator("input").set_input_files(
        {"name": "film.mp4", "mimeType": "video/mp4", "buffer": bytes(2 * 1024**2)}
    )
    expect(box.get_by_text("film.mp4 has 2.0 MB, and this box takes up to 1 MB")).to_be_visible()


# Counts the dots and the lit arrows that come onto the page from now on.
_COUNT_DOTS = """() => {
    window.dotsSeen = window.flashesSeen = 0;
    const watch = new MutationObserver((changes) => {
        for (const { addedNodes, target } of changes) {
            window.dotsSeen += [...addedNodes].filter((node) => node.classList?.contains("lv-dot")).length;
            if (target.classList?.contains("lv-hot")) window.flashesSeen += 1;
        }
    });
    const map = document.querySelector(".lv-map");
    watch.observe(map, { subtree: true, childList: true, attributes: true, attributeFilter: ["class"] });
}"""
