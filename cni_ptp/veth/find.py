"""Which host link belongs to an attachment: shown by what the host knows, never by what a container contains.

A container chooses the names, indexes, addresses, peers and MACs in its own namespace, so none of them selects a link
of the host.  The host end that this plugin made has the attachment's alias, and is found quickly by its derived name;
`unnamed` finds the others: one that somebody renamed, and one that the Go plugin made.
"""

from __future__ import annotations

from .mark import is_marked, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..cni.attachment import Attachment
    from ..netlink.rt_link import Link
    from ..netlink.sock import Socket
    from .unnamed import Clues


def host_end(host: Socket, attachment: Attachment, clues: Callable[[], Clues]) -> Link | None:
    """Return the attachment's host end, or None if the host has none.

    clues: called only if no link has both the derived name and the alias.  ForeignLink; NetlinkError if the kernel
    refuses to tell.
    """
    link = named(host, attachment)
    if link is None or not is_marked(link, attachment):
        from . import unnamed

        link = unnamed.search(host, attachment, clues(), link)
    return link
