"""What CHECK, STATUS and GC ask about masquerading, of whichever backend."""

from __future__ import annotations

from ..base.errors import CniError, NetlinkError, words_of
from ..netlink.nft import exists, get_table
from . import nft_check
from .iptables_legacy import has_nat
from .nft_socket import open_socket
from .nft_table import PORTMAP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.ip import Prefix
    from ..cni.attachment import Attachment
    from ..cni.masquerade_options import Options, Variant
    from .nft_view import Firewall


def differences(
    firewall: Firewall, attachment: Attachment, backend: str, addresses: list[Prefix], options: Options | None
) -> list[str]:
    """Return what is missing, in words; [] if each address is masqueraded, by the backend or (none given) by any."""
    words: list[str] = []
    variants = options.variants if options is not None else {}
    if backend != "iptables":
        words = _nft_findings(firewall, attachment, addresses, variants)
        if not words or backend:
            return words
        if not variants and _go_masquerades(firewall, attachment, addresses):
            return []
    from .. import iptables_cmd

    try:
        by_iptables = iptables_cmd.differences(firewall, attachment, addresses, variants)
    except (OSError, CniError) as e:
        by_iptables = [words_of(e)]
    return by_iptables if backend or not by_iptables else words


def _nft_findings(
    firewall: Firewall, attachment: Attachment, addresses: list[Prefix], variants: dict[int, Variant]
) -> list[str]:
    try:
        return nft_check.differences(firewall, attachment, addresses, variants)
    except OSError as e:
        return [f"nf_tables: {words_of(e)}"]


def _go_masquerades(firewall: Firewall, attachment: Attachment, addresses: list[Prefix]) -> bool:
    from .go_masquerade import masquerades

    try:
        return masquerades(firewall, attachment, addresses)
    except OSError:
        return False  # the kernel has no nf_tables


def why_unavailable(backend: str) -> list[str]:
    """Return why ADD could not masquerade, in words; [] if it can be expected to work."""
    from .. import iptables_cmd

    by_nft = "" if backend == "iptables" else nft_check.why_unavailable()
    if backend != "iptables" and not by_nft:
        return []
    by_iptables = "" if backend == "nftables" else iptables_cmd.why_unavailable()
    if backend != "nftables" and not by_iptables:
        return []
    return [f"ipMasq needs nf_tables or iptables: {words}" for words in (by_nft, by_iptables) if words]


def gc(network: str, valid: list[Attachment]) -> list[str]:
    """Delete what any backend has of the network's other attachments; return what failed, in words."""
    steps = [lambda: nft_check.gc(network, valid), lambda: gc_port_mappings(network, valid)]
    return _tried(steps) + gc_of_iptables(network, valid, True)


def gc_port_mappings(network: str, valid: list[Attachment]) -> None:
    """Remove the port mappings of the network's other attachments."""
    try:
        sock = open_socket()
    except OSError:
        return  # nft_check.gc has reported what is no mere lack of nf_tables
    with sock:
        if exists(sock.ask(get_table(PORTMAP))[0]):
            from . import portmap_del

            portmap_del.gc(sock, network, valid)


def gc_of_iptables(network: str, valid: list[Attachment], is_complete: bool) -> list[str]:
    """Delete what iptables or the Go plugin made for the network's other attachments; return what failed, in words.

    is_complete: whether `valid` names every attachment.  If not, what the host routes to a container stays: whose it
    is only our own table tells for sure.
    """
    from . import iptables_nft

    steps: list[Callable[[], None]] = [lambda: iptables_nft.gc(network, valid, is_complete)]
    if has_nat(4) or has_nat(6):
        from .. import iptables_cmd

        steps.append(lambda: iptables_cmd.gc(network, valid, is_complete))
    return _tried(steps)


def _tried(steps: list[Callable[[], None]]) -> list[str]:
    words = []
    for step in steps:
        try:
            step()
        except (NetlinkError, CniError) as e:
            words.append(str(e))
    return words
