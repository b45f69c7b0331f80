"""ptp install: the plugin is where the container runtime looks for it."""

from __future__ import annotations

import argparse
import os
import shutil

from .. import CHAINED_ROLES, IPAM_ROLES, __version__
from ..base.errors import INVALID_ENVIRONMENT_VARIABLES, CniError
from ..bundle import built_file
from ..system import spawn
from ..system.trusted import distrust, distrust_directory
from . import atomic_file, conflist
from .terminal import Terminal

ABOUT = """\
Writes the plugin into the directory where the container runtime looks for
plugins. A running runtime may execute it meanwhile: it meets the old file or
the new one, whole. The file is made for the Python that will run it.
A file of the same name that is not ours is never touched without --force, and
then kept for `ptp uninstall`.
Exit status: 0 if all is installed, 3 if not.
"""
EXAMPLES = """\
examples:
  ptp install                             to /opt/cni/bin
  ptp install --conflist mynet            also a network for the runtime
  ptp install --all                       all plugins of a node, as links
  ptp install --conflist lan --subnet 10.99.0.0/24
  ptp install --force --to /usr/lib/cni   instead of the Go plugin there
"""
DIRECTORY = "/opt/cni/bin"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--to", metavar="DIR", default=DIRECTORY, help=f"the directory of CNI plugins ({DIRECTORY})")
    parser.add_argument(
        "--python", metavar="PATH", help="the Python, 3.9 or later, that will run it (the one of this file)"
    )
    parser.add_argument("--with-ipam", action="store_true", help="also under the names host-local and static")
    help_all = f"also under the names {', '.join(CHAINED_ROLES)}, host-local and static"
    parser.add_argument("--all", action="store_true", help=help_all)
    help_force = "replace files that are not ours, and a configuration, keeping a backup of each"
    parser.add_argument("--force", action="store_true", help=help_force)
    conflist.arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Install everything and return 0; or install nothing and raise CniError or OSError."""
    terminal = Terminal()
    directory = os.path.abspath(options.to)
    paths = [os.path.join(directory, name) for name in ("ptp", *_links(options))]
    interpreter = _interpreter(options.python)
    _refuse_foreign(paths, options.force)
    listed = conflist.prepared(options) if options.conflist else None
    content = built_file.built(interpreter)
    os.makedirs(directory, 0o755, exist_ok=True)
    _refuse_directory(directory)
    atomic_file.sweep(directory)
    with atomic_file.Aside(paths[0], content, 0o755) as aside:
        _try_out(aside.path)
        _keep_foreign(paths[0], terminal)
        aside.move_to(paths[0])
    terminal.say(f"installed {paths[0]}, version {__version__}, for {interpreter}")
    for path in paths[1:]:
        _keep_foreign(path, terminal)
        atomic_file.place_link(path, "ptp")
        terminal.say(f"installed {path}, a link to ptp")
    if listed is not None:
        conflist.write(listed, terminal)
    return 0


def _links(options: argparse.Namespace) -> tuple[str, ...]:
    if options.all:
        return (*IPAM_ROLES, *CHAINED_ROLES)
    return IPAM_ROLES if options.with_ipam else ()


def _interpreter(wanted: str | None) -> str:
    """Return the absolute path of the requested Python.  CniError 4 if there is none, or others can write it."""
    found = built_file.own_interpreter() if wanted is None else shutil.which(wanted)
    if found is None:
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, f"find the Python {wanted}", "no such program")
    path = os.path.abspath(found)
    refusal = distrust(path)
    if refusal:
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, f"install for {path}", f"{refusal}; --python names another")
    return path


def _refuse_foreign(paths: list[str], force: bool) -> None:
    """Raise CniError 4, before anything is written, if something at one of the paths must not be replaced."""
    for path in paths:
        if os.path.isdir(path):
            raise CniError(INVALID_ENVIRONMENT_VARIABLES, f"install {path}", "there is a directory of that name")
        if os.path.lexists(path) and not built_file.is_ours(path) and not force:
            details = "there is another plugin of that name; --force replaces it and keeps a backup"
            raise CniError(INVALID_ENVIRONMENT_VARIABLES, f"install {path}", details)


def _refuse_directory(directory: str) -> None:
    """Raise CniError 4 if others than root can replace a plugin in the directory: the runtime would run it as root."""
    refusal = distrust_directory(directory)
    if refusal:
        details = f"{refusal}; chown root and chmod go-w make it one for plugins"
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, f"install to {directory}", details)


def _try_out(path: str) -> None:
    """Raise CniError 4 if the file at its place cannot be executed: no such Python, a noexec mount."""
    about = f"execute {path}"
    try:
        done = spawn.run(path, [path], {**spawn.ENVIRONMENT, "CNI_COMMAND": "VERSION"}, b"")
    except (OSError, spawn.LimitExceeded) as e:
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, str(e)) from None
    if done.status or b"supportedVersions" not in done.out:
        words = " ".join((done.err or done.out).decode("utf-8", "replace").split())
        raise CniError(INVALID_ENVIRONMENT_VARIABLES, about, words)


def _keep_foreign(path: str, terminal: Terminal) -> None:
    if os.path.lexists(path) and not built_file.is_ours(path):
        terminal.say(f"kept the {os.path.basename(path)} that was there as {atomic_file.keep(path)}")
