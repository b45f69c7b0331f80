"""Run one child to its end: bytes in, bounded bytes out, bounded time.

Source: posix_spawn(3), memfd_create(2).  No descriptor but 0, 1 and 2 reaches the child: all of ours are close-on-exec.
"""

from __future__ import annotations

import errno
import os
from select import POLLIN, poll
from time import monotonic, sleep

from . import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_OUTPUT = 1 << 20  # bytes, of stdout and of stderr each
TIME_S = 60.0
_BUSY_TRIES = 6
_BUSY_PAUSE_S = 1.0
_SLICE_MS = 50
# CPython ignores these two, and a child would inherit that.  Source: include/uapi/asm-generic/signal.h
_SIGKILL, _SIGPIPE, _SIGXFSZ = 9, 13, 25


class Finished:
    """What became of a child.  status: its exit status, or minus the signal that ended it.  out, err: what it said."""

    __slots__ = ("status", "out", "err")

    def __init__(self, status: int, out: bytes, err: bytes) -> None:
        self.status = status
        self.out = out
        self.err = err


class Overrun(Exception):
    """The child was killed: it said too much or took too long."""


def run(path: str, argv: list[str], env: Mapping[str, str], stdin: bytes, time_s: float = TIME_S) -> Finished:
    """The program at `path` has run with `stdin` as its input, a file.

    OSError if it can not be started; Overrun if it took over `time_s` or wrote over 1 MiB, CniError 11 if a signal asks
    us to stop: then it is killed.
    """
    given = os.memfd_create("stdin")
    ends: list[int] = [given]
    try:
        _fill(given, stdin)
        out, out_end = os.pipe()
        ends += [out, out_end]
        err, err_end = os.pipe()
        ends += [err, err_end]
        for fd in (out, err):
            os.set_blocking(fd, False)
        pid = _start(path, argv, env, (given, out_end, err_end))
        for fd in (given, out_end, err_end):
            os.close(fd)
            ends.remove(fd)
        return _attend(pid, path, out, err, monotonic() + time_s, time_s)
    finally:
        for fd in ends:
            os.close(fd)


def _fill(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)


def _start(path: str, argv: list[str], env: Mapping[str, str], standard: tuple[int, int, int]) -> int:
    actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(standard)]
    for i in range(_BUSY_TRIES):
        try:
            return os.posix_spawn(path, argv, env, file_actions=actions, setsigdef=(_SIGPIPE, _SIGXFSZ))
        except OSError as e:
            # Somebody is still writing the program, an installer perhaps.  As Go: six tries, a second apart.
            if e.errno != errno.ETXTBSY or i == _BUSY_TRIES - 1:
                raise
            sleep(_BUSY_PAUSE_S)
    raise AssertionError("unreachable")


def _attend(pid: int, path: str, out: int, err: int, deadline: float, time_s: float) -> Finished:
    said: dict[int, list[bytes]] = {out: [], err: []}
    waiting = poll()
    for fd in said:
        waiting.register(fd, POLLIN)
    open_fds = {out, err}
    status = None
    try:
        while status is None:
            if monotonic() > deadline:
                raise Overrun(f"{path} took longer than {time_s:g} s and was killed")
            signals.check()
            if open_fds:
                for fd, _ in waiting.poll(_SLICE_MS):
                    if not _listen(fd, said[fd]):
                        waiting.unregister(fd)
                        open_fds.remove(fd)
            else:
                sleep(0.001)
            if sum(map(len, said[out])) > MOST_OUTPUT or sum(map(len, said[err])) > MOST_OUTPUT:
                raise Overrun(f"{path} wrote more than {MOST_OUTPUT} bytes and was killed")
            # A grandchild may keep the pipes open for ever: the child's own end is what counts.
            status = _ended(pid) if not open_fds or not waiting.poll(0) else None
    except BaseException:
        if status is None:
            os.kill(pid, _SIGKILL)
            os.waitpid(pid, 0)
        raise
    for fd in open_fds:  # what it wrote between our last look and its end
        _listen(fd, said[fd])
    return Finished(status, b"".join(said[out]), b"".join(said[err]))


def _listen(fd: int, parts: list[bytes]) -> bool:
    """Take what is there, a bounded piece of it; False at the end."""
    try:
        part = os.read(fd, 65536)
    except BlockingIOError:
        return True
    parts.append(part)
    return bool(part)


def _ended(pid: int) -> int | None:
    """The child's exit status, or minus its signal; None while it runs.  Once it is known the pid is not ours."""
    reaped, status = os.waitpid(pid, os.WNOHANG)
    return None if reaped == 0 else os.waitstatus_to_exitcode(status)
