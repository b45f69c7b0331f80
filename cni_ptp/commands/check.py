"""CHECK: the attachment is as ADD left it, or the error names every difference.

Source: CNI SPEC.md "CHECK".
"""

from __future__ import annotations

from ..base.errors import CHECK_FAILED, CniError
from .checkpoint import log_step
from .differences import Differences, View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.args import Args
    from ..cni.conf import NetConf


def check(args: Args, conf: NetConf) -> None:
    """Return if all is as it should be; else raise CniError 105 whose details list the differences."""
    found = Differences(args, conf)
    with View() as view:
        found.look(view)
    log_step("compare")
    try:
        found.look_at_lease()
    finally:
        log_step("ipam")
    words = found.words
    if words:
        count = f"{len(words)} difference{'s' if len(words) > 1 else ''}"
        raise CniError(CHECK_FAILED, f"check {found.attachment}: {count}", "; ".join(words))
