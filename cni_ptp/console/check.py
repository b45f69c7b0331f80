"""ptp check: CHECK of the specification for attachments of this host, as their runtime would call it."""

from __future__ import annotations

import argparse

from ..base.errors import CHECK_FAILED, INVALID_ENVIRONMENT_VARIABLES, INVALID_NETNS, CniError, to_cni
from ..commands.check import check
from ..ipam.data_dir import DATA_DIR
from . import conflist
from .inventory import inventory
from .result_cache import DIRECTORIES, Remembered, remembered
from .terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ABOUT = """\
Compares attachments with what their ADD made: both ends, addresses, routes,
forwarding, masquerading, guard, port mappings, limits and lease, as CHECK of
the CNI specification does, with the configuration and the result that the
runtime remembers. Without a name all of them. Changes nothing. As root.
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
    help_names = "NET/CONTAINER/IFNAME, or how a container's or a pod's name begins"
    parser.add_argument("names", metavar="NAME", nargs="*", help=help_names)
    help_cache = f"where the runtime's libcni remembers results ({', '.join(DIRECTORIES)})"
    parser.add_argument("--cache-dir", metavar="DIR", action="append", default=[], help=help_cache)


class Checked:
    """One attachment, compared.  differences: a sentence each.  unseen: why it could not be compared, "" if it was."""

    __slots__ = ("remembered", "differences", "unseen")

    def __init__(self, one: Remembered) -> None:
        self.remembered = one
        self.differences: list[str] = []
        self.unseen = ""
        try:
            check(one.args, one.conf)
        except CniError as e:
            if e.code == CHECK_FAILED:
                self.differences = e.details.split("; ") if e.details else [e.msg]
            elif e.code == INVALID_NETNS:
                self.differences = [f"its network namespace cannot be used: {e}"]
            else:
                self.unseen = str(e)
        except Exception as e:  # noqa: BLE001  one that cannot be compared must not hide the others
            self.unseen = str(to_cni(e))


def run(options: argparse.Namespace) -> int:
    """Compare them and print the differences; return the exit status."""
    seen = inventory(conflist.DIRECTORY, DATA_DIR)
    chosen, unread = chosen_by(options)
    known = {one.attachment for one in chosen}
    forgotten = [f for f in seen.attachments() if f.attachment not in known and f.is_named() and not options.names]
    terminal = Terminal()
    checked = [Checked(one) for one in chosen]
    if options.json:
        terminal.document([_document(one) for one in checked])
    else:
        _print(checked, terminal)
        for found in forgotten:
            terminal.say(f"{found.attachment}: no runtime remembers it, so there is nothing to compare it with")
        for words in unread:
            terminal.say(f"cannot read {words}")
    if forgotten or unread or any(one.unseen for one in checked):
        return _CANNOT_SEE if not any(one.differences for one in checked) else _DIFFERS
    return _DIFFERS if any(one.differences for one in checked) else 0


def chosen_by(options: argparse.Namespace) -> tuple[list[Remembered], list[str]]:
    """Return (the attachments that were named, or all; which files could not be read, in words).

    CniError 4 for a name that means none.
    """
    every, unread = remembered(tuple(options.cache_dir) or DIRECTORIES)
    _refuse_unknown(options.names, every)
    return [one for one in every if not options.names or any(_is_named(one, name) for name in options.names)], unread


def _is_named(one: Remembered, name: str) -> bool:
    if "/" in name and name.count("/") == 2:
        return "/".join(one.attachment.identity()) == name
    return one.attachment.containerid.startswith(name) or bool(one.pod) and one.pod.partition("/")[2].startswith(name)


def _refuse_unknown(names: list[str], every: list[Remembered]) -> None:
    for name in names:
        if not any(_is_named(one, name) for one in every):
            raise CniError(INVALID_ENVIRONMENT_VARIABLES, f"check {name}", "no runtime remembers such an attachment")


def _print(checked: list[Checked], terminal: Terminal) -> None:
    if not checked:
        terminal.say("no runtime of this host remembers an attachment of this plugin")
        return
    terminal.table(_HEADING, [_row(one, terminal) for one in checked])
    for one in checked:
        for words in one.differences or ([one.unseen] if one.unseen else []):
            terminal.say(f"{one.remembered.attachment}: {words}")


def _row(one: Checked, terminal: Terminal) -> tuple[str, ...]:
    if one.unseen:
        state = terminal.paint("yellow", "could not be compared")
    elif one.differences:
        count = len(one.differences)
        state = terminal.paint("red", f"{count} difference{'s' if count > 1 else ''}")
    else:
        state = terminal.paint("green", "as ADD left it")
    attachment = one.remembered.attachment
    return attachment.network, attachment.containerid[:24], attachment.ifname, one.remembered.pod or "-", state


def _document(one: Checked) -> dict[str, Any]:
    network, containerid, ifname = one.remembered.attachment.identity()
    return {
        "network": network,
        "containerID": containerid,
        "ifname": ifname,
        "pod": one.remembered.pod or None,
        "remembered": one.remembered.path,
        "differences": one.differences,
        "unseen": one.unseen or None,
    }
