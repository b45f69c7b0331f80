"""Descriptors that a runtime left open: not close-on-exec, and with numbers that nobody expects."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from typing import Any

INHERITED = (10, 251, 5000)


def with_descriptors(call: Callable[[], Any]) -> Any:
    """What `call` returns, with descriptors that are not close-on-exec open in this process."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 8192), limits[1]))
    null = os.open("/dev/null", os.O_RDONLY)
    path_only = os.open("/", os.O_PATH)
    kept = {number: os.dup(number) if _is_open(number) else -1 for number in INHERITED}
    try:
        for number in INHERITED:
            os.dup2(path_only if number == 251 else null, number, inheritable=True)
        return call()
    finally:
        for number, saved in kept.items():
            if saved >= 0:
                os.dup2(saved, number, inheritable=False)
                os.close(saved)
            else:
                os.close(number)
        os.close(null)
        os.close(path_only)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def _is_open(number: int) -> bool:
    return os.path.exists(f"/proc/self/fd/{number}")
