"""rtnetlink: links of kind ifb, which queue what another link receives.  Pure.

Source: include/uapi/linux/if_link.h; drivers/net/ifb.c.
"""

from __future__ import annotations

from ..nlmsg import NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, U32, Attr, Request
from .rt_link import (
    IFF_UP,
    IFINFOMSG,
    IFLA_IFNAME,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MTU,
    IFLA_NET_NS_FD,
    LINK,
    RTM_NEWLINK,
)

IFLA_TXQLEN = Attr(13, "IFLA_TXQLEN", U32)


def new_ifb(name: str, mtu: int) -> Request:
    """Make the link, up at once.  Kernel errors: EEXIST; EOPNOTSUPP if the kernel has no ifb.

    Like: ip link add NAME mtu MTU txqueuelen 0 up type ifb
    """
    head = IFINFOMSG.pack(0, 0, 0, IFF_UP, IFF_UP)
    body = head + IFLA_IFNAME(name) + IFLA_MTU(mtu) + IFLA_TXQLEN(0) + IFLA_LINKINFO([IFLA_INFO_KIND("ifb")])
    return Request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body, f"create ifb {name}", LINK)


def probe_ifb() -> Request:
    """Ask for an ifb that goes nowhere: it makes nothing.  Kernel errors: EBADF; EOPNOTSUPP without ifb."""
    linkinfo = IFLA_LINKINFO([IFLA_INFO_KIND("ifb")])
    body = IFINFOMSG.pack(0, 0, 0, 0, 0) + IFLA_IFNAME("cni-ptp-probe") + IFLA_NET_NS_FD(0xFFFFFFFF) + linkinfo
    return Request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body, "look whether the kernel has ifb", LINK)
