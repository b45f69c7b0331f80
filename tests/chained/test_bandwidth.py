"""The file called as bandwidth, beside Go's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cni_ptp.cni.attachment import Attachment
from tests.chained.calls import attached, call, chained, without_dns
from tests.configurations import conf
from tests.namespaces import REFERENCE, Host

ATTACHMENT = Attachment("mynet", "c1", "eth0")
VETH, IFB = ATTACHMENT.host_veth(), ATTACHMENT.go_ifb()
PTP = conf("1.0.0", ["v4"])
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


def shown(host: Host) -> list[str]:
    """What tc prints of the limits, without counters, and without the action that Go adds and that never runs."""
    commands = [
        ("qdisc", "show", "dev", VETH),
        ("qdisc", "show", "dev", IFB),
        ("filter", "show", "dev", VETH, "parent", "ffff:"),
    ]
    lines = [line for words in commands for line in host.run("tc", "-d", *words).stdout.splitlines()]
    left_out = ("installed", "action order 2", "\tindex ")
    return [line for line in lines if line.strip() and not any(words in line for words in left_out)]


def ifbs(host: Host) -> list[str]:
    """The ifb links that are named as bandwidth names them."""
    return [link["ifname"] for link in host.ip("link", "show", "type", "ifb") if link["ifname"].startswith("bwp")]


@pytest.mark.parametrize("where", ["runtime", "configuration"])
def test_it_makes_what_the_go_plugin_makes(host: Host, where: str) -> None:
    limits: dict[str, Any] = {"runtimeConfig": {"bandwidth": LIMITS}} if where == "runtime" else LIMITS
    host.container()
    conf = chained("bandwidth", attached(host), **limits)
    theirs = call(host, "bandwidth", "ADD", conf, go=True).ok()
    go_made = shown(host)
    mac = theirs["interfaces"][2].pop("mac")
    call(host, "bandwidth", "DEL", conf).ok()  # ours cleans up after Go's
    assert ifbs(host) == [] and "ingress" not in [q["kind"] for q in qdiscs(host, VETH)]
    ours = call(host, "bandwidth", "ADD", conf).ok()
    assert ours["interfaces"][2].pop("mac") != mac
    assert shown(host) == go_made
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


@pytest.mark.parametrize("rate", [8, 16, 123_456, 3_000_000, 10_000_000, 999_999_999, 40_000_000_000])
def test_every_rate_gives_what_the_go_plugin_gives(host: Host, rate: int) -> None:
    """Where the burst is a packet at least and less than a quarter of a second."""
    host.container()
    burst = max(rate // 5, 8 * 1514)
    previous = attached(host)
    conf = chained("bandwidth", previous, egressRate=rate, egressBurst=burst)
    call(host, "bandwidth", "ADD", conf, go=True).ok()
    theirs = qdiscs(host, IFB)
    call(host, "bandwidth", "CHECK", conf).ok()
    call(host, "bandwidth", "DEL", conf).ok()
    call(host, "bandwidth", "ADD", conf).ok()
    if rate * 0.2 > 8 * 1514:
        assert qdiscs(host, IFB) == theirs
        call(host, "bandwidth", "CHECK", conf, go=True).ok()
    call(host, "bandwidth", "CHECK", conf).ok()


@pytest.mark.parametrize("burst", [4_294_967_295, 2_147_483_647, 2**35 - 9, 8_000])
def test_check_takes_what_the_go_plugin_made(host: Host, burst: int) -> None:
    host.container()
    limits: dict[str, Any] = {
        "ingressRate": 1_000_000,
        "ingressBurst": burst,
        "egressRate": 1_000_000,
        "egressBurst": burst,
    }
    conf = chained("bandwidth", attached(host), **limits)
    theirs = call(host, "bandwidth", "ADD", conf, go=True).ok()
    call(host, "bandwidth", "CHECK", {**conf, "prevResult": theirs}).ok()


def test_a_second_add_changes_nothing(host: Host) -> None:
    host.container()
    conf = chained("bandwidth", attached(host), **LIMITS)
    first = call(host, "bandwidth", "ADD", conf).ok()
    before = shown(host)
    assert call(host, "bandwidth", "ADD", conf).ok() == first
    assert call(host, "bandwidth", "ADD", {**conf, "prevResult": first}).ok() == first
    assert shown(host) == before


def test_behind_a_ptp_that_makes_the_same_limits_it_changes_nothing(host: Host) -> None:
    host.container()
    runtime: dict[str, Any] = {"runtimeConfig": {"bandwidth": LIMITS}}
    previous = host.plugin("ADD", {**PTP, **runtime}).ok()
    before = shown(host)
    conf = chained("bandwidth", previous, **runtime)
    assert call(host, "bandwidth", "ADD", conf).ok() == previous
    assert shown(host) == before
    call(host, "bandwidth", "DEL", conf).ok()
    host.plugin("DEL", {**PTP, **runtime, "prevResult": previous}).ok()
    assert ifbs(host) == []


def test_a_second_add_changes_the_limits(host: Host) -> None:
    host.container()
    previous = attached(host)
    call(host, "bandwidth", "ADD", chained("bandwidth", previous, **LIMITS)).ok()
    other: dict[str, Any] = {**LIMITS, "ingressRate": 20_000_000, "egressRate": 4_000_000}
    call(host, "bandwidth", "ADD", chained("bandwidth", previous, **other)).ok()
    assert qdiscs(host, VETH)[0]["rate"] == 2_500_000 and qdiscs(host, IFB)[0]["rate"] == 500_000


FOREIGN = {
    "root": ("qdisc", "add", "dev", VETH, "root", "handle", "1:", "pfifo"),
    "other bucket": (
        "qdisc",
        "add",
        "dev",
        VETH,
        "root",
        "handle",
        "8:",
        "tbf",
        "rate",
        "1mbit",
        "burst",
        "9k",
        "limit",
        "9k",
    ),
    "clsact": ("qdisc", "add", "dev", VETH, "clsact"),
    "ingress": (
        "filter",
        "add",
        "dev",
        VETH,
        "parent",
        "ffff:",
        "prio",
        "7",
        "u32",
        "match",
        "u32",
        "0",
        "0",
        "flowid",
        "1:2",
    ),
}


@pytest.mark.parametrize("what", list(FOREIGN))
def test_a_qdisc_of_something_else_is_refused_and_nothing_changes(host: Host, what: str) -> None:
    host.container()
    previous = attached(host)
    if what == "ingress":
        host.run("tc", "qdisc", "add", "dev", VETH, "ingress")
    host.run("tc", *FOREIGN[what])
    before = host.run("tc", "qdisc", "show").stdout
    error = call(host, "bandwidth", "ADD", chained("bandwidth", previous, **LIMITS)).error(100)
    assert "of something else" in error["details"]
    assert host.run("tc", "qdisc", "show").stdout == before and ifbs(host) == []


def test_a_second_add_that_fails_leaves_the_limits_of_the_first(host: Host) -> None:
    host.container()
    previous = attached(host)
    ingress: dict[str, Any] = {"ingressRate": 10_000_000, "ingressBurst": 1_000_000}
    call(host, "bandwidth", "ADD", chained("bandwidth", previous, **ingress)).ok()
    host.run("tc", *FOREIGN["clsact"])
    before = qdiscs(host, VETH)
    other = chained("bandwidth", previous, **{**LIMITS, "ingressRate": 20_000_000})
    call(host, "bandwidth", "ADD", other).error(100)
    assert qdiscs(host, VETH) == before and ifbs(host) == []


@pytest.mark.parametrize(
    "kind", ["without prevResult", "with limits that cannot be used", "with an unreadable prevResult"]
)
def test_del_ends_the_redirection_before_the_ifb_whatever_it_is_told(host: Host, kind: str) -> None:
    host.container()
    conf = chained("bandwidth", attached(host), **LIMITS)
    call(host, "bandwidth", "ADD", conf).ok()
    if kind == "without prevResult":
        del conf["prevResult"]
    elif kind == "with limits that cannot be used":
        conf["ingressRate"] = 0
    else:
        conf["prevResult"] = {"cniVersion": "1.0.0", "ips": [{"address": "nonsense"}]}
    call(host, "bandwidth", "DEL", conf).ok()
    assert ifbs(host) == [] and "ingress" not in [q["kind"] for q in qdiscs(host, VETH)]


def test_del_leaves_the_host_end_as_it_was(host: Host) -> None:
    host.container()
    conf = chained("bandwidth", attached(host), **LIMITS)
    before = qdiscs(host, VETH)
    call(host, "bandwidth", "ADD", conf).ok()
    call(host, "bandwidth", "DEL", conf).ok()
    assert qdiscs(host, VETH) == before


def test_after_gos_del_another_add_succeeds(host: Host) -> None:
    """Go's leaves the redirection, to an ifb that it deleted, and its own ADD fails then."""
    host.container()
    conf = chained("bandwidth", attached(host), **LIMITS)
    call(host, "bandwidth", "ADD", conf, go=True).ok()
    call(host, "bandwidth", "DEL", conf, go=True).ok()
    call(host, "bandwidth", "ADD", conf).ok()
    call(host, "bandwidth", "CHECK", conf).ok()


def test_gc_keeps_the_valid_and_ends_the_redirection_of_others(host: Host) -> None:
    host.container()
    network = chained("bandwidth", version="1.1.0")
    conf = chained("bandwidth", attached(host), **LIMITS)
    call(host, "bandwidth", "ADD", conf).ok()
    valid = [{"containerID": "c1", "ifname": "eth0"}]
    call(host, "bandwidth", "GC", {**network, "cni.dev/valid-attachments": valid}).ok()
    call(host, "bandwidth", "CHECK", conf).ok()
    call(host, "bandwidth", "GC", {**network, "cni.dev/valid-attachments": []}).ok()
    assert ifbs(host) == [] and "ingress" not in [q["kind"] for q in qdiscs(host, VETH)]


def test_status_succeeds_where_the_kernel_has_ifb(host: Host) -> None:
    before = host.snapshot()
    call(host, "bandwidth", "STATUS", chained("bandwidth", version="1.1.0", **LIMITS)).ok()
    assert host.snapshot() == before


@pytest.mark.parametrize("plugin", ["ptp", "bridge"])
def test_behind_a_go_plugin_it_limits_the_host_end(host: Host, plugin: str) -> None:
    host.container()
    made = {**PTP, "type": plugin, "bridge": "br0"}
    previous = without_dns(host.plugin("ADD", made, exe=REFERENCE / plugin, path=str(REFERENCE)).ok())
    limited = chained("bandwidth", previous, **LIMITS)
    result = call(host, "bandwidth", "ADD", limited).ok()
    assert result["interfaces"][-1]["name"] == IFB
    veth = next(i["name"] for i in previous["interfaces"] if i["name"].startswith("veth"))
    assert [q["kind"] for q in qdiscs(host, veth)] == ["tbf", "ingress"]
    call(host, "bandwidth", "CHECK", {**limited, "prevResult": result}).ok()
    call(host, "bandwidth", "DEL", {**limited, "prevResult": result}).ok()
    host.plugin("DEL", {**made, "prevResult": previous}, exe=REFERENCE / plugin, path=str(REFERENCE)).ok()
    assert ifbs(host) == []


def test_an_interface_without_a_host_end_is_refused(host: Host) -> None:
    container = host.container()
    previous = attached(host)
    container.run("ip", "link", "add", "macvlan0", "link", "eth0", "type", "macvlan")
    error = call(host, "bandwidth", "ADD", chained("bandwidth", previous, **LIMITS), ifname="macvlan0").error(100)
    assert error["msg"] == "no veth peer of container interface found in host ns" and ifbs(host) == []


def test_the_example_of_the_go_plugins_tests_has_their_name_of_the_ifb(host: Host) -> None:
    assert Attachment("cni-plugin-bandwidth-test", "dummy", "eth0").go_ifb() == "bwpa8eda89404b7"
