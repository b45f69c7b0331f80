"""The directories of the state: made, opened and removed.

Source: proc(5) boot_id.
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..base.errors import CniError
from ..system.state_files import DIRECTORY, check_directory, opened

HOME = ".cni-ptp"  # of the indexes; no network's name begins with a dot
LOCK, LAST_RESERVED = "lock", "last_reserved_ip"  # in a network's directory what is no lease; the second with .N behind
ASIDE = ".cni-ptp-new"  # no lease either: see temporary_file.py
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def open_network(data_dir: str, network: str) -> int:
    """Return a descriptor of a network's directory.  CniError 104 if others can write to it or to the one above."""
    check_directory(data_dir, follow=True)  # the configuration's own words
    return opened(f"{data_dir}/{network}", DIRECTORY)


def open_index(data_dir: str, network: str) -> int:
    """Open the index directory of a network for this boot, made if it does not exist; -1 if it cannot be used.

    CniError 104 if others can write to it.
    """
    home, prefix, boot = f"{data_dir}/{HOME}", network + "@", _boot_id()
    try:
        check_directory(home)
        return opened(f"{home}/{prefix}{boot}", DIRECTORY)
    except FileNotFoundError:
        pass
    except OSError:
        return -1
    except CniError:
        from ..system.state_files_refusal import is_regular

        if is_regular(home):  # in the way, but nothing that could lead elsewhere
            return -1
        raise
    try:
        return _new_index(home, prefix + boot, prefix)
    except OSError:
        return -1  # full or read-only


def _boot_id() -> str:
    """Return this boot's identity, 36 characters; "unknown" where there is none."""
    try:
        fd = os.open(_BOOT_ID, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return "unknown"
    try:
        text = os.read(fd, 64).decode("ascii", "replace").strip()
    finally:
        os.close(fd)
    return text if text and "/" not in text and "\0" not in text else "unknown"


def _new_index(home: str, name: str, prefix: str) -> int:
    """Make the index directory of this boot; delete those of earlier boots."""
    make(home, 0o700)
    check_directory(home)
    for old in os.listdir(home):
        if old.startswith(prefix):
            _remove(f"{home}/{old}")
    os.mkdir(f"{home}/{name}", 0o700)
    return opened(f"{home}/{name}", DIRECTORY)


def _remove(path: str) -> None:
    fd = opened(path, DIRECTORY)
    try:
        for name in os.listdir(fd):
            os.unlink(name, dir_fd=fd)
    finally:
        os.close(fd)
    os.rmdir(path)


def make(path: str, mode: int) -> None:
    """Make the directory, and those above it that do not exist: whatever the umask, others cannot write to them."""
    missing: list[str] = []
    at = path.rstrip("/")
    while at:
        try:
            _mkdir(at, 0o755 if missing else mode)
            break
        except FileNotFoundError:
            missing.append(at)
            at = at.rpartition("/")[0]
    for directory in reversed(missing):
        _mkdir(directory, mode if directory == missing[0] else 0o755)


def _mkdir(path: str, mode: int) -> None:
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        pass
