"""Port mappings of an attachment at the edge: the table, the one sysctl they need, and flows that still go astray."""

from __future__ import annotations

from ..base.errors import KERNEL_REFUSED, PLUGIN_NOT_AVAILABLE, CniError, NetlinkError, words_of
from ..base.ip import version_of
from ..netlink.nft import batch
from ..netlink.sock import NETLINK_NETFILTER, Socket
from ..system import sysctl
from . import portmap_add, portmap_del
from .nft_socket import NO_NF_TABLES
from .portmap_elements import GUARDED, elements
from .portmap_ruleset import table_requests
from .stale_flows import forget_flows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.undo import Rollback
    from ..cni.attachment import Attachment
    from ..cni.port_mappings import PortMappings


def attach(attachment: Attachment, wanted: PortMappings, addresses: list[bytes], undo: Rollback) -> None:
    """Let the ports lead to the container of an ADD.  undo: takes what removes the mappings, after the pair.

    Nothing may reach the host's 127.0.0.1 by an end that is up.  Else as `add`.
    """
    undo.insert(-1, ("take back the port mappings", lambda: remove(attachment)))
    add(attachment, wanted, addresses)


def add(attachment: Attachment, wanted: PortMappings, addresses: list[bytes], link: str | None = None) -> None:
    """Let the ports lead to the container, whose packed addresses are given and which is up.

    link: see portmap_elements.elements.  CniError 100 if a port is another attachment's, or if the kernel cannot do it
    or refuses.
    """
    ours = elements(attachment, wanted, first_of_each(addresses), link)
    if not ours:
        return
    try:
        with Socket(NETLINK_NETFILTER) as sock:
            portmap_add.add(sock, attachment, ours)
    except NetlinkError as e:
        if e.errno in NO_NF_TABLES or "nat chain" in e.operation:
            words = f"nf_tables with NAT in tables of family inet, which Linux has since 5.2: {e}"
            raise CniError(KERNEL_REFUSED, "port mappings need nf_tables", words) from None
        raise
    except OSError as e:
        raise CniError(KERNEL_REFUSED, "port mappings need nf_tables", f"the kernel has none: {words_of(e)}") from None
    for guarded in [element for element in ours if element.name == GUARDED]:
        # Only now: the guard of the host's 127.0.0.0/8 stands.
        name = guarded.key.rstrip(b"\0").decode()
        sysctl.ensure(f"ipv4/conf/{name}/route_localnet", "1")
    forget_flows(wanted.mappings, addresses)


def first_of_each(addresses: list[bytes]) -> dict[int, bytes]:
    """Return the first IPv4 and the first IPv6 address, packed, by IP version."""
    found: dict[int, bytes] = {}
    for address in addresses:
        found.setdefault(version_of(address), address)
    return found


def refuse_unavailable() -> None:
    """Raise CniError 50 if the kernel could not map ports: a transaction without its end is tried and undone."""
    words = ""
    try:
        with Socket(NETLINK_NETFILTER) as sock:
            answers = sock.batch(batch(table_requests(), None)[:-1])
            words = "; ".join([str(a.error) for a in answers if a.error is not None][:1])
    except OSError as e:
        words = words_of(e)
    if words:
        raise CniError(PLUGIN_NOT_AVAILABLE, "port mappings need nf_tables", words)


def remove(attachment: Attachment) -> None:
    """Remove whatever mappings the attachment has; having none, or no table, is success."""
    with Socket(NETLINK_NETFILTER) as sock:
        portmap_del.remove_if_any(sock, attachment)
