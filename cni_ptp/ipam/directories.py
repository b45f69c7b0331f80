"""The directories of the state: made, opened and removed."""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

HOME = ".cni-ptp"  # of the indexes; no network's name begins with a dot
OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW


def open_index(data_dir: str, network: str, boot_id: str) -> int:
    """The index directory of a network for this boot, made if it was not there; -1 if it can not be had."""
    home, prefix = f"{data_dir}/{HOME}", network + "@"
    try:
        return os.open(f"{home}/{prefix}{boot_id}", OPEN)
    except FileNotFoundError:
        pass
    except OSError:
        return -1
    try:
        return _new_index(home, prefix + boot_id, prefix)
    except OSError:
        return -1  # full or read-only


def _new_index(home: str, name: str, prefix: str) -> int:
    """The index directory of this boot, new; those of earlier boots are gone."""
    make(home, 0o700)
    for old in os.listdir(home):
        if old.startswith(prefix):
            _remove(f"{home}/{old}")
    os.mkdir(f"{home}/{name}", 0o700)
    return os.open(f"{home}/{name}", OPEN)


def _remove(path: str) -> None:
    fd = os.open(path, OPEN)
    try:
        for name in os.listdir(fd):
            os.unlink(name, dir_fd=fd)
    finally:
        os.close(fd)
    os.rmdir(path)


def make(path: str, mode: int) -> None:
    """The directory is there, and those above it: whatever the umask, others can not write to them."""
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        pass
    except FileNotFoundError:
        above = path.rstrip("/").rpartition("/")[0]
        if not above:
            raise
        make(above, 0o755)
        make(path, mode)
