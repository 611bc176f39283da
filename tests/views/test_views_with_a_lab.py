"""Upload box, event form and editor against a real lab, by code and by the messages that a page sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labhelpers.course.deploy import zip_code
from labhelpers.errors import LabError
from labhelpers.lab import Lab
from labhelpers.views.aws import client
from labhelpers.views.event_form import EventForm
from labhelpers.views.function_editor import FunctionEditor
from labhelpers.views.live_map import LiveMap
from labhelpers.views.upload_box import MAX_BYTES, UploadBox
from labhelpers.views.view import View
from tests.conftest import wait_for

GREET = """
def handler(event, context):
    print("greeting", event)
    return {"greeting": "Hello " + event["name"]}
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab with the bucket inbox."""
    with Lab() as running:
        with client("s3") as s3:
            s3.create_bucket(Bucket="inbox")
        yield running


@pytest.fixture
def greet(lab: Lab, tmp_path: Path) -> Iterator[Path]:
    """The function greet, and the file of its handler."""
    file = tmp_path / "greet.py"
    file.write_text(GREET, encoding="utf-8")
    with client("lambda") as functions:
        functions.create_function(
            FunctionName="greet",
            Runtime="python3.13",
            Role=lab.role_arn,
            Handler="greet.handler",
            Code={"ZipFile": zip_code(file)},
        )
        yield file
        functions.delete_function(FunctionName="greet")


def stored(key: str) -> bytes:
    """The object of that key."""
    with client("s3") as s3:
        content: bytes = s3.get_object(Bucket="inbox", Key=key)["Body"].read()
        return content


def heard(view: View) -> list[dict[str, Any]]:
    """What the view sends to its page, from now on."""
    sent: list[dict[str, Any]] = []
    view.send = lambda content, buffers=None: sent.append(content)
    return sent


def say(view: View, *buffers: bytes, **content: Any) -> None:
    """A message from the page."""
    view._handle_custom_msg(content, [memoryview(buffer) for buffer in buffers])


# --- UploadBox ---


def test_upload_by_code(lab: Lab, tmp_path: Path) -> None:
    """Of a file by its path, or of bytes under a name; the box lists both, newest first."""
    box = UploadBox("inbox", prefix="in/")
    file = tmp_path / "report + ü.csv"
    file.write_bytes(b"a,b\n")
    made = box.upload(file)
    assert (made.key, made.size, made.error) == ("in/report + ü.csv", 4, "")
    assert stored("in/report + ü.csv") == b"a,b\n"
    box.upload(b"text", "note.txt")
    assert [upload["key"] for upload in box.uploads] == ["in/note.txt", "in/report + ü.csv"]
    assert "in/note.txt: 4 bytes" in box.to_text()
    box.close()


def test_upload_in_pieces_from_the_page(lab: Lab) -> None:
    """The kernel says how much it has, then that the object is stored."""
    box = UploadBox("inbox")
    sent = heard(box)
    say(box, type="begin", id="1", name="big.bin", size=5)
    say(box, b"ab", type="piece", id="1")
    say(box, b"cde", type="piece", id="1")
    wait_for(lambda: {"type": "stored", "id": "1"} in sent)
    assert [message["bytes"] for message in sent if message["type"] == "received"] == [0, 2, 5]
    assert stored("big.bin") == b"abcde"
    say(box, type="begin", id="2", name="empty.txt", size=0)
    wait_for(lambda: {"type": "stored", "id": "2"} in sent)
    assert stored("empty.txt") == b""
    box.close()


def test_upload_can_be_given_up(lab: Lab) -> None:
    """Pieces that still come are dropped."""
    box = UploadBox("inbox")
    sent = heard(box)
    say(box, type="begin", id="1", name="x", size=5)
    say(box, type="cancel", id="1")
    say(box, b"abcde", type="piece", id="1")
    assert sent == [{"type": "received", "id": "1", "bytes": 0}]
    assert not box.uploads
    box.close()


def test_file_that_grows_while_it_is_sent_is_refused(lab: Lab) -> None:
    """The box says so, and the page forgets the file."""
    box = UploadBox("inbox")
    sent = heard(box)
    say(box, type="begin", id="1", name="x.log", size=2)
    say(box, b"abc", type="piece", id="1")
    assert sent[-1] == {"type": "failed", "id": "1"}
    assert "x.log is longer than the 2 bytes" in box.problem
    box.close()


def test_upload_that_cannot_be_is_shown_and_raised(lab: Lab, tmp_path: Path) -> None:
    """Too large, missing, without a name, or refused by S3."""
    box = UploadBox("inbox")
    huge = tmp_path / "huge.bin"
    with huge.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(LabError, match=r"huge.bin has 100.0 MB, and this box takes up to 100 MB"):
        box.upload(huge)
    assert "huge.bin has 100.0 MB" in box.problem
    with pytest.raises(LabError, match="there is no file"):
        box.upload(tmp_path / "nothing")
    with pytest.raises(LabError, match="bytes have no name"):
        box.upload(b"x")
    nowhere = UploadBox("no-such-bucket")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        nowhere.upload(b"x", "x.txt")
    assert "NoSuchBucket" in nowhere.uploads[0]["error"]
    box.close()
    nowhere.close()


# --- EventForm ---


def test_form_calls_with_a_sample_or_another_event(greet: Path) -> None:
    """By name, as a value, or with what is written."""
    form = EventForm("greet", {"Ada": {"name": "Ada"}, "nobody": {}})
    assert form.invoke().value == {"greeting": "Hello Ada"}
    made = form.invoke({"name": "Bob"})
    assert made.value == {"greeting": "Hello Bob"}
    assert "Init Duration" not in made.figures and made.figures["Memory Size"] == "128 MB"
    assert [line.kind for line in made.log] == ["START", "", "END", "REPORT"]
    form.text = '{"name": "Eve"}'
    assert form.invoke().value == {"greeting": "Hello Eve"}
    assert "Hello Eve" in form.to_text()
    form.close()


def test_form_shows_the_function_s_own_error(greet: Path) -> None:
    """It is an answer, not an exception: type, message, stack trace and log."""
    form = EventForm("greet", {"nobody": {}})
    made = form.invoke("nobody")
    assert (made.status, made.function_error, made.error_type) == (200, "Unhandled", "KeyError")
    assert 'return {"greeting": "Hello " + event["name"]}' in "".join(made.stack_trace)
    assert form.result["headline"].startswith("HTTP 200, X-Amz-Function-Error")
    assert [line.kind for line in made.log][-2:] == ["END", "REPORT"]
    assert not form.problem
    form.close()


def test_form_shows_what_is_no_event(lab: Lab) -> None:
    """Text that is no JSON with its place, a function that does not exist with AWS's words."""
    form = EventForm("no-such-function")
    form.text = '{"name": \n oops}'
    with pytest.raises(LabError, match=r"not valid JSON \(line 2, column 2\); `\{\}` is an empty event"):
        form.invoke()
    assert form.problem.startswith("Not sent: this is not valid JSON")
    with pytest.raises(ClientError):
        form.invoke({})
    assert "ResourceNotFoundException" in form.problem
    assert form.problem.endswith("(check the name, or create it)")
    assert "retries" not in form.problem
    assert form.result == {}
    assert not form.busy
    form.close()


def test_sample_events_have_names() -> None:
    """A list of events is refused, with what is expected."""
    with pytest.raises(LabError, match="events takes a dictionary, a name for each sample event"):
        EventForm("greet", [{"name": "Ada"}])  # type: ignore[arg-type]


def test_button_calls_beside_the_kernel(greet: Path) -> None:
    """The page hears of it by the traits."""
    form = EventForm("greet", {"Ada": {"name": "Ada"}})
    say(form, type="invoke")
    wait_for(lambda: form.result.get("status") == 200 and not form.busy)
    assert "Hello Ada" in form.result["payload"]
    form.close()


# --- FunctionEditor ---


def test_editor_saves_and_deploys(greet: Path) -> None:
    """The file is written, the function answers with the new code."""
    editor, form = FunctionEditor("greet", greet), EventForm("greet")
    editor.code = editor.code.replace("Hello", "Good morning")
    made = editor.deploy()
    assert made.code_size == len(zip_code(greet))
    assert "Good morning" in greet.read_text(encoding="utf-8")
    assert form.invoke({"name": "Ada"}).value == {"greeting": "Good morning Ada"}
    assert editor.deployed_code == editor.code
    assert editor.result.startswith("Deployed at ") and "version $LATEST" in editor.to_text()
    editor.close()
    form.close()


def test_syntax_error_deploys_and_fails_when_called(greet: Path) -> None:
    """As on AWS, which looks at the code when it runs it."""
    editor, form = FunctionEditor("greet", greet), EventForm("greet")
    editor.code = "def handler(event, context)\n    return 1\n"
    editor.deploy()
    assert form.invoke({}).error_type == "Runtime.UserCodeSyntaxError"
    editor.close()
    form.close()


def test_file_that_changed_on_disk_is_not_overwritten_unseen(greet: Path) -> None:
    """The first deployment says so, the second does it; `reload` takes what is there."""
    editor = FunctionEditor("greet", greet)
    greet.write_text("# from elsewhere\n", encoding="utf-8")
    editor.code = "# from here\n"
    with pytest.raises(LabError, match="has changed on disk"):
        editor.deploy()
    assert "has changed on disk" in editor.problem
    editor.deploy()
    assert greet.read_text(encoding="utf-8") == "# from here\n"
    assert not editor.problem
    greet.write_text("# again\n", encoding="utf-8")
    editor.reload()
    assert editor.code == "# again\n"
    editor.close()


def test_folder_can_be_the_package(greet: Path) -> None:
    """A handler that imports its neighbour is deployed with it."""
    (greet.parent / "words.py").write_text("HELLO = 'Salut'\n", encoding="utf-8")
    editor, form = FunctionEditor("greet", greet, package=greet.parent), EventForm("greet")
    editor.code = "from words import HELLO\ndef handler(event, context):\n    return HELLO\n"
    editor.deploy()
    assert form.invoke({}).value == "Salut"
    editor.close()
    form.close()


def test_deployment_to_a_missing_function_is_shown(greet: Path) -> None:
    """By the button, where nobody catches an exception."""
    editor = FunctionEditor("no-such-function", greet)
    say(editor, type="deploy")
    wait_for(lambda: "ResourceNotFoundException" in editor.problem)
    say(editor, type="reload")
    wait_for(lambda: editor.result.startswith("Read ") and not editor.problem)
    editor.close()


def test_missing_file_is_refused(lab: Lab, tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(LabError, match=r"there is no file .*nothing.py"):
        FunctionEditor("greet", tmp_path / "nothing.py")


# --- All of them ---


def test_map_follows_a_real_lab(lab: Lab) -> None:
    """A bucket and an upload appear by themselves."""
    live = LiveMap(lab)
    with client("s3") as s3:
        s3.create_bucket(Bucket="just-made")
        wait_for(lambda: "just-made" in live.to_text())
        s3.put_object(Bucket="just-made", Key="a.txt", Body=b"a")
    wait_for(lambda: "You -> bucket just-made (call): 1 so far" in live.to_text())
    live.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda file: UploadBox("inbox"),
        lambda file: EventForm("greet", {"Ada": {"name": "<script>"}}),
        lambda file: FunctionEditor("greet", file),
    ],
    ids=["UploadBox", "EventForm", "FunctionEditor"],
)
def test_saved_notebook_shows_a_text(greet: Path, make: Callable[[Path], View]) -> None:
    """Beside the widget; whatever looks like HTML in it is text."""
    view = make(greet)
    bundle = view._repr_mimebundle_()
    assert bundle is not None
    data = bundle[0]
    assert data["text/plain"] == view.to_text()
    assert data["text/html"].startswith("<pre") and "<script>" not in data["text/html"]
    view.close()


def test_views_never_reach_the_real_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """When no lab runs, a button of an old view does nothing, whatever keys the learner has."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    box = UploadBox("inbox")
    with pytest.raises(LabError, match="no lab is running here"):
        box.upload(b"x", "x.txt")
    assert "no lab is running here" in box.uploads[0]["error"]
    box.close()
