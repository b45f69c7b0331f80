"""Who has an address on this host: asked before anything of the address is changed.

The host routes the address of each attachment, ours or the Go plugin's, at full length over its host end.
"""

from __future__ import annotations

from ..base.ip import bits
from ..netlink.rt_route import DST_LEN_AT, RTN_LOCAL, TYPE_AT, get_route, is_no_route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..netlink.sock import Socket


def held(host: Socket, addresses: Sequence[bytes], types: dict[bytes, int]) -> set[bytes]:
    """Return those of the packed addresses that the host routes at full length, or has itself.

    types: takes the type of each address's route (RTN_LOCAL: the host has it), 0 without one of full length.
    NetlinkError if the kernel refuses to tell.
    """
    for address, answer in zip(addresses, host.ask(*[get_route(address) for address in addresses])):
        types[address] = 0
        if answer.error is not None:
            if not is_no_route(answer.error):
                raise answer.error
        else:
            rtmsg = answer.messages[0].payload  # the attributes need not be read
            if rtmsg[DST_LEN_AT] == bits(address):
                types[address] = rtmsg[TYPE_AT]
    return {address for address in addresses if types[address]}


def in_use(
    host: Socket, addresses: Sequence[bytes], gateways: Sequence[bytes], types: dict[bytes, int]
) -> dict[bytes, bool]:
    """Return those of the addresses and gateways that may belong to somebody, each with whether the host may have it.

    The host may have a gateway already, for other containers; an address of its own is nobody else's.
    types: what `held` found before; others are asked now.
    """
    unasked = [address for address in (*addresses, *gateways) if address not in types]
    if unasked:
        held(host, unasked, types)
    own_allowed = {address: False for address in addresses if types[address]}
    own_allowed.update({gateway: True for gateway in gateways if types[gateway] not in (0, RTN_LOCAL)})
    return own_allowed
