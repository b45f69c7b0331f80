"""A tenant that chooses container IDs, network names, MACs and CNI_ARGS: a neighbour keeps all it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.adversary.world import World, network
from tests.namespaces import Host

STATE = Path("/var/lib/cni/networks")

# (network, container ID, interface) of the victim, and of the tenant that would be taken for it.
PAIRS = {
    "a longer ID": (("mynet", "a", "eth0"), ("mynet", "a.b", "eth0")),
    "a shorter ID": (("mynet", "a.b", "eth0"), ("mynet", "a", "eth0")),
    "an ID with a hyphen": (("mynet", "web", "eth0"), ("mynet", "web-0", "eth0")),
    "a longer interface name": (("mynet", "a", "eth0"), ("mynet", "a", "eth01")),
    "a longer network name": (("mynet", "a", "eth0"), ("mynet2", "a", "eth0")),
    "ID and network swapped": (("one", "two", "eth0"), ("two", "one", "eth0")),
    "the same letters otherwise divided": (("net", "ab", "eth0"), ("neta", "b", "eth0")),
    "ID and interface otherwise divided": (("net", "a-eth0", "e"), ("net", "a", "eth0-e")),
    "other letters of the same look": (("mynet", "a1l", "eth0"), ("mynet", "a1I", "eth0")),
    "another case": (("mynet", "abc", "eth0"), ("mynet", "ABC", "eth0")),
    "an ID like a lease": (("mynet", "a", "eth0"), ("mynet", "10.1.2.2", "eth0")),
    "an ID like the lock": (("mynet", "a", "eth0"), ("mynet", "lock", "eth0")),
    "a network like the lock": (("mynet", "a", "eth0"), ("lock", "a", "eth0")),
    "a network like a lease": (("mynet", "a", "eth0"), ("10.1.2.2", "a", "eth0")),
    "a network like the last address": (("mynet", "a", "eth0"), ("last_reserved_ip.0", "a", "eth0")),
    "an ID of 255 characters": (("mynet", "x" * 254, "eth0"), ("mynet", "x" * 255, "eth0")),
}

CASES = [(pair, "nftables") for pair in PAIRS]
# Go's chains, which the iptables backend shares, know no separator.
CASES += [(pair, "iptables") for pair in PAIRS if not pair.startswith(("a network like", "an ID like"))]


@pytest.mark.parametrize(("pair", "backend"), CASES)
def test_no_choice_of_names_makes_one_another(world: World, pair: str, backend: str) -> None:
    """Attached and detached, with and without a namespace, and collected as stale."""
    host = world.host
    (net, containerid, ifname), (net2, containerid2, ifname2) = PAIRS[pair]
    more: dict[str, Any] = {"ipMasq": True, "antiSpoof": True, "ipMasqBackend": backend}
    victim, tenant = host.container("victim"), host.container("tenant")
    number2 = 1 if net2 == net else 2
    mine = {"container": containerid, "netns": victim.path, "ifname": ifname}
    theirs = {"container": containerid2, "netns": tenant.path, "ifname": ifname2}
    conf, conf2 = network(net, 1, **more), network(net2, number2, **more)
    result = call(host, "ADD", conf, mine).ok()
    checked = {**conf, "prevResult": result}
    for command in ("DEL without a namespace", "GC"):
        call(host, "ADD", conf2, theirs).ok()
        if command == "GC":
            kept = [{"containerID": containerid, "ifname": ifname}] if net2 == net else []
            conf_gc = {**conf2, "cniVersion": "1.1.0", "cni.dev/valid-attachments": kept}
            call(host, "GC", conf_gc, theirs).ok()
        else:
            call(host, "DEL", conf2, {**theirs, "netns": ""}).ok()
        call(host, "CHECK", checked, mine).ok()
    lease = (STATE / net / "10.1.2.2").read_bytes()
    assert lease == f"{containerid}\r\n{ifname}".encode()
    call(host, "DEL", conf, mine).ok()


def call(host: Host, command: str, conf: dict[str, Any], where: dict[str, str]) -> Any:
    """The plugin's reply."""
    return host.plugin(
        command, conf, container=where["container"], netns=where["netns"], ifname=where["ifname"]
    )  # fmt: skip


@pytest.mark.parametrize("name", [".cni-ptp", ".", "..", "a/b", "../mynet", "a b", "mynet\n", "-", "_"])
def test_a_network_name_that_leads_elsewhere_is_refused(world: World, name: str) -> None:
    victim = world.attach(network("mynet", 1, ipMasq=True), "a")
    before, files = victim.picture(), sorted(STATE.rglob("*"))
    for command in ("ADD", "DEL", "GC"):
        conf = {**network(name, 2), "cniVersion": "1.1.0", "cni.dev/valid-attachments": []}
        assert world.host.plugin(command, conf, container="b").error(7)
        victim.is_untouched(before, command)
    assert sorted(STATE.rglob("*")) == files


ARGS = [
    "IP=10.1.2.2", "IP=10.1.2.1", "IP=10.1.2.0", "IP=10.1.2.255", "IP=192.0.2.1", "IP=192.0.2.2", "IP=127.0.0.1",
    "IP=0.0.0.0", "IP=255.255.255.255", "IP=10.1.2.2/24", "IP=10.1.2.2,10.1.2.9", "IP=010.001.002.002",
    "IP=::ffff:10.1.2.2", "IP=fe80::1", "IP=10.1.2.9;IP=10.1.2.2", "IP=10.1.2.9\nIP=10.1.2.2", "IP= 10.1.2.2",
    "ip=10.1.2.2", "IP=",
    "MAC=MACOFVICTIM", "MAC=MACOFGATEWAY", "MAC=ff:ff:ff:ff:ff:ff", "MAC=00:00:00:00:00:00", "MAC=", "MAC=x\n",
    "GATEWAY=192.0.2.1", "IgnoreUnknown=1;GATEWAY=192.0.2.1;IP=10.1.2.2", "IgnoreUnknown=1;K8S_POD_NAME=../../etc",
    "IgnoreUnknown=true;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;K8S_POD_INFRA_CONTAINER_ID=victim;K8S_POD_UID=x",
    "CNI_CONTAINERID=victim", "IgnoreUnknown=1;CNI_CONTAINERID=victim;CNI_IFNAME=eth0", "K8S_POD_NAME=a", ";", ";;;",
    "=", "a", "a=b=c", "IgnoreUnknown", "IgnoreUnknown=", "IgnoreUnknown=2", "IgnoreUnknown=1;\x1b[31m=\x07",
    "IgnoreUnknown=1;ключ=значение", "IgnoreUnknown=1;\u202e=\u2028", "IgnoreUnknown=1;a=" + "x" * 100_000,
    "IgnoreUnknown=1;" + "a=b;" * 20_000,
]  # fmt: skip


def test_no_cni_args_take_anything_from_a_neighbour(world: World) -> None:
    conf = network("mynet", 1, ipMasq=True, antiSpoof=True)
    victim = world.attach(conf, "victim")
    before, on_host = victim.picture(), victim.on_host()
    container = world.host.container("bad")
    world.host.plugin("ADD", conf, container="bad", netns=container.path).ok()
    world.host.plugin("DEL", conf, container="bad", netns=container.path).ok()
    links = world.host.ip("link")
    macs = [interface["mac"] for interface in victim.result["interfaces"]]
    for text in ARGS:
        args = text.replace("MACOFVICTIM", macs[1]).replace("MACOFGATEWAY", macs[0])
        reply = world.host.plugin("ADD", conf, container="bad", netns=container.path, args=args)
        assert victim.on_host() == on_host, (args[:80], reply.stdout)
        assert reply.status == 0 or reply.json["code"] in (4, 7, 103), (args[:80], reply.json)
        reply = world.host.plugin("DEL", conf, container="bad", netns=container.path, args=args)
        # What DEL does not understand it may refuse; a runtime then gives up, so it must not be a reason for leftovers.
        assert reply.status == 0 or reply.json["code"] == 4, (args[:80], reply.json)
        if reply.status:
            world.host.plugin("DEL", conf, container="bad", netns=container.path).ok()
        assert [link["ifindex"] for link in world.host.ip("link")] == [link["ifindex"] for link in links]
    victim.is_untouched(before)


@pytest.mark.parametrize("version", [4, 6])
def test_a_neighbours_mac_is_no_way_to_his_traffic(world: World, version: int) -> None:
    """Each container has a pair of its own, so that the same MAC twice does no harm."""
    conf = network("mynet", 1, (version,), ipMasq=True)
    victim = world.attach(conf, "a")
    before = victim.picture()
    mac = victim.result["interfaces"][1]["mac"]
    second = world.attach({**conf, "runtimeConfig": {"mac": mac}}, "b")
    assert second.result["interfaces"][1]["mac"] == mac
    second.works()
    victim.is_untouched(before)
    second.call("DEL").ok()
    victim.is_untouched(before)


def test_an_id_that_was_leased_on_another_network_stays_leased_there(world: World) -> None:
    """One container on two networks whose leases are side by side."""
    first = world.attach(network("one", 1, ipMasq=True), "a")
    before = first.on_host()
    second = world.attach(network("two", 2, ipMasq=True), "a", ifname="eth1")
    for ifname in ("eth1", "eth0"):
        for netns in ("", second.container.path):
            second.call("DEL", netns=netns, ifname=ifname).ok()
            assert first.on_host() == before, (ifname, netns)
    first.works()
