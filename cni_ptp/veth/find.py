"""Which host link belongs to an attachment: shown by what the host knows, never by what a container contains.

A container chooses the names, indexes, addresses, peers and MACs in its own namespace, so none of them selects a link
of the host.  The host end that this plugin made has the attachment's alias, and is found quickly by its derived name;
`unnamed` finds the others: one that somebody renamed, and one that the Go plugin made.
"""

from __future__ import annotations

from ..base import errnos
from ..cni.attachment import ALIAS_PREFIX
from ..netlink.rt_link import Link, get_link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..cni.attachment import Attachment
    from ..netlink.sock import Socket
    from ..system.netns import Netns


class Clues:
    """What the runtime and the leases tell of an attachment, by which a host end of another name is recognised.

    netns: the container's namespace, or None.  addresses: packed, those that may be the attachment's, a tenant's wish
    among them.  listed: those of them that prevResult lists.
    ends: (name, MAC as text, "" if unknown) of the interfaces that prevResult lists for the host.
    is_leased: tells of a packed address whether a lease gives it to the attachment; False if one gives it to another,
    None if there is no lease.
    """

    __slots__ = ("netns", "addresses", "listed", "ends", "is_leased")

    def __init__(
        self,
        netns: Netns | None,
        addresses: list[bytes],
        listed: list[bytes],
        ends: list[tuple[str, str]],
        is_leased: Callable[[bytes], bool | None],
    ) -> None:
        self.netns = netns
        self.addresses = addresses
        self.listed = listed
        self.ends = ends
        self.is_leased = is_leased


class ForeignLink(Exception):
    """A link has the attachment's derived name and is somebody else's, as far as the host shows."""

    def __init__(self, link: Link) -> None:
        super().__init__(link.name)
        self.link = link


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


def named(host: Socket, attachment: Attachment) -> Link | None:
    """Return the link that has the derived name, or None.

    The kernel looks a name up among the alternative names as well; a foreign link that has ours there is not returned.
    """
    name = attachment.host_veth()
    answer = host.ask(get_link(name))[0]
    if answer.error is not None:
        if answer.error.errno == errnos.ENODEV:
            return None
        raise answer.error
    link = Link(answer.one())
    return link if link.name == name or is_marked(link, attachment) else None


def is_marked(link: Link, attachment: Attachment) -> bool:
    """Return whether the link's alias names the attachment."""
    return link.kind == "veth" and link.alias == attachment.alias()


def is_anothers(link: Link) -> bool:
    """Return whether the link cannot belong to an attachment that its alias does not name."""
    return link.kind != "veth" or link.alias.startswith(ALIAS_PREFIX + " ")
