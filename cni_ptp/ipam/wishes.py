"""What a tenant may wish for from static: an address of a configured subnet, and no other gateway.  Pure.

Orchestrators pass some of CNI_ARGS, args.cni and runtimeConfig on from tenants.  ptp gives the gateway to the host and
routes the address there, so an unbounded wish could take over an address that the host reaches elsewhere.
"""

from __future__ import annotations

from ..base.ip import cidr_text, contains, network_of, text_of
from ..cni.conf import unusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.errors import CniError
    from ..cni.result import Address

_HINT = "give ipam.addresses the subnets that may be wished for, each with its gateway"


def refuse_unbounded(wishes: list[Address], configured: list[Address]) -> None:
    """Raise CniError 7 for a wish that lies in none of the configured subnets, or has another gateway than they give.

    Without any configured address the runtime is trusted with the choice, but for link-local addresses, which are each
    host's own (169.254.169.254 is the metadata service of clouds), and for a prefix of length 0, which is no subnet.
    """
    for wish in wishes:
        if configured:
            around = [c for c in configured if contains(c.address, c.length, wish.address) and c.length <= wish.length]
            if not around:
                subnets = ", ".join([cidr_text(network_of(c.address, c.length), c.length) for c in configured])
                raise _refusal(wish, f"is in none of the configured subnets: {subnets}")
            gateways = {c.gateway for c in around if c.gateway is not None}
            if gateways and wish.gateway is not None and wish.gateway not in gateways:
                raise _refusal(wish, f"cannot have the gateway {text_of(wish.gateway)}")
        elif not wish.length:
            raise _refusal(wish, "has a prefix of length 0")
        else:
            for address in (wish.address, wish.gateway or b""):
                if _is_link_local(address):
                    raise _refusal(wish, f"cannot be given with {text_of(address)}, which is link-local")


def _is_link_local(address: bytes) -> bool:
    """Return whether it is of 169.254.0.0/16 or fe80::/10."""
    return address[:2] == b"\xa9\xfe" if len(address) == 4 else address[:1] == b"\xfe" and address[1] & 0xC0 == 0x80


def _refusal(wish: Address, why: str) -> CniError:
    return unusable(f"the wished address {wish} {why}", _HINT)
