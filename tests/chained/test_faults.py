"""A fault at each system call of the plugins of a chain: nothing is left, or one DEL cleans it up.

The whole sweep is `make faults`; here every third point.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from cni_ptp import CHAINED_ROLES
from tests.chained.calls import ASKED, as_role, attached, chained, everything
from tests.faults.sweep import ERRNOS, Call, Point, answer_of
from tests.namespaces import Host

PARTS = 2
STRIDE = 1 if os.environ.get("CNI_PTP_FAULTS") == "all" else 3


def ready(host: Host, role: str) -> tuple[Call, Any, list[Point]]:
    """A call, what the host and the container are like without it, and the points of its ADD."""
    host.container()
    conf = chained(role, attached(host, families=("v4",)), **ASKED[role])
    call = Call(host, conf, exe=as_role(host, role))
    assert call.run("ADD").returncode == 0 and call.run("DEL").returncode == 0
    before = everything(host)
    points = call.points("ADD")
    assert call.run("DEL").returncode == 0
    return call, before, points


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("role", CHAINED_ROLES)
def test_an_add_that_is_refused_a_system_call_leaves_nothing(host: Host, role: str, part: int) -> None:
    call, before, points = ready(host, role)
    failures = []
    for point in points[part :: PARTS * STRIDE]:
        fault = ERRNOS[point.name][0]
        done = call.run("ADD", f"{point.name}:error={fault}:when={point.when}")
        words = answer_of(done) if done.returncode else ""
        if done.returncode and everything(host) != before:
            words += f"left {everything(host)}"
        if words:
            failures.append(f"{point} {fault}: {words} {done.stdout.decode()[:300]}")
        call.run("DEL")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("role", CHAINED_ROLES)
@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_one_del_cleans_up_after_an_add_that_got_a_signal(host: Host, role: str, signal: str, part: int) -> None:
    call, before, points = ready(host, role)
    failures = []
    for point in points[part :: PARTS * STRIDE]:
        done = call.run("ADD", f"{point.name}:signal={signal}:when={point.when}")
        if signal == "TERM" and done.returncode > 0 and everything(host) != before:
            failures.append(f"{point}: {done.stdout.decode()[:300]} left {everything(host)}")
        deleted = call.run("DEL")
        if deleted.returncode or everything(host) != before:
            failures.append(f"{point} ({done.returncode}): {deleted.stdout.decode()} left {everything(host)}")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("role", CHAINED_ROLES)
@pytest.mark.parametrize("fault", ["error", "signal=KILL", "signal=TERM"])
def test_after_a_del_with_a_fault_another_del_finishes_it(host: Host, role: str, fault: str) -> None:
    call, before, _ = ready(host, role)
    assert call.run("ADD").returncode == 0
    failures = []
    for point in call.points("DEL")[::STRIDE]:
        if point.name == "ioctl":
            continue  # refused, it means that the path leads to no namespace: then nothing can be put back
        what = f"error={ERRNOS[point.name][0]}" if fault == "error" else fault
        assert call.run("ADD").returncode == 0
        done = call.run("DEL", f"{point.name}:{what}:when={point.when}")
        again = call.run("DEL")
        if again.returncode or everything(host) != before:
            words = json.dumps([done.stdout.decode()[:300], again.stdout.decode()[:300]])
            failures.append(f"{point} {what}: {words} left {everything(host)}")
    assert not failures, "\n".join(failures)
