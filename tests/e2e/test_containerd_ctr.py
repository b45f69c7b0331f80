"""containerd's own client: `ctr run --cni`."""

from __future__ import annotations

import pytest

from tests.e2e.containerd import Container, Containerd
from tests.e2e.machine import Machine
from tests.e2e.network import CONFLIST, OTHERS, TRACES, VERSIONS, conflist
from tests.e2e.reach import addresses, expect_outside_sees_the_host, expect_reaches, qdisc_kinds


@pytest.mark.parametrize("version", VERSIONS)
def test_containers_reach_each_other_and_the_outside_and_leave_nothing(
    machine: Machine, image: bytes, version: str
) -> None:
    machine.write(CONFLIST, conflist(version))
    containerd = Containerd(machine, image)
    a, b = Container(containerd, "a"), Container(containerd, "b")

    expect_reaches(machine, a, b)
    expect_reaches(machine, b, a)
    expect_outside_sees_the_host(machine, a)
    assert machine.traces(addresses(machine, a)[0]) != ""

    a.end()
    expect_outside_sees_the_host(machine, b)
    b.end()
    assert machine.traces(*TRACES) == ""


def test_a_chain_with_bandwidth_tuning_and_firewall_works_and_leaves_nothing(machine: Machine, image: bytes) -> None:
    machine.write(CONFLIST, conflist("1.0.0", *OTHERS))
    containerd = Containerd(machine, image)
    a, b = Container(containerd, "a"), Container(containerd, "b")

    expect_reaches(machine, a, b)
    expect_outside_sees_the_host(machine, a)
    assert "mtu 1400" in a.exec("/bin/ip", "link", "show", "dev", "eth0")
    assert a.exec("/bin/cat", "/proc/sys/net/ipv4/conf/eth0/log_martians").strip() == "1"
    assert "tbf" in qdisc_kinds(machine)

    a.end()
    b.end()
    assert machine.traces(*TRACES) == ""
    assert "tbf" not in qdisc_kinds(machine)


def test_a_restart_of_containerd_leaves_containers_on_the_network(machine: Machine, image: bytes) -> None:
    machine.write(CONFLIST, conflist("1.0.0"))
    containerd = Containerd(machine, image)
    # Detached: a waiting ctr loses its connection, and calls DEL for the container that goes on.
    a = Container(containerd, "a", detached=True)

    containerd.restart()
    expect_outside_sees_the_host(machine, a)
    b = Container(containerd, "b")
    expect_reaches(machine, b, a)
    assert addresses(machine, a) != addresses(machine, b)
