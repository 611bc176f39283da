"""An editor for a handler file, with a button that saves it and deploys it to its function."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import traitlets

from labhelpers.course.deploy import zip_code
from labhelpers.errors import LabError
from labhelpers.views.aws import client
from labhelpers.views.view import View, script, style


@dataclass(frozen=True, slots=True)
class Deployment:
    """What update_function_code answered. `at` is this machine's time, `code_size` in bytes."""

    function_name: str
    version: str
    code_size: int
    code_sha256: str
    at: str

    def to_text(self) -> str:
        """In one line."""
        return (
            f"Deployed at {self.at}: {self.function_name}, version {self.version}, a package of "
            f"{self.code_size:,} bytes, SHA-256 {self.code_sha256[:12]}…"
        )


class FunctionEditor(View):
    """An editor of the file at `path`, the code of `function_name`. A notebook may also set `code` and call `deploy`.

    `package` is the file or folder that is deployed, when that is more than the file itself.
    """

    _esm = script("function_editor")
    _css = style("function_editor")

    function_name = traitlets.Unicode().tag(sync=True)
    path = traitlets.Unicode().tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)
    deployed_code = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    result = traitlets.Unicode().tag(sync=True)

    def __init__(self, function_name: str, path: str | Path, package: str | Path | None = None) -> None:
        self._file = Path(path).resolve()
        self._package = Path(package).resolve() if package else self._file
        self._read_code = _read(self._file)
        super().__init__(function_name=function_name, path=str(path), code=self._read_code)
        self.on_msg(self._on_message)

    def deploy(self) -> Deployment:
        """Save the file, and replace the function's code by it. What goes wrong is raised, and shown.

        LabError when the file has changed on disk since it was read: a second `deploy` then replaces it.
        https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionCode.html
        """
        with self.working("The code was not deployed"):
            self.result = ""
            self._save()
            code, package = self.code, zip_code(self._package)
            with client("lambda") as functions:
                answer = functions.update_function_code(FunctionName=self.function_name, ZipFile=package)
                functions.get_waiter("function_updated_v2").wait(FunctionName=self.function_name)
            deployment = Deployment(
                self.function_name,
                str(answer["Version"]),
                int(answer["CodeSize"]),
                str(answer["CodeSha256"]),
                time.strftime("%H:%M:%S"),
            )
            self.deployed_code = code
            self.result = deployment.to_text()
        return deployment

    def reload(self) -> None:
        """Take the file as it is on disk; what was written here and not saved is lost."""
        with self.working("The file was not read"):
            self._read_code = self.code = _read(self._file)
            self.result = f"Read {self.path} from disk."

    def to_text(self) -> str:
        """The file and its code, and how the last deployment went."""
        lines = [
            f"Editor of {self.path}, the code of the function {self.function_name}:",
            self.code.rstrip("\n"),
        ]
        return "\n".join([*lines, *([self.result] if self.result else [])])

    def _save(self) -> None:
        on_disk = _read(self._file) if self._file.is_file() else ""
        if on_disk not in (self._read_code, self.code):
            self._read_code = on_disk  # Whoever tries again has been told.
            raise LabError(
                f"{self.path} has changed on disk since it was read: Reload takes that, deploying again replaces it"
            )
        self._file.write_text(self.code, encoding="utf-8")
        self._read_code = self.code

    def _on_message(self, _: Any, content: dict[str, Any], __: list[memoryview]) -> None:
        if self.busy:
            return
        if content["type"] == "deploy":
            self.in_background(self.deploy)
        elif content["type"] == "reload":
            self.in_background(self.reload)


def _read(path: Path) -> str:
    if not path.is_file():
        raise LabError(f"there is no file {path}; write it first, with %%writefile for example")
    return path.read_text(encoding="utf-8")
