"""The iptables backend in both flavours, by itself and in turns with the Go plugin."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.contract.traffic import listening, seen_source
from tests.masquerade.network import base_chains, masq, outside, traced
from tests.namespaces import Host

GO = Path("/usr/lib/cni")


@pytest.fixture
def flavour(iptables_flavour: str, host: Host) -> str:
    """Which kernel interface the host's iptables works on; its base chains are there."""
    base_chains(host)
    return iptables_flavour


def rules(host: Host) -> str:
    """The nat tables, without what changes by itself."""
    saved = [host.run(f"ip{six}tables-save", "-t", "nat").stdout for six in ("", "6")]
    return "".join(line + "\n" for text in saved for line in text.splitlines() if line.startswith(("-A", ":CNI")))


def two_subnets(backend: str = "iptables") -> dict[str, Any]:
    configuration = masq(backend, ("v4",))
    configuration["ipam"]["ranges"] = [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.9.9.0/24"}]]
    return configuration


def test_add_and_del_are_one_process_a_family_at_most(host: Host, flavour: str) -> None:
    host.container()
    configuration = masq("iptables")
    added = traced(host, "ADD", configuration)[1:]
    assert [p.rpartition("/")[2] for p in added] == ["iptables-restore", "ip6tables-restore"]
    deleted = traced(host, "DEL", configuration, netns="")[1:]
    expected = {"nft": [], "legacy": ["iptables-legacy-restore", "ip6tables-legacy-restore"]}
    assert [p.rpartition("/")[2] for p in deleted] == expected[flavour]
    assert rules(host) == ""


def test_the_rules_are_the_go_plugins(host: Host, flavour: str) -> None:
    host.container()
    host.plugin("ADD", masq("iptables")).ok()
    ours = rules(host)
    host.plugin("DEL", masq("iptables")).ok()
    host.container("c1b")
    host.plugin("ADD", masq(), exe=GO / "ptp", path=str(GO), netns="/run/netns/c1b").ok()
    # The next address of each subnet.
    assert ours == rules(host).replace("10.1.2.3/32", "10.1.2.2/32").replace("::3/128", "::2/128")


def test_the_go_plugin_removes_what_we_made(host: Host, flavour: str) -> None:
    host.container()
    result = host.plugin("ADD", masq("iptables")).ok()
    previous = {**masq("iptables"), "prevResult": result}
    host.plugin("DEL", previous, exe=GO / "ptp", path=str(GO)).ok()
    assert rules(host) == ""


@pytest.mark.parametrize("backend", ["", "iptables"])
def test_we_remove_what_the_go_plugin_made(host: Host, flavour: str, backend: str) -> None:
    host.container()
    host.plugin("ADD", masq(), exe=GO / "ptp", path=str(GO)).ok()
    assert rules(host).count("MASQUERADE") == 2
    host.plugin("DEL", masq(backend), netns="").ok()
    assert rules(host) == ""


def test_both_subnets_of_a_container_are_spared(host: Host, flavour: str) -> None:
    """In the reference's chain the second subnet's ACCEPT stands behind the MASQUERADE, and is dead."""
    host.container()
    host.plugin("ADD", two_subnets()).ok()
    chain = [line for line in rules(host).splitlines() if line.startswith("-A CNI-")]
    assert ["ACCEPT" in line for line in chain] == [True, True, False]


def test_two_interfaces_with_different_subnets_share_the_chain_and_leave_it_one_by_one(
    host: Host, flavour: str
) -> None:
    out, container = outside(host), host.container()
    second = masq("iptables", ("v4",))
    second["ipam"]["ranges"] = [[{"subnet": "10.9.9.0/24"}]]
    host.plugin("ADD", masq("iptables", ("v4",))).ok()
    host.plugin("ADD", second, ifname="eth1").ok()
    chain = [line for line in rules(host).splitlines() if line.startswith("-A CNI-")]
    assert ["ACCEPT" in line for line in chain] == [True, True, False]
    host.plugin("DEL", masq("iptables", ("v4",)), netns="").ok()
    container.run("ip", "route", "replace", "default", "via", "10.9.9.1", "dev", "eth1")
    with listening(out, "192.0.2.2") as port:
        assert seen_source(container, "192.0.2.2", port) == "192.0.2.1"
    host.plugin("DEL", second, ifname="eth1", netns="").ok()
    assert rules(host) == ""


def test_del_succeeds_when_the_chain_is_gone(host: Host, flavour: str) -> None:
    host.container()
    host.plugin("ADD", masq("iptables")).ok()
    for program in ("iptables", "ip6tables"):
        host.run(program, "-t", "nat", "-F")
        host.run(program, "-t", "nat", "-X")
    assert host.plugin("DEL", masq("iptables"), netns="").ok() is None


def test_check_names_what_is_missing(host: Host, flavour: str) -> None:
    host.container()
    result = host.plugin("ADD", masq("iptables")).ok()
    checked = {**masq("iptables"), "prevResult": result}
    assert host.plugin("CHECK", checked).ok() is None
    host.run("iptables", "-t", "nat", "-F", "POSTROUTING")
    assert "10.1.2.2" in host.plugin("CHECK", checked).error(105)["details"]


def test_gc_removes_the_chains_of_containers_that_are_gone(host: Host, flavour: str) -> None:
    for name in ("c1", "c2"):
        host.container(name)
        host.plugin("ADD", masq(), exe=GO / "ptp", path=str(GO), container=name, netns=f"/run/netns/{name}").ok()
    other = {**masq(), "name": "other"}
    other["ipam"]["ranges"] = [[{"subnet": "10.7.0.0/24"}]]
    host.container("o1")
    host.plugin("ADD", other, exe=GO / "ptp", path=str(GO), container="o1", netns="/run/netns/o1").ok()
    valid = [{"containerID": "c2", "ifname": "eth0"}]
    host.plugin("GC", {**masq(), "cniVersion": "1.1.0", "cni.dev/valid-attachments": valid}).ok()
    owners = set(re.findall(r'name: \\"(\w+)\\" id: \\"(\w+)\\"', rules(host)))
    assert owners == {("mynet", "c2"), ("other", "o1")}


def test_a_failure_in_the_second_family_takes_back_the_first(host: Host, flavour: str) -> None:
    host.container()
    os.unlink("/run/alternatives/ip6tables-restore")
    before = host.snapshot()
    error = host.plugin("ADD", masq("iptables")).error(101)
    assert "ip6tables-restore" in error["msg"]
    assert rules(host) == "" and host.snapshot() == before
