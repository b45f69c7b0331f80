"""ptp repair: what an attachment lost is there again, and the container ran all the time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cni_ptp.cni.attachment import Attachment
from tests.console.people import CONF, ask, attach
from tests.console.runtime import LISTED, attached, remember
from tests.masquerade.network import OUTSIDE, outside
from tests.namespaces import Host
from tests.portmap.ports import answering
from tests.portmap.ports import ask as ask_port

VETH = Attachment("mynet", "c1", "eth0").host_veth()
INSIDE = ("ip", "netns", "exec", "c1")
IFB = Attachment("mynet", "c1", "eth0").go_ifb()
MENDED: dict[str, tuple[str, ...]] = {
    "whole ruleset": ("nft", "flush ruleset"),
    "masqueraded address": ("nft", "delete element inet cni_ptp masq4 { 10.9.0.2 }"),
    "own subnet": ("nft", "delete element inet cni_ptp own4_24 { 10.9.0.2 . 10.9.0.0 }"),
    "masquerading's rules": ("nft", "flush chain inet cni_ptp postrouting"),
    "masquerading's table": ("nft", "delete table inet cni_ptp"),
    "dormant table": ("nft", "add table inet cni_ptp { flags dormant; }"),
    "guard's rules": ("nft", "flush chain inet cni_ptp_antispoof check"),
    "hole in the guard": ("nft", "insert rule inet cni_ptp_antispoof check accept"),
    "guarded address": ("nft", f'delete element inet cni_ptp_antispoof source4 {{ "{VETH}" . 10.9.0.2 }}'),
    "guard": ("nft", "delete table inet cni_ptp_antispoof"),
    "guard of ARP": ("nft", "delete table arp cni_ptp_antispoof"),
    "port": ("nft", "delete element inet cni_ptp_portmap any4 { tcp . 8081 }"),
    "ports' rules": ("nft", "flush chain inet cni_ptp_portmap translate"),
    "ports' table": ("nft", "delete table inet cni_ptp_portmap"),
    "way to localhost": ("sysctl", "-qw", f"net/ipv4/conf/{VETH}/route_localnet=0"),
    "host route": ("ip", "route", "del", "10.9.0.2"),
    "host route of IPv6": ("ip", "-6", "route", "del", "fd09::2"),
    "gateway": ("ip", "addr", "del", "10.9.0.1/32", "dev", VETH),
    "gateway of IPv6": ("ip", "addr", "del", "fd09::1/128", "dev", VETH),
    "host end down": ("ip", "link", "set", VETH, "down"),
    "alias": ("ip", "link", "set", VETH, "alias", "somebody"),
    "forwarding": ("sysctl", "-qw", "net.ipv4.ip_forward=0"),
    "forwarding of IPv6": ("sysctl", "-qw", "net.ipv6.conf.all.forwarding=0"),
    "forwarding of the link": ("sysctl", "-qw", f"net/ipv4/conf/{VETH}/forwarding=0"),
    "container's default route": (*INSIDE, "ip", "route", "del", "default"),
    "container's routes": (*INSIDE, "ip", "route", "flush", "dev", "eth0"),
    "container's address of IPv6": (*INSIDE, "ip", "addr", "del", "fd09::2/64", "dev", "eth0"),
    "container's address": (*INSIDE, "ip", "addr", "flush", "dev", "eth0"),
    "container's end down": (*INSIDE, "ip", "link", "set", "eth0", "down"),
    "lease": ("rm", "/var/lib/cni/networks/mynet/10.9.0.2"),
    "all leases": ("rm", "-r", "/var/lib/cni/networks/mynet"),
}


@pytest.mark.parametrize("damage", list(MENDED))
def test_what_was_lost_is_there_again(host: Host, damage: str) -> None:
    attached(host, "c1")
    attached(host, "c2")
    assert ask(host, "check").returncode == 0
    host.run(*MENDED[damage])
    assert ask(host, "check").returncode == 1
    done = ask(host, "repair")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mended: " in done.stdout and "2 of 2 attachments are as ADD left them" in done.stdout
    assert ask(host, "check").returncode == 0
    again = ask(host, "repair")
    assert again.returncode == 0 and "mended" not in again.stdout


def test_after_the_ruleset_was_flushed_traffic_flows_again(host: Host) -> None:
    out = outside(host)
    attached(host, "c1")
    host.run("nft", "flush ruleset")
    assert ask(host, "repair").returncode == 0
    with answering("/run/netns/c1", "c1"):
        assert ask_port(out.path, OUTSIDE[4][0], port=8081) == f"c1 {OUTSIDE[4][1]}"
    with answering(out.path, "out", port=9000):
        assert ask_port("/run/netns/c1", OUTSIDE[4][1], port=9000) == f"out {OUTSIDE[4][0]}"


@pytest.mark.parametrize("damage", [("tc", "qdisc", "del", "dev", VETH, "root"), ("ip", "link", "del", IFB)])
def test_lost_limits_are_made_again(host: Host, damage: tuple[str, ...]) -> None:
    limits = {"ingressRate": 8_000_000, "ingressBurst": 800_000, "egressRate": 8_000_000, "egressBurst": 800_000}
    conf = {**CONF, "capabilities": {"bandwidth": True}}
    result = attach(host, "c1", {**conf, "runtimeConfig": {"bandwidth": limits}})
    remember("c1", result, conf, capabilityArgs={"bandwidth": limits})
    host.run(*damage)
    assert ask(host, "check").returncode == 1
    assert ask(host, "repair").returncode == 0
    assert ask(host, "check").returncode == 0


@pytest.mark.parametrize("damage", [("ip", "link", "del", VETH), ("ip", "netns", "del", "c1")])
def test_a_pair_that_is_gone_is_not_mended_and_the_remedy_is_told(host: Host, damage: tuple[str, ...]) -> None:
    attached(host, "c1")
    attached(host, "c2")
    host.run("nft", "flush ruleset")
    host.run(*damage)
    done = ask(host, "repair")
    assert done.returncode == 1 and "1 of 2 attachments are as ADD left them" in done.stdout
    assert any(w in done.stdout for w in ("restart the container", "ptp gc removes it", "namespace cannot be used"))


def test_an_address_that_somebody_else_has_meanwhile_is_not_taken(host: Host) -> None:
    attached(host, "c1")
    host.run("rm", "/var/lib/cni/networks/mynet/10.9.0.2")
    host.run("sh", "-c", "printf 'c9\\r\\neth0' >/var/lib/cni/networks/mynet/10.9.0.2")
    done = ask(host, "repair")
    assert done.returncode == 1 and "another attachment has it" in done.stdout
    with open("/var/lib/cni/networks/mynet/10.9.0.2", encoding="ascii") as lease:
        assert lease.read().startswith("c9")


def test_a_dry_run_names_what_differs_and_changes_nothing(host: Host) -> None:
    attached(host, "c1")
    host.run("nft", "flush ruleset")
    before = host.snapshot()
    done = ask(host, "repair", "--dry-run")
    assert done.returncode == 1 and "not masqueraded" in done.stdout or "nothing is masqueraded" in done.stdout
    assert host.snapshot() == before


def test_one_is_repaired_and_its_neighbour_is_not_touched(host: Host) -> None:
    attached(host, "c1")
    attached(host, "c2")
    host.run("ip", "route", "del", "10.9.0.2")
    host.run("ip", "route", "del", "10.9.0.3")
    assert ask(host, "repair", "c1").returncode == 0
    found: list[dict[str, Any]] = json.loads(ask(host, "check", "--json").stdout)
    assert [bool(one["differences"]) for one in found] == [False, True]


def test_a_healthy_host_is_left_alone(host: Host) -> None:
    attached(host, "c1")
    before = host.snapshot()
    done = ask(host, "repair")
    assert done.returncode == 0 and "1 of 1 attachments are as ADD left them" in done.stdout
    assert host.snapshot() == before and LISTED
