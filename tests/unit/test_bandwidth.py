"""runtimeConfig.bandwidth and the keys of a configuration, read and refused."""

from __future__ import annotations

from typing import Any

import pytest

from cni_ptp.cni.bandwidth import Bandwidth
from cni_ptp.cni.conf import bandwidth
from tests.unit.configuration import read, refused


def limits(found: Bandwidth | None) -> list[tuple[int, int] | None]:
    """(bytes a second, bytes at once) of ingress and egress."""
    assert found is not None
    return [(limit.rate, limit.burst) if limit is not None else None for limit in (found.ingress, found.egress)]


def asked(**keys: int) -> Bandwidth | None:
    """What a configuration asks for whose runtime gave these keys."""
    return bandwidth(read(runtimeConfig={"bandwidth": keys}))


def test_bits_become_bytes() -> None:
    assert limits(asked(ingressRate=80, ingressBurst=800, egressRate=16, egressBurst=8)) == [(10, 100), (2, 1)]


def test_one_direction_may_be_without() -> None:
    assert limits(asked(ingressRate=80, ingressBurst=800)) == [(10, 100), None]


@pytest.mark.parametrize("more", [{}, {"runtimeConfig": {}}, {"runtimeConfig": {"bandwidth": {}}}, {"ingressRate": 0}])
def test_no_limit_is_none(more: dict[str, Any]) -> None:
    assert bandwidth(read(**more)) is None


def test_the_configurations_own_keys_leave_the_runtimes_without_effect() -> None:
    own = {"egressRate": 80, "egressBurst": 800}
    found = bandwidth(read(**own, runtimeConfig={"bandwidth": {"ingressRate": 8, "ingressBurst": 8}}))
    assert limits(found) == [None, (10, 100)]


@pytest.mark.parametrize(
    ("keys", "code", "msg"),
    [
        ({"ingressRate": 8}, 7, "if rate is set, burst must also be set"),
        ({"egressBurst": 8}, 7, "if burst is set, rate must also be set"),
        ({"ingressRate": 8, "ingressBurst": 2**35}, 7, "burst cannot be more than 4GB"),
        ({"ingressRate": 7, "ingressBurst": 8}, 7, "ingressRate of 7 cannot be used"),
        ({"ingressRate": -8, "ingressBurst": 8}, 7, "ingressRate of -8 cannot be used"),
        ({"ingressRate": "8", "ingressBurst": 8}, 6, ""),
    ],
)
def test_what_cannot_be_used_is_refused(keys: dict[str, Any], code: int, msg: str) -> None:
    found_code, found_msg, _ = refused(lambda: asked(**keys))
    assert found_code == code and found_msg.startswith(msg)


def test_the_largest_burst_of_a_runtime_is_taken() -> None:
    assert limits(asked(ingressRate=8, ingressBurst=2**35 - 9)) == [(1, 2**32 - 2), None]
