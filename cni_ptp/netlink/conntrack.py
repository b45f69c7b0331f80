"""ctnetlink: the flows to a port, listed with filter, and one flow deleted.  Pure.

Source: include/uapi/linux/netfilter/nfnetlink_conntrack.h; net/netfilter/nf_conntrack_netlink.c.
"""

from __future__ import annotations

from ..nlmsg import BYTES, NLM_F_ACK, NLM_F_DUMP, U8, U32, Attr, Request, Table
from .nft import NFGENMSG, Nest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NFNL_SUBSYS_CTNETLINK = 1
IPCTNL_MSG_CT_GET = NFNL_SUBSYS_CTNETLINK << 8 | 1
IPCTNL_MSG_CT_DELETE = NFNL_SUBSYS_CTNETLINK << 8 | 2

CTA_IP_V4_SRC = Attr(1, "CTA_IP_V4_SRC", BYTES)
CTA_IP_V4_DST = Attr(2, "CTA_IP_V4_DST", BYTES)
CTA_IP_V6_SRC = Attr(3, "CTA_IP_V6_SRC", BYTES)
CTA_IP_V6_DST = Attr(4, "CTA_IP_V6_DST", BYTES)
CTA_TUPLE_IP = Attr(1, "CTA_TUPLE_IP", Nest(CTA_IP_V4_SRC, CTA_IP_V4_DST, CTA_IP_V6_SRC, CTA_IP_V6_DST))
CTA_PROTO_NUM = Attr(1, "CTA_PROTO_NUM", U8)
CTA_PROTO_SRC_PORT = Attr(2, "CTA_PROTO_SRC_PORT", BYTES)
CTA_PROTO_DST_PORT = Attr(3, "CTA_PROTO_DST_PORT", BYTES)
CTA_TUPLE_PROTO = Attr(2, "CTA_TUPLE_PROTO", Nest(CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT))
CTA_TUPLE_ORIG = Attr(1, "CTA_TUPLE_ORIG", Nest(CTA_TUPLE_IP, CTA_TUPLE_PROTO))
CTA_TUPLE_REPLY = Attr(2, "CTA_TUPLE_REPLY", Nest(CTA_TUPLE_IP, CTA_TUPLE_PROTO))
CTA_ID = Attr(12, "CTA_ID", BYTES)
CTA_ZONE = Attr(18, "CTA_ZONE", BYTES)
CTA_FILTER_ORIG_FLAGS = Attr(1, "CTA_FILTER_ORIG_FLAGS", U32)
CTA_FILTER_REPLY_FLAGS = Attr(2, "CTA_FILTER_REPLY_FLAGS", U32)
CTA_FILTER = Attr(25, "CTA_FILTER", Nest(CTA_FILTER_ORIG_FLAGS, CTA_FILTER_REPLY_FLAGS))
FLOW = Table(CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ID, CTA_ZONE, CTA_FILTER, header=NFGENMSG)

# net/netfilter/nf_conntrack_netlink.c CTA_FILTER_F_CTA_PROTO_NUM and CTA_FILTER_F_CTA_PROTO_DST_PORT
_FILTER_PROTO, _FILTER_DST_PORT = 1 << 3, 1 << 5


class Flow:
    """One tracked flow.  source, destination: packed, as the first packet had them.  answers_from: who answers it.

    port: the destination port of the first packet.  id: what tells it from a later one of the same tuple.
    """

    __slots__ = ("source", "destination", "source_port", "port", "protocol", "answers_from", "id", "zone")

    def __init__(self, reply: Any) -> None:
        attrs = reply[1]
        self.source, self.destination = _ends(attrs.get(CTA_TUPLE_ORIG, {}))
        proto = attrs.get(CTA_TUPLE_ORIG, {}).get(CTA_TUPLE_PROTO, {})
        self.protocol: int = proto.get(CTA_PROTO_NUM, 0)
        self.source_port: bytes = proto.get(CTA_PROTO_SRC_PORT, bytes(2))
        self.port: bytes = proto.get(CTA_PROTO_DST_PORT, bytes(2))
        self.answers_from = _ends(attrs.get(CTA_TUPLE_REPLY, {}))[0]
        self.id: bytes = attrs.get(CTA_ID, b"")
        self.zone: bytes = attrs.get(CTA_ZONE, b"")


def _ends(attrs: dict[Attr, Any]) -> tuple[bytes, bytes]:
    ip = attrs.get(CTA_TUPLE_IP, {})
    return (
        ip.get(CTA_IP_V4_SRC) or ip.get(CTA_IP_V6_SRC) or b"",
        ip.get(CTA_IP_V4_DST) or ip.get(CTA_IP_V6_DST) or b"",
    )


def dump_flows(family: int, protocol: int, port: int) -> Request:
    """List the flows of a protocol to a port.  family: AF_INET or AF_INET6.

    Kernels before 5.8 know no filter and list all: who reads must look at each.
    """
    ports = CTA_TUPLE_PROTO([CTA_PROTO_NUM(protocol), CTA_PROTO_DST_PORT(port.to_bytes(2, "big"))])
    wanted = [CTA_FILTER_ORIG_FLAGS(_FILTER_PROTO | _FILTER_DST_PORT), CTA_FILTER_REPLY_FLAGS(0)]
    body = NFGENMSG.pack(family, 0, 0) + CTA_TUPLE_ORIG([ports]) + CTA_FILTER(wanted)
    return Request(IPCTNL_MSG_CT_GET, NLM_F_DUMP, body, f"list the flows to port {port}", FLOW)


def delete_flow(flow: Flow) -> Request:
    """Delete the flow.  Kernel errors: ENOENT if it has ended."""
    if len(flow.source) == 4:
        family, ends = 2, [CTA_IP_V4_SRC(flow.source), CTA_IP_V4_DST(flow.destination)]
    else:
        family, ends = 10, [CTA_IP_V6_SRC(flow.source), CTA_IP_V6_DST(flow.destination)]
    ports = [CTA_PROTO_NUM(flow.protocol), CTA_PROTO_SRC_PORT(flow.source_port), CTA_PROTO_DST_PORT(flow.port)]
    body = NFGENMSG.pack(family, 0, 0) + CTA_TUPLE_ORIG([CTA_TUPLE_IP(ends), CTA_TUPLE_PROTO(ports)]) + CTA_ID(flow.id)
    if flow.zone:
        body += CTA_ZONE(flow.zone)
    return Request(IPCTNL_MSG_CT_DELETE, NLM_F_ACK, body, "delete a flow", FLOW)
