"""Whose an element of our table is, read from the comment that nft_table.element_comment wrote.  Pure.

Apart from nft_table, as an ADD rarely meets an element.
"""

from __future__ import annotations

from ..cni.attachment import Attachment, digest, go_network_hash
from .nft_table import NAME


def owner_marks(attachment: Attachment) -> tuple[str, str]:
    """Return how the comment of an element begins if the attachment owns it: in clear, or by its hashes."""
    hashes = f"#{go_network_hash(attachment.network)} #{digest(attachment.owner())[:64]}"
    return f"{attachment.owner()} /", f"{hashes} /"


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
        raise ValueError(f"not the comment of an element of {NAME}: {comment}")
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
