"""Which programs may run with our rights: those that nobody but root, or the user we run as, can have put there.

Every name on the way to the program counts: its directories, the symbolic links, the file.  A directory in which
somebody else may create or rename files is refused.  One with the sticky bit (/tmp) is accepted above a directory that
is ours, for nobody else can replace that, but not as the directory that holds the program.  What passes cannot be
changed by anybody else afterwards, so that the check and the execution need not be one step.

Source: path_resolution(7), inode(7), user_namespaces(7) "Unmapped user and group IDs".
"""

from __future__ import annotations

import os
from stat import S_ISDIR, S_ISLNK, S_ISREG, S_ISVTX, S_IWGRP, S_IWOTH

_OTHERS = S_IWGRP | S_IWOTH
_MOST_LINKS = 40  # MAXSYMLINKS, include/linux/namei.h
_EVERY_UID = ["0", "0", "4294967295"]
# In a user namespace without a number for the host's root, files of root and of every other unmapped user appear to
# have the same owner.  Only root writes in these on any Linux system; and what lies directly in / only root made.
_SYSTEM = ("/bin/", "/etc/", "/lib/", "/lib64/", "/nix/", "/opt/", "/sbin/", "/usr/")
_SYSTEM_DIRECTORIES = ("/run/user", "/var/lib", "/var/tmp")  # noqa: S108  none is written to


def distrust(path: str) -> str:
    """Return why the program at `path` must not be executed, "" if it may.  OSError if there is no such file."""
    refusal, status = _walk(path)
    if refusal:
        return refusal
    if not S_ISREG(status.st_mode):
        return f"{path} is not a regular file"
    return ""


def distrust_directory(path: str) -> str:
    """Return why no program in the directory `path` could be executed, "" if one may.  OSError if there is none."""
    refusal, status = _walk(path)
    if refusal:
        return refusal
    if not S_ISDIR(status.st_mode):
        return f"{path} is not a directory"
    return f"{path} can be written by others than its owner" if status.st_mode & _OTHERS else ""


def _walk(path: str) -> tuple[str, os.stat_result]:
    """Return (why somebody else can choose what lies at `path`, or ""; the status of what lies there)."""
    above = status = os.lstat("/")
    if not path.startswith("/"):
        return f"{path} is not an absolute path", status
    place, left, links = "/", _names(path), 0
    while left:
        name = left.pop()
        here = os.path.dirname(place) if name == ".." else os.path.join(place, name)
        status = os.lstat(here)
        is_program = S_ISREG(status.st_mode) or (S_ISLNK(status.st_mode) and not left)
        refusal = _of_directory(place, above, is_program)
        if refusal:
            return refusal, status
        if S_ISLNK(status.st_mode):
            links += 1
            if not _is_ours(here, status):
                return f"{here} {_belongs(status)}", status
            if links > _MOST_LINKS:
                return f"{path} has too many symbolic links", status
            target = os.readlink(here)
            left += _names(target)
            if target.startswith("/"):
                place, above = "/", os.lstat("/")
            continue
        place, above = here, status
    if not _is_ours(place, status):
        return f"{place} {_belongs(status)}", status
    if S_ISREG(status.st_mode) and status.st_mode & _OTHERS:
        return f"{place} can be written by others than its owner", status
    return "", status


def _names(path: str) -> list[str]:
    """Return the names of a path, the first one last."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _of_directory(path: str, status: os.stat_result, holds_program: bool) -> str:
    """Return why somebody else can replace a name in the directory, or ""."""
    if not _is_ours(path, status):
        return f"{path} {_belongs(status)}"
    if status.st_mode & _OTHERS and (holds_program or not status.st_mode & S_ISVTX):
        return f"{path} can be written by others than its owner"
    return ""


def _belongs(status: os.stat_result) -> str:
    return f"belongs to user {status.st_uid}, not to root"


def _is_ours(path: str, status: os.stat_result) -> bool:
    """Return whether it belongs to root or to the user we run as."""
    if status.st_uid in (0, os.geteuid()):
        return True
    of_the_system = path.startswith(_SYSTEM) or path in _SYSTEM_DIRECTORIES or os.path.dirname(path) == "/"
    return of_the_system and status.st_uid == _unmapped_root()


def _unmapped_root() -> int:
    """Return the number by which files of the host's root appear in this user namespace; -1 if they appear as 0."""
    with open("/proc/self/uid_map", encoding="ascii") as f:
        if f.read().split() == _EVERY_UID:
            return -1
    with open("/proc/sys/kernel/overflowuid", encoding="ascii") as f:
        overflow = int(f.read())
    return overflow if os.lstat("/").st_uid == overflow else -1
