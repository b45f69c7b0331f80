"""Tracked UDP flows to a mapped port that go where they went before: deleted, so that the next packet is looked at.

A flow keeps the way that its first packet took, and a sender that goes on keeps the flow alive: to the host, if it was
there before the mapping, or to a container that is gone.
"""

from __future__ import annotations

from ..base.errors import NetlinkError
from ..netlink.conntrack import Flow, delete_flow, dump_flows
from ..netlink.sock import NETLINK_NETFILTER, NETLINK_ROUTE, Socket
from .portmap_elements import IPPROTO_UDP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..cni.port_mappings import PortMapping

_FAMILY = {4: 2, 6: 10}


def forget_flows(mappings: list[PortMapping], addresses: list[bytes]) -> None:
    """Delete the UDP flows to the mapped ports of the host that no address of the container answers.

    addresses: packed, the container's.
    """
    _forget(mappings, lambda flow: flow.answers_from not in addresses)


def forget_flows_to(mappings: list[PortMapping], addresses: list[bytes]) -> None:
    """Delete the UDP flows to the mapped ports of the host that one of the packed addresses answers."""
    _forget(mappings, lambda flow: flow.answers_from in addresses)


def _forget(mappings: list[PortMapping], is_stale: Callable[[Flow], bool]) -> None:
    wanted = [(m, version) for m in mappings if m.protocol == IPPROTO_UDP for version in m.versions]
    if not wanted:
        return
    with Socket(NETLINK_NETFILTER) as sock, Socket(NETLINK_ROUTE) as host:
        for mapping, version in wanted:
            try:
                replies = sock.dump(dump_flows(_FAMILY[version], IPPROTO_UDP, mapping.host_port)).read()
            except NetlinkError:
                return  # a kernel without ctnetlink: the flows end when their senders pause
            for flow in [flow for flow in map(Flow, replies) if _is_to(host, flow, mapping) and is_stale(flow)]:
                sock.ask(delete_flow(flow))  # one that has ended meanwhile is as good


def _is_to(host: Socket, flow: Flow, mapping: PortMapping) -> bool:
    """Return whether the flow is to the mapped port of the host itself, and not to another host's."""
    if flow.protocol != IPPROTO_UDP or flow.port != mapping.host_port.to_bytes(2, "big"):
        return False
    if mapping.host_ip is not None:
        return flow.destination == mapping.host_ip
    from ..netlink.rt_route import RTN_LOCAL, TYPE_AT, get_route

    answer = host.ask(get_route(flow.destination))[0]
    return answer.error is None and answer.messages[0].payload[TYPE_AT] == RTN_LOCAL
