"""The file called as bandwidth, beside Go's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cni_ptp.cni.attachment import Attachment
from tests.chained.calls import attached, call, chained, without_dns
from tests.namespaces import Host

ATTACHMENT = Attachment("mynet", "c1", "eth0")
VETH, IFB = ATTACHMENT.host_veth(), ATTACHMENT.go_ifb()
LIMITS: dict[str, Any] = {
    "ingressRate": 10_000_000,
    "ingressBurst": 1_000_000,
    "egressRate": 8_000_000,
    "egressBurst": 800_000,
}


def qdiscs(host: Host, name: str) -> list[dict[str, Any]]:
    """The queueing disciplines of a link."""
    return [
        {"kind": q["kind"], **q.get("options", {})}
        for q in json.loads(host.run("tc", "-j", "qdisc", "show", "dev", name).stdout)
    ]


def ifbs(host: Host) -> list[str]:
    """The ifb links that are named as bandwidth names them."""
    return [link["ifname"] for link in host.ip("link", "show", "type", "ifb") if link["ifname"].startswith("bwp")]


@pytest.mark.parametrize("where", ["runtime", "configuration"])
def test_it_makes_what_the_go_plugin_makes(host: Host, where: str) -> None:
    limits: dict[str, Any] = {"runtimeConfig": {"bandwidth": LIMITS}} if where == "runtime" else LIMITS
    host.container()
    conf = chained("bandwidth", attached(host), **limits)
    theirs = call(host, "bandwidth", "ADD", conf, go=True).ok()
    go_made = qdiscs(host, VETH), qdiscs(host, IFB)
    mac = theirs["interfaces"][2].pop("mac")
    call(host, "bandwidth", "DEL", conf).ok()  # ours cleans up after Go's
    assert ifbs(host) == [] and "ingress" not in [q["kind"] for q in qdiscs(host, VETH)]
    ours = call(host, "bandwidth", "ADD", conf).ok()
    assert ours["interfaces"][2].pop("mac") != mac
    assert (qdiscs(host, VETH), qdiscs(host, IFB)) == go_made
    assert ours == without_dns(theirs)
    call(host, "bandwidth", "CHECK", {**conf, "prevResult": ours}).ok()
    call(host, "bandwidth", "CHECK", {**conf, "prevResult": ours}, go=True).ok()
    call(host, "bandwidth", "DEL", conf, go=True).ok()  # and Go's after ours
    assert ifbs(host) == []


def test_del_succeeds_twice_and_another_add_succeeds(host: Host) -> None:
    host.container()
    conf = chained("bandwidth", attached(host), **LIMITS)
    call(host, "bandwidth", "ADD", conf).ok()
    for _ in range(2):
        call(host, "bandwidth", "DEL", conf).ok()
    assert "ingress" not in [q["kind"] for q in qdiscs(host, VETH)], "nothing is led to an ifb that is gone"
    call(host, "bandwidth", "ADD", conf).ok()


def test_del_without_a_namespace_deletes_the_ifb(host: Host) -> None:
    host.container()
    conf = chained("bandwidth", attached(host), **LIMITS)
    call(host, "bandwidth", "ADD", conf).ok()
    host.run("ip", "link", "del", VETH)
    call(host, "bandwidth", "DEL", conf, netns="").ok()
    assert ifbs(host) == []


@pytest.mark.parametrize(
    ("limits", "msg"),
    [
        ({"ingressRate": 8}, "if rate is set, burst must also be set"),
        ({"ingressBurst": 8}, "if burst is set, rate must also be set"),
        ({"ingressRate": 8, "ingressBurst": 2**35}, "burst cannot be more than 4GB"),
    ],
)
def test_a_wrong_limit_is_refused_in_gos_words(host: Host, limits: dict[str, Any], msg: str) -> None:
    host.container()
    conf = chained("bandwidth", attached(host), **limits)
    assert call(host, "bandwidth", "ADD", conf).error(7)["msg"] == msg


def test_a_host_interface_that_is_not_the_containers_other_end_is_not_touched(host: Host) -> None:
    host.container("c1")
    c2 = host.container("c2")
    previous = attached(host)
    other = attached(host, container="c2", netns=c2.path)
    previous["interfaces"][0] = other["interfaces"][0]
    before = qdiscs(host, other["interfaces"][0]["name"])
    error = call(host, "bandwidth", "ADD", chained("bandwidth", previous, **LIMITS)).error(100)
    assert error["msg"] == "no veth peer of container interface found in host ns"
    assert qdiscs(host, other["interfaces"][0]["name"]) == before and ifbs(host) == []


def test_without_limits_it_passes_the_result_on(host: Host) -> None:
    host.container()
    previous = attached(host)
    assert call(host, "bandwidth", "ADD", chained("bandwidth", previous)).ok() == previous
    assert call(host, "bandwidth", "ADD", chained("bandwidth")).error(7)["msg"] == "must be called as chained plugin"
