"""STATUS: whether ADD could work now.

Source: CNI SPEC.md "STATUS".
"""

from __future__ import annotations

import errno

from ..base.errors import PLUGIN_NOT_AVAILABLE, CniError
from ..cni.args import Args
from ..cni.conf import AUTO, NetConf, PtpSettings, ptp_settings
from ..cni.result import Result
from ..ipam.source import ipam_for
from ..netlink.rt_link import new_veth
from ..netlink.sock import NETLINK_ROUTE, Socket
from ..veth.host_settings import refusals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..ipam.protocol import Ipam

_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21  # include/uapi/linux/capability.h
_NO_DESCRIPTOR = 0xFFFFFFFF  # leads to no namespace: the kernel refuses with EBADF


def status(args: Args, conf: NetConf) -> None:
    """Return if ADD can be expected to work; else raise CniError 50 with every reason why it would not."""
    settings = ptp_settings(conf, args)
    reasons = missing_capabilities() or link_refusal()
    if settings.ip_masq:
        from ..firewall import masquerade_check

        reasons += masquerade_check.why_unavailable(settings.ip_masq_backend)
    if settings.anti_spoof:
        from ..firewall import antispoof

        refusal = antispoof.why_unavailable()
        reasons += [f"antiSpoof needs nf_tables: {refusal}"] if refusal else []
    if settings.bandwidth is not None and settings.bandwidth.egress is not None:
        from ..shaping.bandwidth import why_unavailable

        refusal = why_unavailable()
        reasons += [refusal] if refusal else []
    try:
        ipam = ipam_for(conf, args)
        reasons += refusals({len(ip.address) for ips in ipam.foreseen() for ip in ips})
        ipam.status()
        refuse_unusable(ipam, conf)
        _refuse_small_mtu(ipam, settings)
    except CniError as e:
        if not reasons:
            raise
        reasons.append(str(e))
    if reasons:
        raise CniError(PLUGIN_NOT_AVAILABLE, "ADD cannot be served now", "; ".join(reasons))


def refuse_unusable(ipam: Ipam, conf: NetConf) -> None:
    """Raise CniError 7 if ADD would refuse the addresses that the IPAM is configured to give."""
    from ..ipam.validate import validate

    for ips in ipam.foreseen():
        validate(Result([], ips, []), conf.ipam.text("type") if conf.ipam else "")


def _refuse_small_mtu(ipam: Ipam, settings: PtpSettings) -> None:
    from ..ipam.validate import refuse_small_mtu

    mtu = settings.mtu
    if mtu == AUTO:
        from ..veth.uplink import mtu_of_uplinks

        with Socket(NETLINK_ROUTE) as sock:
            mtu = mtu_of_uplinks(sock)
    refuse_small_mtu(mtu, [ip for ips in ipam.foreseen() for ip in ips])


def missing_capabilities() -> list[str]:
    """Return what the kernel would not let this process do, in words."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as lines:
        effective = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    needed = ((_CAP_NET_ADMIN, "CAP_NET_ADMIN"), (_CAP_SYS_ADMIN, "CAP_SYS_ADMIN"))
    return [f"{name} is missing" for number, name in needed if not effective >> number & 1]


def link_refusal() -> list[str]:
    """Return the kernel's refusal if it has no veth.  Asked for a pair whose peer goes nowhere, it makes nothing."""
    end = ("cni-ptp-probe", 0, None)
    with Socket(NETLINK_ROUTE) as sock:
        refused = sock.ask(new_veth(end, end, _NO_DESCRIPTOR))[0].error
    if refused is not None and refused.errno == errno.EOPNOTSUPP:
        return ["the kernel has no veth links"]
    return []
