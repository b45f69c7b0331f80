"""Limits of bandwidth on a real kernel, made by ptp itself."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cni_ptp.cni.attachment import Attachment
from cni_ptp.cni.bandwidth import Limit
from cni_ptp.shaping.buckets import bucket, own_ifb
from tests.configurations import conf
from tests.namespaces import Container, Host, entered

ATTACHMENT = Attachment("mynet", "c1", "eth0")
VETH, IFB = ATTACHMENT.host_veth(), ATTACHMENT.go_ifb()
LIMITS = {"ingressRate": 10_000_000, "ingressBurst": 1_000_000, "egressRate": 8_000_000, "egressBurst": 800_000}
GO = Path("/usr/lib/cni/bandwidth")


def limited(**limits: int) -> dict[str, Any]:
    """A configuration whose runtime asks for these limits."""
    return {**conf("1.0.0", ["v4"]), "runtimeConfig": {"bandwidth": limits or LIMITS}}


def qdiscs(host: Host, name: str) -> list[dict[str, Any]]:
    """The queueing disciplines of a link, as tc tells them, without handles."""
    listed = json.loads(host.run("tc", "-j", "qdisc", "show", "dev", name).stdout)
    return [{"kind": q["kind"], **q.get("options", {})} for q in listed]


def links(host: Host) -> list[str]:
    """The names of the host's ifb links but for those that the module makes."""
    return [link["ifname"] for link in host.ip("link", "show", "type", "ifb") if link["ifname"].startswith("bwp")]


def test_both_directions_are_limited_as_asked_for(host: Host) -> None:
    host.container()
    result = host.plugin("ADD", limited()).ok()
    assert [i["name"] for i in result["interfaces"]] == [VETH, "eth0", IFB]
    assert "sandbox" not in result["interfaces"][2] and result["ips"][0]["interface"] == 1
    veth, ifb = qdiscs(host, VETH), qdiscs(host, IFB)
    assert [q["kind"] for q in veth] == ["tbf", "ingress"] and [q["kind"] for q in ifb] == ["tbf"]
    assert (veth[0]["rate"], veth[0]["burst"]) == (1_250_000, 125_000)
    assert (ifb[0]["rate"], ifb[0]["burst"]) == (1_000_000, 100_000)
    listed = host.run("tc", "filter", "show", "dev", VETH, "parent", "ffff:").stdout
    assert f"Egress Redirect to device {IFB}" in listed and "match 00000000/00000000 at 0" in listed


@pytest.mark.skipif(not GO.exists(), reason=f"needs {GO} (Debian: containernetworking-plugins)")
def test_the_kernel_has_what_the_go_plugin_makes(host: Host) -> None:
    """But for the action that Go adds a second time, and which never runs."""
    host.container()
    plain = conf("1.0.0", ["v4"])
    result = host.plugin("ADD", plain).ok()
    go = {**plain, "type": "bandwidth", "runtimeConfig": {"bandwidth": LIMITS}, "prevResult": result}
    go_result = host.plugin("ADD", go, exe=GO, path="/usr/lib/cni").ok()
    theirs = qdiscs(host, VETH), qdiscs(host, IFB), host.ip("link", "show", IFB)[0]["mtu"]
    host.plugin("DEL", go, exe=GO, path="/usr/lib/cni").ok()
    host.plugin("DEL", plain).ok()
    host.container("c2")
    ours = host.plugin("ADD", limited()).ok()
    assert (qdiscs(host, VETH), qdiscs(host, IFB), host.ip("link", "show", IFB)[0]["mtu"]) == theirs
    assert [i["name"] for i in ours["interfaces"]] == [i["name"] for i in go_result["interfaces"]]


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_one_direction_alone_is_limited(host: Host, direction: str) -> None:
    host.container()
    host.plugin("ADD", limited(**{f"{direction}Rate": 8_000_000, f"{direction}Burst": 800_000})).ok()
    assert (links(host) == [IFB]) == (direction == "egress")
    assert ("tbf" in [q["kind"] for q in qdiscs(host, VETH)]) == (direction == "ingress")


@pytest.mark.parametrize("kind", ["as given", "without prevResult", "without limits", "with nothing"])
def test_del_leaves_no_ifb(host: Host, kind: str) -> None:
    host.container()
    given = limited()
    result = host.plugin("ADD", given).ok()
    if kind in ("as given", "without limits"):
        given["prevResult"] = result
    if kind in ("without limits", "with nothing"):
        del given["runtimeConfig"]
    host.plugin("DEL", given).ok()
    assert links(host) == []
    host.plugin("DEL", given).ok()


def test_two_interfaces_of_one_container_have_an_ifb_each(host: Host) -> None:
    host.container()
    host.plugin("ADD", limited()).ok()
    second = host.plugin("ADD", limited(), ifname="net1").ok()
    assert len(links(host)) == 2
    host.plugin("DEL", limited(), ifname="eth0").ok()
    assert links(host) == [second["interfaces"][2]["name"]]
    host.plugin("DEL", {**limited(), "prevResult": second}, ifname="net1").ok()
    assert links(host) == []


def test_gc_deletes_the_ifb_of_others_than_the_valid(host: Host) -> None:
    for name in ("c1", "c2"):
        host.plugin("ADD", limited(), container=name, netns=host.container(name).path).ok()
    valid = [{"containerID": "c2", "ifname": "eth0"}]
    host.plugin("GC", {**limited(), "cni.dev/valid-attachments": valid, "cniVersion": "1.1.0"}).ok()
    assert links(host) == [Attachment("mynet", "c2", "eth0").go_ifb()]


def test_a_failed_add_leaves_neither_link(host: Host) -> None:
    host.container()
    before = host.snapshot()
    host.run("ip", "link", "add", IFB, "type", "veth", "peer", "name", own_ifb(ATTACHMENT))
    assert "limit what the container sends" in host.plugin("ADD", limited()).error(100)["msg"]
    host.run("ip", "link", "del", IFB)
    assert host.snapshot() == before


def test_an_ifb_that_an_earlier_attachment_left_is_made_anew(host: Host) -> None:
    host.container()
    host.plugin("ADD", limited()).ok()
    host.run("ip", "link", "del", VETH)
    host.run("rm", "-r", "/var/lib/cni/networks/mynet")
    result = host.plugin("ADD", limited()).ok()
    host.plugin("CHECK", {**limited(), "prevResult": result}).ok()
    assert links(host) == [IFB]


DAMAGES = {
    "bucket": ("tc", "qdisc", "del", "dev", VETH, "root"),
    "rate": ("tc", "qdisc", "replace", "dev", VETH, "root", "handle", "1:", "tbf", "rate", "1gbit", "burst", "125000",
             "limit", "156250"),
    "burst": ("tc", "qdisc", "replace", "dev", VETH, "root", "handle", "1:", "tbf", "rate", "10mbit", "burst", "50000",
              "limit", "156250"),
    "other qdisc": ("tc", "qdisc", "replace", "dev", VETH, "root", "handle", "2:", "pfifo"),
    "redirection": ("tc", "filter", "del", "dev", VETH, "parent", "ffff:"),
    "ingress": ("tc", "qdisc", "del", "dev", VETH, "ingress"),
    "ifb": ("ip", "link", "del", IFB),
    "ifb down": ("ip", "link", "set", IFB, "down"),
    "bucket of the ifb": ("tc", "qdisc", "del", "dev", IFB, "root"),
}  # fmt: skip


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_check_names_each_damage(host: Host, damage: str) -> None:
    host.container()
    result = host.plugin("ADD", limited()).ok()
    checked = {**limited(), "prevResult": result}
    host.plugin("CHECK", checked).ok()
    host.run(*DAMAGES[damage])
    details = host.plugin("CHECK", checked).error(105)["details"]
    assert IFB in details or VETH in details


@pytest.mark.parametrize(
    ("rate", "burst", "shown", "queued"),
    [
        (1_000_000, 4_294_967_295, 34_359_738, 34_375),  # containerd's: 512 MiB, which would be 4,295 s
        (10_000_000, 2**35 - 9, 343_597_383, 343_750),  # CRI-O's
        (80_000_000, 8_000, 1_514, 251_514),  # below one packet
    ],
)
def test_no_burst_makes_a_queue_of_minutes_and_none_drops_every_packet(
    host: Host, rate: int, burst: int, shown: int, queued: int
) -> None:
    host.container()
    conf = limited(ingressRate=rate, ingressBurst=burst)
    result = host.plugin("ADD", conf).ok()
    assert abs(qdiscs(host, VETH)[0]["burst"] - shown) <= shown // 100
    host.plugin("CHECK", {**conf, "prevResult": result}).ok()
    assert bucket(Limit(rate // 8, burst // 8), 1500).limit == queued


def test_a_byte_a_second_is_a_limit(host: Host) -> None:
    host.container()
    conf = limited(ingressRate=8, ingressBurst=8)
    result = host.plugin("ADD", conf).ok()
    host.plugin("CHECK", {**conf, "prevResult": result}).ok()


def through(sender: Container | None, receiver: Container | None, address: str, size: int) -> float:
    """Bytes a second that a stream of `size` bytes is received at, its first part left out.  None: the host."""
    here = "/proc/self/ns/net"
    with entered(receiver.path if receiver else here):
        server = socket.create_server((address, 0))
    got: list[float] = []

    def receive() -> None:
        connection, _ = server.accept()
        with connection:
            total, since = 0, 0.0
            while part := connection.recv(65536):
                total += len(part)
                if not since and total > size // 2:
                    since, begun = time.monotonic(), total
            got.append((total - begun) / (time.monotonic() - since))

    thread = threading.Thread(target=receive)
    thread.start()
    with entered(sender.path if sender else here):
        client = socket.create_connection(server.getsockname())
    with server, client:
        client.sendall(bytes(size))
        client.shutdown(socket.SHUT_WR)
        thread.join()
    return got[0]


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_a_stream_gets_no_more_than_the_limit(host: Host, direction: str) -> None:
    """A machine that is busy makes it slower, never faster."""
    container = host.container()
    result = host.plugin("ADD", limited(**{f"{direction}Rate": 8_000_000, f"{direction}Burst": 400_000})).ok()
    gateway, address = result["ips"][0]["gateway"], result["ips"][0]["address"].split("/")[0]
    if direction == "ingress":
        rate = through(None, container, address, 1_500_000)
    else:
        rate = through(container, None, gateway, 1_500_000)
    assert rate < 1_100_000
