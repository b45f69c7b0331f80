"""nf_tables: an element of a set that is there, its comment read and it deleted.  Pure.

Apart from nft, as an ADD finds its elements there only if their address had another owner.
Source: include/uapi/linux/netfilter/nf_tables.h; net/netfilter/nf_tables_api.c.
"""

from __future__ import annotations

from ..base.errors import DecodeError
from ..nlmsg import Request
from .nft import (
    ELEMENTS,
    NFNL_SUBSYS_NFTABLES,
    NFTA_LIST_ELEM,
    NFTA_SET_ELEM_LIST_ELEMENTS,
    NFTA_SET_ELEM_USERDATA,
    NFTNL_UDATA_COMMENT,
    element,
    exists,
    request,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .exchange import Answer

NFT_MSG_DELSETELEM = NFNL_SUBSYS_NFTABLES << 8 | 14


def delete_element(table: str, name: str, key: bytes) -> Request:
    """Delete the element with the key, whatever its comment.  Kernel errors: ENOENT."""
    operation = f"delete an element of set {table} {name}"
    return request(NFT_MSG_DELSETELEM, 0, table, element(name, key), operation, ELEMENTS)


def comment_in(answer: Answer) -> str | None:
    """Return the comment of the element that get_element asked for; None if it does not exist."""
    if not exists(answer):
        return None
    found = answer.one()[1].get(NFTA_SET_ELEM_LIST_ELEMENTS, {}).get(NFTA_LIST_ELEM)
    if found is None:
        raise DecodeError(f"no element in the answer to: {answer.request.operation}")
    return comment_of(found.get(NFTA_SET_ELEM_USERDATA, b""))


def comment_of(udata: bytes, wanted: int = NFTNL_UDATA_COMMENT) -> str:
    """Return the comment in the user data of a rule or an element, "" if there is none.  wanted: its type there."""
    start = 0
    while start + 2 <= len(udata):
        type, length = udata[start], udata[start + 1]
        if type == wanted:
            return udata[start + 2 : start + 2 + length].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
        start += 2 + length
    return ""
