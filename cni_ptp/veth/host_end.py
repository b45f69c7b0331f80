"""The host's end as CHECK finds it: what of it, its addresses and the routes over it is not as ADD made it."""

from __future__ import annotations

from ..base.errors import NetlinkError
from ..base.ip import bits, cidr_text, family_of, text_of
from ..cni.attachment import ALIAS_PREFIX
from ..cni.conf import AUTO, mac_text
from ..netlink.bounded import search
from ..netlink.rt_addr_dump import Addr, dump_addrs
from ..netlink.rt_link import Link, get_link_by_index
from ..netlink.rt_route import RT_TABLE_MAIN, RTN_UNICAST, get_route, is_no_route
from ..netlink.rt_route_dump import dump_routes
from ..netlink.rt_route_read import read_route
from ..netlink.sock import NETLINK_ROUTE, Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..cni.attachment import Attachment
    from ..cni.result import Result
    from ..netlink.rt_route import FibRoute

_MOST_ROUTES = 1 << 20


class HostEnd:
    """sock: a socket in the host's namespace.  link: the host's interface."""

    __slots__ = ("sock", "link")

    def __init__(self, sock: Socket, link: Link) -> None:
        self.sock = sock
        self.link = link

    def link_itself(self, attachment: Attachment, previous: Result, anti_spoof: bool) -> list[str]:
        """Return the differences between the link and what the result and the attachment tell of it."""
        link = self.link
        words = []
        listed = [i for i in previous.interfaces if not i.sandbox and i.name == link.name]
        if not listed:
            words.append(f"host interface {link.name} is not the one of prevResult")
        for interface in listed:
            if interface.mac and interface.mac.lower() != mac_text(link.mac):
                words.append(f"host interface {link.name} has MAC {mac_text(link.mac)}, not {interface.mac}")
        if anti_spoof and link.name != attachment.host_veth():
            words.append(f"host interface {link.name} was renamed: nothing keeps it from spoofing")
        if not link.up:
            words.append(f"host interface {link.name} is down")
        if link.master:
            words.append(f"host interface {link.name} is a port of {self._name(link.master)}: it routes nothing")
        ours = link.name == attachment.host_veth() or link.alias.startswith(ALIAS_PREFIX)
        if ours and link.alias != attachment.alias():
            words.append(f'host interface {link.name} has alias "{link.alias}", not "{attachment.alias()}"')
        return words

    def mtu(self, previous: Result, configured: int, container_link: Link) -> list[str]:
        """Compare a configured MTU; where none is, later plugins may choose, as long as the packets get through.

        configured: bytes, 0 for none, or AUTO.
        Source: include/linux/netdevice.h __is_skb_forwardable(): a veth drops what is longer than its own MTU.
        """
        name = self.link.name
        listed = (i.mtu for i in previous.interfaces if not i.sandbox and i.name == name and i.mtu)
        wanted = next(listed, configured)
        if configured and wanted not in (AUTO, self.link.mtu):
            return [f"host interface {name} has mtu {self.link.mtu}, not {wanted}"]
        if container_link.mtu > self.link.mtu:
            words = f"interface {container_link.name} has mtu {container_link.mtu}, more than the {self.link.mtu} of "
            return [f"{words}host interface {name}: longer packets are dropped"]
        return []

    def addresses(self, gateways: list[bytes]) -> list[str]:
        """Return a sentence for each packed address that the link lacks."""
        link = self.link
        listed = [Addr(reply) for reply in self.sock.dump(dump_addrs(link.ifindex, link.name)).read()]
        there = {(a.address, a.length) for a in listed if a.ifindex == link.ifindex}
        missing = [gateway for gateway in gateways if (gateway, bits(gateway)) not in there]
        return [f"host interface {link.name} has no address {cidr_text(g, bits(g))}" for g in missing]

    def routes(self, wanted: list[FibRoute]) -> list[str]:
        """Return a sentence for each host route that packets do not take."""
        return [words for words in [self._route(route) for route in wanted] if words]

    def _route(self, route: FibRoute) -> str:
        """Return where packets go instead of by the route, "" if they take it."""
        answer = self.sock.ask(get_route(route.dst))[0]
        if answer.error is not None and not is_no_route(answer.error):
            raise answer.error
        found = read_route(answer.one()) if answer.error is None else None
        if found is not None and (found.length, found.ifindex) == (route.length, self.link.ifindex):
            return ""
        if (found is None or found.table != RT_TABLE_MAIN) and self._is_in_main(route):
            by = f" by table {found.table}" if found is not None else ""
            words = f"a policy rule hides the host's route {route} dev {self.link.name}"
            return f"{words}: packets to {text_of(route.dst)} go elsewhere{by} (ip rule)"
        if found is not None and found.length == route.length:
            return f"the host routes {text_of(route.dst)} to {self._name(found.ifindex)}, not to {self.link.name}"
        return f"the host has no route {route} dev {self.link.name}"

    def _is_in_main(self, route: FibRoute) -> bool:
        there = False

        def take(reply: Any) -> bool:
            nonlocal there
            found = read_route(reply)
            same = (found.dst, found.length, found.ifindex) == (route.dst, route.length, self.link.ifindex)
            there = same and found.table == RT_TABLE_MAIN
            return there

        search(lambda: Socket(NETLINK_ROUTE), dump_routes(family_of(route.dst), RTN_UNICAST), take, _MOST_ROUTES)
        return there

    def _name(self, ifindex: int) -> str:
        try:
            return Link(self.sock.do(get_link_by_index(ifindex))[0].one()).name
        except NetlinkError:
            return f"link number {ifindex}"
