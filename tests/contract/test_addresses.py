"""Whatever addresses and routes IPAM may give.  Source: cni.md sections 2.2 and 2.9."""

from __future__ import annotations

from typing import Any

import pytest

from tests.configurations import static
from tests.contract.traffic import listening, lost_packets
from tests.namespaces import Host

MIXES: dict[str, list[tuple[str, str | None]]] = {
    "/31": [("10.0.0.0/31", "10.0.0.1")],
    "/32": [("10.0.0.5/32", "10.0.0.1")],
    "/128": [("fd00::5/128", "fd00::1")],
    "/127": [("fd00::/127", "fd00::1")],
    "gateway elsewhere": [("10.0.0.5/24", "192.0.2.1")],
    "link-local gateway": [("fd00::5/64", "fe80::1")],
    "link-local": [("169.254.7.7/16", "169.254.0.1")],
    "two of one subnet": [("10.0.0.5/24", "10.0.0.1"), ("10.0.0.6/24", "10.0.0.1")],
    "two gateways of one subnet": [("10.0.0.5/24", "10.0.0.1"), ("10.0.0.6/24", "10.0.0.2")],
    "two subnets, one gateway": [("10.0.0.5/24", "10.0.0.1"), ("10.0.1.5/24", "10.0.0.1")],
    "two of IPv6": [("fd00::5/64", "fd00::1"), ("fd00:1::5/64", "fd00:1::1")],
    "reserved for future use": [("240.0.0.5/24", "240.0.0.1")],
    "the last but the limited broadcast": [("255.255.255.254/31", "255.255.254.255")],
    "this network": [("0.1.2.5/24", "0.1.2.1")],
    "reserved gateway": [("10.0.0.5/24", "250.1.1.1")],
    "gateway of this network": [("10.0.0.5/24", "0.0.0.1")],
    "reserved and IPv6": [("241.0.0.5/8", "241.0.0.1"), ("fd00::5/64", "fd00::1")],
    "several of each": [
        ("10.0.0.5/24", "10.0.0.1"), ("fd00::5/64", "fd00::1"), ("10.1.0.5/32", "10.1.0.1"), ("fd00::6/64", "fd00::1"),
        ("10.2.0.5/16", "10.2.0.1"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("backend", ["none", "nftables", "iptables"])
@pytest.mark.parametrize("mix", list(MIXES))
def test_any_mix_of_addresses_is_attached_reachable_and_detached(host: Host, mix: str, backend: str) -> None:
    container = host.container()
    masq: dict[str, Any] = {} if backend == "none" else {"ipMasq": True, "ipMasqBackend": backend}
    configuration = static(MIXES[mix], **masq)
    if backend == "iptables":  # its base chains stay, as iptables itself leaves them
        for program in ("iptables", "ip6tables"):
            for verb in ("-A", "-D"):
                host.run(program, "-t", "nat", verb, "POSTROUTING", "-j", "ACCEPT")
    before = host.snapshot()
    result = host.plugin("ADD", configuration).ok()
    assert [ip["address"] for ip in result["ips"]] == [a for a, _ in MIXES[mix]]
    for gateway in {g for _, g in MIXES[mix] if g and not g.startswith("fe80")}:
        with listening(host, gateway) as port:
            assert lost_packets(container, gateway, port) == 0
    assert host.plugin("CHECK", {**configuration, "prevResult": result}).ok() is None
    assert host.plugin("DEL", configuration).ok() is None
    assert host.snapshot() == before


REFUSED: dict[str, tuple[list[tuple[str, str | None]], str]] = {
    "no gateway": ([("10.0.0.5/24", None)], "has no gateway"),
    "gateway of another family": ([("10.0.0.5/24", "fd00::1")], "another family"),
    "gateway is the address": ([("10.0.0.5/24", "10.0.0.5")], "address of the container itself"),
    "multicast": ([("224.0.0.5/24", "224.0.0.1")], "no address that a container can have"),
    "loopback": ([("127.0.0.5/8", "127.0.0.1")], "no address that a container can have"),
    "last of multicast": ([("239.255.255.255/8", "10.0.0.1")], "no address that a container can have"),
    "limited broadcast": ([("255.255.255.255/32", "10.0.0.1")], "no address that a container can have"),
    "limited broadcast as gateway": ([("10.0.0.5/24", "255.255.255.255")], "which no host can have"),
    "unspecified gateway": ([("10.0.0.5/24", "0.0.0.0")], "which no host can have"),
    "loopback gateway": ([("10.0.0.5/24", "127.0.0.1")], "which no host can have"),
    "v6 unspecified gateway": ([("fd00::5/64", "::")], "which no host can have"),
    "unspecified": ([("0.0.0.0/0", "10.0.0.1")], "no address that a container can have"),
    "v6 multicast": ([("ff02::5/64", "fd00::1")], "no address that a container can have"),
    "v6 loopback": ([("::1/128", "fd00::1")], "no address that a container can have"),
    "twice": ([("10.0.0.5/24", "10.0.0.1"), ("10.0.0.5/24", "10.0.0.1")], "is there twice"),
    "none": ([], "missing IP config"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_addresses_that_can_not_be_used_are_refused_before_anything_is_made(host: Host, case: str) -> None:
    host.container()
    before = host.snapshot()
    addresses, words = REFUSED[case]
    assert words in host.plugin("ADD", static(addresses)).error(7)["msg"]
    assert host.snapshot() == before


@pytest.mark.parametrize("case", [case for case in REFUSED if case != "none"])
def test_status_tells_that_add_would_refuse_the_configured_addresses(host: Host, case: str) -> None:
    addresses, words = REFUSED[case]
    assert words in host.plugin("STATUS", static(addresses, cniVersion="1.1.0")).error(7)["msg"]


@pytest.mark.parametrize("subnet", ["240.1.0.0/16", "0.7.0.0/16", "254.0.0.0/8", "255.255.255.0/24"])
def test_a_pool_of_addresses_that_were_reserved_once_serves_containers(host: Host, subnet: str) -> None:
    container = host.container()
    configuration = {**static([]), "cniVersion": "1.1.0", "ipMasq": True}
    configuration["ipam"] = {"type": "host-local", "subnet": subnet, "routes": [{"dst": "0.0.0.0/0"}]}
    before = host.snapshot()
    assert host.plugin("STATUS", configuration).ok() is None
    result = host.plugin("ADD", configuration).ok()
    gateway = result["ips"][0]["gateway"]
    with listening(host, gateway) as port:
        assert lost_packets(container, gateway, port) == 0
    assert host.plugin("CHECK", {**configuration, "prevResult": result}).ok() is None
    assert host.plugin("DEL", configuration).ok() is None
    assert host.snapshot() == before


@pytest.mark.parametrize("subnet", ["127.1.0.0/16", "224.0.0.0/24", "239.255.255.0/24", "ff02::/64", "::/64"])
def test_status_tells_that_add_would_refuse_each_address_of_a_pool(host: Host, subnet: str) -> None:
    host.container()
    configuration = {**static([]), "cniVersion": "1.1.0", "ipam": {"type": "host-local", "subnet": subnet}}
    msg = host.plugin("ADD", configuration).error(7)["msg"]
    assert host.plugin("STATUS", configuration).error(7)["msg"].split(" IPAM ")[1] == msg.split(" IPAM ")[1]


BAD_ROUTES: list[tuple[dict[str, Any], str]] = [
    ({"mtu": -1}, "mtu -1"),
    ({"mtu": 1 << 32}, "mtu 4294967296"),
    ({"advmss": -1}, "advmss -1"),
    ({"priority": -1}, "priority -1"),
    ({"priority": 1 << 32}, "priority 4294967296"),
    ({"table": -1}, "table -1"),
    ({"table": 1 << 32}, "table 4294967296"),
    ({"scope": -1}, "scope -1"),
    ({"scope": 256}, "scope 256"),
    ({"scope": 255}, "scope 255"),
    ({"gw": "10.0.0.1", "scope": 253}, "gateway 10.0.0.1"),
    ({"gw": "10.0.0.9", "scope": 254}, "gateway 10.0.0.9"),
    ({"gw": "::"}, "gateway ::"),
    ({"gw": "fd00::1"}, "gateway fd00::1"),
]


@pytest.mark.parametrize(("more", "words"), BAD_ROUTES, ids=[words for _, words in BAD_ROUTES])
def test_a_route_that_the_kernel_could_not_be_asked_for_is_refused_before_anything_is_made(
    host: Host, more: dict[str, Any], words: str
) -> None:
    host.container()
    before = host.snapshot()
    configuration = static([("10.0.0.5/24", "10.0.0.1")])
    configuration["ipam"]["routes"] = [{"dst": "10.9.0.0/16", **more}]
    assert host.plugin("ADD", configuration).error(7)["msg"] == f"route 10.9.0.0/16 cannot have {words}"
    assert host.snapshot() == before


@pytest.mark.parametrize("ifname", ["eth%d", "p%", "\u00e0"])
def test_an_interface_name_that_the_kernel_would_change_or_refuse_is_refused(host: Host, ifname: str) -> None:
    container = host.container()
    before = host.snapshot()
    error = host.plugin("ADD", static([("10.0.0.5/24", "10.0.0.1")]), ifname=ifname).error(4)
    assert error["details"] == ifname
    assert host.snapshot() == before
    assert len(container.ip("link")) == 1


def test_the_refusal_of_a_missing_gateway_says_what_to_configure(host: Host) -> None:
    host.container()
    assert "gateway" in host.plugin("ADD", static([("10.0.0.5/24", None)])).error(7)["details"]


def test_ipv6_needs_a_link_that_is_large_enough_for_it(host: Host) -> None:
    host.container()
    assert "1280" in host.plugin("ADD", static([("fd00::5/64", "fd00::1")], mtu=1279)).error(7)["details"]


def test_every_attribute_of_a_route_is_applied(host: Host) -> None:
    container = host.container()
    routes: list[dict[str, Any]] = [
        {"dst": "0.0.0.0/0", "mtu": 1300, "advmss": 1200, "priority": 50},
        {"dst": "192.168.0.0/16", "gw": "10.0.0.77"},
        {"dst": "172.16.0.0/12", "table": 5000},
        {"dst": "198.51.100.0/24", "table": 0},
        {"dst": "203.0.113.77/24"},
        {"dst": "::/0", "priority": 7, "mtu": 1400},
        {"dst": "2001:db8::/32", "gw": "fd00::77", "table": 100},
    ]
    result = host.plugin("ADD", static([("10.0.0.5/24", "10.0.0.1"), ("fd00::5/64", "fd00::1")], routes)).ok()
    four = {r["dst"]: r for r in container.ip("-4", "route", "show", "table", "all")}
    assert four["default"]["gateway"] == "10.0.0.1" and four["default"]["metric"] == 50
    assert four["default"]["metrics"] == [{"mtu": 1300, "advmss": 1200}]
    assert four["192.168.0.0/16"]["gateway"] == "10.0.0.77"
    assert str(four["172.16.0.0/12"]["table"]) == "5000"
    assert "table" not in four["198.51.100.0/24"] and "203.0.113.0/24" in four
    six = {r["dst"]: r for r in container.ip("-6", "route", "show", "table", "all")}
    assert (six["default"]["gateway"], six["default"]["metric"]) == ("fd00::1", 7)
    assert six["default"]["metrics"] == [{"mtu": 1400}]
    assert (six["2001:db8::/32"]["gateway"], str(six["2001:db8::/32"]["table"])) == ("fd00::77", "100")
    assert (
        host.plugin("CHECK", {**static([]), "ipam": {"type": "static", "addresses": []}, "prevResult": result}).ok()
        is None
    )


# A route as IPAM gives it, and (gateway, scope) as the kernel has it.
ONTO_THE_LINK: list[tuple[dict[str, Any], tuple[str | None, str | None]]] = [
    ({"dst": "192.0.2.0/24", "gw": "0.0.0.0"}, (None, "link")),
    ({"dst": "192.0.2.0/24", "gw": "::ffff:0.0.0.0"}, (None, "link")),
    ({"dst": "192.0.2.0/24", "gw": "0.0.0.0", "scope": 0}, (None, None)),
    ({"dst": "192.0.2.0/24", "gw": "0.0.0.0", "scope": 253}, (None, "link")),
    ({"dst": "192.0.2.0/24", "scope": 253}, (None, "link")),
    ({"dst": "192.0.2.0/24", "scope": 254}, (None, "host")),
    ({"dst": "192.0.2.0/24", "scope": 253, "table": 255}, (None, "link")),
    ({"dst": "192.0.2.0/24", "scope": 253, "table": 100}, (None, "link")),
    ({"dst": "0.0.0.0/0", "gw": "0.0.0.0"}, (None, "link")),
    ({"dst": "0.0.0.0/0", "scope": 253}, (None, "link")),
    ({"dst": "192.0.2.0/24", "scope": 252}, ("10.0.0.1", "252")),
    ({"dst": "192.0.2.0/24", "scope": 0}, ("10.0.0.1", None)),
    ({"dst": "192.0.2.0/24", "table": 255}, ("10.0.0.1", None)),
    ({"dst": "192.0.2.0/24", "table": 253}, ("10.0.0.1", None)),
    ({"dst": "10.0.0.0/24", "gw": "0.0.0.0"}, (None, "link")),
    ({"dst": "10.0.0.1/32", "scope": 253}, (None, "link")),
    ({"dst": "2001:db8::/64", "gw": "::"}, (None, None)),
    ({"dst": "2001:db8::/64", "scope": 253}, (None, None)),
    ({"dst": "2001:db8::/64", "gw": "::", "table": 255}, (None, None)),
    ({"dst": "::/0", "gw": "::"}, (None, None)),
    ({"dst": "fd00::/64", "gw": "::"}, (None, None)),
    ({"dst": "2001:db8::/64", "gw": "fd00::1", "scope": 253}, ("fd00::1", None)),
    ({"dst": "2001:db8::/64", "table": 255}, ("fd00::1", None)),
]


@pytest.mark.parametrize("kind", ["whole", "only dst and gw"])
@pytest.mark.parametrize(("route", "expected"), ONTO_THE_LINK, ids=[str(r) for r, _ in ONTO_THE_LINK])
def test_a_route_onto_the_link_is_applied_and_checked_as_such(
    host: Host, route: dict[str, Any], expected: tuple[str | None, str | None], kind: str
) -> None:
    """Plugins from before CNI 1.1 hand on nothing but `dst` and `gw` of a route."""
    container = host.container()
    configuration = static([("10.0.0.5/24", "10.0.0.1"), ("fd00::5/64", "fd00::1")], [route])
    before = host.snapshot()
    result = host.plugin("ADD", configuration).ok()
    family = "-6" if ":" in route["dst"] else "-4"
    dst = "default" if route["dst"].endswith("/0") else route["dst"].replace("/32", "")
    # The local table holds routes of the kernel's as well, but none of type unicast.
    shown = container.ip(family, "route", "show", "table", "all", "type", "unicast")
    (found,) = [r for r in shown if r["dst"] == dst and (r.get("metric") != 256)]
    assert (found.get("gateway"), found.get("scope")) == expected
    assert result["routes"] == [route] or route.get("gw") == "::ffff:0.0.0.0"
    if kind != "whole":
        result["routes"] = [{key: r[key] for key in ("dst", "gw") if key in r} for r in result["routes"]]
    assert host.plugin("CHECK", {**configuration, "prevResult": result}).ok() is None
    where = ["table", str(found["table"])] if "table" in found else []
    container.run("ip", family, "route", "del", found["dst"], "dev", "eth0", *where)
    error = host.plugin("CHECK", {**configuration, "prevResult": result}).error(105)
    assert "the container has no route" in error["details"]
    host.plugin("DEL", configuration).ok()
    assert host.snapshot() == before


@pytest.mark.parametrize("order", [1, -1])
def test_a_gateway_may_be_reached_by_a_route_onto_the_link_in_any_order(host: Host, order: int) -> None:
    container = host.container()
    routes: list[dict[str, Any]] = [{"dst": "169.254.1.1/32", "scope": 253}, {"dst": "0.0.0.0/0", "gw": "169.254.1.1"}]
    configuration = static([("10.0.0.5/32", "10.0.0.1")], routes[::order])
    result = host.plugin("ADD", configuration).ok()
    assert container.ip("route", "show", "default")[0]["gateway"] == "169.254.1.1"
    assert host.plugin("CHECK", {**configuration, "prevResult": result}).ok() is None


def test_a_gateway_put_into_a_route_onto_the_link_is_found_by_check(host: Host) -> None:
    container = host.container()
    configuration = static([("10.0.0.5/24", "10.0.0.1")], [{"dst": "192.0.2.0/24", "gw": "0.0.0.0"}])
    result = host.plugin("ADD", configuration).ok()
    container.run("ip", "route", "replace", "192.0.2.0/24", "via", "10.0.0.1")
    error = host.plugin("CHECK", {**configuration, "prevResult": result}).error(105)
    assert "the container has no route 192.0.2.0/24 dev eth0" in error["details"]


def test_the_container_has_no_connected_route(host: Host) -> None:
    container = host.container()
    host.plugin("ADD", static([("10.0.0.5/24", "10.0.0.1")])).ok()
    routes = {r["dst"]: r for r in container.ip("-4", "route")}
    assert routes["10.0.0.1"] == {"dst": "10.0.0.1", "dev": "eth0", "scope": "link", "prefsrc": "10.0.0.5", "flags": []}
    assert routes["10.0.0.0/24"]["gateway"] == "10.0.0.1" and routes["10.0.0.0/24"]["prefsrc"] == "10.0.0.5"


def test_a_route_given_twice_and_one_to_the_subnet_itself_are_no_failure(host: Host) -> None:
    container = host.container()
    routes: list[dict[str, Any]] = [{"dst": "0.0.0.0/0"}, {"dst": "0.0.0.0/0"}, {"dst": "10.0.0.0/24"}]
    host.plugin("ADD", static([("10.0.0.5/24", "10.0.0.1")], routes)).ok()
    assert [r["dst"] for r in container.ip("-4", "route")].count("default") == 1


def test_a_route_by_an_unreachable_gateway_is_told_in_the_kernels_words_and_taken_back(host: Host) -> None:
    host.container()
    before = host.snapshot()
    routes = [{"dst": "192.168.0.0/16", "gw": "172.16.0.1"}]
    error = host.plugin("ADD", static([("10.0.0.5/24", "10.0.0.1")], routes)).error(100)
    assert error["msg"] == "add route 192.168.0.0/16 via 172.16.0.1 dev eth0"
    assert error["details"] == "ENETUNREACH, kernel: Nexthop has invalid gateway"
    assert host.snapshot() == before


def test_macs_follow_the_first_ipv4_address(host: Host) -> None:
    host.container()
    result = host.plugin("ADD", static([("fd00::5/64", "fd00::1"), ("10.0.0.5/24", "10.0.0.1")])).ok()
    assert [i["mac"] for i in result["interfaces"]] == ["0a:58:0a:00:00:01", "0a:58:0a:00:00:05"]


@pytest.mark.parametrize("family", ["4", "6"])
def test_a_wish_for_a_mac_is_obeyed(host: Host, family: str) -> None:
    container = host.container()
    address = ("10.0.0.5/24", "10.0.0.1") if family == "4" else ("fd00::5/64", "fd00::1")
    host.plugin("ADD", static([address], runtimeConfig={"mac": "02:42:00:00:00:07"})).ok()
    assert container.ip("link", "show", "eth0")[0]["address"] == "02:42:00:00:00:07"


def test_the_host_end_says_whose_it_is_and_takes_nothing_from_the_container(host: Host) -> None:
    host.container()
    result = host.plugin("ADD", static([("fd00::5/64", "fd00::1")]), container="abc").ok()
    name = result["interfaces"][0]["name"]
    assert host.ip("link", "show", name)[0]["ifalias"] == "cni-ptp n abc eth0"
    assert host.sysctl(f"ipv6/conf/{name}/accept_ra") == "0"
    assert host.sysctl(f"ipv6/conf/{name}/accept_redirects") == "0"
    assert host.sysctl("ipv6/conf/all/forwarding") == "1"


def test_a_host_end_without_an_ipv6_address_has_no_ipv6_and_so_no_routes_that_every_other_link_costs_time(
    host: Host,
) -> None:
    host.container()
    name = host.plugin("ADD", static([("10.0.0.5/24", "10.0.0.1")])).ok()["interfaces"][0]["name"]
    assert host.sysctl(f"ipv6/conf/{name}/disable_ipv6") == "1"
    assert host.sysctl(f"ipv6/conf/{name}/accept_ra") == "0"
    assert host.ip("-6", "route", "show", "table", "all", "dev", name) == []
    assert host.ip("-6", "addr", "show", "dev", name) == []


def test_when_add_returns_both_ends_take_in_what_comes_for_their_ipv6_addresses(host: Host) -> None:
    container = host.container()
    host.plugin("ADD", static([("fd00::5/64", "fd00::1")])).ok()
    inside, outside = (p.ip("-6", "route", "show", "table", "local") for p in (container, host))
    assert "fd00::5" in [route["dst"] for route in inside]
    assert "fd00::1" in [route["dst"] for route in outside]


def test_ipv6_is_enabled_in_a_container_that_has_it_off(host: Host) -> None:
    container = host.container()
    container.run("sh", "-c", "for i in all default; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done")
    host.plugin("ADD", static([("fd00::5/64", "fd00::1")])).ok()
    assert container.sysctl("ipv6/conf/eth0/disable_ipv6") == "0"


def test_forwarding_is_turned_on_only_for_the_families_in_use(host: Host) -> None:
    host.container()
    host.plugin("ADD", static([("10.0.0.5/24", "10.0.0.1")])).ok()
    assert (host.sysctl("ipv4/ip_forward"), host.sysctl("ipv6/conf/all/forwarding")) == ("1", "0")


def test_an_address_that_the_host_routes_to_a_live_neighbour_is_refused_and_the_neighbour_named(host: Host) -> None:
    host.container("c1"), host.container("c2")
    host.plugin("ADD", static([("10.0.0.5/24", "10.0.0.1")]), container="first").ok()
    before = host.snapshot()
    reply = host.plugin("ADD", static([("10.0.0.5/24", "10.0.0.1")]), container="second", netns="/run/netns/c2")
    assert "cni-ptp n first eth0" in reply.error(100)["details"]
    assert host.snapshot() == before


def test_a_neighbour_whose_end_is_down_keeps_its_address(host: Host) -> None:
    container = host.container("c1")
    host.container("c2")
    host.plugin("ADD", static([("10.0.0.5/24", "10.0.0.1")]), container="first").ok()
    container.run("ip", "link", "set", "eth0", "down")
    before = host.snapshot()
    reply = host.plugin("ADD", static([("10.0.0.5/24", "10.0.0.1")]), container="second", netns="/run/netns/c2")
    assert "cni-ptp n first eth0" in reply.error(100)["details"]
    assert host.snapshot() == before
