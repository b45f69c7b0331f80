"""IPAM plugins that crash, hang or talk nonsense; a host that is read-only or full; a signal while waiting."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.bounds import until
from tests.configurations import conf
from tests.namespaces import Host

EMBEDDED = conf("1.1.0", ["v4", "v6"], ipMasq=True)
DELEGATED = {**EMBEDDED, "ipam": {"type": "odd"}}
BIN = Path("/run/bin")
GOOD = '{"cniVersion": "1.1.0", "ips": [{"address": "10.1.2.2/24", "gateway": "10.1.2.1"}]}'


def odd(script: str) -> str:
    """CNI_PATH with an IPAM plugin `odd`, a shell script that also notes each call in /run/calls."""
    BIN.mkdir(exist_ok=True)
    path = BIN / "odd"
    path.write_text(f'#!/bin/sh\ncat >/dev/null\necho "$CNI_COMMAND" >>/run/calls\n{script}\n')
    path.chmod(0o755)
    return str(BIN)


def calls() -> list[str]:
    """The commands that the plugin was called with."""
    return Path("/run/calls").read_text().split()


ANSWERS = {
    "nothing": ("", 102),
    "garbage": ("echo garbage", 102),
    "half a document": ("echo '{\"ips\": ['", 102),
    "two documents": (f"echo '{GOOD}{GOOD}'", 102),
    "a list": ("echo '[]'", 6),
    "bad types": ("echo '{\"ips\": 7}'", 6),
    "a bad address": ('echo \'{"ips": [{"address": "10.1.2.300/24"}]}\'', 6),
    "no address": ("echo '{\"ips\": []}'", 7),
    "a loopback address": ('echo \'{"ips": [{"address": "127.0.0.5/8", "gateway": "127.0.0.1"}]}\'', 7),
    "no gateway": ('echo \'{"ips": [{"address": "10.1.2.2/24"}]}\'', 7),
    "itself as gateway": ('echo \'{"ips": [{"address": "10.1.2.2/24", "gateway": "10.1.2.2"}]}\'', 7),
    "an impossible route": (f'echo \'{GOOD[:-1]}, "routes": [{{"dst": "1.0.0.0/8", "table": -1}}]}}\'', 7),
    "an unreachable gateway": (
        f'echo \'{GOOD[:-1]}, "routes": [{{"dst": "1.0.0.0/8", "gw": "192.0.2.1"}}]}}\'',
        100,
    ),
    "too many routes": (
        f"printf '%s' '{GOOD[:-1]}, \"routes\": ['; yes '{{\"dst\":\"1.0.0.0/8\"}},' | head -1100;"
        ' echo \'{"dst":"1.0.0.0/8"}]}\'',
        7,
    ),
    "more than a mebibyte": ("head -c 2000000 /dev/zero", 102),
    "its own error": ('echo \'{"code": 42, "msg": "no more", "details": "full"}\'; exit 1', 42),
    "an error that is none": ("echo oops; exit 1", 102),
    "an exit status alone": ("exit 3", 102),
    "a crash": ("kill -SEGV $$", 102),
    "a crash after its answer": (f"echo '{GOOD}'; kill -ABRT $$", 102),
    "control characters": ("printf '\\033[2Jx' >&2; exit 1", 102),
}


@pytest.mark.parametrize("answer", list(ANSWERS))
def test_an_ipam_plugin_that_answers_badly_leaves_nothing_and_is_told_to_release(host: Host, answer: str) -> None:
    script, code = ANSWERS[answer]
    path = odd(f'if [ "$CNI_COMMAND" = ADD ]; then :; {script}\nfi')
    host.container()
    before = host.snapshot()
    error = host.plugin("ADD", DELEGATED, path=path).error(code)
    assert "\033" not in str(error)
    assert host.snapshot() == before
    assert calls() == ["ADD", "DEL"]


def test_what_it_could_not_release_is_told(host: Host) -> None:
    path = odd('echo \'{"code": 42, "msg": "I am \'$CNI_COMMAND\'"}\'; exit 1')
    host.container()
    error = host.plugin("ADD", DELEGATED, path=path).error(42)
    assert error["msg"] == "I am ADD" and "I am DEL" in error["details"]


def test_a_failing_release_does_not_keep_del_from_the_rest(host: Host) -> None:
    path = odd(f"[ \"$CNI_COMMAND\" = DEL ] && exit 1; echo '{GOOD}'")
    host.container()
    before = host.snapshot()
    host.plugin("ADD", DELEGATED, path=path).ok()
    host.plugin("DEL", DELEGATED, path=path).error(102)
    assert host.snapshot() == before


def has_open(pid: int, path: str) -> bool:
    """Whether the process has the file open."""
    found = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            found.append(os.readlink(fd))
    return path in found


@pytest.mark.parametrize("waiting_in", ["the IPAM plugin", "the lock"])
def test_sigterm_ends_a_waiting_add_at_once_and_it_undoes(host: Host, waiting_in: str) -> None:
    """A runtime that loses patience sends SIGTERM."""
    host.container()
    path = odd(f"[ \"$CNI_COMMAND\" = ADD ] && exec sleep 1000; echo '{GOOD}'")
    before = host.snapshot()
    env = host.environment("ADD", "c1", "/run/netns/c1", "eth0", path, "")
    stdin = json.dumps(DELEGATED).encode()
    pipe = subprocess.PIPE
    with subprocess.Popen([host.plugin_file], env=env, stdin=pipe, stdout=pipe, stderr=pipe) as hung:
        assert hung.stdin is not None
        hung.stdin.write(stdin)
        hung.stdin.close()
        hung.stdin = None
        until(Path("/run/calls").exists, "a call of the IPAM plugin")
        target = hung
        if waiting_in == "the lock":
            target = subprocess.Popen([host.plugin_file], env=env, stdin=pipe, stdout=pipe, stderr=pipe)
            assert target.stdin is not None
            target.stdin.write(stdin)
            target.stdin.close()
            target.stdin = None
            pid = target.pid
            until(lambda: has_open(pid, "/run/cni-ptp/lock"), "the second call at the lock")
        target.send_signal(signal.SIGTERM)
        out, err = target.communicate(timeout=60)
        assert (target.returncode, err) == (1, b"")
        # Had it waited to the end, for the plugin or for the lock, it would have said so.
        assert (json.loads(out)["code"], json.loads(out)["msg"]) == (11, "stopped by a signal")
        if target is not hung:
            assert hung.poll() is None
            hung.send_signal(signal.SIGTERM)
            hung.communicate(timeout=60)
    assert calls() == ["ADD", "DEL"]
    assert host.snapshot() == before


def test_a_read_only_proc_sys_that_is_as_it_must_be_is_no_failure(host: Host) -> None:
    host.container()
    host.plugin("ADD", conf("1.1.0", ["v4"])).ok()
    host.plugin("DEL", conf("1.1.0", ["v4"])).ok()
    before = host.snapshot()
    host.run("mount", "-o", "bind,ro", "/proc/sys", "/proc/sys")
    host.run("mount", "-o", "remount,bind,ro", "/proc/sys")
    try:
        error = host.plugin("ADD", EMBEDDED).error(100)
        assert "sysctl net/ipv6/conf/veth" in error["msg"] and "EROFS" in error["details"]
        assert host.snapshot() == before
    finally:
        host.run("umount", "/proc/sys")


@pytest.mark.parametrize("size", ["1", "3", "5", "6", "8"])
def test_a_full_disk_is_told_and_leaves_nothing(host: Host, size: str) -> None:
    """inodes: of the file system of the leases.  Too few, however few, is code 104; enough, and it works."""
    host.container()
    before = host.snapshot()
    Path("/var/lib/cni/networks").mkdir()
    host.run("mount", "-t", "tmpfs", "-o", f"nr_inodes={size}", "t", "/var/lib/cni/networks")
    reply = host.plugin("ADD", EMBEDDED)
    if reply.status:
        reply.error(104)
        assert host.snapshot() == before
    else:
        assert host.plugin("CHECK", {**EMBEDDED, "prevResult": reply.ok()}).ok() is None
        host.plugin("DEL", EMBEDDED).ok()
        assert host.snapshot() == before


def test_a_full_pipe_that_nobody_reads_is_an_error_and_all_is_taken_back(host: Host) -> None:
    host.container()
    before = host.snapshot()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, bytes(65536))
    except BlockingIOError:
        pass
    reply = host.plugin("ADD", EMBEDDED, stdout=writing)
    assert reply.status == 1
    os.close(reading)
    os.close(writing)
    assert host.snapshot() == before


def test_a_reader_that_is_gone_is_an_error_and_all_is_taken_back(host: Host) -> None:
    host.container()
    before = host.snapshot()
    reading, writing = os.pipe()
    os.close(reading)
    assert host.plugin("ADD", EMBEDDED, stdout=writing).status == 1
    os.close(writing)
    assert host.snapshot() == before


# A file of the state directory that somebody planted as a symbolic link; none may be followed.
PLANTED = ["mynet", "mynet/lock", "mynet/10.1.2.2", "mynet/last_reserved_ip.0"]


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_symbolic_link_is_not_followed(host: Host, planted: str) -> None:
    host.container()
    target = Path("/run/precious")
    target.write_text("precious")
    link = Path("/var/lib/cni/networks") / planted
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    configuration: dict[str, Any] = conf("1.1.0", ["v4"])
    reply = host.plugin("ADD", configuration)
    assert reply.status == 0 or reply.json["code"] == 104, reply.stdout
    host.plugin("DEL", configuration)
    host.plugin("GC", {**configuration, "cni.dev/valid-attachments": []})
    assert target.read_text() == "precious"
