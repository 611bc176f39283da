"""`labhelpers lab` as a learner meets it: one line with the address, the first notebook, pictures that show."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from labhelpers.course import workbench

pytestmark = pytest.mark.browser
PATIENCE_S = 120.0
# The command without the doctor's run of the pipeline, which tests of its own look at.
WITHOUT_DOCTOR = """
import sys
from labhelpers.course import doctor, workbench
doctor.main = lambda say: 0
sys.exit(workbench.open_jupyterlab(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def server(chrome: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """The command, running, with folders of its own for what JupyterLab writes."""
    home = tmp_path_factory.mktemp("workbench")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "AWS_"))}
    folders = {"RUNTIME_DIR": "runtime", "CONFIG_DIR": "config", "DATA_DIR": "data"}
    environment = {f"JUPYTER_{name}": str(home / folder) for name, folder in folders.items()}
    options = ["--no-browser", "--ServerApp.port=0", "--LabApp.expose_app_in_browser=True"]
    with (home / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", WITHOUT_DOCTOR, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**kept, **environment, "IPYTHONDIR": str(home / "ipython"), "JUPYTER_PREFER_ENV_PATH": "1"},
            cwd=home,
            start_new_session=True,
        )
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="module")
def url(server: subprocess.Popen[str]) -> str:
    """The address in the line that is printed when the server listens."""
    assert server.stdout is not None
    lines = [server.stdout.readline().strip() for _ in range(3)]
    found = re.fullmatch(r"The course is open at (http://\S+\?token=\w+)", lines[1])
    assert found is not None, lines
    assert "press Ctrl-C twice" in lines[2]
    return found[1]


def test_address_opens_the_first_notebook_and_asks_nothing(url: str, page: Page) -> None:
    """The address as it is printed; JupyterLab's question about news does not come up."""
    page.goto(url)
    expect(page.locator(".jp-Notebook h1").first).to_be_visible(timeout=PATIENCE_S * 1000)
    assert "notebooks/00_start_here.ipynb" in page.url
    page.wait_for_function("window.jupyterapp.restored.then(() => true)")
    disabled = "window.jupyterapp.isPluginActivated('@jupyterlab/apputils-extension:announcements')"
    assert page.evaluate(disabled) is False
    expect(page.get_by_text("Jupyter news")).to_have_count(0)


def test_root_address_opens_it_too(url: str, page: Page) -> None:
    """Whoever types only the host lands in the same place."""
    page.goto(url.replace(f"lab/tree/{workbench.FIRST}", ""))
    page.wait_for_url(re.compile("00_start_here.ipynb"))


def test_pictures_of_a_notebook_show(url: str, page: Page) -> None:
    """They lie beside the notebooks' folder, so the server's root has to be the repository."""
    page.goto(url.replace("00_start_here", "01_servers_to_functions"))
    pictures = page.locator(".jp-RenderedMarkdown img")
    expect(pictures.first).to_be_visible(timeout=PATIENCE_S * 1000)
    page.wait_for_function(
        "[...document.querySelectorAll('.jp-RenderedMarkdown img')].every((i) => i.complete && i.naturalWidth > 0)"
    )


def test_one_interrupt_ends_it_where_nobody_can_be_asked(server: subprocess.Popen[str], url: str) -> None:
    """Ctrl-C reaches both processes; nothing is left, and the exit code is that of a wanted end."""
    os.killpg(server.pid, signal.SIGINT)
    out, _ = server.communicate(timeout=PATIENCE_S)
    assert (server.returncode, out) == (0, "")
    with pytest.raises(ProcessLookupError):
        os.killpg(server.pid, 0)
