"""Whose lease an address has, on whatever network; asked when a host end does not have the derived name."""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..base.errors import CniError
from ..base.ip import text_of
from ..system.state_files import opened
from .lease_dir import MOST_CONTENT
from .leases import owner_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.attachment import Attachment


def is_leased(directory: str, attachment: Attachment, address: bytes) -> bool | None:
    """Return whether a lease below the directory of all networks' leases gives the packed address to the attachment.

    False if a lease, of this or another network, gives it to somebody else; None if there is none.
    """
    try:
        networks = os.listdir(directory)
    except OSError:
        return None
    found = None
    ours = (owner_of(attachment.containerid, attachment.ifname), attachment.containerid.strip())
    for network in networks:
        content = _content(f"{directory}/{network}/{text_of(address)}")
        if content is not None:
            if network != attachment.network or content.decode("utf-8", "surrogateescape").strip() not in ours:
                return False
            found = True
    return found


def _content(path: str) -> bytes | None:
    """Return what a lease file contains; None if there is none."""
    try:
        fd = opened(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, CniError):
        return b""  # somebody's, though nobody can tell whose
    try:
        return os.read(fd, MOST_CONTENT)
    except OSError:
        return b""
    finally:
        os.close(fd)
