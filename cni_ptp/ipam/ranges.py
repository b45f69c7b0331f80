"""Ranges of addresses to allocate from, and in which order.  Pure.

A set of ranges gives one address; its order is Go host-local's round robin.  The texts of errors are Go's too.
Source: plugins/ipam/host-local/backend/allocator/{range,range_set,allocator}.go of containernetworking/plugins.
"""

from __future__ import annotations

from ..base.ip import cidr_text, parse_cidr, text_of
from ..cni.conf import unusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Optional, TypeVar

    T = TypeVar("T")
    # One range as configured: subnet as written, for messages; start, end and gateway packed.  None: not given.
    Wanted = tuple[Optional[str], Optional[bytes], Optional[bytes], Optional[bytes]]


class Range:
    """The addresses of one subnet from start to end, both included.

    size: bytes of an address, 4 or 16.  start, end: addresses as integers.  gateway: packed; never allocated.
    """

    __slots__ = ("size", "network", "length", "start", "end", "gateway")

    def __init__(self, network: bytes, length: int, start: int, end: int, gateway: bytes) -> None:
        self.size = len(network)
        self.network = network
        self.length = length
        self.start = start
        self.end = end
        self.gateway = gateway

    def __str__(self) -> str:
        return f"{text_of(packed(self.start, self.size))}-{text_of(packed(self.end, self.size))}"

    def contains(self, address: bytes) -> bool:
        """Return whether the address is of this family and from start to end."""
        return len(address) == self.size and self.start <= number(address) <= self.end

    def overlaps(self, other: Range) -> bool:
        """Return whether the two share an address."""
        return self.size == other.size and self.start <= other.end and other.start <= self.end

    def spans(self, first: int, last: int) -> list[tuple[int, int]]:
        """Return the addresses first..last of this range without its gateway, as inclusive pairs."""
        gateway = number(self.gateway)
        if not first <= gateway <= last:
            return [(first, last)]
        return [(a, b) for a, b in ((first, gateway - 1), (gateway + 1, last)) if a <= b]


class RangeSet:
    """A pool: ranges of one family that do not overlap.  It gives an attachment one address."""

    __slots__ = ("ranges", "size")

    def __init__(self, ranges: list[Range]) -> None:
        self.ranges = ranges
        self.size = ranges[0].size

    def __str__(self) -> str:
        return ",".join([str(r) for r in self.ranges])

    def range_for(self, address: bytes) -> Range | None:
        """Return the range that contains the address."""
        return next((r for r in self.ranges if r.contains(address)), None)

    def overlaps(self, other: RangeSet) -> bool:
        """Return whether the two share an address."""
        return any(mine.overlaps(theirs) for mine in self.ranges for theirs in other.ranges)

    def order(self, last: bytes | None) -> list[tuple[int, int]]:
        """Return every address to be tried, in order, as inclusive pairs: from the one after `last` once around.

        last: what was handed out last, or None; from the first range's start if it is in no range of the set.
        """
        at = None if last is None else self.range_for(last)
        if at is None or last is None:
            return [span for r in self.ranges for span in r.spans(r.start, r.end)]
        i, after = self.ranges.index(at), number(last)
        spans = at.spans(after + 1, at.end) if after < at.end else []
        for r in self.ranges[i + 1 :] + self.ranges[:i]:
            spans += r.spans(r.start, r.end)
        return spans + at.spans(at.start, after)


def number(address: bytes) -> int:
    """Return a packed address as an integer."""
    return int.from_bytes(address, "big")


def packed(address: int, size: int) -> bytes:
    """Return an integer as a packed address of `size` bytes."""
    return address.to_bytes(size, "big")


# --- ranges as configured ---------------------------------------------------------------------------------------


def parsed(parse: Callable[[str], T], text: str) -> T:
    """Return what `parse` makes of `text`; its ValueError as CniError 7."""
    try:
        return parse(text)
    except ValueError as e:
        raise unusable(str(e)) from None


def canonical_set(configured: list[Wanted]) -> RangeSet:
    """Return the set with all defaults filled in.  CniError 7 in Go's words, without its "invalid range set N: "."""
    if not configured:
        raise unusable("empty range set")
    ranges: list[Range] = []
    for one in configured:
        ranges.append(canonical(one))
        if ranges[-1].size != ranges[0].size:
            raise unusable("mixed address families")
    for i, first in enumerate(ranges):
        for second in ranges[i + 1 :]:
            if first.overlaps(second):
                raise unusable(f"subnets {first} and {second} overlap")
    return RangeSet(ranges)


def canonical(configured: Wanted) -> Range:
    """Return the range with its defaults: the gateway is the subnet's second address, the rest of it is the range.

    A subnet of two addresses (/31, /127; RFC 3021, RFC 6164) has no network and no broadcast address, one of a single
    address (/32, /128) has no room for its gateway, which then must be given.
    """
    subnet, start, end, gateway = configured
    if subnet is None:
        raise unusable("IP <nil> not v4 nor v6", "a range needs a subnet")
    network, length = parse_cidr(subnet)
    if ":" in subnet and len(network) == 4:
        raise unusable("IPNet IP and Mask version mismatch")
    host_bits = 8 * len(network) - length
    base = number(network)
    if base >> host_bits << host_bits != base:
        network_text = text_of(packed(base >> host_bits << host_bits, len(network)))
        raise unusable(
            f"Network has host bits set. For a subnet mask of length {length} the network address is {network_text}"
        )
    default_start, default_end = _defaults(base, host_bits, len(network))
    first, last = default_start, default_end
    if start is not None or end is not None:
        first, last = _bounds(network, length, start, end, default_start, default_end)
    return Range(network, length, first, last, _gateway(gateway, network, length))


def _defaults(base: int, host_bits: int, size: int) -> tuple[int, int]:
    last = base + (1 << host_bits) - 1
    if host_bits < 2:
        return base, last
    return base + 1, last - 1 if size == 4 else last  # IPv6 has no broadcast address


def _bounds(
    network: bytes, length: int, start: bytes | None, end: bytes | None, first: int, last: int
) -> tuple[int, int]:
    """Return the first and the last address: the configured start and end, else those given."""
    base, host_bits = number(network), 8 * len(network) - length
    top = base + (1 << host_bits) - 1
    subnet = cidr_text(network, length)

    def inside(address: bytes, low: int, high: int) -> bool:
        return len(address) == len(network) and max(low, base) <= number(address) <= min(high, top)

    if start is not None:
        # As Go: an end before the start is reported on the start.
        limit = number(end) if end is not None and len(end) == len(network) else top
        if not inside(start, base, limit):
            raise unusable(f"RangeStart {text_of(start)} not in network {subnet}")
        first = number(start)
    if end is not None:
        if not inside(end, first, top):
            raise unusable(f"RangeEnd {text_of(end)} not in network {subnet}")
        last = number(end)
    if first > last:  # only the broadcast address is left; Go would walk on through all of IPv4
        raise unusable(
            f"RangeStart {text_of(packed(first, len(network)))} not in network {subnet}", "nothing follows it"
        )
    return first, last


def _gateway(configured: bytes | None, network: bytes, length: int) -> bytes:
    if configured is not None:
        if len(configured) != len(network):
            subnet = cidr_text(network, length)
            raise unusable(f"gateway {text_of(configured)} is not of the family of {subnet}")
        return configured
    if length == 8 * len(network):
        subnet = cidr_text(network, length)
        raise unusable(f"Network {subnet} too small to allocate from", "its only address needs a gateway: set one")
    return packed(number(network) + 1, len(network))
