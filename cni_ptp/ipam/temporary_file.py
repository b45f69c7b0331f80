"""A lease made where the kernel refuses a nameless file or a name for it: written under a name that is no address, then
renamed.

That is so on overlayfs up to Linux 6.1, NFS, FUSE and FAT, and where /proc is not mounted.  The name is fixed, for
whoever makes it holds the network's lock, as whoever looks into the directory does, Go's host-local included.  One that
a killed call left changes the directory's time, so the next call reads all leases, and deletes it.
Source: open(2) O_EXCL, rename(2).
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..base import errnos
from .directories import ASIDE


def create(directory: int, name: str, content: bytes) -> bool:
    """Make the file with that content, whole from its first moment on; False if there is one of that name.

    OSError leaves nothing behind, unless even deleting is refused: then what the next call deletes.
    """
    write(directory, content)
    try:
        try:
            os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            # The lock keeps everybody from making it meanwhile.  A hard link takes two steps, and FAT has none.
            os.rename(ASIDE, name, src_dir_fd=directory, dst_dir_fd=directory)
            return True
    except BaseException:
        remove(directory)
        raise
    remove(directory)
    return False


def write(directory: int, content: bytes) -> None:
    """Make the file that has no lease's name, with that content.  OSError leaves none behind."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(ASIDE, flags, 0o600, dir_fd=directory)
    except FileExistsError:
        os.unlink(ASIDE, dir_fd=directory)
        fd = os.open(ASIDE, flags, 0o600, dir_fd=directory)
    try:
        try:
            if os.write(fd, content) != len(content):
                raise OSError(errnos.ENOSPC, os.strerror(errnos.ENOSPC), ASIDE)
        finally:
            os.close(fd)
    except BaseException:
        remove(directory)
        raise


def remove(directory: int) -> None:
    """Delete the file that has no lease's name; where that is refused, the next call does."""
    try:
        os.unlink(ASIDE, dir_fd=directory)
    except OSError:
        pass
