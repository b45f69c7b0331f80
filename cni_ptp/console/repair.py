"""ptp repair: attachments put back as their ADD made them, while their containers run."""

from __future__ import annotations

import argparse

from ..base.errors import to_cni
from ..commands.repair import repair
from . import check
from .check import comparison_of
from .choice import chosen
from .comparison import is_gone
from .terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .comparison import Comparison
    from .inventory import Found

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
    left = unseen = 0
    with comparison_of(options) as comparison:
        every = chosen(comparison.seen.attachments(), options.names, "repair")
        for found in every:
            comparison.compare(found)
            if found.wrong and not options.dry_run:
                _repair(found, comparison, terminal)
            for words in found.wrong:
                terminal.say(terminal.paint("red", f"{found.attachment}: {words}"))
            if found.unseen:
                terminal.say(f"{found.attachment}: could not be compared: {found.unseen}")
            left += bool(found.wrong)
            unseen += bool(found.unseen)
    for words in comparison.unread:
        terminal.say(f"cannot read {words}")
    right = len(every) - left - unseen
    terminal.say(f"{right} of {len(every)} attachments are as ADD left them")
    return 1 if left else 3 if unseen or comparison.unread else 0


def _repair(found: Found, comparison: Comparison, terminal: Terminal) -> None:
    """Repair one and compare it again; print what was mended and what failed."""
    one = found.remembered
    if one is None or is_gone(found):
        return  # what is left of it is for GC
    before = found.wrong
    try:
        failures = repair(one.args, one.conf)
    except Exception as e:  # noqa: BLE001  one that cannot be repaired must not keep the others from it
        failures = [str(to_cni(e))]
    comparison.compare_again(found)
    for words in before:
        if words not in found.wrong:
            terminal.say(terminal.paint("green", f"{found.attachment}: mended: {words}"))
    for words in failures if found.wrong else []:
        terminal.say(f"{found.attachment}: {words}")
