"""nf_tables: the elements of maps, added and read with their data.  Pure.

Source: include/uapi/linux/netfilter/nf_tables.h; net/netfilter/nf_tables_api.c.
"""

from __future__ import annotations

from ..nlmsg import NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Attr, Request, Table
from .nft import (
    NFGENMSG,
    NFT_MSG_GETSETELEM,
    NFT_MSG_NEWSETELEM,
    NFTA_DATA_VALUE,
    NFTA_LIST_ELEM,
    NFTA_SET_ELEM_KEY,
    NFTA_SET_ELEM_LIST_ELEMENTS,
    NFTA_SET_ELEM_LIST_SET,
    NFTA_SET_ELEM_LIST_TABLE,
    NFTA_SET_ELEM_USERDATA,
    Nest,
    comment,
    element,
    exists,
    request,
)
from .nft_array import Array
from .nft_element import comment_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .exchange import Answer

NFTA_SET_ELEM_DATA = Attr(2, "NFTA_SET_ELEM_DATA", Nest(NFTA_DATA_VALUE))
_ELEMENT = NFTA_LIST_ELEM.of(Nest(NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_DATA, NFTA_SET_ELEM_USERDATA))
_ELEMENTS = NFTA_SET_ELEM_LIST_ELEMENTS.of(Array(_ELEMENT))
MAPPED = Table(NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET, _ELEMENTS, header=NFGENMSG)


def new_mapping(table: str, name: str, key: bytes, data: bytes, text: str) -> Request:
    """Add the key with its data to a map, or without data to a set; `text` is its comment.

    Kernel errors: EEXIST if the key is in it already; ENOENT.
    """
    value = [NFTA_SET_ELEM_DATA([NFTA_DATA_VALUE(data)])] if data else []
    one = _ELEMENT([NFTA_SET_ELEM_KEY([NFTA_DATA_VALUE(key)]), *value, NFTA_SET_ELEM_USERDATA(comment(text))])
    body = [NFTA_SET_ELEM_LIST_SET(name), _ELEMENTS([one])]
    operation = f"add an element to map {table} {name}"
    return request(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, table, body, operation, MAPPED)


def get_mapping(table: str, name: str, key: bytes) -> Request:
    """Ask for the element with the key, with its data.  Kernel errors: ENOENT."""
    return request(NFT_MSG_GETSETELEM, 0, table, element(name, key), f"get an element of map {table} {name}", MAPPED)


def dump_mappings(table: str, name: str) -> Request:
    """List every element with its data.  Kernel errors: ENOENT if the map does not exist."""
    body = [NFTA_SET_ELEM_LIST_SET(name)]
    return request(NFT_MSG_GETSETELEM, NLM_F_DUMP, table, body, f"list the elements of map {table} {name}", MAPPED)


def mappings_in(reply: Any) -> list[tuple[bytes, bytes, str]]:
    """Return (key, data, comment) of each element in a reply that MAPPED has read; of a set the data is empty."""
    return [
        (
            element.get(NFTA_SET_ELEM_KEY, {}).get(NFTA_DATA_VALUE, b""),
            element.get(NFTA_SET_ELEM_DATA, {}).get(NFTA_DATA_VALUE, b""),
            comment_of(element.get(NFTA_SET_ELEM_USERDATA, b"")),
        )
        for element in reply[1].get(_ELEMENTS, [])
    ]


def mapping_in(answer: Answer) -> tuple[bytes, str] | None:
    """Return (data, comment) of the element that get_mapping asked for; None if it does not exist."""
    if not exists(answer):
        return None
    _, data, text = mappings_in(answer.one())[0]
    return data, text
