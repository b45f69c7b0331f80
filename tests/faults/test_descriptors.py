"""Standard descriptors that the caller closed: no file of ours gets their numbers."""

from __future__ import annotations

import json
import os
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import conf
from tests.namespaces import Host, refuse_initial_namespace

CLOSED = [fds for size in (1, 2, 3) for fds in combinations((0, 1, 2), size)]
CONF = {**conf("1.1.0", ["v4", "v6"]), "ipMasq": True, "antiSpoof": True}


def call(host: Host, verb: str, fds: tuple[int, ...], prefix: tuple[str, ...] = (), **more: Any) -> tuple[int, bytes]:
    """Return (exit status, what was printed) of a call that starts with these descriptors closed."""
    refuse_initial_namespace()
    Path("/run/conf").write_text(json.dumps({**CONF, **more}))

    def close() -> None:
        for fd in fds:
            os.close(fd)

    with open("/run/conf", "rb") as stdin, open("/run/out", "wb") as out, open("/run/err", "wb") as err:
        done = subprocess.run(
            [*prefix, host.plugin_file],
            env=host.environment(verb, "c1", "/run/netns/c1", "eth0", "", ""),
            stdin=stdin,
            stdout=out,
            stderr=err,
            preexec_fn=close,
            check=False,
        )
    assert Path("/run/err").read_bytes() == b""
    return done.returncode, Path("/run/out").read_bytes()


@pytest.mark.parametrize("how", ["as a program", "by another Python"])
@pytest.mark.parametrize("verb", ["ADD", "DEL", "CHECK", "GC", "STATUS"])
@pytest.mark.parametrize("fds", [fds for fds in CLOSED if 0 in fds])
def test_without_stdin_every_call_is_code_5(host: Host, verb: str, fds: tuple[int, ...], how: str) -> None:
    host.container()
    before = host.snapshot()
    prefix = () if how == "as a program" else ("/usr/bin/python3", "-I", "-S")
    status, out = call(host, verb, fds, prefix)
    assert status == 1
    if 1 in fds:
        assert out == b""
    else:
        document = json.loads(out)
        assert (document["code"], document["msg"]) == (5, "error reading from stdin: EBADF: Bad file descriptor")
    assert host.snapshot() == before


@pytest.mark.parametrize("fds", [fds for fds in CLOSED if 0 not in fds])
def test_without_stdout_an_add_is_undone_and_without_stderr_it_succeeds(host: Host, fds: tuple[int, ...]) -> None:
    host.container()
    before = host.snapshot()
    status, out = call(host, "ADD", fds)
    if 1 in fds:
        assert (status, out) == (1, b"")
    else:
        assert (status, json.loads(out)["ips"][0]["address"]) == (0, "10.1.2.2/24")
        assert call(host, "CHECK", fds, prevResult=json.loads(out)) == (0, b"")
    assert call(host, "DEL", fds) == (0, b"")
    assert host.snapshot() == before


@pytest.mark.parametrize("fds", CLOSED)
def test_no_file_of_ours_has_the_number_of_a_standard_descriptor(host: Host, fds: tuple[int, ...]) -> None:
    host.container()
    call(host, "ADD", fds, ("strace", "-qq", "-f", "-y", "-o", "/run/trace", "-e", "read,write,openat,dup,pread64"))
    lines = Path("/run/trace").read_text().splitlines()
    begin = next(i for i, line in enumerate(lines) if "openat(" in line and str(host.plugin_file) in line)
    low = [line for line in lines[begin:] if any(f" = {fd}<" in line for fd in (0, 1, 2)) and "ENOENT" not in line]
    # The shebang line's own open and what the interpreter maps come before we can do anything about it.
    ours = [line for line in low if "/dev/null" not in line and str(host.plugin_file) not in line and ".so" not in line]
    assert not ours, ours
    preads = [line for line in lines[begin:] if "pread64(" in line]
    assert preads
    assert all(int(line.split("pread64(")[1].split("<")[0]) > 2 for line in preads if str(host.plugin_file) in line)
