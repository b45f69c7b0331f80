"""rtnetlink routes: how they are described, made and looked up.  Pure.

Source: include/uapi/linux/rtnetlink.h; net/ipv4/fib_frontend.c; net/ipv4/route.c inet_rtm_getroute(); net/ipv6/route.c.
"""

from __future__ import annotations

from ..base.ip import bits, cidr_text, family_of, text_of
from ..nlmsg import BYTES, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, U32, Attr, Request, Struct, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.errors import NetlinkError

RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RT_TABLE_COMPAT, RT_TABLE_MAIN, RT_TABLE_LOCAL = 252, 254, 255
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, RT_SCOPE_HOST = 0, 253, 254
RTPROT_KERNEL, RTPROT_BOOT = 2, 3
RTN_UNICAST, RTN_LOCAL = 1, 2
RTNH_F_ONLINK = 4
RTM_F_FIB_MATCH = 0x2000
# rtm_family, rtm_dst_len, rtm_src_len, rtm_tos, rtm_table, rtm_protocol, rtm_scope, rtm_type, rtm_flags
RTMSG = Struct("=BBBBBBBBI")
# Where in it a field is, for those who need just that one of a reply.
DST_LEN_AT, TABLE_AT, TYPE_AT = 1, 4, 7

RTA_DST = Attr(1, "RTA_DST", BYTES)
RTA_OIF = Attr(4, "RTA_OIF", U32)
RTA_GATEWAY = Attr(5, "RTA_GATEWAY", BYTES)
RTA_PRIORITY = Attr(6, "RTA_PRIORITY", U32)
RTA_PREFSRC = Attr(7, "RTA_PREFSRC", BYTES)
RTAX_MTU = Attr(2, "RTAX_MTU", U32)
RTAX_ADVMSS = Attr(8, "RTAX_ADVMSS", U32)
RTA_METRICS = Attr(8, "RTA_METRICS", Table(RTAX_MTU, RTAX_ADVMSS))
RTA_MULTIPATH = Attr(9, "RTA_MULTIPATH", BYTES)
RTA_TABLE = Attr(15, "RTA_TABLE", U32)
ROUTE = Table(
    RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_METRICS, RTA_MULTIPATH, RTA_TABLE, header=RTMSG
)


class FibRoute:
    """A route of the kernel's table, planned or found.

    dst, gw, src: packed or None.  table, scope, priority: the kernel's numbers.  mtu, advmss: bytes, 0 for none.
    onlink: the gateway is taken to be on the link whatever the other routes say.  type, protocol: RTN_*, RTPROT_*.
    """

    __slots__ = (
        "dst",
        "length",
        "gw",
        "src",
        "table",
        "scope",
        "priority",
        "mtu",
        "advmss",
        "onlink",
        "ifindex",
        "type",
        "protocol",
    )

    def __init__(
        self,
        dst: bytes,
        length: int,
        gw: bytes | None = None,
        src: bytes | None = None,
        table: int = RT_TABLE_MAIN,
        scope: int = RT_SCOPE_UNIVERSE,
        priority: int = 0,
        mtu: int = 0,
        advmss: int = 0,
        onlink: bool = False,
        ifindex: int = 0,
        type: int = RTN_UNICAST,
        protocol: int = RTPROT_BOOT,
    ) -> None:
        self.dst = dst
        self.length = length
        self.gw = gw
        self.src = src
        self.table = table
        self.scope = scope
        self.priority = priority
        self.mtu = mtu
        self.advmss = advmss
        self.onlink = onlink
        self.ifindex = ifindex
        self.type = type
        self.protocol = protocol

    def __str__(self) -> str:
        text = cidr_text(self.dst, self.length)
        if self.gw is not None:
            text += f" via {text_of(self.gw)}"
        if self.priority:
            text += f" metric {self.priority}"
        if self.table != RT_TABLE_MAIN:
            text += f" table {self.table}"
        return text


def new_route(route: FibRoute, ifindex: int, ifname: str, exclusive: bool) -> Request:
    """Make the route lead to the link.

    exclusive: EEXIST if there is one to the same destination; else only an identical one is refused, and another one
    is put behind (IPv4) or joined to a multipath route (IPv6).  Like: ip route add|append DST via GW dev IF src SRC ...
    Kernel errors: EEXIST; ENETUNREACH "Nexthop has invalid gateway" when the gateway is not on the link.
    """
    table = route.table if route.table < 256 else 0
    flags = RTNH_F_ONLINK if route.onlink else 0
    family = family_of(route.dst)
    body = [
        RTMSG.pack(family, route.length, 0, 0, table, route.protocol, route.scope, route.type, flags),
        RTA_DST(route.dst),
        RTA_OIF(ifindex),
    ]
    if route.gw is not None:
        body.append(RTA_GATEWAY(route.gw))
    if route.src is not None:
        body.append(RTA_PREFSRC(route.src))
    if route.priority:
        body.append(RTA_PRIORITY(route.priority))
    if route.table >= 256:
        body.append(RTA_TABLE(route.table))
    metrics = _metrics(route)
    if metrics:
        body.append(RTA_METRICS(metrics))
    excl = NLM_F_EXCL if exclusive else 0
    operation = f"add route {route} dev {ifname}"
    return Request(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | excl, b"".join(body), operation, ROUTE)


def _metrics(route: FibRoute) -> list[bytes]:
    metrics = []
    if route.mtu:
        metrics.append(RTAX_MTU(route.mtu))
    if route.advmss:
        metrics.append(RTAX_ADVMSS(route.advmss))
    return metrics


def get_route(dst: bytes) -> Request:
    """Ask for the entry that packets to `dst` take; since Linux 4.13.  Kernel errors: ENETUNREACH, EHOSTUNREACH.

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
