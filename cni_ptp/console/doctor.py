"""ptp doctor: what this host offers, what is wrong with it, and the remedy."""

from __future__ import annotations

import argparse
import os

from . import conflist, doctor_files, doctor_kernel, doctor_network
from .comparison import Comparison, compare_all
from .diagnosis import COLOURS, OK, WORDS, Line
from .inventory import Inventory, places
from .terminal import Terminal

ABOUT = """\
Looks at everything the plugin needs of this host and says of each whether it is
well, with the remedy if it is not. Changes nothing; what has to be tried is
tried in a network namespace that is thrown away. Best run as root.
Exit status: 0 if all is well, 1 if there are warnings or problems.
"""
EXAMPLES = """\
examples:
  ptp doctor                              everything
  ptp doctor --quiet                      only what is not well
  ptp doctor --cni-path /usr/lib/cni      the plugins are there
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    help_path = "where plugins are, joined by colons; else CNI_PATH, else the usual places"
    parser.add_argument("--cni-path", metavar="DIRS", help=help_path)
    parser.add_argument("--json", action="store_true", help="for programs: a JSON list")
    parser.add_argument("--quiet", action="store_true", help="only what is not well")
    places(parser)


def run(options: argparse.Namespace) -> int:
    """Print the findings; return the exit status."""
    cni_path = options.cni_path or os.environ.get("CNI_PATH") or ":".join(conflist.PLUGINS)
    inventory = Inventory(options.conf_dir, options.data_dir)
    if not inventory.blind:
        with Comparison(inventory) as comparison:
            compare_all(comparison)
    lines = [
        *doctor_kernel.lines(inventory),
        *doctor_network.lines(inventory),
        *doctor_files.lines(inventory, options.conf_dir, cni_path),
    ]
    shown = [line for line in lines if line.state != OK or not options.quiet]
    if options.json:
        Terminal().document([line.document() for line in shown])
    else:
        _print(shown, Terminal())
    return 1 if any(line.state != OK for line in lines) else 0


def _print(lines: list[Line], terminal: Terminal) -> None:
    width = max([len(line.subject) for line in lines], default=0)
    longest = max(map(len, WORDS))
    for line in lines:
        word = terminal.paint(COLOURS[line.state], WORDS[line.state].ljust(longest))
        terminal.say(f"{word}  {line.subject.ljust(width)}  {line.found}")
        if line.remedy:
            terminal.say(f"{' ' * (longest + width + 4)}{terminal.paint('bold', 'remedy:')} {line.remedy}")
