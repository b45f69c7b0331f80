"""The kernel's error numbers, such as ENOENT.

Those that calls meet every day are here, the same on every architecture; any other is the module errno's, which takes
0.05 ms to make its two hundred names.
Source: include/uapi/asm-generic/errno-base.h.
"""

from __future__ import annotations

EPERM, ENOENT, ESRCH, EINTR, EIO, ENXIO, EAGAIN, EACCES, EEXIST = 1, 2, 3, 4, 5, 6, 11, 13, 17
ENODEV, ENOTDIR, EINVAL, ENOSPC, EROFS = 19, 20, 22, 28, 30


def __getattr__(name: str) -> int:
    """The number of any other name.  AttributeError if the kernel has none of it."""
    import errno

    number: int = getattr(errno, name)
    return number
