"""podman with its CNI backend."""

from __future__ import annotations

import pytest

from tests.e2e.machine import UPLINK6, Machine
from tests.e2e.network import CONFLIST, OTHERS, PORTMAP, TRACES, VERSIONS, conflist
from tests.e2e.podman import Podman
from tests.e2e.reach import addresses, expect_outside_sees_the_host, expect_reaches, qdisc_kinds


@pytest.mark.parametrize("version", VERSIONS)
def test_containers_reach_each_other_and_the_outside_and_leave_nothing(
    machine: Machine, image: bytes, version: str
) -> None:
    machine.write(CONFLIST, conflist(version, PORTMAP))
    podman = Podman(machine, image)
    a, b = podman.container("a"), podman.container("b", "-p", "8080:80")

    expect_reaches(machine, a, b)
    expect_reaches(machine, b, a)
    expect_outside_sees_the_host(machine, a)
    assert machine.get_from_outside(8080) == "b"
    assert machine.get_from_outside(8080, f"[{UPLINK6}]") == "b"
    assert machine.traces(addresses(machine, a)[0]) != ""

    a.end()
    expect_outside_sees_the_host(machine, b)
    b.end()
    assert machine.traces(*TRACES) == ""


def test_a_chain_with_portmap_bandwidth_tuning_and_firewall_works_and_leaves_nothing(
    machine: Machine, image: bytes
) -> None:
    machine.write(CONFLIST, conflist("1.0.0", *OTHERS))
    podman = Podman(machine, image)
    a, b = podman.container("a", "-p", "8080:80"), podman.container("b")

    expect_reaches(machine, b, a)
    expect_outside_sees_the_host(machine, a)
    assert machine.get_from_outside(8080) == "a"
    assert "mtu 1400" in a.exec("ip", "link", "show", "dev", "eth0")
    assert "tbf" in qdisc_kinds(machine)

    a.end()
    b.end()
    assert machine.traces(*TRACES) == ""
    assert "tbf" not in qdisc_kinds(machine)


def test_network_reload_keeps_addresses_mac_and_published_port(machine: Machine, image: bytes) -> None:
    machine.write(CONFLIST, conflist("1.0.0", PORTMAP))
    podman = Podman(machine, image)
    a = podman.container("a", "-p", "8080:80")
    before = addresses(machine, a)
    mac = a.exec("cat", "/sys/class/net/eth0/address")

    machine.run("nft", "flush", "ruleset")  # what reload is for: somebody threw the rules away
    podman("network", "reload", "a")

    assert addresses(machine, a) == before
    assert a.exec("cat", "/sys/class/net/eth0/address") == mac
    expect_outside_sees_the_host(machine, a)
    assert machine.get_from_outside(8080) == "a"
    a.end()
    assert machine.traces(*TRACES) == ""


def test_a_restarted_container_is_on_the_network_again(machine: Machine, image: bytes) -> None:
    machine.write(CONFLIST, conflist("1.0.0", PORTMAP))
    podman = Podman(machine, image)
    a, b = podman.container("a", "-p", "8080:80"), podman.container("b")

    podman("restart", "-t", "0", "a")

    expect_reaches(machine, b, a)
    expect_outside_sees_the_host(machine, a)
    assert machine.get_from_outside(8080) == "a"


def test_a_container_gets_the_address_and_mac_it_asks_for(machine: Machine, image: bytes) -> None:
    machine.write(CONFLIST, conflist("1.0.0"))
    podman = Podman(machine, image)

    a = podman.container("a", "--ip", "10.88.77.99", "--mac-address", "02:00:00:00:be:ef")

    assert addresses(machine, a)[0] == "10.88.77.99"
    assert a.exec("cat", "/sys/class/net/eth0/address").strip() == "02:00:00:00:be:ef"
    expect_outside_sees_the_host(machine, a)
    a.end()
    assert machine.traces(*TRACES) == ""
