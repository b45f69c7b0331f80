"""What the demonstration shows of a namespace, and what attachments leave on a host."""

from __future__ import annotations

from ..base.ip import text_of
from ..netlink.sock import NETLINK_ROUTE, Socket
from . import iproute, lease_files

DATA_DIR = "/var/lib/cni/networks"


def network_lines() -> list[str]:
    """Return the veth links of this namespace with their addresses, then its routes."""
    with Socket(NETLINK_ROUTE) as sock:
        lines = []
        links = iproute.veths(sock)
        for link in links:
            lines.append(iproute.link_line(link))
            lines += [
                "  " + line for line in iproute.addr_lines(lambda: Socket(NETLINK_ROUTE), link, iproute.MOST_LINES)
            ]
        names = {link.ifindex: link.name for link in links}
        for family in (iproute.AF_INET, iproute.AF_INET6):
            lines += [iproute.route_line(route, names) for route in iproute.routes(sock, family)]
    return lines


def remains() -> dict[str, list[str]]:
    """Return what attachments leave on a host, by kind: nothing, when all are detached."""
    with Socket(NETLINK_ROUTE) as sock:
        links = [link.name for link in iproute.veths(sock)]
        routes = [
            iproute.route_line(route, {})
            for family in (iproute.AF_INET, iproute.AF_INET6)
            for route in iproute.routes(sock, family)
        ]
    leases = [
        text_of(lease.address)
        for network in lease_files.networks(DATA_DIR)
        for lease in lease_files.of_network(DATA_DIR, network)
    ]
    return {"links": links, "routes": routes, "leases": leases, "masquerade": _masqueraded()}


def _masqueraded() -> list[str]:
    from ..firewall.nft_check import owners

    return [f"{text_of(address)} of {attachment}" for attachment, address in owners()]
