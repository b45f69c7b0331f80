"""A machine beyond the host that knows the way back to containers, so that it can be reached with and without NAT."""

from __future__ import annotations

from typing import Any

from tests.contract.traffic import listening, seen_source
from tests.masquerade.network import OUTSIDE, outside
from tests.namespaces import Container, Host

# By IP version: an address of the machine that is reached through its other one, and the network it is in.
SPARED = {4: "198.51.100.7", 6: "2001:db8:aaaa::7"}
SPARED_NETWORK = {4: "198.51.100.0/24", 6: "2001:db8:aaaa::/64"}
NEAR = {version: near for version, (near, _) in OUTSIDE.items()}
FAR = {version: far for version, (_, far) in OUTSIDE.items()}
# What the containers of tests.contract.test_attach.conf have.
SUBNETS = {4: "10.1.2.0/24", 6: "2001:db8:1::/64"}
# Addresses that lead to the host though no link of it has them.
OTHER = {4: "203.0.113.77", 6: "2001:db8:bbbb::77"}


def beyond(host: Host) -> Container:
    """Make the machine: what it answers to a container's own address comes back."""
    out = outside(host)
    for version in OUTSIDE:
        six = [] if version == 4 else ["-6"]
        out.run("ip", "addr", "add", SPARED[version] + ("/32" if version == 4 else "/128"), "dev", "lo")
        host.run("ip", *six, "route", "add", SPARED_NETWORK[version], "via", FAR[version])
        out.run("ip", *six, "route", "add", SUBNETS[version], "via", NEAR[version])
        out.run("ip", *six, "route", "add", OTHER[version], "via", NEAR[version])
    out.run("ip", "link", "set", "lo", "up")
    return out


def seen(out: Container, container: Container, address: str) -> str:
    """Return which source the machine sees when the container connects to that address of it."""
    with listening(out, address) as port:
        return seen_source(container, address, port)


def own(result: Any, version: int) -> str:
    """Return the container's own address."""
    found: list[str] = [ip["address"].split("/")[0] for ip in result["ips"]]
    return next(address for address in found if (":" in address) == (version == 6))
