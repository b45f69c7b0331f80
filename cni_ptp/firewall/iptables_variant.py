"""What CHECK asks of a container's chain of iptables where it masquerades with options.  Pure.

Source: include/uapi/linux/netfilter/nf_tables_compat.h, include/uapi/linux/netfilter/nf_nat.h; iptables-extensions(8).
"""

from __future__ import annotations

import _struct as struct

from ..base.ip import cidr_text, network_of
from ..netlink import nft_expr
from ..netlink.nft import NFTA_DATA_VALUE
from ..netlink.nft_rule import NFTA_RULE_EXPRESSIONS, RULE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.ip import Prefix
    from ..cni.masquerade_options import Variant
    from ..nlmsg import Attr, Message

    Expression = tuple[str, dict[Attr, Any]]

_DADDR = {4: (16, 4), 6: (24, 16)}  # offset and length in the header
# Of struct nf_nat_ipv4_multi_range_compat and of struct nf_nat_range: where flags and the first address are.
_RANGE = {4: (4, 8, 4), 6: (0, 4, 16)}


def lacks_of_lines(lines: list[str], variant: Variant) -> list[str]:
    """Return what the chain does not do, by its lines of iptables-save."""
    target = variant.iptables_target()
    lacks = [] if any(f"{line} ".endswith(f" -j {target} ") for line in lines) else [f"does not {target}"]
    accepted = [f"{line} " for line in lines if line.endswith(" -j ACCEPT")]
    for network in variant.networks:
        wanted = f" -d {cidr_text(*network)} "
        # Anything: it is not written.
        if not any(wanted in line or not network[1] and " -d " not in line for line in accepted):
            lacks.append(f"does not spare {cidr_text(*network)}")
    return lacks


def lacks_of_rules(rules: list[Message], variant: Variant) -> list[str]:
    """Return the same by the rules that iptables-nft made of the lines."""
    found = [nft_expr.read(RULE.read(message.payload)[1].get(NFTA_RULE_EXPRESSIONS, [])) for message in rules]
    wanted = (variant.source, variant.random_fully)
    lacks = []
    if not any(_translation(rule, variant.version) == wanted for rule in found):
        lacks.append(f"does not {variant.iptables_target()}")
    accepted = [spared_by(rule, variant.version, (nft_expr.NF_ACCEPT,)) for rule in found]
    lacks += [f"does not spare {cidr_text(*network)}" for network in variant.networks if network not in accepted]
    return lacks


def spared_by(rule: list[Expression], version: int, codes: tuple[int, ...]) -> Prefix | None:
    """Return the destination for which a rule ends in one of the verdicts; None if it does not."""
    verdicts = [
        values.get(nft_expr.NFTA_IMMEDIATE_DATA, {}).get(nft_expr.NFTA_DATA_VERDICT, {})
        for name, values in rule
        if name == "immediate"
    ]
    if not any(verdict.get(nft_expr.NFTA_VERDICT_CODE) in codes for verdict in verdicts):
        return None
    offset, size = _DADDR[version]
    matches = dict(rule)
    if "payload" not in matches:
        return bytes(size), 0
    load, compare = matches["payload"], matches.get("cmp", {})
    value: bytes = compare.get(nft_expr.NFTA_CMP_DATA, {}).get(NFTA_DATA_VALUE, b"")
    if load.get(nft_expr.NFTA_PAYLOAD_OFFSET) != offset or compare.get(nft_expr.NFTA_CMP_OP) != nft_expr.NFT_CMP_EQ:
        return None
    mask: bytes = matches.get("bitwise", {}).get(nft_expr.NFTA_BITWISE_MASK, {}).get(NFTA_DATA_VALUE, b"")
    length = bin(int.from_bytes(mask, "big")).count("1") if mask else 8 * len(value)
    return network_of(value.ljust(size, b"\0"), length), length


def _translation(rule: list[Expression], version: int) -> tuple[bytes | None, bool] | None:
    """Return (source, whether ports are random) of a rule that translates, None of another."""
    for name, values in rule:
        target = values.get(nft_expr.NFTA_TARGET_NAME, "") if name == "target" else ""
        if target in ("MASQUERADE", "SNAT"):
            at_flags, at_address, size = _RANGE[version]
            info: bytes = values.get(nft_expr.NFTA_TARGET_INFO, b"").ljust(at_address + size, b"\0")
            (flags,) = struct.unpack_from("=I", info, at_flags)
            source = info[at_address : at_address + size] if target == "SNAT" else None
            return source, bool(flags & nft_expr.NF_NAT_RANGE_PROTO_RANDOM_FULLY)
    return None
