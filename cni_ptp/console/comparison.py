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
    """Compare a host's attachments with what runtimes remember of them; all comparisons share one view of the host.

    seen: the attachments of the host, to which those are added that only a runtime remembers.
    unread: the files of the runtimes that could not be read, in words.
    """

    def __init__(self, seen: Inventory, directories: tuple[str, ...] = DIRECTORIES, as_check: bool = False) -> None:
        """Read what runtimes remember.

        as_check: add also attachments without a namespace, such as those that a runtime has not forgotten since the
        last boot, and ask IPAM plugins that are programs about leases.
        """
        self.seen = seen
        self._as_check = as_check
        every, self.unread = remembered(directories)
        self._memory = {one.attachment: one for one in every}
        self._by_alias = {one.attachment.alias(): one.attachment for one in every}
        self._view = View()
        self._namespaces = Namespaces(self._view.host)
        for found in seen.attachments():
            self._recognise(found)
        self._add_remembered()

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

    def _add_remembered(self) -> None:
        for attachment, one in self._memory.items():
            if attachment.identity() not in self.seen.found and (self._as_check or _opens(one)):
                self.seen.add(attachment).remembered = one

    def compare_again(self, found: Found) -> None:
        """Compare the attachment as `compare` does, with a firewall that may have changed."""
        self._view.forget()
        self.compare(found)

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
        if self._as_check or not differences.ipam.is_program:
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
