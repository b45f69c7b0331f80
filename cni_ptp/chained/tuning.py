"""The plugin tuning: sysctls of a container's network, and properties of an interface, which DEL puts back.

Source: plugins/meta/tuning of containernetworking/plugins; docs/tuning.md.
"""

from __future__ import annotations

from ..base.errors import CHECK_FAILED, INVALID_NETWORK_CONFIG, KERNEL_REFUSED, CniError
from ..cni.attachment import Attachment
from ..cni.conf import mac_text
from ..commands.lock import AttachmentLock
from ..netlink.rt_link_set import IFF_ALLMULTI, IFF_PROMISC, Tuned, get_tuned, set_flag, set_mac, set_mtu, set_txqlen
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system import sysctl
from ..system.netns import Netns, open_netns
from . import tuning_backup
from .previous import previous_of
from .tuning_settings import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.args import Args
    from ..cni.conf import NetConf
    from ..cni.result import Result
    from ..nlmsg import Request
    from .tuning_settings import Settings

ALLOWED = "/etc/cni/tuning/allowlist.conf"


def add(args: Args, conf: NetConf) -> Result:
    """Set what is asked for and return prevResult, with the MAC; a failure puts the interface back as it was."""
    wanted = read(conf, args)
    previous = previous_of(conf, "Required prevResult missing")
    _refuse_forbidden([key for key, _, _ in wanted.sysctls])
    with open_netns(args.netns, args.netns_override) as netns, AttachmentLock(_attachment(args, conf)):
        netns.inside(lambda: _write_sysctls(wanted))
        if wanted.changes_link():
            _tune(args, wanted, netns)
    if wanted.mac is not None:
        for interface in previous.interfaces:
            if interface.name == args.ifname:
                interface.mac = mac_text(wanted.mac)
    return previous


def _attachment(args: Args, conf: NetConf) -> Attachment:
    return Attachment(conf.name, args.containerid, args.ifname)


def _refuse_forbidden(keys: list[str]) -> None:
    """Raise CniError 7 for a key that the host's list does not allow.  Without a list, everything is allowed."""
    try:
        with open(ALLOWED, encoding="utf-8", errors="surrogateescape") as file:
            patterns = [line.strip() for line in file if line.strip()]
    except FileNotFoundError:
        return
    except OSError as e:
        raise CniError(INVALID_NETWORK_CONFIG, f"read {ALLOWED}", str(e)) from None
    import re

    for key in keys:
        try:
            allowed = any(re.search(pattern, key) for pattern in patterns)
        except re.error as e:
            raise CniError(INVALID_NETWORK_CONFIG, f"{ALLOWED} has no regular expression", str(e)) from None
        if not allowed:
            words = f"Sysctl {key} is not allowed. Only the following sysctls are allowed: {patterns}"
            raise CniError(INVALID_NETWORK_CONFIG, words)


def _write_sysctls(wanted: Settings) -> None:
    for key, path, value in wanted.sysctls:
        if not sysctl.write(path, value):
            raise CniError(KERNEL_REFUSED, f"set sysctl {key}", "the kernel has no such setting")


def _tune(args: Args, wanted: Settings, netns: Netns) -> None:
    with netns.inside(lambda: Socket(NETLINK_ROUTE)) as sock:
        link = _link(sock, args.ifname)
        tuning_backup.keep(wanted, args, link)  # the first one stays: a second ADD sees what the first one set
        try:
            for request in _requests(args.ifname, link.ifindex, wanted):
                sock.do(request)
        except BaseException:
            _restore(sock, args, wanted.data_dir)
            raise


def _link(sock: Socket, ifname: str) -> Tuned:
    return Tuned(sock.do(get_tuned(ifname))[0].one())


def _requests(name: str, ifindex: int, wanted: Settings) -> list[Request]:
    requests = []
    if wanted.mac is not None:
        requests.append(set_mac(ifindex, name, wanted.mac))
    if wanted.promisc:
        requests.append(set_flag(ifindex, name, IFF_PROMISC, on=True))
    if wanted.mtu:
        requests.append(set_mtu(ifindex, name, wanted.mtu))
    if wanted.allmulti is not None:
        requests.append(set_flag(ifindex, name, IFF_ALLMULTI, on=wanted.allmulti))
    if wanted.txqlen is not None:
        requests.append(set_txqlen(ifindex, name, wanted.txqlen))
    return requests


def _restore(sock: Socket, args: Args, data_dir: str) -> None:
    """Put the interface back as it was before the first ADD, and forget it."""
    before = tuning_backup.kept(data_dir, args)
    if before is not None:
        link = _link(sock, args.ifname)
        sock.ask(*_requests(args.ifname, link.ifindex, before))
        if before.promisc is False:
            sock.ask(set_flag(link.ifindex, args.ifname, IFF_PROMISC, on=False))
    tuning_backup.forget(data_dir, args)


def delete(args: Args, conf: NetConf) -> None:
    """Put the interface back, if it and its namespace are still there; the sysctls end with the namespace."""
    data_dir = conf.fields.text("dataDir") or tuning_backup.DATA_DIR
    with AttachmentLock(_attachment(args, conf)):
        try:
            with open_netns(args.netns, args.netns_override) as netns:
                with netns.inside(lambda: Socket(NETLINK_ROUTE)) as sock:
                    _restore(sock, args, data_dir)
        except (CniError, OSError):
            tuning_backup.forget(data_dir, args)  # nothing is left that could be put back


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
        found = sysctl.read(path)
        if (found or "").split() != value.split():
            words.append(f"Error: Tuning configured value of {key} is {value}, current value is {found}")
    return words


def _link_differences(link: Tuned, wanted: Settings, name: str) -> list[str]:
    compared: list[tuple[str, object, object]] = []
    if wanted.mac is not None:
        compared.append(("Ethernet", mac_text(wanted.mac), mac_text(link.mac)))
    if wanted.promisc:
        compared.append(("promisc", wanted.promisc, link.promisc))
    if wanted.mtu:
        compared.append(("MTU", wanted.mtu, link.mtu))
    if wanted.allmulti is not None:
        compared.append(("allmulti", wanted.allmulti, link.allmulti))
    if wanted.txqlen is not None:
        compared.append(("txQLen", wanted.txqlen, link.txqlen))
    return [
        f"Error: Tuning configured {about} of {name} is {asked}, current value is {found}"
        for about, asked, found in compared
        if asked != found
    ]


def gc(conf: NetConf, valid: list[Attachment]) -> None:
    """Do nothing: what is kept names no network, and ends with the next boot."""


def status(conf: NetConf) -> None:
    """Return: what the kernel takes is only known by trying."""
