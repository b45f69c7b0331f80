"""Many calls at once, some of them killed: nobody is harmed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.configurations import conf
from tests.namespaces import Host, Reply, refuse_initial_namespace

WHOLE = os.environ.get("CNI_PTP_FAULTS") == "all"
CONTAINERS, PROCESSES = (400, 32) if WHOLE else (40, 8)
ROUNDS = 20 if WHOLE else 2
CONF = conf("1.0.0", ["v4", "v6"], ipMasq=True, antiSpoof=True)
STATIC = {
    **CONF,
    "ipam": {"type": "static", "addresses": [{"address": "10.1.2.9/24", "gateway": "10.1.2.1"}]},
}


def at_once(calls: list[Any]) -> list[Reply]:
    """What the calls gave, all begun together.  Threads begin in the namespaces of the one that makes them."""
    barrier = threading.Barrier(len(calls))

    def run(call: Any) -> Reply:
        barrier.wait()
        reply: Reply = call()
        return reply

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.parametrize("lock", ["with the lock", "on a read-only /run"])
@pytest.mark.parametrize("ipam", ["host-local", "static"])
def test_of_many_adds_of_one_attachment_exactly_one_succeeds_and_works(host: Host, ipam: str, lock: str) -> None:
    host.container()
    configuration = CONF if ipam == "host-local" else STATIC
    if lock != "with the lock":
        host.run("mount", "-o", "remount,bind,ro", "/run")
    before = host.snapshot()
    for _ in range(ROUNDS):
        replies = at_once([lambda: host.plugin("ADD", configuration)] * 8)
        results = [r.ok() for r in replies if r.status == 0]
        assert len(results) == 1, [r.stdout for r in replies]
        assert {r.json["code"] for r in replies if r.status} <= {100, 103}
        assert all(r.stderr == b"" for r in replies)
        assert host.plugin("CHECK", {**configuration, "prevResult": results[0]}).ok() is None
        host.plugin("DEL", configuration).ok()
        assert host.snapshot() == before


def test_whatever_the_order_of_adds_and_dels_a_final_del_leaves_nothing(host: Host) -> None:
    host.container()
    before = host.snapshot()
    rng = random.Random(5)
    for _ in range(ROUNDS):
        calls = [lambda: host.plugin("ADD", CONF), lambda: host.plugin("DEL", CONF)] * 4
        rng.shuffle(calls)
        for reply in at_once(calls):
            assert reply.status == 0 or reply.json["code"] in (100, 103), reply.stdout
        host.plugin("DEL", CONF).ok()
        assert host.snapshot() == before


class Crowd:
    """Containers that come and go in several threads, some calls of theirs killed."""

    def __init__(self, host: Host, seed: int) -> None:
        self.host = host
        self.rng = random.Random(seed)
        self.guard = threading.Lock()
        self.held: dict[str, str] = {}
        self.problems: list[str] = []
        self.killed = 0
        self.took_s = 0.1  # by the last whole call: others are killed within that time, however busy the machine

    def live(self, name: str) -> None:
        """One container: attached, perhaps killed meanwhile, checked, detached, perhaps killed meanwhile."""
        netns = f"/run/netns/{name}"
        self.host.run("ip", "netns", "add", name)
        done = self._call("ADD", name, netns, CONF)
        if done is not None and self._expect(name, "ADD", done):
            result = json.loads(done.stdout)
            self._claim(name, result)
            check = self._call("CHECK", name, netns, {**CONF, "prevResult": result}, mercy=True)
            self._expect(name, "CHECK", check)
            self._give_back(name)
        gone = self._chance(0.3)
        if gone:
            self.host.run("ip", "netns", "del", name)
        done = self._call("DEL", name, "" if gone and self._chance(0.5) else netns, CONF)
        if done is not None:
            self._expect(name, "DEL", done)

    def finish(self, name: str) -> None:
        """The DEL that every runtime ends with."""
        self._expect(name, "the final DEL", self._call("DEL", name, f"/run/netns/{name}", CONF, mercy=True))

    def _chance(self, likelihood: float) -> bool:
        with self.guard:
            return self.rng.random() < likelihood

    def _call(
        self, command: str, name: str, netns: str, configuration: dict[str, Any], mercy: bool = False
    ) -> subprocess.CompletedProcess[bytes] | None:
        """The finished call; None if it was killed."""
        refuse_initial_namespace()
        env = self.host.environment(command, name, netns, "eth0", "", "")
        argv = [str(self.host.plugin_file)]
        doomed = not mercy and self._chance(0.25)
        pipe = subprocess.PIPE
        begin = time.monotonic()
        with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, env=env) as process:
            if doomed:
                with self.guard:
                    moment = self.rng.uniform(0, self.took_s)
                killer = threading.Timer(moment, process.kill)
                killer.start()
            out, err = process.communicate(json.dumps(configuration).encode(), timeout=120)
            if doomed:
                killer.cancel()
            elif process.returncode == 0:
                self.took_s = time.monotonic() - begin
        if process.returncode == -9:
            with self.guard:
                self.killed += 1
            return None
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def _expect(self, name: str, what: str, done: subprocess.CompletedProcess[bytes] | None) -> bool:
        assert done is not None
        if done.returncode != 0 or done.stderr:
            with self.guard:
                self.problems.append(f"{what} of {name}: {done.returncode} {done.stdout!r} {done.stderr!r}")
        return done.returncode == 0

    def _claim(self, name: str, result: dict[str, Any]) -> None:
        with self.guard:
            for ip in result["ips"]:
                other = self.held.setdefault(ip["address"], name)
                if other != name:
                    self.problems.append(f"{ip['address']} is {name}'s and {other}'s")

    def _give_back(self, name: str) -> None:
        with self.guard:
            self.held = {address: owner for address, owner in self.held.items() if owner != name}


def test_a_crowd_leaves_nothing_though_some_are_killed(host: Host) -> None:
    host.container("first")
    host.plugin("ADD", CONF, container="first", netns="/run/netns/first").ok()
    host.plugin("DEL", CONF, container="first", netns="/run/netns/first").ok()
    before = host.snapshot()
    crowd = Crowd(host, 11)
    names = [f"c{i}" for i in range(CONTAINERS)]
    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(crowd.live, names))
        list(pool.map(crowd.finish, names))
    assert not crowd.problems, "\n".join(crowd.problems)
    assert crowd.killed > CONTAINERS / 20
    for name in names:
        host.run("ip", "netns", "del", name, check=False)
    assert host.snapshot() == before
