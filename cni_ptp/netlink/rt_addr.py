"""rtnetlink addresses: how they are described and given.  Pure.

Source: include/uapi/linux/{rtnetlink,if_addr}.h; net/ipv4/devinet.c; net/ipv6/addrconf.c.
"""

from __future__ import annotations

from ..base.ip import bits, cidr_text, family_of
from ..nlmsg import BYTES, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, U32, Attr, Request, Struct, Table

RTM_NEWADDR, RTM_GETADDR = 20, 22
IFA_F_NODAD, IFA_F_NOPREFIXROUTE = 0x02, 0x200
IFADDRMSG = Struct("=BBBBI")  # ifa_family, ifa_prefixlen, ifa_flags, ifa_scope, ifa_index

IFA_ADDRESS = Attr(1, "IFA_ADDRESS", BYTES)
IFA_LOCAL = Attr(2, "IFA_LOCAL", BYTES)
IFA_BROADCAST = Attr(4, "IFA_BROADCAST", BYTES)
IFA_FLAGS = Attr(8, "IFA_FLAGS", U32)
ADDR = Table(IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS, header=IFADDRMSG)


def new_addr(address: bytes, length: int, ifindex: int, ifname: str) -> Request:
    """Give the link the address, usable at once (no duplicate address detection); no route comes with it.

    address: packed, 4 or 16 bytes.  Like: ip addr add ADDRESS/LENGTH brd + dev IF nodad noprefixroute
    Kernel errors: EEXIST; EACCES or EOPNOTSUPP for IPv6 where it is disabled.
    """
    flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE
    body = [
        IFADDRMSG.pack(family_of(address), length, flags & 0xFF, 0, ifindex),
        IFA_LOCAL(address),
        IFA_ADDRESS(address),
        IFA_FLAGS(flags),
    ]
    if len(address) == 4 and length < bits(address) - 1:  # /31 and /32 have no broadcast address (RFC 3021)
        body.append(IFA_BROADCAST(_broadcast(address, length)))
    operation = f"add address {cidr_text(address, length)} to {ifname}"
    return Request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, b"".join(body), operation, ADDR)


def _broadcast(address: bytes, length: int) -> bytes:
    return (int.from_bytes(address, "big") | (1 << (32 - length)) - 1).to_bytes(4, "big")
