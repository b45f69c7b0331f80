"""The plugin portmap: ports of the host that lead to a container, where another plugin attached it.

By nf_tables alone, as ptp itself maps ports; see docs/portmap.md for what of the Go plugin is not served.
Source: plugins/meta/portmap of containernetworking/plugins.
"""

from __future__ import annotations

from ..base.errors import CHECK_FAILED, CniError
from ..cni.attachment import Attachment
from ..cni.conf import port_mappings
from ..commands.lock import AttachmentLock
from ..firewall import masquerade_check, portmap, portmap_check, portmap_del
from ..firewall.nft_view import Firewall
from ..netlink.rt_link import Link
from ..netlink.sock import NETLINK_NETFILTER, NETLINK_ROUTE, Socket
from ..veth.unnamed import routed_over
from .previous import previous_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.args import Args
    from ..cni.conf import NetConf
    from ..cni.port_mappings import PortMappings
    from ..cni.result import Result


def _attachment(args: Args, conf: NetConf) -> Attachment:
    return Attachment(conf.name, args.containerid, args.ifname)


def _addresses(previous: Result, ifname: str) -> list[bytes]:
    """Return the container's packed addresses: those of its interface, or of none."""
    of_container = {
        i for i, interface in enumerate(previous.interfaces) if interface.sandbox and interface.name == ifname
    }
    return [ip.address for ip in previous.ips if ip.interface is None or ip.interface in of_container]


def _host_end(addresses: list[bytes]) -> str:
    """Return the link over which the host routes just the container's IPv4 address, "" if none is that narrow.

    Where containers share a link, as on a bridge, the host does not reach mappings by 127.0.0.1.
    """
    with Socket(NETLINK_ROUTE) as host:
        found: list[Link | None] = [routed_over(host, address) for address in addresses if len(address) == 4]
    return found[0].name if found and found[0] is not None else ""


def add(args: Args, conf: NetConf) -> Result:
    """Map the ports and return prevResult; without mappings do nothing else."""
    wanted = port_mappings(conf)
    previous = previous_of(conf, "must be called as chained plugin")
    if wanted is None:
        return previous
    attachment, addresses = _attachment(args, conf), _addresses(previous, args.ifname)
    with AttachmentLock(attachment):
        try:
            portmap.add(attachment, wanted, addresses, _host_end(addresses))
        except BaseException:
            portmap.remove(attachment)
            raise
    return previous


def delete(args: Args, conf: NetConf) -> None:
    """Remove the mappings of the attachment, whether or not the call names them."""
    attachment = _attachment(args, conf)
    try:
        previous = conf.prev_result()
    except CniError:
        previous = None
    addresses = _addresses(previous, args.ifname) if previous is not None else []

    def ports() -> PortMappings | None:
        try:
            return port_mappings(conf)
        except CniError:
            return None

    with AttachmentLock(attachment), Socket(NETLINK_NETFILTER) as sock:
        portmap_del.remove_if_any(sock, attachment, addresses, ports)


def check(args: Args, conf: NetConf) -> None:
    """Raise CniError 105 if a mapping is not as ADD left it."""
    wanted = port_mappings(conf)
    previous = previous_of(conf, "Required prevResult missing")
    if wanted is None:
        return
    attachment, addresses = _attachment(args, conf), _addresses(previous, args.ifname)
    with Firewall() as firewall:
        words = portmap_check.differences(firewall, attachment, wanted, addresses, _host_end(addresses))
    if words:
        raise CniError(CHECK_FAILED, f"check port mappings of {attachment}", "; ".join(words))


def gc(conf: NetConf, valid: list[Attachment]) -> None:
    """Remove the mappings of the network's other attachments."""
    masquerade_check.gc_port_mappings(conf.name, valid)


def status(conf: NetConf) -> None:
    """Raise CniError 50 if the kernel could not map ports."""
    portmap.refuse_unavailable()
