"""What the kernel says beyond an errno: words, and which attribute of the request it means.  Pure.

Read when somebody wants to know: most refusals are expected, such as that a link is not there yet.
Source: include/uapi/linux/netlink.h enum nlmsgerr_attrs; net/netlink/af_netlink.c netlink_ack().
"""

from __future__ import annotations

from ..base.errors import DecodeError
from ..nlmsg import (
    NLA_HDRLEN,
    NLA_TYPE_MASK,
    NLM_F_ACK_TLVS,
    NLM_F_CAPPED,
    NLMSG_HDRLEN,
    NLMSGERR,
    NLMSGHDR,
    STRZ,
    U32,
    Attr,
    Message,
    Request,
    Table,
    align,
    attributes,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NLMSGERR_ATTR_MSG = Attr(1, "NLMSGERR_ATTR_MSG", STRZ)
NLMSGERR_ATTR_OFFS = Attr(2, "NLMSGERR_ATTR_OFFS", U32)
NLMSGERR_ATTR_MISS_TYPE = Attr(5, "NLMSGERR_ATTR_MISS_TYPE", U32)
NLMSGERR_ATTR_MISS_NEST = Attr(6, "NLMSGERR_ATTR_MISS_NEST", U32)
EXTENDED_ACK = Table(NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS, NLMSGERR_ATTR_MISS_TYPE, NLMSGERR_ATTR_MISS_NEST)


def read_words(message: Message, request: Request) -> tuple[str, str]:
    """Return (the kernel's words or "", path of the attribute meant or "") of an NLMSG_ERROR for `request`.

    A malformed extended ack is as good as none: the errno counts.
    """
    if not message.flags & NLM_F_ACK_TLVS:
        return "", ""
    try:
        return _read(message, request)
    except DecodeError:
        return "", ""


def _read(message: Message, request: Request) -> tuple[str, str]:
    start = NLMSGERR.size + NLMSG_HDRLEN
    if not message.flags & NLM_F_CAPPED:
        if len(message.payload) < start:
            raise DecodeError("NLMSG_ERROR without the request's header")
        start += align(NLMSGHDR.unpack_from(message.payload, NLMSGERR.size)[0]) - NLMSG_HDRLEN
    found: dict[Attr, Any] = EXTENDED_ACK.read(message.payload[start:])
    where = ""
    if NLMSGERR_ATTR_OFFS in found:
        where = path(request.reply, request.body, found[NLMSGERR_ATTR_OFFS] - NLMSG_HDRLEN)
    elif NLMSGERR_ATTR_MISS_TYPE in found and NLMSGERR_ATTR_MISS_NEST not in found:
        where = "missing " + _name_of(request.reply, found[NLMSGERR_ATTR_MISS_TYPE])
    return found.get(NLMSGERR_ATTR_MSG, ""), where


def path(table: Table, payload: bytes, offset: int) -> str:
    """Return the names from the outermost attribute to the one whose header is at `offset`; "" if there is none."""
    for number, inner, at in attributes(payload, table.start(payload)):
        attr = table.attrs.get(number)
        name = _name_of(table, number)
        begin = at + NLA_HDRLEN
        if offset == at:
            return name
        if begin <= offset < begin + len(inner):
            deeper = path(attr.kind, inner, offset - begin) if attr and isinstance(attr.kind, Table) else ""
            return f"{name}.{deeper}" if deeper else name
    return ""


def _name_of(table: Table, number: int) -> str:
    attr = table.attrs.get(number & NLA_TYPE_MASK)
    return attr.name if attr is not None else f"attribute {number}"
