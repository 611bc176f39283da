"""An upload box for a bucket: files chosen on the page go to S3 by plain put_object, by hand or by `upload`.

The page sends a file in pieces and waits for each to arrive, because Jupyter cuts a connection that sends a large
message.
"""

from __future__ import annotations

import mimetypes
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import traitlets

from labhelpers.errors import LabError
from labhelpers.views.aws import client
from labhelpers.views.view import View, error_text, script, style

MAX_BYTES = 100 * 1024 * 1024
SHOWN = 12
MOST_UNFINISHED = 4  # A page sends one file at a time, and may be closed in the middle.


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload and what came of it: `error` is "" when the object is there. `at` is this machine's time."""

    bucket: str
    key: str
    size: int
    at: str
    etag: str = ""
    error: str = ""


class Parts:
    """A file that comes in pieces. LabError when it is larger than it may be, or when more comes than was announced."""

    def __init__(self, name: str, size: int) -> None:
        if size > MAX_BYTES:
            raise LabError(too_large(name, size))
        self.name = name
        self._size = size
        self._content = bytearray()

    @property
    def received(self) -> int:
        return len(self._content)

    @property
    def is_complete(self) -> bool:
        return self.received == self._size

    def add(self, piece: bytes | memoryview) -> None:
        """Take the next piece."""
        if self.received + len(piece) > self._size:
            raise LabError(f"{self.name} is longer than the {self._size:,} bytes that the page announced")
        self._content += piece

    def content(self) -> bytes:
        """The whole file."""
        return bytes(self._content)


def too_large(name: str, size: int) -> str:
    """Why such a file is not taken, and what to do instead."""
    limit = MAX_BYTES // 1024**2
    return (
        f"{name} has {size / 1024**2:,.1f} MB, and this box takes up to {limit} MB; "
        "larger files go to S3 in parts: boto3's upload_file does that"
    )


class UploadBox(View):
    """An upload box. Objects get the key `prefix` + the file's name. A notebook may also call `upload`."""

    _esm = script("upload_box")
    _css = style("upload_box")

    bucket = traitlets.Unicode().tag(sync=True)
    prefix = traitlets.Unicode().tag(sync=True)
    max_bytes = traitlets.Int(MAX_BYTES).tag(sync=True)
    uploads: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)

    def __init__(self, bucket: str, prefix: str = "") -> None:
        super().__init__(bucket=bucket, prefix=prefix)
        self._lock = threading.Lock()
        self._parts: dict[str, Parts] = {}
        self.on_msg(self._on_message)

    def upload(self, source: str | Path | bytes, name: str = "") -> Upload:
        """Upload a file, or bytes under a name, as choosing it on the page does. Raises what goes wrong, and shows it.

        LabError for a file that is missing or larger than 100 MB; botocore's ClientError for what S3 refuses.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
        """
        with self.working("The upload failed"):
            name, content = _read(source, name)
        return self._put(name, content)

    def to_text(self) -> str:
        """The bucket, and the uploads of this box, newest first."""
        lines = [f"Upload box for s3://{self.bucket}/{self.prefix}"]
        for made in self.uploads:
            told = f"failed: {made['error']}" if made["error"] else f"{made['size']:,} bytes"
            lines.append(f"{made['at']} {made['key']}: {told}")
        return "\n".join(lines)

    def _put(self, name: str, content: bytes) -> Upload:
        key = self.prefix + name
        at = time.strftime("%H:%M:%S")
        try:
            with client("s3") as s3:
                answer = s3.put_object(
                    Bucket=self.bucket, Key=key, Body=content, ContentType=_content_type(name)
                )
        except Exception as error:
            self._show(Upload(self.bucket, key, len(content), at, error=error_text(error)))
            raise
        made = Upload(self.bucket, key, len(content), at, etag=str(answer["ETag"]).strip('"'))
        self._show(made)
        return made

    def _show(self, made: Upload) -> None:
        with self._lock:
            self.uploads = [asdict(made), *self.uploads][:SHOWN]

    # --- Pieces from the page ---

    def _on_message(self, _: Any, content: dict[str, Any], buffers: list[memoryview]) -> None:
        """`begin` announces a file, `piece` brings the next part of it, `cancel` gives it up."""
        with self.showing_errors("The upload failed"):
            identity = str(content["id"])
            try:
                self._take(identity, content, buffers)
            except Exception:
                self._parts.pop(identity, None)
                self.send({"type": "failed", "id": identity})
                raise

    def _take(self, identity: str, content: dict[str, Any], buffers: list[memoryview]) -> None:
        if content["type"] == "cancel":
            self._parts.pop(identity, None)
            return
        if content["type"] == "begin":
            self._parts[identity] = Parts(str(content["name"]), int(content["size"]))
            for oldest in list(self._parts)[:-MOST_UNFINISHED]:
                del self._parts[oldest]
                self.send({"type": "failed", "id": oldest})
        parts = self._parts.get(identity)
        if parts is None:
            return  # Cancelled, or it failed at an earlier piece.
        for buffer in buffers:
            parts.add(buffer)
        self.send({"type": "received", "id": identity, "bytes": parts.received})
        if parts.is_complete:
            del self._parts[identity]
            self.in_background(lambda: self._store(identity, parts))

    def _store(self, identity: str, parts: Parts) -> None:
        try:
            self._put(parts.name, parts.content())
        finally:
            self.send({"type": "stored", "id": identity})


def _read(source: str | Path | bytes, name: str) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        if not name:
            raise LabError('bytes have no name of their own: give one, as in upload(data, "report.csv")')
        content, size = source, len(source)
    else:
        path = Path(source)
        if not path.is_file():
            raise LabError(f"there is no file {path} (looked from {Path.cwd()}); check its name")
        name, size = name or path.name, path.stat().st_size
        content = path.read_bytes() if size <= MAX_BYTES else b""
    if size > MAX_BYTES:
        raise LabError(too_large(name, size))
    return name, content


def _content_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
