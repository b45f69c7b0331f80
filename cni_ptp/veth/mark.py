"""How a host link tells whose it is: its derived name, and its alias, which names the attachment in clear."""

from __future__ import annotations

from ..base import errnos
from ..cni.attachment import ALIAS_PREFIX
from ..netlink.rt_link import Link, get_link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.attachment import Attachment
    from ..netlink.sock import Socket


class ForeignLink(Exception):
    """A link has the attachment's derived name and is somebody else's, as far as the host shows."""

    def __init__(self, link: Link) -> None:
        super().__init__(link.name)
        self.link = link


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
