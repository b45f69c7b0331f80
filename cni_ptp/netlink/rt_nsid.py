"""rtnetlink namespace ids: by which number the kernel calls another network namespace here.  Pure.

Source: include/uapi/linux/net_namespace.h; net/core/net_namespace.c rtnl_net_getid().
"""

from __future__ import annotations

from ..nlmsg import NLM_F_ACK, S32, U32, Attr, Request, Struct, Table

RTM_GETNSID = 90
RTGENMSG = Struct("=B")  # rtgen_family
NETNSA_NSID = Attr(1, "NETNSA_NSID", S32)
NETNSA_FD = Attr(3, "NETNSA_FD", U32)
NSID = Table(NETNSA_NSID, NETNSA_FD, header=RTGENMSG)


def get_nsid(fd: int) -> Request:
    """Ask for the id of the network namespace behind the descriptor, as IFLA_LINK_NETNSID gives it.

    -1 if it has none.
    """
    body = RTGENMSG.pack(0) + b"\0\0\0" + NETNSA_FD(fd)
    return Request(RTM_GETNSID, NLM_F_ACK, body, "look up a network namespace's id", NSID)
