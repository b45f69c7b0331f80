"""The doctor on the host's network settings and on the attachments themselves."""

from __future__ import annotations

from ..base.ip import cidr_text, contains, text_of
from ..netlink.rt_addr_dump import IFA_F_PERMANENT, Addr, dump_addrs
from ..netlink.rt_link import Link, get_link_by_index
from ..netlink.rt_route import RT_TABLE_MAIN
from ..netlink.rt_route_dump import dump_routes, nexthops
from ..netlink.rt_route_read import read_route
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system import sysctl
from ..veth import host_settings
from . import iproute
from .diagnosis import Line, ok, problem, warning
from .inventory import Found, Inventory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..netlink.rt_route import FibRoute

_RTPROT_RA = 9
_FAMILIES = ((4, "IPv4"), (16, "IPv6"))
_SHOWN = 3


def lines(inventory: Inventory) -> Iterator[Line]:
    """Return all lines about the network."""
    attachments = inventory.attachments()
    yield from _forwarding(attachments)
    yield from _host_settings(inventory)
    with Socket(NETLINK_ROUTE) as sock:
        defaults = _defaults(sock)
        yield from _uplink_forwarding(defaults)
        uses_ipv6 = any(len(a) == 16 for found in attachments for a in found.routed)
        uses_ipv6 = uses_ipv6 or any(16 in network.sizes() for network in inventory.networks.values())
        yield _router_advertisements(sock, defaults) if uses_ipv6 else ok("accept_ra", "no container has IPv6")
        yield _reverse_path(defaults)
        yield from _mtu(inventory, defaults)
        yield from _overlaps(inventory, sock)
    yield _attachments(inventory)


def _forwarding(attachments: list[Found]) -> Iterator[Line]:
    for size, family in _FAMILIES:
        name = sysctl.FORWARDING[size]
        value = sysctl.read(name)
        refusal = host_settings.cannot_forward(size)
        in_use = any(len(a) == size for found in attachments for a in found.routed)
        subject = f"forwarding {family}"
        if value is None:
            yield warning(subject, f"the kernel has no {family}", f"configure no {family} addresses")
        elif value == "0" and in_use:
            yield problem(subject, "off, while containers are attached", f"sysctl -w net.{name.replace('/', '.')}=1")
        elif value == "0" and refusal:
            yield ok(subject, f"off, and ADD cannot turn it on ({refusal}); no container needs it")
        elif value == "0":
            yield ok(subject, "off; the first ADD turns it on")
        else:
            yield ok(subject, "on")


def _uplink_forwarding(defaults: list[Default]) -> Iterator[Line]:
    """Report ways out whose answers the host does not forward, though it is on as a whole."""
    if not sysctl.is_on(sysctl.FORWARDING[4]):
        return  # turning it on turns it on for each link
    for name in sorted({default.link.name for default in defaults if len(default.route.dst) == 4}):
        if sysctl.does_not_forward(4, name):
            found = f"on, but off for {name}, the way out: what comes in there reaches no container"
            yield problem("forwarding IPv4", found, f"sysctl -w net.ipv4.conf.{name}.forwarding=1")


def _host_settings(inventory: Inventory) -> Iterator[Line]:
    """Report what ADD would need to set on a host that lets it set nothing: STATUS says the same."""
    subject = "sysctls"
    sizes = {size for network in inventory.networks.values() for size in network.sizes()}
    refusals = host_settings.refusals(sizes)
    for refusal in refusals:
        yield problem(subject, refusal, "set it where /proc/sys can be written, or make /proc/sys writable for ptp")
    if not refusals:
        yield ok(subject, "as ADD needs them, or ADD sets them")


class Default:
    """A default route.  link: what it leads to.  by_ra: whether a router advertised it."""

    __slots__ = ("route", "link", "by_ra")

    def __init__(self, route: FibRoute, link: Link, by_ra: bool) -> None:
        self.route = route
        self.link = link
        self.by_ra = by_ra


def _defaults(sock: Socket) -> list[Default]:
    found = []
    for family in (iproute.AF_INET, iproute.AF_INET6):
        for reply in sock.dump(dump_routes(family)).read():
            route = read_route(reply)
            if route.length or route.table != RT_TABLE_MAIN:
                continue
            for _, ifindex in nexthops(reply):
                answer = sock.ask(get_link_by_index(ifindex))[0]
                if answer.error is None and ifindex != 1:
                    found.append(Default(route, Link(answer.one()), route.protocol == _RTPROT_RA))
    return found


def _router_advertisements(sock: Socket, defaults: list[Default]) -> Line:
    """Report a default route that forwarding costs the host, or did: ADD prevents it, but others turn it on, too."""
    subject = "accept_ra"
    for default in defaults:
        name = default.link.name
        if default.by_ra and sysctl.read(f"ipv6/conf/{name}/accept_ra") == "1":
            found = (
                f"the IPv6 default route over {name} is a router's advertisement, and expires once the host forwards"
            )
            return problem(subject, found, f"sysctl -w net.ipv6.conf.{name}.accept_ra=2, also in /etc/sysctl.d")
    kept = {default.link.ifindex for default in defaults if len(default.route.dst) == 16}
    for ifindex in _advertised_to(sock) - kept:
        answer = sock.ask(get_link_by_index(ifindex))[0]
        name = Link(answer.one()).name if answer.error is None else ""
        conf = f"ipv6/conf/{name}/"
        if name and sysctl.is_on(conf + "forwarding") and sysctl.read(conf + "accept_ra") == "1":
            found = f"a router advertised an address on {name}; since the host forwards, it has no default route there"
            return problem(subject, found, f"sysctl -w net.ipv6.conf.{name}.accept_ra=2, also in /etc/sysctl.d")
    return ok(subject, "no default route depends on it")


def _advertised_to(sock: Socket) -> set[int]:
    """Return the indexes of the links with IPv6 addresses that expire: from an advertisement or by DHCPv6."""
    listed = map(Addr, sock.dump(dump_addrs(0, "the host", iproute.AF_INET6)).read())
    return {addr.ifindex for addr in listed if not addr.flags & IFA_F_PERMANENT}


def _reverse_path(defaults: list[Default]) -> Line:
    strict = [d.link.name for d in defaults if len(d.route.dst) == 4 and _rp_filter(d.link.name) == 1]
    several = len({d.link.ifindex for d in defaults if len(d.route.dst) == 4}) > 1
    if strict and several:
        found = f"strict on {', '.join(sorted(set(strict)))}, with several IPv4 default routes"
        return warning("rp_filter", found, "answers that come in by the other one are dropped: set it to 2 (loose)")
    return ok("rp_filter", "drops nothing of the containers'")


def _rp_filter(name: str) -> int:
    values = [sysctl.read(f"ipv4/conf/{where}/rp_filter") for where in ("all", name)]
    return max([int(v) for v in values if v and v.isdigit()], default=0)


def _mtu(inventory: Inventory, defaults: list[Default]) -> Iterator[Line]:
    """Report containers with larger packets than the way out takes: it works until a firewall eats the ICMP."""
    auto = [n.name for n in inventory.networks.values() if n.conf.get("mtu") == "auto"]
    if not defaults:
        if auto:
            found = (
                f'"auto" of network {_some(auto)}: there is no default route, so that ADD leaves the MTU to the kernel'
            )
            yield warning("MTU", found, "attach containers after the host has its default route")
        else:
            yield ok("MTU", "no default route to compare with")
        return
    way_out = min(defaults, key=lambda d: d.link.mtu)
    name, least = way_out.link.name, way_out.link.mtu
    larger = [
        f"network {n.name} ({m})"
        for n in inventory.networks.values()
        for m in [_configured_mtu(n.conf)]
        if m > least and n.name not in auto
    ]
    larger += [
        f"{f.attachment.containerid} ({f.link.mtu})"
        for f in inventory.attachments()
        if f.link is not None
        and f.link.mtu > least
        and (f.attachment.network not in inventory.networks or f.attachment.network in auto)
    ]
    if larger:
        found = f"larger than the {least} of {name}: {_some(larger)}"
        remedy = f'"mtu": {least} or "auto" in the network configuration; containers that run keep theirs'
        yield warning("MTU", found, remedy)
    else:
        yield ok("MTU", f"what goes out by {name} fits its {least}")


def _configured_mtu(conf: dict[str, object]) -> int:
    mtu = conf.get("mtu")
    return mtu if isinstance(mtu, int) and mtu > 0 else 1500


def _overlaps(inventory: Inventory, sock: Socket) -> Iterator[Line]:
    ours = {f.link.ifindex for f in inventory.attachments() if f.link is not None}
    routes = [r for family in (iproute.AF_INET, iproute.AF_INET6) for r in iproute.routes(sock, family)]
    for network in inventory.networks.values():
        for subnet, length in network.subnets():
            for route in routes:
                inside = contains(subnet, length, route.dst) or contains(route.dst, route.length, subnet)
                if route.length and inside and route.ifindex not in ours:
                    found = f"network {network.name}: {cidr_text(subnet, length)} overlaps the host's route to "
                    found += f"{text_of(route.dst)}/{route.length}"
                    yield problem("subnets", found, "give the network addresses that nobody else on this host uses")


def _attachments(inventory: Inventory) -> Line:
    attachments = inventory.attachments()
    if inventory.blind:
        return warning("attachments", f"{len(attachments)}, not looked at: {inventory.blind}", "run ptp doctor as root")
    wrong = [f for f in attachments if f.wrong]
    if wrong:
        found = "; ".join([f"{f.attachment.containerid}: {f.wrong[0]}" for f in wrong[:_SHOWN]])
        found = f"{len(wrong)} of {len(attachments)} are not as they should be: {found}"
        return problem("attachments", found, "ptp list names all, ptp show CONTAINER draws one")
    return ok("attachments", f"{len(attachments)}, all healthy" if attachments else "none")


def _some(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more
