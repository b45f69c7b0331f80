"""Files and directories of the plugin's state are opened here: no other place opens one.

A file must be a regular one, of root or of the user that we are, with one name; a directory must be of the same owner,
and neither its group nor others may write to it.  Nothing is followed, waited for or truncated before that is known.
Source: open(2), inode(7), include/uapi/linux/stat.h.
"""

from __future__ import annotations

import posix as os  # os itself costs 0.6 ms: docs/decisions/imports.md

DIRECTORY = os.O_DIRECTORY  # as flags for `opened`
_S_IFMT, _S_IFDIR, _S_IFREG, _S_OTHERS_WRITE = 0o170000, 0o040000, 0o100000, 0o022  # the module stat costs 0.1 ms
_ALWAYS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY  # a FIFO opens at once, whoever has its other end


def opened(path: str, flags: int, dir_fd: int | None = None) -> int:
    """Return a descriptor of a file, which O_CREAT makes with mode 0600, or with the flags DIRECTORY of a directory.

    flags: without O_TRUNC; the caller truncates what was found to be right.
    CniError 104 if it is not what the state may be, OSError as open(2) has it.
    """
    try:
        fd = os.open(path, flags | _ALWAYS, 0o600, dir_fd=dir_fd)
    except FileNotFoundError:
        raise
    except OSError:
        from .state_files_refusal import refuse_other_kind

        refuse_other_kind(path, dir_fd, _S_IFDIR if flags & DIRECTORY else _S_IFREG)
        raise
    try:
        _check(path, dir_fd, os.fstat(fd), flags & DIRECTORY)
    except BaseException:
        os.close(fd)
        raise
    return fd


def check_directory(path: str, follow: bool = False) -> None:
    """Raise CniError 104 if it is no directory, or others can write to it; OSError as stat(2) has it.

    A path is enough where only root can exchange what lies there.  follow: a symbolic link may lead to it.
    """
    _check(path, None, os.stat(path, follow_symlinks=follow), DIRECTORY)


def _check(path: str, dir_fd: int | None, status: os.stat_result, is_directory: int) -> None:
    mode = status.st_mode
    if is_directory:
        is_right = mode & (_S_IFMT | _S_OTHERS_WRITE) == _S_IFDIR
    else:
        is_right = mode & _S_IFMT == _S_IFREG and status.st_nlink == 1
    if not is_right or status.st_uid:
        from .state_files_refusal import refuse

        refuse(path, dir_fd, status, _S_IFDIR if is_directory else _S_IFREG)
