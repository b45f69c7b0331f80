"""Addresses, routes and links of the namespace this thread is in, as lines like those of `ip addr` and `ip route`."""

from __future__ import annotations

from ..base.ip import bits, cidr_text, text_of
from ..netlink.bounded import search
from ..netlink.rt_addr_dump import IFA_F_DADFAILED, IFA_F_TENTATIVE, Addr, dump_addrs
from ..netlink.rt_link import Link, get_link
from ..netlink.rt_link_dump import dump_links
from ..netlink.rt_route import RT_SCOPE_HOST, RT_SCOPE_LINK, RT_TABLE_MAIN, RTN_UNICAST, FibRoute
from ..netlink.rt_route_dump import dump_routes
from ..netlink.rt_route_read import read_route
from ..netlink.sock import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..nlmsg import Request

AF_INET, AF_INET6 = 2, 10
MOST_LINES = 100  # of one list
_SCOPES = {RT_SCOPE_LINK: "link", RT_SCOPE_HOST: "host", 200: "site", 255: "nowhere"}


def link_line(link: Link) -> str:
    """Return a line like the first of `ip addr show`."""
    state = "UP" if link.up else "DOWN"
    return f"{link.name}: <{state}> mtu {link.mtu} link/ether {link.mac.hex(':')}"


def addr_line(addr: Addr) -> str:
    """Return a line like an address line of `ip addr show`."""
    family = "inet " if len(addr.address) == 4 else "inet6"
    marks = [
        word for flag, word in ((IFA_F_TENTATIVE, "tentative"), (IFA_F_DADFAILED, "dadfailed")) if addr.flags & flag
    ]
    return " ".join([family, cidr_text(addr.address, addr.length), *marks])


def route_line(route: FibRoute, names: dict[int, str]) -> str:
    """Return a line like one of `ip route`.  names: of links, by index."""
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
    """Return all veth links."""
    return [link for link in map(Link, sock.dump(dump_links("veth")).read()) if link.kind == "veth"]


def link_named(sock: Socket, name: str) -> Link | None:
    """Return the link, None if there is none of that name."""
    answer = sock.ask(get_link(name))[0]
    return Link(answer.one()) if answer.error is None else None


def addr_lines(opened: Callable[[], Socket], link: Link, most: int) -> list[str]:
    """Return a line for each of the link's addresses, without the link-local ones that every IPv6 interface has.

    most: of how many addresses; whoever has the link decides how many there are.
    """

    def line(reply: Any) -> str | None:
        addr = Addr(reply)
        return addr_line(addr) if addr.ifindex == link.ifindex and not is_link_local(addr.address) else None

    return _first(opened, dump_addrs(link.ifindex, link.name), line, most)


def route_lines(opened: Callable[[], Socket], link: Link, family: int, most: int) -> list[str]:
    """Return a line for each route over the link, those that `routes` gives.  most: of how many in the whole table."""

    def line(reply: Any) -> str | None:
        route = read_route(reply)
        return route_line(route, {link.ifindex: link.name}) if route.ifindex == link.ifindex and _tells(reply) else None

    return _first(opened, dump_routes(family, RTN_UNICAST), line, most)


def _first(opened: Callable[[], Socket], listing: Request, line: Callable[[Any], str | None], most: int) -> list[str]:
    """Return the lines that the first replies make, each once, and a last one that says how many more there are."""
    lines: dict[str, None] = {}  # in their order; a list that changes is read again

    def take(reply: Any) -> bool:
        text = line(reply)
        if text is not None:
            lines[text] = None
        return False

    whole = search(opened, listing, take, most)
    more = max(len(lines) - MOST_LINES, 0)
    shown = list(lines)[:MOST_LINES]
    if whole:
        return [*shown, f"... and {more} more"] if more else shown
    return [*shown, f"... and {more} or more; the list has more than {most} entries and was read no further"]


def is_link_local(address: bytes) -> bool:
    """Return whether it is of fe80::/10."""
    return len(address) == 16 and address[0] == 0xFE and address[1] & 0xC0 == 0x80


def routes(sock: Socket, family: int) -> list[FibRoute]:
    """Return the unicast routes of the main table, without those to link-local and multicast addresses."""
    return [read_route(reply) for reply in sock.dump(dump_routes(family)).read() if _tells(reply)]


def _tells(reply: Any) -> bool:
    """Return whether a route is one that somebody made on purpose."""
    route = read_route(reply)
    noise = len(route.dst) == 16 and (route.dst[0] == 0xFF or is_link_local(route.dst))
    return route.table == RT_TABLE_MAIN and route.type == RTN_UNICAST and not noise
