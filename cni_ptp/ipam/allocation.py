"""Which addresses host-local gives an attachment: one of each range set, with a lease file each.

Source, also of the errors' texts: backend/allocator/allocator.go of host-local in containernetworking/plugins.
"""

from __future__ import annotations

import time

from ..base.errors import IPAM_FAILED, CniError
from ..base.ip import text_of
from ..cni.result import Address
from .ranges import Range, RangeSet, packed

_MOST_AT_ONCE = 64
# The Go plugin releases an address before it deletes the link, which takes the kernel up to 25 ms.
_WAIT_S, _PAUSE_S = 0.3, 0.01

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .leases import Leases
    from .protocol import Held
    from .settings import Settings

    Owners = tuple[str, str]


def allocate(leases: Leases, wanted: Settings, owners: Owners, held: Held) -> list[Address]:
    """Return an address out of each set, whose leases are on disk; a failure leaves none of them behind.

    owners: what the attachment's leases may say, the first what ours do.  CniError 103, 104 or 11.
    """
    requested = list(wanted.requested)
    ips: list[Address] = []
    names: list[str] = []
    try:
        for i, range_set in enumerate(wanted.sets):
            wish = next((a for a in requested if range_set.range_for(a) is not None), None)
            if wish is not None:
                requested.remove(wish)
            ips.append(_one(leases, i, range_set, wish, owners, held))
            names.append(text_of(ips[-1].address))
        if requested:
            listed = " ".join([text_of(a) for a in requested])
            raise CniError(IPAM_FAILED, f"failed to allocate all requested IPs: {listed}", "no range set left for them")
        leases.note(owners[0], names)
    except BaseException:
        leases.take_back(names)
        raise
    return ips


def _one(leases: Leases, i: int, range_set: RangeSet, wish: bytes | None, owners: Owners, held: Held) -> Address:
    """Reserve one address out of the set and return it."""
    try:
        if wish is not None:
            found = _wished(leases, i, range_set, wish, owners[0], held)
            return Address(wish, found.length, found.gateway)
        _refuse_second(leases, range_set, owners)
        address, found = _next(leases, i, range_set, owners[0], held)
        return Address(address, found.length, found.gateway)
    except CniError as e:
        raise CniError(e.code, f"failed to allocate for range {i}: {e.msg}", e.details) from None


def _wished(leases: Leases, i: int, range_set: RangeSet, wish: bytes, owner: str, held: Held) -> Range:
    """Reserve the requested address and return its range."""
    found = range_set.range_for(wish)
    if found is None:
        raise CniError(IPAM_FAILED, f"{text_of(wish)} not in range set {range_set}")
    if wish == found.gateway:
        raise CniError(IPAM_FAILED, f"requested ip {text_of(wish)} is subnet's gateway")
    # Before there is a lease, which would be a witness for whose the address is.
    if wish in held([wish, found.gateway]):
        from ..veth.host_route import whose

        msg = f"requested IP address {text_of(wish)} is not available in range set {range_set}"
        raise CniError(IPAM_FAILED, msg, whose(wish))
    if not leases.reserve(text_of(wish), owner, i):
        taken = leases.read(text_of(wish))
        raise CniError(
            IPAM_FAILED,
            f"requested IP address {text_of(wish)} is not available in range set {range_set}",
            taken.holder(leases.path, time.time()) if taken is not None else "",
        )
    return found


def _refuse_second(leases: Leases, range_set: RangeSet, owners: Owners) -> None:
    """Raise CniError 103 if the attachment already has an address of the set: SPEC "ADD" forbids a second ADD."""
    held = [lease for owner in owners for lease in leases.held_by(owner)]
    for lease in sorted(held, key=lambda lease: lease.name):
        address = lease.address()
        if address is not None and range_set.range_for(address) is not None:
            raise CniError(
                IPAM_FAILED,
                f"{lease.name} has been allocated to {owners[1]}, duplicate allocation is not allowed",
                lease.holder(leases.path, time.time()),
            )


def _next(leases: Leases, i: int, range_set: RangeSet, owner: str, held: Held) -> tuple[bytes, Range]:
    """Reserve the next free address in order and return it with its range."""
    spans = range_set.order(leases.last_reserved(i))
    deadline = time.monotonic() + _WAIT_S
    while True:
        passed: list[bytes] = []
        for _ in range(2):
            address = _unused(leases, spans, range_set, held, passed)
            if address is None:
                break
            found = range_set.range_for(address)
            if found is not None and leases.reserve(text_of(address), owner, i):
                return address, found
            leases.rebuild()  # the index did not know of that file
        if not passed or time.monotonic() > deadline:
            break
        time.sleep(_PAUSE_S)
    details = ""
    if passed:
        from ..veth.host_route import whose

        details = f"{len(passed)} without a lease are in use; {whose(passed[0])}"
    raise CniError(IPAM_FAILED, f"no IP addresses available in range set: {range_set}", details)


def _unused(
    leases: Leases, spans: list[tuple[int, int]], range_set: RangeSet, held: Held, passed: list[bytes]
) -> bytes | None:
    """Return the first address in the inclusive spans that has no lease and is not in use on the host.

    It may be in use without a lease where lease files were removed, or two networks have one subnet.
    passed: takes the addresses passed over.
    """
    free = leases.index.free(spans, range_set.size)
    several = 1  # the first is free as a rule; asking for many at once is cheap when it is not
    while True:
        some = [packed(number, range_set.size) for _, number in zip(range(several), free)]
        gateways = [r.gateway for r in range_set.ranges if some and r.contains(some[0])]
        in_use = held(some + gateways) if some else set()
        for address in some:
            if address not in in_use:
                return address
        if not some:
            return None
        passed += some
        several = _MOST_AT_ONCE
