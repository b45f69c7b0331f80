"""CHECK: the attachment is as ADD left it, or the error names every difference.

What later plugins of the chain may change is let pass: further addresses and routes, routes moved to another table,
an MTU that the configuration does not give.
Source: CNI SPEC.md "CHECK".
"""

from __future__ import annotations

import errno
import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..base.errors import CHECK_FAILED, INVALID_NETWORK_CONFIG, CniError, NetlinkError
from ..base.ip import bits, cidr_text, text_of
from ..cni.args import Args
from ..cni.attachment import ALIAS_PREFIX, Attachment
from ..cni.conf import AUTO, NetConf, PtpSettings, mac_text, ptp_settings
from ..cni.result import Address, Interface, Result, Route
from ..ipam.source import ipam_for
from ..netlink.rt_addr_dump import Addr, dump_addrs
from ..netlink.rt_link import Link, get_link, get_link_by_index
from ..netlink.rt_route import FibRoute, get_route, is_no_route
from ..netlink.rt_route_read import read_route
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system import sysctl
from ..system.netns import Netns, is_same_file, open_netns
from ..veth.container_end import ContainerEnd
from ..veth.find import host_end
from ..veth.mark import ForeignLink
from ..veth.plan import Plan, plan
from ..veth.unnamed import Clues, listed_end, nsid_of
from .checkpoint import log_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..ipam.protocol import Ipam


def check(args: Args, conf: NetConf) -> None:
    """Return if all is as it should be; else raise CniError 105 whose details list the differences."""
    settings = ptp_settings(conf, args)
    previous = conf.prev_result()
    if previous is None:
        raise CniError(INVALID_NETWORK_CONFIG, "ptp: Required prevResult missing")
    ipam = ipam_for(conf, args)
    attachment = Attachment(conf.name, args.containerid, args.ifname)
    with open_netns(args.netns, args.netns_override) as netns:
        differences = Differences(attachment, conf, settings, previous, netns, ipam)
        differences.look()
    log_step("compare")
    try:
        ipam.check(previous)
    except CniError as e:
        if not differences.words:
            raise
        differences.words.append(str(e))
    finally:
        log_step("ipam")
    if differences.words:
        raise CniError(
            CHECK_FAILED, f"check {attachment}: {len(differences.words)} differences", "; ".join(differences.words)
        )


class Differences:
    """One look at an attachment.  words: each difference in a sentence."""

    def __init__(
        self, attachment: Attachment, conf: NetConf, settings: PtpSettings, previous: Result, netns: Netns, ipam: Ipam
    ) -> None:
        self.attachment = attachment
        self.conf = conf
        self.settings = settings
        self.previous = previous
        self.netns = netns
        self.ipam = ipam
        self.words: list[str] = []

    def say(self, words: str) -> None:
        """Note a difference."""
        self.words.append(words)

    def look(self) -> None:
        """Compare everything but the lease."""
        index = self._interface_index()
        if index < 0:
            name = self.attachment.ifname
            self.say(f"Sandbox in prevResult doesn't match configured netns: {self.netns.path}, interface {name}")
            return
        wanted = self.previous.interfaces[index]
        ips = [ip for ip in self.previous.ips if ip.interface in (None, index)]
        planned = plan(ips, [self._as_configured(route) for route in self.previous.routes])
        with Socket(NETLINK_ROUTE) as host, self.netns.inside(lambda: Socket(NETLINK_ROUTE)) as container:
            link = self._container_link(container, wanted)
            if link is None:
                return
            end = ContainerEnd(self.netns, container, link)
            self.words += end.addresses(ips)
            self.words += end.routes(planned)
            host_name = self._host_end(host, link, planned)
        self._forwarding(ips, host_name)
        self._packet_filter(ips)

    def _packet_filter(self, ips: list[Address]) -> None:
        addresses = [ip.address for ip in ips]
        if self.settings.ip_masq:
            self._masquerading(ips)
        if self.settings.anti_spoof:
            from ..firewall import antispoof_check

            self.words += antispoof_check.differences(self.attachment, addresses)
        if self.settings.port_mappings is not None:
            from ..firewall import portmap_check

            self.words += portmap_check.differences(self.attachment, self.settings.port_mappings, addresses)

    def _masquerading(self, ips: list[Address]) -> None:
        from ..firewall import masquerade_check

        options = self.settings.ip_masq_options
        addresses = [(ip.address, ip.length) for ip in ips]
        if options is not None:
            addresses = options.masqueraded(addresses)
        if addresses:
            backend = self.settings.ip_masq_backend
            self.words += masquerade_check.differences(self.attachment, backend, addresses, options)

    def _as_configured(self, route: Route) -> Route:
        """Return the route of prevResult with its configured scope, which plugins from before CNI 1.1 drop.

        Without it the route would be one by the default gateway.
        """
        if route.gw is None and route.scope is None and self.conf.ipam is not None:
            from ..ipam.settings import routes_of

            try:
                configured = routes_of(self.conf.ipam)
            except CniError:  # only another IPAM's routes can be of another kind: ours were read before
                return route
            same = [r.scope for r in configured if (r.dst, r.length, r.gw) == (route.dst, route.length, None)]
            route.scope = same[0] if same else None
        return route

    def _interface_index(self) -> int:
        """Return which interface of prevResult is the container's end; -1 if none is."""
        for i, interface in enumerate(self.previous.interfaces):
            if interface.name == self.attachment.ifname and self._is_sandbox(interface.sandbox):
                return i
        return -1

    def _is_sandbox(self, path: str) -> bool:
        if path == self.netns.path:
            return True
        try:
            return bool(path) and is_same_file(os.stat(path), os.fstat(self.netns.fd))
        except (OSError, ValueError):
            return False

    def _container_link(self, container: Socket, wanted: Interface) -> Link | None:
        name = self.attachment.ifname
        answer = container.ask(get_link(name))[0]
        if answer.error is not None:
            if answer.error.errno != errno.ENODEV:
                raise answer.error
            self.say(f"interface {name} is not in the container")
            return None
        link = Link(answer.one())
        if link.kind != "veth":
            self.say(f"interface {name} is not of type veth, but {link.kind or 'of no type'}")
            return None
        if not link.up:
            self.say(f"interface {name} is down")
        if wanted.mac and wanted.mac.lower() != mac_text(link.mac):
            self.say(f"interface {name} has MAC {mac_text(link.mac)}, not {wanted.mac}")
        if self.settings.mtu and wanted.mtu and wanted.mtu != link.mtu and not self._is_mtu_tuned():
            self.say(f"interface {name} has mtu {link.mtu}, not {wanted.mtu}")
        return link

    def _is_mtu_tuned(self) -> bool:
        from .tuned import has_tuned_mtu

        return has_tuned_mtu(self.attachment)

    def _host_end(self, host: Socket, container_link: Link, planned: Plan) -> str:
        """Compare the host end; return its name, "" if there is none."""
        try:
            link = host_end(host, self.attachment, self._clues) or listed_end(host, self._clues())
        except ForeignLink as e:
            link = e.link
        # That they are one pair is the host's word: the container chooses every number inside.
        pair = (nsid_of(host, self.netns), container_link.ifindex)
        if link is None or link.kind != "veth" or (link.netnsid, link.peer) != pair:
            self.say(f"the other end of {container_link.name} is not in the host's network namespace")
            return ""
        self._host_link(host, link)
        if self.settings.bandwidth is not None:
            from ..shaping import bandwidth

            self.words += bandwidth.differences(host, self.attachment, self.settings.bandwidth, link)
        self._host_mtu(link, container_link)
        listed = [Addr(r) for r in host.dump(dump_addrs(link.ifindex, link.name)).read()]
        there = {(a.address, a.length) for a in listed if a.ifindex == link.ifindex}
        for gateway in planned.gateways:
            if (gateway, bits(gateway)) not in there:
                self.say(f"host interface {link.name} has no address {cidr_text(gateway, bits(gateway))}")
        for route in planned.host_routes:
            self._host_route(host, link, route)
        return link.name

    def _clues(self) -> Clues:
        from .clues import clues

        return clues(self.conf, self.ipam, self.attachment, self.previous, self.netns)

    def _host_link(self, host: Socket, link: Link) -> None:
        listed = [i for i in self.previous.interfaces if not i.sandbox and i.name == link.name]
        if not listed:
            self.say(f"host interface {link.name} is not the one of prevResult")
        for interface in listed:
            if interface.mac and interface.mac.lower() != mac_text(link.mac):
                self.say(f"host interface {link.name} has MAC {mac_text(link.mac)}, not {interface.mac}")
        if self.settings.anti_spoof and link.name != self.attachment.host_veth():
            self.say(f"host interface {link.name} was renamed: nothing keeps it from spoofing")
        if not link.up:
            self.say(f"host interface {link.name} is down")
        if link.master:
            self.say(f"host interface {link.name} is a port of {self._name(host, link.master)}: it routes nothing")
        ours = link.name == self.attachment.host_veth() or link.alias.startswith(ALIAS_PREFIX)
        if ours and link.alias != self.attachment.alias():
            self.say(f'host interface {link.name} has alias "{link.alias}", not "{self.attachment.alias()}"')

    def _host_mtu(self, link: Link, container_link: Link) -> None:
        """Compare a configured MTU; where none is, later plugins may choose, as long as the packets get through.

        Source: include/linux/netdevice.h __is_skb_forwardable(): a veth drops what is longer than its own MTU.
        """
        listed = (i.mtu for i in self.previous.interfaces if not i.sandbox and i.name == link.name and i.mtu)
        wanted = next(listed, self.settings.mtu)
        if self.settings.mtu and wanted not in (AUTO, link.mtu):
            self.say(f"host interface {link.name} has mtu {link.mtu}, not {wanted}")
        elif container_link.mtu > link.mtu:
            words = f"interface {container_link.name} has mtu {container_link.mtu}, more than the {link.mtu} of "
            self.say(f"{words}host interface {link.name}: longer packets are dropped")

    def _host_route(self, host: Socket, link: Link, route: FibRoute) -> None:
        answer = host.ask(get_route(route.dst))[0]
        if answer.error is not None:
            if not is_no_route(answer.error):
                raise answer.error
            self.say(f"the host has no route {route} dev {link.name}")
            return
        found = read_route(answer.one())
        if found.length != route.length:
            self.say(f"the host has no route {route} dev {link.name}")
        elif found.ifindex != link.ifindex:
            self.say(f"the host routes {text_of(route.dst)} to {self._name(host, found.ifindex)}, not to {link.name}")

    def _name(self, host: Socket, ifindex: int) -> str:
        try:
            return Link(host.do(get_link_by_index(ifindex))[0].one()).name
        except NetlinkError:
            return f"link number {ifindex}"

    def _forwarding(self, ips: list[Address], host_name: str) -> None:
        for size in sorted({len(ip.address) for ip in ips}):
            setting = sysctl.does_not_forward(size, host_name)
            if setting:
                self.say(f"the host does not forward: sysctl net/{setting} is not 1")
