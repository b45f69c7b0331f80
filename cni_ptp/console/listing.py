"""ptp list: the attachments of this host, a line each."""

from __future__ import annotations

import argparse

from ..base.ip import text_of
from ..ipam.data_dir import DATA_DIR
from . import conflist
from .inventory import Found, inventory
from .terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ABOUT = """\
Lists the containers attached to this host by this plugin, and those that the Go
plugin ptp attached to a network that is configured here: what the kernel, the
firewall, the leases and the network configurations say together, and where they
do not agree. Reads only. As root.
Exit status: 0 if all are healthy, 1 if one is not.
"""
EXAMPLES = """\
examples:
  ptp list
  ptp list --json | python3 -I -m json.tool
"""
ANOTHER = "another ptp"
_HEADING = ("NETWORK", "CONTAINER", "INTERFACE", "ADDRESSES", "HOST END", "MASQUERADE", "ANTISPOOF", "LEASE", "STATE")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="for programs: a JSON list")
    places(parser)


def places(parser: argparse.ArgumentParser) -> None:
    """Declare the options for where configurations and leases are looked for."""
    help_conf = f"network configurations ({conflist.DIRECTORY})"
    parser.add_argument("--conf-dir", metavar="DIR", default=conflist.DIRECTORY, help=help_conf)
    help_data = f"leases, besides where configurations say ({DATA_DIR})"
    parser.add_argument("--data-dir", metavar="DIR", default=DATA_DIR, help=help_data)


def run(options: argparse.Namespace) -> int:
    """Print the attachments; return the exit status."""
    every = inventory(options.conf_dir, options.data_dir).attachments()
    terminal = Terminal()
    if options.json:
        terminal.document([document(found) for found in every])
    elif not every:
        terminal.say("no attachments of this plugin on this host")
    else:
        terminal.table(_HEADING, [_row(found, terminal) for found in every])
    return 1 if any(found.wrong for found in every) else 0


def _row(found: Found, terminal: Terminal) -> tuple[str, ...]:
    attachment = found.attachment
    state = terminal.paint("red", "; ".join(found.wrong)) if found.wrong else terminal.paint("green", "healthy")
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
        "healthy": not found.wrong,
        "wrong": found.wrong,
    }
