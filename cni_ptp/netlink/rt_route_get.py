"""rtnetlink routes looked up: requests out as bytes, replies in as bytes.  Pure.

Source: include/uapi/linux/rtnetlink.h; net/ipv4/route.c inet_rtm_getroute(); net/ipv6/route.c inet6_rtm_getroute().
"""

from __future__ import annotations

from ..ip import bits, family_of, text_of
from ..nlmsg import NLM_F_ACK, Request
from .rt_route import (
    ROUTE,
    RTA_DST,
    RTA_GATEWAY,
    RTA_METRICS,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTA_TABLE,
    RTAX_ADVMSS,
    RTAX_MTU,
    RTM_GETROUTE,
    RTMSG,
    FibRoute,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..errors import NetlinkError

RTM_F_FIB_MATCH = 0x2000


def get_route(dst: bytes) -> Request:
    """The table's entry that packets to `dst` take; since Linux 4.13.  Kernel errors: ENETUNREACH, EHOSTUNREACH.

    Like: ip route get fibmatch DST
    """
    body = RTMSG.pack(family_of(dst), bits(dst), 0, 0, 0, 0, 0, 0, RTM_F_FIB_MATCH) + RTA_DST(dst)
    return Request(RTM_GETROUTE, NLM_F_ACK, body, f"look up the route to {text_of(dst)}", ROUTE)


def is_no_route(refused: NetlinkError) -> bool:
    """Return whether the answer to get_route means that the host has no route, or one that refuses packets.

    Such are of type unreachable, blackhole or prohibit (net/ipv4/fib_semantics.c fib_props).
    """
    import errno

    return refused.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL, errno.EACCES)


def read_route(reply: Any) -> FibRoute:
    """A route that the kernel sent; for a multipath route without its gateways, see `nexthops`."""
    header, attrs = reply
    family, length, table, scope = header[0], header[1], header[4], header[6]
    metrics = attrs.get(RTA_METRICS, {})
    return FibRoute(
        attrs.get(RTA_DST, bytes(4 if family == 2 else 16)),
        length,
        attrs.get(RTA_GATEWAY),
        attrs.get(RTA_PREFSRC),
        attrs.get(RTA_TABLE, table),
        scope,
        attrs.get(RTA_PRIORITY, 0),
        metrics.get(RTAX_MTU, 0),
        metrics.get(RTAX_ADVMSS, 0),
        False,
        attrs.get(RTA_OIF, 0),
    )
