"""nf_tables: tables, chains, rules, sets and their elements, as bytes out and bytes in.  Pure.

A change is a batch: all of it takes effect or nothing does.  The expressions rules are made of are in nft_expr.
Every integer of nf_tables is big-endian.
Source: include/uapi/linux/netfilter/{nfnetlink,nf_tables}.h; net/netfilter/{nfnetlink,nf_tables_api}.c.
"""

from __future__ import annotations

import errno

from ..errors import DecodeError
from ..nlmsg import (
    BE32,
    BYTES,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    STRZ,
    Attr,
    Request,
    Struct,
    Table,
)
from .nft_nest import Array, Nest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .exchange import Answer

NFGENMSG = Struct(">BBH")  # nfgen_family, version, res_id
NFPROTO_UNSPEC, NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6 = 0, 1, 2, 10
NF_INET_PRE_ROUTING, NF_INET_POST_ROUTING = 0, 4
NF_IP_PRI_RAW, NF_IP_PRI_NAT_SRC = -300, 100

NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END = 16, 17
NFNL_SUBSYS_NFTABLES = 10
_NFTABLES = NFNL_SUBSYS_NFTABLES << 8
NFT_MSG_NEWTABLE, NFT_MSG_GETTABLE, NFT_MSG_DELTABLE = _NFTABLES | 0, _NFTABLES | 1, _NFTABLES | 2
NFT_MSG_NEWCHAIN, NFT_MSG_GETCHAIN, NFT_MSG_DELCHAIN = _NFTABLES | 3, _NFTABLES | 4, _NFTABLES | 5
NFT_MSG_NEWSET, NFT_MSG_GETSET = _NFTABLES | 9, _NFTABLES | 10
NFT_MSG_NEWSETELEM, NFT_MSG_GETSETELEM, NFT_MSG_DELSETELEM = _NFTABLES | 12, _NFTABLES | 13, _NFTABLES | 14
NFT_MSG_GETGEN = _NFTABLES | 16

NFNL_BATCH_GENID = Attr(1, "NFNL_BATCH_GENID", BE32)
BATCH = Table(NFNL_BATCH_GENID, header=NFGENMSG)
NFTA_GEN_ID = Attr(1, "NFTA_GEN_ID", BE32)
GEN = Table(NFTA_GEN_ID, header=NFGENMSG)

NFTA_TABLE_NAME = Attr(1, "NFTA_TABLE_NAME", STRZ)
NFTA_TABLE_FLAGS = Attr(2, "NFTA_TABLE_FLAGS", BE32)
NFTA_TABLE_USERDATA = Attr(6, "NFTA_TABLE_USERDATA", BYTES)
TABLE = Table(NFTA_TABLE_NAME, NFTA_TABLE_FLAGS, NFTA_TABLE_USERDATA, header=NFGENMSG)

NFTA_HOOK_HOOKNUM = Attr(1, "NFTA_HOOK_HOOKNUM", BE32)
NFTA_HOOK_PRIORITY = Attr(2, "NFTA_HOOK_PRIORITY", BE32)
NFTA_CHAIN_TABLE = Attr(1, "NFTA_CHAIN_TABLE", STRZ)
NFTA_CHAIN_NAME = Attr(3, "NFTA_CHAIN_NAME", STRZ)
NFTA_CHAIN_HOOK = Attr(4, "NFTA_CHAIN_HOOK", Nest(NFTA_HOOK_HOOKNUM, NFTA_HOOK_PRIORITY))
NFTA_CHAIN_POLICY = Attr(5, "NFTA_CHAIN_POLICY", BE32)
NFTA_CHAIN_USE = Attr(6, "NFTA_CHAIN_USE", BE32)  # its rules, and the rules and elements that lead to it
NFTA_CHAIN_TYPE = Attr(7, "NFTA_CHAIN_TYPE", STRZ)
CHAIN = Table(
    NFTA_CHAIN_TABLE,
    NFTA_CHAIN_NAME,
    NFTA_CHAIN_HOOK,
    NFTA_CHAIN_POLICY,
    NFTA_CHAIN_USE,
    NFTA_CHAIN_TYPE,
    header=NFGENMSG,
)

NFTA_SET_TABLE = Attr(1, "NFTA_SET_TABLE", STRZ)
NFTA_SET_NAME = Attr(2, "NFTA_SET_NAME", STRZ)
NFTA_SET_FLAGS = Attr(3, "NFTA_SET_FLAGS", BE32)
NFTA_SET_KEY_TYPE = Attr(4, "NFTA_SET_KEY_TYPE", BE32)  # only nft reads it, to print the elements
NFTA_SET_KEY_LEN = Attr(5, "NFTA_SET_KEY_LEN", BE32)
NFTA_SET_ID = Attr(10, "NFTA_SET_ID", BE32)
NFTA_SET_USERDATA = Attr(13, "NFTA_SET_USERDATA", BYTES)
SET = Table(
    NFTA_SET_TABLE,
    NFTA_SET_NAME,
    NFTA_SET_FLAGS,
    NFTA_SET_KEY_TYPE,
    NFTA_SET_KEY_LEN,
    NFTA_SET_ID,
    NFTA_SET_USERDATA,
    header=NFGENMSG,
)

NFTA_DATA_VALUE = Attr(1, "NFTA_DATA_VALUE", BYTES)
NFTA_SET_ELEM_KEY = Attr(1, "NFTA_SET_ELEM_KEY", Nest(NFTA_DATA_VALUE))
NFTA_SET_ELEM_USERDATA = Attr(6, "NFTA_SET_ELEM_USERDATA", BYTES)
NFTA_LIST_ELEM = Attr(1, "NFTA_LIST_ELEM", Nest(NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_USERDATA))
NFTA_SET_ELEM_LIST_TABLE = Attr(1, "NFTA_SET_ELEM_LIST_TABLE", STRZ)
NFTA_SET_ELEM_LIST_SET = Attr(2, "NFTA_SET_ELEM_LIST_SET", STRZ)
NFTA_SET_ELEM_LIST_ELEMENTS = Attr(3, "NFTA_SET_ELEM_LIST_ELEMENTS", Array(NFTA_LIST_ELEM))
NFTA_SET_ELEM_LIST_SET_ID = Attr(4, "NFTA_SET_ELEM_LIST_SET_ID", BE32)
ELEMENTS = Table(
    NFTA_SET_ELEM_LIST_TABLE,
    NFTA_SET_ELEM_LIST_SET,
    NFTA_SET_ELEM_LIST_ELEMENTS,
    NFTA_SET_ELEM_LIST_SET_ID,
    header=NFGENMSG,
)

# What nft keeps in user data: a type, a length, a value (libnftnl include/udata.h).
NFTNL_UDATA_COMMENT = 0  # of a rule, an element, a table, a chain
NFTNL_UDATA_SET_KEYBYTEORDER, NFTNL_UDATA_SET_COMMENT = 0, 7
_BYTEORDER_HOST_ENDIAN, _BYTEORDER_BIG_ENDIAN = 1, 2
MOST_COMMENT = 128  # NFTNL_UDATA_COMMENT_MAXLEN: nft does not take back a longer one that it printed

# Data types as nft numbers them (nftables include/datatype.h); a concatenation has 6 bits for each of its parts.
TYPE_IPADDR, TYPE_IP6ADDR, TYPE_IFNAME = 7, 8, 41
_CONCAT_BITS = 6


class TableName:
    """A table: its family (an NFPROTO_*) and its name."""

    __slots__ = ("family", "name")

    def __init__(self, family: int, name: str) -> None:
        self.family = family
        self.name = name

    def __str__(self) -> str:
        families = {NFPROTO_INET: "inet", NFPROTO_IPV4: "ip", NFPROTO_IPV6: "ip6"}
        return f"{families.get(self.family, self.family)} {self.name}"


def request(type: int, flags: int, family: int, body: Sequence[bytes], about: str, table: Table) -> Request:
    """A message of nf_tables, NFT_MSG_*, that asks for an ack."""
    return Request(type, flags | NLM_F_ACK, NFGENMSG.pack(family, 0, 0) + b"".join(body), about, table)


def is_there(answer: Answer) -> bool:
    """Whether what was asked for exists; raises any refusal but ENOENT."""
    if answer.error is None:
        return True
    if answer.error.errno != errno.ENOENT:
        raise answer.error
    return False


# --- batches --------------------------------------------------------------------------------------------------------


def batch(requests: list[Request], genid: int | None) -> list[Request]:
    """The requests framed as one transaction.

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


def get_generation() -> Request:
    """The number of the ruleset's present generation.  Like: nft monitor shows it as "new generation"."""
    return request(NFT_MSG_GETGEN, 0, NFPROTO_UNSPEC, [], "get the nf_tables generation", GEN)


# --- tables and chains ----------------------------------------------------------------------------------------------


def new_table(table: TableName, text: str) -> Request:
    """The table is there; `text` is its comment.  Like: nft add table inet NAME { comment "TEXT"; }"""
    body = [NFTA_TABLE_NAME(table.name), NFTA_TABLE_FLAGS(0), NFTA_TABLE_USERDATA(comment(text))]
    return request(NFT_MSG_NEWTABLE, NLM_F_CREATE, table.family, body, f"add table {table}", TABLE)


def delete_table(table: TableName) -> Request:
    """The table and all it holds is gone.  Kernel errors: ENOENT."""
    return request(NFT_MSG_DELTABLE, 0, table.family, [NFTA_TABLE_NAME(table.name)], f"delete table {table}", TABLE)


def get_table(table: TableName) -> Request:
    """The table.  Kernel errors: ENOENT."""
    return request(NFT_MSG_GETTABLE, 0, table.family, [NFTA_TABLE_NAME(table.name)], f"get table {table}", TABLE)


def _chain(table: TableName, name: str) -> list[bytes]:
    return [NFTA_CHAIN_TABLE(table.name), NFTA_CHAIN_NAME(name)]


def new_chain(table: TableName, name: str) -> Request:
    """The chain is there."""
    return request(
        NFT_MSG_NEWCHAIN, NLM_F_CREATE, table.family, _chain(table, name), f"add chain {table} {name}", CHAIN
    )


def new_nat_postrouting_chain(table: TableName, name: str) -> Request:
    """A base chain for source NAT is there.

    Like: nft add chain inet T NAME { type nat hook postrouting priority srcnat; }
    Kernel errors: ENOENT if the kernel has no NAT for the family (inet: since Linux 5.2).
    """
    return _new_base_chain(table, name, "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC)


def new_raw_prerouting_chain(table: TableName, name: str) -> Request:
    """A base chain that filters what comes in, before anything else sees it, is there.

    Like: nft add chain inet T NAME { type filter hook prerouting priority raw; }
    """
    return _new_base_chain(table, name, "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW)


def _new_base_chain(table: TableName, name: str, type: str, hook: int, priority: int) -> Request:
    body = _chain(table, name)
    body.append(NFTA_CHAIN_TYPE(type))
    body.append(NFTA_CHAIN_HOOK([NFTA_HOOK_HOOKNUM(hook), NFTA_HOOK_PRIORITY(priority & 0xFFFFFFFF)]))
    about = f"add {type} chain {table} {name}"
    return request(NFT_MSG_NEWCHAIN, NLM_F_CREATE, table.family, body, about, CHAIN)


def get_chain(table: TableName, name: str) -> Request:
    """The chain.  Kernel errors: ENOENT."""
    return request(NFT_MSG_GETCHAIN, 0, table.family, _chain(table, name), f"get chain {table} {name}", CHAIN)


def delete_chain(table: TableName, name: str) -> Request:
    """The chain and its rules are gone.  Kernel errors: ENOENT; EBUSY while something leads to it."""
    about = f"delete chain {table} {name}"
    return request(NFT_MSG_DELCHAIN, 0, table.family, _chain(table, name), about, CHAIN)


# --- sets and elements ----------------------------------------------------------------------------------------------


def new_set(table: TableName, name: str, types: list[int], number: int, text: str) -> Request:
    """A hash set of addresses or interface names, or of concatenations of them, is there.

    types: TYPE_*, one for each part.  number: unique in the batch.  text: its comment.
    Kernel errors: EEXIST if a set of that name has another type.
    """
    key_type = 0
    for part in types:
        key_type = key_type << _CONCAT_BITS | part
    byteorder = 0  # as nft has it; a concatenation is invalid-endian
    if len(types) == 1:
        byteorder = _BYTEORDER_HOST_ENDIAN if types[0] == TYPE_IFNAME else _BYTEORDER_BIG_ENDIAN
    udata = _tlv(NFTNL_UDATA_SET_KEYBYTEORDER, byteorder.to_bytes(4, "little"))
    body = [
        NFTA_SET_TABLE(table.name),
        NFTA_SET_NAME(name),
        NFTA_SET_FLAGS(0),
        NFTA_SET_KEY_TYPE(key_type),
        NFTA_SET_KEY_LEN(sum(4 if part == TYPE_IPADDR else 16 for part in types)),
        NFTA_SET_ID(number),
        NFTA_SET_USERDATA(udata + _tlv(NFTNL_UDATA_SET_COMMENT, text.encode() + b"\0")),
    ]
    return request(NFT_MSG_NEWSET, NLM_F_CREATE, table.family, body, f"add set {table} {name}", SET)


def get_set(table: TableName, name: str) -> Request:
    """The set, without its elements.  Kernel errors: ENOENT."""
    body = [NFTA_SET_TABLE(table.name), NFTA_SET_NAME(name)]
    return request(NFT_MSG_GETSET, 0, table.family, body, f"get set {table} {name}", SET)


def dump_sets(table: TableName) -> Request:
    """Every set of the table, without its elements.  Kernel errors: ENOENT if the table is not there."""
    return request(
        NFT_MSG_GETSET, NLM_F_DUMP, table.family, [NFTA_SET_TABLE(table.name)], f"list the sets of table {table}", SET
    )


def _elements(table: TableName, name: str) -> list[bytes]:
    return [NFTA_SET_ELEM_LIST_TABLE(table.name), NFTA_SET_ELEM_LIST_SET(name)]


def _element(key: bytes, *more: bytes) -> bytes:
    return NFTA_SET_ELEM_LIST_ELEMENTS([NFTA_LIST_ELEM([NFTA_SET_ELEM_KEY([NFTA_DATA_VALUE(key)]), *more])])


def new_element(table: TableName, name: str, key: bytes, text: str) -> Request:
    """The key is in the set, with `text` as its comment.  Kernel errors: EEXIST if it is already; ENOENT."""
    body = [*_elements(table, name), _element(key, NFTA_SET_ELEM_USERDATA(comment(text)))]
    about = f"add an element to set {table} {name}"
    return request(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, table.family, body, about, ELEMENTS)


def delete_element(table: TableName, name: str, key: bytes) -> Request:
    """The key is not in the set, whosesoever comment it had.  Kernel errors: ENOENT."""
    about = f"delete an element of set {table} {name}"
    body = [*_elements(table, name), _element(key)]
    return request(NFT_MSG_DELSETELEM, 0, table.family, body, about, ELEMENTS)


def get_element(table: TableName, name: str, key: bytes) -> Request:
    """The element with the key.  Kernel errors: ENOENT."""
    about = f"get an element of set {table} {name}"
    body = [*_elements(table, name), _element(key)]
    return request(NFT_MSG_GETSETELEM, 0, table.family, body, about, ELEMENTS)


def dump_elements(table: TableName, name: str) -> Request:
    """Every element of the set, some hundred a reply.  Kernel errors: ENOENT if the set is not there."""
    about = f"list the elements of set {table} {name}"
    return request(NFT_MSG_GETSETELEM, NLM_F_DUMP, table.family, _elements(table, name), about, ELEMENTS)


def read_elements(reply: Any) -> list[tuple[bytes, str]]:
    """(key, comment) of each element in a reply of GETSETELEM that ELEMENTS has read."""
    found = []
    for element in reply[1].get(NFTA_SET_ELEM_LIST_ELEMENTS, []):
        key = element.get(NFTA_SET_ELEM_KEY, {}).get(NFTA_DATA_VALUE)
        if key is None:
            raise DecodeError("a set element without a key")
        found.append((key, comment_of(element.get(NFTA_SET_ELEM_USERDATA, b""))))
    return found


# --- user data ------------------------------------------------------------------------------------------------------


def _tlv(type: int, value: bytes) -> bytes:
    return bytes((type, len(value))) + value


def comment(text: str) -> bytes:
    """User data that nft prints as the comment of a table, chain, rule or element."""
    return _tlv(NFTNL_UDATA_COMMENT, text.encode("utf-8", "surrogateescape") + b"\0")


def comment_of(udata: bytes) -> str:
    """The comment in the user data of a rule or an element, "" if there is none."""
    start = 0
    while start + 2 <= len(udata):
        type, length = udata[start], udata[start + 1]
        if type == NFTNL_UDATA_COMMENT:
            return udata[start + 2 : start + 2 + length].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
        start += 2 + length
    return ""
