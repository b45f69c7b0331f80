"""The plugin bandwidth: a container's limits, where another plugin made its pair.

Source: plugins/meta/bandwidth of containernetworking/plugins; docs/bandwidth.md.
"""

from __future__ import annotations

from ..base.errors import CHECK_FAILED, KERNEL_REFUSED, CniError
from ..cni.attachment import Attachment
from ..cni.conf import bandwidth as limits_of
from ..cni.conf import mac_text
from ..cni.result import Interface
from ..cni.versions import at_least
from ..commands.gc import gc_ifbs
from ..commands.lock import AttachmentLock
from ..netlink.rt_link import Link, get_link
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..netlink.tc import del_ingress, del_root
from ..shaping import bandwidth
from ..system.netns import open_netns
from ..veth.unnamed import nsid_of
from .previous import previous_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.args import Args
    from ..cni.conf import NetConf
    from ..cni.result import Result


def _attachment(args: Args, conf: NetConf) -> Attachment:
    return Attachment(conf.name, args.containerid, args.ifname)


def add(args: Args, conf: NetConf) -> Result:
    """Limit what the container sends and receives; return prevResult with the ifb.  A failure leaves nothing."""
    wanted = limits_of(conf)
    previous = previous_of(conf, "must be called as chained plugin")
    if wanted is None:
        return previous
    attachment = _attachment(args, conf)
    with AttachmentLock(attachment), Socket(NETLINK_ROUTE) as host:
        link = _host_end(host, args, previous)
        try:
            ifb = bandwidth.add(host, attachment, wanted, link)
        except BaseException:
            _undo(host, attachment, link)
            raise
    if ifb is not None:
        mtu = ifb.mtu if at_least(conf.cni_version, "1.1.0") else 0  # a key of 1.1.0
        previous.interfaces.append(Interface(ifb.name, mac_text(ifb.mac), mtu))
    return previous


def _undo(host: Socket, attachment: Attachment, link: Link) -> None:
    """Take back what there may be, the ingress qdisc before the ifb: all that it leads there would be dropped."""
    host.ask(del_root(link.ifindex, link.name), del_ingress(link.ifindex, link.name))
    bandwidth.remove_own(host, attachment)


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
    """Delete the ifb, and before it what leads to it; the pair may be there or not."""
    limits_of(conf)
    attachment = _attachment(args, conf)
    previous = conf.prev_result()
    with AttachmentLock(attachment), Socket(NETLINK_ROUTE) as host:
        ifbs = bandwidth.links_of(host, attachment, both=True)
        if previous is not None and ifbs and args.netns:
            try:
                link = _host_end(host, args, previous)
                host.ask(del_ingress(link.ifindex, link.name))
            except CniError:
                pass  # the pair is gone, and its qdisc with it
        bandwidth.delete(host, ifbs)


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
    with Socket(NETLINK_ROUTE) as host:
        refused = gc_ifbs(host, conf.name, {attachment.alias() for attachment in valid})
    if refused:
        raise CniError(KERNEL_REFUSED, f"collect what is stale of network {conf.name}", "; ".join(refused))


def status(conf: NetConf) -> None:
    """Return if the limits can be read; what the kernel has is only known by trying."""
    limits_of(conf)
