"""The links by which packets leave the host, for `"mtu": "auto"`.

They are looked up, not listed: the host has a route for each container.  Looked up are addresses for documentation,
several in case the host has a narrower route to one of them.
Source: RFC 5737, RFC 3849, RFC 9637.
"""

from __future__ import annotations

import errno

from ..base.errors import NetlinkError
from ..base.ip import parse_ip
from ..netlink.rt_link import Link, get_link_by_index
from ..netlink.rt_route import get_route, is_no_route
from ..netlink.rt_route_dump import nexthops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..netlink.sock import Socket

_ANYWHERE = ("203.0.113.1", "198.51.100.1", "192.0.2.1", "2001:db8::1", "3fff::1")
# A default route may be in two halves (OpenVPN), or to all global addresses of IPv6 (2000::/3).
_MOST_LENGTH = {4: 1, 16: 3}
_NO_SUCH_FAMILY = (errno.EOPNOTSUPP, errno.EAFNOSUPPORT)
_LOOPBACK = 1  # include/net/net_namespace.h LOOPBACK_IFINDEX
_MOST_MTU = 65535  # drivers/net/veth.c veth_setup max_mtu ETH_MAX_MTU


def mtu_of_uplinks(host: Socket) -> int:
    """Return the least MTU of the links by which the default routes of both families leave; 0 if there are none."""
    mtus = [link.mtu for link in uplinks(host)]
    return min([*mtus, _MOST_MTU]) if mtus else 0


def uplinks(host: Socket) -> list[Link]:
    """Return the links by which the default routes of both families leave, each once."""
    indexes: list[int] = []
    addresses = [parse_ip(text) for text in _ANYWHERE]
    for address, answer in zip(addresses, host.ask(*[get_route(address) for address in addresses])):
        if answer.error is not None:
            if not is_no_route(answer.error) and answer.error.errno not in _NO_SUCH_FAMILY:
                raise answer.error
            continue
        reply = answer.one()
        if reply[0][1] <= _MOST_LENGTH[len(address)]:  # rtm_dst_len
            indexes += [ifindex for _, ifindex in nexthops(reply) if ifindex not in (0, _LOOPBACK, *indexes)]
    answers = host.ask(*[get_link_by_index(ifindex) for ifindex in indexes])
    return [Link(answer.one()) for answer in answers if _exists(answer.error)]


def _exists(refused: NetlinkError | None) -> bool:
    if refused is not None and refused.errno != errno.ENODEV:
        raise refused
    return refused is None
