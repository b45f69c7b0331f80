"""The result of the plugins before, without which a plugin of a chain has nothing to work on.  Pure."""

from __future__ import annotations

from ..base.errors import INVALID_NETWORK_CONFIG, CniError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cni.conf import NetConf
    from ..cni.result import Result


def previous_of(conf: NetConf, words: str) -> Result:
    """Return prevResult.  CniError 7 with these words if there is none."""
    previous = conf.prev_result()
    if previous is None:
        raise CniError(INVALID_NETWORK_CONFIG, words)
    return previous
