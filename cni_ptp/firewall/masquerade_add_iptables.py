"""ADD's masquerading by iptables: where it is asked for, or where nf_tables is not to be had."""

from __future__ import annotations

import errno

from .. import iptables_cmd
from ..base.errors import KERNEL_REFUSED, CniError, words_of
from .nft_socket import kernel_has_none

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.masquerade_options import Variant
    from .masquerade import Masquerade

# What a kernel without NAT for nf_tables answers.
_NO_NAT = (errno.EOPNOTSUPP, errno.ENOENT)


def add(masquerade: Masquerade, addresses: list[tuple[bytes, int]]) -> None:
    """As Masquerade.add, by iptables."""
    try:
        masquerade.remove_from_iptables_nft([address for address, _ in addresses])
    except OSError as e:
        if not kernel_has_none(e, masquerade.sock):
            raise
    iptables_cmd.add(masquerade.attachment, addresses, _variants(masquerade))


def add_instead(masquerade: Masquerade, addresses: list[tuple[bytes, int]], refused: OSError) -> None:
    """As Masquerade.add, by iptables if `refused` means that there is no nf_tables, and the backend was left open.

    Else `refused` is raised, or CniError 100 for it.
    """
    if refused.errno not in _NO_NAT and not kernel_has_none(refused, masquerade.sock):
        raise refused
    if masquerade.backend:
        raise CniError(KERNEL_REFUSED, "masquerade by nf_tables", f"the kernel has none: {words_of(refused)}") from None
    try:
        iptables_cmd.add(masquerade.attachment, addresses, _variants(masquerade))
    except CniError as e:
        details = f"nf_tables: {words_of(refused)}; iptables: {e}"
        raise CniError(KERNEL_REFUSED, "masquerade: neither nf_tables nor iptables can be used", details) from None


def _variants(masquerade: Masquerade) -> dict[int, Variant]:
    return masquerade.options.variants if masquerade.options is not None else {}
