"""Run one child to its end: bytes in, bounded bytes out, bounded time.  Nothing else of ours starts a program.

A child is a program that nobody else can have put there (trusted.py), with the descriptors 0, 1 and 2 and no other, and
with an environment that the caller made.  A Python is always isolated: `python` below.
Source: posix_spawn(3), memfd_create(2).
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from select import POLLIN, poll
from time import monotonic, sleep

from . import signals
from .trusted import distrust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_OUTPUT = 1 << 20  # bytes, of stdout and of stderr each
TIME_S = 60.0
# Of programs that need nothing of the caller's.  PATH is for what they start themselves.
ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
# No PYTHON* variable, no working directory or user's packages in sys.path (-I); no site-packages or .pth files (-S).
ISOLATED = ("-I", "-S")
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


class LimitExceeded(Exception):
    """The child was killed: it said too much or took too long."""


def run(
    path: str,
    argv: list[str],
    env: Mapping[str, str],
    stdin: bytes,
    time_s: float = TIME_S,
    most_output: int = MOST_OUTPUT,
) -> Finished:
    """Run the program at the absolute `path` with `stdin` as its input, a file, and wait for its end.

    OSError if it cannot be started, or must not be: EACCES if somebody else can have written it.  Overrun if it took
    over `time_s` or wrote over `most_output` bytes, CniError 11 if a signal asks us to stop: then it is killed.
    """
    # The Python that runs us already does what its owner wants.
    refusal = distrust(path) if path != sys.executable else ""
    if refusal:
        raise PermissionError(errno.EACCES, refusal)
    _keep_descriptors()
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
        return _attend(pid, path, out, err, time_s, most_output)
    finally:
        for fd in ends:
            os.close(fd)


def python(
    interpreter: str,
    code: str,
    argv: list[str],
    stdin: bytes = b"",
    *,
    options: tuple[str, ...] = (),
    time_s: float = TIME_S,
    most_output: int = MOST_OUTPUT,
) -> Finished:
    """Run `code`, with `argv` as sys.argv[1:], in an isolated Python that has these options, too.  Raises as `run`."""
    words = [interpreter, *ISOLATED, "-B", *options, "-c", code, *argv]
    return run(interpreter, words, ENVIRONMENT, stdin, time_s, most_output)


def _keep_descriptors() -> None:
    """Make every descriptor above 2 close-on-exec: those of ours are, those that the caller left open may not be."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                fcntl.fcntl(int(name), fcntl.F_SETFD, fcntl.FD_CLOEXEC)
            except OSError:  # EBADF: it was the directory's own
                pass


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


def _attend(pid: int, path: str, out: int, err: int, time_s: float, most_output: int) -> Finished:
    deadline = monotonic() + time_s
    said: dict[int, list[bytes]] = {out: [], err: []}
    waiting = poll()
    for fd in said:
        waiting.register(fd, POLLIN)
    open_fds = {out, err}
    status = None
    try:
        while status is None:
            if monotonic() > deadline:
                raise LimitExceeded(f"{path} took longer than {time_s:g} s and was killed")
            signals.check()
            if open_fds:
                for fd, _ in waiting.poll(_SLICE_MS):
                    if not _listen(fd, said[fd]):
                        waiting.unregister(fd)
                        open_fds.remove(fd)
            else:
                sleep(0.001)
            if max(sum(map(len, parts)) for parts in said.values()) > most_output:
                raise LimitExceeded(f"{path} wrote more than {most_output} bytes and was killed")
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
    """Return the child's exit status, or minus its signal; None while it runs.

    Once it is known the pid is not ours.
    """
    reaped, status = os.waitpid(pid, os.WNOHANG)
    return None if reaped == 0 else os.waitstatus_to_exitcode(status)
