"""nf_tables: tables, chains and sets, made and deleted, as bytes.  Pure.

Apart from nft, as an ADD or a DEL rarely has to do with it: what they need is there once a host has had a first ADD.
Source: include/uapi/linux/netfilter/nf_tables.h; net/netfilter/nf_tables_api.c; nftables include/datatype.h.
"""

from __future__ import annotations

from ..nlmsg import BE32, BYTES, NLM_F_CREATE, STRZ, Attr, Request, Table
from .nft import (
    NFGENMSG,
    NFNL_SUBSYS_NFTABLES,
    NFT_MSG_GETCHAIN,
    NFT_MSG_GETTABLE,
    NFTA_CHAIN_HOOK,
    NFTA_CHAIN_NAME,
    NFTA_CHAIN_TABLE,
    NFTA_CHAIN_USE,
    NFTA_HOOK_HOOKNUM,
    NFTA_HOOK_PRIORITY,
    NFTA_SET_NAME,
    NFTA_SET_TABLE,
    NFTA_TABLE_NAME,
    comment,
    request,
)

NF_INET_PRE_ROUTING, NF_INET_POST_ROUTING = 0, 4
NF_ARP_IN = 0
NF_IP_PRI_RAW_BEFORE_DEFRAG, NF_IP_PRI_FILTER, NF_IP_PRI_NAT_SRC = -450, 0, 100

_NFTABLES = NFNL_SUBSYS_NFTABLES << 8
NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE = _NFTABLES | 0, _NFTABLES | 2
NFT_MSG_NEWCHAIN, NFT_MSG_DELCHAIN = _NFTABLES | 3, _NFTABLES | 5
NFT_MSG_NEWSET = _NFTABLES | 9

NFTA_TABLE_FLAGS = Attr(2, "NFTA_TABLE_FLAGS", BE32)
NFTA_TABLE_USERDATA = Attr(6, "NFTA_TABLE_USERDATA", BYTES)
WHOLE_TABLE = Table(NFTA_TABLE_NAME, NFTA_TABLE_FLAGS, NFTA_TABLE_USERDATA, header=NFGENMSG)

NFTA_CHAIN_POLICY = Attr(5, "NFTA_CHAIN_POLICY", BE32)
NFTA_CHAIN_TYPE = Attr(7, "NFTA_CHAIN_TYPE", STRZ)
WHOLE_CHAIN = Table(
    NFTA_CHAIN_TABLE,
    NFTA_CHAIN_NAME,
    NFTA_CHAIN_HOOK,
    NFTA_CHAIN_POLICY,
    NFTA_CHAIN_USE,
    NFTA_CHAIN_TYPE,
    header=NFGENMSG,
)

NFTA_SET_FLAGS = Attr(3, "NFTA_SET_FLAGS", BE32)
NFTA_SET_KEY_TYPE = Attr(4, "NFTA_SET_KEY_TYPE", BE32)  # only nft reads it, to print the elements
NFTA_SET_KEY_LEN = Attr(5, "NFTA_SET_KEY_LEN", BE32)
NFTA_SET_DATA_TYPE = Attr(6, "NFTA_SET_DATA_TYPE", BE32)  # only nft reads it
NFTA_SET_DATA_LEN = Attr(7, "NFTA_SET_DATA_LEN", BE32)
NFTA_SET_ID = Attr(10, "NFTA_SET_ID", BE32)
NFTA_SET_USERDATA = Attr(13, "NFTA_SET_USERDATA", BYTES)
WHOLE_SET = Table(
    NFTA_SET_TABLE,
    NFTA_SET_NAME,
    NFTA_SET_FLAGS,
    NFTA_SET_KEY_TYPE,
    NFTA_SET_KEY_LEN,
    NFTA_SET_DATA_TYPE,
    NFTA_SET_DATA_LEN,
    NFTA_SET_ID,
    NFTA_SET_USERDATA,
    header=NFGENMSG,
)

NFT_SET_INTERVAL, NFT_SET_MAP = 0x4, 0x8

# What nft keeps in a set's user data (libnftnl include/udata.h).
NFTNL_UDATA_SET_KEYBYTEORDER, NFTNL_UDATA_SET_DATABYTEORDER, NFTNL_UDATA_SET_COMMENT = 0, 1, 7
_BYTEORDER_HOST_ENDIAN, _BYTEORDER_BIG_ENDIAN = 1, 2

# Data types as nft numbers them; a concatenation has 6 bits for each of its parts.
TYPE_IPADDR, TYPE_IP6ADDR, TYPE_INET_PROTOCOL, TYPE_INET_SERVICE, TYPE_IFNAME = 7, 8, 12, 13, 41
_BYTES = {TYPE_IPADDR: 4, TYPE_IP6ADDR: 16, TYPE_INET_PROTOCOL: 4, TYPE_INET_SERVICE: 4, TYPE_IFNAME: 16}  # padded
_CONCAT_BITS = 6


def new_table(table: str, text: str) -> Request:
    """Make the table; `text` is its comment.  Like: nft add table inet NAME { comment "TEXT"; }"""
    body = [NFTA_TABLE_FLAGS(0), NFTA_TABLE_USERDATA(comment(text))]
    return request(NFT_MSG_NEWTABLE, NLM_F_CREATE, table, body, f"add table {table}", WHOLE_TABLE)


def wake_table(table: str) -> Request:
    """Turn a table on that somebody made dormant.  Like: nft add table T { flags; }"""
    return request(NFT_MSG_NEWTABLE, 0, table, [NFTA_TABLE_FLAGS(0)], f"turn table {table} on", WHOLE_TABLE)


def get_whole_table(table: str) -> Request:
    """Ask for the table with its flags.  Kernel errors: ENOENT."""
    return request(NFT_MSG_GETTABLE, 0, table, [], f"get table {table}", WHOLE_TABLE)


def delete_table(table: str) -> Request:
    """Delete the table and all that it holds.  Kernel errors: ENOENT."""
    return request(NFT_MSG_DELTABLE, 0, table, [], f"delete table {table}", WHOLE_TABLE)


# --- chains ---------------------------------------------------------------------------------------------------------


def new_chain(table: str, name: str) -> Request:
    """Make the chain."""
    operation = f"add chain {table} {name}"
    return request(NFT_MSG_NEWCHAIN, NLM_F_CREATE, table, [NFTA_CHAIN_NAME(name)], operation, WHOLE_CHAIN)


def new_nat_postrouting_chain(table: str, name: str, priority: int) -> Request:
    """Make a base chain for source NAT.

    Like: nft add chain inet T NAME { type nat hook postrouting priority PRIORITY; }
    Kernel errors: ENOENT if the kernel has no NAT for the family (inet: since Linux 5.2); EEXIST if there is one of
    another priority.
    """
    return new_base_chain(table, name, "nat", NF_INET_POST_ROUTING, priority)


def get_whole_chain(table: str, name: str) -> Request:
    """Ask for the chain with its type and hook.  Kernel errors: ENOENT."""
    return request(NFT_MSG_GETCHAIN, 0, table, [NFTA_CHAIN_NAME(name)], f"get chain {table} {name}", WHOLE_CHAIN)


def new_filter_chain(table: str, name: str, hook: int, priority: int) -> Request:
    """Make a base chain that filters packets.  Like: nft add chain T NAME { type filter hook HOOK priority PRIORITY; }

    Kernel errors: EEXIST if there is one of another hook or priority.
    """
    return new_base_chain(table, name, "filter", hook, priority)


def new_base_chain(table: str, name: str, type: str, hook: int, priority: int) -> Request:
    """Make a base chain.  type: "filter" or "nat".  Kernel errors: EEXIST if there is one of another place."""
    body = [
        NFTA_CHAIN_NAME(name),
        NFTA_CHAIN_TYPE(type),
        NFTA_CHAIN_HOOK([NFTA_HOOK_HOOKNUM(hook), NFTA_HOOK_PRIORITY(priority & 0xFFFFFFFF)]),
    ]
    return request(NFT_MSG_NEWCHAIN, NLM_F_CREATE, table, body, f"add {type} chain {table} {name}", WHOLE_CHAIN)


def delete_chain(table: str, name: str) -> Request:
    """Delete the chain and its rules.  Kernel errors: ENOENT; EBUSY while something leads to it."""
    operation = f"delete chain {table} {name}"
    return request(NFT_MSG_DELCHAIN, 0, table, [NFTA_CHAIN_NAME(name)], operation, WHOLE_CHAIN)


# --- sets -----------------------------------------------------------------------------------------------------------


def new_set(table: str, name: str, types: list[int], number: int, text: str, flags: int = 0) -> Request:
    """Make a set of addresses or interface names, or of concatenations of them: a hash, unless it has intervals.

    types: TYPE_*, one for each part.  number: unique in the batch.  text: its comment.  flags: NFT_SET_INTERVAL.
    Kernel errors: EEXIST if a set of that name has another type.
    """
    byteorder = 0  # as nft has it; a concatenation is invalid-endian
    if len(types) == 1:
        byteorder = _BYTEORDER_HOST_ENDIAN if types[0] == TYPE_IFNAME else _BYTEORDER_BIG_ENDIAN
    udata = _tlv(NFTNL_UDATA_SET_KEYBYTEORDER, byteorder.to_bytes(4, "little"))
    body = [
        NFTA_SET_NAME(name),
        NFTA_SET_FLAGS(flags),
        NFTA_SET_KEY_TYPE(_type_of(types)),
        NFTA_SET_KEY_LEN(sum([_BYTES[part] for part in types])),
        NFTA_SET_ID(number),
        NFTA_SET_USERDATA(udata + _tlv(NFTNL_UDATA_SET_COMMENT, text.encode() + b"\0")),
    ]
    return request(NFT_MSG_NEWSET, NLM_F_CREATE, table, body, f"add set {table} {name}", WHOLE_SET)


def new_map(table: str, name: str, types: list[int], data_types: list[int], number: int, text: str) -> Request:
    """Make a map from one concatenation to another, as a hash.  types, data_types: TYPE_*, one for each part.

    number, text: as for `new_set`.  Kernel errors: EEXIST if a set of that name is another one.
    """
    byteorders = [_tlv(kind, bytes(4)) for kind in (NFTNL_UDATA_SET_KEYBYTEORDER, NFTNL_UDATA_SET_DATABYTEORDER)]
    body = [
        NFTA_SET_NAME(name),
        NFTA_SET_FLAGS(NFT_SET_MAP),
        NFTA_SET_KEY_TYPE(_type_of(types)),
        NFTA_SET_KEY_LEN(sum([_BYTES[part] for part in types])),
        NFTA_SET_DATA_TYPE(_type_of(data_types)),
        NFTA_SET_DATA_LEN(sum([_BYTES[part] for part in data_types])),
        NFTA_SET_ID(number),
        NFTA_SET_USERDATA(b"".join(byteorders) + _tlv(NFTNL_UDATA_SET_COMMENT, text.encode() + b"\0")),
    ]
    return request(NFT_MSG_NEWSET, NLM_F_CREATE, table, body, f"add map {table} {name}", WHOLE_SET)


def _type_of(parts: list[int]) -> int:
    number = 0
    for part in parts:
        number = number << _CONCAT_BITS | part
    return number


def _tlv(type: int, value: bytes) -> bytes:
    return bytes((type, len(value))) + value
