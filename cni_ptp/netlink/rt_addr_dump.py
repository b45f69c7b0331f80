"""rtnetlink: the addresses of a link looked up and listed.  ADD and DEL do not need it.  Pure.

Source: include/uapi/linux/{rtnetlink,if_addr}.h; net/ipv4/devinet.c inet_dump_ifaddr().
"""

from __future__ import annotations

from ..base.ip import family_of, text_of
from ..nlmsg import NLM_F_ACK, NLM_F_DUMP, Request
from .rt_addr import ADDR, IFA_ADDRESS, IFA_FLAGS, IFA_LOCAL, IFADDRMSG, RTM_GETADDR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IFA_F_DADFAILED, IFA_F_TENTATIVE, IFA_F_PERMANENT = 0x08, 0x40, 0x80


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


def get_addr(address: bytes, ifindex: int, ifname: str) -> Request:
    """Look up one IPv6 address of the link; the kernel has no such request for IPv4.  Kernel errors: EADDRNOTAVAIL.

    Source: net/ipv6/addrconf.c inet6_rtm_getaddr().
    """
    body = IFADDRMSG.pack(family_of(address), 0, 0, 0, ifindex) + IFA_ADDRESS(address)
    return Request(RTM_GETADDR, NLM_F_ACK, body, f"look up address {text_of(address)} of {ifname}", ADDR)


def dump_addrs(ifindex: int, ifname: str, family: int = 0) -> Request:
    """List all addresses of the link, of one family if any is given.

    Kernels without strict checking (before 4.20) send those of every link.
    """
    body = IFADDRMSG.pack(family, 0, 0, 0, ifindex)
    return Request(RTM_GETADDR, NLM_F_DUMP, body, f"list addresses of {ifname}", ADDR)
