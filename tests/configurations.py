"""The configurations that tests of several subjects share."""

from __future__ import annotations

from typing import Any

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")


RANGES = {"v4": [[{"subnet": "10.1.2.0/24"}]], "v6": [[{"subnet": "2001:db8:1::/66"}]]}


ROUTES = {
    "v4": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16"}, {"dst": "1.2.3.4/32"}],
    "v6": [{"dst": "::/0"}],
}


def conf(version: str, families: list[str], **more: Any) -> dict[str, Any]:
    """A configuration with one address of each family."""
    return {
        "cniVersion": version,
        "name": "mynet",
        "type": "ptp",
        "ipam": {
            "type": "host-local",
            "ranges": [r for f in families for r in RANGES[f]],
            "routes": [r for f in families for r in ROUTES[f]],
        },
        **more,
    }


def static(
    addresses: list[tuple[str, str | None]], routes: list[dict[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    """A configuration with these (address, gateway)."""
    listed = [{"address": a, **({"gateway": g} if g else {})} for a, g in addresses]
    return {
        "cniVersion": "1.0.0",
        "name": "n",
        "type": "ptp",
        "ipam": {"type": "static", "addresses": listed, "routes": routes or []},
        **more,
    }
