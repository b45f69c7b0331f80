"""host-local or static as a plugin of its own: what this file does when it is called by that name."""

from __future__ import annotations

from ..base.errors import INVALID_NETWORK_CONFIG, CniError
from ..cni.result_write import render
from .source import embedded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..cni.args import Args
    from ..cni.conf import NetConf
    from .protocol import Ipam


def nobody(addresses: Sequence[bytes]) -> set[bytes]:
    """Return no address: who calls host-local by itself may well bridge, and then the host's routes tell nothing."""
    return set()


def run(role: str, args: Args, conf: NetConf, reply: Callable[[dict[str, Any]], None]) -> None:
    """Do the verb as the plugin `role`.

    `reply` gets ADD's result in the configuration's version, without interfaces.
    """
    if args.command == "ADD":
        _add(_ipam(role, args, conf), conf, reply)
    elif args.command == "DEL":
        _ipam(role, args, conf).delete()
    elif args.command == "CHECK":
        prev = conf.prev_result()
        if prev is None:
            raise CniError(INVALID_NETWORK_CONFIG, "Required prevResult missing")
        _ipam(role, args, conf).check(prev)
    elif args.command == "STATUS":
        _ipam(role, args, conf).status()
    else:
        valid = conf.valid_attachments()
        if valid is not None:
            _ipam(role, args, conf).gc(valid)


def _ipam(role: str, args: Args, conf: NetConf) -> Ipam:
    ipam = embedded(role, conf, args, bounded=False)
    assert ipam is not None  # the role is one of ours
    return ipam


def _add(ipam: Ipam, conf: NetConf, reply: Callable[[dict[str, Any]], None]) -> None:
    result = ipam.add(nobody)
    try:
        reply(render(result, conf.cni_version))
    except BaseException:
        ipam.delete()
        raise
