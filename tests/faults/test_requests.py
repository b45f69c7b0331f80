"""The kernel refuses the n-th netlink request, for every n: also amid a datagram, whose other requests stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import conf
from tests.conftest import ROOT
from tests.namespaces import Host, refuse_initial_namespace

STRIDE = 1 if os.environ.get("CNI_PTP_FAULTS") == "all" else 3

# The plugin from its sources, but for one request, which gets a type that no kernel knows.
_PLUGIN = """
import os, struct, sys
from cni_ptp.netlink.sock import Socket
at, left, sent = int(sys.argv[1]), sys.argv[2], 0
send = Socket.send

def spoil(self, datagram, request):
    global sent
    raw, start = bytearray(datagram), 0
    while start < len(raw):
        is_request = struct.unpack_from("=H", raw, start + 4)[0] != 17  # NFNL_MSG_BATCH_END
        sent += is_request
        if sent == at and is_request:
            struct.pack_into("=H", raw, start + 4, 0x7F)
        start += struct.unpack_from("=I", raw, start)[0] + 3 & ~3
    send(self, bytes(raw), request)

Socket.send = spoil
from cni_ptp.main import main
status = main(["ptp"])
open(left, "w").write(str(sent))
sys.stdout.flush()
os._exit(status)
"""
CONFIGURATIONS = {
    "plain": conf("1.1.0", ["v4", "v6"]),
    "guarded": conf("1.1.0", ["v4", "v6"], ipMasq=True, antiSpoof=True),
}


def call(host: Host, command: str, configuration: dict[str, Any], at: int) -> subprocess.CompletedProcess[bytes]:
    """One call whose at-th request is refused; 0 for none."""
    refuse_initial_namespace()
    env = {**host.environment(command, "c1", "/run/netns/c1", "eth0", "", ""), "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-S", "-c", _PLUGIN, str(at), "/run/sent"]
    stdin = json.dumps(configuration).encode()
    return subprocess.run(argv, input=stdin, env=env, capture_output=True, check=False, timeout=60)


def requests_of(host: Host, command: str, configuration: dict[str, Any]) -> int:
    """How many requests a call makes."""
    assert call(host, command, configuration, 0).returncode == 0
    return int(Path("/run/sent").read_text())


@pytest.mark.parametrize("name", list(CONFIGURATIONS))
def test_an_add_whose_nth_request_is_refused_leaves_nothing_or_works(host: Host, name: str) -> None:
    configuration = CONFIGURATIONS[name]
    host.container()
    host.plugin("ADD", configuration).ok()
    host.plugin("DEL", configuration).ok()
    before = host.snapshot()
    count = requests_of(host, "ADD", configuration)
    host.plugin("DEL", configuration).ok()
    refused, problems = 0, []
    for at in range(1, count + 1, STRIDE):
        done = call(host, "ADD", configuration, at)
        assert done.stderr == b"", done.stderr.decode()
        document = json.loads(done.stdout)
        if done.returncode:
            refused += 1
            if document["code"] not in (11, 100):
                problems.append(f"request {at}: {document}")
        else:
            host.plugin("CHECK", {**configuration, "prevResult": document}).ok()
            host.plugin("DEL", configuration).ok()
        if host.snapshot() != before:
            problems.append(f"request {at} of {count}: left behind after {document}")
            host.plugin("DEL", configuration).ok()
    assert not problems, "\n".join(problems)
    assert refused > count / STRIDE / 2


@pytest.mark.parametrize("name", list(CONFIGURATIONS))
def test_after_a_del_whose_nth_request_is_refused_another_finishes_it(host: Host, name: str) -> None:
    configuration = CONFIGURATIONS[name]
    host.container()
    host.plugin("ADD", configuration).ok()
    host.plugin("DEL", configuration).ok()
    before = host.snapshot()
    host.plugin("ADD", configuration).ok()
    count = requests_of(host, "DEL", configuration)
    problems = []
    for at in range(1, count + 1, STRIDE):
        host.plugin("ADD", configuration).ok()
        done = call(host, "DEL", configuration, at)
        if done.returncode == 0 and host.snapshot() != before:
            problems.append(f"request {at} of {count}: DEL succeeded and left something")
        elif done.returncode and json.loads(done.stdout)["code"] not in (11, 100):
            problems.append(f"request {at} of {count}: {done.stdout.decode()}")
        host.plugin("DEL", configuration).ok()
        if host.snapshot() != before:
            problems.append(f"request {at} of {count}: left behind after another DEL")
    assert not problems, "\n".join(problems)
