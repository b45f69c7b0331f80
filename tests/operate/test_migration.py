"""The file swapped under running containers, from the Go plugin to ours and back: docs/migrate-from-go.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.namespaces import Host

# What the Go plugin of Debian 12 knows: no ipMasqBackend yet, its rules are iptables'.
MASQUERADING: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "masquerading as each does": ({"ipMasq": True}, {"ipMasq": True}),
    "masquerading by iptables": ({"ipMasq": True}, {"ipMasq": True, "ipMasqBackend": "iptables"}),
}


def conf(**more: Any) -> dict[str, Any]:
    """A network that either plugin takes."""
    ranges = [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:1::/66"}]]
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    ipam = {"type": "host-local", "ranges": ranges, "routes": routes}
    return {"cniVersion": "1.0.0", "name": "mynet", "type": "ptp", "ipam": ipam, **more}


def rules(host: Host) -> str:
    """What iptables has for containers, of both families; base chains may stay."""
    saved = host.run("iptables-save").stdout + host.run("ip6tables-save").stdout
    return "\n".join(line for line in saved.splitlines() if "CNI" in line or "mynet" in line)


@pytest.mark.parametrize("with_netns", [True, False], ids=["with its namespace", "without a namespace"])
@pytest.mark.parametrize("kind", MASQUERADING)
def test_what_go_attached_ours_checks_and_detaches(host: Host, go_plugins: str, kind: str, with_netns: bool) -> None:
    theirs, ours = (conf(**keys) for keys in MASQUERADING[kind])
    go = Path(go_plugins) / "ptp"
    container = host.container()
    result = host.plugin("ADD", theirs, exe=go, path=go_plugins).ok()
    assert bool(rules(host)) == ("ipMasq" in theirs)

    host.plugin("CHECK", {**ours, "prevResult": result}).ok()
    if not with_netns:
        # As a runtime does it: the namespace is gone when DEL comes, and with it the pair.
        host.run("ip", "netns", "delete", container.name)
    host.plugin("DEL", {**ours, "prevResult": result}, netns=container.path if with_netns else "").ok()

    assert rules(host) == ""
    left = host.snapshot()
    assert left["leases"] == []
    # A namespace without a name lives on until the kernel has cleaned up behind us.
    assert not with_netns or [link for link in left["links"] if "veth" in link] == []


@pytest.mark.parametrize("kind", MASQUERADING)
def test_what_ours_attached_go_checks_and_detaches(host: Host, go_plugins: str, kind: str) -> None:
    theirs, ours = (conf(**keys) for keys in MASQUERADING[kind])
    go = Path(go_plugins) / "ptp"
    host.container()
    result = host.plugin("ADD", ours).ok()

    host.plugin("CHECK", {**theirs, "prevResult": result}, exe=go, path=go_plugins).ok()
    deleted = host.plugin("DEL", {**theirs, "prevResult": result}, exe=go, path=go_plugins)
    if kind == "masquerading as each does":
        # Go's finds no ip6tables chain of its own; a runtime's next try finds no interface, and that is success.
        assert deleted.status == 1 and b"does not exist" in deleted.stdout
        deleted = host.plugin("DEL", {**theirs, "prevResult": result}, exe=go, path=go_plugins)
    deleted.ok()

    left = host.snapshot()
    assert left["leases"] == []
    assert [link for link in left["links"] if "veth" in link] == []
    assert rules(host) == ""
    # Go's knows nothing of our table; GC does.
    assert ("10.1.2.2" in left["nftables"]) == (kind == "masquerading as each does")
    host.plugin("GC", {**ours, "cniVersion": "1.1.0", "cni.dev/valid-attachments": []}).ok()
    assert "10.1.2.2" not in host.snapshot()["nftables"]
