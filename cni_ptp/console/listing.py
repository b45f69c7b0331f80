"""ptp list: the attachments of this host, a line each."""

from __future__ import annotations

import argparse

from ..base.ip import text_of
from .comparison import Comparison, compare_all
from .inventory import Found, inventory, places
from .terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ABOUT = """\
Lists the containers attached to this host by this plugin, and those that the Go
plugin ptp attached to a network that is configured here, and what of each is
not as its ADD made it: the comparison is that of CHECK and ptp check. An IPAM
plugin that is a program is not asked. Reads only. As root.
Exit status: 0 if all are healthy, 1 if one is not, 3 if one could not be
compared.
"""
EXAMPLES = """\
examples:
  ptp list
  ptp list --network mynet --unhealthy
  ptp list --json | python3 -I -m json.tool
"""
ANOTHER = "another ptp"
_HEADING = ("NETWORK", "CONTAINER", "INTERFACE", "ADDRESSES", "HOST END", "MASQUERADE", "ANTISPOOF", "LEASE", "STATE")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="for programs: a JSON list")
    parser.add_argument("--network", metavar="NAME", help="only attachments of this network")
    parser.add_argument("--unhealthy", action="store_true", help="only attachments with which something is wrong")
    places(parser)


def run(options: argparse.Namespace) -> int:
    """Print the attachments; return the exit status."""
    terminal = Terminal()
    with Comparison(inventory(options.conf_dir, options.data_dir)) as comparison:
        every = compare_all(comparison, options.network)
    every = [found for found in every if found.wrong or found.unseen or not options.unhealthy]
    if options.json:
        terminal.document([document(found) for found in every])
    elif not every:
        terminal.say("no attachments of this plugin on this host")
    else:
        terminal.table(_HEADING, [_row(found, terminal) for found in every])
    return 1 if any(found.wrong for found in every) else 3 if any(found.unseen for found in every) else 0


def _row(found: Found, terminal: Terminal) -> tuple[str, ...]:
    attachment = found.attachment
    state = state_of(found, terminal)
    if not found.is_ours():
        state += f", made by {ANOTHER}"
    return (
        attachment.network,
        attachment.containerid[:24],
        attachment.ifname,
        ",".join([text_of(a) for a in found.addresses()]) or "-",
        found.link.name if found.link is not None else "-",
        _backends(found) or "no",
        "yes" if found.guarded is not None else "no",
        "yes" if found.leases else "no",
        state,
    )


def state_of(found: Found, terminal: Terminal) -> str:
    """Return in words what is wrong with an attachment, "healthy" if nothing is."""
    if found.wrong:
        return terminal.paint("red", "; ".join(found.wrong))
    if found.unseen:
        return terminal.paint("yellow", f"could not be compared: {found.unseen}")
    return terminal.paint("green", "healthy")


def _backends(found: Found) -> str:
    return ", ".join(sorted(found.backends))


def document(found: Found) -> dict[str, Any]:
    """Return the attachment as a document for programs."""
    attachment, link = found.attachment, found.link
    return {
        "network": attachment.network,
        "containerID": attachment.containerid,
        "ifname": attachment.ifname,
        "addresses": [text_of(a) for a in found.addresses()],
        "hostInterface": None if link is None else link.name,
        "mtu": None if link is None else link.mtu,
        "madeBy": "cni-ptp" if found.is_ours() else ANOTHER,
        "routed": [text_of(a) for a in sorted(found.routed, key=lambda a: (len(a), a))],
        "masqueraded": [text_of(a) for a in found.masqueraded],
        "masqueradedBy": _backends(found) or None,
        "antiSpoof": found.guarded is not None,
        "ports": [port.document() for port in found.ports],
        "leases": [lease.path for lease in found.leases],
        "pod": found.pod() or None,
        "healthy": not found.wrong and not found.unseen,
        "wrong": found.wrong,
        "unseen": found.unseen or None,
    }
