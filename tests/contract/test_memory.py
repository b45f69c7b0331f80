"""What one call costs in memory."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.namespaces import Host

# The peak counts from the fork on, so the caller must be small itself: pytest is not.
_MEASURE = """
import os, sys
status = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
sys.stderr.write(f"{status[1]} {status[2].ru_maxrss}")
"""


@pytest.mark.parametrize("masq", ["none", "nftables"])
def test_an_add_peaks_below_16_mib(host: Host, masq: str) -> None:
    container = host.container()
    conf: dict[str, Any] = {
        "cniVersion": "1.1.0",
        "name": "net",
        "type": "ptp",
        "ipMasq": masq != "none",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]},
    }
    environment = host.environment("ADD", "c1", container.path, "eth0", "", "")
    argv = [sys.executable, "-I", "-S", "-c", _MEASURE, str(host.plugin_file)]
    done = host.run(*argv, input=json.dumps(conf), env=environment)
    status, kib = map(int, done.stderr.split())
    assert status == 0, done.stdout
    assert 4096 < kib < 16 * 1024
