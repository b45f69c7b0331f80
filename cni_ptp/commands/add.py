"""ADD: the container is joined to the host, or everything is as before."""

from __future__ import annotations

from ..base.errors import CniError, to_cni
from ..base.undo import roll_back
from ..cni.args import Args
from ..cni.attachment import Attachment
from ..cni.conf import AUTO, NetConf, PtpSettings, mac_text, ptp_settings
from ..cni.result import Interface, Result
from ..cni.result_write import merged, render
from ..cni.versions import at_least
from ..ipam.source import ipam_for
from ..ipam.validate import refuse_small_mtu, validate
from ..netlink.rt_link import Link, get_link_by_index
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system import signals, sysctl
from ..system.netns import Netns, open_netns
from ..veth import pair
from ..veth.holders import held, in_use
from ..veth.plan import container_requests, plan
from .checkpoint import checkpoint, log_step
from .lock import AttachmentLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..base.undo import Rollback
    from ..firewall.nft_table import Element
    from ..ipam.protocol import Ipam


def add(args: Args, conf: NetConf, reply: Callable[[dict[str, Any]], None]) -> None:
    """Make the attachment and call `reply` with its result; or raise an error and leave nothing.

    What could not be taken back stands in the error's details.
    """
    settings = ptp_settings(conf, args)
    previous = conf.prev_result()
    ipam = ipam_for(conf, args)
    attachment = Attachment(conf.name, args.containerid, args.ifname)
    with open_netns(args.netns, args.netns_override) as netns, AttachmentLock(attachment):
        undo: Rollback = []
        try:
            result = _attach(attachment, settings, ipam, conf, netns, undo)
            checkpoint("host end")
            if not at_least(conf.cni_version, "1.1.0"):
                for interface in result.interfaces:
                    interface.mtu = 0  # a key of 1.1.0
            reply(render(merged(previous, result), conf.cni_version))
            log_step("reply")
        except Exception as e:  # noqa: BLE001  whatever failed, the host must be as before; the caller reports it
            log_step("failed step")
            signals.undoing()
            left = roll_back(undo)
            log_step("undo")
            failure = to_cni(e)
            for words in left:
                failure.add(words)
            raise failure from None


def _attach(
    attachment: Attachment, settings: PtpSettings, ipam: Ipam, conf: NetConf, netns: Netns, undo: Rollback
) -> Result:
    with Socket(NETLINK_ROUTE) as host, netns.inside(lambda: Socket(NETLINK_ROUTE)) as container:
        pair.refuse_existing(host, container, attachment)
        checkpoint("prepare")
        result = _allocate(host, settings, ipam, conf, undo)
        checkpoint("ipam")
        if settings.ip_masq:
            _masquerade(attachment, settings, result, undo)
            checkpoint("masquerade")
        host_link, container_link = _join(host, container, attachment, settings, result, netns, undo)
        if settings.port_mappings is not None:
            from ..firewall import portmap

            portmap.attach(attachment, settings.port_mappings, [ip.address for ip in result.ips], undo)
            checkpoint("port mappings")
        ifb = None
        if settings.bandwidth is not None:
            from ..shaping import bandwidth

            ifb = bandwidth.attach(host, attachment, settings.bandwidth, host_link, undo)
            checkpoint("bandwidth")
    result.interfaces = [
        Interface(host_link.name, mac_text(host_link.mac), host_link.mtu),
        Interface(attachment.ifname, mac_text(container_link.mac), container_link.mtu, netns.path),
    ]
    if ifb is not None:
        result.interfaces.append(Interface(ifb.name, mac_text(ifb.mac), ifb.mtu))
    for ip in result.ips:
        ip.interface = 1
    if settings.dns.given():
        result.dns = settings.dns
    return result


def _allocate(host: Socket, settings: PtpSettings, ipam: Ipam, conf: NetConf, undo: Rollback) -> Result:
    """Return what the IPAM gives, once it is known to be usable and nobody else's."""
    types: dict[bytes, int] = {}
    result = ipam.add(lambda addresses: held(host, addresses, types))
    undo.append(("release the addresses", ipam.delete))
    validate(result, conf.ipam.text("type") if conf.ipam else "")
    if settings.mtu == AUTO:
        from ..veth.uplink import mtu_of_uplinks

        settings.mtu = mtu_of_uplinks(host)
    refuse_small_mtu(settings.mtu, result.ips)
    # Before anything of a neighbour that has an address is changed: its masquerading, its guard, its route.
    _refuse_in_use(host, result, types)
    return result


def _join(
    host: Socket,
    container: Socket,
    attachment: Attachment,
    settings: PtpSettings,
    result: Result,
    netns: Netns,
    undo: Rollback,
) -> tuple[Link, Link]:
    """Make the pair, its addresses and its routes; return both ends, the host's first."""
    planned = plan(result.ips, result.routes)
    if settings.anti_spoof:  # taken back after the pair: no end that is up is without it
        undo.append(("take back the guard against spoofing", lambda: _unguard(attachment)))
    host_link, ifindex = pair.make(host, attachment, settings, planned, netns, undo)
    checkpoint("pair")
    exposed = pair.prepare_ipv6(host_link.name, attachment.ifname, planned, netns)
    if exposed and not settings.anti_spoof:
        undo.insert(-1, ("take back the guard of an exposed end", lambda: _unguard(attachment)))  # as above
    if settings.anti_spoof or exposed:
        _guard(attachment, result, Link(container.do(get_link_by_index(ifindex))[0].one()).mac, exposed)
        checkpoint("guard")
    container.do(*container_requests(planned, ifindex, attachment.ifname))
    checkpoint("container end")
    pair.finish_host_end(host, host_link, attachment, planned)
    _forward({len(ip.address) for ip in planned.ips})
    container_link = pair.wait_until_up(container, ifindex)
    pair.wait_for_ipv6_addresses(container, [ip.address for ip in planned.ips if len(ip.address) == 16])
    pair.wait_for_ipv6_addresses(host, [gateway for gateway in planned.gateways if len(gateway) == 16])
    return host_link, container_link


def _refuse_in_use(host: Socket, result: Result, types: dict[bytes, int]) -> None:
    """Raise CniError 100 if an address is in use, or if a gateway is routed to somebody.  types: see `held`."""
    gateways = [gateway for gateway in {ip.gateway for ip in result.ips} if gateway is not None]
    some = in_use(host, [ip.address for ip in result.ips], gateways, types)
    if some:
        from ..veth.host_route import refuse

        for address, own_allowed in some.items():
            refuse(host, address, own_allowed)


def _masquerade(attachment: Attachment, settings: PtpSettings, result: Result, undo: Rollback) -> None:
    """Masquerade the addresses before the veth is made.

    A rule for an address that is not in use yet harms nobody, and a host that cannot masquerade is found out before
    there is an interface.
    """
    from ..firewall import masquerade_add
    from ..firewall.session import Session

    addresses = [(ip.address, ip.length) for ip in result.ips]
    options = settings.ip_masq_options
    if options is not None:
        addresses = options.masqueraded(addresses)
        if not addresses:
            return
    known = [address for address, _ in addresses]
    taken: list[Element] = []
    with Session(attachment, settings.ip_masq_backend) as session:
        undo.append(("take back the masquerading", lambda: masquerade_add.undo(session, known, taken)))
        masquerade_add.add(session, addresses, options.variants if options is not None else {}, taken)


def _guard(attachment: Attachment, result: Result, mac: bytes, exposed: bool) -> None:
    """Let no packet with a false source in: called before the ends are up."""
    from ..firewall import antispoof

    try:
        with antispoof.open_socket() as sock:
            antispoof.add(sock, attachment, [ip.address for ip in result.ips], mac)
    except (CniError, OSError) as e:
        failure = to_cni(e)
        if exposed:
            from ..veth.advertisements import EXPOSED

            failure.add(EXPOSED)
        raise failure from None


def _unguard(attachment: Attachment) -> None:
    from ..firewall import antispoof

    with antispoof.open_socket() as sock:
        antispoof.remove(sock, attachment)


def _forward(sizes: set[int]) -> None:
    """Make the host forward addresses of these sizes (bytes): the whole host, and it stays so when containers go."""
    for size in sizes:
        if not sysctl.is_on(sysctl.FORWARDING[size]):
            from ..veth.host_settings import forward

            forward(size)
