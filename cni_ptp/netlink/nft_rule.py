"""The rules of nf_tables: requests out as bytes, replies in as bytes.  Pure.

Apart from nft, as an ADD or a DEL rarely has to do with rules.
Source: include/uapi/linux/netfilter/nf_tables.h; net/netfilter/nf_tables_api.c.
"""

from __future__ import annotations

from ..nlmsg import BE64, BYTES, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, STRZ, Attr, Request, Table
from .nft import NFGENMSG, NFNL_SUBSYS_NFTABLES, request
from .nft_expr import EXPRESSIONS

_NFTABLES = NFNL_SUBSYS_NFTABLES << 8
NFT_MSG_NEWRULE, NFT_MSG_GETRULE, NFT_MSG_DELRULE = _NFTABLES | 6, _NFTABLES | 7, _NFTABLES | 8

NFTA_RULE_TABLE = Attr(1, "NFTA_RULE_TABLE", STRZ)
NFTA_RULE_CHAIN = Attr(2, "NFTA_RULE_CHAIN", STRZ)
NFTA_RULE_HANDLE = Attr(3, "NFTA_RULE_HANDLE", BE64)
NFTA_RULE_EXPRESSIONS = Attr(4, "NFTA_RULE_EXPRESSIONS", EXPRESSIONS)
NFTA_RULE_USERDATA = Attr(7, "NFTA_RULE_USERDATA", BYTES)
RULE = Table(
    NFTA_RULE_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_HANDLE, NFTA_RULE_EXPRESSIONS, NFTA_RULE_USERDATA, header=NFGENMSG
)


def add_rule(table: str, chain: str, expressions: list[bytes]) -> Request:
    """Add one more rule at the chain's end; added twice, it exists twice."""
    body = [NFTA_RULE_CHAIN(chain), NFTA_RULE_EXPRESSIONS(expressions)]
    operation = f"add a rule to chain {table} {chain}"
    return request(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, table, body, operation, RULE)


def flush_chain(table: str, chain: str) -> Request:
    """Delete the rules of the chain.  Kernel errors: ENOENT."""
    return request(NFT_MSG_DELRULE, 0, table, [NFTA_RULE_CHAIN(chain)], f"flush chain {table} {chain}", RULE)


def delete_rule(table: str, chain: str, handle: int) -> Request:
    """Delete the rule.  Kernel errors: ENOENT."""
    body = [NFTA_RULE_CHAIN(chain), NFTA_RULE_HANDLE(handle)]
    return request(NFT_MSG_DELRULE, 0, table, body, f"delete a rule of chain {table} {chain}", RULE)


def dump_rules(table: str, chain: str) -> Request:
    """List every rule of the chain; none if the chain does not exist."""
    operation = f"list the rules of chain {table} {chain}"
    return request(NFT_MSG_GETRULE, NLM_F_DUMP, table, [NFTA_RULE_CHAIN(chain)], operation, RULE)
