"""ptp uninstall: the directory of plugins is as it was before ptp install."""

from __future__ import annotations

import argparse
import os

from .. import CHAINED_ROLES, IPAM_ROLES
from ..bundle import built_file
from ..cni.attachment import ALIAS_PREFIX
from ..netlink.sock import NETLINK_ROUTE, Socket
from . import atomic_file, iproute
from .install import DIRECTORY
from .terminal import Terminal

ABOUT = """\
Removes the plugin and its other names from the directory where the container
runtime looks for plugins, and puts back what `ptp install
--force` replaced. Files that are not ours are left alone. While containers are
attached it does nothing without --force: their runtime needs the plugin to
detach them. Network configurations stay.
Exit status: 0 if nothing of ours is there any more, 1 if containers are
attached, 3 if a file cannot be removed.
"""
EXAMPLES = """\
examples:
  ptp uninstall                           from /opt/cni/bin
  ptp uninstall --to /usr/lib/cni         what was there before comes back
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--to", metavar="DIR", default=DIRECTORY, help=f"the directory of CNI plugins ({DIRECTORY})")
    parser.add_argument("--force", action="store_true", help="also while containers are attached")


def run(options: argparse.Namespace) -> int:
    """Return 0 if nothing of ours is in the directory any more; 1 if containers are attached."""
    terminal = Terminal()
    directory = os.path.abspath(options.to)
    atomic_file.sweep(directory)
    names = (*IPAM_ROLES, *CHAINED_ROLES, "ptp")
    ours = [path for path in (os.path.join(directory, name) for name in names) if built_file.is_ours(path)]
    attached = _attached()
    if ours and attached and not options.force:
        terminal.say(
            f"{attached} attachments of this plugin are on this host, and need it to be detached: see ptp list"
        )
        terminal.say("nothing was removed; --force does it nevertheless")
        return 1
    for path in ours:
        backup = atomic_file.backup_of(path)
        if os.path.lexists(backup):
            atomic_file.replace(backup, path)
            terminal.say(f"put back the {os.path.basename(path)} that was at {path}")
        else:
            os.unlink(path)
            atomic_file.sync_directory(directory)
            terminal.say(f"removed {path}")
    if not ours:
        terminal.say(f"nothing of ours in {directory}")
    return 0


def _attached() -> int:
    with Socket(NETLINK_ROUTE) as sock:
        return sum(1 for link in iproute.veths(sock) if link.alias.startswith(ALIAS_PREFIX + " "))
