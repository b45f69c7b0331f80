"""DEL: nothing of the attachment is left, however much of it there was.

The link goes first.  Only when it is known to be deleted, its guard and its masquerading follow, for it could send
without them; the lease goes last, for a neighbour could get the address.  A link that cannot be deleted keeps all of
them.
"""

from __future__ import annotations

from ..base.errors import KERNEL_REFUSED, CniError, to_cni
from ..cni.args import Args
from ..cni.attachment import Attachment
from ..cni.conf import NetConf, port_mappings
from ..ipam.source import ipam_for
from ..netlink.rt_link import Link, get_link
from ..netlink.sock import NETLINK_NETFILTER, NETLINK_ROUTE, Socket
from ..system.netns import ABSENT, Netns, NetnsError, open_netns
from ..veth.deletion import Deletion
from ..veth.find import host_end
from ..veth.mark import ForeignLink
from .checkpoint import log_step
from .lock import AttachmentLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ..cni.port_mappings import PortMappings
    from ..cni.result import Result
    from ..ipam.protocol import Ipam
    from ..veth.unnamed import Clues

    T = TypeVar("T")


def delete(args: Args, conf: NetConf) -> None:
    """Remove the attachment's interface, guard, masquerading and lease.

    The first failure is raised, the others stand in its details.  A namespace that cannot be used, our own for one,
    is reported after everything that needs none was removed.
    """
    attachment = Attachment(conf.name, args.containerid, args.ifname)
    ipam = ipam_for(conf, args)
    failures: list[CniError] = []
    with AttachmentLock(attachment), Socket(NETLINK_ROUTE) as host:
        netns = _open(args, failures)
        try:
            _detach(host, attachment, conf, ipam, netns, failures)
        finally:
            if netns is not None:
                netns.__exit__()
    if failures:
        first = failures[0]
        for other in failures[1:]:
            first.add(str(other))
        raise first


def _detach(
    host: Socket, attachment: Attachment, conf: NetConf, ipam: Ipam, netns: Netns | None, failures: list[CniError]
) -> None:
    previous = _previous(conf)
    try:
        link = _find(host, attachment, lambda: _clues(conf, ipam, attachment, previous, netns))
        log_step("prepare")
        nft = _nft_socket()
        deletion = Deletion(host, link) if link is not None else None
    except Exception as e:  # noqa: BLE001  a link may exist: what protects and reserves it is kept
        failures.append(to_cni(e))
        return
    from ..firewall.masquerade_del import Removal  # loaded while the kernel is at work
    from ..firewall.session import Session

    with Session(attachment, _backend(conf), nft) as session:
        removal = _try(failures, lambda: Removal(session, lambda: _ports(conf)))
        addresses = _addresses(previous) + (_try(failures, ipam.held) or [])
        ifbs = _try(failures, lambda: _ifbs(host, attachment, conf, previous)) or []
        if deletion is not None:
            try:
                deletion.wait()
            except Exception as e:  # noqa: BLE001  as above
                failures.append(to_cni(e))
                return
        log_step("link")
        deletions = [_try(failures, lambda: Deletion(host, ifb)) for ifb in ifbs]  # noqa: B023  called at once
        if removal is not None:
            _try(failures, lambda: removal.commit(addresses))
        log_step("masquerade")
        for other in deletions:
            if other is not None:
                _try(failures, other.wait)
    _try(failures, ipam.delete)
    log_step("ipam")


def _ifbs(host: Socket, attachment: Attachment, conf: NetConf, previous: Result | None) -> list[Link]:
    """Return the ifb links of the attachment; looked for where the call, prevResult or its absence lets expect one."""
    listed = previous is None or any(interface.name.startswith("bwp") for interface in previous.interfaces)
    is_named = conf.runtime_config().has("bandwidth") or conf.fields.has("egressRate")
    if not is_named and (not listed or host.ask(get_link(attachment.go_ifb()))[0].error is not None):
        return []
    from ..shaping.bandwidth import links_of

    return links_of(host, attachment, both=True)


def _find(host: Socket, attachment: Attachment, of: Callable[[], Clues]) -> Link | None:
    """Return the host end.  CniError 100 if a link of somebody else has its name."""
    try:
        return host_end(host, attachment, of)
    except ForeignLink as e:
        whose = e.link.alias or f"a {e.link.kind or 'nameless kind of'} link"
        details = f"it is not of {attachment}: {whose}"
        raise CniError(KERNEL_REFUSED, f"delete link {e.link.name}", details) from None


def _clues(conf: NetConf, ipam: Ipam, attachment: Attachment, previous: Result | None, netns: Netns | None) -> Clues:
    from .clues import clues  # not needed as a rule

    return clues(conf, ipam, attachment, previous, netns)


def _nft_socket() -> Socket | None:
    """Return the nf_tables socket; None if the kernel refuses it: then Session tries again, and Removal judges why.

    Opened before the deletion begins, which then holds it as well: see Session why its closing may take long.
    """
    try:
        return Socket(NETLINK_NETFILTER)
    except OSError:
        return None


def _open(args: Args, failures: list[CniError]) -> Netns | None:
    """Return the namespace; None if it was deleted or cannot be used.  Only the latter is a failure."""
    if not args.netns:
        return None
    try:
        return open_netns(args.netns, args.netns_override)
    except NetnsError as e:
        if e.why != ABSENT:
            failures.append(e)
        return None
    except (CniError, OSError) as e:
        failures.append(to_cni(e))
        return None


def _try(failures: list[CniError], step: Callable[[], T]) -> T | None:
    try:
        return step()
    except Exception as e:  # noqa: BLE001  one failed step must not keep the others from running
        failures.append(to_cni(e))
        return None


def _backend(conf: NetConf) -> str:
    """Return where the masquerading is most likely; every backend is searched, and DEL does not judge the value."""
    value = conf.fields.members.get("ipmasqbackend")
    return value if isinstance(value, str) else ""


def _ports(conf: NetConf) -> PortMappings | None:
    """Return the port mappings of the call; None also if they cannot be read, for DEL finds its own by their owner."""
    try:
        return port_mappings(conf)
    except CniError:
        return None


def _previous(conf: NetConf) -> Result | None:
    """Return prevResult; None also if it cannot be read, for DEL succeeds without one."""
    try:
        return conf.prev_result()
    except CniError:
        return None


def _addresses(previous: Result | None) -> list[bytes]:
    """Return the packed addresses in prevResult."""
    return [ip.address for ip in previous.ips] if previous is not None else []
