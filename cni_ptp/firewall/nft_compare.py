"""Rules of nf_tables as they can be compared: what the kernel tells of a rule, and what was written, in one form."""

from __future__ import annotations

from ..netlink import nft, nft_define, nft_expr, nft_rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..netlink.sock import Socket
    from ..nlmsg import Attr

    Facts = list[tuple[str, dict[Attr, Any]]]

NFT_TABLE_F_DORMANT = 0x1
_SET_BY_THE_KERNEL = nft_expr.NF_NAT_RANGE_MAP_IPS | nft_expr.NF_NAT_RANGE_PROTO_SPECIFIED


def facts_of(rule: list[bytes]) -> Facts:
    """Return what the encoded expressions of a rule are."""
    return _facts(nft_expr.EXPRESSIONS.read(b"".join(rule)))


def rules_of(sock: Socket, table: str, chain: str) -> list[Facts]:
    """Return what the rules of a chain are, in order; [] if there is no such chain."""
    if not nft.exists(sock.ask(nft.get_chain(table, chain))[0]):
        return []
    replies = sock.dump(nft_rule.dump_rules(table, chain)).read()
    return [_facts(reply[1].get(nft_rule.NFTA_RULE_EXPRESSIONS, [])) for reply in replies]


def is_dormant(sock: Socket, table: str) -> bool:
    """Return whether somebody turned the table off (`nft add table T { flags dormant; }`)."""
    answer = sock.ask(nft_define.get_whole_table(table))[0]
    return nft.exists(answer) and bool(answer.one()[1].get(nft_define.NFTA_TABLE_FLAGS, 0) & NFT_TABLE_F_DORMANT)


def wake(sock: Socket, tables: list[str]) -> None:
    """Turn those of the tables on that are dormant."""
    dormant = [table for table in tables if is_dormant(sock, table)]
    if dormant:
        for answer in sock.batch(nft.batch([nft_define.wake_table(table) for table in dormant], None)):
            if answer.error is not None:
                raise answer.error


def _facts(expressions: list[dict[Attr, Any]]) -> Facts:
    """Return what a rule's expressions are; the number that a set had in its batch is no part of it.

    Nor are the flags of NAT that the kernel sets by itself, and tells of or not.
    """
    found = nft_expr.read(expressions)
    for _, attrs in found:
        attrs.pop(nft_expr.NFTA_LOOKUP_SET_ID, None)
        if nft_expr.NFTA_NAT_FLAGS in attrs:
            attrs[nft_expr.NFTA_NAT_FLAGS] &= ~_SET_BY_THE_KERNEL
    return found
