"""What the kernel answered, captured: refusals with the kernel's words, and lists."""

from __future__ import annotations

import errno
from struct import pack_into

import pytest

from cni_ptp.base.errors import DecodeError
from cni_ptp.base.ip import parse_ip
from cni_ptp.netlink import rt_addr, rt_link, rt_route, rt_route_dump, rt_route_read
from cni_ptp.netlink.exchange import Exchange
from cni_ptp.netlink.extended_ack import read_words
from cni_ptp.nlmsg import NLM_F_ACK, NLMSG_DONE, NLMSG_ERROR, Request, Table, attributes, read_errno, split
from tests.golden import datagram

# Each list, its reader, and how many entries `ip` shows for it.
LISTS = [
    ("reply_veths", rt_link.LINK, rt_link.RTM_NEWLINK, 1),
    ("reply_routes4", rt_route.ROUTE, rt_route.RTM_NEWROUTE, 9),
    ("reply_routes6", rt_route.ROUTE, rt_route.RTM_NEWROUTE, 7),
]


@pytest.mark.parametrize(
    ("name", "number", "said"),
    [
        ("error_exists", errno.EEXIST, ""),
        ("error_kind", errno.EOPNOTSUPP, "Unknown device type"),
        ("error_gateway", errno.ENETUNREACH, "Nexthop has invalid gateway"),
        ("error_mtu", errno.EINVAL, "mtu less than device minimum"),
    ],
)
def test_a_refusal_behind_the_whole_request_has_the_kernel_s_words(name: str, number: int, said: str) -> None:
    refused = split(datagram(name))[0]
    assert refused.type == NLMSG_ERROR
    request = Request(0, 0, refused.payload[20:], "ask", rt_link.LINK)
    assert (read_errno(refused), read_words(refused, request)[0]) == (number, said)


def test_a_name_too_long_is_told_as_the_path_of_its_attribute() -> None:
    host, peer = ("vethC", 0, None), ("x" * 16, 0, None)
    exchange = Exchange([rt_link.new_veth(host, peer, 4)], 1)
    exchange.feed(datagram("error_name"))
    error = exchange.answers[0].error
    assert exchange.done and error is not None
    said, where = error.ext_ack()
    assert (error.errno, said) == (errno.ERANGE, "Attribute failed policy validation")
    assert where == "IFLA_LINKINFO.IFLA_INFO_DATA.VETH_INFO_PEER.IFLA_IFNAME"


@pytest.mark.parametrize(("name", "table", "type_", "count"), LISTS, ids=[c[0] for c in LISTS])
def test_a_list_is_read_to_its_end(name: str, table: Table, type_: int, count: int) -> None:
    messages = split(datagram(name))
    assert [m.type for m in messages[:-1]] == [type_] * (len(messages) - 1)
    assert messages[-1].type == NLMSG_DONE
    assert len([table.read(m.payload) for m in messages[:-1]]) == count


def test_a_multipath_route_has_all_its_next_hops() -> None:
    for name, dst, gateways in (
        ("reply_routes4", "10.6.0.0", ["10.1.2.1", "10.1.2.3"]),
        ("reply_routes6", "2001:db8:6::", ["2001:db8::1", "2001:db8::3"]),
    ):
        replies = [rt_route.ROUTE.read(m.payload) for m in split(datagram(name))[:-1]]
        found = [r for r in replies if rt_route_read.read_route(r).dst == parse_ip(dst)]
        hops = [hop for reply in found for hop in rt_route_dump.nexthops(reply)]
        assert [gateway for gateway, _ in hops] == [parse_ip(g) for g in gateways], name
        assert len({ifindex for _, ifindex in hops}) == 1


def test_a_multipath_attribute_of_nonsense_has_no_next_hops_of_its_own() -> None:
    for raw in (b"", b"\x08\0", bytes(8), b"\xff\xff\0\0\0\0\0\0", b"\x07\0\0\0\1\0\0\0"):
        assert rt_route_dump.nexthops(((), {rt_route.RTA_MULTIPATH: raw, rt_route.RTA_OIF: 5})) == [(None, 5)]


@pytest.mark.parametrize(("name", "table", "type_", "count"), LISTS, ids=[c[0] for c in LISTS])
def test_every_length_damaged_is_refused_or_read_never_past_the_end(
    name: str, table: Table, type_: int, count: int
) -> None:
    for message in split(datagram(name))[:-1]:
        assert table.header is not None
        for _, _, at in attributes(message.payload, table.header.size):
            for length in range(0, 4096, 5):
                damaged = bytearray(message.payload)
                pack_into("=H", damaged, at, length)
                refused_or_read(table, bytes(damaged))


def refused_or_read(table: Table, payload: bytes) -> None:
    """DecodeError or a value; whatever else is raised fails the test."""
    try:
        table.read(payload)
    except DecodeError:
        pass


@pytest.mark.parametrize("name", ["error_exists", "error_name", "error_gateway", *[c[0] for c in LISTS]])
def test_a_datagram_cut_short_is_refused_unless_a_message_ends_there(name: str) -> None:
    whole = datagram(name)
    request = Request(0, NLM_F_ACK, b"", "ask", rt_addr.ADDR)
    ends, at = {0}, 0
    for message in split(whole):
        at += 16 + len(message.payload)
        ends.add(at)
        at += -at & 3
        ends.add(at)
    for length in range(len(whole)):
        if length in ends:
            split(whole[:length])
        else:
            with pytest.raises(DecodeError):
                Exchange([request], 1).feed(whole[:length])
