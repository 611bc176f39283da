"""Deployment packages on disk: unpacked once, read-only, shared by all that have the same bytes.

Rules: nothing is written outside the package's own folder; sizes are counted while unpacking, whatever the archive
says of itself; a package is removed when nothing refers to it and no call runs from it, and leaves no trace.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import io
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from labhelpers import limits
from labhelpers.errors import INTERNAL, INVALID_PARAMETER, AwsError
from labhelpers.journal import Journal

# Above this many bytes, zipped or unzipped, or files, the work leaves the event loop.
INLINE_BYTES = 1_000_000
INLINE_ENTRIES = 50
# An archive up to this size stays in memory until somebody wants it as a file: few do, and files cost most of a create.
KEPT_BYTES = 65_536
_CHUNK = 1 << 20
# Broken, encrypted or oddly compressed archives, as zipfile and its decompressors report them.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, EOFError, OSError)
# What the file system says of names that no archive for Lambda has.
_BAD_NAMES = {
    errno.ENAMETOOLONG,
    errno.EINVAL,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EILSEQ,
    errno.EPERM,
    errno.ELOOP,
}


@dataclass(frozen=True, slots=True)
class Package:
    """An unpacked archive. `sha256` is base64 as AWS prints it, `code_size` the bytes of the archive."""

    sha256: str
    code_size: int
    unzipped_size: int
    root: Path
    entries: int = 1

    @property
    def is_small(self) -> bool:
        """Whether unpacking and removing it is a matter of a millisecond or so."""
        return max(self.code_size, self.unzipped_size) <= INLINE_BYTES and self.entries <= INLINE_ENTRIES


class PackageStore:
    """All packages of a lab, below one folder. Every `acquire` (and `unpack`) needs its `release`. Event loop only.

    `in_use` says whether a call still runs from a root: such a package outlives its last reference, until a `sweep`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        in_use: Callable[[Path], bool] = lambda _: False,
        journal: Journal | None = None,
    ) -> None:
        self._folder = folder
        self.in_use = in_use
        self._journal = journal
        self._packages: dict[str, Package] = {}
        self._references: dict[str, int] = {}
        self._unreferenced: set[str] = set()
        self._kept: dict[str, bytes] = {}
        self._arriving: dict[str, asyncio.Task[Package]] = {}
        self._removals: set[asyncio.Future[None]] = set()
        folder.mkdir(parents=True, exist_ok=True)

    async def unpack(self, data: bytes) -> Package:
        """The package of these bytes, referred to once more.

        AwsError InvalidParameterValueException: no readable zip, one that climbs out of its folder, or too large.
        """
        large = len(data) > INLINE_BYTES
        digest = await asyncio.to_thread(hashlib.sha256, data) if large else hashlib.sha256(data)
        sha256 = base64.b64encode(digest.digest()).decode()
        self._references[sha256] = self._references.get(sha256, 0) + 1
        self._unreferenced.discard(sha256)
        try:
            return await self._package(sha256, digest.hexdigest(), data)
        except BaseException:
            self._drop(sha256)
            raise

    async def _package(self, sha256: str, name: str, data: bytes) -> Package:
        if (known := self._packages.get(sha256)) is not None:
            return known
        if (arriving := self._arriving.get(sha256)) is None:
            arriving = self._arriving[sha256] = asyncio.ensure_future(self._unpacked(sha256, name, data))
            arriving.add_done_callback(partial(self._arrived, sha256))
        return await asyncio.shield(arriving)

    def _arrived(self, sha256: str, arrived: asyncio.Task[Package]) -> None:
        del self._arriving[sha256]
        if not arrived.cancelled() and not arrived.exception():
            self._packages[sha256] = arrived.result()
            self.sweep()

    async def _unpacked(self, sha256: str, name: str, data: bytes) -> Package:
        archive = await asyncio.to_thread(_opened, data) if len(data) > INLINE_BYTES else _opened(data)
        entries = archive.infolist()
        size = sum(entry.file_size for entry in entries)
        if not entries:
            raise AwsError(INVALID_PARAMETER, "Uploaded file must be a non-empty zip")
        if size >= limits.UNZIPPED_BYTES_MAX:
            raise too_large()
        package = Package(sha256, len(data), size, self._folder / name, len(entries))
        if package.is_small:
            _store(package.root, archive)
        else:
            await asyncio.to_thread(_store, package.root, archive)
        if len(data) <= KEPT_BYTES:
            self._kept[sha256] = data
        else:
            await asyncio.to_thread(_write_archive, package.root, data)
        return package

    def archive(self, package: Package) -> Path:
        """The file with the bytes of the archive; AwsError 500 when it cannot be written."""
        if (data := self._kept.pop(package.sha256, None)) is not None:
            _write_archive(package.root, data)
        return _archive_of(package.root)

    def acquire(self, package: Package) -> None:
        """Refer to a package once more."""
        self._references[package.sha256] += 1

    def release(self, package: Package) -> None:
        """Give up one reference; the files go with the last one, unless a call runs from them."""
        self._drop(package.sha256)
        self.sweep()

    def _drop(self, sha256: str) -> None:
        self._references[sha256] -= 1
        if not self._references[sha256]:
            del self._references[sha256]
            self._unreferenced.add(sha256)

    def sweep(self) -> None:
        """Remove what nothing refers to and nobody runs from."""
        for sha256 in list(self._unreferenced):
            package = self._packages.get(sha256)
            if package is not None and self.in_use(package.root):
                continue
            self._unreferenced.discard(sha256)
            if package is not None:
                del self._packages[sha256]
                self._remove(package)

    def _remove(self, package: Package) -> None:
        if self._kept.pop(package.sha256, None) is None:
            _archive_of(package.root).unlink()
        gone = package.root.with_name(f".removed-{package.root.name}-{id(package):x}")
        package.root.rename(gone)
        if package.is_small:
            remove_tree(gone)
            return
        removal = asyncio.get_running_loop().run_in_executor(None, remove_tree, gone)
        self._removals.add(removal)
        removal.add_done_callback(self._removed)

    def _removed(self, removal: asyncio.Future[None]) -> None:
        self._removals.discard(removal)
        if not removal.cancelled() and (error := removal.exception()) and self._journal:
            self._journal.failure(f"A deployment package could not be removed: {error}")

    async def close(self) -> None:
        """Wait for removals under way. The folder itself goes with the lab's."""
        await asyncio.gather(*self._removals, return_exceptions=True)


def too_large() -> AwsError:
    """AWS's answer for an archive that unpacks to too much."""
    return AwsError(
        INVALID_PARAMETER, f"Unzipped size must be smaller than {limits.UNZIPPED_BYTES_MAX} bytes"
    )


def not_a_zip() -> AwsError:
    """AWS's answer for an archive that cannot be unpacked."""
    message = "Could not unzip uploaded file. Please check your file, then try to upload again."
    return AwsError(INVALID_PARAMETER, message)


def remove_tree(path: Path) -> None:
    """Remove a folder whose subfolders are read-only; one that is gone already is no error."""
    for folder, _, _ in os.walk(path):
        Path(folder).chmod(0o755)
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return


def _opened(data: bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except _UNREADABLE as error:
        raise not_a_zip() from error


def _store(root: Path, archive: zipfile.ZipFile) -> None:
    """Unpack `archive` to `root`; all or nothing."""
    arriving = root.with_name(f".arriving-{root.name}")
    try:
        _unpack(archive, arriving)
        arriving.rename(root)
    except BaseException as error:
        remove_tree(arriving)
        if isinstance(error, OSError):
            raise _disk_error(error) from error
        raise


def _write_archive(root: Path, data: bytes) -> None:
    try:
        _archive_of(root).write_bytes(data)
    except OSError as error:
        _archive_of(root).unlink(missing_ok=True)
        remove_tree(root)
        raise _disk_error(error) from error


def _archive_of(root: Path) -> Path:
    return root.with_name(f"{root.name}.zip")


def _disk_error(error: OSError) -> AwsError:
    """A full or failing disk is the lab's fault; a name that no file can have is the archive's."""
    if error.errno in _BAD_NAMES:
        return not_a_zip()
    return AwsError(
        INTERNAL, f"The lab could not store the deployment package: {error.strerror or error}.", 500
    )


def _unpack(archive: zipfile.ZipFile, root: Path) -> None:
    folders, links = {root}, []
    root.mkdir()
    left = limits.UNZIPPED_BYTES_MAX
    for entry in archive.infolist():
        path = root / _inner_path(entry.filename)
        _make_folders(path if entry.is_dir() else path.parent, folders)
        if entry.is_dir():
            continue
        mode = entry.external_attr >> 16
        if stat.S_ISLNK(mode):
            links.append((path, entry))
        else:
            left -= _write(archive, entry, path, 0o444 | (mode & 0o111), left)
    # Links come last, so that no file was written through one.
    for path, entry in links:
        _link(archive, entry, path)
    if not all(_is_within(path, root.resolve()) for path, _ in links):
        raise not_a_zip()
    for folder in folders:
        folder.chmod(0o555)


def _is_within(link: Path, root: Path) -> bool:
    """Whether a link leads to somewhere below `root`, however many others it goes through; one in circles does not."""
    try:
        target = link.resolve(strict=True)
    except FileNotFoundError:
        target = link.resolve()
    except (OSError, RuntimeError):
        return False
    return target.is_relative_to(root)


def _inner_path(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not (path.parts or name.endswith("/")):
        raise not_a_zip()
    return path


def _make_folders(folder: Path, known: set[Path]) -> None:
    if folder not in known:
        _make_folders(folder.parent, known)
        folder.mkdir()
        known.add(folder)


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, mode: int, left: int) -> int:
    """Write one file of at most `left` bytes; of two with one name the later stays, as with `unzip -o`."""
    written = 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        handle = os.open(path, flags, mode)
    except FileExistsError:
        path.unlink()
        handle = os.open(path, flags, mode)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)
        for chunk in _chunks(archive, entry):
            written += len(chunk)
            if written > left:
                raise too_large()
            file.write(chunk)
    return written


def _chunks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(entry) as source:
            while chunk := source.read(_CHUNK):
                yield chunk
    except _UNREADABLE as error:
        raise not_a_zip() from error


def _link(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    target = b"".join(_chunks(archive, entry)).decode(errors="surrogateescape")
    if not target or target.startswith("/") or "\0" in target:
        raise not_a_zip()
    path.unlink(missing_ok=True)
    path.symlink_to(target)
