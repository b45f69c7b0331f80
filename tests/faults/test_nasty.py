"""Every string of a configuration and every variable, with texts that cannot be used: no call is an internal error."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.faults import nasty
from tests.namespaces import Host, refuse_initial_namespace

VERBS = ("ADD", "DEL", "CHECK", "GC", "STATUS")
PARTS = 3


def call(host: Host, verb: str, conf: dict[str, Any], **env: bytes) -> tuple[int, str]:
    """Return (code, what is wrong with the answer itself or "")."""
    refuse_initial_namespace()
    variables = {
        k.encode(): v.encode() for k, v in host.environment(verb, "c1", "/run/netns/c1", "eth0", "/bin", "").items()
    }
    variables.update({k.encode(): v for k, v in env.items()})
    done = subprocess.run(
        [host.plugin_file], input=json.dumps(conf).encode(), env=variables, capture_output=True, check=False, timeout=60
    )
    said = f"status {done.returncode}, {done.stdout[:300]!r}, {done.stderr[-500:]!r}"
    if done.stderr or done.returncode not in (0, 1):
        return -1, said
    try:
        document = json.loads(done.stdout.decode("utf-8")) if done.stdout else {}
    except ValueError:
        return -1, said
    code = document.get("code", 0)
    return code, said if code == 999 or (code == 0) != (done.returncode == 0) else ""


def left(host: Host) -> list[str]:
    """Return the links of the host and all leases."""
    links = [line.split(":")[0].strip() for line in Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]]
    return links + [Path(lease).name for lease in leases()]


def leases() -> list[str]:
    """Return the paths of all leases."""
    found = [os.path.join(at, name) for at, _, names in os.walk("/run/leases") for name in names if name[0].isdigit()]
    return [path for path in found if "/.cni-ptp/" not in path]


def told(host: Host, about: str, verb: str, conf: dict[str, Any], **env: bytes) -> str:
    """Return what is wrong with a call; after an ADD that succeeded its DEL must leave nothing."""
    code, problem = call(host, verb, conf, **env)
    if verb == "ADD" and not problem:
        if code == 0:
            code, problem = call(host, "DEL", conf, **env)
            problem = problem or ("DEL failed" if code else "")
        problem = problem or ("" if left(host) == ["lo"] else f"code {code}, and left: {left(host)}")
    return f"{verb} {about}: {problem}" if problem else ""


@pytest.fixture
def place(host: Host) -> Host:
    """The host with a container, and with a loop of symbolic links."""
    host.container()
    os.symlink("loop", "/run/loop")
    return host


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("verb", "ipam"), [*[(verb, nasty.configuration) for verb in VERBS], ("ADD", nasty.static)])
def test_no_text_in_a_configuration_is_an_internal_error(place: Host, verb: str, ipam: Any, part: int) -> None:
    conf = ipam(verb)
    assert call(place, "ADD", conf) == (0, "")
    assert call(place, "DEL", conf) == (0, "")
    cases = [(p, about) for p in nasty.places(conf) for about in nasty.TEXTS][part::PARTS]
    before = place.snapshot()
    problems = [
        told(place, f"{'.'.join(map(str, p))} {about}", verb, nasty.replaced(conf, p, nasty.TEXTS[about]))
        for p, about in cases
    ]
    assert len(problems) > 100
    assert not any(problems), "\n".join(filter(None, problems))
    assert place.snapshot() == before


@pytest.mark.parametrize("verb", VERBS)
def test_no_text_in_the_environment_is_an_internal_error(place: Host, verb: str) -> None:
    conf = nasty.configuration(verb)
    before = place.snapshot()
    problems = [
        told(place, f"{variable} {about}", verb, conf, **{variable: raw})
        for variable in nasty.VARIABLES
        for about, raw in nasty.RAW.items()
    ]
    assert not any(problems), "\n".join(filter(None, problems))
    assert place.snapshot() == before


DATA_DIRS = {
    "/run/\ud800": 7,
    "/run/a\0b": 7,
    "/run/" + "x" * 256: 7,
    "/run" + "/x" * 1901: 7,
    "/proc": 104,
    "/proc/self/x": 104,
    "/etc/passwd": 104,
    "/etc/passwd/x": 104,
    "/run/loop": 104,
    "/run/loop/x": 104,
    "/run/ok" + "/" + "x" * 255: 0,
    "/run/ok" + "/x" * 1890: 0,
    "/run/é": 0,
}


@pytest.mark.parametrize("path", list(DATA_DIRS), ids=range(len(DATA_DIRS)))
def test_a_data_dir_that_cannot_be_used_has_its_code(place: Host, path: str) -> None:
    conf = nasty.replaced(nasty.configuration("ADD"), ("ipam", "dataDir"), path)
    assert call(place, "ADD", conf) == (DATA_DIRS[path], "")
    if not DATA_DIRS[path]:
        assert call(place, "DEL", conf) == (0, "")
    assert left(place) == ["lo"]


@pytest.mark.parametrize("path", ["/run/\ud800", "/run/a\0b", "/run/" + "x" * 256, "/run/loop", "/run/none", "/proc/"])
def test_a_resolv_conf_that_cannot_be_read_is_code_7(place: Host, path: str) -> None:
    conf = nasty.replaced(nasty.configuration("ADD"), ("ipam", "resolvConf"), path)
    assert call(place, "ADD", conf) == (7, "")
    assert left(place) == ["lo"]


# --- lengths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [64, 128, 245, 255, 256, 300, 1023, 1024])
@pytest.mark.parametrize("ifname", ["e", "é" * 7 + "x"])
def test_whatever_add_accepts_del_finds_again(place: Host, length: int, ifname: str) -> None:
    names = {"CNI_CONTAINERID": b"c" * length, "CNI_IFNAME": ifname.encode()}
    conf = nasty.replaced({**nasty.configuration("ADD"), "ipMasq": True}, ("name",), "n" * 200)
    before = place.snapshot()
    assert call(place, "ADD", conf, **names) == (0, "")
    assert leases()
    assert all(Path(lease).read_bytes() == b"c" * length + b"\r\n" + ifname.encode() for lease in leases())
    assert call(place, "DEL", conf, **names) == (0, "")
    assert left(place) == ["lo"]
    assert place.snapshot() == before


@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL"])
@pytest.mark.parametrize("length", [1025, 4078, 4079, 4096, 5000, 100_000])
def test_a_container_id_too_long_is_code_4_and_changes_nothing(place: Host, verb: str, length: int) -> None:
    assert call(place, verb, nasty.configuration(verb), CNI_CONTAINERID=b"c" * length) == (4, "")
    assert not os.path.exists("/run/leases")
    assert left(place) == ["lo"]
