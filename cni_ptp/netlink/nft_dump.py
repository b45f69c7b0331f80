"""nf_tables: the sets of a table, and the elements of a set, listed; how much a table holds.  Pure.

Apart from nft, as an ADD or a DEL asks for what it wants by name or key, and rarely lists.
Source: include/uapi/linux/netfilter/nf_tables.h; net/netfilter/nf_tables_api.c.
"""

from __future__ import annotations

from ..base.errors import DecodeError
from ..nlmsg import BE32, NLM_F_DUMP, Attr, Request, Table
from .nft import (
    NFGENMSG,
    NFT_MSG_GETSET,
    NFT_MSG_GETSETELEM,
    NFT_MSG_GETTABLE,
    NFTA_DATA_VALUE,
    NFTA_LIST_ELEM,
    NFTA_SET_ELEM_KEY,
    NFTA_SET_ELEM_LIST_ELEMENTS,
    NFTA_SET_ELEM_LIST_SET,
    NFTA_SET_ELEM_LIST_TABLE,
    NFTA_SET_ELEM_USERDATA,
    NFTA_SET_NAME,
    NFTA_SET_TABLE,
    NFTA_TABLE_NAME,
    Nest,
    request,
)
from .nft_array import Array
from .nft_define import NFTA_SET_USERDATA, NFTNL_UDATA_SET_COMMENT
from .nft_element import comment_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NFTA_TABLE_USE = Attr(3, "NFTA_TABLE_USE", BE32)
_USE = Table(NFTA_TABLE_NAME, NFTA_TABLE_USE, header=NFGENMSG)

_SETS = Table(NFTA_SET_TABLE, NFTA_SET_NAME, NFTA_SET_USERDATA, header=NFGENMSG)

# As ELEMENTS, which reads one element only.
_LIST_ELEMENTS = NFTA_SET_ELEM_LIST_ELEMENTS.of(Array(NFTA_LIST_ELEM))
NFTA_SET_ELEM_FLAGS = Attr(3, "NFTA_SET_ELEM_FLAGS", BE32)
NFT_SET_ELEM_INTERVAL_END = 0x1
_BOUND = NFTA_LIST_ELEM.of(Nest(NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_FLAGS))
_LIST_BOUNDS = NFTA_SET_ELEM_LIST_ELEMENTS.of(Array(_BOUND))
BOUNDS = Table(NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET, _LIST_BOUNDS, header=NFGENMSG)
LISTED = Table(NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET, _LIST_ELEMENTS, header=NFGENMSG)


def get_table_use(table: str) -> Request:
    """Ask how many chains, sets, maps, objects and flow tables the table holds.  Kernel errors: ENOENT."""
    return request(NFT_MSG_GETTABLE, 0, table, [], f"get the use of table {table}", _USE)


def dump_sets(table: str) -> Request:
    """List every set of the table, without its elements.  Kernel errors: ENOENT if the table does not exist."""
    return request(NFT_MSG_GETSET, NLM_F_DUMP, table, [], f"list the sets of table {table}", _SETS)


def read_sets(replies: list[Any], table: str) -> dict[str, str]:
    """Return {name: comment} of the table's sets in the replies to dump_sets.

    Kernels before 5.18 ignore the table in the request and list the sets of every table.
    """
    _, _, table_name = table.partition(" ")
    listed = [attrs for _, attrs in replies if attrs.get(NFTA_SET_TABLE) == table_name]
    return {
        attrs.get(NFTA_SET_NAME, ""): comment_of(attrs.get(NFTA_SET_USERDATA, b""), NFTNL_UDATA_SET_COMMENT)
        for attrs in listed
    }


def dump_elements(table: str, name: str) -> Request:
    """List every element of the set, some hundred a reply.  Kernel errors: ENOENT if the set does not exist."""
    operation = f"list the elements of set {table} {name}"
    return request(NFT_MSG_GETSETELEM, NLM_F_DUMP, table, [NFTA_SET_ELEM_LIST_SET(name)], operation, LISTED)


def read_elements(reply: Any) -> list[tuple[bytes, str]]:
    """Return (key, comment) of each element in a reply to dump_elements that LISTED has read."""
    found = []
    for element in reply[1].get(_LIST_ELEMENTS, []):
        key = element.get(NFTA_SET_ELEM_KEY, {}).get(NFTA_DATA_VALUE)
        if key is None:
            raise DecodeError("a set element without a key")
        found.append((key, comment_of(element.get(NFTA_SET_ELEM_USERDATA, b""))))
    return found


def dump_bounds(table: str, name: str) -> Request:
    """List every bound of a set of intervals, for read_bounds.  Kernel errors: ENOENT if the set does not exist."""
    operation = f"list the intervals of set {table} {name}"
    return request(NFT_MSG_GETSETELEM, NLM_F_DUMP, table, [NFTA_SET_ELEM_LIST_SET(name)], operation, BOUNDS)


def read_bounds(replies: list[Any]) -> list[tuple[bytes, bool]]:
    """Return (key, whether an interval ends before it, else one begins there) of each bound in the replies."""
    found = []
    for _, attrs in replies:
        for bound in attrs.get(_LIST_BOUNDS, []):
            key = bound.get(NFTA_SET_ELEM_KEY, {}).get(NFTA_DATA_VALUE, b"")
            found.append((key, bool(bound.get(NFTA_SET_ELEM_FLAGS, 0) & NFT_SET_ELEM_INTERVAL_END)))
    return found
