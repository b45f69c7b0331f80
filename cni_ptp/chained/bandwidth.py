"""The plugin bandwidth: a container's limits, where another plugin made its pair.

Source: plugins/meta/bandwidth of containernetworking/plugins; docs/bandwidth.md.
"""

from __future__ import annotations

from ..base.errors import CHECK_FAILED, KERNEL_REFUSED, PLUGIN_NOT_AVAILABLE, CniError, to_cni
from ..base.undo import roll_back
from ..cni.attachment import Attachment
from ..cni.conf import bandwidth as limits_of
from ..cni.conf import mac_text
from ..cni.result import Interface
from ..cni.versions import at_least
from ..commands.lock import AttachmentLock
from ..netlink.rt_link import Link, get_link
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..shaping import bandwidth
from ..shaping.redirection import leading_to, stop, stop_unfinished
from ..system.netns import open_netns
from ..veth.deletion import Deletion
from ..veth.unnamed import nsid_of
from .previous import previous_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.undo import Rollback
    from ..cni.args import Args
    from ..cni.conf import NetConf
    from ..cni.result import Result


def _attachment(args: Args, conf: NetConf) -> Attachment:
    return Attachment(conf.name, args.containerid, args.ifname)


def add(args: Args, conf: NetConf) -> Result:
    """Limit what the container sends and receives; return prevResult with the ifb.  A failure changes nothing.

    What a former ADD made is changed as it is wanted now, also what ptp itself made for the same limits.
    """
    wanted = limits_of(conf)
    previous = previous_of(conf, "must be called as chained plugin")
    if wanted is None:
        return previous
    attachment = _attachment(args, conf)
    undo: Rollback = []
    with AttachmentLock(attachment), Socket(NETLINK_ROUTE) as host:
        link = _host_end(host, args, previous)
        try:
            ifb = bandwidth.add(host, attachment, wanted, link, undo)
        except Exception as e:  # noqa: BLE001  whatever failed, all must be as before; the caller reports it
            failure = to_cni(e)
            for words in roll_back(undo):
                failure.add(words)
            raise failure from None
    if ifb is not None and not any(i.name == ifb.name and not i.sandbox for i in previous.interfaces):
        mtu = ifb.mtu if at_least(conf.cni_version, "1.1.0") else 0  # a key of 1.1.0
        previous.interfaces.append(Interface(ifb.name, mac_text(ifb.mac), mtu))
    return previous


def _host_end(host: Socket, args: Args, previous: Result) -> Link:
    """Return the host's end of the container's pair: one that prevResult lists, and that leads into the namespace.

    That they are one pair is the host's word: the container chooses every number inside.  CniError 100 without one.
    """
    if not previous.interfaces:
        raise CniError(KERNEL_REFUSED, "no interfaces provided")
    with open_netns(args.netns, args.netns_override) as netns:
        with netns.inside(lambda: Socket(NETLINK_ROUTE)) as container:
            inside = Link(container.do(get_link(args.ifname))[0].one())
        pair = (nsid_of(host, netns), inside.ifindex)
        for name in [i.name for i in previous.interfaces if not i.sandbox]:
            answer = host.ask(get_link(name))[0]
            link = Link(answer.one()) if answer.error is None else None
            if link is not None and link.name == name and link.kind == "veth" and (link.netnsid, link.peer) == pair:
                return link
    raise CniError(KERNEL_REFUSED, "no veth peer of container interface found in host ns", f"of {args.ifname}")


def delete(args: Args, conf: NetConf) -> None:
    """Remove the limits of a host end that exists, the redirection before the ifb to which it leads.

    Whatever of the call cannot be used, the ifb is deleted.
    """
    attachment = _attachment(args, conf)
    with AttachmentLock(attachment), Socket(NETLINK_ROUTE) as host:
        ifbs = bandwidth.links_of(host, attachment, both=True)
        link = _host_end_if_any(host, args, conf)
        if link is not None:
            _unlimit(host, conf, link)
        for other in leading_to(host, ifbs) if ifbs else []:
            stop(host, other)
        for deletion in [Deletion(host, ifb) for ifb in ifbs]:
            deletion.wait()


def _host_end_if_any(host: Socket, args: Args, conf: NetConf) -> Link | None:
    try:
        previous = conf.prev_result()
        return _host_end(host, args, previous) if previous is not None and args.netns else None
    except (CniError, OSError):
        return None  # the pair was deleted, and its qdiscs with it


def _unlimit(host: Socket, conf: NetConf, link: Link) -> None:
    try:
        wanted = limits_of(conf)
    except CniError:
        return  # with such limits there was no ADD
    if wanted is not None and wanted.ingress is not None:
        bandwidth.unlimit(host, link)
    if wanted is not None and wanted.egress is not None:
        stop_unfinished(host, link)


def check(args: Args, conf: NetConf) -> None:
    """Raise CniError 105 if a limit is not as ADD left it."""
    wanted = limits_of(conf)
    previous = previous_of(conf, "must be called as a chained plugin")
    if wanted is None:
        return
    with Socket(NETLINK_ROUTE) as host:
        link = _host_end(host, args, previous)
        words = bandwidth.differences(host, _attachment(args, conf), wanted, link)
    if words:
        raise CniError(CHECK_FAILED, f"check bandwidth of {_attachment(args, conf)}", "; ".join(words))


def gc(conf: NetConf, valid: list[Attachment]) -> None:
    """Delete the ifb links of the network's other attachments."""
    from ..commands.gc import gc_ifbs

    with Socket(NETLINK_ROUTE) as host:
        refused = gc_ifbs(host, conf.name, {attachment.alias() for attachment in valid})
    if refused:
        raise CniError(KERNEL_REFUSED, f"collect what is stale of network {conf.name}", "; ".join(refused))


def status(conf: NetConf) -> None:
    """Raise CniError 50 if the kernel has no links of kind ifb."""
    limits_of(conf)
    refusal = bandwidth.why_unavailable()
    if refusal:
        raise CniError(PLUGIN_NOT_AVAILABLE, "ADD cannot be served now", refusal)
