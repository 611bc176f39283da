"""What a started process may see and be: a root folder of its own on Linux, plain folders elsewhere.

Called in the guardian's children only, between fork and the program. The file system follows what AWS's execution
environments show: /var/task, /var/runtime and /opt read-only, /tmp writable, no /dev/shm, nothing of the user's files.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import os
import pwd
import sys

from labhelpers.processes.spec import Sandbox

TASK, RUNTIME, OPT, TMP = "/var/task", "/var/runtime", "/opt", "/tmp"
_PACKAGES = "/var/lang/packages"
SANDBOX_UID, SANDBOX_GID = 993, 990
_HOST_FOLDERS = "/usr /bin /sbin /lib /lib32 /lib64 /libx32 /nix /gnu /sys".split()
# What programs need of the host's /etc to reach the network, check certificates and find libraries.
_HOST_ETC = (
    "alternatives ca-certificates crypto-policies gai.conf host.conf hosts ld.so.cache ld.so.conf ld.so.conf.d"
    " localtime mime.types mono nsswitch.conf pki protocols resolv.conf services ssl"
).split()
# Debian keeps the settings of each JDK here.
_HOST_ETC_PREFIX = "java-"
# Recorded on AWS: a function runs as sbx_user1051, /tmp has mode 1777.
_PASSWD = f"""root:x:0:0:root:/root:/bin/bash
sbx_user1051:x:{SANDBOX_UID}:{SANDBOX_GID}::/home/sbx_user1051:/sbin/nologin
"""
_GROUP = f"root:x:0:\nsbx_user1051:x:{SANDBOX_GID}:\n"
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}


def is_linux() -> bool:
    """Whether namespaces can be hoped for at all."""
    return sys.platform.startswith("linux")


def enter(folder: str, mount_point: str) -> bool:
    """Give the guardian a mount namespace of its own, for the folders of sandboxes; whether this machine allows it.

    It is tried in a child first, down to the last step, so that a refusal leaves the guardian as it was.
    """
    if not is_linux() or os.environ.get("LABHELPERS_ISOLATION") == "off":
        return False
    empty = os.path.join(folder, "empty")
    os.makedirs(empty, exist_ok=True)
    pid = os.fork()
    if pid == 0:
        try:
            _own_mounts()
            unshare_namespaces()
            inner = os.fork()
            if inner == 0:
                build_root(mount_point, Sandbox(task=empty, runtime=empty, opt=empty, tmp=empty))
                os._exit(0)
            _, status = os.waitpid(inner, 0)
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
        except BaseException:  # noqa: BLE001 - whatever it is, the answer is no
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    if status != 0:
        return False
    try:
        _own_mounts()
    except OSError:
        return False
    return True


def _own_mounts() -> None:
    from labhelpers.processes import linux

    uid, gid = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
    linux.map_ids(uid, gid)
    linux.mount("", "/", flags=linux.MS_REC | linux.MS_PRIVATE)


def unshare_namespaces() -> None:
    """New user, mount and process namespaces; the caller then forks once more. OSError where they are forbidden."""
    from labhelpers.processes import linux

    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWPID)
    linux.map_ids(SANDBOX_UID, SANDBOX_GID)


def build_root(mount_point: str, sandbox: Sandbox) -> None:
    """Build the file system that `sandbox` describes on the empty folder `mount_point`, and make it the root."""
    from labhelpers.processes import linux

    linux.mount("", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("lab", mount_point, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=1m,mode=755")
    for folder in _HOST_FOLDERS:
        _show(mount_point, folder)
    _build_etc(mount_point)
    _bind(sandbox.task, mount_point + TASK)
    _bind_each(sandbox.opt, mount_point + OPT)
    _build_runtime(mount_point, sandbox)
    programs = (sys.prefix, *sandbox.shown)
    for folder in programs:
        if not folder.startswith(TMP + "/"):
            _show(mount_point, folder)
    _build_dev(mount_point)
    os.makedirs(mount_point + "/proc")
    os.makedirs(mount_point + TMP)
    linux.make_read_only(mount_point)
    proc = mount_point + "/proc"
    linux.mount("proc", proc, "proc", linux.MS_NOSUID | linux.MS_NODEV)
    for name in (
        "sys",
        "sysrq-trigger",
    ):  # A lab that root runs is root here too: the kernel is not for functions.
        if os.path.exists(f"{proc}/{name}"):
            linux.mount(f"{proc}/{name}", f"{proc}/{name}", flags=linux.MS_BIND)
            linux.make_read_only(f"{proc}/{name}")
    linux.mount(sandbox.tmp, mount_point + TMP, flags=linux.MS_BIND)
    for folder in programs:  # The one thing that is not ours in /tmp: a program that lives there.
        if folder.startswith(TMP + "/") and not os.path.exists(mount_point + folder):
            _bind(folder, mount_point + folder)
            linux.make_read_only(mount_point + folder)
    linux.enter_root(mount_point)
    linux.drop_capabilities()


def _build_runtime(root: str, sandbox: Sandbox) -> None:
    """/var/runtime: its links lead to packages, which keep no path of the host's."""
    places = {folder: f"{_PACKAGES}/{number}" for number, folder in enumerate(sandbox.packages)}
    for folder, place in places.items():
        _bind(folder, root + place)
    os.makedirs(root + RUNTIME)
    for entry in os.scandir(sandbox.runtime):
        target = f"{root}{RUNTIME}/{entry.name}"
        if not entry.is_symlink():
            _bind(entry.path, target)
            continue
        link = os.readlink(entry.path)
        folder = os.path.dirname(link)
        os.symlink(f"{places[folder]}/{os.path.basename(link)}" if folder in places else link, target)


def _build_etc(root: str) -> None:
    os.makedirs(root + "/etc")
    for name, text in (("passwd", _PASSWD), ("group", _GROUP)):
        with open(f"{root}/etc/{name}", "w", encoding="ascii") as file:
            file.write(text)
    jdks = [name for name in os.listdir("/etc") if name.startswith(_HOST_ETC_PREFIX)]
    for name in (*_HOST_ETC, *jdks):
        _show(root, f"/etc/{name}")


def _build_dev(root: str) -> None:
    os.makedirs(root + "/dev")
    for name in _DEVICES:
        if os.path.exists(f"/dev/{name}"):
            _bind(f"/dev/{name}", f"{root}/dev/{name}")
    for name, target in _DEVICE_LINKS.items():
        os.symlink(target, f"{root}/dev/{name}")


def _show(root: str, folder: str) -> None:
    """Make a host folder appear at its own path; a link stays a link; what is already in sight stays as it is."""
    target = root + folder
    if os.path.islink(folder):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.lexists(target):
            os.symlink(os.readlink(folder), target)
    elif os.path.exists(folder) and not os.path.exists(target):
        _bind(folder, target)


def _bind_each(source: str, target: str) -> None:
    """Show the entries of `source` in `target`, which stays ours: an interpreter in /opt/conda fits in too."""
    os.makedirs(target)
    for entry in os.scandir(source):
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), os.path.join(target, entry.name))
        else:
            _bind(entry.path, os.path.join(target, entry.name))


def _bind(source: str, target: str) -> None:
    from labhelpers.processes import linux

    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
        linux.mount(source, target, flags=linux.MS_BIND | linux.MS_REC)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb"):
        pass
    linux.mount(source, target, flags=linux.MS_BIND)


def become_unprivileged(owned: tuple[str, ...]) -> None:
    """Stop being root: in a user namespace where one can be had, otherwise by changing the user id for good."""
    if os.geteuid() != 0:
        return
    user = _some_user()
    if is_linux():
        from labhelpers.processes import linux

        try:
            linux.unshare(linux.CLONE_NEWUSER)
            linux.map_ids(user.pw_uid, user.pw_gid)
            return
        except OSError:
            pass
    for folder in owned:
        for parent, _, files in os.walk(folder):
            for name in ("", *files):
                os.lchown(os.path.join(parent, name), user.pw_uid, user.pw_gid)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def _some_user() -> pwd.struct_passwd:
    """A user of this machine who is not root: programs look themselves up, so a made-up number does not do."""
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        return next(user for user in pwd.getpwall() if user.pw_uid != 0)
