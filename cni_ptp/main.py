"""Which role is asked for; loads that and nothing else.

CNI_COMMAND set: a CNI plugin, ptp or by its name host-local or static.  Else with arguments: a command for people.
Else: the about text, as every CNI plugin prints it.
"""

from __future__ import annotations

import os

_IPAM_ROLES = ("host-local", "static")


def main(argv: list[str]) -> int:
    """Do what was asked; returns the exit status.  argv[0] is the path or name the file was called by."""
    name = argv[0].rpartition("/")[2]
    role = name if name in _IPAM_ROLES else "ptp"
    if os.environ.get("CNI_COMMAND"):
        from .skel import serve

        return serve(role)
    if len(argv) > 1:
        from .console.cli import run

        return run(argv[1:])
    from .skel import about

    return about(role)
