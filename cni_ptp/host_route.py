"""Who a host's route to a container belongs to, when there is one to the same address already.

Taking it over would cut a live neighbour off, leaving it would send our traffic to the neighbour: neither may happen
silently.  Source: net/ipv4/fib_trie.c fib_table_insert(), net/ipv6/ip6_fib.c fib6_add_rt2node() for EEXIST.
"""

from __future__ import annotations

import errno
import time

from . import signals
from .attachment import ALIAS_PREFIX
from .errors import KERNEL_REFUSED, CniError, NetlinkError
from .ip import text_of
from .netlink.rt_link import Link, get_link_by_index
from .netlink.rt_route import FibRoute, del_host_route, new_route
from .netlink.rt_route_get import get_route, read_route
from .netlink.sock import Socket

# The Go plugin releases an address before it deletes the link, which takes the kernel up to 25 ms.
_WAIT_S = 0.3


def claim(host: Socket, refusal: NetlinkError, route: FibRoute, link: Link) -> None:
    """The host's route to `route.dst` leads to `link`.  refusal: the EEXIST that adding it met.

    A link that is just being deleted is waited for; a stale one of ours (its container end is down or gone) loses the
    route.  CniError 100 that names the other link if it is alive.
    """
    deadline = time.monotonic() + _WAIT_S
    while True:
        owner = _owner(host, route)
        if owner is not None and owner.ifindex == link.ifindex:
            return
        if owner is not None and _is_stale(owner):
            host.ask(del_host_route(route.dst, owner.ifindex))
        elif owner is not None and time.monotonic() > deadline:
            raise _taken(refusal, route, owner)
        again = host.ask(new_route(route, link.ifindex, link.name, exclusive=True))[0].error
        if again is None:
            return
        if again.errno != errno.EEXIST:
            raise again
        if time.monotonic() > deadline:
            raise _taken(refusal, route, owner)
        signals.check()
        time.sleep(0.01)


def _owner(host: Socket, route: FibRoute) -> Link | None:
    """The link that the host's full-length route to the same address leads to; None if there is none any more."""
    found = host.ask(get_route(route.dst))[0]
    if found.error is not None or not found.messages:
        return None
    there = read_route(found.read()[0])
    if there.length != route.length:
        return None
    link = host.ask(get_link_by_index(there.ifindex))[0]
    return None if link.error is not None else Link(link.one())


def _is_stale(link: Link) -> bool:
    return link.kind == "veth" and link.alias.startswith(ALIAS_PREFIX + " ") and not link.carrier


def _taken(refusal: NetlinkError, route: FibRoute, owner: Link | None) -> CniError:
    name = "another link" if owner is None else f"{owner.name} ({owner.alias})" if owner.alias else owner.name
    details = f"{refusal.explanation()}; the host routes {text_of(route.dst)} to {name}: detach that one first"
    return CniError(KERNEL_REFUSED, refusal.about, details)
