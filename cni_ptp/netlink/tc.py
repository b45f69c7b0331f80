"""Traffic control: token bucket filters, and what a link receives led to another link, as bytes.  Pure.

Source: include/uapi/linux/{rtnetlink,pkt_sched,pkt_cls,tc_act/tc_mirred}.h;
net/sched/{sch_api,sch_tbf,cls_u32,act_mirred}.c.
"""

from __future__ import annotations

import _struct as struct

from ..base.errors import DecodeError
from ..nlmsg import (
    BYTES,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_ECHO,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    STRZ,
    U32,
    U64,
    Attr,
    Request,
    Struct,
    Table,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RTM_NEWQDISC, RTM_DELQDISC, RTM_GETQDISC = 36, 37, 38
RTM_NEWTFILTER, RTM_GETTFILTER = 44, 46
TCMSG = Struct("=BxxxiIII")  # tcm_family, tcm_ifindex, tcm_handle, tcm_parent, tcm_info
TC_H_ROOT, TC_H_INGRESS = 0xFFFFFFFF, 0xFFFFFFF1
_TBF_HANDLE, _INGRESS_HANDLE = 0x00010000, 0xFFFF0000

TCA_TBF_PARMS = Attr(1, "TCA_TBF_PARMS", BYTES)
TCA_TBF_RATE64 = Attr(4, "TCA_TBF_RATE64", U64)
TCA_TBF_BURST = Attr(6, "TCA_TBF_BURST", U32)
TCA_KIND = Attr(1, "TCA_KIND", STRZ)
TCA_OPTIONS = Attr(2, "TCA_OPTIONS", BYTES)  # each kind has its own in it
_TBF_OPTIONS = TCA_OPTIONS.of(Table(TCA_TBF_PARMS, TCA_TBF_RATE64, TCA_TBF_BURST))
QDISC = Table(TCA_KIND, TCA_OPTIONS, header=TCMSG)

# struct tc_ratespec: cell_log, linklayer, overhead, cell_align, mpu, rate
_RATESPEC = Struct("=BBHhHI")
_TBF_QOPT = Struct("=12s12sIII")  # rate, peakrate, limit, buffer, mtu
_MOST_U32 = 0xFFFFFFFF

TCA_MIRRED_PARMS = Attr(2, "TCA_MIRRED_PARMS", BYTES)
TCA_ACT_KIND = Attr(1, "TCA_ACT_KIND", STRZ)
TCA_ACT_OPTIONS = Attr(2, "TCA_ACT_OPTIONS", Table(TCA_MIRRED_PARMS))
_FIRST_ACTION = Attr(1, "TCA_ACT_1", Table(TCA_ACT_KIND, TCA_ACT_OPTIONS))
TCA_U32_CLASSID = Attr(1, "TCA_U32_CLASSID", U32)
TCA_U32_SEL = Attr(5, "TCA_U32_SEL", BYTES)
TCA_U32_ACT = Attr(7, "TCA_U32_ACT", Table(_FIRST_ACTION))
_U32_OPTIONS = TCA_OPTIONS.of(Table(TCA_U32_CLASSID, TCA_U32_SEL, TCA_U32_ACT))
FILTER = Table(TCA_KIND, TCA_OPTIONS, header=TCMSG)
# tc_u32_sel with one tc_u32_key that matches everything: flags terminal, 1 key.
_MATCH_ALL = struct.pack("=BBBxHHhhI", 1, 0, 1, 0, 0, 0, 0, 0) + bytes(16)
_MIRRED = Struct("=IIiiiiI")  # index, capab, action, refcnt, bindcnt, eaction, ifindex
TC_ACT_STOLEN, TCA_EGRESS_REDIR = 4, 1
_FILTER_INFO = 0x00010300  # priority 1, ETH_P_ALL in network order


class Tbf:
    """A token bucket filter.  rate: bytes a second.  limit: bytes that may wait.  buffer: the burst's time, 64 ns each.

    burst: the burst in bytes, from which the kernel computes the buffer; 0 where the buffer counts.
    """

    __slots__ = ("rate", "limit", "buffer", "burst")

    def __init__(self, rate: int, limit: int, buffer: int, burst: int = 0) -> None:
        self.rate = rate
        self.limit = limit
        self.buffer = buffer
        self.burst = burst


def tbf_in(reply: Any) -> Tbf | None:
    """Return the token bucket filter that a qdisc is, if it has the handle of ours; None if it is anything else."""
    header, attrs = reply
    if attrs.get(TCA_KIND) != "tbf" or header[2] != _TBF_HANDLE:
        return None
    found = _TBF_OPTIONS.kind.read(attrs.get(TCA_OPTIONS, b""))
    parms: bytes = found.get(TCA_TBF_PARMS, b"")
    if len(parms) < _TBF_QOPT.size:
        raise DecodeError(f"TCA_TBF_PARMS of {len(parms)} bytes")
    spec, _, limit, buffer, _ = _TBF_QOPT.unpack_from(parms)
    return Tbf(found.get(TCA_TBF_RATE64, _RATESPEC.unpack(spec)[5]), limit, buffer)


def add_tbf(ifindex: int, name: str, tbf: Tbf) -> Request:
    """Give the link a token bucket filter as its root.  Kernel errors: EEXIST unless it has the default one.

    Like: tc qdisc add dev NAME root handle 1: tbf rate RATE burst BURST limit LIMIT
    """
    return _set_tbf(ifindex, name, tbf, NLM_F_EXCL)


def replace_tbf(ifindex: int, name: str, tbf: Tbf) -> Request:
    """Give the link another token bucket filter in place of the one that is the link's root."""
    return _set_tbf(ifindex, name, tbf, NLM_F_REPLACE)


def _set_tbf(ifindex: int, name: str, tbf: Tbf, flag: int) -> Request:
    spec = _RATESPEC.pack(0, 0, 0, 0, 0, min(tbf.rate, _MOST_U32))
    parts = [TCA_TBF_PARMS(_TBF_QOPT.pack(spec, bytes(12), tbf.limit, tbf.buffer, 0))]
    if tbf.burst:
        parts.append(TCA_TBF_BURST(tbf.burst))
    if tbf.rate > _MOST_U32:
        parts.append(TCA_TBF_RATE64(tbf.rate))
    body = TCMSG.pack(0, ifindex, _TBF_HANDLE, TC_H_ROOT, 0) + TCA_KIND("tbf") + _TBF_OPTIONS(parts)
    return Request(RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | flag, body, f"limit what link {name} sends", QDISC)


def add_ingress(ifindex: int, name: str) -> Request:
    """Give the link the place where what it receives can be filtered.  Kernel errors: EEXIST if it has one.

    Like: tc qdisc add dev NAME ingress
    """
    body = TCMSG.pack(0, ifindex, _INGRESS_HANDLE, TC_H_INGRESS, 0) + TCA_KIND("ingress")
    flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
    return Request(RTM_NEWQDISC, flags, body, f"add an ingress qdisc to link {name}", QDISC)


def del_ingress(ifindex: int, name: str) -> Request:
    """Delete the ingress qdisc with its filters.  Kernel errors: EINVAL or ENOENT if the link has none."""
    body = TCMSG.pack(0, ifindex, _INGRESS_HANDLE, TC_H_INGRESS, 0)
    return Request(RTM_DELQDISC, NLM_F_ACK, body, f"delete the ingress qdisc of link {name}", QDISC)


def del_root(ifindex: int, name: str) -> Request:
    """Delete the root qdisc.  Kernel errors: ENOENT if the link has the default one."""
    body = TCMSG.pack(0, ifindex, 0, TC_H_ROOT, 0)
    return Request(RTM_DELQDISC, NLM_F_ACK, body, f"delete the root qdisc of link {name}", QDISC)


def redirect_all(ifindex: int, name: str, to: int) -> Request:
    """Lead all that the link receives to the link of index `to`, as if that one sent it.

    Like: tc filter add dev NAME parent ffff: prio 1 u32 match u32 0 0 action mirred egress redirect dev TO
    """
    mirred = TCA_MIRRED_PARMS(_MIRRED.pack(0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, to))
    action = _FIRST_ACTION([TCA_ACT_KIND("mirred"), TCA_ACT_OPTIONS([mirred])])
    options = _U32_OPTIONS([TCA_U32_CLASSID(_TBF_HANDLE | 1), TCA_U32_SEL(_MATCH_ALL), TCA_U32_ACT([action])])
    body = TCMSG.pack(0, ifindex, 0, _INGRESS_HANDLE, _FILTER_INFO) + TCA_KIND("u32") + options
    flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
    return Request(RTM_NEWTFILTER, flags, body, f"redirect what link {name} receives", FILTER)


def get_root(ifindex: int, name: str) -> Request:
    """Ask for the root qdisc of the link.  Kernel errors: ENOENT if it has the default one."""
    return _get_qdisc(ifindex, TC_H_ROOT, f"look up the root qdisc of link {name}")


def get_ingress(ifindex: int, name: str) -> Request:
    """Ask for the qdisc of kind ingress or clsact; no reply if the link has none."""
    return _get_qdisc(ifindex, TC_H_INGRESS, f"look up the ingress qdisc of link {name}")


def _get_qdisc(ifindex: int, parent: int, operation: str) -> Request:
    # The kernel notifies those who listen, and echoes it to who asks for that.
    body = TCMSG.pack(0, ifindex, 0, parent, 0)
    return Request(RTM_GETQDISC, NLM_F_ACK | NLM_F_ECHO, body, operation, QDISC)


def dump_filters(ifindex: int, name: str) -> Request:
    """List the filters on what the link receives; none if its ingress qdisc is of another kind or does not exist."""
    body = TCMSG.pack(0, ifindex, 0, _INGRESS_HANDLE, 0)
    return Request(RTM_GETTFILTER, NLM_F_DUMP, body, f"list the filters of link {name}", FILTER)


def redirects_in(reply: Any) -> list[int]:
    """Return the index of the link to which a listed filter leads, 0 if it was deleted; [] if it is no redirection."""
    if reply[1].get(TCA_KIND) != "u32":
        return []
    options = _U32_OPTIONS.kind.read(reply[1].get(TCA_OPTIONS, b""))
    action = options.get(TCA_U32_ACT, {}).get(_FIRST_ACTION, {})
    parms: bytes = action.get(TCA_ACT_OPTIONS, {}).get(TCA_MIRRED_PARMS, b"")
    if len(parms) < _MIRRED.size:
        return []
    _, _, verdict, _, _, eaction, ifindex = _MIRRED.unpack_from(parms)
    return [ifindex] if (verdict, eaction) == (TC_ACT_STOLEN, TCA_EGRESS_REDIR) else []
