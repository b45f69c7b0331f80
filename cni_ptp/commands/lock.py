"""One call at a time for one attachment.

A byte-range lock at an offset that the attachment's name determines, in one file for the whole host: the kernel lets
it go when the process dies, nothing piles up, and nobody but root can hold it against us.
Source: fcntl(2) "Advisory record locking".
"""

from __future__ import annotations

import fcntl
import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md
import time

from ..base import errnos
from ..base.errors import TRY_AGAIN_LATER, CniError
from ..cni.attachment import Attachment
from ..system import signals
from ..system.state_files import check_directory, opened

DIRECTORY = "/run/cni-ptp"
_WAIT_S = 30.0
_UNWRITABLE = (errnos.EROFS, errnos.EACCES, errnos.EPERM, errnos.ENOENT)


class AttachmentLock:
    """The lock of an attachment, or of all (None), from its making to the end of the with block.

    CniError 11 if another call for the same attachment holds it longer than 30 s, 104 if others than root could.
    Without a writable /run there is no lock; the kernel's EEXIST still lets only one ADD win.
    """

    __slots__ = ("fd",)

    def __init__(self, attachment: Attachment | None, wait_s: float = _WAIT_S) -> None:
        self.fd = _open()
        if self.fd >= 0:
            try:
                _take(self.fd, attachment, wait_s)
            except BaseException:
                os.close(self.fd)
                raise

    def __enter__(self) -> AttachmentLock:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.fd >= 0:
            os.close(self.fd)


def _open() -> int:
    try:
        return _file()
    except FileNotFoundError:
        pass
    except OSError as e:
        if e.errno in _UNWRITABLE:
            return -1
        raise
    try:
        os.mkdir(DIRECTORY, 0o700)
    except FileExistsError:
        pass
    except OSError as e:
        if e.errno in _UNWRITABLE:
            return -1
        raise
    return _file()


def _file() -> int:
    check_directory(DIRECTORY)
    return opened(DIRECTORY + "/lock", os.O_RDWR | os.O_CREAT)


def _take(fd: int, attachment: Attachment | None, wait_s: float) -> None:
    # A length of 0 is all that there is behind the offset.
    length, offset = (1, int(attachment.host_veth()[4:], 16)) if attachment is not None else (0, 0)
    deadline = time.monotonic() + wait_s
    pause = 0.001
    while True:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, length, offset)
            return
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: somebody holds it
            pass
        if time.monotonic() > deadline:
            raise CniError(TRY_AGAIN_LATER, "wait for another call for the same attachment", str(attachment or "all"))
        signals.check()
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
