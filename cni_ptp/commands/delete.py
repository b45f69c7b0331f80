"""DEL: nothing of the attachment is left, however much of it there was.

Every step is tried, whatever became of the others; the lease goes last, for a neighbour could get the address while
the old route still stands.
"""

from __future__ import annotations

from .. import errnos, steps
from ..args import Args
from ..attachment import ALIAS_PREFIX, Attachment
from ..conf import Conf
from ..deletion import Deletion
from ..errors import CniError, to_cni
from ..ipam.choose import choose
from ..lock import Held
from ..netlink.rt_link import Link, get_link, get_link_by_index
from ..netlink.sock import NETLINK_NETFILTER, NETLINK_ROUTE, Socket
from ..netns import ABSENT, OWN, Netns, NetnsError, open_netns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

_GONE = (errnos.ENODEV,)  # DEL is idempotent, SPEC "DEL"


def delete(args: Args, conf: Conf) -> None:
    """The attachment's interface, masquerading and lease are gone.

    The first failure is raised, the others stand in its details.
    """
    attachment = Attachment(conf.name, args.containerid, args.ifname)
    ipam = choose(conf, args)
    failures: list[CniError] = []
    with Held(attachment), Socket(NETLINK_ROUTE) as host:
        link = _find_link(host, attachment, args, failures)
        steps.note("prepare")
        nft = _nft_socket()
        deletion = _try(failures, lambda: Deletion(host, link)) if link is not None else None
        from ..masquerade import Masquerade  # loaded while the kernel is at work

        with Masquerade(attachment, _backend(conf), nft) as masquerade:
            hints = _addresses(conf) + (_try(failures, ipam.held) or [])
            if deletion is not None and not hints:
                # An address that the host routes no more is nobody's: that is what can still be found out.
                _try(failures, deletion.wait)
                deletion = None
            _try(failures, lambda: masquerade.remove(hints))
            steps.note("masquerade")
            if deletion is not None:
                _try(failures, deletion.wait)
        steps.note("link")
        _try(failures, ipam.delete)
        steps.note("ipam")
    if failures:
        first = failures[0]
        for other in failures[1:]:
            first.add(str(other))
        raise first


def _nft_socket() -> Socket | None:
    """The nf_tables socket; None if it can not be had: then Masquerade tries again, and judges why.

    Opened before the deletion begins, which then holds it as well: see Masquerade why its closing may take long.
    """
    try:
        return Socket(NETLINK_NETFILTER)
    except OSError:
        return None


def _open(args: Args, failures: list[CniError]) -> Netns | None:
    """The namespace; None if it is gone or can not be had.  NetnsError if it is our own: before anything is touched."""
    if not args.netns:
        return None
    try:
        return open_netns(args.netns, args.netns_override)
    except NetnsError as e:
        if e.why == OWN:
            raise
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


def _backend(conf: Conf) -> str:
    """Where the masquerading is most likely to be; every backend is searched, and DEL does not judge the value."""
    value = conf.fields.members.get("ipmasqbackend")
    return value if isinstance(value, str) else ""


def _addresses(conf: Conf) -> list[bytes]:
    """What prevResult says the addresses are; it may be absent, and be another plugin's."""
    try:
        result = conf.prev_result()
    except CniError:
        return []  # DEL succeeds without one, so also with one that can not be read
    return [ip.address for ip in result.ips] if result is not None else []


def _find_link(host: Socket, attachment: Attachment, args: Args, failures: list[CniError]) -> Link | None:
    """The host end: found by its derived name, else (one that the Go plugin made) by the container's end.

    CniError 8 if the namespace is the plugin's own: before anything is touched.
    """
    netns = _open(args, failures)
    try:
        link = _find(host, attachment.host_veth())
        if link is None and netns is not None:
            link = _container_end_peer(host, netns, attachment)
        if link is not None:
            _refuse_foreign(link, attachment)
        return link
    except Exception as e:  # noqa: BLE001  one failed step must not keep the others from running
        failures.append(to_cni(e))
        return None
    finally:
        if netns is not None:
            netns.__exit__()


def _find(sock: Socket, name: str) -> Link | None:
    answer = sock.ask(get_link(name))[0]
    if answer.error is not None:
        if answer.error.errno in _GONE:
            return None
        raise answer.error
    return Link(answer.one())


def _refuse_foreign(link: Link, attachment: Attachment) -> None:
    if link.kind != "veth" or _is_anothers(link, attachment):
        whose = link.alias or f"a {link.kind or 'nameless kind of'} link"
        raise CniError(100, f"delete link {link.name}", f"it is not of {attachment}: {whose}")


def _is_anothers(link: Link, attachment: Attachment) -> bool:
    """Whether the link says that it belongs to another attachment; one without a word (killed ADD, Go's) does not."""
    return link.alias.startswith(ALIAS_PREFIX + " ") and link.alias != attachment.alias()


def _container_end_peer(host: Socket, netns: Netns, attachment: Attachment) -> Link | None:
    """The host end of the container's interface, if that is a veth pair as ptp makes it; None if it is not.

    Anything else of that name is not ours to delete: another kind, a bridge's port, another attachment's.
    """
    with netns.inside(_route_socket) as container:
        end = _find(container, attachment.ifname)
    if end is None or end.kind != "veth" or not end.peer:
        return None
    answer = host.ask(get_link_by_index(end.peer))[0]
    if answer.error is not None:
        return None
    link = Link(answer.one())
    ours = link.kind == "veth" and link.peer == end.ifindex and link.name.startswith("veth")
    return link if ours and not link.master and not _is_anothers(link, attachment) else None


def _route_socket() -> Socket:
    return Socket(NETLINK_ROUTE)
