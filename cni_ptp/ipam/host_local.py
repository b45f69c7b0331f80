"""host-local, embedded: addresses from configured ranges, a lease file each.

Compatible with the Go plugin on configuration, results, error texts and disk; what differs is listed in docs/ipam.md.
"""

from __future__ import annotations

import time

from ..attachment import Attachment
from ..errors import IPAM_FAILED, CniError, NetlinkError
from ..ip import text_of
from ..result import Address, Result
from . import settings
from .leases import Leases, owner_of
from .ranges import Range, RangeSet, packed
from .settings import Settings

_MOST_AT_ONCE = 64
# The Go plugin releases an address before it deletes the link, which takes the kernel up to 25 ms.
_WAIT_S, _PAUSE_S = 0.3, 0.01

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..args import Args
    from ..conf import Conf
    from .choose import Held


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

    def leases(self) -> Leases:
        """The network's leases, not open yet."""
        return Leases(self.settings.data_dir, self.attachment.network)

    def owners(self) -> tuple[str, str]:
        """What the attachment's leases may say: ours, and one from before CNI knew of interface names."""
        containerid = self.attachment.containerid
        return owner_of(containerid, self.attachment.ifname), containerid.strip()

    def add(self, held: Held) -> Result:
        """Every range set gave one address, and its lease is on disk.  A failure leaves none behind.

        CniError 103 if there is no address to give, 104 if the disk refuses, 11, and 7 for an unreadable resolvConf.
        """
        dns = None
        if self.settings.resolv_conf:
            from . import resolvconf

            dns = resolvconf.read(self.settings.resolv_conf)
        with self.leases() as leases:
            leases.open(create=True)
            try:
                ips = self._allocate(leases, self.settings, held)
            except NetlinkError:
                raise  # who has an address could not be found out: the leases have no part in it
            except OSError as e:
                raise leases.failed("write", e) from None
        return Result([], ips, self.settings.routes, dns)

    def _allocate(self, leases: Leases, wanted: Settings, held: Held) -> list[Address]:
        requested = list(wanted.requested)
        owner = self.owners()[0]
        ips: list[Address] = []
        names: list[str] = []
        try:
            for i, range_set in enumerate(wanted.sets):
                wish = next((a for a in requested if range_set.range_for(a) is not None), None)
                if wish is not None:
                    requested.remove(wish)
                ips.append(self._one(leases, i, range_set, wish, owner, held))
                names.append(text_of(ips[-1].address))
            if requested:
                listed = " ".join([text_of(a) for a in requested])
                raise CniError(
                    IPAM_FAILED, f"failed to allocate all requested IPs: {listed}", "no range set left for them"
                )
            leases.note(owner, names)
        except BaseException:
            leases.take_back(names)
            raise
        return ips

    def _one(self, leases: Leases, i: int, range_set: RangeSet, wish: bytes | None, owner: str, held: Held) -> Address:
        """One address out of the set."""
        try:
            if wish is not None:
                found = self._wished(leases, i, range_set, wish, owner, held)
                return Address(wish, found.length, found.gateway)
            self._refuse_second(leases, range_set)
            address, found = self._next(leases, i, range_set, owner, held)
            return Address(address, found.length, found.gateway)
        except CniError as e:
            raise CniError(e.code, f"failed to allocate for range {i}: {e.msg}", e.details) from None

    def _wished(self, leases: Leases, i: int, range_set: RangeSet, wish: bytes, owner: str, held: Held) -> Range:
        """The range of the address that was wished for, which is reserved now."""
        found = range_set.range_for(wish)
        if found is None:
            raise CniError(IPAM_FAILED, f"{text_of(wish)} not in range set {range_set}")
        if wish == found.gateway:
            raise CniError(IPAM_FAILED, f"requested ip {text_of(wish)} is subnet's gateway")
        if held([wish]):  # before there is a lease, which would be a witness for whose the address is
            from ..veth.holders import whose

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

    def _refuse_second(self, leases: Leases, range_set: RangeSet) -> None:
        """CniError 103 if the attachment already has an address of the set: SPEC "ADD" forbids a second ADD."""
        held = [lease for owner in self.owners() for lease in leases.held_by(owner)]
        for lease in sorted(held, key=lambda lease: lease.name):
            address = lease.address()
            if address is not None and range_set.range_for(address) is not None:
                containerid = self.attachment.containerid
                raise CniError(
                    IPAM_FAILED,
                    f"{lease.name} has been allocated to {containerid}, duplicate allocation is not allowed",
                    lease.holder(leases.path, time.time()),
                )

    def _next(self, leases: Leases, i: int, range_set: RangeSet, owner: str, held: Held) -> tuple[bytes, Range]:
        """The next free address in order, reserved now, and its range."""
        spans = range_set.order(leases.last_reserved(i))
        deadline = time.monotonic() + _WAIT_S
        while True:
            passed: list[bytes] = []
            for _ in range(2):
                address = self._unused(leases, spans, range_set.size, held, passed)
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
            from ..veth.holders import whose

            details = f"{len(passed)} without a lease are in use; {whose(passed[0])}"
        raise CniError(IPAM_FAILED, f"no IP addresses available in range set: {range_set}", details)

    def _unused(
        self, leases: Leases, spans: list[tuple[int, int]], size: int, held: Held, passed: list[bytes]
    ) -> bytes | None:
        """Return the first address in the inclusive spans that has no lease and is not in use on the host.

        It may be in use without a lease where lease files were removed, or two networks have one subnet.
        passed: takes the addresses passed over.
        """
        free = leases.index.free(spans, size)
        several = 1  # the first is free as a rule; asking for many at once is cheap when it is not
        while True:
            some = [packed(number, size) for _, number in zip(range(several), free)]
            in_use = held(some) if some else set()
            for address in some:
                if address not in in_use:
                    return address
            if not some:
                return None
            passed += some
            several = _MOST_AT_ONCE

    def delete(self) -> None:
        """No lease of the attachment is left; so too if there was none."""
        with self.leases() as leases:
            if not leases.open(create=False):
                return
            try:
                ours, nameless = self.owners()
                if not leases.release(ours):
                    leases.release(nameless)
            except OSError as e:
                raise leases.failed("release", e) from None

    def held(self) -> list[bytes]:
        """The packed addresses that the attachment's leases hold."""
        with self.leases() as leases:
            if not leases.open(create=False):
                return []
            found = [lease.address() for owner in self.owners() for lease in leases.held_by(owner)]
        return [address for address in found if address is not None]

    def known(self) -> list[bytes]:
        """As `held`."""
        return self.held()

    def check(self, prev: Result) -> None:
        """Each address of the result that is in a range is leased to the attachment.  CniError 105 if not."""
        from . import host_local_upkeep

        host_local_upkeep.check(self, prev)

    def stale(self, valid: list[Attachment]) -> dict[Attachment, list[bytes]]:
        """See Ipam."""
        from . import host_local_upkeep

        return host_local_upkeep.stale(self, valid)

    def gc(self, valid: list[Attachment]) -> None:
        """No lease of this network is left but those of the valid attachments, and files that say of no owner."""
        from . import host_local_upkeep

        host_local_upkeep.gc(self, valid)

    def status(self) -> None:
        """CniError 50 if ADD would find no address, or could not write its lease."""
        from . import host_local_upkeep

        host_local_upkeep.status(self)
