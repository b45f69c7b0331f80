"""rtnetlink routes as the kernel tells of them.  Pure.

Source: include/uapi/linux/rtnetlink.h; net/ipv4/fib_semantics.c fib_dump_info(); net/ipv6/route.c rt6_fill_node().
"""

from __future__ import annotations

from .rt_route import (
    RTA_DST,
    RTA_GATEWAY,
    RTA_METRICS,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTA_TABLE,
    RTAX_ADVMSS,
    RTAX_MTU,
    FibRoute,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read_route(reply: Any) -> FibRoute:
    """Return a route that the kernel sent; for a multipath route without its gateways, see `nexthops`."""
    header, attrs = reply
    family, length, _, _, table, protocol, scope, type_, _ = header
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
        type_,
        protocol,
    )
