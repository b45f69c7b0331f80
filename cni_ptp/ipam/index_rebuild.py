"""All lease files of a network read: what the index is made from, and when leases are thrown away that hold nothing.

That happens when there is no current index, that is after a boot and when Go changed the leases, and for GC.
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..system.state_files import opened
from . import reboot
from .directories import ASIDE, LAST_RESERVED, LOCK
from .lease_index import PAGE_BYTES, link_name, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .lease import Lease
    from .lease_dir import LeaseDirectory
    from .lease_index import Index


def rebuild(leases: LeaseDirectory, keep: Callable[[Lease], bool] | None = None) -> None:
    """Make the index tell what the files tell.

    Delete incomplete, void and unwanted leases, and what a killed call left.
    keep: False for a lease that is not wanted any more.
    """
    use, kept = reboot.Use(), []
    began = reboot.began_ns()
    try:
        for lease in read_all(leases):
            if lease.name == ASIDE or _is_void(lease, began, use) or not (keep is None or keep(lease)):
                leases.unlink(lease.name)
            else:
                kept.append((lease.name, lease.owner, lease.address()))
    finally:
        use.close()
    _fill(leases.index, kept)
    leases.index.mark_current()
    leases.changed = False


def _is_void(lease: Lease, began: int, use: reboot.Use) -> bool:
    address = lease.address()
    if address is None or not (lease.incomplete or (lease.owner is not None and 0 < lease.made < began)):
        return False
    return not use.of(address)


def read_all(leases: LeaseDirectory) -> Iterator[Lease]:
    """Yield every lease, and whatever else has the name of an address."""
    for name in os.listdir(leases.fd):
        if name != LOCK and name.partition(".")[0] != LAST_RESERVED:
            lease = leases.read(name)
            if lease is not None:
                yield lease


def _fill(index: Index, leases: list[tuple[str, str | None, bytes | None]]) -> None:
    """Make the index tell of these leases and no others: (file name, owner or None, packed address or None).

    Memory has it all afterwards; the directory too, unless it cannot be written.
    """
    owners: dict[str, list[str]] = {}
    pages: dict[str, bytearray] = {}
    for name, owner, address in leases:
        if owner is not None:
            owners.setdefault(owner, []).append(name)
        if address is not None:
            page, at, mask = place(address)
            pages.setdefault(page, bytearray(PAGE_BYTES))[at] |= mask
    index.owners, index.pages, index.known = owners, pages, True
    if index.fd >= 0:
        try:
            _write(index.fd, owners, pages)
        except OSError:
            index.close()  # full or read-only: this call goes on from memory, the next one tries again


def _write(directory: int, owners: dict[str, list[str]], pages: dict[str, bytearray]) -> None:
    """Write it to the directory; what is right already stays: one change by Go must not cost a link each."""
    links = {link_name(owner): ",".join(names) for owner, names in owners.items()}
    for name in os.listdir(directory):
        if name in links and os.readlink(name, dir_fd=directory) == links[name]:
            del links[name]
        elif name not in pages:
            os.unlink(name, dir_fd=directory)
    for name, target in links.items():
        os.symlink(target, name, dir_fd=directory)
    for page, bits in pages.items():
        fd = opened(page, os.O_WRONLY | os.O_CREAT, directory)  # a page has but one size
        try:
            if os.write(fd, bits) != len(bits):
                raise OSError("short write")
        finally:
            os.close(fd)
