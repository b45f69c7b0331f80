"""rtnetlink links: requests out as bytes, replies in as bytes.  Pure.

Source: include/uapi/linux/{rtnetlink,if,if_link,ip,veth}.h; net/core/rtnetlink.c; net/ipv4/devinet.c;
drivers/net/veth.c.
"""

from __future__ import annotations

from ..nlmsg import BYTES, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, S32, STRZ, U8, U32, Attr, Request, Struct, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    # One end of a new pair: its name, mtu (bytes, 0 for the kernel's default) and mac (6 bytes, None for random).
    End = tuple[str, int, Optional[bytes]]

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
IFF_UP, IFF_LOWER_UP = 1, 1 << 16
IF_OPER_UP = 6
RTEXT_FILTER_SKIP_STATS = 1 << 3
IFINFOMSG = Struct("=BxHiII")  # ifi_family, ifi_type, ifi_index, ifi_flags, ifi_change

IFLA_ADDRESS = Attr(1, "IFLA_ADDRESS", BYTES)
IFLA_IFNAME = Attr(3, "IFLA_IFNAME", STRZ)
IFLA_MTU = Attr(4, "IFLA_MTU", U32)
IFLA_LINK = Attr(5, "IFLA_LINK", U32)
IFLA_MASTER = Attr(10, "IFLA_MASTER", U32)
IFLA_OPERSTATE = Attr(16, "IFLA_OPERSTATE", U8)
IFLA_IFALIAS = Attr(20, "IFLA_IFALIAS", STRZ)
IPV4_DEVCONF_FORWARDING = Attr(1, "IPV4_DEVCONF_FORWARDING", U32)
IFLA_INET_CONF = Attr(1, "IFLA_INET_CONF", Table(IPV4_DEVCONF_FORWARDING))
_AF_INET = Attr(2, "AF_INET", Table(IFLA_INET_CONF))
IFLA_AF_SPEC = Attr(26, "IFLA_AF_SPEC", Table(_AF_INET))
IFLA_NET_NS_FD = Attr(28, "IFLA_NET_NS_FD", U32)
IFLA_EXT_MASK = Attr(29, "IFLA_EXT_MASK", U32)
IFLA_LINK_NETNSID = Attr(37, "IFLA_LINK_NETNSID", S32)

_PEER = Table(IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_NET_NS_FD, header=IFINFOMSG)
VETH_INFO_PEER = Attr(1, "VETH_INFO_PEER", _PEER)
IFLA_INFO_KIND = Attr(1, "IFLA_INFO_KIND", STRZ)
IFLA_INFO_DATA = Attr(2, "IFLA_INFO_DATA", BYTES)  # each kind of link has its own attributes in it; veth tells none
IFLA_LINKINFO = Attr(18, "IFLA_LINKINFO", Table(IFLA_INFO_KIND, IFLA_INFO_DATA))
_VETH_DATA = IFLA_INFO_DATA.of(Table(VETH_INFO_PEER))
_VETH_LINKINFO = IFLA_LINKINFO.of(Table(IFLA_INFO_KIND, _VETH_DATA))

LINK = Table(
    IFLA_ADDRESS,
    IFLA_IFNAME,
    IFLA_MTU,
    IFLA_LINK,
    IFLA_MASTER,
    IFLA_OPERSTATE,
    IFLA_LINKINFO,
    IFLA_IFALIAS,
    IFLA_NET_NS_FD,
    IFLA_EXT_MASK,
    IFLA_LINK_NETNSID,
    header=IFINFOMSG,
)
# What we ask for is a veth: where in it a refusal points to can be named.
_NEW_VETH = Table(IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, _VETH_LINKINFO, header=IFINFOMSG)


class Link:
    """A link as the kernel describes it.

    carrier: of a veth, whether both ends are up.
    peer: ifindex that the link refers to (a veth's other end), in another namespace if netnsid is not None.
    """

    __slots__ = (
        "ifindex",
        "name",
        "kind",
        "mac",
        "mtu",
        "up",
        "carrier",
        "operstate",
        "alias",
        "peer",
        "netnsid",
        "master",
    )

    def __init__(self, reply: Any) -> None:
        header, attrs = reply
        self.ifindex: int = header[2]
        self.up = bool(header[3] & IFF_UP)
        self.carrier = bool(header[3] & IFF_LOWER_UP)
        self.operstate: int = attrs.get(IFLA_OPERSTATE, 0)
        self.name: str = attrs.get(IFLA_IFNAME, "")
        self.kind: str = attrs.get(IFLA_LINKINFO, {}).get(IFLA_INFO_KIND, "")
        self.mac: bytes = attrs.get(IFLA_ADDRESS, b"")
        self.mtu: int = attrs.get(IFLA_MTU, 0)
        self.alias: str = attrs.get(IFLA_IFALIAS, "")
        self.peer: int = attrs.get(IFLA_LINK, 0)
        self.netnsid: int | None = attrs.get(IFLA_LINK_NETNSID)
        self.master: int = attrs.get(IFLA_MASTER, 0)


def new_veth(host: End, peer: End, peer_netns: int) -> Request:
    """Make the pair, both ends down: `host` here, `peer` in the network namespace behind the descriptor `peer_netns`.

    Like: ip link add HOST mtu MTU address MAC type veth peer name PEER mtu MTU address MAC netns NETNS
    Kernel errors: EEXIST if either name is taken in its namespace.
    """
    peer_info = [IFINFOMSG.pack(0, 0, 0, 0, 0), *_end(*peer), IFLA_NET_NS_FD(peer_netns)]
    linkinfo = [IFLA_INFO_KIND("veth"), _VETH_DATA([VETH_INFO_PEER(peer_info)])]
    body = [IFINFOMSG.pack(0, 0, 0, 0, 0), *_end(*host), _VETH_LINKINFO(linkinfo)]
    return Request(
        RTM_NEWLINK,
        NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
        b"".join(body),
        f"create veth {host[0]} with peer {peer[0]}",
        _NEW_VETH,
    )


def _end(name: str, mtu: int, mac: bytes | None) -> list[bytes]:
    parts = [IFLA_IFNAME(name)]
    if mtu:
        parts.append(IFLA_MTU(mtu))
    if mac is not None:
        parts.append(IFLA_ADDRESS(mac))
    return parts


def get_link(name: str) -> Request:
    """Ask for the link of a name, without its statistics.  Kernel errors: ENODEV.  Like: ip link show NAME"""
    body = IFINFOMSG.pack(0, 0, 0, 0, 0) + IFLA_IFNAME(name) + IFLA_EXT_MASK(RTEXT_FILTER_SKIP_STATS)
    return Request(RTM_GETLINK, NLM_F_ACK, body, f"look up link {name}", LINK)


def get_link_by_index(ifindex: int) -> Request:
    """Ask for the link of an index, without its statistics.  Kernel errors: ENODEV."""
    body = IFINFOMSG.pack(0, 0, ifindex, 0, 0) + IFLA_EXT_MASK(RTEXT_FILTER_SKIP_STATS)
    return Request(RTM_GETLINK, NLM_F_ACK, body, f"look up link number {ifindex}", LINK)


def set_up(ifindex: int, name: str) -> Request:
    """Set the link up.  Like: ip link set NAME up"""
    return Request(RTM_SETLINK, NLM_F_ACK, IFINFOMSG.pack(0, 0, ifindex, IFF_UP, IFF_UP), f"set link {name} up", LINK)


def set_forwarding(ifindex: int, name: str) -> Request:
    """Let the host forward what comes in by the link, IPv4.  Like: sysctl -w net.ipv4.conf.NAME.forwarding=1

    Source: net/ipv4/devinet.c inet_set_link_af().
    """
    conf = IFLA_AF_SPEC([_AF_INET([IFLA_INET_CONF([IPV4_DEVCONF_FORWARDING(1)])])])
    body = IFINFOMSG.pack(0, 0, ifindex, 0, 0) + conf
    return Request(RTM_SETLINK, NLM_F_ACK, body, f"turn forwarding of link {name} on", LINK)


def set_alias(ifindex: int, name: str, alias: str) -> Request:
    """Give the link its owner's name.  Like: ip link set NAME alias ALIAS

    Better before it is up, and not in the same request: else the kernel announces a change of a link that has no
    carrier yet, and looks through every IPv6 route of the host (net/ipv6/addrconf.c addrconf_notify NETDEV_CHANGE).
    """
    body = IFINFOMSG.pack(0, 0, ifindex, 0, 0) + IFLA_IFALIAS(alias)
    return Request(RTM_SETLINK, NLM_F_ACK, body, f"set the alias of link {name}", LINK)


def del_link(ifindex: int, name: str) -> Request:
    """Delete the link, and a veth's other end with it.  Kernel errors: ENODEV.  Like: ip link del NAME"""
    return Request(RTM_DELLINK, NLM_F_ACK, IFINFOMSG.pack(0, 0, ifindex, 0, 0), f"delete link {name}", LINK)
