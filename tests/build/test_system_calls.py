"""How many system calls an ADD and a DEL make: each costs the host something at every container.

Counted from the opening of the built file on, on a host that has seen calls before: what the plugin asks for, the same
under every Python.  What the interpreter and the C library do of themselves differs from one version to the next.
A number that grows needs a reason; one that shrinks is put here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import conf
from tests.namespaces import Host
from tests.security.trace import whole

# ADD, and DEL with its child: the system calls that the plugin asks for; of these, datagrams to the kernel.
# Among those of DEL is one for the answer whether there are port mappings, and, as there is no prevResult, two for the
# question whether there is an ifb.
BUDGET = {
    "no masquerading": (conf("1.0.0", ["v4"]), (110, 8), (123, 6)),
    "ipMasq": (conf("1.0.0", ["v4"], ipMasq=True), (141, 11), (138, 9)),
    "dual stack": (conf("1.0.0", ["v4", "v6"]), (162, 11), (134, 6)),
}
# Memory, threads, signals, a process's begin and end.
_OF_THE_INTERPRETER = {
    "brk", "mmap", "munmap", "mprotect", "mremap", "madvise", "futex", "sched_yield", "set_robust_list", "rseq",
    "gettid", "getpid", "getrandom", "prlimit64", "prctl", "rt_sigaction", "rt_sigprocmask", "exit", "exit_group",
    "lseek", "fstat", "lstat", "stat", "readlink", "ioctl", "fcntl64",
}  # fmt: skip
# The standard library, and what its C modules are linked with; fstat as some C libraries call it; how many threads run,
# which fork reads since Python 3.12; a call that the kernel begins anew by itself while its lock is taken.
_BESIDE = re.compile(
    r"\.so[.0-9]*[\">]|/ld\.so\.|/lib/python3|AT_EMPTY_PATH|/proc/self/stat\"|/proc/\d+/stat>|ERESTART"
)
# A wait for the kernel's background work: the sleep, sendto and two recvmsg, and of DEL whether its child still runs.
_SLEEPS = ("clock_nanosleep", "pselect6")  # up to Python 3.10 the latter
_WITH_A_SLEEP = 3


def calls(host: Host, command: str, configuration: dict[str, Any]) -> list[str]:
    """The lines of a call under strace, from the opening of the built file on."""
    env = host.environment(command, "c1", "/run/netns/c1", "eth0", "", "")
    Path("/run/conf.json").write_text(json.dumps(configuration))
    with open("/run/conf.json") as stdin:
        options = ("-f", "-v", "-y", "-s", "256", "-qq", "-o", "/run/trace")
        host.run("strace", *options, str(host.plugin_file), stdin=stdin, env=env)
    lines = [line for line in whole(Path("/run/trace").read_text()) if "(" in line]
    begin = next(i for i, line in enumerate(lines) if "openat(" in line and str(host.plugin_file) in line)
    return lines[begin:]


def asked_for(lines: list[str]) -> Counter[str]:
    """How often the plugin asked for each system call."""
    names = Counter(line.split()[1].split("(")[0] for line in lines if not _BESIDE.search(line))
    return Counter({name: count for name, count in names.items() if name not in _OF_THE_INTERPRETER})


@pytest.mark.parametrize("case", list(BUDGET))
def test_the_system_calls_of_add_and_del_are_within_their_budget(host: Host, case: str) -> None:
    configuration, *budgets = BUDGET[case]
    host.container()
    for _ in range(2):  # the first ADD on a host makes its directories and tables
        host.plugin("ADD", configuration).ok()
        host.plugin("DEL", configuration).ok()
    for command, (most, most_datagrams) in zip(("ADD", "DEL"), budgets):
        made = asked_for(calls(host, command, configuration))
        polls = sum([made.pop(name, 0) for name in _SLEEPS])
        made.pop("wait4", None)
        total, datagrams = sum(made.values()) - _WITH_A_SLEEP * polls, made["sendto"] - polls
        assert (total <= most, datagrams <= most_datagrams) == (True, True), (command, total, datagrams, made)


def test_neither_add_nor_del_lists_anything(host: Host) -> None:
    """A list grows with the containers of the host; what is asked for by name does not."""
    configuration = conf("1.0.0", ["v4", "v6"], ipMasq=True, mtu="auto")
    host.container()
    host.plugin("ADD", configuration).ok()
    host.plugin("DEL", configuration).ok()
    for _ in range(2):
        for command in ("ADD", "DEL"):
            sent = [line for line in calls(host, command, configuration) if "sendto(" in line or "getdents" in line]
            assert sent
            assert not [line for line in sent if "NLM_F_DUMP" in line]
