"""host-local for CHECK, GC and STATUS: the leases looked at, and those collected that belong to nobody any more."""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..base.errors import CHECK_FAILED, IPAM_FAILED, PLUGIN_NOT_AVAILABLE, CniError, words_of
from ..base.ip import text_of
from ..cni.attachment import Attachment
from ..cni.result import Address
from .leases import owner_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.result import Result
    from .leases import Leases
    from .ranges import RangeSet


def check(containerid: str, held: list[bytes], sets: list[RangeSet], prev: Result) -> None:
    """Raise CniError 105 unless each address of the result that is in a range is leased to the attachment."""
    if not held:
        raise CniError(CHECK_FAILED, f"host-local: Failed to find address added by container {containerid}")
    missing = [
        text_of(ip.address) for ip in prev.ips if ip.address not in held and any(s.range_for(ip.address) for s in sets)
    ]
    if missing:
        listed = ", ".join([text_of(a) for a in held])
        raise CniError(
            CHECK_FAILED,
            f"host-local: {', '.join(missing)} is not leased to container {containerid}",
            f"its leases: {listed}",
        )


def stale(network_leases: Leases, network: str, valid: list[Attachment]) -> dict[Attachment, list[bytes]]:
    """Return the packed addresses of the leases that `gc` would release, by their owners."""
    from .index_rebuild import read_all

    keep = _owners(valid)
    found: dict[Attachment, list[bytes]] = {}
    with network_leases as leases:
        if leases.open(create=False):
            try:
                for lease in read_all(leases):
                    address = lease.address()
                    if lease.owner is not None and lease.owner not in keep and address is not None:
                        containerid, _, ifname = lease.owner.partition("\r\n")
                        owner = Attachment(network, containerid, ifname)
                        found.setdefault(owner, []).append(address)
            except OSError as e:
                raise leases.failed("read", e) from None
    return found


def _owners(attachments: list[Attachment]) -> set[str]:
    """Return what the leases of the attachments may contain."""
    return {owner_of(a.containerid, a.ifname) for a in attachments} | {a.containerid.strip() for a in attachments}


def gc(network_leases: Leases, valid: list[Attachment]) -> None:
    """Release the leases of this network but those of the valid attachments, and files that tell no owner."""
    from .index_rebuild import rebuild

    owners = _owners(valid)
    with network_leases as leases:
        if leases.open(create=False):
            try:
                rebuild(leases, lambda lease: lease.owner is None or lease.owner in owners)
            except OSError as e:
                raise leases.failed("collect", e) from None


def restore(network_leases: Leases, owners: tuple[str, str], sets: list[RangeSet], prev: Result) -> None:
    """Write the leases that were lost of the result's addresses.  owners: what our leases contain, the first anew.

    CniError 103 if another attachment has the lease of one, 104 if the disk refuses.
    """
    with network_leases as leases:
        leases.open(create=True)
        for ip in prev.ips:
            number = next((n for n, s in enumerate(sets) if s.range_for(ip.address) is not None), -1)
            name = text_of(ip.address)
            lease = leases.read(name) if number >= 0 else None
            if number < 0 or (lease is not None and lease.owner in owners):
                continue
            if lease is not None:
                raise CniError(IPAM_FAILED, f"restore the lease of {name}", "another attachment has it")
            try:
                leases.reserve(name, owners[0], number)
                leases.note(owners[0], [name])
            except OSError as e:
                raise leases.failed("write", e) from None


def foreseen(sets: list[RangeSet]) -> list[list[Address]]:
    """Return the first and the last address of each range, with its gateway."""
    from .ranges import packed

    found = []
    for r in [r for range_set in sets for r in range_set.ranges]:
        spans = r.spans(r.start, r.end)
        ends = {spans[0][0], spans[-1][1]} if spans else set()
        found += [[Address(packed(end, r.size), r.length, r.gateway)] for end in sorted(ends)]
    return found


def status(network_leases: Leases, data_dir: str, sets: list[RangeSet]) -> None:
    """Raise CniError 50 if ADD would find no address, or could not write its lease."""
    with network_leases as leases:
        try:
            if not leases.open(create=False):
                _writable(data_dir)
                return
            leases.probe()
        except OSError as e:
            raise _unavailable(leases.failed("write", e)) from None
        except CniError as e:
            raise _unavailable(e) from None
        full = [
            str(range_set)
            for range_set in sets
            if leases.index.first_free(range_set.order(None), range_set.size) is None
        ]
    if full:
        raise CniError(PLUGIN_NOT_AVAILABLE, f"no IP addresses available in range set: {'; '.join(full)}")


def _unavailable(failure: CniError) -> CniError:
    return CniError(PLUGIN_NOT_AVAILABLE, failure.msg, failure.details)


def _writable(path: str) -> None:
    """Raise CniError 50 if the directory, which may not exist yet, could not be written to."""
    from os import path as names

    there = names.abspath(path)
    while not names.lexists(there):
        there = names.dirname(there)
    try:
        # The answer of access(2) for root is yes but for a read-only file system.
        if names.isdir(there) and os.access(there, os.W_OK | os.X_OK):
            return
        reason = "it is no directory" if not names.isdir(there) else "it cannot be written to"
    except OSError as e:
        reason = words_of(e)
    raise CniError(PLUGIN_NOT_AVAILABLE, f"make the directory of the leases {path}", f"{there}: {reason}")
