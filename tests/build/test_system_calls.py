"""How many system calls an ADD and a DEL make: each costs the host something at every container.

Counted from the opening of the built file on, on a host that has seen calls before; what the interpreter does to start
is not ours.  A number that grows needs a reason; one that shrinks is to be put here.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_attach import conf
from tests.namespaces import Host

# ADD, and DEL with its child: all system calls; of these, datagrams to the kernel.
BUDGET = {
    "no masquerading": (conf("1.0.0", ["v4"]), (166, 6), (152, 5)),
    "ipMasq": (conf("1.0.0", ["v4"], ipMasq=True), (197, 9), (167, 8)),
    "dual stack": (conf("1.0.0", ["v4", "v6"]), (212, 8), (165, 5)),
}
_A_POLL = 5  # clock_nanosleep, wait4, sendto and two recvmsg: the kernel's background work takes its time


def calls(host: Host, command: str, configuration: dict[str, Any]) -> list[str]:
    """The lines of a call under strace, from the opening of the built file on."""
    env = host.environment(command, "c1", "/run/netns/c1", "eth0", "", "")
    Path("/run/conf.json").write_text(json.dumps(configuration))
    with open("/run/conf.json") as stdin:
        host.run(
            "strace", "-f", "-v", "-s", "256", "-qq", "-o", "/run/trace", str(host.plugin_file), stdin=stdin, env=env
        )
    lines = [line for line in Path("/run/trace").read_text().splitlines() if "(" in line and "resumed>" not in line]
    begin = next(i for i, line in enumerate(lines) if "openat(" in line and str(host.plugin_file) in line)
    return lines[begin:]


@pytest.mark.parametrize("case", list(BUDGET))
def test_the_system_calls_of_add_and_del_are_within_their_budget(host: Host, case: str) -> None:
    configuration, *budgets = BUDGET[case]
    host.container()
    for _ in range(2):  # the first ADD on a host makes its directories and tables
        host.plugin("ADD", configuration).ok()
        host.plugin("DEL", configuration).ok()
    for command, (most, most_datagrams) in zip(("ADD", "DEL"), budgets):
        made = Counter(line.split()[1].split("(")[0] for line in calls(host, command, configuration))
        polls = made["clock_nanosleep"]
        total, datagrams = sum(made.values()) - _A_POLL * polls, made["sendto"] - polls
        assert (total <= most, datagrams <= most_datagrams) == (True, True), (command, total, datagrams, made)


def test_neither_add_nor_del_lists_anything(host: Host) -> None:
    """A list grows with the containers of the host; what is asked for by name does not."""
    configuration = conf("1.0.0", ["v4", "v6"], ipMasq=True)
    host.container()
    host.plugin("ADD", configuration).ok()
    host.plugin("DEL", configuration).ok()
    for _ in range(2):
        for command in ("ADD", "DEL"):
            sent = [line for line in calls(host, command, configuration) if "sendto(" in line or "getdents" in line]
            assert sent
            assert not [line for line in sent if "NLM_F_DUMP" in line]
