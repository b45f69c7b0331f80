"""How large a token bucket and its queue are for a limit, and what the links are called.  Pure.

Source: plugins/meta/bandwidth/ifb_creator.go createTBF(); net/sched/sch_tbf.c tbf_change().
"""

from __future__ import annotations

from ..cni.attachment import digest
from ..netlink.tc import Tbf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.attachment import Attachment
    from ..cni.bandwidth import Limit

_LATENCY_US = 25_000.0  # what waits beside a burst
_MOST_QUEUED_S = 0.25  # of a burst, so that a huge one makes no queue of minutes
_TICK_NS = 64  # PSCHED_SHIFT: the kernel takes and tells of a bucket in 32 bits of these
_TICKS_IN_US = 15.625
_MOST_U32 = 0xFFFFFFFF
_HEADER = 14  # of Ethernet


def bucket(limit: Limit, mtu: int) -> Tbf:
    """Return the bucket for a limit, where packets have up to `mtu` bytes: Go's where that works.

    A burst below one packet is raised to one: the kernel would drop each larger packet.  One that takes longer than 274
    seconds is cut there, and no more than a quarter of a second of it may wait: containerd asks for 512 MiB.
    """
    packet = mtu + _HEADER
    as_go = go_bucket(limit)
    most = _MOST_U32 * _TICK_NS * limit.rate // 1_000_000_000
    burst = min(max(limit.burst, packet), max(most, packet))
    waiting = min(burst, max(int(limit.rate * _MOST_QUEUED_S), 2 * packet))
    fits = as_go.buffer * _TICK_NS * limit.rate // 1_000_000_000 >= packet
    if fits and waiting == limit.burst:
        return as_go
    queue = min(int(limit.rate * _LATENCY_US / 1e6) + waiting, _MOST_U32)
    return Tbf(limit.rate, queue, (burst * 1_000_000_000 // limit.rate // _TICK_NS) & _MOST_U32, burst)


def go_bucket(limit: Limit) -> Tbf:
    """Return the bucket that the Go plugin makes for a limit: its numbers wrap at 32 bits."""
    microseconds = int(limit.burst * 1e6 / limit.rate) & _MOST_U32
    queue = (int(limit.rate * _LATENCY_US / 1e6) + limit.burst) & _MOST_U32
    return Tbf(limit.rate, queue, int(microseconds * _TICKS_IN_US) & _MOST_U32)


def own_ifb(attachment: Attachment) -> str:
    """Return the name of the ifb where another interface of the container has the first one's name."""
    return "bwp" + digest(attachment.owner())[:12]
