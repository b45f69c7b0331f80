"""Writing where there may be no room yet, so that a signal ends the wait.

Loaded only if stdout is not an empty pipe.  The handler of signals.py only notes a signal, and Python then goes on with
a write(2) that waits (PEP 475): so nothing is written that may wait.
Source: pipe(7) PIPE_BUF; poll(2).
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md
from fcntl import F_GETFL, fcntl
from select import POLLOUT, poll

from ..base.errors import IO_FAILURE, TRY_AGAIN_LATER, CniError, words_of
from . import signals

_PIECE = 4096  # PIPE_BUF: a pipe that poll(2) reports as writable takes as much
_SLICE_MS = 50  # a signal may come right before poll(2) waits


def write_stoppably(fd: int, raw: bytes) -> None:
    """Write all of `raw`, and wait for room only until a signal comes; not at all if the caller made `fd` non-blocking.

    CniError 11 if one came and nothing was written, 5 if a part was written or the other side was closed.
    """
    may_wait = not fcntl(fd, F_GETFL) & os.O_NONBLOCK
    room = poll()
    room.register(fd, POLLOUT)
    left = raw
    try:
        while left:
            if room.poll(_SLICE_MS if may_wait and not signals.came() else 0):
                left = left[os.write(fd, left[:_PIECE]) :]
            elif not may_wait:
                left = left[os.write(fd, left) :]  # raises what the kernel answers
            elif signals.came() and left is raw:
                raise CniError(TRY_AGAIN_LATER, "stopped by a signal", "nobody reads stdout, which is full")
            elif signals.came():
                raise CniError(IO_FAILURE, "error writing to stdout: a signal came while it was full")
    except OSError as e:
        raise CniError(IO_FAILURE, f"error writing to stdout: {words_of(e)}") from None
