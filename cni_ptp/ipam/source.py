"""Which IPAM a configuration asks for.  Each is loaded only when it is the one.

Every one of them has the methods of Ipam; what it needs is validated when it is made, before any effect.
"""

from __future__ import annotations

from ..cni.attachment import Attachment
from ..cni.conf import unusable
from .data_dir import data_dir, ipam_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.args import Args
    from ..cni.conf import NetConf
    from .protocol import Ipam


def ipam_for(conf: NetConf, args: Args) -> Ipam:
    """Return the IPAM of the configuration, ready for args.command.  CniError 4, 6 or 7; nothing has been done."""
    kind = ipam_of(conf).text("type")
    if not kind:
        raise unusable("no plugin name provided", "ipam.type is missing")
    if conf.fields.flag("embeddedIPAM", True):
        if "MAC=" in args.args:
            from ..cni.mac import without_mac

            args = without_mac(args)
        ipam = embedded(kind, conf, args)
        if ipam is not None:
            return ipam
    from .delegate import Delegate

    return Delegate(kind, conf.raw, conf.cni_version, conf.type, args.path, lambda: embedded(kind, conf, args, False))


def embedded(kind: str, conf: NetConf, args: Args, bounded: bool = True) -> Ipam | None:
    """Return the IPAM of this file of that kind, ready for args.command; None if there is none.  CniError 4, 6 or 7.

    bounded: whether the addresses that a runtime gives static must lie in those of the configuration.
    """
    attachment = Attachment(conf.name, args.containerid, args.ifname)
    is_judged = args.command not in ("DEL", "GC")  # no change of the configuration may hinder these
    if kind == "host-local":
        from .host_local import HostLocal

        if not is_judged:
            return HostLocal(attachment, data_dir(conf), None)
        from . import settings

        return HostLocal(attachment, data_dir(conf), settings.read(conf, args))
    if kind != "static":
        return None
    from . import static_settings
    from .static import Static

    found = static_settings.read(conf, args) if is_judged else None
    if bounded and found is not None and found.requested and args.command == "ADD":
        from .wishes import refuse_unbounded

        refuse_unbounded(found.requested, found.configured)
    return Static(found, static_settings.known_addresses(conf, args))
