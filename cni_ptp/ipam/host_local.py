"""host-local, embedded: addresses from configured ranges, a lease file each.

Compatible with the Go plugin on configuration, results, error texts and disk; what differs is listed in docs/ipam.md.
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md
from time import time

from ..attachment import Attachment
from ..errors import CHECK_FAILED, IPAM_FAILED, PLUGIN_NOT_AVAILABLE, CniError, errno_name
from ..ip import text_of
from ..result import Address, Result
from . import settings
from .lease import Lease, owner_of
from .leases import Leases
from .ranges import Range, RangeSet, packed
from .settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..args import Args
    from ..conf import Conf


class HostLocal:
    """host-local for one call.  settings: without ranges for DEL and GC, which no change of them must hinder."""

    __slots__ = ("attachment", "settings")

    def __init__(self, conf: Conf, args: Args) -> None:
        """Everything that the command needs is validated.  CniError 4, 6 or 7."""
        self.attachment = Attachment(conf.name, args.containerid, args.ifname)
        if args.command in ("DEL", "GC"):
            self.settings = Settings(settings.data_dir(conf), [], [], [], "")
        else:
            self.settings = settings.read(conf, args)

    def _leases(self) -> Leases:
        return Leases(self.settings.data_dir, self.attachment.network)

    def _owners(self) -> tuple[str, str]:
        """What the attachment's leases may say: ours, and one from before CNI knew of interface names."""
        containerid = self.attachment.containerid
        return owner_of(containerid, self.attachment.ifname), containerid.strip()

    def add(self) -> Result:
        """Every range set gave one address, and its lease is on disk.  A failure leaves none behind.

        CniError 103 if there is no address to give, 104 if the disk refuses, 11, and 7 for an unreadable resolvConf.
        """
        dns = None
        if self.settings.resolv_conf:
            from . import resolvconf

            dns = resolvconf.read(self.settings.resolv_conf)
        with self._leases() as leases:
            leases.open(create=True)
            try:
                ips = self._allocate(leases, self.settings)
            except OSError as e:
                raise leases.failed("write", e) from None
        return Result([], ips, self.settings.routes, dns)

    def _allocate(self, leases: Leases, wanted: Settings) -> list[Address]:
        requested = list(wanted.requested)
        owner = self._owners()[0]
        ips: list[Address] = []
        names: list[str] = []
        try:
            for i, range_set in enumerate(wanted.sets):
                wish = next((a for a in requested if range_set.range_for(a) is not None), None)
                if wish is not None:
                    requested.remove(wish)
                ips.append(self._one(leases, i, range_set, wish, owner))
                names.append(text_of(ips[-1].address))
            if requested:
                listed = " ".join([text_of(a) for a in requested])
                raise CniError(
                    IPAM_FAILED, f"failed to allocate all requested IPs: {listed}", "no range set left for them"
                )
        except BaseException:
            leases.take_back(names)
            raise
        leases.note(owner, names)
        return ips

    def _one(self, leases: Leases, i: int, range_set: RangeSet, wish: bytes | None, owner: str) -> Address:
        """One address out of the set."""
        try:
            if wish is not None:
                found = self._wished(leases, i, range_set, wish, owner)
                return Address(wish, found.length, found.gateway)
            self._refuse_second(leases, range_set)
            address, found = self._next(leases, i, range_set, owner)
            return Address(address, found.length, found.gateway)
        except CniError as e:
            raise CniError(e.code, f"failed to allocate for range {i}: {e.msg}", e.details) from None

    def _wished(self, leases: Leases, i: int, range_set: RangeSet, wish: bytes, owner: str) -> Range:
        """The range of the address that was wished for, which is reserved now."""
        found = range_set.range_for(wish)
        if found is None:
            raise CniError(IPAM_FAILED, f"{text_of(wish)} not in range set {range_set}")
        if wish == found.gateway:
            raise CniError(IPAM_FAILED, f"requested ip {text_of(wish)} is subnet's gateway")
        if not leases.reserve(text_of(wish), owner, i):
            holder = leases.read(text_of(wish))
            raise CniError(
                IPAM_FAILED,
                f"requested IP address {text_of(wish)} is not available in range set {range_set}",
                self._held(leases, holder) if holder is not None else "",
            )
        return found

    def _refuse_second(self, leases: Leases, range_set: RangeSet) -> None:
        """CniError 103 if the attachment already has an address of the set: SPEC "ADD" forbids a second ADD."""
        held = [lease for owner in self._owners() for lease in leases.held_by(owner)]
        for lease in sorted(held, key=lambda lease: lease.name):
            address = lease.address()
            if address is not None and range_set.range_for(address) is not None:
                containerid = self.attachment.containerid
                raise CniError(
                    IPAM_FAILED,
                    f"{lease.name} has been allocated to {containerid}, duplicate allocation is not allowed",
                    self._held(leases, lease),
                )

    def _held(self, leases: Leases, lease: Lease) -> str:
        """Who holds a lease, since when, and how to release it."""
        containerid, _, ifname = (lease.owner or "").partition("\r\n")
        if not containerid:
            return f"{leases.path}/{lease.name} says of nobody: remove the file if the address is free"
        whose = f"interface {ifname} of container {containerid}" if ifname else f"container {containerid}"
        return (
            f"held by {whose} for {_age(time() - lease.made / 1e9)}; a DEL for it on network "
            f"{self.attachment.network} releases it, as does removing {leases.path}/{lease.name}"
        )

    def _next(self, leases: Leases, i: int, range_set: RangeSet, owner: str) -> tuple[bytes, Range]:
        """The next free address in order, reserved now, and its range."""
        spans = range_set.order(leases.last_reserved(i))
        for _ in range(2):
            number = leases.index.first_free(spans, range_set.size)
            if number is None:
                break
            address = packed(number, range_set.size)
            found = range_set.range_for(address)
            if found is not None and leases.reserve(text_of(address), owner, i):
                return address, found
            leases.rebuild()  # the index did not know of that file
        raise CniError(IPAM_FAILED, f"no IP addresses available in range set: {range_set}")

    def delete(self) -> None:
        """No lease of the attachment is left; so too if there was none."""
        with self._leases() as leases:
            if not leases.open(create=False):
                return
            try:
                ours, nameless = self._owners()
                if not leases.release(ours):
                    leases.release(nameless)
            except OSError as e:
                raise leases.failed("release", e) from None

    def held(self) -> list[bytes]:
        """The packed addresses that the attachment's leases hold."""
        with self._leases() as leases:
            if not leases.open(create=False):
                return []
            found = [lease.address() for owner in self._owners() for lease in leases.held_by(owner)]
        return [address for address in found if address is not None]

    def check(self, prev: Result) -> None:
        """Each address of the result that is in a range is leased to the attachment.  CniError 105 if not."""
        held = self.held()
        if not held:
            raise CniError(
                CHECK_FAILED, f"host-local: Failed to find address added by container {self.attachment.containerid}"
            )
        missing = [
            text_of(ip.address)
            for ip in prev.ips
            if ip.address not in held and any(s.range_for(ip.address) for s in self.settings.sets)
        ]
        if missing:
            listed = ", ".join([text_of(a) for a in held])
            raise CniError(
                CHECK_FAILED,
                f"host-local: {', '.join(missing)} is not leased to container {self.attachment.containerid}",
                f"its leases: {listed}",
            )

    def gc(self, valid: list[Attachment]) -> None:
        """No lease of this network is left but those of the valid attachments, and files that say of no owner."""
        owners = {owner_of(a.containerid, a.ifname) for a in valid} | {a.containerid.strip() for a in valid}
        with self._leases() as leases:
            if leases.open(create=False):
                try:
                    leases.rebuild(lambda lease: lease.owner is None or lease.owner in owners)
                except OSError as e:
                    raise leases.failed("collect", e) from None

    def status(self) -> None:
        """CniError 50 if ADD would find no address, or could not write its lease."""
        with self._leases() as leases:
            try:
                if not leases.open(create=False):
                    _writable(self.settings.data_dir)
                    return
                leases.probe()
            except OSError as e:
                raise _unavailable(leases.failed("write", e)) from None
            except CniError as e:
                raise _unavailable(e) from None
            full = [
                str(range_set)
                for range_set in self.settings.sets
                if leases.index.first_free(range_set.order(None), range_set.size) is None
            ]
        if full:
            raise CniError(PLUGIN_NOT_AVAILABLE, f"no IP addresses available in range set: {'; '.join(full)}")


def _unavailable(failure: CniError) -> CniError:
    return CniError(PLUGIN_NOT_AVAILABLE, failure.msg, failure.details)


def _writable(path: str) -> None:
    """CniError 50 if the directory, not there yet perhaps, could not be written to."""
    from os import path as names

    there = names.abspath(path)
    while not names.lexists(there):
        there = names.dirname(there)
    try:
        # The answer of access(2) for root is yes but for a read-only file system.
        if names.isdir(there) and os.access(there, os.W_OK | os.X_OK):
            return
        reason = "it is no directory" if not names.isdir(there) else "it can not be written to"
    except OSError as e:
        reason = errno_name(e.errno or 0)
    raise CniError(PLUGIN_NOT_AVAILABLE, f"make the directory of the leases {path}", f"{there}: {reason}")


def _age(seconds: float) -> str:
    """A duration for people: "3 h", never longer than the unit that fits."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(int(seconds), 0)} s"
