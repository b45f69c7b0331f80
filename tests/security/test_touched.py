"""docs/security.md says what a call touches; a trace of system calls says the same, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.namespaces import Host
from tests.security.trace import Traced, traced

DOCUMENT = ROOT / "docs" / "security.md"
VERBS = ("ADD", "CHECK", "DEL", "GC", "STATUS")
CONF: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "name": "mynet",
    "type": "ptp",
    "ipMasq": True,
    "antiSpoof": True,
    "logFile": "/run/ptp.log",
    "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:1::/66"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
    },
}
# Paths as the document writes them.
NAMES = {
    r"^/run/netns/c1$": "CNI_NETNS",
    r"^net:\[\d+\]$": "(back)",
    r"^/proc/self/fd/\d+$": "/proc/self/fd/N",
    r"/veth[0-9a-f]{11}/": "/HOST_VETH/",
    r"/eth0/": "/CNI_IFNAME/",
    r"^/run/ptp\.log$": "logFile",
    r"^/var/lib/cni/networks": "dataDir",
    r"(/\.cni-ptp/)mynet@[^/]*": r"\1NETWORK@BOOT",
    r"^dataDir/mynet": "dataDir/NETWORK",
    r"(NETWORK/)(?:10\.1\.2\.\d+|2001:db8[:0-9a-f]*|\(a lease\))$": r"\1ADDRESS",
    r"(last_reserved_ip\.)\d$": r"\1N",
    r"(BOOT/)[46]:[0-9a-f]+$": r"\1PAGE",
    r"(BOOT/)c1.*$": r"\1OWNER",
    r"^/run/iptables-wait.*$": "/run/xtables.lock",
}


def documented(heading: str) -> set[tuple[str, str, str]]:
    """(verb, way, name) of each row of the table under a heading."""
    section = DOCUMENT.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = set()
    for row in re.findall(r"^\| `([^`]+)` \| ([a-z, ]+) \| ([A-Z, ]+) \|", section, re.MULTILINE):
        name, ways, verbs = row
        rows |= {(verb, way, name) for way in ways.split(", ") for verb in verbs.split(", ")}
    return rows


def calls(host: Host, scratch: Path, conf: dict[str, Any]) -> dict[str, Traced]:
    """The five verbs, traced; each one succeeds."""

    def call(verb: str, **more: Any) -> Traced:
        done = traced(host, verb, {**conf, **more}, scratch, NAMES)
        done.reply.ok()
        return done

    host.container()
    done = {"ADD": call("ADD")}
    previous = done["ADD"].reply.json
    done["CHECK"] = call("CHECK", prevResult=previous)
    done["STATUS"] = call("STATUS")
    done["DEL"] = call("DEL", prevResult=previous)
    done["GC"] = call("GC", **{"cni.dev/valid-attachments": []})
    return done


@pytest.fixture
def five(host: Host, tmp_path: Path) -> dict[str, Traced]:
    """The five verbs on a host that never saw the plugin before, nf_tables masquerading."""
    return calls(host, tmp_path, CONF)


def test_the_document_lists_what_the_calls_touch_and_nothing_else(five: dict[str, Traced]) -> None:
    touched = {(verb, way, name) for verb, call in five.items() for way, name in call.touched}
    listed = documented("What a call touches")
    assert sorted(touched - listed) == [], "touched, but not in docs/security.md"
    assert sorted(listed - touched) == [], "in docs/security.md, but not touched"


def test_no_program_is_run_where_the_kernel_has_nf_tables_and_only_del_forks(five: dict[str, Traced]) -> None:
    for verb, call in five.items():
        assert not {way for way, _ in call.touched} & {"execute"}
        assert (("start", "process") in call.touched) == (verb == "DEL")


def test_the_system_calls_are_those_of_the_document(five: dict[str, Traced]) -> None:
    section = DOCUMENT.read_text().split("\n## System calls\n")[1].split("\n## ")[0]
    listed = set(re.findall(r"`([a-z0-9_]+)`", section))
    made = set().union(*[call.calls for call in five.values()])
    assert sorted(made - listed) == []
    effects = set(re.findall(r"`([a-z0-9_]+)`", section.split("Effects:")[1].split("\n\n")[0]))
    assert sorted(effects - made) == []


def test_with_the_iptables_backend_only_iptables_is_executed(host: Host, tmp_path: Path) -> None:
    done = calls(host, tmp_path, {**CONF, "antiSpoof": False, "ipMasqBackend": "iptables"})
    executed = {Path(name).name for call in done.values() for way, name in call.touched if way == "execute"}
    section = DOCUMENT.read_text().split("\n## Child processes\n")[1].split("\n## ")[0]
    assert executed - {"xtables-nft-multi", "xtables-legacy-multi"} == {
        name for name in re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE) if name.startswith("ip")
    }
