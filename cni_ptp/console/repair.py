"""ptp repair: attachments put back as their ADD made them, while their containers run."""

from __future__ import annotations

import argparse

from ..base.errors import to_cni
from ..commands.repair import repair
from . import check
from .check import Checked, chosen_by
from .terminal import Terminal

ABOUT = """\
Makes again what attachments of running containers have lost: masquerading,
guard, host address and route, forwarding, settings, container addresses and
routes, MTU, port mappings, limits and lease. Looks first, as ptp check, changes
only attachments that differ, and looks again. A pair that was deleted cannot be
made again: restart the container. Safe beside running calls. As root.
Exit status: 0 if all are as ADD left them, 1 if a difference is left, 3 if one
could not be compared.
"""
EXAMPLES = """\
examples:
  ptp repair --dry-run                    what is wrong?
  ptp repair                              all attachments of this host
  ptp repair 4711
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--dry-run", action="store_true", help="say what differs, and change nothing")
    check.choice(parser)


def run(options: argparse.Namespace) -> int:
    """Repair the chosen attachments; return the exit status."""
    terminal = Terminal()
    every, unread = chosen_by(options)
    left = unseen = 0
    for one in every:
        before = Checked(one)
        if options.dry_run or not before.differences:
            after = before
        else:
            after = _repaired(before, terminal)
        for words in after.differences:
            terminal.say(terminal.paint("red", f"{one.attachment}: {words}"))
        if after.unseen:
            terminal.say(f"{one.attachment}: could not be compared: {after.unseen}")
        left += bool(after.differences)
        unseen += bool(after.unseen)
    for words in unread:
        terminal.say(f"cannot read {words}")
    right = len(every) - left - unseen
    terminal.say(f"{right} of {len(every)} attachments are as ADD left them")
    return 1 if left else 3 if unseen or unread else 0


def _repaired(before: Checked, terminal: Terminal) -> Checked:
    """Repair one and return what a second look finds; print what was mended and what failed."""
    one = before.remembered
    try:
        failures = repair(one.args, one.conf)
    except Exception as e:  # noqa: BLE001  one that cannot be repaired must not keep the others from it
        failures = [str(to_cni(e))]
    after = Checked(one)
    for words in before.differences:
        if words not in after.differences:
            terminal.say(terminal.paint("green", f"{one.attachment}: mended: {words}"))
    for words in failures if after.differences else []:
        terminal.say(f"{one.attachment}: {words}")
    return after
