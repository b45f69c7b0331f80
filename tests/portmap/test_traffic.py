"""Mapped ports on a real kernel: who reaches the container by them, and who does not."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from cni_ptp.cni.attachment import Attachment
from tests.masquerade.network import OUTSIDE, outside
from tests.namespaces import Host, entered
from tests.portmap.ports import CONTAINER_PORT, HOST_PORT, answering, ask, is_refused, mapped, mapping

HERE = "/proc/self/ns/net"
PROTOCOLS = ["tcp", "udp"]


def address_of(result: Any, version: int) -> str:
    """The container's address of an IP version."""
    texts: list[str] = [ip["address"].split("/")[0] for ip in result["ips"]]
    return next(text for text in texts if (":" in text) == (version == 6))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("version", [4, 6])
def test_from_outside_the_port_leads_to_the_container_which_sees_the_client(
    host: Host, version: int, protocol: str
) -> None:
    out, c1 = outside(host), host.container("c1")
    host.plugin("ADD", mapped(mapping(protocol))).ok()
    near, far = OUTSIDE[version]
    with answering(c1.path, "c1", protocol):
        assert ask(out.path, near, protocol) == f"c1 {far}"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("version", [4, 6])
def test_the_host_reaches_the_container_by_its_own_address(host: Host, version: int, protocol: str) -> None:
    outside(host)
    c1 = host.container("c1")
    host.plugin("ADD", mapped(mapping(protocol))).ok()
    with answering(c1.path, "c1", protocol):
        assert ask(HERE, OUTSIDE[version][0], protocol).startswith("c1 ")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("destination", ["127.0.0.1", "127.0.0.5"])
def test_the_host_reaches_the_container_by_localhost(host: Host, destination: str, protocol: str) -> None:
    c1 = host.container("c1")
    host.run("ip", "link", "set", "lo", "up")
    result = host.plugin("ADD", mapped(mapping(protocol))).ok()
    with answering(c1.path, "c1", protocol):
        assert ask(HERE, destination, protocol) == f"c1 {result['ips'][0]['gateway']}"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("version", [4, 6])
def test_a_container_reaches_itself_and_its_neighbour_by_the_hosts_port(
    host: Host, version: int, protocol: str
) -> None:
    outside(host)
    c1, c2 = host.container("c1"), host.container("c2")
    host.plugin("ADD", mapped(mapping(protocol))).ok()
    result = host.plugin("ADD", mapped(mapping(protocol, 8081)), container="c2", netns=c2.path).ok()
    near = OUTSIDE[version][0]
    with answering(c1.path, "c1", protocol):
        assert ask(c1.path, near, protocol).startswith("c1 ")
        assert ask(c2.path, near, protocol) == f"c1 {address_of(result, version)}"


def test_without_snat_only_others_reach_the_container(host: Host) -> None:
    out, c1 = outside(host), host.container("c1")
    host.run("ip", "link", "set", "lo", "up")
    host.plugin("ADD", mapped(snat=False)).ok()
    veth = Attachment("mynet", "c1", "eth0").host_veth()
    assert host.sysctl(f"ipv4/conf/{veth}/route_localnet") == "0"
    with answering(c1.path, "c1"):
        assert ask(out.path, OUTSIDE[4][0]) == f"c1 {OUTSIDE[4][1]}"


def test_no_container_reaches_what_listens_on_the_hosts_localhost(host: Host) -> None:
    """Its end routes 127.0.0.0/8, for the answers to the host; a container may make itself a route there."""
    c1 = host.container("c1")
    host.run("ip", "link", "set", "lo", "up")
    result = host.plugin("ADD", mapped(mapping("udp"))).ok()
    veth = Attachment("mynet", "c1", "eth0").host_veth()
    assert host.sysctl(f"ipv4/conf/{veth}/route_localnet") == "1"
    c1.run("sysctl", "-qw", "net.ipv4.conf.eth0.route_localnet=1", "net.ipv4.conf.all.route_localnet=1")
    c1.run("ip", "route", "flush", "table", "local", "127.0.0.0/8")
    c1.run("ip", "link", "set", "lo", "down")
    c1.run("ip", "route", "replace", "127.0.0.0/8", "via", result["ips"][0]["gateway"], "dev", "eth0", "onlink")
    host.run("nft", "add table inet watch")
    host.run("nft", "add chain inet watch seen { type filter hook prerouting priority -400; }")
    host.run("nft", f"add rule inet watch seen iifname {veth} ip daddr 127.0.0.0/8 counter")
    host.run("nft", f"add rule inet watch seen iifname {veth} ip saddr 127.0.0.0/8 counter")
    host.run("nft", "add chain inet watch came { type filter hook prerouting priority -500; }")
    host.run("nft", f"add rule inet watch came iifname {veth} ip daddr 127.0.0.1 counter")
    with entered(c1.path), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("10.1.2.2", 0))
        client.sendto(b"?", ("127.0.0.1", 7777))
    counters = host.run("nft", "list", "chain", "inet", "watch", "came").stdout
    assert "packets 1 " in counters, counters
    assert host.run("nft", "list", "chain", "inet", "watch", "seen").stdout.count("packets 0 ") == 2


@pytest.mark.parametrize("version", [4, 6])
def test_a_port_of_one_address_comes_before_the_same_port_of_all(host: Host, version: int) -> None:
    out, c1, c2 = outside(host), host.container("c1"), host.container("c2")
    near = OUTSIDE[version][0]
    other = near[:-1] + "9"
    length = "32" if version == 4 else "128"
    host.run("ip", "addr", "add", f"{other}/{length}", "dev", "uplink", *(["nodad"] if version == 6 else []))
    host.plugin("ADD", mapped(mapping())).ok()
    host.plugin("ADD", mapped(mapping(hostIP=other)), container="c2", netns=c2.path).ok()
    with answering(c1.path, "c1"), answering(c2.path, "c2"):
        assert ask(out.path, near).startswith("c1 ")
        assert ask(out.path, other).startswith("c2 ")


@pytest.mark.parametrize(("text", "served"), [("0.0.0.0", 4), ("::", 6)])
def test_the_unspecified_address_stands_for_all_of_its_family(host: Host, text: str, served: int) -> None:
    out, c1 = outside(host), host.container("c1")
    host.plugin("ADD", mapped(mapping(hostIP=text))).ok()
    with answering(c1.path, "c1"):
        assert ask(out.path, OUTSIDE[served][0]).startswith("c1 ")
        assert is_refused(out.path, OUTSIDE[10 - served][0])


def test_what_only_passes_the_host_on_that_port_is_not_translated(host: Host) -> None:
    out, c1, c2 = outside(host), host.container("c1"), host.container("c2")
    host.plugin("ADD", mapped(families=("v4",))).ok()
    host.plugin("ADD", mapped(mapping("tcp", 9090), families=("v4",)), container="c2", netns=c2.path).ok()
    with answering(c1.path, "c1"), answering(out.path, "out", port=HOST_PORT):
        assert ask(c2.path, OUTSIDE[4][1]).startswith("out ")


@pytest.mark.parametrize("version", [4, 6])
def test_after_del_the_port_is_the_hosts_again(host: Host, version: int) -> None:
    out, c1 = outside(host), host.container("c1")
    before = host.snapshot()
    conf = mapped()
    result = host.plugin("ADD", conf).ok()
    host.plugin("DEL", {**conf, "prevResult": result}).ok()
    assert is_refused(out.path, OUTSIDE[version][0])
    assert c1.path
    assert "c1" not in host.run("nft", "list", "ruleset").stdout
    assert host.snapshot()["links"] == before["links"]


@pytest.mark.parametrize("version", [4, 6])
def test_a_sender_of_udp_that_never_pauses_is_led_to_the_new_container(host: Host, version: int) -> None:
    """Its flow was tracked to the host itself first, then to a container that is gone."""
    out, c1, c2 = outside(host), host.container("c1"), host.container("c2")
    host.run("nft", "add table inet track; add chain inet track in { type nat hook prerouting priority -100; }")
    near = OUTSIDE[version][0]
    conf = mapped(mapping("udp"))
    with answering(HERE, "host", "udp", HOST_PORT):
        assert ask(out.path, near, "udp", source_port=5555).startswith("host ")
    first = host.plugin("ADD", conf).ok()
    with answering(c1.path, "c1", "udp"):
        assert ask(out.path, near, "udp", source_port=5555).startswith("c1 ")
    host.plugin("DEL", {**conf, "prevResult": first}).ok()
    host.plugin("ADD", conf, container="c2", netns=c2.path).ok()
    with answering(c2.path, "c2", "udp"):
        assert ask(out.path, near, "udp", source_port=5555).startswith("c2 ")


def test_sctp_is_mapped_like_tcp(host: Host) -> None:
    host.container("c1")
    host.plugin("ADD", mapped(mapping("sctp"))).ok()
    elements = host.run("nft", "list", "map", "inet", "cni_ptp_portmap", "any4").stdout
    assert f"sctp . {HOST_PORT} : 10.1.2.2 . {CONTAINER_PORT}" in elements.replace('comment "mynet c1 eth0 /2" ', "")
    assert Path("/run/netns/c1").exists()
