"""ADD: the container is joined to the host, or everything is as before."""

from __future__ import annotations

import time

from ..base import errnos
from ..base.errors import KERNEL_REFUSED, CniError, to_cni
from ..base.undo import roll_back
from ..cni.args import Args
from ..cni.attachment import Attachment
from ..cni.conf import AUTO, NetConf, PtpSettings, mac_text, ptp_settings
from ..cni.result import Interface, Result
from ..cni.result_write import merged, render
from ..cni.versions import at_least
from ..ipam.source import ipam_for
from ..ipam.validate import refuse_small_mtu, validate
from ..netlink.rt_link import IF_OPER_UP, Link, del_link, get_link, get_link_by_index, new_veth
from ..netlink.rt_route import RT_TABLE_LOCAL, get_route
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system import signals, sysctl
from ..system.netns import Netns, open_netns
from ..veth.holders import held, in_use
from ..veth.plan import Plan, container_requests, host_requests, plan, veth_ends
from .checkpoint import checkpoint, log_step
from .lock import AttachmentLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..base.undo import Rollback
    from ..firewall.nft_table import Element
    from ..ipam.protocol import Ipam

_READY_TRIES, _SETTLED_TRIES, _PAUSE_S = 200, 2000, 0.0005


def add(args: Args, conf: NetConf, reply: Callable[[dict[str, Any]], None]) -> None:
    """The attachment is made and `reply` was called with its result; or an error is raised and nothing is left.

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
        _refuse_if_there(host, container, attachment)
        checkpoint("prepare")
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
        checkpoint("ipam")
        planned = plan(result.ips, result.routes)
        if settings.ip_masq:
            _masquerade(attachment, settings, result, undo)
            checkpoint("masquerade")
        if settings.anti_spoof:  # taken back after the pair: no end that is up is without it
            undo.append(("take back the guard against spoofing", lambda: _unguard(attachment)))
        host_link, ifindex = _make_pair(host, attachment, settings, planned, netns, undo)
        checkpoint("pair")
        exposed = _prepare_ipv6(host_link.name, attachment.ifname, planned, netns)
        if exposed and not settings.anti_spoof:
            undo.insert(-1, ("take back the guard of an exposed end", lambda: _unguard(attachment)))  # as above
        if settings.anti_spoof or exposed:
            _guard(attachment, result, Link(container.do(get_link_by_index(ifindex))[0].one()).mac, exposed)
            checkpoint("guard")
        container.do(*container_requests(planned, ifindex, attachment.ifname))
        checkpoint("container end")
        _finish_host_end(host, host_link, attachment, planned)
        _forward({len(ip.address) for ip in planned.ips})
        container_link = _wait_until_up(container, ifindex)
        _wait_for_ipv6_addresses(container, [ip.address for ip in planned.ips if len(ip.address) == 16])
        _wait_for_ipv6_addresses(host, [gateway for gateway in planned.gateways if len(gateway) == 16])
    result.interfaces = [
        Interface(host_link.name, mac_text(host_link.mac), host_link.mtu),
        Interface(attachment.ifname, mac_text(container_link.mac), container_link.mtu, netns.path),
    ]
    for ip in result.ips:
        ip.interface = 1
    if settings.dns.given():
        result.dns = settings.dns
    return result


def _refuse_if_there(host: Socket, container: Socket, attachment: Attachment) -> None:
    """CniError 100 if the container has such an interface, or the host such a veth, already."""
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


def _refuse_in_use(host: Socket, result: Result, types: dict[bytes, int]) -> None:
    """CniError 100 if an address is in use, or if a gateway is routed to somebody.  types: see `held`."""
    gateways = [gateway for gateway in {ip.gateway for ip in result.ips} if gateway is not None]
    some = in_use(host, [ip.address for ip in result.ips], gateways, types)
    if some:
        from ..veth.host_route import refuse

        for address, own_allowed in some.items():
            refuse(host, address, own_allowed)


def _already_there(attachment: Attachment, details: str) -> CniError:
    names = f'container veth name ("{attachment.ifname}") peer provided ("{attachment.host_veth()}")'
    return CniError(KERNEL_REFUSED, f"{names} already exists", f"{details}; DEL of {attachment} removes it")


def _masquerade(attachment: Attachment, settings: PtpSettings, result: Result, undo: Rollback) -> None:
    """Before the veth is made: a rule for an address that is not in use yet harms nobody, and a host that can not
    masquerade is found out before there is an interface."""
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


def _make_pair(
    host: Socket, attachment: Attachment, settings: PtpSettings, planned: Plan, netns: Netns, undo: Rollback
) -> tuple[Link, int]:
    """(the host end, ifindex of the container end): the pair exists, both ends down."""
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
    from ..veth.mark import is_anothers, is_marked, named

    try:
        with Socket(NETLINK_ROUTE) as sock:
            link = named(sock, attachment)
            if link is not None and (is_marked(link, attachment) or not is_anothers(link)):
                sock.do(del_link(link.ifindex, link.name))
    except BaseException:
        undo.clear()
        raise


def _prepare_ipv6(host_name: str, ifname: str, planned: Plan, netns: Netns) -> bool:
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
        from ..veth.advertisements import taken_by

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


def _finish_host_end(host: Socket, link: Link, attachment: Attachment, planned: Plan) -> None:
    """Make the host end as planned.  CniError 100 if another link has one of its routes."""
    answers = host.ask(*host_requests(planned, link.ifindex, link.name, attachment.alias()))
    first_route = len(answers) - len(planned.host_routes)
    for i, answer in enumerate(answers):
        if answer.error is None:
            continue
        if i < first_route or answer.error.errno != errnos.EEXIST:
            raise answer.error
        from ..veth.host_route import take_over_route

        take_over_route(host, answer.error, planned.host_routes[i - first_route], link)


def _wait_until_up(container: Socket, ifindex: int) -> Link:
    """The container's end, able to send.

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


def _wait_for_ipv6_addresses(sock: Socket, addresses: list[bytes]) -> None:
    """The kernel takes in what comes for these IPv6 addresses of its own; waited for, a second at most.

    The local route of a new address, and its multicast group, which a neighbour solicitation is sent to, are made in
    the background (net/ipv6/addrconf.c addrconf_dad_work, the route last).  A packet that comes before is lost, and TCP
    waits a second to try again.
    """
    if not addresses:
        return
    for _ in range(_SETTLED_TRIES):
        answers = sock.ask(*[get_route(a) for a in addresses])
        # rtm_table: the attributes need not be read.
        if all(a.error is None and a.messages[0].payload[4] == RT_TABLE_LOCAL for a in answers):
            break
        time.sleep(_PAUSE_S)


def _forward(sizes: set[int]) -> None:
    """Make the host forward addresses of these sizes (bytes): the whole host, and it stays so when containers go."""
    for size in sizes:
        if not sysctl.is_on(sysctl.FORWARDING[size]):
            from ..veth.host_settings import forward

            forward(size)
