"""runtimeConfig.portMappings, read and refused."""

from __future__ import annotations

from typing import Any

import pytest

from cni_ptp.base.ip import text_of
from cni_ptp.cni.conf import port_mappings
from cni_ptp.cni.port_mappings import PortMappings
from tests.unit.configuration import read, refused

ONE = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}


def parsed(*mappings: dict[str, Any], **more: Any) -> PortMappings | None:
    """What a configuration with these mappings asks for."""
    return port_mappings(read(runtimeConfig={"portMappings": list(mappings)}, **more))


def test_a_mapping_without_an_address_is_for_both_families() -> None:
    found = parsed(ONE)
    assert found is not None and found.snat
    [mapping] = found.mappings
    assert (mapping.host_port, mapping.container_port, mapping.protocol) == (8080, 80, 6)
    assert (mapping.host_ip, mapping.versions) == (None, (4, 6))


@pytest.mark.parametrize(
    ("text", "address", "versions"),
    [("192.0.2.1", "192.0.2.1", (4,)), ("::1", "::1", (6,)), ("0.0.0.0", None, (4,)), ("::", None, (6,))],
)
def test_an_address_of_the_host_chooses_the_family(text: str, address: str | None, versions: tuple[int, ...]) -> None:
    found = parsed({**ONE, "hostIP": text})
    assert found is not None
    [mapping] = found.mappings
    assert (text_of(mapping.host_ip) if mapping.host_ip is not None else None, mapping.versions) == (address, versions)


@pytest.mark.parametrize(("name", "number"), [("TCP", 6), ("Udp", 17), ("sctp", 132)])
def test_the_protocol_may_be_in_capitals(name: str, number: int) -> None:
    found = parsed({**ONE, "protocol": name})
    assert found is not None and found.mappings[0].protocol == number


@pytest.mark.parametrize(
    ("wrong", "code", "msg"),
    [
        ({"hostPort": 0}, 7, "Invalid host port number: 0"),
        ({"hostPort": 65536}, 7, "Invalid host port number: 65536"),
        ({"hostPort": -1}, 7, "Invalid host port number: -1"),
        ({"containerPort": 0}, 7, "Invalid container port number: 0"),
        ({"containerPort": 70000}, 7, "Invalid container port number: 70000"),
        ({"protocol": "icmp"}, 7, 'unknown protocol "icmp" of a port mapping'),
        ({"protocol": ""}, 7, 'unknown protocol "" of a port mapping'),
        ({"hostIP": "localhost"}, 7, "hostIP of a port mapping"),
        ({"hostPort": "8080"}, 6, ""),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(wrong: dict[str, Any], code: int, msg: str) -> None:
    found_code, found_msg, _ = refused(parsed, {**ONE, **wrong})
    assert found_code == code and found_msg.startswith(msg)


def test_one_port_that_leads_to_two_is_refused() -> None:
    assert refused(parsed, ONE, {**ONE, "containerPort": 81})[0] == 7
    assert parsed(ONE, {**ONE, "hostIP": "192.0.2.1", "containerPort": 81}) is not None


@pytest.mark.parametrize("key", ["conditionsV4", "conditionsV6", "externalSetMarkChain", "masqAll"])
def test_what_only_the_plugin_portmap_serves_is_refused_in_words_that_help(key: str) -> None:
    def call() -> None:
        parsed(ONE, **{key: True if key == "masqAll" else ["-d", "192.0.2.0/24"]})

    code, msg, details = refused(call)
    assert code == 7 and key in msg and "chain the plugin portmap" in details


def test_no_mappings_are_none() -> None:
    assert parsed() is None and port_mappings(read()) is None


def test_too_many_are_refused() -> None:
    assert refused(parsed, *[{**ONE, "hostPort": i + 1} for i in range(501)])[0] == 7
