"""Addresses of pages lead through the Jupyter server where there is one; a folder's files are served as they are."""

import http.client
import json
from pathlib import Path

import pytest

from labhelpers.course.pages import PageServer, page_api, page_url, show_page
from labhelpers.errors import LabError

API = "http://127.0.0.1:8000/_aws/execute-api/abc"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No Jupyter server; returns the folder in which one would describe itself."""
    for name in ("JUPYTERHUB_SERVICE_PREFIX", "JPY_PARENT_PID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_without_jupyter_an_address_stays() -> None:
    """A kernel that no server has started, such as a test's, has no way but the direct one."""
    assert page_url(8000) == "http://127.0.0.1:8000/"
    assert page_url(f"{API}/chat") == f"{API}/chat"
    assert page_url("ws://127.0.0.1:8000/live") == "ws://127.0.0.1:8000/live"


def test_hub_and_binder_give_their_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    """On JupyterHub and Binder everything lies below the user's own path, APIs for `fetch` as well."""
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    assert page_url(8000) == "/user/ada/proxy/8000/"
    assert page_url(API) == page_api(API) == "/user/ada/proxy/8000/_aws/execute-api/abc"


def test_own_server_gives_its_prefix_and_no_token(monkeypatch: pytest.MonkeyPatch, nowhere: Path) -> None:
    """A plain JupyterLab is found by its process id; its token is not part of any address."""
    server = {"base_url": "/lab1/", "token": "secret", "url": "http://localhost:8888/lab1/"}
    (nowhere / "jpserver-77.json").write_text(json.dumps(server))
    monkeypatch.setenv("JPY_PARENT_PID", "77")
    assert page_url(f"{API}/x?y=1", api=page_api(API)) == (
        "/lab1/proxy/8000/_aws/execute-api/abc/x?y=1&api=http%3A%2F%2F127.0.0.1%3A8000%2F_aws%2Fexecute-api%2Fabc"
    )


@pytest.mark.parametrize("address", ["http://example.com:80/", "http://127.0.0.1/", "/chat"])
def test_other_addresses_are_refused(address: str) -> None:
    """Only ports of this machine have a way through the server."""
    with pytest.raises(LabError, match="no address of this machine"):
        page_url(address)


def test_files_are_served_until_close(tmp_path: Path) -> None:
    """A folder's file is served, not to be kept by the browser, and nothing outside of the folder."""
    (tmp_path / "index.html").write_text("<p>hello")
    with PageServer(tmp_path) as server:
        answers = {}
        for path in ("/", "/../jpserver-1.json", "/%2e%2e/etc/passwd"):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            connection.request("GET", path)
            response = connection.getresponse()
            answers[path] = (response.status, response.read(), response.getheader("Cache-Control"))
            connection.close()
        assert repr(server).endswith("up>")
    assert answers.pop("/") == (200, b"<p>hello", "no-store")
    assert {status for status, _, _ in answers.values()} == {404}
    assert repr(server).endswith("down>")
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection("127.0.0.1", server.port, timeout=10).connect()


def test_missing_folder_is_named(tmp_path: Path) -> None:
    """A wrong name of a folder is said at once."""
    with pytest.raises(LabError, match="no folder"):
        PageServer(tmp_path / "pagse")


def test_page_is_shown_in_a_frame_with_a_link() -> None:
    """The frame and the link have the address and the title, escaped, and pass no referrer on."""
    shown = show_page('/proxy/8000/?a="b"&c', "The <shop>")
    html = shown._repr_html_()
    assert repr(shown) == 'The <shop>: /proxy/8000/?a="b"&c'
    assert html.count('"/proxy/8000/?a=&quot;b&quot;&amp;c"') == 2
    assert html.count("The &lt;shop&gt;") == 2
    assert "noreferrer" in html and "no-referrer" in html
