"""Files put in place so that whoever opens them meets the old or the new one, whole; what was there can come back.

A new file has a random name until it is renamed.  Should we be killed before that, `sweep` finds it by that name, and
knows by a lock on the file whether somebody is still at work with it.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat

_BACKUP = ".cni-ptp-backup"
_RANDOM_BYTES = 8
# The second form is version 1.0.0's, which named them by the process.
_OURS = r"\.(ptp|host-local|static|10-.+\.conflist)"
_ASIDE = re.compile(rf"\..+\.[0-9a-f]{{16}}\.cni-ptp-new|{_OURS}\.[0-9]+\.new|{_OURS}{re.escape(_BACKUP)}\.[0-9]+")


class Aside:
    """A complete new file beside the place where it shall be.  Inside the with block nobody sweeps it."""

    __slots__ = ("path", "fd", "mode")

    def __init__(self, path: str, content: bytes, mode: int) -> None:
        """Write the content to disk.  OSError if it cannot be written; then nothing is left."""
        self.path = _beside(path)
        # Only its owner can open it, and so lock it, before it has its mode.
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with open(fd, "wb") as f:
                fcntl.flock(fd, fcntl.LOCK_SH)
                f.write(content)
                os.fchmod(fd, mode & stat.S_IRWXU)
                f.flush()
                os.fsync(fd)
                # A file that is open for writing cannot be executed (ETXTBSY).
                self.fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                fcntl.flock(self.fd, fcntl.LOCK_SH)
        except BaseException:
            _unlink(self.path)
            raise
        self.mode = mode

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, *exc: object) -> None:
        """Remove the file, unless it was moved to its place."""
        if self.path:
            _unlink(self.path)
        os.close(self.fd)

    def move_to(self, path: str) -> None:
        """Give the file its mode and its name; a power failure does not take it back."""
        os.fchmod(self.fd, self.mode)
        os.fsync(self.fd)
        replace(self.path, path)
        self.path = ""


def place_link(path: str, target: str) -> None:
    """Put a symbolic link at `path`, in place of what is there."""
    aside = _beside(path)
    os.symlink(target, aside)
    replace(aside, path)


def replace(aside: str, path: str) -> None:
    """Give the file its name, so that a power failure does not take it back."""
    os.replace(aside, path)
    sync_directory(os.path.dirname(path))


def backup_of(path: str) -> str:
    """Return where the foreign file that was at `path` is kept."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}{_BACKUP}")


def keep(path: str) -> str:
    """Keep a backup of the file at `path`, which itself stays where it is; an older backup is replaced."""
    backup = backup_of(path)
    aside = _beside(backup)
    os.link(path, aside, follow_symlinks=False)
    os.replace(aside, backup)
    # Where both names are the same file already, rename(2) does nothing.
    if os.path.lexists(aside):
        os.unlink(aside)
    return backup


def sweep(directory: str) -> None:
    """Remove what killed calls left in the directory: files under names of `_beside` at which nobody is at work."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return
    for name in names:
        if _ASIDE.fullmatch(name):
            path = os.path.join(directory, name)
            if not _is_in_use(path):
                _unlink(path)


def sync_directory(path: str) -> None:
    """Write the directory's entries to disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _beside(path: str) -> str:
    """Return a random name in the directory of `path` that says whose it is."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name.lstrip('.')}.{os.urandom(_RANDOM_BYTES).hex()}.cni-ptp-new")


def _is_in_use(path: str) -> bool:
    """Return whether another call holds the lock of an `Aside`."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return False  # a symbolic link, which exists for a moment only
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:  # another call was quicker
        pass
