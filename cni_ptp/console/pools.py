"""How many addresses of a network's ranges are taken, for doctor and metrics."""

from __future__ import annotations

from ..base import jsonio
from ..base.errors import CniError
from ..cni.args import Args
from ..cni.conf import read
from ..ipam import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .inventory import Network
    from .lease_files import LeaseFile

AS_ADD = Args("ADD", "doctor", "/nowhere", "eth0", "", "", False)


class Pool:
    """One range set.  text: its ranges.  size: how many addresses it gives.  taken: how many of them are leased."""

    __slots__ = ("text", "size", "taken")

    def __init__(self, text: str, size: int, taken: int) -> None:
        self.text = text
        self.size = size
        self.taken = taken

    def free(self) -> int:
        """Return how many addresses nobody has."""
        return max(0, self.size - self.taken)


def pools_of(network: Network, leases: list[LeaseFile]) -> list[Pool]:
    """Return the range sets of a network's host-local; [] if it has none, or a configuration that ADD would refuse."""
    if not network.has_leases():
        return []
    document = {**network.conf, "name": network.name, "cniversion": "1.0.0"}
    try:
        sets = settings.read(read(jsonio.dumps(document)), AS_ADD).sets
    except CniError:
        return []
    found = []
    for pool in sets:
        size = sum(last - first + 1 for first, last in pool.order(None))
        taken = sum(1 for lease in leases if pool.range_for(lease.address) is not None)
        found.append(Pool(str(pool), size, taken))
    return found
