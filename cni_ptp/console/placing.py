"""Files put in place so that whoever opens them meets the old or the new one, whole; what was there can come back."""

from __future__ import annotations

import os

_BACKUP = ".cni-ptp-backup"


def write_aside(path: str, content: bytes, mode: int) -> str:
    """The path of a new file beside `path`, with this content, on disk.  OSError if it can not be written."""
    directory, name = os.path.split(path)
    aside = os.path.join(directory, f".{name}.{os.getpid()}.new")
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        with open(fd, "wb") as f:
            f.write(content)
            os.fchmod(fd, mode)  # whatever the umask says
            f.flush()
            os.fsync(fd)
    except BaseException:
        os.unlink(aside)
        raise
    return aside


def link_aside(path: str, target: str) -> str:
    """The path of a new symbolic link beside `path`."""
    directory, name = os.path.split(path)
    aside = os.path.join(directory, f".{name}.{os.getpid()}.new")
    os.symlink(target, aside)
    return aside


def replace(aside: str, path: str) -> None:
    """The file has its name, and a power failure does not take it back."""
    os.replace(aside, path)
    sync_directory(os.path.dirname(path))


def backup_of(path: str) -> str:
    """Where the foreign file that was at `path` is kept."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}{_BACKUP}")


def keep(path: str) -> str:
    """The backup of what is at `path`, which itself stays where it is; an older backup is replaced."""
    backup = backup_of(path)
    aside = f"{backup}.{os.getpid()}"
    os.link(path, aside, follow_symlinks=False)
    os.replace(aside, backup)
    return backup


def sync_directory(path: str) -> None:
    """The directory's entries are on disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
