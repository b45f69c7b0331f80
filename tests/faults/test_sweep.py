"""Nothing is left behind whatever system call fails, and wherever the plugin is killed.

The whole sweep is `make faults`; here every system call has one errno, or one signal.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.contract.test_attach import conf
from tests.faults.sweep import ERRNOS, Call, answer_of, difference, judged
from tests.namespaces import Host

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "plain": conf("1.0.0", ["v4"]),
    "nftables": conf("1.0.0", ["v4", "v6"], ipMasq=True),
    "iptables": conf("1.0.0", ["v4"], ipMasq=True, ipMasqBackend="iptables"),
}
WHOLE = os.environ.get("CNI_PTP_FAULTS") == "all"
PARTS = 4
STRIDE = 1 if WHOLE else 2  # the short sweep takes every other point, another half for each kind of fault


def ready(host: Host, backend: str) -> Call:
    """A host on which the plugin has run before, so that directories, tables and base chains are there."""
    host.container()
    call = Call(host, CONFIGURATIONS[backend])
    assert call.run("ADD").returncode == 0
    assert call.run("DEL").returncode == 0
    return call


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("backend", list(CONFIGURATIONS))
def test_an_add_that_is_refused_a_system_call_leaves_nothing(host: Host, backend: str, part: int) -> None:
    call = ready(host, backend)
    before = host.snapshot()
    points = call.points("ADD")
    call.run("DEL")
    failures = []
    for point in points[part :: PARTS * STRIDE]:
        for errno in ERRNOS[point.name] if WHOLE else ERRNOS[point.name][:1]:
            done = call.run("ADD", f"{point.name}:error={errno}:when={point.when}")
            words = judged(call, done, before)
            if words:
                failures.append(f"{point} {errno}: {words}")
                call.run("DEL")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("backend", list(CONFIGURATIONS))
def test_an_add_that_is_killed_is_cleaned_up_by_one_del(host: Host, backend: str, part: int) -> None:
    call = ready(host, backend)
    before = host.snapshot()
    points = call.points("ADD")
    call.run("DEL")
    failures = []
    for i, point in enumerate(points[part :: PARTS * STRIDE]):
        done = call.run("ADD", f"{point.name}:signal=KILL:when={point.when}")
        netns = ("/run/netns/c1", "", "/run/netns/gone")[i % 3]
        deleted = call.run("DEL", netns=netns)
        if deleted.returncode or host.snapshot() != before:
            left = difference(before, host.snapshot())
            failures.append(f"{point} ({done.returncode}), DEL {netns!r}: {deleted.stdout.decode()} {left}")
            call.run("DEL")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("backend", ["nftables"])
def test_an_add_that_is_told_to_stop_undoes_and_says_so(host: Host, backend: str, part: int) -> None:
    call = ready(host, backend)
    before = host.snapshot()
    points = call.points("ADD")
    call.run("DEL")
    failures = []
    for point in points[part :: PARTS * STRIDE]:
        done = call.run("ADD", f"{point.name}:signal=TERM:when={point.when}")
        words = judged(call, done, before)
        if words:
            failures.append(f"{point}: {words}")
            call.run("DEL")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("fault", ["error", "KILL"])
@pytest.mark.parametrize("backend", list(CONFIGURATIONS))
def test_after_a_del_with_a_fault_another_del_finishes_it(host: Host, backend: str, fault: str, part: int) -> None:
    call = ready(host, backend)
    before = host.snapshot()
    call.run("ADD")
    points = call.points("DEL")
    failures = []
    for point in points[part :: PARTS * STRIDE * (1 if WHOLE else 2)]:
        assert call.run("ADD").returncode == 0
        what = f"error={ERRNOS[point.name][0]}" if fault == "error" else "signal=KILL"
        done = call.run("DEL", f"{point.name}:{what}:when={point.when}")
        words = answer_of(done) if fault == "error" else ""
        again = call.run("DEL")
        if words or again.returncode or host.snapshot() != before:
            left = difference(before, host.snapshot())
            failures.append(f"{point}: {words} {done.stdout.decode()[:300]} then {again.stdout.decode()[:300]} {left}")
            call.run("DEL")
    assert not failures, "\n".join(failures)
