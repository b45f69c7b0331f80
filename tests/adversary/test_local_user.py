"""A local user that can write to the directory of the leases: nothing of root's is touched, and no call hangs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.adversary.world import World, network

PRECIOUS = Path("/run/precious")
STATE = Path("/run/state")  # the dataDir
_LONG_S = 10  # a call that waits for the user would wait for ever


def _link(name: str, target: Path) -> None:
    STATE.mkdir(exist_ok=True)
    (STATE / name).parent.mkdir(exist_ok=True)
    (STATE / name).symlink_to(target)


def _fifo(name: str) -> None:
    (STATE / name).parent.mkdir(parents=True)
    os.mkfifo(STATE / name)


def _hard_link(name: str) -> None:
    (STATE / name).parent.mkdir(parents=True)
    os.link(PRECIOUS / "file", STATE / name)


def _writable(mode: int, *parts: str) -> None:
    directory = STATE.joinpath(*parts)
    directory.mkdir(parents=True)
    directory.chmod(mode)


TRAPS: dict[str, Callable[[], None]] = {
    "a network's directory that is a link": lambda: _link("mynet", PRECIOUS),
    "an index that is a link": lambda: _link(".cni-ptp", PRECIOUS),
    "a lock that is a link": lambda: _link("mynet/lock", PRECIOUS / "file"),
    "a lock that is a link to nothing": lambda: _link("mynet/lock", PRECIOUS / "new"),
    "a last address that is a link": lambda: _link("mynet/last_reserved_ip.0", PRECIOUS / "file"),
    "a lease that is a link": lambda: _link("mynet/10.1.2.2", PRECIOUS / "file"),
    "a lock that is a FIFO": lambda: _fifo("mynet/lock"),
    "a last address that is a FIFO": lambda: _fifo("mynet/last_reserved_ip.0"),
    "a lease that is a FIFO": lambda: _fifo("mynet/10.1.2.2"),
    "a last address that is a hard link": lambda: _hard_link("mynet/last_reserved_ip.0"),
    "a lock that is a hard link": lambda: _hard_link("mynet/lock"),
    "a directory that others can write": lambda: _writable(0o777),
    "a sticky directory that others can write": lambda: _writable(0o1777),
    "a directory that a group can write": lambda: _writable(0o775),
    "a network's directory that others can write": lambda: _writable(0o777, "mynet"),
}
# What is no trap for root's files: the plugin may work on as if it were not there.
HARMLESS = ("a lease that is a link", "a lease that is a FIFO")


def _precious() -> dict[str, Any]:
    states = {str(p): p.stat() for p in sorted(PRECIOUS.rglob("*"))}
    return {p: (s.st_mode, s.st_nlink, s.st_size, s.st_mtime_ns) for p, s in states.items()}


@pytest.mark.parametrize("trap", TRAPS)
def test_nothing_of_roots_is_touched_and_no_call_hangs(world: World, trap: str) -> None:
    PRECIOUS.mkdir()
    (PRECIOUS / "file").write_bytes(b"root:x:0:0")
    (PRECIOUS / "10.1.2.9").write_bytes(b"a\r\neth0")
    TRAPS[trap]()
    before = _precious()
    victim = world.attach(network("theirs", 2, ipMasq=True), "victim")
    picture = victim.picture()
    container = world.host.container("a")
    conf = network("mynet", 1, ipMasq=True)
    conf["ipam"]["dataDir"] = str(STATE)
    valid: dict[str, Any] = {"cniVersion": "1.1.0", "cni.dev/valid-attachments": []}
    for command, more in (("ADD", {}), ("DEL", {}), ("GC", valid), ("STATUS", {"cniVersion": "1.1.0"})):
        argv = ["timeout", "-s", "KILL", str(_LONG_S), str(world.host.plugin_file)]
        environ = world.host.environment(command, "a", container.path, "eth0", "", "")
        done = world.host.run(*argv, check=False, env=environ, input=json.dumps({**conf, **more}))
        assert done.returncode in (0, 1), (command, done.returncode)
        assert '"code": 999' not in done.stdout, (command, done.stdout)
        assert _precious() == before, (command, done.stdout)
        victim.is_untouched(picture, command)
        if command == "ADD" and trap not in HARMLESS:
            assert done.returncode == 1 and '"code": 104' in done.stdout, done.stdout
            assert "veth" not in "".join(link["ifname"] for link in world.host.ip("link")).replace(victim.host_end, "")


def test_a_fifo_for_a_configuration_directory_does_not_stop_the_commands_for_people(world: World) -> None:
    """A lease and a network's directory that are FIFOs are passed over."""
    victim = world.attach(network("mynet", 1), "victim")
    before = victim.picture()
    os.mkfifo("/var/lib/cni/networks/pipe")
    os.mkfifo("/var/lib/cni/networks/mynet/10.1.2.77")
    for words in (["list"], ["show", "victim"], ["gc"]):
        done = subprocess.run(
            ["timeout", "-s", "KILL", str(_LONG_S), str(world.host.plugin_file), *words],
            capture_output=True,
            check=False,
            env={"PATH": os.environ["PATH"]},
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    victim.is_untouched(before)
