"""An attachment put back as its ADD made it, while its container runs: for people, by `ptp repair`.

Each part is what ADD does, asked for again; that it exists already is success.  What cannot be made again, such as a
deleted pair, is reported by the comparison afterwards.
"""

from __future__ import annotations

from ..base import errnos
from ..base.errors import INVALID_NETWORK_CONFIG, KERNEL_REFUSED, CniError, to_cni
from ..cni.attachment import Attachment
from ..cni.conf import AUTO, NetConf, PtpSettings, ptp_settings
from ..ipam.source import ipam_for
from ..netlink.rt_link import Link, get_link
from ..netlink.rt_link_set import set_mtu
from ..netlink.sock import NETLINK_NETFILTER, NETLINK_ROUTE, Socket
from ..system.netns import Netns, open_netns
from ..veth import pair
from ..veth.find import host_end
from ..veth.host_settings import forward
from ..veth.mark import ForeignLink
from ..veth.plan import container_requests, host_requests, plan
from ..veth.unnamed import nsid_of
from .clues import clues
from .lock import AttachmentLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..cni.args import Args
    from ..cni.result import Address, Result
    from ..ipam.protocol import Ipam
    from ..nlmsg import Request


def repair(args: Args, conf: NetConf) -> list[str]:
    """Make again what is missing; return what failed, in words.

    args: as for CHECK.  conf: with the result of ADD as prevResult.  CniError 100 if there is no pair any more, 8
    without the namespace.
    """
    settings = ptp_settings(conf, args)
    previous = conf.prev_result()
    if previous is None:
        raise CniError(INVALID_NETWORK_CONFIG, "repair an attachment", "its result is not known")
    ipam = ipam_for(conf, args)
    attachment = Attachment(conf.name, args.containerid, args.ifname)
    with open_netns(args.netns, args.netns_override) as netns, AttachmentLock(attachment):
        with Socket(NETLINK_ROUTE) as host, netns.inside(lambda: Socket(NETLINK_ROUTE)) as container:
            link, inside = _pair(host, container, attachment, conf, ipam, previous, netns)
            job = _Repair(attachment, settings, previous, host, container, link, inside)
            for part in (
                job.wake,
                job.guard,
                job.masquerading,
                lambda: job.ends(netns),
                job.forwarding,
                job.mtus,
                job.ports,
            ):
                job.attempt(part)
            job.attempt(job.limits)
            job.attempt(lambda: ipam.restore(previous))
    return job.failures


def _pair(
    host: Socket, container: Socket, attachment: Attachment, conf: NetConf, ipam: Ipam, previous: Result, netns: Netns
) -> tuple[Link, Link]:
    """Return both ends of the pair, known to be one by the host's word.  CniError 100 if they are not."""
    about = f"repair {attachment}"
    try:
        link = host_end(host, attachment, lambda: clues(conf, ipam, attachment, previous, netns))
    except ForeignLink as e:
        raise CniError(KERNEL_REFUSED, about, f"its host interface's name has {e.link.name} of somebody else") from None
    answer = container.ask(get_link(attachment.ifname))[0]
    inside = Link(answer.one()) if answer.error is None else None
    if link is None or inside is None or (link.netnsid, link.peer) != (nsid_of(host, netns), inside.ifindex):
        raise CniError(KERNEL_REFUSED, about, "the pair does not exist any more: restart the container")
    return link, inside


class _Repair:
    """One repair.  failures: what could not be made again, in words."""

    def __init__(
        self,
        attachment: Attachment,
        settings: PtpSettings,
        previous: Result,
        host: Socket,
        container: Socket,
        link: Link,
        inside: Link,
    ) -> None:
        self.attachment = attachment
        self.settings = settings
        self.previous = previous
        self.host = host
        self.container = container
        self.link = link
        self.inside = inside
        own = [n for n, interface in enumerate(previous.interfaces) if interface.name == attachment.ifname]
        self.ips: list[Address] = [ip for ip in previous.ips if ip.interface is None or ip.interface in own]
        self.failures: list[str] = []

    def attempt(self, part: Callable[[], object]) -> None:
        """Do one part; a failure keeps none of the others from being done."""
        try:
            part()
        except Exception as e:  # noqa: BLE001  as above
            self.failures.append(str(to_cni(e)))

    def wake(self) -> None:
        """Turn our tables on, should somebody have made them dormant."""
        from ..firewall.nft_compare import wake
        from ..firewall.nft_table import GUARD, GUARD_ARP, LAYOUTS, PORTMAP

        with Socket(NETLINK_NETFILTER) as sock:
            wake(sock, [*[table for layout in LAYOUTS for table, _ in layout], GUARD, GUARD_ARP, PORTMAP])

    def guard(self) -> None:
        """Make the guard first: what follows lets the container send."""
        if self.settings.anti_spoof:
            from ..firewall import antispoof

            with antispoof.open_socket() as sock:
                antispoof.add(sock, self.attachment, [ip.address for ip in self.ips], self.inside.mac)

    def masquerading(self) -> None:
        """Make the masquerading of each address."""
        options = self.settings.ip_masq_options
        addresses = [(ip.address, ip.length) for ip in self.ips]
        if options is not None:
            addresses = options.masqueraded(addresses)
        if self.settings.ip_masq and addresses:
            from ..firewall import masquerade_add
            from ..firewall.session import Session

            with Session(self.attachment, self.settings.ip_masq_backend) as session:
                variants = options.variants if options is not None else {}
                masquerade_add.add(session, addresses, variants, [])

    def ends(self, netns: Netns) -> None:
        """Make the settings, addresses and routes of both ends, and set them up."""
        planned = plan(self.ips, self.previous.routes)
        pair.prepare_ipv6(self.link.name, self.attachment.ifname, planned, netns)
        alias = self.attachment.alias()
        self._ask(self.host, host_requests(planned, self.link.ifindex, self.link.name, alias))
        self._ask(self.container, container_requests(planned, self.inside.ifindex, self.attachment.ifname))

    def _ask(self, sock: Socket, requests: list[Request]) -> None:
        for answer in sock.ask(*requests):
            if answer.error is not None and answer.error.errno != errnos.EEXIST:
                self.failures.append(str(answer.error))

    def forwarding(self) -> None:
        """Make the host forward each family in use."""
        for size in {len(ip.address) for ip in self.ips}:
            forward(size)

    def mtus(self) -> None:
        """Give both ends the MTU that ADD gave them, as far as it is known."""
        listed = {(i.name, bool(i.sandbox)): i.mtu for i in self.previous.interfaces}
        configured = self.settings.mtu if self.settings.mtu != AUTO else 0
        for sock, link, in_container in ((self.host, self.link, False), (self.container, self.inside, True)):
            mtu = listed.get((link.name, in_container)) or configured
            if mtu and mtu != link.mtu and configured:
                sock.do(set_mtu(link.ifindex, link.name, mtu))

    def ports(self) -> None:
        """Make the port mappings."""
        if self.settings.port_mappings is not None:
            from ..firewall import portmap

            portmap.add(self.attachment, self.settings.port_mappings, [ip.address for ip in self.ips])

    def limits(self) -> None:
        """Make the limits of bandwidth, unless they are right: anew is a moment without them."""
        wanted = self.settings.bandwidth
        if wanted is not None:
            from ..netlink.tc import del_ingress
            from ..shaping import bandwidth

            if bandwidth.differences(self.host, self.attachment, wanted, self.link):
                self.host.ask(del_ingress(self.link.ifindex, self.link.name))
                bandwidth.add(self.host, self.attachment, wanted, self.link, [])
