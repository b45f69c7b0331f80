"""Whatever environment and configuration: the core gives a value or raises CniError; never a code of ours.

Followed from the environment and stdin to the requests that ADD would send, and the result that it would print.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from cni_ptp.base import jsonio
from cni_ptp.base.errors import INTERNAL, CniError, to_cni
from cni_ptp.cni import args, conf, result_write, versions
from cni_ptp.cni.attachment import Attachment
from cni_ptp.cni.result import Result
from cni_ptp.ipam import settings
from cni_ptp.ipam.standalone import nobody
from cni_ptp.ipam.static import Static
from cni_ptp.ipam.validate import validate
from cni_ptp.veth.plan import container_requests, host_requests, plan, veth_ends
from tests.bounds import little_work
from tests.fuzz.mutate import changed, damaged

ROUNDS = 1500
ENVIRON = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "c1",
    "CNI_NETNS": "/run/netns/c1",
    "CNI_IFNAME": "eth0",
    "CNI_ARGS": "IgnoreUnknown=1;IP=10.1.2.9/24;MAC=02:00:00:00:00:01;GATEWAY=10.1.2.1",
    "CNI_PATH": "/opt/cni/bin",
}
ROUTES = [
    {"dst": "0.0.0.0/0", "gw": "10.1.2.1", "mtu": 1400, "advmss": 1360, "priority": 5, "table": 100, "scope": 0},
    {"dst": "::/0"},
]
RESULT = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/c1"}],
    "ips": [{"address": "10.1.2.5/24", "gateway": "10.1.2.1", "interface": 0}],
    "routes": ROUTES,
    "dns": {"nameservers": ["10.1.2.1"], "domain": "d", "search": ["s"], "options": ["o"]},
}
COMMON = {
    "cniVersion": "1.1.0",
    "name": "net",
    "type": "ptp",
    "ipMasq": True,
    "ipMasqBackend": "nftables",
    "mtu": 1400,
    "dns": {"nameservers": [], "domain": "d"},
    "args": {"cni": {"mac": "02:00:00:00:00:02", "ips": ["10.1.2.7/24"]}},
    "runtimeConfig": {"mac": "02:00:00:00:00:03", "ips": ["10.1.2.8/24"], "ipRanges": [[{"subnet": "10.3.0.0/24"}]]},
    "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}],
    "prevResult": RESULT,
}
STATIC = {
    "type": "static",
    "addresses": [{"address": "10.1.2.5/24", "gateway": "10.1.2.1"}, {"address": "fd00::5/64", "gateway": "fd00::1"}],
    "routes": ROUTES,
    "dns": {"search": ["s"]},
}
HOST_LOCAL = {
    "type": "host-local",
    "subnet": "10.4.0.0/24",
    "rangeStart": "10.4.0.5",
    "rangeEnd": "10.4.0.9",
    "gateway": "10.4.0.1",
    "ranges": [[{"subnet": "10.5.0.0/16"}], [{"subnet": "fd00::/64", "rangeStart": "fd00::10"}]],
    "routes": ROUTES,
    "dataDir": "/d",
    "resolvConf": "/etc/resolv.conf",
}


def run(environ: dict[str, str], raw: bytes) -> None:
    """All that ADD does before and beside its effects."""
    parsed = args.parse(environ)
    network = conf.read(raw)
    if parsed.command not in args.COMMANDS:
        raise args.unknown_command(parsed.command)
    versions.gate(parsed.command, network.cni_version)
    chosen = conf.ptp_settings(network, parsed)
    network.valid_attachments()
    previous = network.prev_result()
    attachment = Attachment(network.name, parsed.containerid, parsed.ifname)
    found = [Result([], [], [])] if previous is None else [previous]
    if network.ipam is not None and network.ipam.text("type") == "static":
        found.append(Static(network, parsed).add(nobody))
    else:
        settings.read(network, parsed)
    for one in found:
        validate(one, "static")
        planned = plan(one.ips, one.routes)
        veth_ends(attachment.host_veth(), attachment.ifname, chosen.mtu, chosen.mac, planned.ips)
        requests = container_requests(planned, 2, attachment.ifname)
        requests += host_requests(planned, 2, attachment.host_veth(), attachment.alias())
        for request in requests:
            request.pack(1)
        json.loads(jsonio.dumps(result_write.render(one, network.cni_version)))


def outcome(environ: dict[str, str], raw: bytes) -> str:
    """ "done", or the code it was refused with."""
    try:
        with little_work((environ, raw)):
            run(environ, raw)
        return "done"
    except CniError as e:
        failure = to_cni(e)
        assert failure.code != INTERNAL and failure.msg
        json.loads(jsonio.dumps({"msg": failure.msg, "details": failure.details}))
        return str(failure.code)


@pytest.mark.parametrize("ipam", [STATIC, HOST_LOCAL], ids=["static", "host-local"])
def test_what_is_whole_is_taken(ipam: dict[str, Any]) -> None:
    assert outcome(ENVIRON, json.dumps({**COMMON, "ipam": ipam}).encode()) == "done"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ipam", [STATIC, HOST_LOCAL], ids=["static", "host-local"])
def test_a_changed_configuration_is_taken_or_refused(ipam: dict[str, Any], seed: int) -> None:
    rng = random.Random(seed)
    seen: dict[str, int] = {}
    for _ in range(ROUNDS):
        value: Any = {**COMMON, "ipam": ipam}
        for _ in range(rng.randrange(1, 4)):
            value = changed(value, rng)
        code = outcome(ENVIRON, json.dumps(value).encode())
        seen[code] = seen.get(code, 0) + 1
    assert {"done", "6", "7"} <= set(seen), seen


@pytest.mark.parametrize("seed", range(2))
def test_damaged_text_is_taken_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    raw = json.dumps({**COMMON, "ipam": STATIC}).encode()
    codes = {outcome(ENVIRON, damaged(raw, rng)) for _ in range(ROUNDS)}
    assert "6" in codes


def test_a_changed_environment_is_taken_or_refused() -> None:
    rng = random.Random(9)
    raw = json.dumps({**COMMON, "ipam": STATIC}).encode()
    codes = set()
    for _ in range(ROUNDS):
        environ: dict[str, str] = dict(ENVIRON)
        for _ in range(rng.randrange(1, 3)):
            key = rng.choice(sorted(environ))
            text = (
                environ[key].encode("utf-8", "surrogateescape")
                if rng.random() < 0.8
                else rng.randbytes(rng.randrange(20))
            )
            # As os.environ has it: any bytes but NUL.
            environ[key] = damaged(text, rng).replace(b"\0", b"").decode("utf-8", "surrogateescape")
        codes.add(outcome(environ, raw))
    assert {"done", "4"} <= codes


@pytest.mark.parametrize("key", ["a", "ipam", "prevResult", "dns", "runtimeConfig"])
def test_deep_nesting_anywhere_is_refused_or_ignored(key: str) -> None:
    for depth in (100, 900, 5_000, 200_000):
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            raw = f'{{"name":"net","{key}":{opening * depth}1{closing * depth}}}'.encode()
            assert outcome(ENVIRON, raw) in ("6", "7", "done")
