"""The masquerading of one attachment: which backend, and whatever any backend, ours or the Go plugin's, left of it.

nf_tables over netlink where the kernel has it, else iptables; "ipMasqBackend" decides otherwise.  That nf_tables can
not be had is found out by the transaction itself.  Here is what every ADD does; the rest is loaded when it is asked
for.  Source: docs/masquerade.md.
"""

from __future__ import annotations

from ..netlink.nft import exists, get_chain
from ..netlink.sock import NETLINK_NETFILTER, Socket
from .iptables_legacy import has_nat
from .nft_table import foreign_chains

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.attachment import Attachment
    from ..cni.masquerade_options import Options
    from .masquerade_del import Removal
    from .nft_table import Element


class Masquerade:
    """backend: "nftables", "iptables", or "" for the first that works.  sock: an nf_tables socket, if one is open.

    options: None for what "ipMasq" alone means.  taken: what `add` took over from owners that are gone.

    Close it after the other work is done: the kernel makes the closing of an nf_tables socket wait for what was deleted
    to be freed, one grace period, and holds up whoever deletes a link meanwhile (nf_tables_api.c nft_rcv_nl_event,
    since Linux 5.2).
    """

    __slots__ = ("attachment", "backend", "sock", "options", "taken")

    def __init__(
        self, attachment: Attachment, backend: str, sock: Socket | None = None, options: Options | None = None
    ) -> None:
        self.attachment = attachment
        self.backend = backend
        self.sock = sock
        self.options = options
        self.taken: list[Element] = []

    def __enter__(self) -> Masquerade:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def socket(self) -> Socket:
        """The nf_tables socket, open until the end.  OSError EPROTONOSUPPORT if the kernel has no nf_tables."""
        if self.sock is None:
            self.sock = Socket(NETLINK_NETFILTER)
        return self.sock

    def add(self, addresses: list[tuple[bytes, int]]) -> None:
        """Each (packed address, prefix length) is masqueraded; what was left of the attachment before is gone.

        CniError 100 or 101, NetlinkError: then nothing has changed.
        """
        if self.backend == "iptables":
            from . import masquerade_add_iptables

            masquerade_add_iptables.add(self, addresses)
            return
        from .nft_add import add

        try:
            variants = self.options.variants if self.options is not None else None
            add(self.socket(), self.attachment, addresses, taken=self.taken, variants=variants)
        except OSError as refused:  # NetlinkError is one
            from . import masquerade_add_iptables

            masquerade_add_iptables.add_instead(self, addresses, refused)
            return
        known_addresses = [address for address, _ in addresses]
        self.remove_from_iptables_nft(known_addresses)
        if has_nat(4) or has_nat(6):
            from . import masquerade_del

            masquerade_del.remove_from_iptables_legacy(self, known_addresses)

    def remove_from_iptables_nft(self, known_addresses: list[bytes]) -> None:
        """What iptables-nft and the Go plugin's nftables backend keep for the attachment is gone."""
        sock = self.socket()
        if any(map(exists, sock.ask(*[get_chain(*place) for place in foreign_chains(self.attachment)]))):
            from . import iptables_nft

            iptables_nft.remove(sock, self.attachment, known_addresses)

    def remove(self, known_addresses: list[bytes]) -> None:
        """Nothing is masqueraded for the attachment by any backend, ours or the Go plugin's.

        hints: packed addresses it may have had.  Every part is tried; the first failure is raised, with the others.
        """
        self.removal().commit(known_addresses)

    def removal(self) -> Removal:
        """Return what removes all of it: prepared, but nothing has been removed."""
        from .masquerade_del import Removal

        return Removal(self)

    def undo(self, known_addresses: list[bytes]) -> None:
        """Remove what `add` added, and put back what it took over."""
        try:
            self.remove(known_addresses)
        finally:
            if self.taken:
                from . import nft_take_over

                nft_take_over.put_back(self.socket(), self.taken)

    def check(self, addresses: list[tuple[bytes, int]]) -> list[str]:
        """What is missing, in words; [] if each address is masqueraded, by the backend or (none given) by any."""
        from . import masquerade_check

        return masquerade_check.differences(self.attachment, self.backend, addresses, self.options)

    def status(self) -> list[str]:
        """Why `add` would fail, in words; [] if it can be expected to work."""
        from . import masquerade_check

        return masquerade_check.why_unavailable(self.backend)
