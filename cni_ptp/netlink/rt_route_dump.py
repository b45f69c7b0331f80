"""rtnetlink: the routes of a namespace listed.  ADD and DEL do not need it.  Pure.

Source: include/uapi/linux/rtnetlink.h; net/ipv4/fib_frontend.c inet_dump_fib(); net/ipv6/ip6_fib.c inet6_dump_fib().
"""

from __future__ import annotations

from ..nlmsg import NLM_F_DUMP, Request, Struct, Table
from .rt_route import ROUTE, RTA_GATEWAY, RTA_MULTIPATH, RTA_OIF, RTM_GETROUTE, RTMSG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RTNEXTHOP = Struct("=HBBi")  # rtnh_len, rtnh_flags, rtnh_hops, rtnh_ifindex


def dump_routes(family: int, type: int = 0) -> Request:
    """List all routes of a family, every table; of one type (RTN_*) if any is given.

    Kernels without strict checking (before 4.20) send those of every type.
    """
    return Request(RTM_GETROUTE, NLM_F_DUMP, RTMSG.pack(family, 0, 0, 0, 0, 0, 0, type, 0), "list routes", ROUTE)


def nexthops(reply: Any) -> list[tuple[bytes | None, int]]:
    """Return (gateway or None, ifindex) of each next hop of a route, one or several."""
    _, attrs = reply
    hops = []
    multipath = attrs.get(RTA_MULTIPATH, b"")
    while len(multipath) >= _RTNEXTHOP.size:
        length, _, _, ifindex = _RTNEXTHOP.unpack_from(multipath)
        if not _RTNEXTHOP.size <= length <= len(multipath):
            break
        inner = Table(RTA_GATEWAY).read(multipath[_RTNEXTHOP.size : length])
        hops.append((inner.get(RTA_GATEWAY), ifindex))
        multipath = multipath[(length + 3) & ~3 :]
    return hops or [(attrs.get(RTA_GATEWAY), attrs.get(RTA_OIF, 0))]
