"""The directories of the state.

Source: proc(5) boot_id.
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

HOME = ".cni-ptp"  # of the indexes; no network's name begins with a dot
LOCK, LAST_RESERVED = "lock", "last_reserved_ip"  # in a network's directory what is no lease; the second with .N behind
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW


def open_index(data_dir: str, network: str) -> int:
    """The index directory of a network for this boot, made if it was not there; -1 if it can not be had."""
    home, prefix, boot = f"{data_dir}/{HOME}", network + "@", _boot_id()
    try:
        return os.open(f"{home}/{prefix}{boot}", OPEN)
    except FileNotFoundError:
        pass
    except OSError:
        return -1
    from .first_use import new_index

    try:
        new_index(home, prefix + boot, prefix)
        return os.open(f"{home}/{prefix}{boot}", OPEN)
    except OSError:
        return -1  # full or read-only


def _boot_id() -> str:
    """This boot's identity, 36 characters; "unknown" where there is none."""
    try:
        fd = os.open(_BOOT_ID, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return "unknown"
    try:
        text = os.read(fd, 64).decode("ascii", "replace").strip()
    finally:
        os.close(fd)
    return text if text and "/" not in text and "\0" not in text else "unknown"
