"""ADD's masquerading by iptables: where it is asked for, or where there is no nf_tables."""

from __future__ import annotations

import errno

from .. import iptables_cmd
from ..base.errors import KERNEL_REFUSED, CniError, words_of
from .foreign import remove_foreign
from .nft_socket import kernel_has_none

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.ip import Prefix
    from ..cni.masquerade_options import Variant
    from .session import Session

# What a kernel without NAT for nf_tables answers.
_NO_NAT = (errno.EOPNOTSUPP, errno.ENOENT)


def add(session: Session, addresses: list[Prefix], variants: dict[int, Variant]) -> None:
    """Masquerade as masquerade_add.add does, by iptables."""
    try:
        remove_foreign(session, [address for address, _ in addresses])
    except OSError as e:
        if not kernel_has_none(e, session.sock):
            raise
    iptables_cmd.add(session.attachment, addresses, variants)


def add_instead(session: Session, addresses: list[Prefix], variants: dict[int, Variant], refused: OSError) -> None:
    """Masquerade by iptables if `refused` means that there is no nf_tables, and no backend was requested.

    Else `refused` is raised, or CniError 100 for it.
    """
    if refused.errno not in _NO_NAT and not kernel_has_none(refused, session.sock):
        raise refused
    if session.backend:
        raise CniError(KERNEL_REFUSED, "masquerade by nf_tables", f"the kernel has none: {words_of(refused)}") from None
    try:
        iptables_cmd.add(session.attachment, addresses, variants)
    except CniError as e:
        details = f"nf_tables: {words_of(refused)}; iptables: {e}"
        raise CniError(KERNEL_REFUSED, "masquerade: neither nf_tables nor iptables can be used", details) from None
