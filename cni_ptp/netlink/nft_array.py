"""How nf_tables nests a list of attributes.  Pure.

Source: include/uapi/linux/netlink.h NLA_F_NESTED; net/netfilter/nf_tables_api.c.
"""

from __future__ import annotations

from ..nlmsg import Attr, attributes
from .nft import Nest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Array(Nest):
    """A nested list: every element is an attribute of the same number and kind.  Reads into a list of values."""

    __slots__ = ("element",)

    def __init__(self, element: Attr) -> None:
        super().__init__(element)
        self.element = element

    def read(self, payload: bytes) -> Any:
        """Return the values in order."""
        element = self.element
        return [element.kind.read(inner) for number, inner, _ in attributes(payload) if number == element.number]
