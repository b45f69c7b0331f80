"""ptp check: CHECK of the specification for attachments of this host, as their runtime would call it."""

from __future__ import annotations

import argparse

from .choice import HELP, chosen
from .comparison import Comparison
from .inventory import inventory, places
from .result_cache import DIRECTORIES
from .terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .inventory import Found

ABOUT = """\
Compares attachments with what their ADD made: both ends, addresses, routes,
forwarding, masquerading, guard, port mappings, limits and lease, as CHECK of
the CNI specification does, with the configuration and the result that the
runtime remembers, or, where none does, with what configuration, leases and
kernel tell together. Without a name all of them. Changes nothing. As root.
Exit status: 0 if all are as ADD left them, 1 if one is not, 3 if one could not
be compared.
"""
EXAMPLES = """\
examples:
  ptp check                               all
  ptp check 4711                          the container whose name begins so
  ptp check mynet/4711/eth0
  ptp check --json
"""
_HEADING = ("NETWORK", "CONTAINER", "INTERFACE", "POD", "STATE")
_DIFFERS, _CANNOT_SEE = 1, 3


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="for programs: a JSON list")
    choice(parser)


def choice(parser: argparse.ArgumentParser) -> None:
    """Declare what chooses attachments, and where they are remembered."""
    parser.add_argument("names", metavar="NAME", nargs="*", help=HELP)
    help_cache = f"where the runtime's libcni remembers results ({', '.join(DIRECTORIES)})"
    parser.add_argument("--cache-dir", metavar="DIR", action="append", default=[], help=help_cache)
    places(parser)


def comparison_of(options: argparse.Namespace) -> Comparison:
    """Return the comparison of all that this host and its runtimes know of.  CniError 100 if not all can be seen."""
    directories = tuple(options.cache_dir) or DIRECTORIES
    return Comparison(inventory(options.conf_dir, options.data_dir), directories, as_check=True)


def run(options: argparse.Namespace) -> int:
    """Compare them and print the differences; return the exit status."""
    terminal = Terminal()
    with comparison_of(options) as comparison:
        compared = chosen(comparison.seen.attachments(), options.names, "check")
        for found in compared:
            comparison.compare(found)
    if options.json:
        terminal.document([_document(found) for found in compared])
    else:
        _print(compared, terminal)
        for words in comparison.unread:
            terminal.say(f"cannot read {words}")
    if any(found.wrong for found in compared):
        return _DIFFERS
    return _CANNOT_SEE if comparison.unread or any(found.unseen for found in compared) else 0


def _print(compared: list[Found], terminal: Terminal) -> None:
    if not compared:
        terminal.say("no attachments of this plugin on this host")
        return
    terminal.table(_HEADING, [_row(found, terminal) for found in compared])
    for found in compared:
        for words in found.wrong or ([found.unseen] if found.unseen else []):
            terminal.say(f"{found.attachment}: {words}")


def _row(found: Found, terminal: Terminal) -> tuple[str, ...]:
    if found.unseen:
        state = terminal.paint("yellow", "could not be compared")
    elif found.wrong:
        count = len(found.wrong)
        state = terminal.paint("red", f"{count} difference{'s' if count > 1 else ''}")
    else:
        state = terminal.paint("green", "as ADD left it")
    attachment = found.attachment
    return attachment.network, attachment.containerid[:24], attachment.ifname, found.pod() or "-", state


def _document(found: Found) -> dict[str, Any]:
    network, containerid, ifname = found.attachment.identity()
    return {
        "network": network,
        "containerID": containerid,
        "ifname": ifname,
        "pod": found.pod() or None,
        "remembered": (found.remembered.path if found.remembered is not None else "") or None,
        "differences": found.wrong,
        "unseen": found.unseen or None,
    }
