"""What the first call for a network makes, and the first after a boot: directories."""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW


def new_index(home: str, name: str, prefix: str) -> None:
    """The index directory of this boot is there; those of earlier boots, of the same prefix, are gone."""
    make(home, 0o700)
    for old in os.listdir(home):
        if old.startswith(prefix):
            _remove(f"{home}/{old}")
    os.mkdir(f"{home}/{name}", 0o700)


def _remove(path: str) -> None:
    fd = os.open(path, _OPEN)
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
