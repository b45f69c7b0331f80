"""The owner's mark in a comment of nf_tables, in clear or hashed: written and read here and nowhere else.  Pure."""

from __future__ import annotations

from ..cni.attachment import Attachment, digest, go_network_hash
from ..netlink.nft import MOST_COMMENT


def mark(attachment: Attachment, tail: str = "") -> str:
    """Return the comment that names the owner in clear, with `tail` behind it.

    Hashes stand for an owner that is too long or has characters that nft would not take back.
    """
    text = f"{attachment.owner()} {tail}" if tail else attachment.owner()
    if len(text) <= MOST_COMMENT and text.isascii() and text.isprintable() and '"' not in text:
        return text
    return f"{_hashed(attachment)} {tail}" if tail else _hashed(attachment)


def _hashed(attachment: Attachment) -> str:
    return f"#{go_network_hash(attachment.network)} #{digest(attachment.owner())[:64]}"


def marks(attachment: Attachment) -> tuple[str, str]:
    """Return both comments without a tail that the attachment's objects may have: in clear, and hashed."""
    return attachment.owner(), _hashed(attachment)


def element_comment(attachment: Attachment, length: int, count: int, variant: str = "") -> str:
    """Return the owner, the prefix length, the count of addresses if there are several, the variant if any."""
    tail = f"/{length} of {count}" if count > 1 else f"/{length}"
    return mark(attachment, f"{tail} as {variant}" if variant else tail)


def owner_marks(attachment: Attachment) -> tuple[str, str]:
    """Return how the comment of an element begins if the attachment owns it: in clear, or by its hashes."""
    clear, hashed = marks(attachment)
    return f"{clear} /", f"{hashed} /"


def network_marks(network: str) -> tuple[str, str]:
    """Return how the comment of an element begins if it belongs to the network."""
    return f"{network} ", f"#{go_network_hash(network)} "


def parse_comment(comment: str) -> tuple[Attachment | None, int, int]:
    """Return (owner, prefix length, count of the owner's addresses) of an element's comment.

    The owner is None if hashed.
    ValueError if it is not one of ours.
    """
    owner, slash, tail = comment.rpartition(" /")
    length, _, count = tail.partition(" as ")[0].partition(" of ")
    parts = owner.split(" ")
    if not slash or len(parts) not in (2, 3):
        raise ValueError(f"not the comment of one of our elements: {comment}")
    attachment = Attachment(parts[0], parts[1], parts[2]) if len(parts) == 3 else None
    return attachment, int(length), int(count or "1")


def variant_of(comment: str) -> str:
    """Return the variant in the comment of an element, "" if there is none."""
    return comment.rpartition(" /")[2].partition(" as ")[2]


def host_veth_of(comment: str) -> str:
    """Return the name of the owner's host end, which is derived from the same hash; "" if the comment is not ours."""
    try:
        attachment, _, _ = parse_comment(comment)
    except ValueError:
        return ""
    if attachment is not None:
        return attachment.host_veth()
    return "veth" + comment.split(" ")[1][1:12]
