"""`"mtu": "auto"`: the MTU of the link by which the host's default route leaves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.configurations import conf
from tests.namespaces import Container, Host


def uplink(host: Host, name: str, mtu: int) -> None:
    """The host has a link that leads out, with an address of each family."""
    host.run("ip", "link", "add", name, "mtu", str(mtu), "type", "veth", "peer", "name", f"{name}p")
    for end in (name, f"{name}p"):
        host.run("ip", "link", "set", end, "up")
    number = name[-1]
    host.run("ip", "addr", "add", f"192.168.{number}.2/24", "dev", name)
    if mtu >= 1280:
        host.run("ip", "addr", "add", f"fd99:{number}::2/64", "dev", name, "nodad")


def ends(host: Host, container: Container, result: Any) -> list[int]:
    """The MTU of the host end and that of the container's, as the kernel has them."""
    links = host.ip("link", "show", result["interfaces"][0]["name"]) + container.ip("link", "show", "eth0")
    return [link["mtu"] for link in links]


# The host's links with their MTUs, its default routes, and what a container gets.
WAYS_OUT: dict[str, tuple[dict[str, int], list[str], int]] = {
    "IPv4": ({"up1": 1400}, ["default via 192.168.1.1"], 1400),
    "IPv6": ({"up1": 1400}, ["-6 default via fd99:1::1"], 1400),
    "large": ({"up1": 9000}, ["default via 192.168.1.1"], 9000),
    "IPv4 less": ({"up1": 1400, "up2": 1450}, ["default via 192.168.1.1", "-6 default via fd99:2::1"], 1400),
    "IPv6 less": ({"up1": 1450, "up2": 1400}, ["default via 192.168.1.1", "-6 default via fd99:2::1"], 1400),
    "the preferred of two": ({"up1": 1400, "up2": 1300},
                             ["default via 192.168.1.1 metric 5", "default via 192.168.2.1 metric 9"], 1400),
    "several next hops": ({"up1": 1400, "up2": 1300},
                          ["default nexthop via 192.168.1.1 nexthop via 192.168.2.1"], 1300),
    "several next hops of IPv6": ({"up1": 1400, "up2": 1300},
                                  ["-6 default nexthop via fd99:1::1 nexthop via fd99:2::1"], 1300),
    "without a gateway": ({"up1": 1420}, ["default dev up1"], 1420),
    "two halves": ({"up1": 1500, "up2": 1300},
                   ["default via 192.168.1.1", "0.0.0.0/1 dev up2", "128.0.0.0/1 dev up2"], 1300),
    "all global addresses": ({"up1": 1300}, ["-6 2000::/3 via fd99:1::1"], 1300),
    "narrower routes beside": ({"up1": 1400, "up2": 1300},
                               ["default via 192.168.1.1", "203.0.113.0/24 dev up2", "192.0.2.0/24 dev up2"], 1400),
    "narrower routes only": ({"up1": 1400}, ["203.0.113.0/24 dev up1", "10.0.0.0/8 dev up1"], 1500),
    "refused": ({"up1": 1400}, ["unreachable default metric 9", "-6 blackhole default metric 9"], 1500),
    "by lo": ({}, ["default dev lo"], 1500),
    "none": ({"up1": 1400}, [], 1500),
}  # fmt: skip


@pytest.mark.parametrize("families", [["v4"], ["v6"], ["v4", "v6"]], ids=["v4", "v6", "dual"])
@pytest.mark.parametrize("way", list(WAYS_OUT))
def test_both_ends_have_the_mtu_of_the_way_out(host: Host, way: str, families: list[str]) -> None:
    links, routes, mtu = WAYS_OUT[way]
    for name, size in links.items():
        uplink(host, name, size)
    for route in routes:
        family, _, rest = route.rpartition("-6 ")
        host.run("ip", "-6" if route.startswith("-6") else "-4", "route", "add", *rest.split())
    container = host.container()
    configuration = conf("1.1.0", families, mtu="auto")
    assert host.plugin("STATUS", configuration).ok() is None
    result = host.plugin("ADD", configuration).ok()
    assert ends(host, container, result) == [mtu, mtu]
    assert [interface["mtu"] for interface in result["interfaces"]] == [mtu, mtu]
    assert host.plugin("CHECK", {**configuration, "prevResult": result}).ok() is None
    assert host.plugin("DEL", configuration).ok() is None


def test_a_default_route_of_a_policy_rule_counts(host: Host) -> None:
    uplink(host, "up1", 1500)
    uplink(host, "up2", 1420)
    host.run("ip", "route", "add", "default", "via", "192.168.1.1")
    host.run("ip", "route", "add", "default", "dev", "up2", "table", "51820")
    host.run("ip", "rule", "add", "not", "fwmark", "51820", "table", "51820")
    result = host.plugin("ADD", conf("1.1.0", ["v4"], mtu="auto"), netns=host.container().path).ok()
    assert result["interfaces"][1]["mtu"] == 1420


@pytest.mark.parametrize("version", ["0.4.0", "1.0.0", "1.1.0"])
def test_check_compares_with_what_add_took_whatever_the_way_out_is_now(host: Host, version: str) -> None:
    uplink(host, "up1", 1400)
    host.run("ip", "route", "add", "default", "via", "192.168.1.1")
    container = host.container()
    configuration = conf(version, ["v4"], mtu="auto")
    result = host.plugin("ADD", configuration).ok()
    checked = {**configuration, "prevResult": result}
    host.run("ip", "link", "set", "up1", "mtu", "1300")
    assert host.plugin("CHECK", checked).ok() is None
    container.run("ip", "link", "set", "eth0", "mtu", "9000")
    assert "mtu 9000" in host.plugin("CHECK", checked).error(105)["details"]
    container.run("ip", "link", "set", "eth0", "mtu", "1400")
    host.run("ip", "link", "set", result["interfaces"][0]["name"], "mtu", "1350")
    assert "mtu 1350" in host.plugin("CHECK", checked).error(105)["details"] or version != "1.1.0"


@pytest.mark.parametrize("mtu", [1279, "auto"])
def test_an_mtu_too_small_for_ipv6_is_refused_and_status_tells(host: Host, mtu: object) -> None:
    uplink(host, "up1", 1279)
    host.run("ip", "route", "add", "default", "via", "192.168.1.1")
    host.container()
    before = host.snapshot()
    for command in ("STATUS", "ADD"):
        error = host.plugin(command, conf("1.1.0", ["v4", "v6"], mtu=mtu)).error(7)
        assert error["msg"] == "mtu 1279 cannot be used"
    assert host.snapshot() == before
    assert host.plugin("STATUS", conf("1.1.0", ["v4"], mtu=mtu)).ok() is None
    assert host.plugin("ADD", conf("1.1.0", ["v4"], mtu=mtu)).ok()["interfaces"][1]["mtu"] == 1279


@pytest.mark.parametrize("mtu", ["Auto", "AUTO", " auto", "", "1500", "0", ["auto"], True])
def test_no_other_word_is_an_mtu(host: Host, mtu: object) -> None:
    host.container()
    assert "mtu must be an integer" in host.plugin("ADD", conf("1.0.0", ["v4"], mtu=mtu)).error(6)["details"]


@pytest.mark.parametrize("key", ["mtu", "MTU", "Mtu"])
def test_the_key_is_auto_in_any_case(host: Host, key: str) -> None:
    uplink(host, "up1", 1400)
    host.run("ip", "route", "add", "default", "via", "192.168.1.1")
    host.container()
    assert host.plugin("ADD", conf("1.1.0", ["v4"], **{key: "auto"})).ok()["interfaces"][0]["mtu"] == 1400
