"""host-local, embedded: addresses from configured ranges, a lease file each.

Compatible with the Go plugin on configuration, results, error texts and disk; what differs is listed in docs/ipam.md.
"""

from __future__ import annotations

from ..base.errors import NetlinkError
from ..cni.attachment import Attachment
from ..cni.result import Result
from .leases import Leases, owner_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.result import Address
    from .protocol import Held
    from .settings import Settings


class HostLocal:
    """host-local for one call.  DEL and GC have no settings: no change of the ranges may hinder them."""

    __slots__ = ("attachment", "data_dir", "_settings")
    is_program = False

    def __init__(self, attachment: Attachment, data_dir: str, settings: Settings | None) -> None:
        """Take the directory of all networks' leases.  settings: None for DEL and GC."""
        self.attachment = attachment
        self.data_dir = data_dir
        self._settings = settings

    def settings(self) -> Settings:
        """Return what is configured, for verbs other than DEL and GC."""
        assert self._settings is not None
        return self._settings

    def leases(self) -> Leases:
        """Return the network's leases, not open yet."""
        return Leases(self.data_dir, self.attachment.network)

    def owners(self) -> tuple[str, str]:
        """Return the contents that the attachment's leases may have.

        Ours, and one from before CNI knew of interface names.
        """
        containerid = self.attachment.containerid
        return owner_of(containerid, self.attachment.ifname), containerid.strip()

    def add(self, held: Held) -> Result:
        """Reserve one address of every range set, its lease on disk.  A failure leaves none behind.

        CniError 103 if there is no address to give, 104 if the disk refuses, 11, and 7 for an unreadable resolvConf.
        """
        from .allocation import allocate

        wanted, dns = self.settings(), None
        if wanted.resolv_conf:
            from . import resolvconf

            dns = resolvconf.read(wanted.resolv_conf)
        with self.leases() as leases:
            leases.open(create=True)
            try:
                ips = allocate(leases, wanted, self.owners(), held)
            except NetlinkError:
                raise  # who has an address could not be found out: the leases have no part in it
            except OSError as e:
                raise leases.failed("write", e) from None
        return Result([], ips, wanted.routes, dns)

    def delete(self) -> None:
        """Release all leases of the attachment; having none is success."""
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
        """Return the packed addresses that the attachment's leases hold."""
        with self.leases() as leases:
            if not leases.open(create=False):
                return []
            found = [lease.address() for owner in self.owners() for lease in leases.held_by(owner)]
        return [address for address in found if address is not None]

    def known(self) -> list[bytes]:
        """Return `held`."""
        return self.held()

    def check(self, prev: Result) -> None:
        """Raise CniError 105 unless each address of the result that is in a range is leased to the attachment."""
        from . import host_local_check

        host_local_check.check(self.attachment.containerid, self.held(), self.settings().sets, prev)

    def stale(self, valid: list[Attachment]) -> dict[Attachment, list[bytes]]:
        """Return what Ipam promises."""
        from . import host_local_check

        return host_local_check.stale(self.leases(), self.attachment.network, valid)

    def gc(self, valid: list[Attachment]) -> None:
        """Release the leases of this network but those of the valid attachments, and files that tell no owner."""
        from . import host_local_check

        host_local_check.gc(self.leases(), valid)

    def restore(self, prev: Result) -> None:
        """Write the leases that were lost of the result's addresses.  CniError 103 if another has one of them."""
        from . import host_local_check

        host_local_check.restore(self.leases(), self.owners(), self.settings().sets, prev)

    def foreseen(self) -> list[list[Address]]:
        """Return what Ipam promises."""
        from . import host_local_check

        return host_local_check.foreseen(self.settings().sets)

    def status(self) -> None:
        """Raise CniError 50 if ADD would find no address, or could not write its lease."""
        from . import host_local_check

        host_local_check.status(self.leases(), self.data_dir, self.settings().sets)
