"""The pair of an attachment made: both ends, what is set before they are up, and the wait until they can be used."""

from __future__ import annotations

import time

from ..base import errnos
from ..base.errors import KERNEL_REFUSED, CniError
from ..netlink.rt_link import IF_OPER_UP, Link, del_link, get_link, get_link_by_index, new_veth
from ..netlink.rt_route import RT_TABLE_LOCAL, TABLE_AT, get_route
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system import sysctl
from .plan import host_requests, veth_ends

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.undo import Rollback
    from ..cni.attachment import Attachment
    from ..cni.conf import PtpSettings
    from ..system.netns import Netns
    from .plan import Plan

_READY_TRIES, _SETTLED_TRIES, _PAUSE_S = 200, 2000, 0.0005


def refuse_existing(host: Socket, container: Socket, attachment: Attachment) -> None:
    """Raise CniError 100 if the container has such an interface, or the host such a veth, already."""
    veth = attachment.host_veth()
    for sock, name in ((container, attachment.ifname), (host, veth)):
        answer = sock.ask(get_link(name))[0]
        if answer.error is None:
            there = Link(answer.one()).name
            if there != name:
                raise CniError(KERNEL_REFUSED, f"the name {name} is in use", f"it is an alternative name of {there}")
            raise _already_there(attachment, f"{name} is there")
        if answer.error.errno != errnos.ENODEV:
            raise answer.error


def _already_there(attachment: Attachment, details: str) -> CniError:
    names = f'container veth name ("{attachment.ifname}") peer provided ("{attachment.host_veth()}")'
    return CniError(KERNEL_REFUSED, f"{names} already exists", f"{details}; DEL of {attachment} removes it")


def make(
    host: Socket, attachment: Attachment, settings: PtpSettings, planned: Plan, netns: Netns, undo: Rollback
) -> tuple[Link, int]:
    """Make the pair, both ends down; return (the host end, ifindex of the container end).

    undo: takes what deletes it.  CniError 100 if there is such a link already; NetlinkError if the kernel refuses.
    """
    name = attachment.host_veth()
    host_end, container_end = veth_ends(name, attachment.ifname, settings.mtu, settings.mac, planned.ips)
    # Before it is there: an answer may get lost.  Nobody else makes a link of this name while we hold the lock.
    undo.append((f"delete {name}", lambda: _delete(attachment, undo)))
    # In one datagram: the kernel answers the second whether or not the first succeeded.
    made, found = host.ask(new_veth(host_end, container_end, netns.fd), get_link(name))
    if made.error is not None:
        if made.error.errno == errnos.EEXIST:
            if found.error is None:
                # Without the lock another call for the same attachment was faster: all we have is what it has.
                undo.clear()
            raise _already_there(attachment, made.error.explanation())
        raise made.error
    if found.error is not None:
        raise found.error
    link = Link(found.one())
    return link, link.peer


def _delete(attachment: Attachment, undo: Rollback) -> None:
    """Delete the host end.  If that fails, what protects and reserves it is kept: DEL will find it all."""
    from .mark import is_anothers, is_marked, named

    try:
        with Socket(NETLINK_ROUTE) as sock:
            link = named(sock, attachment)
            if link is not None and (is_marked(link, attachment) or not is_anothers(link)):
                sock.do(del_link(link.ifindex, link.name))
    except BaseException:
        undo.clear()
        raise


def prepare_ipv6(host_name: str, ifname: str, planned: Plan, netns: Netns) -> bool:
    """Set what must be set before the ends are up; return whether the host end is exposed to router advertisements.

    The host takes no router advertisements and no redirects from the container (CVE-2020-10749), and without an IPv6
    address no IPv6 at all: each interface with IPv6 has routes of its own, and whenever one is set up the kernel looks
    through those of all (net/ipv6/route.c rt6_sync_up), 3 ms with 2,500 containers.  A read-only /proc/sys is refused
    only where that makes a difference: an end without an address that is exposed can be guarded, against all IPv6.
    """
    uses_ipv6 = any(len(ip.address) == 16 for ip in planned.ips)
    conf = f"ipv6/conf/{host_name}/"
    if uses_ipv6:
        sysctl.ensure(conf + "disable_ipv6", "0")
        netns.inside(lambda: _enable_ipv6(ifname))
    try:
        if not uses_ipv6:
            sysctl.put(conf + "disable_ipv6", "1")
        for setting in ("accept_ra", "accept_redirects"):
            sysctl.put(conf + setting, "0")
    except CniError:
        from .advertisements import taken_by

        exposed = taken_by(host_name)
        if exposed and uses_ipv6:
            raise
        return exposed
    return False


def _enable_ipv6(ifname: str) -> None:
    for name in ("lo", ifname):
        sysctl.ensure(f"ipv6/conf/{name}/disable_ipv6", "0")
    try:
        sysctl.ensure(f"ipv6/conf/{ifname}/keep_addr_on_down", "1")
    except CniError:
        pass  # a comfort for those who set the link down and up again; not worth failing for


def finish_host_end(host: Socket, link: Link, attachment: Attachment, planned: Plan) -> None:
    """Make the host end as planned.  CniError 100 if another link has one of its routes."""
    answers = host.ask(*host_requests(planned, link.ifindex, link.name, attachment.alias()))
    first_route = len(answers) - len(planned.host_routes)
    for i, answer in enumerate(answers):
        if answer.error is None:
            continue
        if i < first_route or answer.error.errno != errnos.EEXIST:
            raise answer.error
        from .host_route import take_over_route

        take_over_route(host, answer.error, planned.host_routes[i - first_route], link)


def wait_until_up(container: Socket, ifindex: int) -> Link:
    """Return the container's end, able to send.

    The first end of a pair that is set up gets its queue only when the kernel has noticed that the second is up, too
    (net/core/link_watch.c); what it sends before is lost, and TCP waits a second to try again.  Since Linux 6.8 the
    asking itself makes the kernel notice; before, it takes a moment.
    """
    for _ in range(_READY_TRIES):
        link = Link(container.do(get_link_by_index(ifindex))[0].one())
        if link.operstate == IF_OPER_UP:
            break
        time.sleep(_PAUSE_S)
    return link


def wait_for_ipv6_addresses(sock: Socket, addresses: list[bytes]) -> None:
    """Wait until the kernel takes in what comes for these IPv6 addresses of its own, a second at most.

    The local route of a new address, and its multicast group, which a neighbour solicitation is sent to, are made in
    the background (net/ipv6/addrconf.c addrconf_dad_work, the route last).  A packet that comes before is lost, and TCP
    waits a second to try again.
    """
    if not addresses:
        return
    for _ in range(_SETTLED_TRIES):
        answers = sock.ask(*[get_route(a) for a in addresses])
        # The attributes need not be read.
        if all(a.error is None and a.messages[0].payload[TABLE_AT] == RT_TABLE_LOCAL for a in answers):
            break
        time.sleep(_PAUSE_S)
