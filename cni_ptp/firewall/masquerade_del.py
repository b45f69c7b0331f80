"""The masquerading of one attachment taken back, whatever backend, ours or the Go plugin's, keeps it."""

from __future__ import annotations

from ..base.errors import KERNEL_REFUSED, CniError, words_of
from ..netlink.nft import exists, get_chain, get_table
from .iptables_legacy import has_nat
from .nft_table import GUARD, GUARD_ARP, LAYOUTS, PORTMAP, foreign_chains

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..cni.port_mappings import PortMappings
    from .nft_table import Layout
    from .session import Session

    Step = Callable[[Session, list[bytes]], None]


def remove(session: Session, known_addresses: list[bytes]) -> None:
    """Remove the attachment's masquerading, guard and port mappings from every backend, ours and the Go plugin's.

    known_addresses: packed, those it may have had.  Every part is tried; the first failure is raised, with the others.
    """
    Removal(session).commit(known_addresses)


class Removal:
    """The removal of an attachment's masquerading, prepared: what exists is known, and what removes it is loaded."""

    __slots__ = ("session", "steps", "failures")

    def __init__(self, session: Session, ports: Callable[[], PortMappings | None] = lambda: None) -> None:
        """Find out what there can be.  ports: tells the port mappings of the call, if it has any."""
        self.session = session
        self.failures: list[Exception] = []
        self.steps = (*_steps_in_nf_tables(session, self.failures, ports), remove_from_iptables_legacy)

    def commit(self, known_addresses: list[bytes]) -> None:
        """Take the steps; raise the first failure, with the others, after all were tried."""
        for step in self.steps:
            try:
                step(self.session, known_addresses)
            except OSError as e:
                if not _kernel_has_none(e, self.session):
                    self.failures.append(e)
            except CniError as e:
                self.failures.append(e)
        if self.failures:
            words = "; ".join([words_of(e) for e in self.failures])
            code = self.failures[0].code if isinstance(self.failures[0], CniError) else KERNEL_REFUSED
            raise CniError(code, f"remove the masquerading of {self.session.attachment}", words)


def _kernel_has_none(refused: OSError, session: Session) -> bool:
    from .nft_socket import kernel_has_none

    return kernel_has_none(refused, session.sock)


def _steps_in_nf_tables(
    session: Session, failures: list[Exception], ports: Callable[[], PortMappings | None]
) -> list[Step]:
    """Return the steps that remove what nf_tables holds; one question finds out what there can be.

    A host where nobody masquerades has nothing, and then none of the modules that would take it back is loaded.
    """
    ours = [part for layout in LAYOUTS for part in layout]
    asked = [
        get_table(GUARD),
        get_table(GUARD_ARP),
        get_table(PORTMAP),
        *[get_chain(*place) for place in foreign_chains(session.attachment)],
    ]
    asked += [get_table(table) for table, _ in ours]
    try:
        guarded, arp_guarded, mapped, *there = [exists(answer) for answer in session.socket().ask(*asked)]
    except OSError as e:
        if not _kernel_has_none(e, session):
            failures.append(e)
        return []
    present = [part for part, exists in zip(ours, there[-len(ours) :]) if exists]
    steps: list[Step] = []
    if present:
        steps.append(_removal_of_ours([tuple([p for p in layout if p in present]) for layout in LAYOUTS]))
    if any(there[: -len(ours)]):
        steps.append(_remove_others)
    if guarded or arp_guarded:
        steps.append(_remove_guard)
    if mapped:
        from .portmap_del import remove as remove_mappings

        steps.append(lambda s, known_addresses: remove_mappings(s.socket(), s.attachment, known_addresses, ports))
    return steps


def _removal_of_ours(layouts: list[Layout]) -> Step:
    from .nft_del import remove as remove_from_tables

    def remove_ours(session: Session, known_addresses: list[bytes]) -> None:
        for layout in filter(None, layouts):
            remove_from_tables(session.socket(), session.attachment, known_addresses, layout)

    return remove_ours


def _remove_others(session: Session, known_addresses: list[bytes]) -> None:
    from . import iptables_nft

    iptables_nft.remove(session.socket(), session.attachment, known_addresses)


def _remove_guard(session: Session, known_addresses: list[bytes]) -> None:
    """Remove the guard of "antiSpoof": it is in nf_tables as well, and so is asked about on the same socket."""
    from . import antispoof

    antispoof.remove(session.socket(), session.attachment)


def remove_from_iptables_legacy(session: Session, known_addresses: list[bytes]) -> None:
    """Remove what the old interface of iptables keeps for the attachment; if it has no table, no program runs."""
    if has_nat(4) or has_nat(6):
        from .. import iptables_cmd

        likely = session.backend == "iptables" or session.sock is None
        iptables_cmd.remove_legacy(session.attachment, known_addresses, likely)
