"""The plugin tuning: sysctls of a container's network, and properties of an interface, which DEL puts back.

Source: plugins/meta/tuning of containernetworking/plugins; docs/tuning.md.
"""

from __future__ import annotations

from ..base.errnos import ENODEV
from ..base.errors import CHECK_FAILED, KERNEL_REFUSED, CniError, NetlinkError, to_cni
from ..base.undo import roll_back
from ..cni.attachment import Attachment
from ..cni.conf import mac_text
from ..commands.lock import AttachmentLock
from ..netlink.rt_link_set import IFF_ALLMULTI, IFF_PROMISC, Tuned, get_tuned, set_flag, set_mac, set_mtu, set_txqlen
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system import signals, sysctl
from ..system.netns import REFUSED, Netns, NetnsError, open_netns
from . import tuning_backup
from .previous import previous_of
from .tuning_settings import data_dir_of, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.undo import Rollback
    from ..cni.args import Args
    from ..cni.conf import NetConf
    from ..cni.result import Result
    from ..nlmsg import Request
    from .tuning_settings import Settings

_MOST_VALUE = 65536  # bytes of a sysctl that can be put back


def add(args: Args, conf: NetConf) -> Result:
    """Set what is wanted and return prevResult, with the new MAC and MTU; a failure puts back what it changed."""
    wanted = read(conf, args)
    previous = previous_of(conf, "Required prevResult missing")
    if wanted.sysctls:
        from .tuning_allowlist import refuse_forbidden

        refuse_forbidden([key for key, _, _ in wanted.sysctls])
    undo: Rollback = []
    with open_netns(args.netns, args.netns_override) as netns, AttachmentLock(_attachment(args, conf)):
        try:
            netns.inside(lambda: _write_sysctls(wanted, netns, undo))
            if wanted.changes_link():
                _tune(args, conf, wanted, netns, undo)
        except Exception as e:  # noqa: BLE001  whatever failed, all must be as before; the caller reports it
            signals.undoing()
            failure = to_cni(e)
            for words in roll_back(undo):
                failure.add(words)
            raise failure from None
    for interface in previous.interfaces:
        if interface.name == args.ifname:
            interface.mac = mac_text(wanted.mac) if wanted.mac is not None else interface.mac
            interface.mtu = wanted.mtu if wanted.mtu and interface.mtu and interface.sandbox else interface.mtu
    return previous


def _attachment(args: Args, conf: NetConf) -> Attachment:
    return Attachment(conf.name, args.containerid, args.ifname)


def _write_sysctls(wanted: Settings, netns: Netns, undo: Rollback) -> None:
    for key, path, value in wanted.sysctls:
        before = _value(path)
        if not sysctl.write(path, value):
            raise CniError(KERNEL_REFUSED, f"set sysctl {key}", "the kernel has no such setting")
        if before is not None and before != value:
            undo.append((f"put back sysctl {key}", _writing(path, before, netns)))


def _value(path: str) -> str | None:
    """Return the value of a sysctl; None if there is none to read: of some one can only write."""
    try:
        found = sysctl.read(path, _MOST_VALUE)
    except CniError:
        return None
    return found if found is not None and len(found) < _MOST_VALUE else None


def _writing(path: str, value: str, netns: Netns) -> Callable[[], object]:
    return lambda: netns.inside(lambda: sysctl.write(path, value))


def _tune(args: Args, conf: NetConf, wanted: Settings, netns: Netns, undo: Rollback) -> None:
    with netns.inside(lambda: Socket(NETLINK_ROUTE)) as sock:
        link = _link(sock, args.ifname)
        before = tuning_backup.properties(wanted, link)
        tuning_backup.keep(wanted.data_dir, args, conf.name, before, undo)
        undo.append(("put the interface back", lambda: _put_back(netns, args.ifname, before)))
        for request in _requests(args.ifname, link.ifindex, wanted):
            sock.do(request)


def _link(sock: Socket, ifname: str) -> Tuned:
    return Tuned(sock.do(get_tuned(ifname))[0].one())


def _requests(name: str, ifindex: int, wanted: Settings) -> list[Request]:
    requests = []
    if wanted.mac is not None:
        requests.append(set_mac(ifindex, name, wanted.mac))
    if wanted.promisc is not None:
        requests.append(set_flag(ifindex, name, IFF_PROMISC, on=wanted.promisc))
    if wanted.mtu:
        requests.append(set_mtu(ifindex, name, wanted.mtu))
    if wanted.allmulti is not None:
        requests.append(set_flag(ifindex, name, IFF_ALLMULTI, on=wanted.allmulti))
    if wanted.txqlen is not None:
        requests.append(set_txqlen(ifindex, name, wanted.txqlen))
    return requests


def _put_back(netns: Netns, ifname: str, before: Settings) -> None:
    with netns.inside(lambda: Socket(NETLINK_ROUTE)) as sock:
        sock.ask(*_requests(ifname, _link(sock, ifname).ifindex, before))


def delete(args: Args, conf: NetConf) -> None:
    """Put the interface back, if it and its namespace still exist; the sysctls end with the namespace.

    What it was like is kept if that could not be tried: then another DEL does it.
    """
    data_dir = data_dir_of(conf)
    with AttachmentLock(_attachment(args, conf)):
        before = tuning_backup.kept(data_dir, args)
        if before is not None:
            try:
                with open_netns(args.netns, args.netns_override) as netns:
                    _put_back(netns, args.ifname, before)
            except NetnsError as e:
                if e.why == REFUSED:
                    raise
            except NetlinkError as e:
                if e.errno != ENODEV:
                    raise
        tuning_backup.forget(data_dir, args)


def check(args: Args, conf: NetConf) -> None:
    """Raise CniError 105 if a sysctl or a property is not as ADD left it."""
    wanted = read(conf, args)
    previous_of(conf, "Required prevResult missing")
    with open_netns(args.netns, args.netns_override) as netns:
        words = netns.inside(lambda: _sysctl_differences(wanted))
        if wanted.changes_link():
            with netns.inside(lambda: Socket(NETLINK_ROUTE)) as sock:
                words += _link_differences(_link(sock, args.ifname), wanted, args.ifname)
    if words:
        raise CniError(CHECK_FAILED, words[0], "; ".join(words[1:]))


def _sysctl_differences(wanted: Settings) -> list[str]:
    words = []
    for key, path, value in wanted.sysctls:
        found = sysctl.read(path, _MOST_VALUE)
        if found is None:
            words.append(f"Error: Tuning configured value of {key} is {value}, and the kernel has no such setting")
        elif found.split() != value.split():
            words.append(f"Error: Tuning configured value of {key} is {value}, current value is {found}")
    return words


def _link_differences(link: Tuned, wanted: Settings, name: str) -> list[str]:
    compared: list[tuple[str, object, object]] = []
    if wanted.mac is not None:
        compared.append(("Ethernet", mac_text(wanted.mac), mac_text(link.mac)))
    if wanted.promisc is not None:
        compared.append(("promisc", wanted.promisc, link.promisc))
    if wanted.mtu:
        compared.append(("MTU", wanted.mtu, link.mtu))
    if wanted.allmulti is not None:
        compared.append(("allmulti", wanted.allmulti, link.allmulti))
    if wanted.txqlen is not None:
        compared.append(("txQLen", wanted.txqlen, link.txqlen))
    return [
        f"Error: Tuning configured {about} of {name} is {_spelled(asked)}, current value is {_spelled(found)}"
        for about, asked, found in compared
        if asked != found
    ]


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def gc(conf: NetConf, valid: list[Attachment]) -> None:
    """Forget what was kept for the network's other attachments; what Go's tuning kept names no network and stays."""
    tuning_backup.gc(data_dir_of(conf), conf.name, valid)


def status(conf: NetConf) -> None:
    """Raise CniError 7 if the list of allowed sysctls cannot be used."""
    from .tuning_allowlist import refuse_forbidden

    refuse_forbidden([])
