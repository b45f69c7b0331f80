"""Limits of a container's bandwidth made, found again and removed, over netlink.

What the container receives, the host end of its pair sends: a token bucket there limits it.  What it sends, the host
end receives: it is led to a link of kind ifb, which has a bucket of its own.  The names are the Go plugin's, so that
either cleans up after the other; the alias of the ifb tells whose it is.
"""

from __future__ import annotations

from ..base import errnos
from ..base.errors import KERNEL_REFUSED, CniError
from ..netlink.rt_ifb import new_ifb, probe_ifb
from ..netlink.rt_link import Link, del_link, get_link, set_alias
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..netlink.tc import TCA_KIND, Tbf, add_tbf, del_root, get_root, replace_tbf, tbf_in
from .buckets import bucket, go_bucket, own_ifb
from .redirection import lead, leading_to, leads_to, stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.undo import Rollback
    from ..cni.attachment import Attachment
    from ..cni.bandwidth import Bandwidth, Limit

EBADF = 9  # include/uapi/asm-generic/errno-base.h
_TOLERANCE = 64  # of the ticks that the kernel computes from a burst, one in this many


def attach(host: Socket, attachment: Attachment, wanted: Bandwidth, link: Link, undo: Rollback) -> Link | None:
    """Limit the bandwidth of an ADD's container.  undo: takes what deletes the ifb, after the pair, which leads to it.

    Else as `add`.
    """
    undo.insert(-1, ("delete the ifb", lambda: _detach(attachment)))
    return add(host, attachment, wanted, link, [])  # the rest is deleted with the pair


def _detach(attachment: Attachment) -> None:
    with Socket(NETLINK_ROUTE) as sock:
        _delete_idle(sock, attachment)


def add(host: Socket, attachment: Attachment, wanted: Bandwidth, link: Link, undo: Rollback) -> Link | None:
    """Limit what the container sends and receives by `link`, its host end; return the ifb, None without one.

    What a former ADD of the attachment made is changed as it is wanted now.  undo: takes what to take back.
    CniError 100 if something else has a qdisc there; NetlinkError if the kernel refuses.
    """
    if wanted.ingress is not None:
        _limit(host, link, bucket(wanted.ingress, link.mtu), undo)
    if wanted.egress is None:
        return None
    ifb = _ifb(host, attachment, link, undo)
    _limit(host, ifb, bucket(wanted.egress, link.mtu), undo)
    lead(host, link, ifb, undo)
    return ifb


def _limit(host: Socket, link: Link, tbf: Tbf, undo: Rollback) -> None:
    """Give the link the bucket, or change the one that it has."""
    refused = None
    try:
        refused = host.ask(add_tbf(link.ifindex, link.name, tbf))[0].error
    finally:  # also if the answer got lost
        if refused is None:
            undo.append((f"remove the limit of {link.name}", lambda: unlimit(host, link)))
    if refused is None:
        return
    if refused.errno != errnos.EEXIST:
        raise refused
    reply = _root(host, link)
    before = tbf_in(reply) if reply is not None else None
    if before is None:
        kind = reply[1].get(TCA_KIND) if reply is not None else "unknown"
        raise CniError(KERNEL_REFUSED, f"limit what link {link.name} sends", f"it has a qdisc {kind} of something else")
    undo.append((f"put back the limit of {link.name}", lambda: host.do(replace_tbf(link.ifindex, link.name, before))))
    host.do(replace_tbf(link.ifindex, link.name, tbf))


def _root(host: Socket, link: Link) -> Any:
    """Return (header, attributes) of the root qdisc; None if it is the default one."""
    answer = host.ask(get_root(link.ifindex, link.name))[0]
    if answer.error is None:
        return answer.one()
    if answer.error.errno != errnos.ENOENT:
        raise answer.error
    return None


def _ifb(host: Socket, attachment: Attachment, link: Link, undo: Rollback) -> Link:
    """Return the ifb of the attachment: the one to which its host end leads, else a new one."""
    undo.append(("delete the ifb", lambda: _delete_idle(host, attachment)))  # before: the answer may get lost
    for name in (attachment.go_ifb(), own_ifb(attachment)):
        made, found = host.ask(new_ifb(name, link.mtu), get_link(name))
        if made.error is not None and found.error is None:
            ifb = Link(found.one())
            if ifb.kind != "ifb" or ifb.alias != attachment.alias():
                continue  # it serves another interface of the container
            targets = leads_to(host, link)
            if ifb.up and targets == [ifb.ifindex]:
                return ifb
            if ifb.ifindex in targets:
                stop(host, link)
            delete(host, [ifb])  # of a host end that was deleted, as a rule
            made, found = host.ask(new_ifb(name, link.mtu), get_link(name))
        if made.error is not None:
            raise CniError(KERNEL_REFUSED, "limit what the container sends", str(made.error))
        ifb = Link(found.one())
        host.do(set_alias(ifb.ifindex, name, attachment.alias()))
        return ifb
    names = f"{attachment.go_ifb()} and {own_ifb(attachment)}"
    raise CniError(KERNEL_REFUSED, "limit what the container sends", f"links {names} are of something else")


def _delete_idle(host: Socket, attachment: Attachment) -> None:
    """Delete the ifb links of the attachment to which nothing leads."""
    for ifb in links_of(host, attachment, both=True):
        if not leading_to(host, [ifb]):
            delete(host, [ifb])


def links_of(host: Socket, attachment: Attachment, both: bool) -> list[Link]:
    """Return the ifb links of the attachment.

    both: whether it may have one beside another interface of the same container; a question more.
    """
    names = [attachment.go_ifb(), own_ifb(attachment)] if both else [attachment.go_ifb()]
    found = [Link(answer.one()) for answer in host.ask(*map(get_link, names)) if answer.error is None]
    return [link for link in found if link.kind == "ifb" and link.name in names and _is_of(link, attachment)]


def _is_of(link: Link, attachment: Attachment) -> bool:
    """Return whether an ifb that has one of the two names is the attachment's.

    One without an alias is Go's, or of a call that was killed.
    """
    return link.alias in (attachment.alias(), "")


def delete(host: Socket, links: list[Link]) -> None:
    """Delete the links; one that has gone meanwhile is as good."""
    for link in links:
        refused = host.ask(del_link(link.ifindex, link.name))[0].error
        if refused is not None and refused.errno != errnos.ENODEV:
            raise refused


def unlimit(host: Socket, link: Link) -> None:
    """Remove the host end's bucket, if that is its root qdisc."""
    reply = _root(host, link)
    if reply is not None and tbf_in(reply) is not None:
        host.ask(del_root(link.ifindex, link.name))


def why_unavailable() -> str:
    """Return why the kernel could not limit what a container sends, "" if it could."""
    with Socket(NETLINK_ROUTE) as sock:
        refused = sock.ask(probe_ifb())[0].error
    return "" if refused is None or refused.errno == EBADF else f"the kernel has no ifb links: {refused}"


def differences(host: Socket, attachment: Attachment, wanted: Bandwidth, link: Link) -> list[str]:
    """Return the differences between the limits and what they should be, one sentence each.  link: the host end."""
    words = []
    if wanted.ingress is not None:
        words += _of_bucket(host, link, wanted.ingress, link.mtu, "receives")
    if wanted.egress is not None:
        ifbs = links_of(host, attachment, both=True)
        if not ifbs:
            return [*words, f"there is no ifb {attachment.go_ifb()}: nothing limits what the container sends"]
        if leads_to(host, link) != [ifbs[0].ifindex]:
            words.append(f"host interface {link.name} does not lead what the container sends to {ifbs[0].name}")
        if not ifbs[0].up:
            words.append(f"{ifbs[0].name} is down: what the container sends is dropped")
        words += _of_bucket(host, ifbs[0], wanted.egress, link.mtu, "sends")
    return words


def _of_bucket(host: Socket, link: Link, limit: Limit, mtu: int, what: str) -> list[str]:
    """Compare the link's bucket with ours, and with the one that the Go plugin makes."""
    reply = _root(host, link)
    if reply is None:
        return [f"nothing on {link.name} limits what the container {what}"]
    found = tbf_in(reply)
    if found is None:
        return [f"{link.name} has another qdisc {reply[1].get(TCA_KIND)}: it does not limit what the container {what}"]
    wanted, as_go = bucket(limit, mtu), go_bucket(limit)
    words = []
    if found.rate != limit.rate:
        words.append(f"{link.name} lets {found.rate} bytes a second through, not {limit.rate}")
    if found.limit not in (wanted.limit, as_go.limit):
        words.append(f"{link.name} lets {found.limit} bytes wait, not {wanted.limit}")
    if abs(found.buffer - wanted.buffer) > wanted.buffer // _TOLERANCE + 1 and found.buffer != as_go.buffer:
        words.append(f"{link.name} has another burst than the {limit.burst} bytes that are wanted")
    return words
