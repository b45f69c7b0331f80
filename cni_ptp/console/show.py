"""ptp show: one attachment, drawn from host to container."""

from __future__ import annotations

import argparse
import os
import time

from ..base.errors import INVALID_ENVIRONMENT_VARIABLES, CniError, DecodeError, to_cni
from ..base.ip import text_of
from ..netlink.rt_link import Link, get_link_by_index
from ..netlink.rt_nsid import NETNSA_NSID, get_nsid
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system import sysctl
from ..system.netns import Netns, open_netns
from . import iproute
from .inventory import Found, inventory
from .listing import ANOTHER, places
from .terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ABOUT = """\
Draws the attachments of one container, host to container: interfaces,
addresses, routes, masquerading and lease, as the kernel has them now. The
beginning of the container's name will do if no other begins so. Reads only. As
root.
Exit status: 0 if all is well, 1 if something is wrong or there is no such
attachment.
"""
EXAMPLES = """\
example:
  ptp show 4711
"""
# Entries of a list: a container's owner makes his as long as he likes, the host's has a route for each container.
_MOST_IN_CONTAINER, _MOST_ON_HOST = 4096, 1 << 20
_NAMED = ("/run/netns", "/var/run/netns", "/run/docker/netns")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("container", metavar="CONTAINER", help="its CNI_CONTAINERID, or how that begins")
    places(parser)


def run(options: argparse.Namespace) -> int:
    """Draw the container's attachments; return the exit status."""
    every = inventory(options.conf_dir, options.data_dir).attachments()
    matching = [f for f in every if f.attachment.containerid == options.container]
    matching = matching or [f for f in every if f.attachment.containerid.startswith(options.container)]
    names = {f.attachment.containerid for f in matching}
    if len(names) != 1:
        details = f"it could be any of {', '.join(sorted(names))}" if names else "no attachment of it is on this host"
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, f"show container {options.container}", details)
    terminal = Terminal()
    for found in matching:
        _draw(found, terminal)
    return 1 if any(f.wrong for f in matching) else 0


def _draw(found: Found, terminal: Terminal) -> None:
    paint = terminal.paint
    terminal.say(paint("bold", str(found.attachment)))
    state = paint("red", "; ".join(found.wrong)) if found.wrong else paint("green", "healthy")
    terminal.say(f"  state       {state}")
    if not found.is_ours():
        terminal.say(f"  made by     {ANOTHER}")
    for lease in found.leases:
        made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(lease.made))
        terminal.say(f"  lease       {text_of(lease.address)} since {made}, {lease.path}")
    terminal.say()
    terminal.say(paint("cyan", "  host"))
    for line in _host_lines(found):
        terminal.say(f"  │  {line}")
    if found.link is not None:
        terminal.say("  │")
        terminal.say("  ╪  veth pair")
        terminal.say("  │")
        for line in _container_lines(found.link):
            terminal.say(f"  │  {line}")
        terminal.say(paint("cyan", "  container"))
    terminal.say()


def _host_lines(found: Found) -> Iterator[str]:
    masqueraded = ", ".join([text_of(a) for a in found.masqueraded])
    by = f", by {' and '.join(sorted(found.backends))}" if found.backends else ""
    yield f"leaving the host with another address: {masqueraded or 'none (no masquerading)'}{by}"
    if found.guarded is not None:
        yield f"may send from {', '.join([text_of(a) for a in found.guarded])} only (antiSpoof)"
    yield from map(str, found.ports)
    name = found.link.name if found.link is not None else ""
    present = [size for size in _FAMILIES if sysctl.read(sysctl.FORWARDING[size]) is not None]
    states = [f"{_FAMILIES[size]} {'OFF' if sysctl.does_not_forward(size, name) else 'on'}" for size in present]
    yield "forwarding  " + ", ".join(states)
    if found.link is None:
        yield "no interface"
        return
    yield from _link_lines(found.link, _MOST_ON_HOST)


_FAMILIES = {4: "IPv4", 16: "IPv6"}


def _link_lines(link: Link, most: int) -> list[str]:
    """Return the link, its addresses, and the routes over it; of lists with more than `most` entries the first."""
    lines = [iproute.link_line(link)]
    lines += ["  " + line for line in iproute.addr_lines(_route_socket, link, most)]
    for family in (iproute.AF_INET, iproute.AF_INET6):
        lines += ["  route " + line for line in iproute.route_lines(_route_socket, link, family, most)]
    return lines


def _route_socket() -> Socket:
    return Socket(NETLINK_ROUTE)


def _container_lines(link: Link) -> list[str]:
    netns = _netns_of(link)
    if netns is None:
        return ["its network namespace has no name here that could be found"]
    with netns:
        try:
            return [f"in {netns.path}", *netns.inside(lambda: _inside(link.peer))]
        except (CniError, DecodeError, OSError) as e:
            return [f"in {netns.path}, which cannot be looked into: {to_cni(e)}"]


def _inside(ifindex: int) -> list[str]:
    with Socket(NETLINK_ROUTE) as sock:
        answer = sock.ask(get_link_by_index(ifindex))[0]
        if answer.error is not None:
            return ["the other end is not there any more"]
        link = Link(answer.one())
    return _link_lines(link, _MOST_IN_CONTAINER)


def _netns_of(link: Link) -> Netns | None:
    """Return the namespace of the pair's other end, by a path that leads to it: a named one, else a process's."""
    if link.netnsid is None:
        return None
    with Socket(NETLINK_ROUTE) as sock:
        for path in _candidates():
            try:
                netns = open_netns(path, True)
            except CniError:
                continue
            answer = sock.ask(get_nsid(netns.fd))[0]
            if answer.error is None and answer.one()[1].get(NETNSA_NSID) == link.netnsid:
                return netns
            netns.__exit__()
    return None


def _candidates() -> Iterator[str]:
    seen = set()
    for directory in _NAMED:
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        yield from [f"{directory}/{name}" for name in names]
    for name in os.listdir("/proc"):
        path = f"/proc/{name}/ns/net"
        try:
            inode = os.stat(path).st_ino if name.isdigit() else 0
        except OSError:
            continue
        if inode and inode not in seen:
            seen.add(inode)
            yield path
