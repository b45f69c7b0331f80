"""An attachment compared with what its ADD made: what CHECK, list, show, doctor, check and repair tell of it.

What later plugins of the chain may change is let pass: further addresses and routes, routes moved to another table,
an MTU that the configuration does not give.
Source: CNI SPEC.md "CHECK".
"""

from __future__ import annotations

import errno
import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..base.errors import INVALID_NETWORK_CONFIG, CniError
from ..cni.attachment import Attachment
from ..cni.conf import NetConf, mac_text, ptp_settings
from ..cni.result import Address, Interface, Route
from ..ipam.source import ipam_for
from ..netlink.rt_link import Link, get_link
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system import sysctl
from ..system.netns import Netns, is_same_file, open_netns
from ..veth.container_end import ContainerEnd
from ..veth.find import host_end
from ..veth.host_end import HostEnd
from ..veth.mark import ForeignLink
from ..veth.plan import Plan, plan
from ..veth.unnamed import Clues, listed_end, nsid_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.args import Args
    from ..firewall.nft_view import Firewall


class View:
    """The sockets by which comparisons look at the host; many comparisons can share one view."""

    __slots__ = ("host", "_firewall")

    def __init__(self) -> None:
        self.host = Socket(NETLINK_ROUTE)
        self._firewall: Firewall | None = None

    def firewall(self) -> Firewall:
        """Return the view of nf_tables, which is made when the first attachment needs it."""
        if self._firewall is None:
            from ..firewall.nft_view import Firewall

            self._firewall = Firewall()
        return self._firewall

    def forget(self) -> None:
        """Read the firewall anew from now on."""
        if self._firewall is not None:
            self._firewall.forget()

    def __enter__(self) -> View:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the sockets."""
        self.host.__exit__()
        if self._firewall is not None:
            self._firewall.__exit__()


class Differences:
    """One attachment, compared.  args: as for CHECK.  conf: with the result of ADD as prevResult.

    words: each difference in a sentence.  CniError if the configuration cannot be used, or prevResult is missing.
    """

    def __init__(self, args: Args, conf: NetConf) -> None:
        self.args = args
        self.conf = conf
        self.settings = ptp_settings(conf, args)
        previous = conf.prev_result()
        if previous is None:
            raise CniError(INVALID_NETWORK_CONFIG, "ptp: Required prevResult missing")
        self.previous = previous
        self.ipam = ipam_for(conf, args)
        self.attachment = Attachment(conf.name, args.containerid, args.ifname)
        self.words: list[str] = []

    def look(self, view: View) -> None:
        """Compare everything but the lease.  CniError 8 if the namespace cannot be used."""
        with open_netns(self.args.netns, self.args.netns_override) as netns:
            _Look(self, view, netns).look()

    def look_at_lease(self) -> None:
        """Ask the IPAM, which may be another program.  CniError 105 of the IPAM if there is no other difference."""
        try:
            self.ipam.check(self.previous)
        except CniError as e:
            if not self.words:
                raise
            self.words.append(str(e))


class _Look:
    """One look at an attachment whose namespace is open."""

    def __init__(self, differences: Differences, view: View, netns: Netns) -> None:
        self.attachment = differences.attachment
        self.conf = differences.conf
        self.settings = differences.settings
        self.previous = differences.previous
        self.ipam = differences.ipam
        self.words = differences.words
        self.view = view
        self.netns = netns

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
        with self.netns.inside(lambda: Socket(NETLINK_ROUTE)) as container:
            link = self._container_link(container, wanted)
            if link is None:
                return
            end = ContainerEnd(self.netns, container, link)
            self.words += end.addresses(ips)
            self.words += end.routes(planned)
            host_name = self._host_end(self.view.host, link, planned)
        self._forwarding(ips, host_name)
        self._packet_filter(ips)

    def _packet_filter(self, ips: list[Address]) -> None:
        addresses = [ip.address for ip in ips]
        if self.settings.ip_masq:
            self._masquerading(ips)
        if self.settings.anti_spoof:
            from ..firewall import antispoof_check

            self.words += antispoof_check.differences(self.view.firewall(), self.attachment, addresses)
        if self.settings.port_mappings is not None:
            from ..firewall import portmap_check

            mappings = self.settings.port_mappings
            self.words += portmap_check.differences(self.view.firewall(), self.attachment, mappings, addresses)

    def _masquerading(self, ips: list[Address]) -> None:
        from ..firewall import masquerade_check

        options = self.settings.ip_masq_options
        addresses = [(ip.address, ip.length) for ip in ips]
        if options is not None:
            addresses = options.masqueraded(addresses)
        if addresses:
            backend = self.settings.ip_masq_backend
            firewall = self.view.firewall()
            self.words += masquerade_check.differences(firewall, self.attachment, backend, addresses, options)

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
        end = HostEnd(host, link)
        self.words += end.link_itself(self.attachment, self.previous, self.settings.anti_spoof)
        if self.settings.bandwidth is not None:
            from ..shaping import bandwidth

            self.words += bandwidth.differences(host, self.attachment, self.settings.bandwidth, link)
        self.words += end.mtu(self.previous, self.settings.mtu, container_link)
        self.words += end.addresses(planned.gateways)
        self.words += end.routes(planned.host_routes)
        return link.name

    def _clues(self) -> Clues:
        from .clues import clues

        return clues(self.conf, self.ipam, self.attachment, self.previous, self.netns)

    def _forwarding(self, ips: list[Address], host_name: str) -> None:
        for size in sorted({len(ip.address) for ip in ips}):
            setting = sysctl.does_not_forward(size, host_name)
            if setting:
                self.say(f"the host does not forward: sysctl net/{setting} is not 1")
