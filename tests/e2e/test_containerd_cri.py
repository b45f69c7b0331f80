"""containerd's CRI plugin, as kubelet uses it."""

from __future__ import annotations

import pytest

from tests.e2e.containerd import Containerd
from tests.e2e.cri import Cri
from tests.e2e.machine import UPLINK6, Machine, wait_for
from tests.e2e.network import CONFLIST, OTHERS, PORTMAP, TRACES, VERSIONS, conflist
from tests.e2e.reach import addresses, expect_outside_sees_the_host, expect_reaches, qdisc_kinds


def serve(machine: Machine, image: bytes, network: str) -> tuple[Containerd, Cri]:
    """containerd with this network, ready for pods."""
    machine.write(CONFLIST, network)
    containerd, cri = Containerd(machine, image), Cri(machine)
    wait_for("the network is ready", cri.network_ready)
    return containerd, cri


@pytest.mark.parametrize("version", VERSIONS)
def test_pods_reach_each_other_and_the_outside_and_leave_nothing(machine: Machine, image: bytes, version: str) -> None:
    _, cri = serve(machine, image, conflist(version, PORTMAP))
    a, b = cri.pod("a"), cri.pod("b", host_port=8080)

    assert a.reported_addresses() == addresses(machine, a)
    expect_reaches(machine, a, b)
    expect_reaches(machine, b, a)
    expect_outside_sees_the_host(machine, a)
    assert machine.get_from_outside(8080) == "b"
    assert machine.get_from_outside(8080, f"[{UPLINK6}]") == "b"
    assert machine.traces(addresses(machine, a)[0]) != ""

    a.end()
    expect_outside_sees_the_host(machine, b)
    b.end()
    assert machine.traces(*TRACES, "/run/netns/cni-") == ""


def test_a_chain_with_portmap_bandwidth_tuning_and_firewall_works_and_leaves_nothing(
    machine: Machine, image: bytes
) -> None:
    _, cri = serve(machine, image, conflist("1.0.0", *OTHERS))
    a, b = cri.pod("a", host_port=8080), cri.pod("b")

    expect_reaches(machine, b, a)
    expect_outside_sees_the_host(machine, a)
    assert machine.get_from_outside(8080) == "a"
    assert "mtu 1400" in a.exec("ip", "link", "show", "dev", "eth0")
    assert "tbf" in qdisc_kinds(machine)

    a.end()
    b.end()
    assert machine.traces(*TRACES) == ""
    assert "tbf" not in qdisc_kinds(machine)


def test_a_pod_may_be_stopped_twice_and_removed(machine: Machine, image: bytes) -> None:
    _, cri = serve(machine, image, conflist("1.0.0"))
    a = cri.pod("a")

    a.stop()
    a.stop()
    a.remove()

    assert machine.traces(*TRACES) == ""


def test_a_restart_of_containerd_leaves_pods_on_the_network(machine: Machine, image: bytes) -> None:
    containerd, cri = serve(machine, image, conflist("1.0.0", PORTMAP))
    a = cri.pod("a", host_port=8080)

    containerd.restart()
    wait_for("the network is ready", cri.network_ready)

    expect_outside_sees_the_host(machine, a)
    assert machine.get_from_outside(8080) == "a"
    b = cri.pod("b")
    expect_reaches(machine, b, a)
    a.end()
    b.end()
    assert machine.traces(*TRACES) == ""


def test_a_pod_whose_network_namespace_vanished_is_removed_with_all_it_had(machine: Machine, image: bytes) -> None:
    _, cri = serve(machine, image, conflist("1.0.0"))
    a = cri.pod("a")

    machine.run("sh", "-c", "for ns in /run/netns/cni-*; do umount $ns; rm $ns; done")
    a.end()

    assert machine.traces(*TRACES) == ""
