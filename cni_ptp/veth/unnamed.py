"""A host end without the derived name or without the alias: the Go plugin made it, or somebody changed it.

The Go plugin gives its host end a random name and no alias.  Such a link belongs to an attachment if the host routes an
address of the attachment over it, at full length, and another witness that no container controls agrees:

    result  prevResult lists the link's name and MAC among the host's interfaces; if it lists others only, the link is
            somebody else's.  A link that has the MAC alone was renamed, if the lease agrees as well
    lease   gives the address to the attachment; a lease that gives it to another, on any network, speaks against it
    netns   the link's IFLA_LINK_NETNSID is the number by which the host knows the namespace in CNI_NETNS

Without a namespace and without a lease, as for a static address, an address that prevResult lists and the route must
do.  What only the configuration or CNI_ARGS names is no witness: a tenant may wish for a neighbour's address.
"""

from __future__ import annotations

import errno

from ..base.ip import bits
from ..cni.conf import mac_text
from ..netlink.rt_link import Link, get_link, get_link_by_index
from ..netlink.rt_link_dump import dump_links
from ..netlink.rt_nsid import NETNSA_NSID, get_nsid
from ..netlink.rt_route import RTN_UNICAST, RTPROT_KERNEL, get_route, is_no_route
from ..netlink.rt_route_read import read_route
from ..system.netns import is_own
from .mark import ForeignLink, is_anothers, is_marked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..cni.attachment import Attachment
    from ..netlink.sock import Socket
    from ..system.netns import Netns

_UNKNOWN = -1
# No link has the name, or none can have it: prevResult may list anything.
_NO_SUCH_NAME = (errno.ENODEV, errno.EINVAL, errno.ERANGE)


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


def search(host: Socket, attachment: Attachment, clues: Clues, link: Link | None) -> Link | None:
    """Return the attachment's host end, whatever its name is; None if nothing shows that the host has one.

    link: the one that has the derived name, without the alias; None if there is none.  ForeignLink if that is somebody
    else's and no other link is the attachment's; NetlinkError if the kernel refuses to tell.
    """
    found = shown(host, attachment, clues)
    if found is None and (link is not None or clues.addresses or clues.ends):
        # A link must be down to be renamed (before Linux 6.2), and then loses its routes: only the alias is left.
        found = _marked(host, attachment)
    if found is not None or link is None:
        return found
    if is_anothers(link) or link.up:
        raise ForeignLink(link)
    return link  # an ADD was killed before it set the alias, which it does before it sets the link up


def shown(host: Socket, attachment: Attachment, clues: Clues) -> Link | None:
    """Return the host end that the host's routes lead to, if the witnesses agree; else None."""
    candidates: dict[int, tuple[Link, list[bytes]]] = {}  # by ifindex, with the addresses that are routed over it
    for address in clues.addresses:
        link = routed_over(host, address)
        if link is not None:
            if is_marked(link, attachment):
                return link
            candidates.setdefault(link.ifindex, (link, []))[1].append(address)
    for link, routed in candidates.values():
        if not is_anothers(link) and not link.master and _agree(host, link, routed, clues):
            return link
    return None


def listed_end(host: Socket, clues: Clues) -> Link | None:
    """Return the link that prevResult lists, if it leads into the namespace.  To be looked at, not to be deleted."""
    for name, _ in clues.ends:
        link = _of_name(host, name)
        if link is not None and clues.netns is not None and link.netnsid == nsid_of(host, clues.netns):
            return link
    return None


def routed_over(host: Socket, address: bytes) -> Link | None:
    """Return the link over which the host routes just this address; None if no route is that narrow."""
    answer = host.ask(get_route(address))[0]
    if answer.error is not None:
        if is_no_route(answer.error):
            return None
        raise answer.error
    route = read_route(answer.one())
    # A kernel's own route is to an address of the host, which has no local route yet while it is tentative (IPv6).
    if route.length != bits(address) or route.type != RTN_UNICAST or route.protocol == RTPROT_KERNEL:
        return None
    found = host.ask(get_link_by_index(route.ifindex))[0]
    return Link(found.one()) if found.error is None else None


def nsid_of(host: Socket, netns: Netns) -> int | None:
    """Return what IFLA_LINK_NETNSID holds for links into the namespace.

    None for the namespace that we are in, which links do not number; -1 if the host has no link into it.
    """
    if is_own(netns):
        return None
    answer = host.ask(get_nsid(netns.fd))[0]
    if answer.error is not None:
        return _UNKNOWN
    number: int = answer.one()[1].get(NETNSA_NSID, _UNKNOWN)
    return number


def _agree(host: Socket, link: Link, routed: list[bytes], clues: Clues) -> bool:
    """Return whether the witnesses show that the link, over which the addresses are routed, is the attachment's."""
    leased = [clues.is_leased(address) for address in routed]
    is_leased = True in leased and False not in leased
    if clues.ends:
        mac = mac_text(link.mac)
        of_mac = [name for name, listed in clues.ends if listed.lower() == mac]
        return link.name in of_mac or (link.name, "") in clues.ends or (bool(of_mac) and is_leased)
    if is_leased:
        return True
    if False in leased or not link.name.startswith("veth"):
        return False
    if clues.netns is None:
        return any(address in clues.listed for address in routed)  # of the configuration's a tenant may wish for any
    return link.netnsid == nsid_of(host, clues.netns)


def _of_name(host: Socket, name: str) -> Link | None:
    """Return the link of this name; None if there is none, or if the name is an alternative one."""
    answer = host.ask(get_link(name))[0]
    if answer.error is not None:
        if answer.error.errno in _NO_SUCH_NAME:
            return None
        raise answer.error
    link = Link(answer.one())
    return link if link.name == name else None


def _marked(host: Socket, attachment: Attachment) -> Link | None:
    """Return the link whose alias names the attachment, out of all veths of the host."""
    mark = attachment.alias().encode("utf-8", "surrogateescape")
    answer = host.dump(dump_links("veth"))
    for message in answer.messages:
        if mark in message.payload:  # reading thousands of links would take a hundred times as long
            link = Link(answer.request.reply.read(message.payload))
            if is_marked(link, attachment):
                return link
    return None
