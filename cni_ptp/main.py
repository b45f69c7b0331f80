"""Which role is asked for; loads that and nothing else.

CNI_COMMAND set: a CNI plugin, ptp or the one by whose name the file is called.  Else with arguments: a command for
people.  Else: the about text, as every CNI plugin prints it.
"""

from __future__ import annotations

import gc
import posix  # what os is made of: os itself costs 0.6 ms

from . import CHAINED_ROLES, IPAM_ROLES

# All that cni/args.py and commands/logfile.py look at; a runtime passes on dozens more.
_VARIABLES = (
    "CNI_COMMAND",
    "CNI_CONTAINERID",
    "CNI_NETNS",
    "CNI_IFNAME",
    "CNI_ARGS",
    "CNI_PATH",
    "CNI_NETNS_OVERRIDE",
    "TRACEPARENT",
)


def main(argv: list[str]) -> int:
    """Do what was asked; returns the exit status.  argv[0] is the path or name the file was called by."""
    role = role_of(argv[0])
    if posix.environ.get(b"CNI_COMMAND"):
        # A call lives for ten milliseconds and makes no cycles to speak of: collecting them would cost 0.4 ms.
        gc.disable()
        from .skel import serve

        return serve(role, {name: _text(posix.environ.get(name.encode(), b"")) for name in _VARIABLES})
    if len(argv) > 1:
        gc.enable()
        from .console.cli import run

        return run(argv[1:])
    from .skel import about

    return about(role)


def role_of(path: str) -> str:
    """Return which plugin the file is when it is called by this path or name."""
    name = path.rpartition("/")[2]
    return name if name in IPAM_ROLES or name in CHAINED_ROLES else "ptp"


def _text(raw: bytes) -> str:
    """Decode as os.environ does: what is not UTF-8 survives."""
    return raw.decode("utf-8", "surrogateescape")
