"""The limits that a configuration or a runtime asks for, `runtimeConfig.bandwidth`, validated.  Pure.

Loaded only if there are any.  Source: CNI CONVENTIONS.md; plugins/meta/bandwidth; docs/bandwidth.md.
"""

from __future__ import annotations

from ..base.errors import INVALID_NETWORK_CONFIG, CniError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.jsonio import JsonObject

_KEYS = ("ingressRate", "ingressBurst", "egressRate", "egressBurst")
_LEAST = 8  # bits: one byte
_MOST_BURST = 0xFFFFFFFF * 8  # bits: the kernel takes 32 bits of bytes


class Limit:
    """What a direction may have.  rate: bytes a second.  burst: bytes at once."""

    __slots__ = ("rate", "burst")

    def __init__(self, rate: int, burst: int) -> None:
        self.rate = rate
        self.burst = burst


class Bandwidth:
    """The limits of a container.  ingress: of what it receives, egress: of what it sends; None for no limit."""

    __slots__ = ("ingress", "egress")

    def __init__(self, ingress: Limit | None, egress: Limit | None) -> None:
        self.ingress = ingress
        self.egress = egress


def parse(runtime: JsonObject, fields: JsonObject) -> Bandwidth | None:
    """Return the limits; None if there are none.

    runtime: the object runtimeConfig, which does not count if the configuration has one of the keys itself.
    CniError 6 for a wrong type, 7 for a value that cannot be used.
    """
    chosen = fields if any(fields.has(key) for key in _KEYS) else runtime.object("bandwidth")
    if chosen is None:
        return None
    ingress, egress = [_limit(chosen, direction) for direction in ("ingress", "egress")]
    return Bandwidth(ingress, egress) if ingress is not None or egress is not None else None


def _limit(fields: JsonObject, direction: str) -> Limit | None:
    rate, burst = [fields.number(f"{direction}{what}") or 0 for what in ("Rate", "Burst")]
    if not rate and not burst:
        return None
    if not burst:
        raise CniError(INVALID_NETWORK_CONFIG, "if rate is set, burst must also be set", f"{direction}Burst is missing")
    if not rate:
        raise CniError(INVALID_NETWORK_CONFIG, "if burst is set, rate must also be set", f"{direction}Rate is missing")
    for about, value in ((f"{direction}Rate", rate), (f"{direction}Burst", burst)):
        if value < _LEAST:
            raise CniError(INVALID_NETWORK_CONFIG, f"{about} of {value} cannot be used", "at least 8 bits, one byte")
    if burst > _MOST_BURST:
        raise CniError(INVALID_NETWORK_CONFIG, "burst cannot be more than 4GB", f"{direction}Burst is {burst} bits")
    return Limit(rate // 8, burst // 8)
