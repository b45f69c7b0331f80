"""rtnetlink: the addresses of a link listed.  ADD and DEL do not need it.  Pure.

Source: include/uapi/linux/{rtnetlink,if_addr}.h; net/ipv4/devinet.c inet_dump_ifaddr().
"""

from __future__ import annotations

from ..nlmsg import NLM_F_DUMP, Request
from .rt_addr import ADDR, IFA_ADDRESS, IFA_FLAGS, IFA_LOCAL, IFADDRMSG, RTM_GETADDR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IFA_F_DADFAILED, IFA_F_TENTATIVE = 0x08, 0x40


class Addr:
    """An address of a link.  address: packed.  flags: IFA_F_*."""

    __slots__ = ("address", "length", "ifindex", "flags")

    def __init__(self, reply: Any) -> None:
        header, attrs = reply
        self.length: int = header[1]
        self.ifindex: int = header[4]
        self.flags: int = attrs.get(IFA_FLAGS, header[2])
        # IPv6 has IFA_LOCAL only when there is a peer address.
        self.address: bytes = attrs.get(IFA_LOCAL) or attrs.get(IFA_ADDRESS, b"")


def dump_addrs(ifindex: int, ifname: str) -> Request:
    """All addresses of the link; kernels without strict checking (before 4.20) send those of every link."""
    body = IFADDRMSG.pack(0, 0, 0, 0, ifindex)
    return Request(RTM_GETADDR, NLM_F_DUMP, body, f"list addresses of {ifname}", ADDR)
