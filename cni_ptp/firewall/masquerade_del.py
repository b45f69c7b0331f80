"""The masquerading of one attachment taken back, whatever backend, ours or the Go plugin's, keeps it."""

from __future__ import annotations

from ..base.errors import KERNEL_REFUSED, CniError, words_of
from ..netlink.nft import exists, get_chain, get_table
from .iptables_legacy import has_nat
from .nft_table import GUARD, GUARD_ARP, LAYOUTS, foreign_chains

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .masquerade import Masquerade
    from .nft_table import Layout

    Step = Callable[[Masquerade, list[bytes]], None]


class Removal:
    """The removal of an attachment's masquerading, prepared: what exists is known, and what removes it is loaded."""

    __slots__ = ("masquerade", "steps", "failures")

    def __init__(self, masquerade: Masquerade) -> None:
        self.masquerade = masquerade
        self.failures: list[Exception] = []
        self.steps = (*_steps_in_nf_tables(masquerade, self.failures), remove_from_iptables_legacy)

    def commit(self, known_addresses: list[bytes]) -> None:
        """As Masquerade.remove."""
        for step in self.steps:
            try:
                step(self.masquerade, known_addresses)
            except OSError as e:
                if not _kernel_has_none(e, self.masquerade):
                    self.failures.append(e)
            except CniError as e:
                self.failures.append(e)
        if self.failures:
            words = "; ".join([words_of(e) for e in self.failures])
            code = self.failures[0].code if isinstance(self.failures[0], CniError) else KERNEL_REFUSED
            raise CniError(code, f"remove the masquerading of {self.masquerade.attachment}", words)


def _kernel_has_none(refused: OSError, masquerade: Masquerade) -> bool:
    from .nft_socket import kernel_has_none

    return kernel_has_none(refused, masquerade.sock)


def _steps_in_nf_tables(masquerade: Masquerade, failures: list[Exception]) -> list[Step]:
    """How to take back what nf_tables holds; one question tells what there can be.  What failed is put to the list.

    A host where nobody masquerades has nothing, and then none of the modules that would take it back is loaded.
    """
    ours = [part for layout in LAYOUTS for part in layout]
    asked = [
        get_table(GUARD),
        get_table(GUARD_ARP),
        *[get_chain(*place) for place in foreign_chains(masquerade.attachment)],
    ]
    asked += [get_table(table) for table, _ in ours]
    try:
        guard, arp_guard, *there = [exists(answer) for answer in masquerade.socket().ask(*asked)]
    except OSError as e:
        if not _kernel_has_none(e, masquerade):
            failures.append(e)
        return []
    others = there[: -len(ours)]
    present = [part for part, exists in zip(ours, there[-len(ours) :]) if exists]
    own: list[Layout] = [tuple([part for part in layout if part in present]) for layout in LAYOUTS]
    steps: list[Step] = []
    if present:
        from .nft_del import remove as remove_from_tables

        def remove_ours(m: Masquerade, known_addresses: list[bytes]) -> None:
            for layout in filter(None, own):
                remove_from_tables(m.socket(), m.attachment, known_addresses, layout)

        steps.append(remove_ours)
    if any(others):
        steps.append(_remove_others)
    if guard or arp_guard:
        steps.append(_remove_guard)
    return steps


def _remove_others(masquerade: Masquerade, known_addresses: list[bytes]) -> None:
    from . import iptables_nft

    iptables_nft.remove(masquerade.socket(), masquerade.attachment, known_addresses)


def _remove_guard(masquerade: Masquerade, known_addresses: list[bytes]) -> None:
    """Of "antiSpoof": it is in nf_tables as well, and so is asked about on the same socket."""
    from . import antispoof

    antispoof.remove(masquerade.socket(), masquerade.attachment)


def remove_from_iptables_legacy(masquerade: Masquerade, known_addresses: list[bytes]) -> None:
    """What the old interface of iptables keeps for the attachment is gone; if it has no table, no program runs."""
    if has_nat(4) or has_nat(6):
        from .. import iptables_cmd

        likely = masquerade.backend == "iptables" or masquerade.sock is None
        iptables_cmd.remove_legacy(masquerade.attachment, known_addresses, likely)
