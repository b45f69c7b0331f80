"""rtnetlink neighbours: requests out as bytes.  Pure.

Source: include/uapi/linux/{rtnetlink,neighbour}.h; net/core/neighbour.c neigh_add().
"""

from __future__ import annotations

from struct import Struct

from ..ip import family_of, text_of
from ..nlmsg import BYTES, NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, Attr, Request, Table

RTM_NEWNEIGH = 28
NUD_STALE = 4
NDMSG = Struct("=BxxxiHBB")  # ndm_family, ndm_ifindex, ndm_state, ndm_flags, ndm_type

NDA_DST = Attr(1, "NDA_DST", BYTES)
NDA_LLADDR = Attr(2, "NDA_LLADDR", BYTES)
NEIGH = Table(NDA_DST, NDA_LLADDR, header=NDMSG)


def new_stale(address: bytes, mac: bytes, ifindex: int) -> Request:
    """Packets to `address` leave over the link to `mac` at once; the kernel asks by unicast later whether it is so.

    address: packed.  mac: 6 bytes.  Like: ip neigh replace ADDRESS lladdr MAC dev IF nud stale
    Kernel errors: ENOBUFS when the table is full.
    """
    body = NDMSG.pack(family_of(address), ifindex, NUD_STALE, 0, 0) + NDA_DST(address) + NDA_LLADDR(mac)
    about = f"add neighbour {text_of(address)}"
    return Request(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, body, about, NEIGH)
