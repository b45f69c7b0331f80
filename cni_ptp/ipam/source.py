"""Which IPAM a configuration asks for.  Each is loaded only when it is the one.

Every one of them has the methods of Ipam; what it needs is validated when it is made, before any effect.
"""

from __future__ import annotations

from ..cni.conf import unusable
from .data_dir import ipam_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.args import Args
    from ..cni.conf import NetConf
    from .protocol import Ipam


def ipam_for(conf: NetConf, args: Args) -> Ipam:
    """Return the IPAM of the configuration, ready for args.command.  CniError 4, 6 or 7; nothing has been done."""
    ipam = ipam_of(conf)
    kind = ipam.text("type")
    if not kind:
        raise unusable("no plugin name provided", "ipam.type is missing")
    if conf.fields.flag("embeddedIPAM", True):
        if "MAC=" in args.args:
            from ..cni.mac import without_mac

            args = without_mac(args)
        if kind == "host-local":
            from .host_local import HostLocal

            return HostLocal(conf, args)
        if kind == "static":
            from .static import Static

            static = Static(conf, args)
            if static.wishes and args.command == "ADD":
                from .wishes import refuse_unbounded

                refuse_unbounded(static.wishes, static.configured)
            return static
    from .delegate import Delegate

    return Delegate(conf, args, kind)
