"""Limits of a container's bandwidth made, found again and removed, over netlink.

What the container receives, the host end of its pair sends: a token bucket there limits it.  What it sends, the host
end receives: it is led to a link of kind ifb, which has a bucket of its own.  The names are the Go plugin's, so that
either cleans up after the other; the alias of the ifb tells whose it is.
"""

from __future__ import annotations

from ..base import errnos
from ..base.errors import KERNEL_REFUSED, CniError
from ..netlink.rt_ifb import new_ifb
from ..netlink.rt_link import Link, del_link, get_link, set_alias
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..netlink.tc import (
    TCA_KIND,
    TCA_OPTIONS,
    Tbf,
    add_ingress,
    dump_filters,
    get_root,
    redirect_all,
    redirects_in,
    set_tbf,
)
from .buckets import bucket, own_ifb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.undo import Rollback
    from ..cni.attachment import Attachment
    from ..cni.bandwidth import Bandwidth
    from .buckets import Bucket

_TOLERANCE = 64  # of the ticks that the kernel computes from a burst, one in this many


def attach(host: Socket, attachment: Attachment, wanted: Bandwidth, link: Link, undo: Rollback) -> Link | None:
    """Limit the bandwidth of an ADD's container.  undo: takes what deletes the ifb, after the pair, which leads to it.

    Else as `add`.
    """
    undo.insert(-1, ("delete the ifb", lambda: _detach(attachment)))
    return add(host, attachment, wanted, link)


def _detach(attachment: Attachment) -> None:
    with Socket(NETLINK_ROUTE) as sock:
        remove_own(sock, attachment)


def add(host: Socket, attachment: Attachment, wanted: Bandwidth, link: Link) -> Link | None:
    """Limit what the container sends and receives by `link`, its host end; return the ifb, None without one.

    CniError 100; NetlinkError if the kernel refuses.  What was made stays then: `remove_own` takes it back.
    """
    if wanted.ingress is not None:
        size = bucket(wanted.ingress, link.mtu)
        host.do(set_tbf(link.ifindex, link.name, size.rate, size.burst, size.limit))
    if wanted.egress is None:
        return None
    ifb = _new_ifb(host, attachment, link.mtu)
    size = bucket(wanted.egress, link.mtu)
    host.do(
        set_tbf(ifb.ifindex, ifb.name, size.rate, size.burst, size.limit),
        add_ingress(link.ifindex, link.name),
        redirect_all(link.ifindex, link.name, ifb.ifindex),
    )
    return ifb


def _new_ifb(host: Socket, attachment: Attachment, mtu: int) -> Link:
    remove_own(host, attachment)
    for name in (attachment.go_ifb(), own_ifb(attachment)):
        made, found = host.ask(new_ifb(name, mtu), get_link(name))
        if made.error is None:
            ifb = Link(found.one())
            host.do(set_alias(ifb.ifindex, name, attachment.alias()))
            return ifb
        refused = made.error
        if refused.errno != errnos.EEXIST:  # else it serves another interface of the container
            break
    raise CniError(KERNEL_REFUSED, "limit what the container sends", str(refused))


def links_of(host: Socket, attachment: Attachment, both: bool) -> list[Link]:
    """Return the ifb links of the attachment.

    both: whether it may have one beside another interface of the same container; a question more.
    """
    names = [attachment.go_ifb(), own_ifb(attachment)] if both else [attachment.go_ifb()]
    found = [Link(answer.one()) for answer in host.ask(*map(get_link, names)) if answer.error is None]
    return [link for link in found if link.kind == "ifb" and link.name in names and _is_of(link, attachment)]


def _is_of(link: Link, attachment: Attachment) -> bool:
    return link.alias == attachment.alias() or (not link.alias and link.name == attachment.go_ifb())


def remove_own(host: Socket, attachment: Attachment) -> None:
    """Delete the ifb links that `add` made, whose host end was deleted, or leads nothing there any more."""
    delete(host, [link for link in links_of(host, attachment, both=True) if link.alias == attachment.alias()])


def delete(host: Socket, links: list[Link]) -> None:
    """Delete the links; one that has gone meanwhile is as good."""
    for link in links:
        refused = host.ask(del_link(link.ifindex, link.name))[0].error
        if refused is not None and refused.errno != errnos.ENODEV:
            raise refused


def differences(host: Socket, attachment: Attachment, wanted: Bandwidth, link: Link) -> list[str]:
    """Return the differences between the limits and what they should be, one sentence each.  link: the host end."""
    words = []
    if wanted.ingress is not None:
        words += _of_bucket(host, link, bucket(wanted.ingress, link.mtu), "receives")
    if wanted.egress is not None:
        ifbs = links_of(host, attachment, both=True)
        if not ifbs:
            return [*words, f"there is no ifb {attachment.go_ifb()}: nothing limits what the container sends"]
        leads_to = [
            to for reply in host.dump(dump_filters(link.ifindex, link.name)).read() for to in redirects_in(reply)
        ]
        if leads_to != [ifbs[0].ifindex]:
            words.append(f"host interface {link.name} does not lead what the container sends to {ifbs[0].name}")
        if not ifbs[0].up:
            words.append(f"{ifbs[0].name} is down: what the container sends is dropped")
        words += _of_bucket(host, ifbs[0], bucket(wanted.egress, link.mtu), "sends")
    return words


def _of_bucket(host: Socket, link: Link, wanted: Bucket, what: str) -> list[str]:
    answer = host.ask(get_root(link.ifindex, link.name))[0]
    if answer.error is not None:
        if answer.error.errno != errnos.ENOENT:
            raise answer.error
        return [f"nothing on {link.name} limits what the container {what}"]
    attrs = answer.one()[1]
    if attrs.get(TCA_KIND) != "tbf":
        return [f"{link.name} has a qdisc {attrs.get(TCA_KIND)}: it does not limit what the container {what}"]
    found = Tbf(attrs.get(TCA_OPTIONS, b""))
    words = []
    if found.rate != wanted.rate:
        words.append(f"{link.name} lets {found.rate} bytes a second through, not {wanted.rate}")
    if found.limit != min(wanted.limit, 0xFFFFFFFF):
        words.append(f"{link.name} lets {found.limit} bytes wait, not {wanted.limit}")
    ticks = wanted.ticks()
    if abs(found.buffer - ticks) > ticks // _TOLERANCE + 1:
        words.append(f"{link.name} has another burst than {wanted.burst} bytes")
    return words
