"""What one lease file says, in Go host-local's format.  Pure.

The file's name is the address, its content "CONTAINER\\r\\nIFNAME"; one that holds only "CONTAINER" is from before CNI
knew of interface names.
"""

from __future__ import annotations

from ..args import is_name
from ..ip import parse_ip, text_of


class Lease:
    """What a lease file says.  owner: its content, trimmed, or None if that names no owner.  made: ns since 1970."""

    __slots__ = ("name", "owner", "torn", "made")

    def __init__(self, name: str, content: bytes | None, made: int) -> None:
        """content: None for what is no regular file."""
        text = (content or b"").decode("utf-8", "surrogateescape").strip()
        self.name = name
        self.owner = text if _is_owner(text) else None
        # Go was killed, or the disk full, between its making the file and its writing.
        self.torn = content is not None and (not text or "\0" in text)
        self.made = made

    def address(self) -> bytes | None:
        """The packed address that the file's name is, if it is one as we and Go would write it."""
        try:
            address = parse_ip(self.name)
        except ValueError:
            return None
        return address if text_of(address) == self.name else None


def owner_of(containerid: str, ifname: str) -> str:
    """What the lease of an attachment says."""
    return f"{containerid.strip()}\r\n{ifname}"


def _is_owner(text: str) -> bool:
    containerid, _, ifname = text.partition("\r\n")
    return is_name(containerid) and not any(c in "/:\0" or c.isspace() for c in ifname)
