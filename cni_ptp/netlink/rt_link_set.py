"""rtnetlink links: what a user may tune of one, asked for and set.  Pure.

Source: include/uapi/linux/{if,if_link}.h; net/core/rtnetlink.c do_setlink().
"""

from __future__ import annotations

from ..nlmsg import NLM_F_ACK, Request, Table
from .rt_ifb import IFLA_TXQLEN
from .rt_link import (
    IFF_UP,
    IFINFOMSG,
    IFLA_ADDRESS,
    IFLA_EXT_MASK,
    IFLA_IFNAME,
    IFLA_MTU,
    LINK,
    RTEXT_FILTER_SKIP_STATS,
    RTM_GETLINK,
    RTM_SETLINK,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IFF_PROMISC, IFF_ALLMULTI = 1 << 8, 1 << 9
_TUNED = Table(IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_TXQLEN, header=IFINFOMSG)


class Tuned:
    """What of a link can be tuned.  mac: 6 bytes.  mtu: bytes.  txqlen: packets."""

    __slots__ = ("ifindex", "mac", "mtu", "txqlen", "promisc", "allmulti")

    def __init__(self, reply: Any) -> None:
        header, attrs = reply
        _, _, self.ifindex, flags, _ = header
        self.mac: bytes = attrs.get(IFLA_ADDRESS, b"")
        self.mtu: int = attrs.get(IFLA_MTU, 0)
        self.txqlen: int = attrs.get(IFLA_TXQLEN, 0)
        self.promisc = bool(flags & IFF_PROMISC)
        self.allmulti = bool(flags & IFF_ALLMULTI)


def get_tuned(name: str) -> Request:
    """Ask for the link of a name, as Tuned reads it.  Kernel errors: ENODEV."""
    body = IFINFOMSG.pack(0, 0, 0, 0, 0) + IFLA_IFNAME(name) + IFLA_EXT_MASK(RTEXT_FILTER_SKIP_STATS)
    return Request(RTM_GETLINK, NLM_F_ACK, body, f"look up link {name}", _TUNED)


def set_mac(ifindex: int, name: str, mac: bytes) -> Request:
    """Give the link a MAC.  Like: ip link set NAME address MAC"""
    return _set(ifindex, IFLA_ADDRESS(mac), f"set the MAC of link {name}")


def set_mtu(ifindex: int, name: str, mtu: int) -> Request:
    """Give the link an MTU, bytes.  Kernel errors: EINVAL.  Like: ip link set NAME mtu MTU"""
    return _set(ifindex, IFLA_MTU(mtu), f"set mtu {mtu} of link {name}")


def set_txqlen(ifindex: int, name: str, length: int) -> Request:
    """Give the link a queue of this many packets.  Like: ip link set NAME txqueuelen LENGTH"""
    return _set(ifindex, IFLA_TXQLEN(length), f"set txqueuelen {length} of link {name}")


def _set(ifindex: int, attribute: bytes, operation: str) -> Request:
    return Request(RTM_SETLINK, NLM_F_ACK, IFINFOMSG.pack(0, 0, ifindex, 0, 0) + attribute, operation, LINK)


def set_flag(ifindex: int, name: str, flag: int, on: bool) -> Request:
    """Turn IFF_UP, IFF_PROMISC or IFF_ALLMULTI of the link on or off."""
    word = {IFF_UP: "up", IFF_PROMISC: "promisc", IFF_ALLMULTI: "allmulticast"}[flag]
    body = IFINFOMSG.pack(0, 0, ifindex, flag if on else 0, flag)
    return Request(RTM_SETLINK, NLM_F_ACK, body, f"set {word} of link {name} {'on' if on else 'off'}", LINK)
