"""Signals while something blocks: before the first effect they end the process, from there on ADD is undone."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bounds import until
from tests.configurations import conf
from tests.faults.waiting import has_open, is_in
from tests.namespaces import Host, refuse_initial_namespace

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_F_SETPIPE_SZ, _F_GETPIPE_SZ = 1031, 1032
_FIONREAD = 0x541B
_DEFAULTS = dict.fromkeys(SIGNALS, signal.SIG_DFL)


@contextmanager
def started(host: Host, verb: str, stdin: Any, stdout: Any, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a call, and kill it at the end.  A shell may have started the tests with SIGINT ignored."""
    refuse_initial_namespace()
    env = {**host.environment(verb, "c1", "/run/netns/c1", "eth0", "", ""), **more}
    process = subprocess.Popen(
        [host.plugin_file], env=env, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, preexec_fn=_default
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def _default() -> None:
    for number, action in _DEFAULTS.items():
        signal.signal(number, action)


def full_pipe(filled: int = 0) -> tuple[int, int]:
    """Return a pipe that holds all it can, or `filled` bytes: (to read from, to write to)."""
    read, write = os.pipe()
    size = fcntl.fcntl(write, _F_SETPIPE_SZ, 4096)
    assert fcntl.fcntl(write, _F_GETPIPE_SZ) == size == 4096
    os.write(write, b"x" * (filled or size))
    return read, write


def configuration(path: str, **more: Any) -> int:
    Path(path).write_text(json.dumps({**conf("1.1.0", ["v4"]), "ipMasq": True, **more}))
    return os.open(path, os.O_RDONLY)


@pytest.mark.parametrize("verb", ["ADD", "DEL", "CHECK", "GC", "STATUS"])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_stdin_blocks_ends_the_process(host: Host, verb: str, number: int) -> None:
    host.container()
    before = host.snapshot()
    read, write = os.pipe()
    os.write(write, b'{"cniVersion":')
    with started(host, verb, read, subprocess.PIPE) as process:
        until(lambda: is_in(process.pid, "read") and not _unread(read), "the call at its stdin")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (-number, b"", b"")
    os.close(read)
    os.close(write)
    assert host.snapshot() == before
    assert not os.path.exists("/run/cni-ptp")


def _unread(fd: int) -> int:
    unread: int = struct.unpack("i", fcntl.ioctl(fd, _FIONREAD, b"\0" * 4))[0]
    return unread


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_an_error_cannot_be_written_ends_the_process(host: Host, number: int) -> None:
    read, write = full_pipe()
    bad = os.open("/dev/null", os.O_RDONLY)
    with started(host, "ADD", bad, write) as process:
        until(lambda: is_in(process.pid, "write"), "the call at its stdout")
        process.send_signal(number)
        assert (process.wait(60), process.communicate()[1]) == (-number, b"")
    for fd in (read, write, bad):
        os.close(fd)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_the_result_cannot_be_written_undoes_the_add(host: Host, number: int) -> None:
    host.container()
    before = host.snapshot()
    read, write = full_pipe()
    stdin = configuration("/run/conf")
    with started(host, "ADD", stdin, write) as process:
        until(lambda: is_in(process.pid, "poll"), "the call at its stdout")
        assert host.snapshot() != before
        process.send_signal(number)
        assert (process.wait(60), process.communicate()[1]) == (1, b"")
    os.close(write)
    os.close(stdin)
    assert _all_of(read) == b"x" * 4096  # not even the error: nobody reads
    assert host.snapshot() == before


def _all_of(read: int) -> bytes:
    with open(read, "rb") as pipe:
        return pipe.read()


def test_an_add_whose_result_was_written_in_part_is_undone_and_adds_no_second_document(host: Host) -> None:
    host.container()
    before = host.snapshot()
    read, write = os.pipe()
    fcntl.fcntl(write, _F_SETPIPE_SZ, 4096)
    stdin = configuration("/run/conf", dns={"search": ["x" * 9000]})
    with started(host, "ADD", stdin, write) as process:
        until(lambda: is_in(process.pid, "poll") and _unread(read) == 4096, "the call at its stdout")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 1
    os.close(write)
    os.close(stdin)
    out = _all_of(read)
    assert len(out) == 4096
    assert out.count(b'"cniVersion"') == 1
    assert host.snapshot() == before


def test_a_result_that_waits_for_its_reader_is_whole(host: Host) -> None:
    host.container()
    read, write = full_pipe(100)
    stdin = configuration("/run/conf", dns={"search": ["x" * 20_000]})
    with started(host, "ADD", stdin, write) as process:
        os.close(write)
        until(lambda: is_in(process.pid, "poll"), "the call at its stdout")
        out = _all_of(read)
        assert process.wait(60) == 0
    os.close(stdin)
    document = json.loads(out[100:])
    assert document["dns"]["search"] == ["x" * 20_000]


def test_an_add_whose_reader_is_gone_is_undone_without_a_word(host: Host) -> None:
    host.container()
    before = host.snapshot()
    for filled in (False, True):
        read, write = full_pipe() if filled else os.pipe()
        stdin = configuration("/run/conf")
        if not filled:
            os.close(read)
        with started(host, "ADD", stdin, write) as process:
            if filled:
                until(lambda: is_in(process.pid, "poll"), "the call at its stdout")
                os.close(read)
            assert (process.wait(60), process.communicate()[1]) == (1, b"")
        os.close(write)
        os.close(stdin)
        assert host.snapshot() == before


@pytest.mark.parametrize("verb", ["ADD", "DEL", "CHECK", "GC", "STATUS"])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_wait_for_the_leases(host: Host, verb: str, number: int) -> None:
    host.container()
    given = host.plugin("ADD", conf("1.1.0", ["v4"])).ok()
    leases = Path("/var/lib/cni/networks/mynet")
    more: dict[str, Any] = {"cni.dev/valid-attachments": []} if verb == "GC" else {}
    if verb == "CHECK":
        more["prevResult"] = given
    if verb == "ADD":
        host.plugin("DEL", conf("1.1.0", ["v4"])).ok()
    before = sorted(leases.iterdir())
    lock = os.open(leases / "lock", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    Path("/run/conf").write_text(json.dumps({**conf("1.1.0", ["v4"]), **more}))
    with open("/run/conf", "rb") as stdin, started(host, verb, stdin, subprocess.PIPE) as process:
        until(lambda: has_open(process.pid, str(leases / "lock")), "the call at the lock")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (1, b"")
        assert json.loads(out)["code"] == (50 if verb == "STATUS" else 11)
        assert "stopped by a signal" in out.decode()
    os.close(lock)
    assert sorted(leases.iterdir()) == before
