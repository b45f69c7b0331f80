"""The host's full-length route to a container's address, where another link has it already.

To take it over would cut a live neighbour off, to leave it would send our traffic to the neighbour: neither may happen
silently.  Source: net/ipv4/fib_trie.c fib_table_insert(), net/ipv6/ip6_fib.c fib6_add_rt2node() for EEXIST.
"""

from __future__ import annotations

import errno
import time

from . import signals
from .attachment import ALIAS_PREFIX
from .errors import KERNEL_REFUSED, CniError, NetlinkError
from .ip import text_of
from .netlink.rt_link import Link
from .netlink.rt_route import FibRoute, del_host_route, new_route
from .netlink.sock import NETLINK_ROUTE, Socket
from .veth.holders import held
from .veth.unnamed import routed_over

# The Go plugin releases an address before it deletes the link, which takes the kernel up to 25 ms.
_WAIT_S = 0.3
_PAUSE_S = 0.01


def refuse(host: Socket, address: bytes, own_allowed: bool) -> None:
    """Raise CniError 100 that names the link over which the host routes the packed address, if it is alive.

    A link that is just being deleted is waited for.  own_allowed: False to refuse an address that the host itself has.
    """
    deadline = time.monotonic() + _WAIT_S
    while True:
        owner = routed_over(host, address)
        if owner is None and not own_allowed and held(host, [address], set()):
            raise CniError(KERNEL_REFUSED, f"the address {text_of(address)} is in use", "the host itself has it")
        if owner is None or is_stale(owner):
            return
        if time.monotonic() > deadline:
            raise CniError(KERNEL_REFUSED, f"the address {text_of(address)} is in use", routed_to(address, owner))
        signals.check()
        time.sleep(_PAUSE_S)


def claim(host: Socket, refusal: NetlinkError, route: FibRoute, link: Link) -> Link | None:
    """Make the host's route to `route.dst` lead to `link`; return the stale link that lost it, None if none did.

    refusal: the EEXIST that adding it met.  A link that is just being deleted is waited for; a stale one of ours (its
    container end is down) loses the route.  CniError 100 that names the other link if it is alive.
    """
    deadline = time.monotonic() + _WAIT_S
    loser: Link | None = None
    while True:
        owner = routed_over(host, route.dst)
        if owner is not None and owner.ifindex == link.ifindex:
            return loser
        if owner is not None and is_stale(owner):
            host.ask(del_host_route(route.dst, owner.ifindex))
            loser = owner
        elif owner is not None and time.monotonic() > deadline:
            raise _taken(refusal, route, owner)
        again = host.ask(new_route(route, link.ifindex, link.name, exclusive=True))[0].error
        if again is None:
            return loser
        if again.errno != errno.EEXIST:
            raise again
        if time.monotonic() > deadline:
            raise _taken(refusal, route, owner)
        signals.check()
        time.sleep(_PAUSE_S)


def give_back(lost: list[tuple[FibRoute, Link]]) -> None:
    """Give each route back to the stale link that `claim` took it from, unless that is gone or another has it now."""
    with Socket(NETLINK_ROUTE) as host:
        for route, link in lost:
            refused = host.ask(new_route(route, link.ifindex, link.name, exclusive=True))[0].error
            if refused is not None and refused.errno not in (errno.EEXIST, errno.ENODEV):
                raise refused


def is_stale(link: Link) -> bool:
    """Return whether a host end of ours has no container end that is up."""
    return link.kind == "veth" and link.alias.startswith(ALIAS_PREFIX + " ") and not link.carrier


def _taken(refusal: NetlinkError, route: FibRoute, owner: Link | None) -> CniError:
    return CniError(KERNEL_REFUSED, refusal.about, f"{refusal.explanation()}; {routed_to(route.dst, owner)}")


def routed_to(address: bytes, owner: Link | None) -> str:
    """Return in words over which link the host routes the packed address, and what to do about it."""
    name = "another link" if owner is None else f"{owner.name} ({owner.alias})" if owner.alias else owner.name
    return f"the host routes {text_of(address)} to {name}: detach that one first"
