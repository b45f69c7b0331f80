"""ptp show: one attachment, drawn from host to container."""

from __future__ import annotations

import argparse
import time

from ..base.errors import INVALID_ENVIRONMENT_VARIABLES, CniError, DecodeError, to_cni
from ..base.ip import text_of
from ..netlink.rt_link import Link, get_link_by_index
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..system import sysctl
from ..system.netns import open_netns
from . import iproute
from .choice import HELP, meant_by
from .comparison import Comparison
from .inventory import Found, inventory, places
from .listing import ANOTHER, state_of
from .namespaces import Namespaces
from .terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ABOUT = """\
Draws the attachments of one container, host to container: interfaces,
addresses, routes, masquerading and lease, as the kernel has them now. It is
found by its name, its pod's, an address or its host interface; the beginning of
a name will do if no other begins so. Reads only. As root.
Exit status: 0 if all is well, 1 if something is wrong, 3 if it could not be
compared or there is no such attachment.
"""
EXAMPLES = """\
example:
  ptp show 4711
  ptp show 10.85.0.2
"""
# Entries of a list: a container's owner makes his as long as he likes, the host's has a route for each container.
_MOST_IN_CONTAINER, _MOST_ON_HOST = 4096, 1 << 20


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", help=HELP)
    places(parser)


def run(options: argparse.Namespace) -> int:
    """Draw the container's attachments; return the exit status."""
    terminal = Terminal()
    with Comparison(inventory(options.conf_dir, options.data_dir)) as comparison:
        matching = meant_by(comparison.seen.attachments(), options.name, "show")
        names = {found.attachment.containerid for found in matching}
        if len(names) != 1:
            details = f"it could be any of {', '.join(sorted(names))}"
            raise CniError(INVALID_ENVIRONMENT_VARIABLES, f"show {options.name}", details)
        for found in matching:
            comparison.compare(found)
    for found in matching:
        _draw(found, terminal)
    return 1 if any(f.wrong for f in matching) else 3 if any(f.unseen for f in matching) else 0


def _draw(found: Found, terminal: Terminal) -> None:
    paint = terminal.paint
    terminal.say(paint("bold", str(found.attachment)))
    terminal.say(f"  state       {state_of(found, terminal)}")
    if found.pod():
        terminal.say(f"  pod         {found.pod()}")
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
    with Socket(NETLINK_ROUTE) as sock:
        path = Namespaces(sock).path_of(link.netnsid)
    if not path:
        return ["no path leads to its network namespace"]
    try:
        with open_netns(path, True) as netns:
            return [f"in {path}", *netns.inside(lambda: _inside(link.peer))]
    except (CniError, DecodeError, OSError) as e:
        return [f"in {path}, which cannot be looked into: {to_cni(e)}"]


def _inside(ifindex: int) -> list[str]:
    with Socket(NETLINK_ROUTE) as sock:
        answer = sock.ask(get_link_by_index(ifindex))[0]
        if answer.error is not None:
            return ["the other end is not there any more"]
        link = Link(answer.one())
    return _link_lines(link, _MOST_IN_CONTAINER)
