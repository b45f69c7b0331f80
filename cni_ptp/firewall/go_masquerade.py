"""Masquerading by the Go plugin's nftables backend (1.6 and later), looked at: a rule for each address.

Source: pkg/ip/ipmasq_nftables_linux.go of containernetworking/plugins.
"""

from __future__ import annotations

from ..base.ip import text_of
from ..netlink import nft, nft_rule
from ..netlink.nft_element import comment_of
from .iptables_nft import SADDR, source_of
from .nft_table import GO_CHAIN, GO_TABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.ip import Prefix
    from ..cni.attachment import Attachment
    from ..netlink.sock import Socket
    from .nft_view import Firewall


def masquerades(firewall: Firewall, attachment: Attachment, addresses: list[Prefix]) -> bool:
    """Return whether the chain has a rule of the attachment for each of the (packed address, prefix length)."""
    rules = firewall.once("the Go plugin's rules", lambda: _rules(firewall.sock()))
    owner = attachment.go_nft_hash()
    return all(f"{owner} {text_of(address)}" in rules for address, _ in addresses)


def _rules(sock: Socket) -> list[str]:
    """Return "HASH ADDRESS" of each rule: the hashes that name its owner, and the address that it masquerades."""
    if not nft.exists(sock.ask(nft.get_chain(GO_TABLE, GO_CHAIN))[0]):
        return []
    found = []
    for _, attrs in sock.dump(nft_rule.dump_rules(GO_TABLE, GO_CHAIN)).read():
        comment = comment_of(attrs.get(nft_rule.NFTA_RULE_USERDATA, b""))
        for offset, length in SADDR.values():
            source = source_of(attrs, offset, length)
            if source is not None:
                found.append(f"{comment.partition(',')[0]} {text_of(source)}")
    return found
