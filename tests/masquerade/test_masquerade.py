"""Masquerading on a real kernel: who is seen outside, what is left, and what other plugins left."""

from __future__ import annotations

import concurrent.futures
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from cni_ptp.cni.attachment import Attachment
from cni_ptp.firewall import nft_add, nft_del, nft_socket
from cni_ptp.firewall.nft_table import INET, SPLIT
from tests.bounds import until
from tests.configurations import conf
from tests.contract.traffic import listening, seen_source
from tests.masquerade.network import GO_NFTABLES, OUTSIDE, RULESET, Counted, base_chains, masq, outside, traced
from tests.namespaces import Host, entered

GO = Path("/usr/lib/cni")
BACKENDS = ["", "nftables", "iptables"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_beyond_the_host_the_hosts_address_is_seen_and_in_the_own_subnet_the_containers(
    host: Host, backend: str
) -> None:
    out, c1, c2 = outside(host), host.container("c1"), host.container("c2")
    host.plugin("ADD", masq(backend), container="c1").ok()
    result = host.plugin("ADD", masq(backend), container="c2", netns=c2.path).ok()
    for near, far in OUTSIDE.values():
        with listening(out, far) as port:
            assert seen_source(c1, far, port) == near
    for ip in result["ips"]:
        address = ip["address"].split("/")[0]
        with listening(c2, address) as port:
            assert seen_source(c1, address, port) == address[:-1] + "2"


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_masquerading_the_outside_sees_the_containers_address(host: Host, backend: str) -> None:
    """Which it cannot answer to: the first ADD left nothing that masquerades."""
    out, container = outside(host), host.container("c1")
    result = host.plugin("ADD", masq(backend)).ok()
    host.plugin("DEL", masq(backend)).ok()
    assert result["ips"]
    (ip,) = host.plugin("ADD", conf("1.0.0", ["v4"])).ok()["ips"]
    with entered(out.path), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("192.0.2.2", 0))
        receiver.settimeout(60)
        with entered(container.path), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", receiver.getsockname())
        assert receiver.recvfrom(10)[1][0] == ip["address"].split("/")[0]


def test_no_program_is_executed(host: Host) -> None:
    host.container()
    for command in ("ADD", "DEL"):
        trace = traced(host, command, masq())
        assert len(trace) == 1, trace


@pytest.mark.parametrize("families", [("v4",), ("v4", "v6")])
def test_iptables_is_one_process_a_family_for_add_and_none_for_del(host: Host, families: tuple[str, ...]) -> None:
    base_chains(host)
    host.container()
    programs = traced(host, "ADD", masq("iptables", families))[1:]
    assert [p.rpartition("/")[2] for p in programs] == [f"ip{'6' if f == 'v6' else ''}tables-restore" for f in families]
    assert traced(host, "DEL", masq("iptables", families), netns="")[1:] == []
    assert "CNI-" not in host.run("iptables-save", "-t", "nat").stdout


RUNTIMES: dict[str, list[dict[str, Any]]] = {
    "ctr 1.6: DEL without a namespace": [{"netns": ""}],
    "ctr 2.3: DEL twice": [{"netns": ""}, {"netns": ""}],
    "CRI: DEL, then DEL without a namespace": [{}, {"netns": ""}],
    "DEL after ipMasq was turned off": [{"netns": "", "ipMasq": False}],
    "DEL after the backend was changed": [{"netns": "", "ipMasqBackend": "nftables"}],
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("runtime", list(RUNTIMES))
@pytest.mark.parametrize("with_result", [True, False])
def test_the_way_runtimes_call_it_leaves_nothing(host: Host, runtime: str, backend: str, with_result: bool) -> None:
    base_chains(host)
    host.container()
    before = host.snapshot()
    result = host.plugin("ADD", masq(backend)).ok()
    for call in RUNTIMES[runtime]:
        where = {"netns": call["netns"]} if "netns" in call else {}
        changed = {k: v for k, v in call.items() if k != "netns"}
        previous = {"prevResult": result} if with_result else {}
        assert host.plugin("DEL", {**masq(backend), **previous, **changed}, **where).ok() is None
    assert host.snapshot() == before


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_network_reload_keeps_address_and_mac_and_leaves_nothing(host: Host, backend: str) -> None:
    base_chains(host)
    host.container()
    before = host.snapshot()
    first = host.plugin("ADD", masq(backend)).ok()
    mac = first["interfaces"][1]["mac"]
    host.plugin("DEL", masq(backend)).ok()
    args = f"IgnoreUnknown=1;K8S_POD_NAME=x;IP=10.1.2.2;MAC={mac}"
    again = host.plugin("ADD", masq(backend), args=args).ok()
    assert (again["ips"][0]["address"], again["interfaces"][1]["mac"]) == ("10.1.2.2/24", mac)
    host.plugin("DEL", masq(backend), netns="").ok()
    assert host.snapshot() == before


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_interfaces_of_one_container_on_one_network_are_independent(host: Host, backend: str) -> None:
    base_chains(host)
    before = host.snapshot()["nftables"]
    out, container = outside(host), host.container()
    host.plugin("ADD", masq(backend)).ok()
    host.plugin("ADD", masq(backend), ifname="eth1").ok()
    host.plugin("DEL", masq(backend)).ok()
    container.run("ip", "route", "replace", "default", "via", "10.1.2.1", "dev", "eth1")
    with listening(out, "192.0.2.2") as port:
        assert seen_source(container, "192.0.2.2", port) == "192.0.2.1"
    host.plugin("DEL", masq(backend), ifname="eth1").ok()
    assert host.snapshot()["nftables"] == before


def test_an_address_that_meanwhile_belongs_to_another_stays_masqueraded(host: Host) -> None:
    """The reference's "four reuses one's address"."""
    one, four = Attachment("n", "one", "eth0"), Attachment("n", "four", "eth0")
    address = bytes((192, 168, 1, 3))
    with nft_socket.open_socket() as sock:
        nft_add.add(sock, one, [(address, 24)])
        nft_add.add(sock, four, [(address, 24)])
        nft_del.remove(sock, one, [address], INET)
        assert "192.168.1.3" in host.run("nft", "list", "ruleset").stdout
        nft_del.remove(sock, four, [], INET)
        assert "192.168.1.3" not in host.run("nft", "list", "ruleset").stdout


def test_a_kernel_without_nat_in_inet_tables_gets_a_table_a_family(host: Host) -> None:
    attachment = Attachment("n", "one", "eth0")
    with nft_socket.open_socket() as sock:
        nft_add.add(sock, attachment, [(bytes((10, 0, 0, 2)), 24), (b"\xfd" + bytes(15), 64)], (SPLIT,))
        ruleset = host.run("nft", "list", "ruleset").stdout
        assert "table ip cni_ptp" in ruleset and "table ip6 cni_ptp" in ruleset and "table inet" not in ruleset
        nft_del.remove(sock, attachment, [], SPLIT)
        assert "elements" not in host.run("nft", "list", "ruleset").stdout


def test_nft_prints_what_we_made_readably(host: Host) -> None:
    host.container()
    host.plugin("ADD", masq(families=("v4",))).ok()
    assert host.run("nft", "list", "ruleset").stdout == RULESET


def test_nft_takes_back_what_it_prints(host: Host) -> None:
    host.container()
    host.plugin("ADD", masq()).ok()
    printed = host.run("nft", "list", "ruleset").stdout
    host.run("nft", "-f", "-", input="flush ruleset\n" + printed)
    assert host.run("nft", "list", "ruleset").stdout == printed
    assert host.plugin("DEL", masq(), netns="").ok() is None
    assert "elements" not in host.run("nft", "list", "ruleset").stdout


def test_what_iptables_of_the_go_plugin_left_is_removed_by_del_and_by_another_add(host: Host) -> None:
    base_chains(host)
    host.container()
    before = host.snapshot()
    go = masq(families=("v4",))
    host.plugin("ADD", go, exe=GO / "ptp", path=str(GO)).ok()
    assert "CNI-" in host.run("iptables-save", "-t", "nat").stdout
    host.plugin("DEL", go, exe=GO / "ptp", path=str(GO), netns="").ok()  # which leaves its rules behind
    assert "CNI-" in host.run("iptables-save", "-t", "nat").stdout
    host.run("ip", "netns", "del", "c1")
    until(lambda: len(host.ip("link")) == 1, "the end of the namespace, which takes the kernel its time")
    host.container("c1")
    host.plugin("ADD", go).ok()
    assert "CNI-" not in host.run("iptables-save", "-t", "nat").stdout
    host.plugin("DEL", go).ok()
    assert host.snapshot() == before


def test_what_nftables_of_the_go_plugin_left_is_removed_for_the_same_attachment_only(host: Host) -> None:
    hashes = [h for c in ("c1", "c2") for h in Attachment("mynet", c, "eth0").go_nft_hash().split("-")]
    host.run("nft", "-f", "-", input=GO_NFTABLES % tuple(hashes))
    assert host.plugin("DEL", masq(), netns="").ok() is None
    ruleset = host.run("nft", "list", "ruleset").stdout
    assert "10.1.2.9" not in ruleset and "10.1.2.8" in ruleset


def test_gc_keeps_the_valid_and_removes_the_empty_table(host: Host) -> None:
    configuration = {**masq(), "cniVersion": "1.1.0"}
    before = host.run("nft", "list", "ruleset").stdout
    for i in range(3):
        host.container(f"c{i}")
        host.plugin("ADD", configuration, container=f"c{i}", netns=f"/run/netns/c{i}").ok()
    host.container("other")
    other = conf("1.1.0", [], ipMasq=True, name="other")
    other["ipam"]["ranges"] = [[{"subnet": "10.7.0.0/24"}]]
    host.plugin("ADD", other, container="other", netns="/run/netns/other").ok()
    valid = [{"containerID": "c1", "ifname": "eth0"}]
    host.plugin("GC", {**configuration, "cni.dev/valid-attachments": valid}).ok()
    ruleset = host.run("nft", "list", "ruleset").stdout
    assert "mynet c1" in ruleset and "mynet c0" not in ruleset and "other other" in ruleset
    assert [link["ifalias"] for link in host.ip("link") if "ifalias" in link] == [
        "cni-ptp mynet c1 eth0",
        "cni-ptp other other eth0",
    ]
    for name in ("mynet", "other"):
        host.plugin("GC", {**configuration, "name": name, "cni.dev/valid-attachments": []}).ok()
    assert host.run("nft", "list", "ruleset").stdout == before
    assert host.snapshot()["leases"] == []


DAMAGES = {
    "element": "delete element inet cni_ptp masq4 { 10.1.2.2 }",
    "own subnet": "delete element inet cni_ptp own4_24 { 10.1.2.2 . 10.1.2.0 }",
    "base chain": "flush chain inet cni_ptp postrouting",
    "chain": "flush chain inet cni_ptp masquerade4",
    "own subnet's rule": "flush chain inet cni_ptp masquerade4; add rule inet cni_ptp masquerade4 masquerade",
    "table": "delete table inet cni_ptp",
    "dormant": "add table inet cni_ptp { flags dormant; }",
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_check_names_each_damage_and_an_add_of_another_container_mends_the_rules(host: Host, damage: str) -> None:
    host.container()
    result = host.plugin("ADD", masq(families=("v4",))).ok()
    checked = {**masq(families=("v4",)), "prevResult": result}
    assert host.plugin("CHECK", checked).ok() is None
    host.run("nft", DAMAGES[damage])
    error = host.plugin("CHECK", checked).error(105)
    assert "10.1.2.2" in error["details"] or "cni_ptp" in error["details"]


def test_a_backend_that_can_not_be_had_is_told_before_anything_is_made(host: Host) -> None:
    host.container()
    before = host.snapshot()
    host.run("mount", "-t", "tmpfs", "t", "/usr/sbin")
    try:
        error = host.plugin("ADD", masq("iptables")).error(101)
    finally:
        host.run("umount", "/usr/sbin")
    assert "iptables-restore" in error["msg"]
    assert host.snapshot() == before


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_many_plugins_at_once_leave_nothing_and_harm_nobody(host: Host, backend: str) -> None:
    base_chains(host)
    before = host.snapshot()["nftables"]
    count, at_once = (250, 32) if backend == "nftables" else (24, 8)
    names = [f"c{i}" for i in range(count)]
    for name in names:
        host.container(name)

    def attach_and_detach(name: str) -> None:
        host.plugin("ADD", masq(backend), container=name, netns=f"/run/netns/{name}").ok()
        if not name.endswith("0"):
            host.plugin("DEL", masq(backend), container=name, netns=f"/run/netns/{name}").ok()

    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        list(pool.map(attach_and_detach, names))
    kept = {name for name in names if name.endswith("0")}
    ruleset = host.run("nft", "list", "ruleset").stdout
    if backend == "nftables":
        assert set(re.findall(r"mynet (c\d+) eth0", ruleset)) == kept
    for name in kept:
        host.plugin("DEL", masq(backend), container=name, netns="").ok()
    assert host.snapshot()["nftables"] == before


def test_a_change_exchanges_the_same_with_five_thousand_elements_as_with_one(host: Host) -> None:
    """How long it takes the kernel is `make bench`'s to measure; its sets are hash tables."""

    def change(sock: Any) -> list[tuple[str, int]]:
        attachment, address = Attachment("n", "probe", "eth0"), bytes((10, 200, 0, 1))
        before = len(sock.socket.datagrams)
        nft_add.add(sock, attachment, [(address, 16)])
        nft_del.remove(sock, attachment, [address], INET)
        return list(sock.socket.datagrams[before:])

    with nft_socket.open_socket() as sock:
        sock.socket = Counted(sock.socket)  # type: ignore[assignment]
        nft_add.add(sock, Attachment("n", "first", "eth0"), [(bytes((10, 1, 0, 1)), 16)])
        change(sock)
        few = change(sock)
        for i in range(5000):
            nft_add.add(sock, Attachment("n", f"c{i}", "eth0"), [(bytes((10, 1, 1 + (i >> 8), i & 255)), 16)])
        assert few and change(sock) == few
    for name in ("masq4", "own4_16"):  # not a tree, as a set of intervals is
        assert "flags interval" not in host.run("nft", "-t", "list", "set", "inet", "cni_ptp", name).stdout
