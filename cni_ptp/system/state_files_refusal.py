"""Why a file or directory is not taken for the plugin's state.  Loaded only where it is not plainly root's and right.

Source: inode(7), user_namespaces(7), /proc/sys/kernel/overflowuid in proc(5).
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md
from stat import S_IFDIR, S_IFMT, S_IFREG, S_ISREG

from ..base.errors import STATE_FAILED, CniError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_OVERFLOW_UID, _UID_MAP = "/proc/sys/kernel/overflowuid", "/proc/self/uid_map"
_KINDS = {
    S_IFREG: "a regular file",
    S_IFDIR: "a directory",
    0o120000: "a symbolic link",
    0o010000: "a FIFO",
    0o140000: "a socket",
    0o020000: "a device",
    0o060000: "a device",
}


def refuse(path: str, dir_fd: int | None, status: os.stat_result, kind: int) -> None:
    """Raise CniError 104 if it is not what state may be.  kind: S_IFREG or S_IFDIR."""
    if S_IFMT(status.st_mode) != kind:
        found = _KINDS.get(S_IFMT(status.st_mode), "something else")
        _refuse(path, dir_fd, f"{'ENOTDIR: ' if kind == S_IFDIR else ''}it is {found}, not {_KINDS[kind]}")
    if status.st_uid not in (0, os.geteuid()) and not _is_roots_outside(status.st_uid):
        _refuse(path, dir_fd, f"user {status.st_uid} owns it, neither root nor the user that runs the plugin")
    if kind == S_IFDIR and status.st_mode & 0o022:
        _refuse(path, dir_fd, f"others than its owner can write to it (mode {status.st_mode & 0o7777:04o})")
    if kind == S_IFREG and status.st_nlink != 1:
        _refuse(path, dir_fd, f"it has {status.st_nlink} names (hard links)")


def refuse_other_kind(path: str, dir_fd: int | None, kind: int) -> None:
    """Raise CniError 104 if what could not be opened is of another kind; return if that is not the reason."""
    try:
        status = os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
    except OSError:
        return
    if S_IFMT(status.st_mode) != kind:
        refuse(path, dir_fd, status, kind)


def is_regular(path: str, dir_fd: int | None = None) -> bool:
    """Return whether there is a regular file of that name."""
    try:
        return S_ISREG(os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _refuse(path: str, dir_fd: int | None, reason: str) -> NoReturn:
    if dir_fd is not None:
        try:
            path = f"{os.readlink(f'/proc/self/fd/{dir_fd}')}/{path}"
        except OSError:
            pass  # no /proc: the name alone has to do
    raise CniError(STATE_FAILED, f"refuse {path} as the plugin's state", reason)


def _is_roots_outside(uid: int) -> bool:
    """Return whether `uid` stands for users outside our user namespace, whom no user inside can act as.

    It does not where the namespace gives that number to a user of its own: root's files and that user's look alike.
    """
    try:
        if int(_read(_OVERFLOW_UID)) != uid:
            return False
        ranges = [line.split() for line in _read(_UID_MAP).splitlines()]
    except (OSError, ValueError):
        return False
    return not any(int(first) <= uid < int(first) + int(count) for first, _, count in ranges)


def _read(path: str) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 65536).decode("ascii")
    finally:
        os.close(fd)
