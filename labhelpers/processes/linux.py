"""The few Linux system calls that Python 3.11 has no function for, through ctypes; only the guardian uses them."""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x00020000, 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT = 1, 2, 4, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 15, 36, 38
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "ppc64le": 203, "s390x": 217, "riscv64": 41}
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91, "ppc64le": 184, "s390x": 185, "riscv64": 91}
_SYS_MOUNT_SETATTR = 442
_AT_RECURSIVE, _AT_FDCWD, _MOUNT_ATTR_RDONLY = 0x8000, -100, 1
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags`; OSError where the kernel or a container forbids it."""
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    encoded = [text.encode() or None for text in (source, target, kind, data)]
    _check(
        _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3]), f"mount {target}"
    )


def unmount(path: str) -> None:
    """Take the mount at `path` out of sight at once; it ends when nobody uses it any more (umount2(2))."""
    _check(_libc.umount2(path.encode(), MNT_DETACH), f"umount {path}")


def make_read_only(path: str) -> None:
    """Make the mount at `path` and all below it read-only (mount_setattr(2), Linux 5.12 and later)."""
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, 0, 0)
    result = _libc.syscall(
        _SYS_MOUNT_SETATTR,
        _AT_FDCWD,
        path.encode(),
        _AT_RECURSIVE,
        ctypes.byref(attributes),
        ctypes.sizeof(attributes),
    )
    _check(result, f"mount_setattr {path}")


def enter_root(path: str) -> None:
    """Make the mount at `path` the root folder and drop the old one (pivot_root(2))."""
    os.chdir(path)
    _check(_libc.syscall(_SYS_PIVOT_ROOT[os.uname().machine], b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "umount old root")
    os.chdir("/")


def drop_capabilities() -> None:
    """Give up every capability for good."""
    _check(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl no_new_privs")
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(
        _libc.syscall(_SYS_CAPSET[os.uname().machine], ctypes.byref(header), ctypes.byref(nothing)), "capset"
    )


def die_with_parent(number: int) -> None:
    """Have the kernel send signal `number` to this process when its parent ends, however that ends."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0), "prctl pdeathsig")


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parents end."""
    _check(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl subreaper")


def set_name(name: str) -> None:
    """Name this process (at most 15 bytes) in ps and top."""
    _libc.prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def map_ids(uid: int, gid: int) -> None:
    """In a new user namespace: appear as `uid` and `gid`, being still ourselves outside."""
    outer_uid, outer_gid = _outer
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{gid} {outer_gid} 1"),
    ):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


_outer = (os.geteuid(), os.getegid())
