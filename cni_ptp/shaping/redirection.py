"""What a host end receives led to an ifb, and which links lead to one."""

from __future__ import annotations

from ..base import errnos
from ..base.errors import KERNEL_REFUSED, CniError
from ..netlink.rt_link import Link
from ..netlink.tc import TCA_KIND, add_ingress, del_ingress, dump_filters, get_ingress, redirect_all, redirects_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.undo import Rollback
    from ..netlink.sock import Socket

_LINK_DELETED = 0


def lead(host: Socket, link: Link, ifb: Link, undo: Rollback) -> None:
    """Lead what the host end receives to the ifb; undo: takes what ends that.

    CniError 100 if something else filters there: what we steal it would never see.  NetlinkError.
    """
    try:
        refused = host.ask(add_ingress(link.ifindex, link.name))[0].error
    except BaseException:  # the answer got lost
        undo.append(("remove the ingress qdisc", lambda: stop_unfinished(host, link)))
        raise
    was_there = refused is not None
    if refused is not None:
        if refused.errno != errnos.EEXIST:
            raise refused
        filters = _filters(host, link)
        found = _targets(filters)
        if found == [ifb.ifindex]:
            return  # a second ADD
        if found == [_LINK_DELETED]:  # Go's DEL leaves it, and the kernel drops all that comes by it
            host.do(del_ingress(link.ifindex, link.name), add_ingress(link.ifindex, link.name))
        elif filters:
            raise _in_the_way(link)
    undo.append(("end the redirection to the ifb", lambda: stop(host, link)))
    refused = host.ask(redirect_all(link.ifindex, link.name, ifb.ifindex))[0].error
    if refused is not None:
        if was_there:  # clsact
            undo.pop()
            raise _in_the_way(link)
        raise refused


def _in_the_way(link: Link) -> CniError:
    details = f"host interface {link.name} has an ingress or clsact qdisc of something else"
    return CniError(KERNEL_REFUSED, "limit what the container sends", details)


def leads_to(host: Socket, link: Link) -> list[int]:
    """Return the indexes of the links to which the link's filters lead what it receives, 0 for one that was deleted."""
    return _targets(_filters(host, link))


def _filters(host: Socket, link: Link) -> list[Any]:
    return host.dump(dump_filters(link.ifindex, link.name)).read()


def _targets(filters: list[Any]) -> list[int]:
    return [ifindex for reply in filters for ifindex in redirects_in(reply)]


def leading_to(host: Socket, ifbs: list[Link]) -> list[Link]:
    """Return the links of kind veth that lead to one of the ifb links.  It asks for the filters of every one."""
    from ..netlink.rt_link_dump import dump_links  # no ADD needs it

    indexes = {ifb.ifindex for ifb in ifbs}
    found = []
    for link in [Link(reply) for reply in host.dump(dump_links("veth")).read()]:
        if indexes.intersection(leads_to(host, link)):
            found.append(link)
    return found


def stop_unfinished(host: Socket, link: Link) -> None:
    """Delete an ingress qdisc without filters, or whose ifb was deleted: an ADD that was killed may leave it."""
    answer = host.ask(get_ingress(link.ifindex, link.name))[0]
    if answer.error is None and [attrs.get(TCA_KIND) for _, attrs in answer.read()] == ["ingress"]:
        filters = _filters(host, link)
        if not filters or _targets(filters) == [_LINK_DELETED]:
            stop(host, link)


def stop(host: Socket, link: Link) -> None:
    """Delete the ingress qdisc, and with it the redirection; a link without one is as good."""
    host.ask(del_ingress(link.ifindex, link.name))
