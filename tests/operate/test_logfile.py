"""The log that "logFile" asks for: one line of JSON a call, and never the reason for anything."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.namespaces import Host, Reply

LOG = "/run/ptp.log"
SECRET = "hunter2"


def conf(**more: Any) -> dict[str, Any]:
    """A network with a log."""
    ipam = {"type": "host-local", "subnet": "10.1.2.0/24", "dataDir": "/var/lib/cni/networks"}
    return {"cniVersion": "1.1.0", "name": "mynet", "type": "ptp", "logFile": LOG, "ipam": ipam, **more}


def lines() -> list[dict[str, Any]]:
    """What the log says."""
    return [json.loads(line) for line in Path(LOG).read_text().splitlines()]


def documented() -> str:
    """What docs/security.md says of the log."""
    return (ROOT / "docs" / "security.md").read_text().split("\n## The log\n")[1].split("\n## ")[0]


def documented_steps() -> dict[str, list[str]]:
    """The steps of each verb."""
    rows = re.findall(r"^\| ([A-Z]+) \| (`.*`) \|$", documented(), re.MULTILINE)
    return {verb: re.findall(r"`([^`]+)`", steps) for verb, steps in rows}


def attached_and_detached(host: Host, configuration: dict[str, Any], **more: Any) -> list[Reply]:
    """ADD, CHECK, DEL, GC and STATUS of one attachment."""
    added = host.plugin("ADD", configuration, **more)
    with_result = {**configuration, "prevResult": added.ok()}
    replies = [added, host.plugin("CHECK", with_result, **more), host.plugin("DEL", with_result, **more)]
    listed = {**configuration, "cni.dev/valid-attachments": []}
    return [*replies, host.plugin("GC", listed, **more), host.plugin("STATUS", configuration, **more)]


def test_each_call_is_one_line_with_the_milliseconds_of_its_steps(host: Host) -> None:
    host.container()
    attached_and_detached(host, conf(ipMasq=True, antiSpoof=True))

    log = lines()

    assert [entry["command"] for entry in log] == ["ADD", "CHECK", "DEL", "GC", "STATUS"]
    assert {(e["code"], e["level"], e["network"]) for e in log} == {(0, "info", "mynet")}
    assert (log[0]["container"], log[0]["ifname"]) == ("c1", "eth0")
    assert {e["command"]: list(e["steps"]) for e in log if e["steps"]} == documented_steps()
    for entry in log:
        assert 0 <= sum(entry["steps"].values()) <= entry["ms"] + 0.01 < 10_000


def test_a_call_answers_the_same_with_a_log_and_without(host: Host) -> None:
    host.container()
    quiet = conf()
    del quiet["logFile"]
    without = attached_and_detached(host, quiet)
    assert not os.path.exists(LOG)
    os.unlink("/var/lib/cni/networks/mynet/last_reserved_ip.0")  # the same address again
    logged = attached_and_detached(host, conf(logLevel="debug"))
    assert [r.stdout for r in logged] == [r.stdout for r in without]
    assert {r.stderr for r in logged} == {b""}
    assert {"netns", "cniVersion", "pid", "cpu_ms", "plugin", "python"} <= set(lines()[0])


def test_a_line_has_the_keys_that_are_documented_and_no_other(host: Host) -> None:
    host.container()
    trace = {"TRACEPARENT": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    attached_and_detached(host, conf(logLevel="debug"), env=trace)
    host.plugin("ADD", conf(), netns="/run/netns/gone").error(8)
    host.plugin("ADD", conf(), ifname="lo").error(100)
    listed = documented().split("\n* ", 1)[1].split("\n| verb")[0]
    names = set(re.findall(r"`([a-zA-Z_]+)`", listed)) - {"TRACEPARENT", "debug"}
    assert {key for line in lines() for key in line} == names


def test_the_file_is_its_owners_alone_and_only_ever_grows(host: Host) -> None:
    host.container()
    before = os.umask(0)
    try:
        host.plugin("ADD", conf()).ok()
    finally:
        os.umask(before)
    assert os.stat(LOG).st_mode & 0o777 == 0o600
    first = Path(LOG).read_bytes()
    host.plugin("DEL", conf()).ok()
    assert Path(LOG).read_bytes().startswith(first)


def test_at_level_error_only_failures_are_logged(host: Host) -> None:
    host.container()
    host.plugin("ADD", conf(logLevel="error")).ok()
    assert not os.path.exists(LOG)
    host.plugin("ADD", conf(logLevel="error")).error(100)
    [entry] = lines()
    assert (entry["level"], entry["code"], list(entry["steps"])) == ("error", 100, ["failed step", "undo"])
    assert "already exists" in entry["msg"]


def test_the_trace_context_is_passed_on_if_it_is_one(host: Host) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    host.container()
    host.plugin("STATUS", conf(), env={"TRACEPARENT": trace}).ok()
    host.plugin("STATUS", conf(), env={"TRACEPARENT": SECRET}).ok()
    assert [entry.get("traceparent") for entry in lines()] == [trace, None]


@pytest.mark.parametrize("level", ["error", "info", "debug"])
def test_nothing_of_the_environment_the_arguments_or_the_configuration_is_logged(host: Host, level: str) -> None:
    host.container()
    configuration = conf(logLevel=level, key=SECRET, args={"cni": {"token": SECRET}}, dns={"domain": SECRET})
    more = {"args": f"IgnoreUnknown=1;TOKEN={SECRET}", "env": {"TOKEN": SECRET}}
    attached_and_detached(host, configuration, **more)
    host.plugin("ADD", configuration, args=f"TOKEN={SECRET}").error(4)
    host.plugin("ADD", {**configuration, "ipMasqBackend": SECRET}).error(7)
    host.plugin("ADD", {**configuration, "mtu": SECRET}).error(6)
    assert [entry["code"] for entry in lines()][-3:] == [4, 7, 6]
    assert SECRET not in Path(LOG).read_text()


@pytest.mark.parametrize("kind", ["directory", "symlink", "fifo", "device", "no directory", "full"])
def test_a_log_that_can_not_be_written_is_no_reason_to_fail(host: Host, kind: str) -> None:
    log = LOG
    if kind == "directory":
        os.mkdir(log)
    elif kind == "symlink":
        os.symlink("/run/elsewhere", log)
    elif kind == "fifo":
        os.mkfifo(log)
    elif kind == "device":
        Path(log).touch()
        host.run("mount", "--bind", "/dev/null", log)
    elif kind == "no directory":
        log = "/run/not/there"
    else:
        os.mkdir("/run/full")
        host.run("mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", "/run/full")
        Path("/run/full/filler").write_bytes(b"x" * 4096)
        log = "/run/full/log"
    host.container()
    replies = attached_and_detached(host, conf(logFile=log))
    assert {r.stderr for r in replies} == {b""}
    assert [r.status for r in replies] == [0, 0, 0, 0, 0]
    assert not os.path.exists("/run/elsewhere")
    if kind == "device":
        host.run("umount", log)
    if kind == "full":
        host.run("umount", "/run/full")


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"logFile": 1}, 6),
        ({"logLevel": ["info"]}, 6),
        ({"logFile": "ptp.log"}, 7),
        ({"logFile": "/run/"}, 7),
        ({"logFile": "/run/a\0b"}, 7),
        ({"logLevel": "loud"}, 7),
    ],
)
def test_a_wrong_key_is_refused_before_anything_is_done_but_never_hinders_a_detach(
    host: Host, keys: dict[str, Any], code: int
) -> None:
    host.container()
    host.plugin("ADD", conf()).ok()
    attached = host.snapshot()
    host.plugin("ADD", conf(**keys), ifname="eth1").error(code)
    assert host.snapshot() == attached
    host.plugin("DEL", conf(**keys)).ok()
    assert host.ip("link", "show", "type", "veth") == []


def test_names_that_are_no_utf8_do_not_break_the_line(host: Host) -> None:
    host.container()
    host.plugin("STATUS", conf(), ifname="e\udcff0")
    [entry] = lines()
    assert ascii(entry["ifname"]) == ascii("e\udcff0")
