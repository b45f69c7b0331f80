"""Who has an address on this host: asked before anything of the address is changed.

The host routes the address of each attachment, ours or the Go plugin's, at full length over its host end.
"""

from __future__ import annotations

from ..ip import bits
from ..netlink.rt_route_get import get_route, is_no_route
from ..netlink.sock import NETLINK_ROUTE, Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def held(host: Socket, addresses: Sequence[bytes], free: set[bytes]) -> set[bytes]:
    """Return those of the packed addresses that the host routes at full length, or has itself.

    free: takes the others.  NetlinkError if the kernel refuses to tell.
    """
    found = set()
    for address, answer in zip(addresses, host.ask(*[get_route(address) for address in addresses])):
        if answer.error is not None:
            if not is_no_route(answer.error):
                raise answer.error
        elif answer.messages[0].payload[1] == bits(address):  # rtm_dst_len: the attributes need not be read
            found.add(address)
    free.update(addresses)
    free -= found
    return found


def whose(address: bytes) -> str:
    """Return in words where the host routes the packed address."""
    from ..host_route import routed_to
    from .unnamed import routed_over

    with Socket(NETLINK_ROUTE) as host:
        return routed_to(address, routed_over(host, address))


def refuse_held(host: Socket, addresses: Sequence[bytes], gateways: Sequence[bytes]) -> None:
    """Raise CniError 100 if an address is in use, or if one is wanted as a gateway that is routed to somebody.

    The host may have a gateway already, for other containers; an address of its own is nobody else's.
    """
    in_use = held(host, [*addresses, *gateways], set())
    if in_use:
        from ..host_route import refuse

        for address in in_use:
            refuse(host, address, own_allowed=address not in addresses)
