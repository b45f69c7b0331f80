"""Where a process is that does not go on."""

from __future__ import annotations

import os
from pathlib import Path

# include/uapi/asm-generic/unistd.h, arch/x86/entry/syscalls/syscall_64.tbl
_SYSTEM_CALLS = {"x86_64": {"read": 0, "write": 1, "poll": 7}, "aarch64": {"read": 63, "write": 64, "poll": 73}}


def is_in(pid: int, call: str) -> bool:
    """Return whether a process sleeps in this system call, on a standard descriptor if it reads or writes."""
    try:
        words = Path(f"/proc/{pid}/syscall").read_text().split()
    except OSError:
        return False
    wanted = _SYSTEM_CALLS[os.uname().machine][call]
    return words[0] == str(wanted) and (call == "poll" or int(words[1], 16) < 2)


def has_open(pid: int, path: str) -> bool:
    """Return whether a process has the file open."""
    try:
        return path in {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    except OSError:
        return False
