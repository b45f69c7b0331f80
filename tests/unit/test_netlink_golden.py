"""Our requests against those of iproute2 for the same thing, and the kernel's replies read."""

from __future__ import annotations

from struct import unpack_from
from typing import Any

import pytest

from cni_ptp.base.errors import DecodeError
from cni_ptp.base.ip import parse_ip, text_of
from cni_ptp.netlink import rt_addr, rt_addr_dump, rt_link, rt_route, rt_route_dump, rt_route_read
from cni_ptp.netlink.extended_ack import read_words
from cni_ptp.nlmsg import NLMSG_ERROR, Request, Table, attributes, read_errno, split
from tests.golden import HERE, datagram, datagrams

MAC1, MAC2 = bytes.fromhex("0a580a010201"), bytes.fromhex("0a580a010202")
# Attributes that hold others, by message family and number: which levels to open, with the size of a fixed header.
NESTED: dict[str, dict[int, tuple[int, Any]]] = {
    "link": {18: (0, {2: (0, {1: (16, {})})})},
    "addr": {},
    "route": {8: (0, {})},
}
HEADERS = {"link": 16, "addr": 8, "route": 12}


def naive(payload: bytes, nested: dict[int, tuple[int, Any]]) -> set[object]:
    """The attributes as a set, whatever their order, by a reader of its own: not by the code under test."""
    found: set[object] = set()
    at = 0
    while at + 4 <= len(payload):
        length, number = unpack_from("=HH", payload, at)
        value = payload[at + 4 : at + length]
        if number in nested:
            header, deeper = nested[number]
            found.add((number, value[:header], frozenset(naive(value[header:], deeper))))
        else:
            found.add((number, value.rstrip(b"\0") if number in (1, 3, 20) else value))
        at += (length + 3) & ~3
    return found


def requests() -> list[tuple[str, str, Request]]:
    """(golden file, message family, our request for the same)."""
    gateway = parse_ip("10.1.2.1")
    veth = rt_link.new_veth(("vethgolden0", 1400, MAC1), ("eth0", 1400, MAC2), 0)
    metrics = rt_route.FibRoute(parse_ip("192.168.0.0"), 16, gateway, priority=7, mtu=1300, advmss=1260)
    table = rt_route.FibRoute(parse_ip("2001:db8::"), 32, table=5000)
    onlink = rt_route.FibRoute(parse_ip("192.0.2.0"), 24, parse_ip("10.1.2.77"), onlink=True)
    to_gateway = rt_route.FibRoute(gateway, 32, None, parse_ip("10.1.2.2"), scope=rt_route.RT_SCOPE_LINK)
    to_subnet = rt_route.FibRoute(parse_ip("10.1.2.0"), 24, gateway, parse_ip("10.1.2.2"))
    to_container = rt_route.FibRoute(parse_ip("10.1.2.7"), 32, scope=rt_route.RT_SCOPE_HOST)
    gateway6 = parse_ip("2001:db8::1")
    to_gateway6 = rt_route.FibRoute(gateway6, 128, None, parse_ip("2001:db8::2"))
    default6 = rt_route.FibRoute(bytes(16), 0, gateway6, mtu=1300)
    return [
        ("new_addr4_32", "addr", rt_addr.new_addr(parse_ip("10.1.3.2"), 32, 2, "vethA")),
        ("new_route_subnet", "route", rt_route.new_route(to_subnet, 2, "vethA", exclusive=True)),
        ("new_route_host", "route", rt_route.new_route(to_container, 2, "vethA", exclusive=True)),
        ("new_route6_gateway", "route", rt_route.new_route(to_gateway6, 2, "vethA", exclusive=True)),
        ("new_route6_default", "route", rt_route.new_route(default6, 2, "vethA", exclusive=True)),
        ("new_veth", "link", veth),
        ("set_alias", "link", rt_link.set_alias(2, "vethA", "cni-ptp")),
        ("set_up", "link", rt_link.set_up(2, "vethA")),
        ("del_link", "link", rt_link.del_link(3, "vethgolden0")),
        ("new_addr4", "addr", rt_addr.new_addr(parse_ip("10.1.2.2"), 24, 2, "eth0")),
        ("new_addr6", "addr", rt_addr.new_addr(parse_ip("fd00::2"), 64, 2, "eth0")),
        ("gateway_route", "route", rt_route.new_route(to_gateway, 2, "eth0", exclusive=True)),
        ("metrics_route", "route", rt_route.new_route(metrics, 2, "eth0", exclusive=True)),
        ("table_route6", "route", rt_route.new_route(table, 2, "eth0", exclusive=True)),
        ("onlink_route", "route", rt_route.new_route(onlink, 2, "eth0", exclusive=True)),
    ]


@pytest.mark.parametrize(("name", "family", "request_"), requests(), ids=lambda v: v if isinstance(v, str) else "")
def test_a_request_holds_what_iproute2_sends(name: str, family: str, request_: Request) -> None:
    theirs = split(datagram(name))[0]
    ours = split(request_.pack(theirs.seq))[0]
    header = HEADERS[family]
    their_attributes = naive(theirs.payload[header:], NESTED[family])
    our_attributes = naive(ours.payload[header:], NESTED[family])
    their_type, their_header = theirs.type, theirs.payload[:header]
    if name in ("set_up", "set_alias"):  # iproute2 says RTM_NEWLINK without NLM_F_CREATE for what RTM_SETLINK does
        their_type = rt_link.RTM_SETLINK
    if name.startswith(
        "new_addr4"
    ):  # no duplicate address detection: of no effect in IPv4, where iproute2 does not ask for it
        their_header = their_header[:2] + b"\x02" + their_header[3:]
        their_attributes = {a if a != (8, b"\0\x02\0\0") else (8, b"\x02\x02\0\0") for a in their_attributes}
    if name == "new_addr6":  # iproute2 leaves the flags that fit there out of the header
        their_header = their_header[:2] + b"\x02" + their_header[3:]
    if name == "new_veth":  # the peer goes at once to another namespace
        our_attributes = {
            a if not isinstance(a, tuple) or a[0] != 18 else naive_without_netns(a) for a in our_attributes
        }
    assert (ours.type, ours.payload[:header]) == (their_type, their_header)
    assert our_attributes == their_attributes
    assert ours.flags == theirs.flags


def naive_without_netns(attribute: tuple[Any, ...]) -> object:
    """IFLA_LINKINFO without the peer's IFLA_NET_NS_FD."""
    number, header, inner = attribute
    if not isinstance(inner, frozenset):
        return None if number == 28 else attribute
    kept = {naive_without_netns(a) if len(a) == 3 else a for a in inner if not (len(a) == 2 and a[0] == 28)}
    return number, header, frozenset(kept)


def test_a_link_is_read_as_the_kernel_sends_it() -> None:
    message = split(datagram("link_reply"))[0]
    link = rt_link.Link(rt_link.LINK.read(message.payload))
    assert (link.name, link.kind, link.mac, link.mtu, link.up, link.carrier) == (
        "vethgolden0",
        "veth",
        MAC1,
        1400,
        True,
        True,
    )
    assert (link.alias, link.ifindex, link.peer, link.master) == ("cni-ptp net abc eth0", 3, 2, 0)


def test_addresses_are_read_as_the_kernel_sends_them() -> None:
    found = [
        rt_addr_dump.Addr(rt_addr.ADDR.read(m.payload))
        for d in datagrams("addr_dump")
        for m in split(d)
        if m.type == rt_addr.RTM_NEWADDR
    ]
    assert ("10.1.2.2", 24) in [(text_of(a.address), a.length) for a in found]
    six = next(a for a in found if text_of(a.address) == "fd00::2")
    assert six.length == 64 and six.flags & rt_addr.IFA_F_NODAD and six.flags & rt_addr.IFA_F_NOPREFIXROUTE


def test_routes_are_read_as_the_kernel_sends_them() -> None:
    routes = [
        rt_route_read.read_route(rt_route.ROUTE.read(m.payload))
        for d in datagrams("route_dump")
        for m in split(d)
        if m.type == rt_route.RTM_NEWROUTE
    ]
    wanted = next(r for r in routes if text_of(r.dst) == "192.168.0.0")
    assert (wanted.length, wanted.gw, wanted.priority, wanted.mtu, wanted.advmss, wanted.table) == (
        16,
        parse_ip("10.1.2.1"),
        7,
        1300,
        1260,
        254,
    )
    host = next(r for r in routes if text_of(r.dst) == "10.1.2.1")
    assert (host.length, host.scope, host.src) == (32, rt_route.RT_SCOPE_LINK, parse_ip("10.1.2.2"))


def test_a_single_route_has_one_next_hop() -> None:
    reply = rt_route.ROUTE.read(split(datagram("route_get"))[0].payload)
    assert rt_route_dump.nexthops(reply) == [(parse_ip("10.1.2.1"), 2)]


def test_the_kernels_words_are_found_behind_the_repeated_request() -> None:
    refused = split(datagram("bad_gateway"))[0]
    request = Request(rt_route.RTM_NEWROUTE, 0, refused.payload[20:56], "add", rt_route.ROUTE)
    assert refused.type == NLMSG_ERROR
    assert (read_errno(refused), *read_words(refused, request)) == (101, "Nexthop has invalid gateway", "")


def test_an_error_without_words_has_only_its_number() -> None:
    refused = split(datagram("missing_link"))[0]
    assert (read_errno(refused), *read_words(refused, rt_link.get_link("nosuchlink"))) == (19, "", "")


REPLIES = [("link_reply", rt_link.LINK), ("route_get", rt_route.ROUTE)]


@pytest.mark.parametrize(("name", "table"), REPLIES, ids=[n for n, _ in REPLIES])
def test_every_proper_prefix_of_a_datagram_is_refused(name: str, table: object) -> None:
    whole = datagram(name)
    for length in range(1, len(whole)):
        with pytest.raises(DecodeError):
            split(whole[:length])


@pytest.mark.parametrize(("name", "table"), REPLIES, ids=[n for n, _ in REPLIES])
def test_a_damaged_length_is_refused_or_read_but_never_past_the_end(name: str, table: Table) -> None:
    payload = split(datagram(name))[0].payload
    header = table.header.size if table.header else 0
    for _, _, at in attributes(payload, header):
        for length in (0, 1, 3, len(payload) - at + 1, 0xFFFF):
            damaged = payload[:at] + length.to_bytes(2, "little") + payload[at + 2 :]
            with pytest.raises(DecodeError):
                table.read(damaged)


def test_each_golden_file_names_its_origin() -> None:
    files = sorted(HERE.glob("*.hex"))
    assert len(files) > 10
    for file in files:
        first, second = file.read_text().splitlines()[:2]
        assert first.startswith("# origin: "), file
        assert "Linux" in second, file
