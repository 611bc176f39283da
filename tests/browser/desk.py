"""A JupyterLab or a Notebook 7 of a test's own, with temporary folders, and notebooks in a real Chromium."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from playwright.sync_api import TimeoutError as BrowserTimeout

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_TIMEOUT_S = 60
CELL_TIMEOUT_MS = 120_000


def chromium() -> str | None:
    """The machine's Chromium, if it has one."""
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))),
        None,
    )


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium without a window."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        try:
            yield started
        finally:
            started.close()


_KERNEL_IS_READY = """() => {
    const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
_KERNEL_STATE = """() => {
    const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
    return [document.title, kernel?.connectionStatus, kernel?.status].join(", ");
}"""
# All cells have been run, or one has failed and the rest will not be.
_CELLS_HAVE_RUN = """() => {
    const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputArea-prompt")];
    const failed = document.querySelector('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]');
    return failed || prompts.every((prompt) => /\\[\\d+\\]/.test(prompt.textContent));
}"""


_KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
_RUN = """async (code) => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const reply = await kernel.requestExecute({ code }).done;
    return reply.content.status === "ok" ? "ok" : `${reply.content.ename}: ${reply.content.evalue}`;
}"""


_RUN_FROM = """async (index) => {
    window.jupyterapp.shell.currentWidget.content.activeCellIndex = index;
    await window.jupyterapp.commands.execute("notebook:run-all-below");
}"""


_FAILURES = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells].flatMap((cell) =>
    cell.type !== "code" ? [] : cell.outputs.toJSON()
        .filter((output) => output.output_type === "error")
        .map((output) => `${output.ename}: ${output.evalue}`)
)"""


class Desk:
    """A running JupyterLab. `folder` is where its notebooks are; everything else that it writes is below `home`."""

    _module, _application, _place = "jupyterlab", "LabApp", "doc/tree"
    _quiet: Mapping[str, str] = {
        "news_url": "None",
        "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }

    def __init__(self, home: Path) -> None:
        self.folder = home / "notebooks"
        self._runtime = home / "runtime"
        self._settings = home / "settings"
        for folder in (self.folder, self._runtime, self._settings):
            folder.mkdir(parents=True)
        self._token = secrets.token_hex(16)
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "AWS_"))
        }
        environment |= {
            "JUPYTER_RUNTIME_DIR": str(self._runtime),
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "IPYTHONDIR": str(home / "ipython"),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "JUPYTERLAB_SETTINGS_DIR": str(self._settings),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        }
        self._log = (home / "jupyterlab.log").open("w+", encoding="utf-8")
        command = [sys.executable, "-m", self._module, "--no-browser", "--allow-root", "--ip=127.0.0.1"]
        options = {
            "ServerApp.port": "0",
            "ServerApp.root_dir": str(self.folder),
            "IdentityProvider.token": self._token,
            f"{self._application}.expose_app_in_browser": "True",
            **{f"{self._application}.{name}": value for name, value in self._quiet.items()},
        }
        self._set("apputils-extension/notification", fetchNews="false", checkForUpdates=False)
        self._set("notebook-extension/tracker", autoStartDefaultKernel=True)
        self._process = subprocess.Popen(
            [*command, *(f"--{name}={value}" for name, value in options.items())],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            self.url = self._wait_ready()
        except BaseException:
            self.close()
            raise

    def _wait_ready(self) -> str:
        """The address, which the server writes into its runtime folder when it listens."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            for found in self._runtime.glob("jpserver-*.json"):
                try:
                    return str(json.loads(found.read_text(encoding="utf-8"))["url"])
                except ValueError:
                    pass  # Half written.
            time.sleep(0.05)  # There is nothing to wait on: another program writes the file.
        raise RuntimeError(f"{self._module} did not start:\n{self.log()}")

    def log(self) -> str:
        """What the server has said."""
        self._log.seek(0)
        return self._log.read()

    def write(self, name: str, *cells: str) -> None:
        """Write a notebook with these code cells."""
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.folder / name)

    def choose_theme(self, dark: bool) -> None:
        """The theme of pages that are opened from now on."""
        self._set("apputils-extension/themes", theme=f"JupyterLab {'Dark' if dark else 'Light'}")

    def draw_all_cells(self, wanted: bool) -> None:
        """Whether pages that are opened from now on have all cells in them, or only those in sight."""
        mode = {"windowingMode": "none"} if wanted else {}
        self._set("notebook-extension/tracker", autoStartDefaultKernel=True, **mode)

    def _set(self, plugin: str, **settings: object) -> None:
        file = self._settings / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings), encoding="utf-8")

    def open(self, page: Page, name: str) -> Notebook:
        """Open a notebook of the folder and wait until its kernel is idle."""
        page.goto(f"{self.url}{self._place}/{name}?token={self._token}&reset")
        try:
            page.wait_for_function(_KERNEL_IS_READY, timeout=CELL_TIMEOUT_MS)
        except BrowserTimeout as error:
            state = page.evaluate(_KERNEL_STATE)
            raise AssertionError(f"no kernel for {name}: {state}\n{self.log()[-4000:]}") from error
        return Notebook(page)

    def close(self) -> None:
        """End the server and its kernels."""
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


class NotebookDesk(Desk):
    """The same with Notebook 7, which shows one notebook on a page and is made of JupyterLab's parts."""

    _module, _application, _place = "notebook", "JupyterNotebookApp", "notebooks"
    _quiet: Mapping[str, str] = {}


class Notebook:
    """An open notebook, as someone at the browser sees it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def run_all(self) -> None:
        """Run all cells and wait until the last has its number. AssertionError with what a failed cell says."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.page.wait_for_function(_CELLS_HAVE_RUN, timeout=CELL_TIMEOUT_MS)
        assert not self.errors(), self.errors()
        # Cells out of sight may not be in the page: what the kernel does after them is done last.
        self.run_line("pass")
        assert not self.failures(), self.failures()

    def run_from(self, index: int) -> None:
        """Run the cell of that number, counted from 0, and all below; wait until the kernel has done them."""
        self.page.evaluate(_RUN_FROM, index)
        self.run_line("pass")
        assert not self.failures(), self.failures()

    def run_line(self, code: str) -> None:
        """Run a line of Python in the notebook's kernel, as a cell would, and wait until it is done."""
        status = self.page.evaluate(_RUN, code)
        assert status == "ok", status

    def run_in_background(self, code: str) -> None:
        """Start a line of Python in the notebook's kernel, and do not wait for it."""
        self.page.evaluate(f"(code) => {{ {_KERNEL}.requestExecute({{ code }}); }}", code)

    def end_kernel(self, how: str) -> None:
        """End the kernel: by a line of Python, or by a method of JupyterLab's kernel such as `kernel.restart()`."""
        if how.startswith("kernel."):
            self.page.evaluate(f"() => {{ {_KERNEL}.{how.removeprefix('kernel.')}; }}")
        else:
            self.run_in_background(how)

    def failures(self) -> list[str]:
        """The errors that cells have ended with, also those out of sight."""
        found: list[str] = self.page.evaluate(_FAILURES)
        return found

    def errors(self) -> list[str]:
        """What cells have printed as errors."""
        selector = '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]'
        return self.page.locator(selector).all_text_contents()

    def view(self, selector: str) -> Locator:
        """The first view of that class on the page."""
        return self.page.locator(f".lv-root{selector}").first
