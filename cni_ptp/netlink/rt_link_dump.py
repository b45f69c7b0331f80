"""rtnetlink: the links of a namespace listed.  No call of a runtime needs it but GC.  Pure.

Source: include/uapi/linux/if_link.h; net/core/rtnetlink.c rtnl_dump_ifinfo().
"""

from __future__ import annotations

from ..nlmsg import NLM_F_DUMP, Request
from .rt_link import IFINFOMSG, IFLA_EXT_MASK, IFLA_INFO_KIND, IFLA_LINKINFO, LINK, RTEXT_FILTER_SKIP_STATS, RTM_GETLINK


def dump_links(kind: str) -> Request:
    """List all links of a kind in the namespace; the kernel filters by kind since Linux 4.6.

    Like: ip link show type KIND
    """
    wanted = IFLA_LINKINFO([IFLA_INFO_KIND(kind)])
    body = IFINFOMSG.pack(0, 0, 0, 0, 0) + wanted + IFLA_EXT_MASK(RTEXT_FILTER_SKIP_STATS)
    return Request(RTM_GETLINK, NLM_F_DUMP, body, f"list {kind} links", LINK)
