"""What ADD sets up and CHECK expects to find: configuration and IPAM result in, addresses and routes out.  Pure.

The container reaches its own subnet through the gateway, which is the host's end of the pair; the host reaches each
address by a route of its own.  No connected route is made (NOPREFIXROUTE), so none has to be taken away again.
"""

from __future__ import annotations

from ..base.ip import bits, contains, network_of, version_of
from ..cni.attachment import digest
from ..cni.result import Address, Route
from ..netlink.rt_addr import new_addr
from ..netlink.rt_link import set_alias, set_forwarding, set_up
from ..netlink.rt_route import RT_SCOPE_HOST, RT_SCOPE_LINK, RT_TABLE_MAIN, FibRoute, new_route
from ..nlmsg import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..netlink.rt_link import End

# Locally administered; Docker's and kubenet's choice, so that a MAC tells the address it belongs to.
_MAC_PREFIX = b"\x0a\x58"


class Plan:
    """The addresses and routes of one attachment.

    ips: of the container.  gateways: of the host's end, each once.  container_routes in the order they are added,
    host_routes one an address.
    """

    __slots__ = ("ips", "gateways", "container_routes", "host_routes")

    def __init__(
        self,
        ips: list[Address],
        gateways: list[bytes],
        container_routes: list[FibRoute],
        host_routes: list[FibRoute],
    ) -> None:
        self.ips = ips
        self.gateways = gateways
        self.container_routes = container_routes
        self.host_routes = host_routes


def plan(ips: list[Address], routes: list[Route]) -> Plan:
    """Return the plan for addresses that each have a gateway, and for the routes that IPAM wants in the container."""
    gateways: list[bytes] = []
    to_gateways: list[FibRoute] = []
    to_subnets: list[FibRoute] = []
    for ip in ips:
        gateway = ip.gateway
        if gateway is None:
            continue
        if gateway not in gateways:
            gateways.append(gateway)
            to_gateways.append(FibRoute(gateway, bits(gateway), None, ip.address, RT_TABLE_MAIN, _link_scope(gateway)))
        subnet = network_of(ip.address, ip.length)
        if ip.length < bits(subnet) and not any((r.dst, r.length) == (subnet, ip.length) for r in to_subnets):
            to_subnets.append(FibRoute(subnet, ip.length, gateway, ip.address))
    wanted = _distinct([_container_route(r, ips, gateways) for r in routes])
    # A route that IPAM gives to the subnet itself takes the place of ours.
    given = {_place(r) for r in wanted}
    to_subnets = [r for r in to_subnets if _place(r) not in given]
    to_gateways = [r for r in to_gateways if _place(r) not in given]
    host_routes = [
        FibRoute(ip.address, bits(ip.address), scope=RT_SCOPE_HOST if version_of(ip.address) == 4 else 0) for ip in ips
    ]
    # Those onto the link first: the gateway of another may be reached by one.
    container_routes = sorted(to_gateways + to_subnets + wanted, key=lambda r: r.gw is not None)
    return Plan(ips, gateways, container_routes, host_routes)


def _link_scope(addr: bytes) -> int:
    return RT_SCOPE_LINK if version_of(addr) == 4 else 0  # IPv6 knows no scopes of routes


def _place(route: FibRoute) -> tuple[bytes, int, int, int]:
    """Return the place of a route: two routes of one place collide in the kernel's table."""
    return route.dst, route.length, route.table, route.priority


def _distinct(routes: list[FibRoute]) -> list[FibRoute]:
    """Return them without exact repetitions, which the kernel would refuse with EEXIST."""
    seen = set()
    distinct = []
    for route in routes:
        key = (*_place(route), route.gw)
        if key not in seen:
            seen.add(key)
            distinct.append(route)
    return distinct


def _container_route(route: Route, ips: list[Address], gateways: list[bytes]) -> FibRoute:
    """Return the route as the kernel gets it: one with an unspecified gateway, or of the link's scope, has none."""
    gw, scope = route.gw, route.scope
    if gw is None and (scope or 0) < RT_SCOPE_LINK:
        gw = next((g for g in gateways if len(g) == len(route.dst)), None)
    elif gw is not None and not any(gw):
        gw = None
    if gw is None and scope is None:
        scope = _link_scope(route.dst)  # as iproute2 does
    # With the connected route in place a gateway inside the container's subnet would be on the link; we have none.
    onlink = gw is not None and gw not in gateways and any(contains(ip.address, ip.length, gw) for ip in ips)
    table = RT_TABLE_MAIN if route.table is None else route.table
    return FibRoute(
        network_of(route.dst, route.length),
        route.length,
        gw,
        None,
        table or RT_TABLE_MAIN,  # 0 is RT_TABLE_UNSPEC: the kernel takes it for main
        scope or 0,
        route.priority,
        route.mtu,
        route.advmss,
        onlink,
    )


def veth_ends(host_name: str, ifname: str, mtu: int, mac: bytes | None, ips: list[Address]) -> tuple[End, End]:
    """Return (host end, container end).

    MACs follow the first IPv4 address and its gateway: a reused one keeps its MAC.
    Without IPv4 they follow the name of the host end, which is the attachment's.  Each is set by us, always: the kernel
    marks its own as random (addr_assign_type 1), and udev replaces these some time later.

    mtu: bytes, 0 for the kernel's default.  mac: 6 bytes wished for the container's end, or None.
    """
    ip4 = next((ip for ip in ips if len(ip.address) == 4), None)
    gateway = ip4.gateway if ip4 is not None else None
    mac = mac or (_MAC_PREFIX + ip4.address if ip4 is not None else _mac_of(host_name, "container"))
    host_mac = _MAC_PREFIX + gateway if gateway is not None and len(gateway) == 4 else _mac_of(host_name, "host")
    if host_mac == mac:  # as somebody wished: two ends with one address do not hear each other
        host_mac = _mac_of(host_name, "other host")
    return (host_name, mtu, host_mac), (ifname, mtu, mac)


def _mac_of(host_name: str, end: str) -> bytes:
    """Return a MAC of one end, 6 bytes: the same for the attachment at every ADD."""
    return _MAC_PREFIX + bytes.fromhex(digest(f"{host_name} {end}")[:8])


def container_requests(plan: Plan, ifindex: int, ifname: str) -> list[Request]:
    """Return the requests that turn the bare container end into the planned one, in order."""
    requests = [set_up(ifindex, ifname)]
    requests += [new_addr(ip.address, ip.length, ifindex, ifname) for ip in plan.ips]
    # Not exclusive, as the Go plugin: several routes to one destination are the configuration's business.
    requests += [new_route(r, ifindex, ifname, exclusive=False) for r in plan.container_routes]
    return requests


def host_requests(plan: Plan, ifindex: int, name: str, alias: str) -> list[Request]:
    """Return the requests that turn the bare host end into the planned one, in order.  The first gives it its owner.

    A new link forwards as conf.default says: IPv4 that comes in by one that does not is lost without a word
    (net/ipv4/route.c ip_route_input_slow).  IPv6 looks at the whole host's setting alone (ip6_output.c ip6_forward).
    """
    requests = [set_alias(ifindex, name, alias)]
    if any(len(ip.address) == 4 for ip in plan.ips):
        requests.append(set_forwarding(ifindex, name))
    requests.append(set_up(ifindex, name))
    requests += [new_addr(gateway, bits(gateway), ifindex, name) for gateway in plan.gateways]
    requests += [new_route(r, ifindex, name, exclusive=True) for r in plan.host_routes]
    return requests
