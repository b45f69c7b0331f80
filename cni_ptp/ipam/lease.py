"""What one lease file says, in Go host-local's format.  Pure.

The file's name is the address, its content "CONTAINER\\r\\nIFNAME"; one that holds only "CONTAINER" is from before CNI
knew of interface names.
"""

from __future__ import annotations

from ..base.ip import parse_ip, text_of
from ..cni.args import is_name


class Lease:
    """What a lease file says.  owner: its content, trimmed, or None if that names no owner.  made: ns since 1970."""

    __slots__ = ("name", "owner", "incomplete", "made")

    def __init__(self, name: str, content: bytes | None, made: int) -> None:
        """Take the content, None for what is no regular file."""
        text = (content or b"").decode("utf-8", "surrogateescape").strip()
        self.name = name
        self.owner = text if _is_owner(text) else None
        # Go was killed, or the disk full, between its making the file and its writing.
        self.incomplete = content is not None and (not text or "\0" in text)
        self.made = made

    def address(self) -> bytes | None:
        """Return the packed address that the file's name is, if it is one as we and Go would write it."""
        try:
            address = parse_ip(self.name)
        except ValueError:
            return None
        return address if text_of(address) == self.name else None

    def holder(self, directory: str, now: float) -> str:
        """Return who holds it, since when, and how to release it.

        directory: the network's; now: seconds since 1970.
        """
        containerid, _, ifname = (self.owner or "").partition("\r\n")
        if not containerid:
            return f"{directory}/{self.name} says of nobody: remove the file if the address is free"
        whose = f"interface {ifname} of container {containerid}" if ifname else f"container {containerid}"
        return (
            f"held by {whose} for {_age(now - self.made / 1e9)}; a DEL for it on network "
            f"{directory.rpartition('/')[2]} releases it, as does removing {directory}/{self.name}"
        )


def _age(seconds: float) -> str:
    """Return a duration for people: "3 h", never longer than the unit that fits."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(int(seconds), 0)} s"


def _is_owner(text: str) -> bool:
    containerid, _, ifname = text.partition("\r\n")
    return is_name(containerid) and not any(c in "/:\0" or c.isspace() for c in ifname)
