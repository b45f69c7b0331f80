"""ADD's masquerading of one attachment, and its undo.

nf_tables over netlink where the kernel has it, else iptables; "ipMasqBackend" decides otherwise.  The transaction
itself finds out that there is no nf_tables.  Here is what every ADD does; what is rarely needed is loaded then.
Source: docs/masquerade.md.
"""

from __future__ import annotations

from .foreign import remove_foreign
from .iptables_legacy import has_nat
from .nft_add import add as add_to_tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.ip import Prefix
    from ..cni.masquerade_options import Variant
    from .nft_table import Element
    from .session import Session


def add(session: Session, addresses: list[Prefix], variants: dict[int, Variant], taken: list[Element]) -> None:
    """Masquerade each (packed address, prefix length); what was left of the attachment before is gone.

    variants: how, by IP version, where "ipMasq" alone does not tell.  taken: takes the elements of owners that are
    gone, which `undo` puts back.  CniError 100 or 101, NetlinkError: then nothing has changed.
    """
    if session.backend == "iptables":
        from . import masquerade_add_iptables

        masquerade_add_iptables.add(session, addresses, variants)
        return
    try:
        add_to_tables(session.socket(), session.attachment, addresses, taken=taken, variants=variants)
    except OSError as refused:  # NetlinkError is one
        from . import masquerade_add_iptables

        masquerade_add_iptables.add_instead(session, addresses, variants, refused)
        return
    known_addresses = [address for address, _ in addresses]
    remove_foreign(session, known_addresses)
    if has_nat(4) or has_nat(6):
        from . import masquerade_del

        masquerade_del.remove_from_iptables_legacy(session, known_addresses)


def undo(session: Session, known_addresses: list[bytes], taken: list[Element]) -> None:
    """Remove what `add` added, and put back what it took over."""
    from . import masquerade_del

    try:
        masquerade_del.remove(session, known_addresses)
    finally:
        if taken:
            from . import nft_take_over

            nft_take_over.put_back(session.socket(), taken)
