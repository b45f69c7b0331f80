"""How large a token bucket and its queue are for a limit, and what the links are called.  Pure."""

from __future__ import annotations

from ..cni.attachment import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.attachment import Attachment
    from ..cni.bandwidth import Limit

_QUEUED_MS = 25  # what waits beside a burst, as with the Go plugin
_MOST_QUEUED_S = 0.25  # of a burst, so that a huge one makes no queue of minutes
_TICK_NS = 64  # PSCHED_SHIFT: the kernel tells of a bucket in 32 bits of these
_MOST_TICKS = 0xFFFFFFFF
_HEADER = 14  # of Ethernet


class Bucket:
    """rate: bytes a second.  burst: bytes that go at once.  limit: bytes that may wait."""

    __slots__ = ("rate", "burst", "limit")

    def __init__(self, rate: int, burst: int, limit: int) -> None:
        self.rate = rate
        self.burst = burst
        self.limit = limit

    def ticks(self) -> int:
        """Return the burst as the kernel tells it: the time that it takes at the rate, in 32 bits."""
        return (self.burst * 1_000_000_000 // self.rate // _TICK_NS) & _MOST_TICKS


def bucket(limit: Limit, mtu: int) -> Bucket:
    """Return the bucket for a limit, where packets have up to `mtu` bytes.

    A burst below one packet is raised to one: the kernel would drop each larger packet.  One that takes longer than 274
    seconds is cut there, and no more than a quarter of a second of it may wait: containerd asks for 512 MiB.
    """
    packet = mtu + _HEADER
    most = _MOST_TICKS * _TICK_NS * limit.rate // 1_000_000_000
    burst = min(max(limit.burst, packet), max(most, packet))
    waiting = min(burst, max(int(limit.rate * _MOST_QUEUED_S), 2 * packet))
    return Bucket(limit.rate, burst, limit.rate * _QUEUED_MS // 1000 + waiting)


def own_ifb(attachment: Attachment) -> str:
    """Return the name of the ifb where another interface of the container has the first one's name."""
    return "bwp" + digest(attachment.owner())[:12]
