"""Nothing is left behind whatever system call fails, and wherever the plugin is killed.

The whole sweep is `make faults`; here every other point or fewer, each with one errno, or one signal.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import conf
from tests.faults.sweep import ERRNOS, SHORT, Call, Point, answer_of, difference, judged
from tests.namespaces import REFERENCE, Host

DUAL = ["v4", "v6"]
LIMITS = {"ingressRate": 8_000_000, "ingressBurst": 800_000, "egressRate": 8_000_000, "egressBurst": 800_000}
PORTS = [{"hostPort": port, "containerPort": 80, "protocol": name} for port in (53, 80) for name in ("tcp", "udp")]
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "plain": conf("1.0.0", ["v4"]),
    "nftables": conf("1.0.0", DUAL, ipMasq=True),
    "guarded": conf("1.0.0", DUAL, antiSpoof=True),
    "iptables": conf("1.0.0", ["v4"], ipMasq=True, ipMasqBackend="iptables"),
    "delegated": conf("1.0.0", ["v4"], embeddedIPAM=False),
    "no nameless file": conf("1.0.0", ["v4"]),
    "mapped ports": {**conf("1.0.0", DUAL), "runtimeConfig": {"portMappings": PORTS}},
    "limited": {**conf("1.0.0", ["v4"]), "runtimeConfig": {"bandwidth": LIMITS}},
}
WHOLE = os.environ.get("CNI_PTP_FAULTS") == "all"
PARTS = 4
STRIDE = {
    "plain": 2,
    "nftables": 2,
    "guarded": 6,
    "iptables": 3,
    "delegated": 4,
    "no nameless file": 4,
    "mapped ports": 8,
    "limited": 6,
}
NAMESPACES = ("/run/netns/c1", "", "/run/netns/gone")
FIGURES = os.environ.get("CNI_PTP_FIGURES")  # a file that takes a line for each test: what was injected, how often


def ready(host: Host, name: str) -> Call:
    """A host on which the plugin has run before, so that directories, tables and base chains are there."""
    if name == "delegated" and not (REFERENCE / "host-local").exists():
        pytest.skip(f"needs host-local in {REFERENCE} (Debian: containernetworking-plugins)")
    host.container()
    no_tmpfile = "EOPNOTSUPP" if name == "no nameless file" else ""
    call = Call(host, CONFIGURATIONS[name], str(REFERENCE) if name == "delegated" else "", no_tmpfile)
    assert call.run("ADD").returncode == 0
    assert call.run("DEL").returncode == 0
    return call


def some(points: list[Point], name: str, part: int, further: int = 1) -> list[Point]:
    """The points of one part of the sweep."""
    return points[part::PARTS] if WHOLE else points[part :: PARTS * STRIDE[name] * further]


def faults_at(point: Point) -> list[str]:
    """What is injected there, as strace wants it; in the short sweep the first only."""
    faults = [f"error={errno}" for errno in ERRNOS[point.name]]
    if point.name in SHORT:
        faults.append("retval=0")
    return faults if WHOLE else faults[:1]


def note(what: str, name: str, points: int, injected: int) -> None:
    """Figures for docs/reliability.md."""
    if FIGURES:
        with Path(FIGURES).open("a", encoding="ascii") as file:
            file.write(f"{what}\t{name}\t{points}\t{injected}\n")


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", list(CONFIGURATIONS))
def test_an_add_that_is_refused_a_system_call_leaves_nothing(host: Host, name: str, part: int) -> None:
    call = ready(host, name)
    before = host.snapshot()
    points = call.points("ADD")
    call.run("DEL")
    failures, injected = [], 0
    for point in some(points, name, part):
        for fault in faults_at(point):
            injected += 1
            words = judged(call, call.run("ADD", f"{point.name}:{fault}:when={point.when}"), before)
            if words:
                failures.append(f"{point} {fault}: {words}")
                call.run("DEL")
    note("ADD error", name, len(some(points, name, part)), injected)
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", list(CONFIGURATIONS))
def test_an_add_that_is_killed_is_cleaned_up_by_one_del(host: Host, name: str, part: int) -> None:
    call = ready(host, name)
    before = host.snapshot()
    points = call.points("ADD")
    call.run("DEL")
    failures, injected = [], 0
    for i, point in enumerate(some(points, name, part)):
        for netns in NAMESPACES if WHOLE else [NAMESPACES[i % 3]]:
            injected += 1
            done = call.run("ADD", f"{point.name}:signal=KILL:when={point.when}")
            deleted = call.run("DEL", netns=netns)
            if deleted.returncode or host.snapshot() != before:
                left = difference(before, host.snapshot())
                failures.append(f"{point} ({done.returncode}), DEL {netns!r}: {deleted.stdout.decode()} {left}")
                call.run("DEL")
    note("ADD KILL", name, len(some(points, name, part)), injected)
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", list(CONFIGURATIONS))
def test_an_add_that_is_told_to_stop_undoes_and_says_so(host: Host, name: str, part: int) -> None:
    call = ready(host, name)
    before = host.snapshot()
    points = call.points("ADD")
    call.run("DEL")
    failures = []
    for point in some(points, name, part):
        words = judged(call, call.run("ADD", f"{point.name}:signal=TERM:when={point.when}"), before)
        if words:
            failures.append(f"{point}: {words}")
            call.run("DEL")
    note("ADD TERM", name, len(some(points, name, part)), len(some(points, name, part)))
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("fault", ["error", "KILL", "TERM"])
@pytest.mark.parametrize("name", list(CONFIGURATIONS))
def test_after_a_del_with_a_fault_another_del_finishes_it(host: Host, name: str, fault: str, part: int) -> None:
    call = ready(host, name)
    before = host.snapshot()
    call.run("ADD")
    points = call.points("DEL")
    failures, injected = [], 0
    for point in some(points, name, part, 3):
        for what in faults_at(point) if fault == "error" else [f"signal={fault}"]:
            injected += 1
            assert call.run("ADD").returncode == 0
            done = call.run("DEL", f"{point.name}:{what}:when={point.when}")
            words = "" if fault == "KILL" else answer_of(done)
            if done.returncode == 0 and host.snapshot() != before:
                words += f"succeeded, and left {difference(before, host.snapshot())}"
            again = call.run("DEL")
            if words or again.returncode or host.snapshot() != before:
                left = difference(before, host.snapshot())
                failures.append(f"{point} {what}: {words} {done.stdout.decode()[:300]}, {again.stdout.decode()} {left}")
                call.run("DEL")
    note(f"DEL {fault}", name, len(some(points, name, part, 3)), injected)
    assert not failures, "\n".join(failures)
