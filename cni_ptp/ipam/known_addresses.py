"""Which addresses an attachment may have, where neither a lease of ours nor prevResult tells.

DEL, CHECK and GC ask when the host end does not have the derived name: the Go plugin made it.
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..base.errors import CniError
from ..base.ip import text_of
from ..system.state_files import opened
from .data_dir import DATA_DIR, data_dir
from .lease_dir import MOST_CONTENT
from .leases import owner_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.args import Args
    from ..cni.attachment import Attachment
    from ..cni.conf import NetConf


def of_delegate(kind: str, conf: NetConf, args: Args) -> list[bytes]:
    """Return the packed addresses that the IPAM plugin `kind` gave the attachment, if its state is in CNI's format."""
    try:
        if kind == "host-local":
            from .host_local import HostLocal

            return HostLocal(conf, args).held()
        if kind == "static":
            from .static import Static

            return Static(conf, args).known()
    except CniError:
        pass  # it has its own way with the configuration
    return []


def stale_of_delegate(kind: str, conf: NetConf, args: Args, valid: list[Attachment]) -> dict[Attachment, list[bytes]]:
    """Return the packed addresses that the IPAM plugin `kind` leased to others than the valid attachments."""
    if kind != "host-local":
        return {}
    from .host_local import HostLocal

    return HostLocal(conf, args).stale(valid)


def is_leased(conf: NetConf, attachment: Attachment, address: bytes) -> bool | None:
    """Return whether a lease gives the packed address to the attachment, where its network keeps its leases.

    False if a lease, of this or another network, gives it to somebody else; None if there is none.
    """
    try:
        directory = data_dir(conf)
    except CniError:
        directory = DATA_DIR
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
