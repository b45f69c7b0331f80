"""The doctor on destinations that a rule of iptables spares, which has no effect on what nf_tables masquerades."""

from __future__ import annotations

from .. import iptables_cmd
from ..base.errors import CniError, NetlinkError
from ..base.ip import cidr_text, parse_cidr, version_of
from ..firewall import iptables_nft
from ..firewall.iptables_legacy import has_nat
from ..firewall.iptables_variant import spared_by
from ..firewall.nft_socket import open_socket
from ..firewall.nft_table import INET, IPTABLES_NAT, operators_set
from ..netlink import nft, nft_expr, nft_rule
from .diagnosis import Line, warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..base.ip import Prefix
    from ..netlink.sock import Socket
    from .inventory import Inventory


_SHOWN = 3
_TABLE = INET[0][0]


def lines(inventory: Inventory) -> Iterator[Line]:
    """Return one line, if there are such rules and a network that nf_tables masquerades."""
    by_nftables = [n for n in inventory.networks.values() if n.conf.get("ipmasq") is True]
    if not any(network.conf.get("ipmasqbackend") != "iptables" for network in by_nftables):
        return
    found = {network for version in IPTABLES_NAT for network in _of_legacy(version)}
    try:
        with open_socket() as sock:
            for version in IPTABLES_NAT:
                found.update(_of_nft(sock, version))
            found = {network for network in found if not _is_in_set(sock, network)}
    except (OSError, NetlinkError):
        pass
    if found:
        shown = [cidr_text(*network) for network in sorted(found)]
        more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
        words = f"rules of POSTROUTING spare {', '.join(shown[:_SHOWN])}{more}, without effect on nf_tables"
        remedy = f'"nonMasqueradeCIDRs" in the network configuration, or the set {operators_set(4)} of {_TABLE}'
        yield warning("iptables nat", words, remedy)


def _of_nft(sock: Socket, version: int) -> list[Prefix]:
    """Return the destinations that iptables-nft's POSTROUTING spares."""
    table = IPTABLES_NAT[version]
    if not nft.exists(sock.ask(nft.get_chain(table, iptables_nft.POSTROUTING))[0]):
        return []
    spared = []
    for _, attrs in sock.dump(nft_rule.dump_rules(table, iptables_nft.POSTROUTING)).read():
        rule = nft_expr.read(attrs.get(nft_rule.NFTA_RULE_EXPRESSIONS, []))
        spared.append(spared_by(rule, version, (nft_expr.NF_ACCEPT, nft_expr.NFT_RETURN)))
    return [network for network in spared if network is not None and network[1]]


def _of_legacy(version: int) -> list[Prefix]:
    """Return the destinations that the POSTROUTING of iptables-legacy spares."""
    try:
        saved = iptables_cmd.legacy_save(version) if has_nat(version) else []
    except CniError:
        return []
    found = []
    for line in saved:
        words = line.split()
        if words[:2] == ["-A", iptables_nft.POSTROUTING] and words[-1] in ("ACCEPT", "RETURN") and "-d" in words:
            if words[words.index("-d") - 1] != "!":
                found.append(parse_cidr(words[words.index("-d") + 1]))
    return found


def _is_in_set(sock: Socket, network: Prefix) -> bool:
    """Return whether the operator's set spares the network as well."""
    name = operators_set(version_of(network[0]))
    return nft.exists(sock.ask(nft.get_element(_TABLE, name, network[0]))[0])
