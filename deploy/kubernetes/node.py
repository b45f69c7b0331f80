"""Writes the node's network configuration: a template, and the pod CIDRs that Kubernetes gave this node.

Runs as the DaemonSet's container (ptp.yaml).  The file is written when the CIDRs are known, and again whenever it is
not as it should be; kubelet holds the node not ready until it is there.  Plain standard library, Python 3.9 and later.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import signal
import ssl
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LOOK_AGAIN_S = 60.0
FIRST_RETRY_S, LAST_RETRY_S = 1.0, 30.0
TIMEOUT_S = 10.0
MOST_ANSWER = 8 << 20  # bytes; a node with many images is large


def main() -> int:
    """Runs until SIGTERM; with --once until the file is written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--template", type=Path, required=True, help="a conflist; ipam.ranges of its ptp are filled in")
    parser.add_argument("--to", type=Path, required=True, help="the directory of network configurations")
    parser.add_argument("--api", default=in_cluster_api(), help="URL of the API server (default: the cluster's)")
    parser.add_argument("--account", type=Path, default=ACCOUNT, help="directory with token and ca.crt")
    parser.add_argument("--node", default=os.environ.get("NODE_NAME", ""), help="the node's name (default: $NODE_NAME)")
    parser.add_argument("--once", action="store_true", help="end when the file is written")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    retry_s = FIRST_RETRY_S
    while True:
        try:
            cidrs = pod_cidrs(options.api, options.node, options.account)
            written = place(options.to / options.template.name, filled(options.template.read_text(), cidrs))
        except (OSError, ValueError) as e:  # urllib's errors are OSErrors
            print(f"{e}; next try in {retry_s:g} s", file=sys.stderr, flush=True)
            time.sleep(retry_s)
            retry_s = min(2 * retry_s, LAST_RETRY_S)
            continue
        if written:
            print(f"wrote {options.to / options.template.name} for {', '.join(cidrs)}", flush=True)
        if options.once:
            return 0
        retry_s = FIRST_RETRY_S
        time.sleep(LOOK_AGAIN_S)


def in_cluster_api() -> str:
    """Where the API server is, as every pod is told."""
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    if ":" in host:
        host = f"[{host}]"
    return f"https://{host}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}"


def pod_cidrs(api: str, node: str, account: Path) -> list[str]:
    """The node's spec.podCIDRs.  ValueError if it has none (yet), OSError if the API server can not be asked."""
    # The token is read each time: kubelet replaces it before it expires.
    token = (account / "token").read_text().strip()
    trusted = ssl.create_default_context(cafile=str(account / "ca.crt")) if api.startswith("https:") else None
    url, headers = f"{api}/api/v1/nodes/{node}", {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  the cluster's own
    with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=trusted) as answer:  # noqa: S310  the cluster's own
        spec = json.loads(answer.read(MOST_ANSWER))["spec"]
    cidrs: list[str] = spec.get("podCIDRs") or []
    if not cidrs:
        raise ValueError(f"node {node} has no podCIDRs: does the controller manager run with --allocate-node-cidrs?")
    return [str(ipaddress.ip_network(cidr)) for cidr in cidrs]


def filled(template: str, cidrs: list[str]) -> str:
    """The template with a range set for each CIDR, and without default routes of families that have none."""
    document: dict[str, Any] = json.loads(template)
    versions = {ipaddress.ip_network(cidr).version for cidr in cidrs}
    for plugin in document["plugins"]:
        if plugin["type"] == "ptp":
            ipam = plugin["ipam"]
            ipam["ranges"] = [[{"subnet": cidr}] for cidr in cidrs]
            routes = ipam.get("routes", [])
            ipam["routes"] = [r for r in routes if ipaddress.ip_network(r["dst"]).version in versions]
    return json.dumps(document, indent=2) + "\n"


def place(path: Path, content: str) -> bool:
    """The file has that content, replaced at once; False if it had it already."""
    if path.exists() and path.read_text() == content:
        return False
    # libcni reads only names that end in .conflist, .conf or .json.
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(content)
    aside.chmod(0o644)
    os.replace(aside, path)
    return True


if __name__ == "__main__":
    sys.exit(main())
