"""Packages are unpacked safely, once, read-only, and leave nothing behind."""

from __future__ import annotations

import asyncio
import io
import os
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labhelpers import limits
from labhelpers.errors import AwsError
from labhelpers.functions import package as package_module
from labhelpers.functions.package import PackageStore, remove_tree
from tests.deployment_packages import make_zip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PackageStore]:
    """An empty store, whose read-only folders pytest may remove afterwards."""
    folder = tmp_path / "packages"
    yield PackageStore(folder)
    remove_tree(folder)


def special_zip(*entries: tuple[str, str, int]) -> bytes:
    """An archive of entries (name, content, unix mode)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def left_in(store_folder: Path) -> list[str]:
    """What lies in the store's folder."""
    return [path.name for path in store_folder.iterdir()]


async def test_package_is_unpacked_read_only(store: PackageStore) -> None:
    """Files can be read by all, written by none; what could be executed still can."""
    data = special_zip(("a/b.txt", "text", 0o100600), ("run", "#!/bin/sh", 0o100755))
    package = await store.unpack(data)
    assert (package.root / "a/b.txt").read_text() == "text"
    modes = {
        name: stat.S_IMODE((package.root / name).stat().st_mode) for name in ("a", "a/b.txt", "run", ".")
    }
    assert modes == {"a": 0o555, "a/b.txt": 0o444, "run": 0o555, ".": 0o555}
    assert store.archive(package).read_bytes() == store.archive(package).read_bytes() == data
    assert (package.code_size, package.unzipped_size) == (len(data), 13)


@pytest.mark.parametrize(
    "data",
    [
        b"this is not a zip",
        make_zip()[:40],
        special_zip(("../escape.txt", "x", 0o100644)),
        special_zip(("a/../../escape.txt", "x", 0o100644)),
        special_zip(("/etc/escape.txt", "x", 0o100644)),
        special_zip(("link", "/etc/passwd", 0o120777)),
        special_zip(("link", "../../outside", 0o120777)),
        special_zip(("a/b/up", "../..", 0o120777), ("out", "a/b/up/..", 0o120777)),
        special_zip(("loop", "loop", 0o120777), ("loop/x", "x", 0o100644)),
        special_zip(("circle", "circle", 0o120777)),
        special_zip(("file", "x", 0o100644), ("file/below", "x", 0o100644)),
        special_zip(("n" * 300, "x", 0o100644)),
    ],
    ids=[
        "no zip",
        "cut off",
        "climbs",
        "climbs later",
        "absolute",
        "link to /",
        "link out",
        "link out through a link",
        "below a link",
        "link in a circle",
        "below a file",
        "name too long",
    ],
)
async def test_archive_that_is_broken_or_climbs_out_is_refused(
    store: PackageStore, tmp_path: Path, data: bytes
) -> None:
    """AWS's error, and not one file written, in the store or beside it."""
    with pytest.raises(AwsError) as caught:
        await store.unpack(data)
    assert (
        caught.value.message
        == "Could not unzip uploaded file. Please check your file, then try to upload again."
    )
    assert left_in(tmp_path) == ["packages"]
    assert left_in(tmp_path / "packages") == []


async def test_corrupt_member_is_refused(store: PackageStore, tmp_path: Path) -> None:
    """A checksum that does not hold is found while unpacking, and what was written before goes."""
    data = bytearray(special_zip(("first", "x", 0o100644), ("second", "some text to break", 0o100644)))
    data[data.index(b"some text")] ^= 0xFF
    with pytest.raises(AwsError, match="Could not unzip"):
        await store.unpack(bytes(data))
    assert left_in(tmp_path / "packages") == []


async def test_empty_archive_is_refused(store: PackageStore) -> None:
    """A zip without a single file, in AWS's words."""
    with pytest.raises(AwsError, match="Uploaded file must be a non-empty zip"):
        await store.unpack(special_zip())


async def test_package_of_many_files_is_unpacked_whole(store: PackageStore, tmp_path: Path) -> None:
    """Small files, many of them, and a folder that the archive names itself."""
    files = {f"d/{number}.txt": str(number) for number in range(200)}
    package = await store.unpack(
        special_zip(("d/", "", 0o040700), *((n, t, 0o100644) for n, t in files.items()))
    )
    assert {path.name for path in (package.root / "d").iterdir()} == {Path(name).name for name in files}
    store.release(package)
    await store.close()
    assert left_in(tmp_path / "packages") == []


_PARTS = st.sampled_from(["a", "b", "..", ".", "", "/", "c.txt"])
_KINDS = st.sampled_from([0o100644, 0o100755, 0o120777, 0o040755, 0])
_ENTRIES = st.lists(
    st.tuples(st.lists(_PARTS, min_size=1, max_size=4), st.sampled_from(["../a", "..", "a", "/"]), _KINDS)
)


@given(_ENTRIES)
@settings(max_examples=150, deadline=None)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_no_archive_reaches_out_of_its_folder(entries: list[tuple[list[str], str, int]]) -> None:
    """Whatever names, links and folders it has: it is refused, or all that it leads to lies within."""
    data = special_zip(*(("/".join(parts), target, mode) for parts, target, mode in entries))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a").write_text("untouched")
        store = PackageStore(Path(folder) / "packages")
        try:
            package = asyncio.run(store.unpack(data))
        except AwsError:
            assert left_in(Path(folder) / "packages") == []
        else:
            assert all(
                path.resolve().is_relative_to(package.root.resolve()) for path in package.root.rglob("*")
            )
        assert sorted(left_in(Path(folder))) == ["a", "packages"]
        assert (Path(folder) / "a").read_text() == "untouched"
        remove_tree(Path(folder) / "packages")


async def test_links_within_the_package_stay(store: PackageStore) -> None:
    """A library and its versioned name, as many packages have them."""
    package = await store.unpack(
        special_zip(("lib.so.1", "code", 0o100644), ("lib.so", "lib.so.1", 0o120777))
    )
    assert (package.root / "lib.so").is_symlink()
    assert (package.root / "lib.so").read_text() == "code"


async def test_of_two_files_with_one_name_the_later_stays(store: PackageStore) -> None:
    """As `unzip` does, though the first one is read-only already."""
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = special_zip(("a", "old", 0o100644), ("a", "new", 0o100644))
    assert ((await store.unpack(data)).root / "a").read_text() == "new"


async def test_too_large_package_is_refused(
    store: PackageStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The sizes that the archive announces are enough to refuse it."""
    monkeypatch.setattr(limits, "UNZIPPED_BYTES_MAX", 1000)
    with pytest.raises(AwsError, match="Unzipped size must be smaller than 1000 bytes"):
        await store.unpack(make_zip({"bomb": "0" * 1000}))
    assert left_in(tmp_path / "packages") == []


async def test_full_disk_is_the_labs_fault(
    store: PackageStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No complaint about the file of the learner, and nothing half written."""

    def no_space(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(package_module, "_write", no_space)
    with pytest.raises(AwsError, match="could not store the deployment package: No space left") as caught:
        await store.unpack(make_zip())
    assert caught.value.status == 500
    assert left_in(tmp_path / "packages") == []


async def test_equal_archives_share_a_folder_until_the_last_is_released(
    store: PackageStore, tmp_path: Path
) -> None:
    """References are counted, also when both arrive at once."""
    data = make_zip()
    first, second = await asyncio.gather(store.unpack(data), store.unpack(data))
    assert first is second
    store.release(first)
    assert first.root.is_dir()
    store.release(second)
    assert left_in(tmp_path / "packages") == []


async def test_package_in_use_outlives_its_last_reference(store: PackageStore, tmp_path: Path) -> None:
    """An environment that still runs keeps its code; the next sweep after it ended removes it."""
    package = await store.unpack(make_zip())
    store.in_use = lambda root: root == package.root
    store.release(package)
    assert package.root.is_dir()
    store.in_use = lambda _: False
    store.sweep()
    assert left_in(tmp_path / "packages") == []


async def test_released_package_can_come_again(store: PackageStore) -> None:
    """The same bytes after their removal are unpacked anew."""
    data = make_zip()
    store.release(await store.unpack(data))
    assert ((await store.unpack(data)).root / "index.py").is_file()


async def test_large_package_is_unpacked_beside_the_loop(store: PackageStore, tmp_path: Path) -> None:
    """While megabytes are unpacked and removed, the loop goes on."""
    data = make_zip({"big": os.urandom(1_500_000).hex()})
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.ensure_future(tick())
    package = await store.unpack(data)
    assert ticks > 10
    assert store.archive(package).read_bytes() == data
    store.release(package)
    await store.close()
    ticking.cancel()
    assert left_in(tmp_path / "packages") == []


async def test_unpacking_that_nobody_waits_for_leaves_nothing(store: PackageStore, tmp_path: Path) -> None:
    """A client that goes away while its upload is unpacked."""
    asking = asyncio.ensure_future(store.unpack(make_zip({"big": os.urandom(1_000_000).hex()})))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.gather(*store._arriving.values())
    await store.close()
    assert left_in(tmp_path / "packages") == []
