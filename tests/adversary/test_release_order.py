"""What protects a link or reserves its address outlives the link (reports.md B2)."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.adversary import netlink_shim
from tests.adversary.world import FAMILIES, GO, Attached, World, elements, network
from tests.bounds import until
from tests.console.people import CONF_DIR, configure

BACKENDS = ("nftables", "iptables")
_LOOKS = 8  # how often the host is looked at while the deletion is held up
_PAUSE_S = 0.02


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shim for RTM_DELLINK."""
    return netlink_shim.built(tmp_path_factory.mktemp("shim"))


def attached(world: World, families: str = "dual", backend: str = "nftables", **more: Any) -> Attached:
    """A container with masquerading, guard and lease."""
    conf = network("mynet", 1, FAMILIES[families], ipMasq=True, antiSpoof=True, ipMasqBackend=backend, **more)
    return world.attach(conf, "a")


@contextmanager
def held_up(world: World, command: str, conf: dict[str, Any], netns: str, shim: Path) -> Iterator[Any]:
    """A call of the plugin that has come to the deletion of the link, and is held up there."""
    host = world.host
    environ = {
        **host.environment(command, "a", netns, "eth0", str(GO.parent), ""),
        **netlink_shim.holding(shim),
    }
    Path("/run/conf.json").write_text(json.dumps(conf))
    with open("/run/conf.json") as stdin:
        call = host.start(str(host.plugin_file), stdin=stdin, env=environ)
    world.processes.append(call)
    until(netlink_shim.HELD.exists, "the request to delete a link")
    try:
        yield call
    finally:
        netlink_shim.HOLD.unlink()


def stays(of: Attached, call: subprocess.Popen[str], before: dict[str, Any]) -> None:
    """The attachment has all that it had, for as long as the link is there; and the call waits for its end."""
    for _ in range(_LOOKS):
        of.is_untouched(before, "while the link is there")
        assert call.poll() is None, "DEL did not wait for the link to disappear"
        time.sleep(_PAUSE_S)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("families", FAMILIES)
def test_while_the_link_is_there_guard_masquerading_and_lease_are(
    world: World, shim: Path, families: str, backend: str
) -> None:
    a = attached(world, families, backend)
    before = a.picture()
    with held_up(world, "DEL", a.conf, a.container.path, shim) as call:
        stays(a, call, before)
    assert call.wait() == 0
    a.is_detached()


@pytest.mark.parametrize("what", ["prevResult", "no namespace", "a delegated IPAM"])
def test_they_are_whatever_del_was_given(world: World, shim: Path, what: str) -> None:
    a = attached(world, embeddedIPAM=what != "a delegated IPAM")
    before = a.picture()
    conf = {**a.conf, "prevResult": a.result} if what == "prevResult" else a.conf
    netns = "" if what == "no namespace" else a.container.path
    with held_up(world, "DEL", conf, netns, shim) as call:
        stays(a, call, before)
    assert call.wait() == 0
    a.is_detached()


def test_they_are_when_gc_deletes_the_link(world: World, shim: Path) -> None:
    a = attached(world)
    before = a.picture()
    conf = {**a.conf, "cniVersion": "1.1.0", "cni.dev/valid-attachments": []}
    with held_up(world, "GC", conf, "", shim) as call:
        stays(a, call, before)
    assert call.wait() == 0
    a.is_detached()


def test_they_are_when_a_failed_add_takes_itself_back(world: World, shim: Path) -> None:
    """The ends may be up by then: without its guard the container could spoof."""
    container = world.host.container("a")
    conf = network("mynet", 1, (4, 6), ipMasq=True, antiSpoof=True)
    conf["ipam"]["routes"].append({"dst": "198.51.100.0/24", "gw": "203.0.113.1"})
    empty = world.host.snapshot()
    with held_up(world, "ADD", conf, container.path, shim) as call:
        for _ in range(_LOOKS):
            held = "\n".join(elements(world.host))
            assert [name for name in ("masq4", "masq6", "guarded", "source4", "source6") if name not in held] == []
            assert len(world.host.snapshot()["leases"]) == 2
            time.sleep(_PAUSE_S)
    assert call.wait() == 1
    assert world.host.snapshot() == empty


def test_a_del_that_is_killed_while_it_waits_leaves_nothing_unprotected(world: World, shim: Path) -> None:
    a = attached(world)
    before = a.picture()
    with held_up(world, "DEL", a.conf, a.container.path, shim) as call:
        stays(a, call, before)
        call.kill()
        call.wait()
        a.is_untouched(before)
    a.call("DEL").ok()
    a.is_detached()


# --- a link that cannot be deleted ----------------------------------------------------------------------------------


def _del(a: Attached, env: dict[str, str]) -> str:
    return json.dumps(a.call("DEL", env=env).error(100))


def _del_without_namespace(a: Attached, env: dict[str, str]) -> str:
    return json.dumps(a.call("DEL", env=env, netns="").error(100))


def _gc(a: Attached, env: dict[str, str]) -> str:
    conf = {"cniVersion": "1.1.0", "cni.dev/valid-attachments": []}
    return json.dumps(a.call("GC", conf=conf, env=env).error(100))


def _console_gc(a: Attached, env: dict[str, str]) -> str:
    configure(a.conf)
    argv = (str(a.host.plugin_file), "gc", "--none-valid", "--conf-dir", CONF_DIR)
    done = a.host.run(*argv, check=False, env={"PATH": os.environ["PATH"], **env})
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout + done.stderr


VERBS: dict[str, Callable[[Attached, dict[str, str]], str]] = {
    "DEL": _del,
    "DEL without a namespace": _del_without_namespace,
    "GC": _gc,
    "ptp gc": _console_gc,
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_link_that_the_kernel_keeps_keeps_its_protection_and_lease_and_is_reported(
    world: World, shim: Path, verb: str, backend: str
) -> None:
    a = attached(world, backend=backend)
    before = a.picture()
    assert a.host_end in VERBS[verb](a, netlink_shim.refusing(shim))
    a.is_untouched(before)
    a.call("DEL").ok()
    a.is_detached()


@pytest.mark.parametrize("with_result", [True, False])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_link_that_is_another_attachments_by_its_alias_keeps_its_protection(
    world: World, backend: str, with_result: bool
) -> None:
    a = attached(world, backend=backend)
    world.host.run("ip", "link", "set", a.host_end, "alias", "cni-ptp othernet c9 eth0")
    before = a.picture()
    assert a.host_end in json.dumps(a.call("DEL", with_result=with_result).error(100))
    a.is_untouched(before)
    world.host.run("ip", "link", "set", a.host_end, "alias", "cni-ptp mynet a eth0")
    a.call("DEL").ok()
    a.is_detached()


@pytest.mark.parametrize("alias", ["", "the operator's own words", "cni-ptp", "cni-ptp mynet", "cni-ptp mynet a eth1"])
def test_whatever_becomes_of_a_link_with_another_alias_its_protection_shares_its_fate(world: World, alias: str) -> None:
    a = attached(world)
    world.host.run("ip", "link", "set", a.host_end, "alias", alias)
    before = a.picture()
    reply = a.call("DEL")
    if a.link():
        reply.error(100)
        a.is_untouched(before)
    else:
        reply.ok()
        a.is_detached()
