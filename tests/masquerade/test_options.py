"""The options of masquerading, as a machine beyond the host sees them, by each backend and in both families."""

from __future__ import annotations

import concurrent.futures
import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from cni_ptp.base.ip import parse_cidr
from cni_ptp.cni.attachment import Attachment
from cni_ptp.cni.masquerade_options import Variant
from cni_ptp.firewall import nft_add, nft_del, nft_socket
from cni_ptp.firewall.nft_table import INET, SPLIT
from tests.masquerade.beyond import FAR, NEAR, OTHER, SPARED, SPARED_NETWORK, beyond, own, seen
from tests.masquerade.network import Counted, base_chains, masq
from tests.namespaces import Container, Host, entered

VERSIONS = [4, 6]
FAMILY = {4: "ipv4", 6: "ipv6"}
NETWORKS = [SPARED_NETWORK[4], "203.0.113.0/24", SPARED_NETWORK[6]]
SOURCES = [OTHER[4], OTHER[6]]
OPTIONS: dict[str, dict[str, Any]] = {
    "nonMasqueradeCIDRs": {"nonMasqueradeCIDRs": NETWORKS},
    "ipMasqSource": {"ipMasqSource": SOURCES},
    "ipMasqRandomFully": {"ipMasqRandomFully": True},
    "ipMasqFamilies": {"ipMasqFamilies": ["ipv4"]},
    "all": {"nonMasqueradeCIDRs": NETWORKS, "ipMasqSource": SOURCES, "ipMasqRandomFully": True},
}
OPTIONS["all"]["ipMasqFamilies"] = ["ipv6", "ipv4"]


def ports_seen(out: Container, container: Container, address: str, count: int = 8) -> list[tuple[int, int]]:
    """Return (port that the container sends from, port that the machine sees) for some datagrams."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = []
    with entered(out.path), socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.bind((address, 0))
        receiver.settimeout(60)
        for i in range(count):
            with entered(container.path), socket.socket(family, socket.SOCK_DGRAM) as sender:
                sender.bind(("::" if ":" in address else "", 40000 + i))
                sender.sendto(b"x", receiver.getsockname()[:2])
            found.append((40000 + i, receiver.recvfrom(10)[1][1]))
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_sent_to_a_network_of_non_masquerade_cidrs_keeps_the_containers_address(
    host: Host, masquerader: str, version: int
) -> None:
    out, container = beyond(host), host.container()
    result = host.plugin("ADD", masq(masquerader, nonMasqueradeCIDRs=NETWORKS)).ok()
    assert seen(out, container, SPARED[version]) == own(result, version)
    assert seen(out, container, FAR[version]) == NEAR[version]


@pytest.mark.parametrize("version", VERSIONS)
def test_outside_the_fixed_source_is_seen(host: Host, masquerader: str, version: int) -> None:
    out, container = beyond(host), host.container()
    host.plugin("ADD", masq(masquerader, ipMasqSource=SOURCES)).ok()
    assert seen(out, container, FAR[version]) == OTHER[version]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_family_without_a_fixed_source_leaves_with_the_hosts_address(
    host: Host, masquerader: str, version: int
) -> None:
    out, container = beyond(host), host.container()
    host.plugin("ADD", masq(masquerader, ipMasqSource=OTHER[version])).ok()
    other = 10 - version
    assert seen(out, container, FAR[version]) == OTHER[version]
    assert seen(out, container, FAR[other]) == NEAR[other]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("source", [[], SOURCES], ids=["masquerade", "source"])
def test_ports_are_random_outside_only_if_wanted(host: Host, masquerader: str, version: int, source: list[str]) -> None:
    out = beyond(host)
    for name, wanted in (("c1", True), ("c2", False)):
        container = host.container(name)
        options: dict[str, Any] = {"ipMasqRandomFully": wanted, "ipMasqSource": source}
        host.plugin("ADD", masq(masquerader, **options), container=name, netns=container.path).ok()
        ports = ports_seen(out, container, FAR[version])
        kept = [inside for inside, seen_outside in ports if inside == seen_outside]
        assert (len(kept) < len(ports) / 2) == wanted, ports


@pytest.mark.parametrize("version", VERSIONS)
def test_only_the_families_wanted_are_masqueraded(host: Host, masquerader: str, version: int) -> None:
    out, container = beyond(host), host.container()
    configuration = masq(masquerader, ipMasqFamilies=[FAMILY[version]])
    result = host.plugin("ADD", configuration).ok()
    other = 10 - version
    assert seen(out, container, FAR[version]) == NEAR[version]
    assert seen(out, container, FAR[other]) == own(result, other)
    assert host.plugin("CHECK", {**configuration, "prevResult": result}).ok() is None


def test_with_no_address_of_a_wanted_family_nothing_is_masqueraded(host: Host, masquerader: str) -> None:
    host.container()
    before = host.snapshot()
    configuration = masq(masquerader, ("v4",), ipMasqFamilies=["ipv6"])
    result = host.plugin("ADD", configuration).ok()
    assert "10.1.2.2" not in host.run("nft", "list", "ruleset").stdout
    assert host.plugin("CHECK", {**configuration, "prevResult": result}).ok() is None
    host.plugin("DEL", configuration).ok()
    assert host.snapshot() == before


@pytest.mark.parametrize("version", VERSIONS)
def test_the_own_subnet_and_multicast_are_spared_with_a_fixed_source_as_well(
    host: Host, masquerader: str, version: int
) -> None:
    configuration = masq(masquerader, **OPTIONS["all"])
    results = []
    for name in ("c1", "c2"):
        container = host.container(name)
        results.append(host.plugin("ADD", configuration, container=name, netns=container.path).ok())
    first, second = host.containers
    assert seen(second, first, own(results[1], version)) == own(results[0], version)


@pytest.mark.parametrize("options", list(OPTIONS))
def test_check_passes_and_del_leaves_nothing(host: Host, masquerader: str, options: str) -> None:
    base_chains(host)
    host.container()
    before = host.snapshot()
    configuration = {**masq(masquerader, **OPTIONS[options]), "cniVersion": "1.1.0"}
    result = host.plugin("ADD", configuration).ok()
    assert host.plugin("CHECK", {**configuration, "prevResult": result}).ok() is None
    assert host.plugin("DEL", configuration, netns="").ok() is None
    assert "10.1.2.2" not in host.run("nft", "list", "ruleset").stdout
    host.plugin("GC", {**configuration, "cni.dev/valid-attachments": []}).ok()
    assert "cni_ptp" not in host.run("nft", "list", "ruleset").stdout
    assert host.snapshot() == before


@pytest.mark.parametrize("options", list(OPTIONS))
def test_an_add_that_fails_later_leaves_nothing_of_the_options(host: Host, masquerader: str, options: str) -> None:
    base_chains(host)
    host.container()
    before = host.snapshot()
    configuration = masq(masquerader, **OPTIONS[options])
    configuration["ipam"]["routes"] = [{"dst": "198.18.0.0/15", "gw": "9.9.9.9"}]
    host.plugin("ADD", configuration).error(100)
    assert "10.1.2.2" not in ruleset(host)
    host.plugin("GC", {**configuration, "cniVersion": "1.1.0", "cni.dev/valid-attachments": []}).ok()
    assert host.snapshot() == before


def test_an_add_that_fails_gives_back_what_it_took_from_one_with_options(host: Host) -> None:
    gone = host.container("gone")
    host.plugin("ADD", masq("nftables", ("v4",), **OPTIONS["all"]), container="gone", netns=gone.path).ok()
    (veth,) = [link["ifname"] for link in host.ip("link") if link.get("ifalias", "").startswith("cni-ptp")]
    host.run("ip", "link", "del", veth)
    for lease in Path("/var/lib/cni/networks/mynet").glob("10.*"):
        lease.unlink()
    before = ruleset(host)
    host.container()
    configuration = masq("nftables", ("v4",), **OPTIONS["nonMasqueradeCIDRs"])
    configuration["ipam"]["routes"] = [{"dst": "198.18.0.0/15", "gw": "9.9.9.9"}]
    host.plugin("ADD", configuration, args="IP=10.1.2.2;IgnoreUnknown=1").error(100)
    assert len(elements(before)) == 3
    assert elements(before) == elements(ruleset(host))


def elements(text: str) -> list[str]:
    """Return the elements that name an owner."""
    return sorted(re.findall(r"\S+(?: \. \S+)? comment \"mynet [^\"]*\"", text))


@pytest.mark.parametrize("options", ["nonMasqueradeCIDRs", "ipMasqSource", "ipMasqRandomFully"])
def test_check_tells_that_a_container_is_masqueraded_otherwise_than_configured(
    host: Host, masquerader: str, options: str
) -> None:
    host.container()
    result = host.plugin("ADD", masq(masquerader)).ok()
    checked = {**masq(masquerader, **OPTIONS[options]), "prevResult": result}
    words = {
        "nonMasqueradeCIDRs": "does not spare 198.51.100.0/24",
        "ipMasqSource": f"does not SNAT --to-source {OTHER[4]}",
        "ipMasqRandomFully": "does not MASQUERADE --random-fully",
    }
    expected = words[options] if masquerader == "iptables" else "masqueraded with other options"
    assert expected in host.plugin("CHECK", checked).error(105)["details"]


# --- nf_tables: what the table holds ----------------------------------------------------------------------------------


def ruleset(host: Host) -> str:
    return host.run("nft", "list", "ruleset").stdout


def variant_names(host: Host, version: int = 4) -> list[str]:
    """Return the names of the variants that the table has."""
    return re.findall(rf"set masq{version}_(\w+) ", ruleset(host))


def test_containers_of_two_networks_with_the_same_options_share_a_chain(host: Host) -> None:
    for name, subnet in (("mynet", "10.1.2.0/24"), ("other", "10.7.0.0/24")):
        container = host.container(name)
        configuration = {**masq("nftables", ("v4",), nonMasqueradeCIDRs=NETWORKS), "name": name}
        configuration["ipam"]["ranges"] = [[{"subnet": subnet}]]
        host.plugin("ADD", configuration, container=name, netns=container.path).ok()
    assert len(variant_names(host)) == 1
    assert ruleset(host).count("goto masquerade4_") == 1


DAMAGES = {
    "address": "delete element inet cni_ptp masq4_NAME { 10.1.2.2 }",
    "network": "delete element inet cni_ptp nonmasquerade4_NAME { 198.51.100.0/24 }",
    "networks": "flush set inet cni_ptp nonmasquerade4_NAME",
    "chain": "flush chain inet cni_ptp masquerade4_NAME",
    "way to the chain": "flush chain inet cni_ptp masquerade4; add rule inet cni_ptp masquerade4 masquerade",
    "statement": "flush chain inet cni_ptp masquerade4_NAME; add rule inet cni_ptp masquerade4_NAME masquerade",
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_check_names_each_damage(host: Host, damage: str) -> None:
    host.container()
    configuration = masq("nftables", ("v4",), **OPTIONS["all"])
    checked = {**configuration, "prevResult": host.plugin("ADD", configuration).ok()}
    host.run("nft", DAMAGES[damage].replace("NAME", variant_names(host)[0]))
    assert "cni_ptp" in host.plugin("CHECK", checked).error(105)["details"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mender", ["the same options", "none"])
@pytest.mark.parametrize("command", ["flush table inet cni_ptp", "flush chain inet cni_ptp postrouting"])
def test_any_add_mends_what_others_flushed(host: Host, version: int, mender: str, command: str) -> None:
    out, container, other = beyond(host), host.container(), host.container("c2")
    configuration = masq("nftables", **OPTIONS["all"])
    result = host.plugin("ADD", configuration).ok()
    host.run("nft", *command.split())
    mending = configuration if mender == "the same options" else masq("nftables")
    host.plugin("ADD", mending, container="c2", netns=other.path).ok()
    assert seen(out, container, SPARED[version]) == own(result, version)
    assert seen(out, container, FAR[version]) == OTHER[version]
    assert host.plugin("CHECK", {**configuration, "prevResult": result}).ok() is None


def test_an_add_with_the_same_options_fills_an_emptied_set_of_networks(host: Host) -> None:
    host.container()
    other = host.container("c2")
    configuration = masq("nftables", ("v4",), nonMasqueradeCIDRs=NETWORKS)
    checked = {**configuration, "prevResult": host.plugin("ADD", configuration).ok()}
    host.run("nft", "flush", "set", "inet", "cni_ptp", f"nonmasquerade4_{variant_names(host)[0]}")
    host.plugin("ADD", configuration, container="c2", netns=other.path).ok()
    assert host.plugin("CHECK", checked).ok() is None


@pytest.mark.parametrize("before", [{}, OPTIONS["ipMasqSource"]], ids=["plain", "source"])
@pytest.mark.parametrize("after", [{}, OPTIONS["nonMasqueradeCIDRs"]], ids=["plain", "spared"])
def test_what_a_container_that_is_gone_left_has_no_effect_on_the_next_with_its_address(
    host: Host, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Its namespace went, and its lease was lost: only its elements are left."""
    out, gone = beyond(host), host.container("gone")
    host.plugin("ADD", masq("nftables", ("v4",), **before), container="gone", netns=gone.path).ok()
    (veth,) = [link["ifname"] for link in host.ip("link") if link.get("ifalias", "").startswith("cni-ptp")]
    host.run("ip", "link", "del", veth)
    for lease in Path("/var/lib/cni/networks/mynet").glob("10.*"):
        lease.unlink()
    container = host.container()
    configuration = masq("nftables", ("v4",), **after)
    result = host.plugin("ADD", configuration, args="IP=10.1.2.2;IgnoreUnknown=1").ok()
    assert own(result, 4) == "10.1.2.2"
    assert seen(out, container, FAR[4]) == NEAR[4]
    assert seen(out, container, SPARED[4]) == (own(result, 4) if after else NEAR[4])
    assert host.plugin("CHECK", {**configuration, "prevResult": result}).ok() is None
    host.plugin("DEL", configuration).ok()
    assert "10.1.2.2" not in ruleset(host)


@pytest.mark.parametrize("options", ["nonMasqueradeCIDRs", "ipMasqSource", "ipMasqRandomFully", "all"])
def test_nft_takes_back_what_it_prints_of_the_options(host: Host, options: str) -> None:
    host.container()
    configuration = masq("nftables", **OPTIONS[options])
    result = host.plugin("ADD", configuration).ok()
    printed = ruleset(host)
    host.run("nft", "-f", "-", input="flush ruleset\n" + printed)
    assert ruleset(host) == printed
    assert host.plugin("CHECK", {**configuration, "prevResult": result}).ok() is None
    host.plugin("DEL", configuration, netns="").ok()
    assert "10.1.2.2" not in ruleset(host)


def test_many_plugins_at_once_with_different_options_leave_nothing_and_harm_nobody(host: Host) -> None:
    chosen = [{}, *OPTIONS.values()]
    names = [f"c{i}" for i in range(48)]
    results = {}

    def attach_and_detach(number: int) -> None:
        configuration, name = masq("nftables", **chosen[number % len(chosen)]), names[number]
        results[name] = host.plugin("ADD", configuration, container=name, netns=f"/run/netns/{name}").ok()
        if number % 5:
            host.plugin("DEL", configuration, container=name, netns=f"/run/netns/{name}").ok()

    for name in names:
        host.container(name)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(attach_and_detach, range(len(names))))
    assert set(re.findall(r"mynet (c\d+) eth0", ruleset(host))) == set(names[::5])
    for number, name in list(enumerate(names))[::5]:
        configuration = {**masq("nftables", **chosen[number % len(chosen)]), "prevResult": results[name]}
        assert host.plugin("CHECK", configuration, container=name, netns=f"/run/netns/{name}").ok() is None
        host.plugin("DEL", configuration, container=name, netns="").ok()
    assert "mynet" not in ruleset(host)


def test_gc_deletes_the_options_that_nobody_uses_any_more_and_keeps_the_others(host: Host) -> None:
    kept = {**masq("nftables", **OPTIONS["ipMasqSource"]), "cniVersion": "1.1.0"}
    old = {**masq("nftables", **OPTIONS["nonMasqueradeCIDRs"]), "cniVersion": "1.1.0"}
    for name, configuration in (("c1", kept), ("c2", old)):
        container = host.container(name)
        result = host.plugin("ADD", configuration, container=name, netns=container.path).ok()
        kept.setdefault("prevResult", result)
    assert len(variant_names(host)) == 2
    valid = [{"containerID": "c1", "ifname": "eth0"}]
    host.plugin("GC", {**kept, "cni.dev/valid-attachments": valid}).ok()
    assert [len(variant_names(host, version)) for version in VERSIONS] == [1, 1]
    assert "nonmasquerade4_" not in ruleset(host)
    assert host.plugin("CHECK", kept).ok() is None


def test_list_and_show_know_a_container_with_options(host: Host, masquerader: str) -> None:
    host.container()
    host.plugin("ADD", masq(masquerader, **OPTIONS["all"])).ok()
    (found,) = json.loads(host.run(str(host.plugin_file), "list", "--json").stdout)
    assert (found["masqueraded"], found["masqueradedBy"]) == (["10.1.2.2", "2001:db8:1::2"], masquerader)
    assert "10.1.2.2" in host.run(str(host.plugin_file), "show", "c1").stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_list_calls_a_container_healthy_of_which_one_family_is_masqueraded(
    host: Host, masquerader: str, version: int, tmp_path: Path
) -> None:
    host.container()
    configuration = masq(masquerader, ipMasqFamilies=[FAMILY[version]])
    (tmp_path / "10-mynet.conf").write_text(json.dumps(configuration))
    result = host.plugin("ADD", configuration).ok()
    argv = [str(host.plugin_file), "list", "--json", "--conf-dir", str(tmp_path)]
    (found,) = json.loads(host.run(*argv).stdout)
    assert (found["masqueraded"], found["wrong"]) == ([own(result, version)], [])


def test_a_kernel_without_nat_in_inet_tables_has_the_options_in_a_table_a_family(host: Host) -> None:
    attachment = Attachment("n", "one", "eth0")
    addresses = [(bytes((10, 0, 0, 2)), 24), (b"\xfd" + bytes(15), 64)]
    variants = {
        4: Variant(4, bytes((192, 0, 2, 9)), True, [parse_cidr("10.0.0.0/8")]),
        6: Variant(6, b"\xfd" + bytes(14) + b"\1", False, [parse_cidr("fd00::/8")]),
    }
    with nft_socket.open_socket() as sock:
        nft_add.add(sock, attachment, addresses, (SPLIT,), variants=variants)
        there = ruleset(host)
        assert "snat to 192.0.2.9 fully-random" in there and "snat to fd00::1" in there and "table inet" not in there
        nft_del.remove(sock, attachment, [], SPLIT)
        assert " as " not in ruleset(host)


def test_a_change_exchanges_the_same_with_five_thousand_elements_as_with_one(host: Host) -> None:
    networks = sorted(parse_cidr(f"100.{i >> 8}.{i & 255}.0/24") for i in range(1000))
    variants = {4: Variant(4, bytes((192, 0, 2, 9)), True, networks)}

    def change(sock: Any) -> list[tuple[str, int]]:
        attachment, address = Attachment("n", "probe", "eth0"), bytes((10, 200, 0, 1))
        before = len(sock.socket.datagrams)
        nft_add.add(sock, attachment, [(address, 16)], variants=variants)
        nft_del.remove(sock, attachment, [address], INET)
        return list(sock.socket.datagrams[before:])

    with nft_socket.open_socket() as sock:
        sock.socket = Counted(sock.socket)  # type: ignore[assignment]
        nft_add.add(sock, Attachment("n", "first", "eth0"), [(bytes((10, 1, 0, 1)), 16)], variants=variants)
        change(sock)
        few = change(sock)
        for i in range(5000):
            address = bytes((10, 1, 1 + (i >> 8), i & 255))
            nft_add.add(sock, Attachment("n", f"c{i}", "eth0"), [(address, 16)], variants=variants)
        assert few and change(sock) == few
