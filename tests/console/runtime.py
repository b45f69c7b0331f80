"""A runtime's memory of what it attached, as libcni keeps it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from tests.console.people import CONF, attach
from tests.namespaces import Host

RESULTS = Path("/var/lib/cni/results")
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
LISTED = {**CONF, "ipMasq": True, "antiSpoof": True, "capabilities": {"portMappings": True}}


def remember(name: str, result: Any, conf: dict[str, Any], **more: Any) -> None:
    """As libcni (api.go cacheAdd) writes it down."""
    plugins = [{key: value for key, value in conf.items() if key not in ("name", "cniVersion", "runtimeConfig")}]
    conflist = {"cniVersion": conf["cniVersion"], "name": conf["name"], "plugins": [*plugins, {"type": "tuning"}]}
    document = {
        "kind": "cniCacheV1",
        "containerId": name,
        "config": base64.b64encode(json.dumps(conflist).encode()).decode(),
        "ifName": "eth0",
        "networkName": conf["name"],
        "result": result,
        **more,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{conf['name']}-{name}-eth0"
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))
    path.chmod(0o600)


def attached(host: Host, name: str, **more: Any) -> Any:
    """A container with a mapped port, remembered."""
    port = {"portMappings": [{**PORTS["portMappings"][0], "hostPort": 8080 + int(name[1:])}]}
    result = attach(host, name, {**LISTED, "runtimeConfig": port})
    pairs = [["IgnoreUnknown", "1"], ["K8S_POD_NAMESPACE", "default"], ["K8S_POD_NAME", f"web-{name}"]]
    remember(name, result, LISTED, capabilityArgs={**port, "dns": {}}, cniArgs=pairs, **more)
    return result


def told(error: Any) -> list[str]:
    """The differences that CHECK's error tells; one of the IPAM alone is the IPAM's own error."""
    parts: list[str] = error["details"].split("; ") if error["msg"].startswith("check ") else []
    return parts or ["; ".join([error["msg"], *([error["details"]] if error.get("details") else [])])]
