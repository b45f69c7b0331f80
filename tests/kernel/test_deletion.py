"""A DEL that returns before the kernel has freed the link: what is gone by then, and who still waits for what."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from cni_ptp.netlink.rt_link import get_link
from cni_ptp.netlink.rt_route import get_route
from cni_ptp.netlink.rt_route_read import read_route
from cni_ptp.netlink.sock import NETLINK_ROUTE, Socket
from tests.bounds import until
from tests.configurations import conf
from tests.descriptors import INHERITED, with_descriptors
from tests.namespaces import Host, entered

CONF = conf("1.1.0", ["v4", "v6"], ipMasq=True)
ENODEV = 19


def plugins_alive(host: Host) -> set[int]:
    """The processes of the built plugin that are in this network namespace."""
    ours = os.stat("/proc/thread-self/ns/net").st_ino
    found = set()
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if str(host.plugin_file).encode() in (directory / "cmdline").read_bytes().split(b"\0"):
                if (directory / "ns/net").stat().st_ino == ours:
                    found.add(int(directory.name))
        except OSError:
            pass  # it has just ended
    return found


def routed(address: bytes) -> bool:
    """Whether this namespace has a route to just the address."""
    with Socket(NETLINK_ROUTE) as sock:
        answer = sock.ask(get_route(address))[0]
        return answer.error is None and read_route(answer.one()).length == 8 * len(address)


def exists(name: str) -> bool:
    """Whether this namespace has the link."""
    with Socket(NETLINK_ROUTE) as sock:
        error = sock.ask(get_link(name))[0].error
        assert error is None or error.errno == ENODEV
        return error is None


def test_when_del_returns_both_ends_and_the_routes_are_gone_and_the_names_are_free(host: Host) -> None:
    container = host.container()
    for _ in range(30):
        result = host.plugin("ADD", CONF).ok()
        veth = result["interfaces"][0]["name"]
        host.plugin("DEL", CONF).ok()
        with entered(container.path):
            left = [exists("eth0")]
        left += [
            exists(veth),
            routed(bytes([10, 1, 2, 2])),
            routed(bytes.fromhex("20010db8000100000000000000000002")),
        ]
        assert left == [False] * 4


def traced_del(host: Host, *options: str, wrapper: list[str] | None = None, **more: Any) -> list[str]:
    """The lines of a DEL under strace, with its child's; its configuration is the file /run/conf.json."""
    Path("/run/conf.json").write_text(json.dumps(CONF))
    env = host.environment("DEL", "c1", "/run/netns/c1", "eth0", "", "")
    argv = ["strace", "-f", "-y", "-qq", "-o", "/run/trace", *options, *(wrapper or []), str(host.plugin_file)]
    with open("/run/conf.json") as stdin:
        host.run(*argv, stdin=stdin, env=env, **more)
    return Path("/run/trace").read_text().splitlines()


def test_the_child_gives_back_what_is_the_callers_before_it_asks_for_the_deletion(host: Host) -> None:
    host.container()
    host.plugin("ADD", CONF).ok()
    lines = with_descriptors(lambda: traced_del(host, pass_fds=INHERITED))
    main = lines[0].split()[0]
    theirs = [line.split(maxsplit=1)[1] for line in lines if line.split()[0] != main]
    asked = next(i for i, line in enumerate(theirs) if line.startswith("sendto("))
    closed = [int(fd) for line in theirs[:asked] for fd in re.findall(r"^close\((\d+)<(?!/proc/)", line)]
    assert sorted(closed) == [0, 1, 2, *INHERITED]


def test_the_caller_is_not_held_up_by_the_child_which_does_not_stay(host: Host) -> None:
    """Each process's first request is answered three seconds late; the child has no other, and then leaves."""
    host.container()
    host.plugin("ADD", CONF).ok()
    lines = traced_del(host, "--inject=sendto:delay_exit=3000000:when=1")
    main = lines[0].split()[0]
    ends = [line.split()[0] for line in lines if "exit_group(0" in line]
    assert len(ends) == 2 and ends[0] == main, ends
    host.plugin("ADD", CONF).ok()
    host.plugin("DEL", CONF).ok()
    until(lambda: not plugins_alive(host), "the end of the child")


# Only the child closes its standard input.
KILLED = ["-P", "/run/conf.json", "--inject=close:signal=SIGKILL"]


def test_a_runtime_that_ignores_the_end_of_children_is_served_as_well(host: Host) -> None:
    """SIGCHLD stays ignored across execve: then there is no child to be waited for."""
    host.container()
    before = host.snapshot()
    host.plugin("ADD", CONF).ok()
    lines = traced_del(host, *KILLED, wrapper=["sh", "-c", "trap '' CHLD; exec \"$0\""])
    assert any("killed by SIGKILL" in line for line in lines)
    assert host.snapshot() == before


@pytest.mark.parametrize(
    ("options", "mark"),
    [
        (KILLED, "killed by SIGKILL"),
        (["--inject=clone:error=EAGAIN"], "EAGAIN"),
    ],
    ids=["killed before it began", "refused"],
)
def test_without_the_child_del_deletes_the_link_itself(host: Host, options: list[str], mark: str) -> None:
    host.container()
    before = host.snapshot()
    host.plugin("ADD", CONF).ok()
    lines = traced_del(host, *options)
    assert any(mark in line for line in lines)
    assert host.snapshot() == before
