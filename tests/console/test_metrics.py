"""ptp metrics: OpenMetrics by a strict reading of its grammar, and the numbers are right."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from tests.console.people import CONF, CONF_DIR, ask, attach, configure
from tests.namespaces import Host

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
SAMPLE = re.compile(rf"({NAME})\{{({LABEL}(?:,{LABEL})*)?\}} ({NUMBER})")


def parsed(text: str) -> dict[tuple[str, str], float]:
    """The samples by (name, labels); OpenMetrics' ABNF, with what it demands of families besides."""
    lines = text.split("\n")
    assert lines[-2:] == ["# EOF", ""]
    samples: dict[tuple[str, str], float] = {}
    families: list[str] = []
    for line in lines[:-2]:
        described = re.fullmatch(rf"# (TYPE|HELP) ({NAME}) (.+)", line)
        if described:
            kind, name, rest = described.groups()
            if kind == "TYPE":
                assert rest == "gauge" and name not in families
                families.append(name)
            assert families[-1] == name
            continue
        found = SAMPLE.fullmatch(line)
        assert found, line
        name, labels, value = found.groups()
        assert name == families[-1] and (name, labels) not in samples
        samples[name, labels] = float(value)
    return samples


def metrics(host: Host) -> dict[tuple[str, str], float]:
    done = ask(host, "metrics", "--conf-dir", CONF_DIR)
    assert (done.returncode, done.stderr) == (0, "")
    return parsed(done.stdout)


def test_attachments_are_counted_by_state(host: Host) -> None:
    configure()
    for name in ("c1", "c2", "c3"):
        attach(host, name)
    host.run("ip", "route", "del", "10.9.0.3")
    found = metrics(host)
    assert found["cni_ptp_attachments", 'network="mynet",state="healthy"'] == 2
    assert found["cni_ptp_attachments", 'network="mynet",state="unhealthy"'] == 1
    assert found["cni_ptp_repairs_needed", 'network="mynet"'] == 1


def test_addresses_are_counted_by_range(host: Host) -> None:
    configure()
    attach(host, "c1")
    found = metrics(host)
    used = {labels: value for (name, labels), value in found.items() if name == "cni_ptp_addresses_used"}
    free = {labels: value for (name, labels), value in found.items() if name == "cni_ptp_addresses_free"}
    assert set(used.values()) == {1} and len(used) == 2
    assert any(value == 252 for value in free.values()), free  # a /24 without network, gateway, broadcast and this one


def test_the_last_call_of_each_verb_is_told_from_the_log(host: Host) -> None:
    log = Path("/run/ptp.log")
    conf = {**CONF, "logFile": str(log)}
    configure(conf)
    before = time.time()
    attach(host, "c1", conf)
    attach(host, "c2", conf)
    host.plugin("ADD", conf, container="c1", netns="/run/netns/c1").error(100)
    found = metrics(host)
    labels = 'network="mynet",command="ADD"'
    assert found["cni_ptp_last_call_code", labels] == 100
    assert 0 < found["cni_ptp_last_call_seconds", labels] < 60
    assert before - 1 <= found["cni_ptp_last_call_timestamp_seconds", labels] <= time.time() + 1


@pytest.mark.parametrize(
    "line", ["{", "[]", "null", '{"ms": "x"}', '{"network": "mynet", "command": "ADD", "ms": 1e999}']
)
def test_a_damaged_log_is_read_past(host: Host, line: str) -> None:
    configure({**CONF, "logFile": "/run/ptp.log"})
    Path("/run/ptp.log").write_text(line + "\n")
    os.chmod("/run/ptp.log", 0o600)
    assert not any(name.startswith("cni_ptp_last_call") for name, _ in metrics(host))


def test_names_that_anybody_chose_break_no_line(host: Host) -> None:
    name = 'a"} 1'
    directory = f"/var/lib/cni/networks/{name}"
    configure({**CONF, "name": name})
    os.makedirs(directory)
    Path(directory, "10.9.0.2").write_text("c\r\neth0")
    assert ("cni_ptp_attachments", 'network="a\\"} 1",state="unhealthy"') in metrics(host)


def test_the_file_is_replaced_whole(host: Host, tmp_path: Path) -> None:
    configure()
    path = tmp_path / "cni_ptp.prom"
    for _ in range(2):
        done = ask(host, "metrics", "--conf-dir", CONF_DIR, "--output", str(path))
        assert (done.returncode, done.stdout) == (0, "")
    assert parsed(path.read_text()) and [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o644


def test_who_may_not_see_gets_no_numbers(host: Host) -> None:
    drop = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
    done = host.run(*drop, str(host.plugin_file), "metrics", check=False)
    assert (done.returncode, done.stdout) == (3, "")
