"""The container's end as CHECK finds it: which of the planned addresses and routes are missing.

Whoever owns the container's namespace decides how long its lists are, so single entries are looked up where the kernel
can do that, and no more than a bound of any list is read.
"""

from __future__ import annotations

from ..base.ip import family_of
from ..cni.result import Address
from ..netlink.bounded import search
from ..netlink.rt_addr_dump import IFA_F_DADFAILED, Addr, dump_addrs, get_addr
from ..netlink.rt_link import Link
from ..netlink.rt_route import RT_TABLE_MAIN, RTN_UNICAST, FibRoute, get_route
from ..netlink.rt_route_dump import dump_routes, nexthops
from ..netlink.rt_route_read import read_route
from ..netlink.sock import NETLINK_ROUTE, Socket
from .plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.ip import Prefix
    from ..system.netns import Netns

_AF_INET = 2
MOST_ADDRESSES, MOST_ROUTES = 4096, 16384
# What a default route leads to and hardly any other does: addresses for documentation (RFC 5737, RFC 3849).
_ANYWHERE = {4: b"\xc0\x00\x02\x01", 16: b"\x20\x01\x0d\xb8" + bytes(11) + b"\1"}


class ContainerEnd:
    """link: the container's interface.  sock: a socket in its namespace, for questions with one answer each."""

    __slots__ = ("netns", "sock", "link")

    def __init__(self, netns: Netns, sock: Socket, link: Link) -> None:
        self.netns = netns
        self.sock = sock
        self.link = link

    def addresses(self, ips: list[Address]) -> list[str]:
        """Return a sentence for each address that the interface lacks, or that another host has as well."""
        there, unread = self._ipv4([ip for ip in ips if len(ip.address) == 4])
        there.update(self._ipv6([ip for ip in ips if len(ip.address) == 16]))
        words = []
        for ip in ips:
            found = there.get((ip.address, ip.length))
            if found is None:
                tail = unread if len(ip.address) == 4 else ""
                words.append(f"interface {self.link.name} has no address {ip}{tail}")
            elif found.flags & IFA_F_DADFAILED:
                words.append(f"address {ip} of {self.link.name} is a duplicate of another host's")
        return words

    def _ipv4(self, ips: list[Address]) -> tuple[dict[Prefix, Addr], str]:
        """Return (those that the interface has, why there may be more).

        The kernel has only a list, the oldest first.
        """
        missing = {(ip.address, ip.length) for ip in ips}
        found: dict[Prefix, Addr] = {}

        def take(reply: Any) -> bool:
            addr = Addr(reply)
            key = addr.address, addr.length
            if addr.ifindex == self.link.ifindex and key in missing:
                missing.discard(key)
                found[key] = addr
            return not missing

        listing = dump_addrs(self.link.ifindex, self.link.name, _AF_INET)
        whole = not missing or search(self._open, listing, take, MOST_ADDRESSES)
        return found, "" if whole else _unread(MOST_ADDRESSES, "addresses")

    def _ipv6(self, ips: list[Address]) -> dict[Prefix, Addr]:
        answers = self.sock.ask(*[get_addr(ip.address, self.link.ifindex, self.link.name) for ip in ips])
        found = [Addr(answer.one()) for answer in answers if answer.error is None]
        return {(addr.address, addr.length): addr for addr in found if addr.ifindex == self.link.ifindex}

    def routes(self, planned: Plan) -> list[str]:
        """Return a sentence for each route that the container lacks.

        Each is looked up by an address that it leads to; the list is searched for those that another route hides.
        """
        answers = self.sock.ask(*[get_route(_led_to(route)) for route in planned.container_routes])
        missing = [
            route
            for route, answer in zip(planned.container_routes, answers)
            if answer.error is not None or not self._serves(answer.one(), route, planned)
        ]
        words = []
        for family in sorted({family_of(route.dst) for route in missing}):
            lost, unread = self._unlisted([r for r in missing if family_of(r.dst) == family], family, planned)
            words += [f"the container has no route {r}{_attributes(r)} dev {self.link.name}{unread}" for r in lost]
        return words

    def _unlisted(self, wanted: list[FibRoute], family: int, planned: Plan) -> tuple[list[FibRoute], str]:
        """Return (the routes that the list of the family does not hold, why it may hold them nevertheless)."""
        missing: dict[Prefix, list[FibRoute]] = {}
        for route in wanted:
            missing.setdefault((route.dst, route.length), []).append(route)

        def take(reply: Any) -> bool:
            found = read_route(reply)
            key = found.dst, found.length
            if key in missing:
                missing[key] = [r for r in missing[key] if not self._serves(reply, r, planned)]
                if not missing[key]:
                    del missing[key]
            return not missing

        whole = search(self._open, dump_routes(family, RTN_UNICAST), take, MOST_ROUTES)
        lost = [route for route in wanted if route in missing.get((route.dst, route.length), ())]
        return lost, "" if whole else _unread(MOST_ROUTES, "routes")

    def _serves(self, reply: Any, wanted: FibRoute, planned: Plan) -> bool:
        """Return whether a route that the kernel described is the wanted one, or serves as it."""
        found = read_route(reply)
        own_link = wanted.gw is None or wanted.gw in planned.gateways
        ifindex = self.link.ifindex if own_link else 0
        return (
            reply[0][7] == RTN_UNICAST
            and (wanted.dst, wanted.length) == (found.dst, found.length)
            and any(gw == wanted.gw and ifindex in (0, oif) for gw, oif in nexthops(reply))
            and wanted.table in (RT_TABLE_MAIN, found.table)
            # Plugins from before CNI 1.1 drop these from the result that they hand on.
            and wanted.priority in (0, found.priority)
            and wanted.mtu in (0, found.mtu)
            and wanted.advmss in (0, found.advmss)
        )

    def _open(self) -> Socket:
        return self.netns.inside(lambda: Socket(NETLINK_ROUTE))


def _led_to(route: FibRoute) -> bytes:
    return route.dst if route.length else _ANYWHERE[len(route.dst)]


def _unread(most: int, things: str) -> str:
    return f" among the first {most} {things}: the container has more, which are not read"


def _attributes(route: FibRoute) -> str:
    return "".join([f" {name} {getattr(route, name)}" for name in ("mtu", "advmss") if getattr(route, name)])
