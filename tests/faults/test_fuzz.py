"""A seeded fuzzer over whole calls: whatever the environment and stdin, there is one JSON document, its code is one of
the table's, the exit status is right, nothing is raised, nothing is done; whatever the kernel's replies, a conversation
ends with answers or with DecodeError.  200,000 cases with those of tests/fuzz, and more."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import pytest

from cni_ptp import skel
from cni_ptp.base.errors import DecodeError
from cni_ptp.netlink import nft, rt_link, rt_link_dump, rt_route_dump
from cni_ptp.netlink.exchange import Exchange
from cni_ptp.system import signals
from tests.fuzz.full import COMMON, ENVIRON, HOST_LOCAL, STATIC
from tests.fuzz.mutate import changed, damaged
from tests.golden import HERE, datagrams
from tests.namespaces import Host

WHOLE = os.environ.get("CNI_PTP_FAULTS") == "all"
CALLS = 100_000 if WHOLE else 12_500  # for each of 8 seeds
CONVERSATIONS = 100_000 if WHOLE else 15_000  # for each of 8 seeds
CODES = {1, 4, 6, 7, 8}  # no other is possible before the first effect
CONFIGURATIONS = [{**COMMON, "ipam": ipam, "antiSpoof": True} for ipam in (STATIC, HOST_LOCAL)]
RAW = [json.dumps(c).encode() for c in CONFIGURATIONS]


class Stdio:
    """Stands for stdin and stdout of one call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stdin = b""
        self.stdout: list[bytes] = []
        monkeypatch.setattr(skel, "_read_stdin", lambda: self.stdin)
        monkeypatch.setattr(skel, "write_all", lambda fd, raw: self.stdout.append((fd, raw)[1]))
        monkeypatch.setattr(signals, "note", lambda: None)
        monkeypatch.setattr(signals, "_ignored", [])  # of a process: an undo must not outlive the call

    def call(self, environ: dict[str, str], stdin: bytes) -> tuple[int, Any]:
        """(exit status, the one document)."""
        self.stdin, self.stdout = stdin, []
        status = skel.serve("ptp", environ)
        assert len(self.stdout) == 1, (environ, stdin, self.stdout)
        return status, json.loads(self.stdout[0])


def environment(rng: random.Random) -> dict[str, str]:
    """What a runtime sets, some of it damaged; there is no such namespace."""
    environ = {**ENVIRON, "CNI_COMMAND": rng.choice(("ADD", "ADD", "CHECK")), "CNI_NETNS": "/run/netns/none"}
    if rng.random() < 0.2:
        key = rng.choice([k for k in environ if k != "CNI_NETNS"])
        text = damaged(environ[key].encode(), rng).replace(b"\0", b"").decode("utf-8", "surrogateescape")
        # With these there might be an effect; a call without a command is none.
        environ[key] = text if text not in ("", "DEL", "GC", "STATUS") or key != "CNI_COMMAND" else "NONE"
    return environ


def configuration(rng: random.Random) -> bytes:
    """A configuration, its text or some of its members damaged."""
    if rng.random() < 0.4:
        return damaged(rng.choice(RAW), rng)
    value: Any = rng.choice(CONFIGURATIONS)
    for _ in range(rng.randrange(1, 4)):
        value = changed(value, rng)
    return json.dumps(value).encode()


@pytest.mark.parametrize("seed", range(8))
def test_every_call_gives_one_document_and_has_no_effect(
    host: Host, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    stdio = Stdio(monkeypatch)
    before, files = host.snapshot(), sorted(os.listdir("/run"))
    codes: dict[int, int] = {}
    for _ in range(CALLS):
        environ, raw = environment(rng), configuration(rng)
        status, document = stdio.call(environ, raw)
        code = document.get("code", 0)
        if environ["CNI_COMMAND"] == "VERSION":
            assert status == 0
            continue
        assert status == 1 and code in CODES, (environ, raw, document)
        assert document["msg"] and document["cniVersion"], (environ, raw, document)
        codes[code] = codes.get(code, 0) + 1
    assert set(codes) >= {4, 6, 7, 8}, codes
    assert host.snapshot() == before
    assert sorted(os.listdir("/run")) == files
    assert not os.path.exists("/var/lib/cni/networks")


CORPUS = [d for f in sorted(HERE.glob("*.hex")) for d in datagrams(f.stem)]


@pytest.mark.parametrize("seed", range(8))
def test_every_conversation_ends_with_answers_or_is_refused(seed: int) -> None:
    """As the socket holds it: several requests, replies cut, damaged, repeated, of other conversations."""
    rng = random.Random(seed)
    table = "inet cni_ptp"
    answered = 0
    for _ in range(CONVERSATIONS):
        requests = [
            rt_link.get_link("eth0"),
            rt_link_dump.dump_links("veth"),
            rt_route_dump.dump_routes(2),
            nft.get_table(table),
        ]
        exchange = Exchange(requests[: rng.randrange(1, 5)], rng.randrange(1, 4))
        exchange.datagram()
        for _ in range(rng.randrange(1, 4)):
            datagram = rng.choice(CORPUS)
            try:
                exchange.feed(damaged(datagram, rng) if rng.random() < 0.9 else datagram)
                for answer in exchange.answers:
                    answer.read()
                    if answer.error is not None:
                        answer.error.explanation()
                    answered += bool(answer.messages or answer.error)
            except DecodeError:
                break
            if exchange.done:
                break
    assert answered > CONVERSATIONS / 100
