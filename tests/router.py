"""A router on a link: its advertisements (RFC 4861 section 4.2), sent from a namespace of its own."""

from __future__ import annotations

import sys

from tests.bounds import until
from tests.namespaces import Place

_SENDER = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.sendto(bytes.fromhex(sys.argv[2]), ("ff02::1", 0, 0, socket.if_nametoindex(sys.argv[1])))
"""
# Type 134, code, checksum (the kernel's), hop limit, flags, lifetime 1800 s, reachable time, retransmission timer;
# then a prefix for addresses (section 4.6.2): 64 bits, on link and autonomous, valid and preferred for an hour.
_ROUTER = "86000000400007080000000000000000"
_PREFIX = "030440c000000e1000000e100000000020010db8007700000000000000000000"


def advertise(place: Place, ifname: str) -> None:
    """The place is a default router on the link, and gives addresses of 2001:db8:77::/64."""
    until(lambda: _has_link_local(place, ifname), "an address to send from")
    place.run(sys.executable, "-c", _SENDER, ifname, _ROUTER + _PREFIX)


def _has_link_local(place: Place, ifname: str) -> bool:
    links = place.ip("-6", "addr", "show", "dev", ifname, "-tentative")
    return any(a.get("local", "").startswith("fe80") for link in links for a in link.get("addr_info", []))
