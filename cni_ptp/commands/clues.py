"""What the runtime, the configuration and the leases tell of an attachment whose host end has no derived name."""

from __future__ import annotations

from ..base.errors import CniError
from ..ipam.data_dir import DATA_DIR, data_dir
from ..ipam.lease_owner import is_leased
from ..veth.unnamed import Clues

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.attachment import Attachment
    from ..cni.conf import NetConf
    from ..cni.result import Address, Result
    from ..ipam.protocol import Ipam
    from ..system.netns import Netns


def clues(conf: NetConf, ipam: Ipam, attachment: Attachment, previous: Result | None, netns: Netns | None) -> Clues:
    """Return what is known: the attachment's addresses, and the host's interfaces of prevResult."""
    addresses = []
    ends = []
    if previous is not None:
        addresses = [ip.address for ip in previous.ips if _is_of(ip, previous, attachment.ifname)]
        ends = [(interface.name, interface.mac) for interface in previous.interfaces if not interface.sandbox]
    listed = list(addresses)
    try:
        directory = data_dir(conf)
    except CniError:
        directory = DATA_DIR
    addresses += [address for address in ipam.known() if address not in addresses]
    return Clues(netns, addresses, listed, ends, lambda address: is_leased(directory, attachment, address))


def _is_of(ip: Address, result: Result, ifname: str) -> bool:
    """Return whether an address is of the interface, as far as the result tells."""
    if ip.interface is None or not 0 <= ip.interface < len(result.interfaces):
        return True
    return result.interfaces[ip.interface].name == ifname
