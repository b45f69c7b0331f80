"""What the plugin tuning, later in the chain, has recorded of an interface that it changed.

Source: plugins/meta/tuning/tuning.go of containernetworking/plugins: createBackup(), defaultDataDir.
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

from ..base.errors import CniError
from ..base.jsonio import loads
from ..cni.attachment import Attachment
from ..system.state_files import opened

_DATA_DIR = "/run/cni/tuning"
_MOST = 4096


def has_tuned_mtu(attachment: Attachment) -> bool:
    """Return whether tuning has recorded the MTU from before it set another one."""
    path = f"{_DATA_DIR}/{attachment.containerid}_{attachment.ifname}.json"
    try:
        fd = opened(path, os.O_RDONLY)
        try:
            recorded = loads(os.read(fd, _MOST))
        finally:
            os.close(fd)
    except (OSError, ValueError, CniError):
        return False
    return isinstance(recorded, dict) and bool(recorded.get("mtu"))
