"""`python3 no_tmpfile.py ERRNO PROGRAM ...`: the program runs where no nameless file can be made.

A seccomp filter refuses openat(2) with O_TMPFILE, with that errno; the rest of the kernel is as it was.
Source: seccomp(2), include/uapi/linux/{seccomp,filter,audit}.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

OPENAT = {"x86_64": (0xC000003E, 257), "aarch64": (0xC00000B7, 56)}  # AUDIT_ARCH_*, __NR_openat
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 0x00050000, 0x7FFF0000
LOAD, EQUAL, AND, RETURN = 0x20, 0x15, 0x54, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_ALU|AND|K, BPF_RET|K


def wrapped(number: str, argv: list[str]) -> list[str]:
    """The command line that runs `argv` so."""
    return [sys.executable, "-I", "-S", __file__, number, *argv]


def install(number: int) -> None:
    """From now on this process, and whatever it executes, makes no nameless file."""
    arch, openat = OPENAT[platform.machine()]
    program = [
        (LOAD, 0, 0, 4),  # seccomp_data.arch
        (EQUAL, 0, 6, arch),
        (LOAD, 0, 0, 0),  # .nr
        (EQUAL, 0, 4, openat),
        (LOAD, 0, 0, 16 + 2 * 8),  # the lower half of .args[2]
        (AND, 0, 0, os.O_TMPFILE),
        (EQUAL, 0, 1, os.O_TMPFILE),
        (RETURN, 0, 0, SECCOMP_RET_ERRNO | number),
        (RETURN, 0, 0, SECCOMP_RET_ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in program))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_void_p(ctypes.addressof(head)), 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    install(getattr(errno, sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
