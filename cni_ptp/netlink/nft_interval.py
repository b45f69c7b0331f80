"""nf_tables: sets of intervals, filled, emptied and deleted.  Pure.

Apart from the others, as only the options of masquerading have to do with it.
Source: include/uapi/linux/netfilter/nf_tables.h; net/netfilter/{nf_tables_api,nft_set_rbtree}.c.
"""

from __future__ import annotations

from ..nlmsg import NLM_F_CREATE, Request
from .nft import (
    ELEMENTS,
    NFNL_SUBSYS_NFTABLES,
    NFT_MSG_NEWSETELEM,
    NFTA_DATA_VALUE,
    NFTA_LIST_ELEM,
    NFTA_SET_ELEM_KEY,
    NFTA_SET_ELEM_LIST_ELEMENTS,
    NFTA_SET_ELEM_LIST_SET,
    NFTA_SET_NAME,
    SET,
    request,
)
from .nft_dump import NFT_SET_ELEM_INTERVAL_END, NFTA_SET_ELEM_FLAGS
from .nft_element import NFT_MSG_DELSETELEM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.ip import Prefix

    Bound = tuple[bytes, bool]  # an address, and whether an interval ends before it; else one begins there

NFT_MSG_DELSET = NFNL_SUBSYS_NFTABLES << 8 | 11
_MOST_BOUNDS = 1000  # an attribute holds 64 KiB, a bound of IPv6 takes 40 bytes


def bounds(networks: list[Prefix]) -> list[Bound]:
    """Return the bounds of (packed network, prefix length) each; none is inside another, and they are ascending.

    Where one begins as another ends, there are both bounds, the end first.  What holds the last address has no end.
    """
    found = []
    for network, length in networks:
        found.append((network, False))
        size = len(network)
        last = int.from_bytes(network, "big") | (1 << 8 * size - length) - 1
        if last + 1 < 1 << 8 * size:
            found.append(((last + 1).to_bytes(size, "big"), True))
    return found


def add_bounds(table: str, name: str, wanted: list[Bound]) -> list[Request]:
    """Return what adds the intervals to the set."""
    operation = f"add intervals to set {table} {name}"
    elements = []
    for key, is_end in wanted:
        flags = [NFTA_SET_ELEM_FLAGS(NFT_SET_ELEM_INTERVAL_END)] if is_end else []
        elements.append(NFTA_LIST_ELEM([NFTA_SET_ELEM_KEY([NFTA_DATA_VALUE(key)]), *flags]))
    requests = []
    for start in range(0, len(elements), _MOST_BOUNDS):
        some = NFTA_SET_ELEM_LIST_ELEMENTS(elements[start : start + _MOST_BOUNDS])
        body = [NFTA_SET_ELEM_LIST_SET(name), some]
        requests.append(request(NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, body, operation, ELEMENTS))
    return requests


def flush_set(table: str, name: str) -> Request:
    """Empty the set.  Kernel errors: ENOENT."""
    body = [NFTA_SET_ELEM_LIST_SET(name)]
    return request(NFT_MSG_DELSETELEM, 0, table, body, f"flush set {table} {name}", ELEMENTS)


def delete_set(table: str, name: str) -> Request:
    """Delete the set and its elements.  Kernel errors: ENOENT; EBUSY while a rule uses it."""
    return request(NFT_MSG_DELSET, 0, table, [NFTA_SET_NAME(name)], f"delete set {table} {name}", SET)
