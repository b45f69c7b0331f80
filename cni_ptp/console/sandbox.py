"""Namespaces of our own, so that nothing done in them touches this machine; also without root, in a user namespace.

Source: unshare(2), mount(2), user_namespaces(7), ip-netns(8) for how a network namespace gets a name.
"""

from __future__ import annotations

import errno
import os

from ..system import spawn
from ..system.netns import CLONE_NEWNET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
_MS_BIND, _MS_REC, _MS_PRIVATE, _MS_NOSUID, _MS_NODEV = 4096, 16384, 1 << 18, 2, 4
_NETNS = "/proc/self/ns/net"
_STATE = ("/run", "/var/lib/cni")
_MOUNTS = ("/usr/bin/mount", "/bin/mount")


class Refused(Exception):
    """No namespaces can be made here; the message tells why, and what helps."""


def enter() -> bool:
    """Put this process into network and mount namespaces of its own, with empty tmpfs over /run and the plugins' state.

    True if that took a user namespace.  Refused if it cannot be, or if the kernel did not do as it said; then nothing
    but this process's namespaces was changed.  Must be called while the process has one thread.
    """
    before = os.readlink(_NETNS)
    in_user_namespace = _unshare_all()
    if os.readlink(_NETNS) == before:
        raise Refused("still in this machine's network namespace after unshare(2): stopping before anything is touched")
    # Else a mount here would appear on the machine, too.
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    for path in _STATE:
        if not os.path.isdir(path):
            path = os.path.dirname(path)  # /var/lib/cni is made by the first plugin that runs on a host
        _mount("tmpfs", path, "tmpfs", _MS_NOSUID | _MS_NODEV)
    os.mkdir("/run/netns")
    return in_user_namespace


def _unshare_all() -> bool:
    try:
        unshare(CLONE_NEWNET | CLONE_NEWNS)
        return False
    except ImportError:
        raise Refused("before version 3.12 Python needs its module ctypes for this: install python3") from None
    except OSError as e:
        if e.errno != errno.EPERM:
            raise Refused(f"the kernel makes no namespaces: {e.strerror}") from None
    uid, gid = os.geteuid(), os.getegid()
    try:
        unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")
    except OSError as e:
        raise Refused(
            f"this user may not make namespaces ({e.strerror}); run it as root, or allow user namespaces: "
            "sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
            "kernel.apparmor_restrict_unprivileged_userns"
        ) from None
    return True


def new_netns(name: str) -> str:
    """Return the path of a new network namespace, named as `ip netns add` does; this thread stays where it was."""
    path = f"/run/netns/{name}"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    in_new_netns(lambda: _mount(_NETNS, path, "", _MS_BIND))
    return path


def in_new_netns(visit: Callable[[], Any]) -> Any:
    """Call `visit` in a new network namespace and return its value; the namespace ends unless something holds it."""
    own = os.open(_NETNS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        unshare(CLONE_NEWNET)
        try:
            return visit()
        finally:
            _setns(own, CLONE_NEWNET)
    finally:
        os.close(own)


def unshare(flags: int) -> None:
    """Call unshare(2).  OSError as the kernel gives it."""
    if hasattr(os, "unshare"):  # since CPython 3.12
        os.unshare(flags)
        return
    _call("unshare", flags)


def _setns(fd: int, flags: int) -> None:
    if hasattr(os, "setns"):
        os.setns(fd, flags)
        return
    _call("setns", fd, flags)


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    """Call mount(2), where there is no ctypes by mount(8), which every Debian has.  Refused if it fails."""
    try:
        _call("mount", source.encode(), target.encode(), kind.encode(), flags, None)
    except ImportError:
        options = {_MS_BIND: ["--bind"], _MS_REC | _MS_PRIVATE: ["--make-rprivate"]}.get(flags, ["-t", kind])
        argv = ["mount", *options, *([] if flags & _MS_PRIVATE else [source]), target]
        program = next(filter(os.path.exists, _MOUNTS), _MOUNTS[0])
        try:
            done = spawn.run(program, argv, spawn.ENVIRONMENT, b"")
        except (OSError, spawn.LimitExceeded) as e:
            raise Refused(f"{' '.join(argv)}: {e}") from None
        if done.status:
            raise Refused(f"{' '.join(argv)}: {done.err.decode('utf-8', 'replace').strip()}") from None
    except OSError as e:
        raise Refused(f"mount {kind or source} on {target}: {e.strerror}") from None


def _call(function: str, *arguments: Any) -> None:
    import ctypes

    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
