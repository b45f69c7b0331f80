"""nf_tables: transactions, and what is asked and added in one, as bytes out and bytes in.  Pure.

A change is a batch: all of it takes effect or nothing does.  A table is named as nft writes it, by its family and its
name: "inet cni_ptp".  Here is what every ADD has to do with; apart from it: tables, chains and sets made and deleted
(nft_define), their rules (nft_rule, nft_expr), elements read and deleted (nft_element), lists (nft_dump).
Every integer of nf_tables is big-endian.
Source: include/uapi/linux/netfilter/{nfnetlink,nf_tables}.h; net/netfilter/{nfnetlink,nf_tables_api}.c.
"""

from __future__ import annotations

from ..base import errnos
from ..nlmsg import BE32, BYTES, NLA_F_NESTED, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, STRZ, Attr, Request, Struct, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .exchange import Answer


class Nest(Table):
    """A nested table whose attribute carries NLA_F_NESTED, as nf_tables sends and nft writes it.

    Source: include/uapi/linux/netlink.h.
    """

    __slots__ = ()

    nested = NLA_F_NESTED


NFGENMSG = Struct(">BBH")  # nfgen_family, version, res_id
NFPROTO_UNSPEC, NFPROTO_INET, NFPROTO_IPV4, NFPROTO_ARP, NFPROTO_IPV6 = 0, 1, 2, 3, 10
FAMILIES = {"inet": NFPROTO_INET, "ip": NFPROTO_IPV4, "ip6": NFPROTO_IPV6, "arp": NFPROTO_ARP}  # as nft names them

NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END = 16, 17
NFNL_SUBSYS_NFTABLES = 10
_NFTABLES = NFNL_SUBSYS_NFTABLES << 8
NFT_MSG_GETTABLE = _NFTABLES | 1
NFT_MSG_GETCHAIN = _NFTABLES | 4
NFT_MSG_GETSET = _NFTABLES | 10
NFT_MSG_NEWSETELEM, NFT_MSG_GETSETELEM = _NFTABLES | 12, _NFTABLES | 13
NFT_MSG_GETGEN = _NFTABLES | 16

NFNL_BATCH_GENID = Attr(1, "NFNL_BATCH_GENID", BE32)
BATCH = Table(NFNL_BATCH_GENID, header=NFGENMSG)
NFTA_GEN_ID = Attr(1, "NFTA_GEN_ID", BE32)
GEN = Table(NFTA_GEN_ID, header=NFGENMSG)

NFTA_TABLE_NAME = Attr(1, "NFTA_TABLE_NAME", STRZ)
TABLE = Table(NFTA_TABLE_NAME, header=NFGENMSG)

NFTA_CHAIN_TABLE = Attr(1, "NFTA_CHAIN_TABLE", STRZ)
NFTA_CHAIN_NAME = Attr(3, "NFTA_CHAIN_NAME", STRZ)
NFTA_HOOK_HOOKNUM = Attr(1, "NFTA_HOOK_HOOKNUM", BE32)
NFTA_HOOK_PRIORITY = Attr(2, "NFTA_HOOK_PRIORITY", BE32)
NFTA_CHAIN_HOOK = Attr(4, "NFTA_CHAIN_HOOK", Nest(NFTA_HOOK_HOOKNUM, NFTA_HOOK_PRIORITY))
NFTA_CHAIN_USE = Attr(6, "NFTA_CHAIN_USE", BE32)  # its rules, and the rules and elements that lead to it
CHAIN = Table(NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, NFTA_CHAIN_HOOK, NFTA_CHAIN_USE, header=NFGENMSG)

NFTA_SET_TABLE = Attr(1, "NFTA_SET_TABLE", STRZ)
NFTA_SET_NAME = Attr(2, "NFTA_SET_NAME", STRZ)
SET = Table(NFTA_SET_TABLE, NFTA_SET_NAME, header=NFGENMSG)

NFTA_DATA_VALUE = Attr(1, "NFTA_DATA_VALUE", BYTES)
NFTA_SET_ELEM_KEY = Attr(1, "NFTA_SET_ELEM_KEY", Nest(NFTA_DATA_VALUE))
NFTA_SET_ELEM_USERDATA = Attr(6, "NFTA_SET_ELEM_USERDATA", BYTES)
NFTA_LIST_ELEM = Attr(1, "NFTA_LIST_ELEM", Nest(NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_USERDATA))
NFTA_SET_ELEM_LIST_TABLE = Attr(1, "NFTA_SET_ELEM_LIST_TABLE", STRZ)
NFTA_SET_ELEM_LIST_SET = Attr(2, "NFTA_SET_ELEM_LIST_SET", STRZ)
NFTA_SET_ELEM_LIST_ELEMENTS = Attr(3, "NFTA_SET_ELEM_LIST_ELEMENTS", Nest(NFTA_LIST_ELEM))  # several: see nft_dump
ELEMENTS = Table(NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_ELEMENTS, header=NFGENMSG)

# What nft keeps in user data: a type, a length, a value (libnftnl include/udata.h).
NFTNL_UDATA_COMMENT = 0  # of a rule, an element, a table, a chain
MOST_COMMENT = 128  # NFTNL_UDATA_COMMENT_MAXLEN: nft does not take back a longer one that it printed


def request(type: int, flags: int, table: str, body: Sequence[bytes], operation: str, reply: Table) -> Request:
    """Return a message of nf_tables, NFT_MSG_*, about a table or what is in it; it asks for an ack.

    body: the attributes behind the first, which is the table's name in each of these messages.
    """
    family, name = table.split(" ")
    packed = NFGENMSG.pack(FAMILIES[family], 0, 0) + NFTA_TABLE_NAME(name) + b"".join(body)
    return Request(type, flags | NLM_F_ACK, packed, operation, reply)


def exists(answer: Answer) -> bool:
    """Return whether the object that was asked about exists; raise any refusal but ENOENT."""
    if answer.error is None:
        return True
    if answer.error.errno != errnos.ENOENT:
        raise answer.error
    return False


def batch(requests: list[Request], genid: int | None) -> list[Request]:
    """Return the requests framed as one transaction.

    genid: the generation the caller looked at; the kernel refuses the whole batch with ERESTART if there has been a
    change since (by anybody, to anything of this namespace).  None: do not compare.  Since Linux 4.11.
    Only the last request is acknowledged, and whichever failed: hundreds of acks would not fit the receive buffer.
    """
    for request in requests[:-1]:
        request.flags &= ~NLM_F_ACK
    header = NFGENMSG.pack(NFPROTO_UNSPEC, 0, NFNL_SUBSYS_NFTABLES)
    generation = b"" if genid is None else NFNL_BATCH_GENID(genid)
    begin = Request(NFNL_MSG_BATCH_BEGIN, 0, header + generation, "begin an nf_tables transaction", BATCH)
    return [begin, *requests, Request(NFNL_MSG_BATCH_END, 0, header, "end an nf_tables transaction", BATCH)]


# --- questions ------------------------------------------------------------------------------------------------------


def get_generation() -> Request:
    """Ask for the number of the ruleset's present generation.  Like: nft monitor shows it as "new generation"."""
    header = NFGENMSG.pack(NFPROTO_UNSPEC, 0, 0)
    return Request(NFT_MSG_GETGEN, NLM_F_ACK, header, "get the nf_tables generation", GEN)


def get_table(table: str) -> Request:
    """Ask for the table.  Kernel errors: ENOENT."""
    return request(NFT_MSG_GETTABLE, 0, table, [], f"get table {table}", TABLE)


def get_chain(table: str, name: str) -> Request:
    """Ask for the chain.  Kernel errors: ENOENT."""
    return request(NFT_MSG_GETCHAIN, 0, table, [NFTA_CHAIN_NAME(name)], f"get chain {table} {name}", CHAIN)


def get_set(table: str, name: str) -> Request:
    """Ask for the set, without its elements.  Kernel errors: ENOENT."""
    return request(NFT_MSG_GETSET, 0, table, [NFTA_SET_NAME(name)], f"get set {table} {name}", SET)


def get_element(table: str, name: str, key: bytes) -> Request:
    """Ask for the element with the key.  Kernel errors: ENOENT."""
    operation = f"get an element of set {table} {name}"
    return request(NFT_MSG_GETSETELEM, 0, table, element(name, key), operation, ELEMENTS)


# --- elements -------------------------------------------------------------------------------------------------------


def element(name: str, key: bytes, *more: bytes) -> list[bytes]:
    """Return the body of a request about the element with the key in the set of that name."""
    one = NFTA_LIST_ELEM([NFTA_SET_ELEM_KEY([NFTA_DATA_VALUE(key)]), *more])
    return [NFTA_SET_ELEM_LIST_SET(name), NFTA_SET_ELEM_LIST_ELEMENTS([one])]


def new_element(table: str, name: str, key: bytes, text: str) -> Request:
    """Add the key to the set, with `text` as its comment.  Kernel errors: EEXIST if it is in it already; ENOENT."""
    body = element(name, key, NFTA_SET_ELEM_USERDATA(comment(text)))
    operation = f"add an element to set {table} {name}"
    return request(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, table, body, operation, ELEMENTS)


def comment(text: str) -> bytes:
    """Return user data that nft prints as the comment of a table, chain, rule or element."""
    value = text.encode("utf-8", "surrogateescape") + b"\0"
    return bytes((NFTNL_UDATA_COMMENT, len(value))) + value
