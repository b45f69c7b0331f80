"""A container that sends from addresses which are not its own, with and without "antiSpoof"."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest

from tests.configurations import conf
from tests.contract.traffic import listening, lost_packets
from tests.faults.sweep import is_reachable
from tests.namespaces import Container, Host

GUARDED = conf("1.1.0", ["v4", "v6"], antiSpoof=True)
GATEWAYS = ("10.1.2.1", "2001:db8:1::1")
OWN = {"10.1.2.1": "10.1.2.2", "2001:db8:1::1": "2001:db8:1::2"}
SPOOFED = {"10.1.2.1": "10.1.2.200", "2001:db8:1::1": "2001:db8:1::200"}

# Prints the source of each datagram up to one that says it is the last.
_RECEIVE = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 7777))
s.settimeout(60)
print(flush=True)
text = b""
while text != b"last":
    text, peer = s.recvfrom(10)
    print(peer[0], flush=True)
"""
# Three datagrams from the false address between two from the true one; the connection has the gateway known by then.
_SEND = """
import socket, sys
true, false, gateway = sys.argv[1:]
for text, source in (b"first", true), (b"x", false), (b"x", false), (b"x", false), (b"last", true):
    s = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((source, 0))
    s.sendto(text, (gateway, 7777))
    if text == b"first":
        socket.create_connection((gateway, 7778), timeout=60, source_address=(source, 0)).close()
"""


def seen(host: Host, container: Container, source: str, gateway: str) -> list[str]:
    """The source addresses that the host saw: of the container's own two datagrams and of three false ones."""
    receiver = host.start(sys.executable, "-c", _RECEIVE, gateway)
    try:
        assert receiver.stdout is not None
        receiver.stdout.readline()
        with socket.create_server((gateway, 7778), family=socket.AF_INET6 if ":" in gateway else socket.AF_INET):
            container.run(sys.executable, "-c", _SEND, OWN[gateway], source, gateway)
        return receiver.stdout.read().split()
    finally:
        receiver.kill()
        receiver.wait()


def spoofer(host: Host, configuration: dict[str, Any]) -> Container:
    """A container that has given itself another's addresses."""
    container = host.container()
    host.plugin("ADD", configuration).ok()
    container.run("ip", "addr", "add", "10.1.2.200/32", "dev", "eth0")
    container.run("ip", "addr", "add", "2001:db8:1::200/128", "dev", "eth0", "nodad")
    return container


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_without_it_the_host_takes_a_spoofed_packet(host: Host, gateway: str) -> None:
    container = spoofer(host, {**GUARDED, "antiSpoof": False})
    true, false = OWN[gateway], SPOOFED[gateway]
    assert seen(host, container, false, gateway) == [true, false, false, false, true]


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_with_it_a_spoofed_packet_is_dropped_and_an_honest_one_is_not(host: Host, gateway: str) -> None:
    container = spoofer(host, GUARDED)
    assert seen(host, container, SPOOFED[gateway], gateway) == [OWN[gateway]] * 2
    with listening(host, gateway) as port:
        assert lost_packets(container, gateway, port) == 0


def test_another_containers_packets_are_judged_by_its_own_addresses(host: Host) -> None:
    host.container("c1")
    other = host.container("c2")
    host.plugin("ADD", GUARDED).ok()
    host.plugin("ADD", {**GUARDED, "antiSpoof": False}, container="c2", netns="/run/netns/c2").ok()
    with listening(host, "10.1.2.1") as port:
        assert lost_packets(other, "10.1.2.1", port) == 0


@pytest.mark.parametrize("netns", ["/run/netns/c1", ""])
def test_del_takes_the_guard_back_also_when_it_was_turned_off_since(host: Host, netns: str) -> None:
    host.container()
    host.plugin("ADD", GUARDED).ok()
    host.plugin("DEL", {**GUARDED, "antiSpoof": False}, netns=netns).ok()
    assert "elements" not in host.run("nft", "list", "ruleset").stdout


DAMAGES = {
    "unwatched": "delete element inet cni_ptp_antispoof guarded { VETH }",
    "address": 'delete element inet cni_ptp_antispoof source4 { VETH . 10.1.2.2 }',
    "rules": "flush chain inet cni_ptp_antispoof prerouting",
    "table": "delete table inet cni_ptp_antispoof",
    "ARP unwatched": "delete element arp cni_ptp_antispoof guarded { VETH }",
    "ARP address": 'delete element arp cni_ptp_antispoof source4 { VETH . 10.1.2.2 }',
    "ARP rules": "flush chain arp cni_ptp_antispoof input",
    "ARP check": "flush chain arp cni_ptp_antispoof check",
    "ARP table": "delete table arp cni_ptp_antispoof",
    "hole": "insert rule inet cni_ptp_antispoof check accept",
    "hole at the end": "add rule inet cni_ptp_antispoof check accept",
    "way around": "insert rule inet cni_ptp_antispoof prerouting accept",
    "wider rule": "insert rule inet cni_ptp_antispoof check ip saddr 10.0.0.0/8 return",
    "ARP hole": "insert rule arp cni_ptp_antispoof check accept",
    "late": "flush chain inet cni_ptp_antispoof prerouting; delete chain inet cni_ptp_antispoof prerouting; "
    "add chain inet cni_ptp_antispoof prerouting { type filter hook prerouting priority 0; }; "
    "add rule inet cni_ptp_antispoof prerouting iifname @guarded goto check",
    "dormant": "add table inet cni_ptp_antispoof { flags dormant; }",
    "ARP dormant": "add table arp cni_ptp_antispoof { flags dormant; }",
}  # fmt: skip


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_check_finds_each_damage(host: Host, damage: str) -> None:
    host.container()
    result = host.plugin("ADD", GUARDED).ok()
    checked = {**GUARDED, "prevResult": result}
    assert host.plugin("CHECK", checked).ok() is None
    host.run("nft", DAMAGES[damage].replace("VETH", '"' + result["interfaces"][0]["name"] + '"'))
    assert "spoof" in host.plugin("CHECK", checked).error(105)["details"]


@pytest.mark.parametrize("damage", ["hole", "way around", "late", "rules", "ARP hole", "ARP check"])
def test_the_next_add_repairs_what_weakens_the_guard_of_all(host: Host, damage: str) -> None:
    host.container()
    first = host.plugin("ADD", GUARDED).ok()
    host.run("nft", DAMAGES[damage])
    host.container("c2")
    host.plugin("ADD", GUARDED, container="c2", netns="/run/netns/c2").ok()
    host.plugin("CHECK", {**GUARDED, "prevResult": first}).ok()


_FRAGMENT = """
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
mac, source, target = bytes.fromhex(sys.argv[1]), sys.argv[2], sys.argv[3]
if ":" in source:
    a, b = (socket.inet_pton(socket.AF_INET6, x) for x in (source, target))
    fragment = struct.pack("!BBHI", 17, 0, 1, 7) + bytes(64)
    packet = struct.pack("!IHBB", 6 << 28, len(fragment), 44, 64) + a + b + fragment
    kind = 0x86DD
else:
    a, b = (socket.inet_aton(x) for x in (source, target))
    head = struct.pack("!BBHHHBBH", 0x45, 0, 84, 7, 0x2000, 64, 17, 0) + a + b
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    packet = head[:10] + struct.pack("!H", ~total & 0xFFFF) + head[12:] + bytes(64)
    kind = 0x800
s.send(mac + s.getsockname()[4] + struct.pack("!H", kind) + packet)
"""


@pytest.mark.parametrize("version", [4, 6])
def test_a_fragment_with_a_false_sender_is_dropped_before_fragments_are_put_together(host: Host, version: int) -> None:
    container = host.container()
    result = host.plugin("ADD", GUARDED).ok()
    mac = result["interfaces"][0]["mac"].replace(":", "")
    own, target = next(
        (ip["address"].split("/")[0], ip["gateway"]) for ip in result["ips"] if (":" in ip["address"]) == (version == 6)
    )
    false = "10.1.2.99" if version == 4 else "2001:db8:1::99"
    family = "ip" if version == 4 else "ip6"
    # NF_IP_PRI_CONNTRACK_DEFRAG is -400: the counters stand right before it, and the last rule has it done.
    host.run(
        "nft",
        "add table inet watch; add chain inet watch before { type filter hook prerouting priority -401; }; "
        "add chain inet watch after { type filter hook prerouting priority 0; }; "
        f"add rule inet watch before {family} saddr {false} counter; "
        f"add rule inet watch before {family} saddr {own} counter; "
        "add rule inet watch after ct state new counter",
    )
    for source in (false, own):
        container.run(sys.executable, "-c", _FRAGMENT, mac, source, target)
    listed = host.run("nft", "list", "chain", "inet", "watch", "before").stdout
    counted = {line.split()[2]: int(line.split()[5]) for line in listed.splitlines() if "counter packets" in line}
    assert counted == {false: 0, own: 1}


def test_gc_collects_the_stale_and_keeps_the_valid(host: Host) -> None:
    for name in ("c1", "c2"):
        host.container(name)
        host.plugin("ADD", GUARDED, container=name, netns=f"/run/netns/{name}").ok()
    valid = [{"containerID": "c2", "ifname": "eth0"}]
    host.plugin("GC", {**GUARDED, "cni.dev/valid-attachments": valid}).ok()
    ruleset = host.run("nft", "list", "ruleset").stdout
    assert "mynet c2 eth0" in ruleset and "mynet c1 eth0" not in ruleset
    host.plugin("GC", {**GUARDED, "cni.dev/valid-attachments": []}).ok()
    assert "cni_ptp_antispoof" not in host.run("nft", "list", "ruleset").stdout


def test_nft_prints_the_rules_readably(host: Host) -> None:
    host.container()
    veth = host.plugin("ADD", GUARDED).ok()["interfaces"][0]["name"]
    ruleset = host.run("nft", "list", "table", "inet", "cni_ptp_antispoof").stdout
    assert f'elements = {{ "{veth}" . 10.1.2.2' in ruleset
    assert "iifname @guarded goto check" in ruleset
    assert "iifname . ip saddr @source4 return" in ruleset
    arp = host.run("nft", "list", "table", "arp", "cni_ptp_antispoof").stdout
    assert f'elements = {{ "{veth}" . 10.1.2.2' in arp
    assert "arp htype 1 arp ptype ip arp hlen 6 arp plen 4 iifname . arp saddr ip @source4 return" in arp


# --- the neighbour table, which is one for the whole kernel ---------------------------------------------------------

_FORGE = """
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
mac = s.getsockname()[4]
def arp(i):
    sender = bytes((10, 1, 2, 50 + i))
    body = struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + mac + sender + bytes(6) + bytes((10, 1, 2, 1))
    return b"\\xff" * 6 + mac + struct.pack("!H", 0x806) + body
def solicitation(i, prefix):
    source = prefix + bytes(7) + bytes((100 + i,)) if len(prefix) == 8 else prefix
    target = socket.inet_pton(socket.AF_INET6, "2001:db8:1::1")
    group = bytes.fromhex("ff0200000000000000000001ff") + target[13:]
    icmp = struct.pack("!BBHI", 135, 0, 0, 0) + target + b"\\1\\1" + mac
    summed = source + group + struct.pack("!II", len(icmp), 58) + icmp
    total = sum(struct.unpack(f"!{len(summed) // 2}H", summed))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    icmp = icmp[:2] + struct.pack("!H", ~total & 0xFFFF) + icmp[4:]
    head = struct.pack("!IHBB", 6 << 28, len(icmp), 58, 255) + source + group
    return b"\\x33\\x33" + group[12:] + mac + struct.pack("!H", 0x86DD) + head + icmp
for i in range(20):
    if sys.argv[1] == "ARP":
        s.send(arp(i))
    elif sys.argv[1] == "global":
        s.send(solicitation(i, socket.inet_pton(socket.AF_INET6, "2001:db8:1::")[:8]))
    else:
        s.send(solicitation(i, bytes.fromhex("fe80000000000000")))
"""


def forged_neighbours(host: Host, kind: str, guarded: bool) -> list[str]:
    """The neighbours that the host has after the container forged 20 senders."""
    container = host.container()
    result = host.plugin("ADD", {**GUARDED, "antiSpoof": guarded}).ok()
    own = [ip["address"].split("/")[0] for ip in result["ips"]]
    container.run(sys.executable, "-c", _FORGE, kind)
    veth = result["interfaces"][0]["name"]
    families = ["-4"] if kind == "ARP" else ["-6"]
    known = [n["dst"] for family in families for n in host.ip(family, "neigh", "show", "dev", veth)]
    derived = [a["local"] for a in container.ip("addr", "show", "eth0")[0]["addr_info"] if a["scope"] == "link"]
    return [address for address in known if address not in own + derived]


@pytest.mark.parametrize("kind", ["ARP", "global", "link-local"])
def test_without_it_each_forged_sender_is_a_neighbour_of_the_host(host: Host, kind: str) -> None:
    assert len(forged_neighbours(host, kind, guarded=False)) == 20


@pytest.mark.parametrize("kind", ["ARP", "global", "link-local"])
def test_with_it_no_forged_sender_is_a_neighbour_of_the_host(host: Host, kind: str) -> None:
    assert forged_neighbours(host, kind, guarded=True) == []


def test_a_guarded_container_is_found_again_after_the_host_forgot_it(host: Host) -> None:
    """By ARP and by neighbour discovery, asked by either side."""
    container = host.container()
    veth = host.plugin("ADD", GUARDED).ok()["interfaces"][0]["name"]
    for gateway in GATEWAYS:
        host.run("ip", "neigh", "flush", "dev", veth)
        container.run("ip", "neigh", "flush", "dev", "eth0")
        with listening(host, gateway) as port:
            assert lost_packets(container, gateway, port) == 0
    host.run("ip", "neigh", "flush", "dev", veth)
    for address in ("10.1.2.2", "2001:db8:1::2"):
        assert is_reachable(address)


def test_a_link_local_address_of_another_kind_costs_the_container_nothing(host: Host) -> None:
    container = host.container()
    veth = host.plugin("ADD", GUARDED).ok()["interfaces"][0]["name"]
    container.run("ip", "-6", "addr", "flush", "dev", "eth0", "scope", "link")
    container.run("ip", "addr", "add", "fe80::77/64", "dev", "eth0", "nodad")
    host.run("ip", "neigh", "flush", "dev", veth)
    with listening(host, GATEWAYS[1]) as port:
        assert lost_packets(container, GATEWAYS[1], port) == 0
