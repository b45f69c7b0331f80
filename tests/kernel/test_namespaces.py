"""The tests' own ground: no test may reach the machine's network."""

from __future__ import annotations

import os

import pytest

from tests.namespaces import Host, entered, refuse_initial_namespace, started_in_fd


def test_a_test_runs_on_a_bare_host_of_its_own(host: Host) -> None:
    refuse_initial_namespace()
    assert [link["ifname"] for link in host.ip("link")] == ["lo"]
    assert os.listdir("/var/lib/cni") == []


def test_the_namespace_that_the_tests_were_started_in_is_refused(host: Host) -> None:
    with entered(f"/proc/self/fd/{started_in_fd}"), pytest.raises(RuntimeError, match="refused"):
        refuse_initial_namespace()


@pytest.mark.parametrize(
    "command",
    [
        "ip link set vethX netns 1",
        "sh -c 'ip -n c1 link set eth0 netns 1'",
        "nsenter -n -t 1 ip link",
        "nsenter --net=/proc/1/ns/net ip link",
        "nsenter --target=1 --net true",
    ],
)
def test_a_program_that_would_reach_the_machine_is_not_started(host: Host, command: str) -> None:
    with pytest.raises(RuntimeError, match="refused"):
        host.run("echo", *command.split())
    with pytest.raises(RuntimeError, match="refused"):
        host.container().start("echo", command)
