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
from cni_ptp.ipam import settings, static_settings
from cni_ptp.ipam.standalone import nobody
from cni_ptp.ipam.static import Static
from cni_ptp.ipam.validate import validate
from cni_ptp.veth.plan import container_requests, host_requests, plan, veth_ends
from tests.bounds import little_work
from tests.fuzz.full import COMMON, ENVIRON, HOST_LOCAL, STATIC
from tests.fuzz.mutate import changed, damaged

ROUNDS = 1500


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
        found.append(Static(static_settings.read(network, parsed), []).add(nobody))
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
