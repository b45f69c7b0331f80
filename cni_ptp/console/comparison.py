"""Attachments compared with what their ADD made: list, show, doctor, check and repair tell what CHECK would tell.

Configuration and result are those that a runtime remembers; without one they are put together from what there is.
"""

from __future__ import annotations

from ..base.errors import CHECK_FAILED, INVALID_NETNS, CniError, to_cni
from ..commands.differences import Differences, View
from ..system.netns import open_netns
from .namespaces import Namespaces
from .reconstruction import reconstructed
from .result_cache import DIRECTORIES, remembered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .inventory import Found, Inventory
    from .result_cache import Remembered


class Comparison:
    """What runtimes remember of this host's attachments, and one view of the host for all comparisons.

    unread: which files of the runtimes could not be read, in words.
    with_programs: whether IPAM plugins that are programs are asked about leases, as CHECK asks them.
    """

    def __init__(
        self, seen: Inventory, directories: tuple[str, ...] = DIRECTORIES, with_programs: bool = False
    ) -> None:
        self.seen = seen
        self.with_programs = with_programs
        every, self.unread = remembered(directories)
        self._memory = {one.attachment: one for one in every}
        self._by_alias = {one.attachment.alias(): one.attachment for one in every}
        self._namespaces = Namespaces()
        self._view = View()
        for found in seen.attachments():
            self._recognise(found)

    def __enter__(self) -> Comparison:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the view."""
        self._view.__exit__()

    def _recognise(self, found: Found) -> None:
        """Give an attachment what its runtime remembers; of a long identity its interface may tell only a hash."""
        if not found.is_named() and found.link is not None and found.link.alias in self._by_alias:
            self.seen.rename(found, self._by_alias[found.link.alias])
        found.remembered = self._memory.get(found.attachment)

    def add_remembered(self, every: bool) -> None:
        """Add what runtimes remember and the host has nothing of.

        every: also those without a namespace, such as what a runtime has not forgotten since the last boot.
        """
        for attachment, one in self._memory.items():
            if attachment.identity() not in self.seen.found and (every or _opens(one)):
                self.seen.add(attachment).remembered = one

    def compare(self, found: Found) -> None:
        """Find what is wrong with the attachment, in the words of CHECK, or why that cannot be seen."""
        found.wrong, found.unseen = [], ""
        if found.contested:
            found.wrong = [
                "two leases give its address away, and the host routes that to a link without an owner's name"
            ]
        elif is_gone(found):
            found.wrong = [f"no interface, only its {found.remains()}: ptp gc removes it"]
        else:
            try:
                self._compare(found)
            except CniError as e:
                if e.code == INVALID_NETNS:
                    found.wrong = [f"its network namespace cannot be used: {e}"]
                elif e.code == CHECK_FAILED:
                    found.wrong = [str(e)]
                else:
                    found.unseen = str(e)
            except Exception as e:  # noqa: BLE001  one that cannot be compared must not hide the others
                found.unseen = str(to_cni(e))

    def _compare(self, found: Found) -> None:
        if found.remembered is None:
            assert found.link is not None
            if not found.is_named():
                found.unseen = "its interface tells only a hash of its owner, and no lease and no runtime tells more"
                return
            path = self._namespaces.path_of(found.link.netnsid)
            if not path:
                found.unseen = "no path leads to its network namespace"
                return
            network = self.seen.networks.get(found.attachment.network)
            found.remembered = reconstructed(found, found.link, network, path)
        differences = Differences(found.remembered.args, found.remembered.conf)
        differences.look(self._view)
        if self.with_programs or not differences.ipam.is_program:
            differences.look_at_lease()
        found.wrong = differences.words


def is_gone(found: Found) -> bool:
    """Return whether neither interface nor namespace exists, and something else is left for GC."""
    return found.link is None and bool(found.remains()) and not _opens(found.remembered)


def _opens(one: Remembered | None) -> bool:
    """Return whether a runtime remembers the attachment and its namespace exists."""
    if one is None:
        return False
    try:
        open_netns(one.args.netns, one.args.netns_override).__exit__()
    except CniError:
        return False
    return True


def compare_all(comparison: Comparison, network: str | None = None) -> list[Found]:
    """Compare all attachments of the host, or those of one network; return them in order."""
    every = [f for f in comparison.seen.attachments() if network in (None, f.attachment.network)]
    for found in every:
        comparison.compare(found)
    return every
