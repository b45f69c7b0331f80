"""The host's full-length route to a container's address, where another link has it already.

To take it over would cut a neighbour off, to leave it would send our traffic to the neighbour: neither may happen
silently.  That the other link has no carrier says nothing: a container can set its own end down.

Source: net/ipv4/fib_trie.c fib_table_insert(), net/ipv6/ip6_fib.c fib6_add_rt2node() for EEXIST.
"""

from __future__ import annotations

import errno
import time

from ..base.errors import KERNEL_REFUSED, CniError, NetlinkError
from ..base.ip import text_of
from ..netlink.rt_route import FibRoute, new_route
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system import signals
from .holders import held
from .unnamed import routed_over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..netlink.rt_link import Link

# The Go plugin releases an address before it deletes the link, which takes the kernel up to 25 ms.
_WAIT_S = 0.3
_PAUSE_S = 0.01


def refuse(host: Socket, address: bytes, own_allowed: bool) -> None:
    """Raise CniError 100 that names the link over which the host routes the packed address.

    A link that is just being deleted is waited for.  own_allowed: False to refuse an address that the host itself has.
    """
    deadline = time.monotonic() + _WAIT_S
    while True:
        owner = routed_over(host, address)
        if owner is None and not own_allowed and held(host, [address], {}):
            raise CniError(KERNEL_REFUSED, f"the address {text_of(address)} is in use", "the host itself has it")
        if owner is None:
            return
        if time.monotonic() > deadline:
            raise CniError(KERNEL_REFUSED, f"the address {text_of(address)} is in use", routed_to(address, owner))
        signals.check()
        time.sleep(_PAUSE_S)


def take_over_route(host: Socket, refusal: NetlinkError, route: FibRoute, link: Link) -> None:
    """Make the host's route to `route.dst` lead to `link`, once the link that has it is deleted.

    refusal: the EEXIST that adding it met.  CniError 100 that names the other link if it stays.
    """
    deadline = time.monotonic() + _WAIT_S
    while True:
        owner = routed_over(host, route.dst)
        if owner is not None and owner.ifindex == link.ifindex:
            return
        again = host.ask(new_route(route, link.ifindex, link.name, exclusive=True))[0].error
        if again is None:
            return
        if again.errno != errno.EEXIST:
            raise again
        if time.monotonic() > deadline:
            raise _taken(refusal, route, owner)
        signals.check()
        time.sleep(_PAUSE_S)


def _taken(refusal: NetlinkError, route: FibRoute, owner: Link | None) -> CniError:
    return CniError(KERNEL_REFUSED, refusal.operation, f"{refusal.explanation()}; {routed_to(route.dst, owner)}")


def routed_to(address: bytes, owner: Link | None) -> str:
    """Return in words over which link the host routes the packed address, and what to do about it."""
    name = "another link" if owner is None else f"{owner.name} ({owner.alias})" if owner.alias else owner.name
    return f"the host routes {text_of(address)} to {name}: detach that one first"


def whose(address: bytes) -> str:
    """Return in words where the host routes the packed address."""
    with Socket(NETLINK_ROUTE) as host:
        return routed_to(address, routed_over(host, address))
