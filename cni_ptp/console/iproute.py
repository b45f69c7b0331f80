"""Addresses, routes and links of the namespace this thread is in, as lines like those of `ip addr` and `ip route`."""

from __future__ import annotations

from ..ip import bits, cidr_text, text_of
from ..netlink.rt_addr_dump import IFA_F_DADFAILED, IFA_F_TENTATIVE, Addr, dump_addrs
from ..netlink.rt_link import Link, get_link
from ..netlink.rt_link_dump import dump_veths
from ..netlink.rt_route import RT_SCOPE_HOST, RT_SCOPE_LINK, RT_TABLE_MAIN, RTN_UNICAST, FibRoute
from ..netlink.rt_route_dump import dump_routes
from ..netlink.rt_route_get import read_route
from ..netlink.sock import Socket

AF_INET, AF_INET6 = 2, 10
_SCOPES = {RT_SCOPE_LINK: "link", RT_SCOPE_HOST: "host", 200: "site", 255: "nowhere"}


def link_line(link: Link) -> str:
    """Like the first line of `ip addr show`."""
    state = "UP" if link.up else "DOWN"
    return f"{link.name}: <{state}> mtu {link.mtu} link/ether {link.mac.hex(':')}"


def addr_line(addr: Addr) -> str:
    """Like an address line of `ip addr show`."""
    family = "inet " if len(addr.address) == 4 else "inet6"
    marks = [
        word for flag, word in ((IFA_F_TENTATIVE, "tentative"), (IFA_F_DADFAILED, "dadfailed")) if addr.flags & flag
    ]
    return " ".join([family, cidr_text(addr.address, addr.length), *marks])


def route_line(route: FibRoute, names: dict[int, str]) -> str:
    """Like a line of `ip route`.  names: of links, by index."""
    default = route.length == 0
    dst = text_of(route.dst) if route.length == bits(route.dst) else cidr_text(route.dst, route.length)
    words = ["default" if default else dst]
    if route.gw is not None:
        words.append(f"via {text_of(route.gw)}")
    words.append(f"dev {names.get(route.ifindex, str(route.ifindex))}")
    if route.scope in _SCOPES and len(route.dst) == 4:
        words.append(f"scope {_SCOPES[route.scope]}")
    if route.src is not None:
        words.append(f"src {text_of(route.src)}")
    if route.priority:
        words.append(f"metric {route.priority}")
    return " ".join(words)


def veths(sock: Socket) -> list[Link]:
    """All veth links."""
    return [link for link in map(Link, sock.dump(dump_veths()).read()) if link.kind == "veth"]


def link_named(sock: Socket, name: str) -> Link | None:
    """The link, None if there is none of that name."""
    answer = sock.ask(get_link(name))[0]
    return Link(answer.one()) if answer.error is None else None


def addrs(sock: Socket, link: Link) -> list[Addr]:
    """The link's addresses, without the link-local ones that every IPv6 interface has."""
    found = [Addr(reply) for reply in sock.dump(dump_addrs(link.ifindex, link.name)).read()]
    return [a for a in found if a.ifindex == link.ifindex and not is_link_local(a.address)]


def is_link_local(address: bytes) -> bool:
    """Whether it is of fe80::/10."""
    return len(address) == 16 and address[0] == 0xFE and address[1] & 0xC0 == 0x80


def routes(sock: Socket, family: int) -> list[FibRoute]:
    """The unicast routes of the main table, without those to link-local and multicast addresses."""
    found = []
    for reply in sock.dump(dump_routes(family)).read():
        route = read_route(reply)
        noise = len(route.dst) == 16 and (route.dst[0] == 0xFF or is_link_local(route.dst))
        if route.table == RT_TABLE_MAIN and reply[0][7] == RTN_UNICAST and not noise:
            found.append(route)
    return found
