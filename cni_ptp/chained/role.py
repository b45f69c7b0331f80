"""A plugin of a chain: what this file does when it is called by the name of one."""

from __future__ import annotations

from ..base.errors import to_cni
from ..base.undo import roll_back
from ..cni.result_write import render
from ..system import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from ..cni.args import Args
    from ..cni.conf import NetConf
    from ..cni.result import Result


def run(role: str, args: Args, conf: NetConf, reply: Callable[[dict[str, Any]], None]) -> None:
    """Do the verb as the plugin `role`; `reply` gets ADD's result in the configuration's version."""
    plugin = _plugin(role)
    if args.command == "ADD":
        result: Result = plugin.add(args, conf)
        try:
            reply(render(result, conf.cni_version))
        except Exception as e:  # noqa: BLE001  a result that nobody gets is no ADD; the caller reports why
            signals.undoing()
            failure = to_cni(e)
            for words in roll_back([("undo the ADD", lambda: plugin.delete(args, conf))]):
                failure.add(words)
            raise failure from None
    elif args.command == "DEL":
        plugin.delete(args, conf)
    elif args.command == "CHECK":
        plugin.check(args, conf)
    elif args.command == "STATUS":
        plugin.status(conf)
    else:
        valid = conf.valid_attachments()
        if valid is not None:
            plugin.gc(conf, valid)


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
