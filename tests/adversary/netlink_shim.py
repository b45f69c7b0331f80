"""A shim between the plugin and the kernel, for RTM_DELLINK only: it holds the request up, or has the kernel refuse it.

strace can delay and refuse the n-th call of a system call; this goes by what is sent, whoever of the plugin's processes
sends it, so that a test does not depend on how the plugin is built.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

HOLD = Path("/run/hold")  # while this file exists, no RTM_DELLINK gets to the kernel
HELD = Path("/run/hold.held")  # it exists as soon as one was held up

_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static void judge(int fd, char *bytes, size_t size) {
    int protocol = -1;
    socklen_t length = sizeof protocol;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) || protocol != NETLINK_ROUTE)
        return;
    for (size_t at = 0; at + sizeof(struct nlmsghdr) <= size;) {
        struct nlmsghdr *head = (struct nlmsghdr *)(bytes + at);
        if (head->nlmsg_len < sizeof *head)
            return;
        if (head->nlmsg_type == RTM_DELLINK) {
            const char *hold = getenv("SHIM_HOLD"), *held = getenv("SHIM_HELD");
            if (hold && held && access(hold, F_OK) == 0)
                close(open(held, O_CREAT | O_WRONLY, 0600));
            while (hold && access(hold, F_OK) == 0)
                usleep(1000);
            if (getenv("SHIM_REFUSE"))
                head->nlmsg_type = 0x3ff;  /* the kernel knows no such message: EOPNOTSUPP */
        }
        at += NLMSG_ALIGN(head->nlmsg_len);
    }
}

ssize_t sendto(int fd, const void *bytes, size_t size, int flags, const struct sockaddr *to, socklen_t length) {
    ssize_t (*next)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "sendto");
    char *copy = memcpy(malloc(size + 1), bytes, size);
    judge(fd, copy, size);
    ssize_t sent = next(fd, copy, size, flags, to, length);
    free(copy);
    return sent;
}

ssize_t send(int fd, const void *bytes, size_t size, int flags) {
    return sendto(fd, bytes, size, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    ssize_t (*next)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
    for (size_t i = 0; i < message->msg_iovlen; i++)
        judge(fd, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
    return next(fd, message, flags);
}
"""


def built(directory: Path) -> Path:
    """The shim, compiled into this directory."""
    source, library = directory / "shim.c", directory / "shim.so"
    source.write_text(_SOURCE)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return library


def holding(library: Path) -> dict[str, str]:
    """The environment of a call whose RTM_DELLINK waits until `HOLD` was removed."""
    HOLD.touch()
    return {"LD_PRELOAD": str(library), "SHIM_HOLD": str(HOLD), "SHIM_HELD": str(HELD)}


def refusing(library: Path) -> dict[str, str]:
    """The environment of a call whose RTM_DELLINK the kernel refuses."""
    return {"LD_PRELOAD": str(library), "SHIM_REFUSE": "1"}
