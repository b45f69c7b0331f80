"""A plugin of a chain: what this file does when it is called by the name of one."""

from __future__ import annotations

from ..cni.result_write import render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from ..cni.args import Args
    from ..cni.conf import NetConf
    from ..cni.result import Result


def run(role: str, args: Args, conf: NetConf) -> dict[str, Any] | None:
    """Do the verb as the plugin `role`; return for ADD its result in the configuration's version."""
    plugin = _plugin(role)
    if args.command == "ADD":
        result: Result = plugin.add(args, conf)
        try:
            return render(result, conf.cni_version)
        except BaseException:
            plugin.delete(args, conf)
            raise
    if args.command == "DEL":
        plugin.delete(args, conf)
    elif args.command == "CHECK":
        plugin.check(args, conf)
    elif args.command == "STATUS":
        plugin.status(conf)
    else:
        valid = conf.valid_attachments()
        if valid is not None:
            plugin.gc(conf, valid)
    return None


def _plugin(role: str) -> ModuleType:
    """Return the module of a role: add, delete, check, gc and status, each of which validates before any effect."""
    if role == "portmap":
        from . import portmap

        return portmap
    if role == "bandwidth":
        from . import bandwidth

        return bandwidth
    if role == "tuning":
        from . import tuning

        return tuning
    from . import loopback

    return loopback
