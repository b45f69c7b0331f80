"""What masquerades which container: our nf_tables table, iptables of either flavour, the Go plugin's nf_tables table.

Each is read once, whole.  A container's chain of iptables is named by a hash: whose it is is found by that.
"""

from __future__ import annotations

from .. import iptables_cmd
from ..base.errors import CniError, NetlinkError
from ..base.ip import parse_cidr
from ..firewall import iptables_nft, nft_check
from ..firewall.iptables_legacy import has_nat
from ..firewall.nft_socket import open_socket
from ..firewall.nft_table import GO_CHAIN, GO_TABLE, IPTABLES_NAT
from ..netlink import nft, nft_expr, nft_rule
from ..netlink.nft_element import comment_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.attachment import Attachment
    from ..netlink.sock import Socket

NFTABLES, IPTABLES, GO_NFTABLES = "nftables", "iptables", "nftables of the Go plugin"


class Masquerading:
    """ours: the packed addresses in our table, by owner; by None those whose owner has only a hash there.
    chains: the packed addresses led to each chain of iptables.  go_comments: of the Go plugin's rules.
    What cannot be read is not there.
    """

    def __init__(self) -> None:
        self.ours: dict[Attachment | None, set[bytes]] = {}
        for owner, address in nft_check.owners():
            self.ours.setdefault(owner, set()).add(address)
        self.chains: dict[str, set[bytes]] = {}
        self.go_comments: list[str] = []
        try:
            with open_socket() as sock:
                for version in IPTABLES_NAT:
                    self._jumps(sock, version)
                self.go_comments = _go_comments(sock)
        except (OSError, NetlinkError):
            pass
        for version in IPTABLES_NAT:
            self._legacy_jumps(version)

    def of(self, attachment: Attachment, addresses: list[bytes]) -> dict[bytes, str]:
        """Return what masquerades each of the attachment's addresses that is masqueraded."""
        found = dict.fromkeys(self.ours.get(attachment, ()), NFTABLES)
        hashed = self.ours.get(None, set())
        by_iptables = self.chains.get(attachment.go_chain(), set())
        by_go = any(comment.startswith(attachment.go_nft_hash()) for comment in self.go_comments)
        for address in addresses:
            if address in hashed:
                found[address] = NFTABLES
            elif address in by_iptables:
                found.setdefault(address, IPTABLES)
            elif by_go:
                found.setdefault(address, GO_NFTABLES)
        return found

    def _jumps(self, sock: Socket, version: int) -> None:
        table, (offset, length) = IPTABLES_NAT[version], iptables_nft.SADDR[version]
        for attrs in _rules(sock, table, iptables_nft.POSTROUTING):
            source = iptables_nft.source_of(attrs, offset, length)
            chain = _target(attrs)
            if source is not None and chain.startswith("CNI-"):
                self.chains.setdefault(chain, set()).add(source)

    def _legacy_jumps(self, version: int) -> None:
        try:
            lines = iptables_cmd.legacy_save(version) if has_nat(version) else []
        except CniError:
            return
        for line in lines:
            words = line.split()
            if words[:2] == ["-A", iptables_nft.POSTROUTING] and "-s" in words and words[-2] == "-j":
                source = parse_cidr(words[words.index("-s") + 1])[0]
                self.chains.setdefault(words[-1], set()).add(source)


def _rules(sock: Socket, table: str, chain: str) -> list[dict[object, object]]:
    """Return the attributes of a chain's rules; [] if there is no such chain."""
    if sock.ask(nft.get_chain(table, chain))[0].error is not None:
        return []
    return [attrs for _, attrs in sock.dump(nft_rule.dump_rules(table, chain)).read()]


def _target(attrs: dict[object, object]) -> str:
    """Return the chain that a rule leads to, "" if none."""
    for name, values in nft_expr.read(attrs.get(nft_rule.NFTA_RULE_EXPRESSIONS, [])):  # type: ignore[arg-type]
        if name == "immediate":
            verdict = values.get(nft_expr.NFTA_IMMEDIATE_DATA, {}).get(nft_expr.NFTA_DATA_VERDICT, {})
            return str(verdict.get(nft_expr.NFTA_VERDICT_CHAIN, ""))
    return ""


def _go_comments(sock: Socket) -> list[str]:
    rules = _rules(sock, GO_TABLE, GO_CHAIN)
    return [comment_of(attrs.get(nft_rule.NFTA_RULE_USERDATA, b"")) for attrs in rules]  # type: ignore[arg-type]
