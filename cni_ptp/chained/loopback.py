"""The plugin loopback: lo of a container is up.  CNI_IFNAME does not count.

Source: plugins/main/loopback of containernetworking/plugins.
"""

from __future__ import annotations

from ..base.errors import CHECK_FAILED, KERNEL_REFUSED, CniError
from ..base.ip import text_of
from ..cni.conf import mac_text
from ..cni.result import Address, Interface, Result
from ..netlink.rt_addr_dump import Addr, dump_addrs
from ..netlink.rt_link import IFF_UP, Link, get_link
from ..netlink.rt_link_set import set_flag
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system.netns import ABSENT, NetnsError, open_netns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.args import Args
    from ..cni.attachment import Attachment
    from ..cni.conf import NetConf

_LO = "lo"


def add(args: Args, conf: NetConf) -> Result:
    """Set lo up; return prevResult, or without one the first address of each family that lo has.

    CniError 100 if lo has an address of another net: then nothing changes, for lo that goes down loses its IPv6 ones.
    """
    previous = conf.prev_result()
    with open_netns(args.netns, args.netns_override) as netns, netns.inside(lambda: Socket(NETLINK_ROUTE)) as sock:
        link = Link(sock.do(get_link(_LO))[0].one())
        _refuse_other(_addresses(sock, link))
        try:
            sock.do(set_flag(link.ifindex, _LO, IFF_UP, on=True))
            found = _addresses(sock, link)
        except BaseException:
            if not link.up:
                sock.ask(set_flag(link.ifindex, _LO, IFF_UP, on=False))
            raise
    if previous is not None:
        return previous
    first = {len(a.address): a for a in reversed(found)}
    ips = [Address(first[size].address, first[size].length, None, 0) for size in sorted(first)]
    return Result([Interface(_LO, mac_text(link.mac), 0, netns.path)], ips, [])


def _addresses(sock: Socket, link: Link) -> list[Addr]:
    listed = [Addr(reply) for reply in sock.dump(dump_addrs(link.ifindex, _LO)).read()]
    return [a for a in listed if a.ifindex == link.ifindex]


def _refuse_other(found: list[Addr]) -> None:
    for a in found:
        if not _is_loopback(a.address):
            text = f'loopback interface found with non-loopback address "{text_of(a.address)}"'
            raise CniError(KERNEL_REFUSED, text)


def _is_loopback(address: bytes) -> bool:
    return address[0] == 127 if len(address) == 4 else address == bytes(15) + b"\1"


def delete(args: Args, conf: NetConf) -> None:
    """Set lo down; a namespace that is not there needs nothing."""
    if not args.netns:
        return
    try:
        opened = open_netns(args.netns, args.netns_override)
    except NetnsError as e:
        if e.why == ABSENT:
            return
        raise
    with opened as netns, netns.inside(lambda: Socket(NETLINK_ROUTE)) as sock:
        link = Link(sock.do(get_link(_LO))[0].one())
        sock.do(set_flag(link.ifindex, _LO, IFF_UP, on=False))


def check(args: Args, conf: NetConf) -> None:
    """Raise CniError 105 if lo is down."""
    with open_netns(args.netns, args.netns_override) as netns, netns.inside(lambda: Socket(NETLINK_ROUTE)) as sock:
        if not Link(sock.do(get_link(_LO))[0].one()).up:
            raise CniError(CHECK_FAILED, "loopback interface is down")


def gc(conf: NetConf, valid: list[Attachment]) -> None:
    """Do nothing: lo ends with its namespace."""


def status(conf: NetConf) -> None:
    """Return: every kernel has lo."""
