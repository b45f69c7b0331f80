"""The DaemonSet: its manifests are what the Kubernetes API takes, and its program writes the node's configuration."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.bounds import until
from tests.conftest import ROOT
from tests.namespaces import Host
from tests.operate.kubernetes_schema import faults

DEPLOY = ROOT / "deploy" / "kubernetes"
# Debian's python3-yaml; the tests' own environment has pytest and nothing else.
_AS_JSON = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)"


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    """The manifests by kind."""
    argv = ["/usr/bin/python3", "-c", _AS_JSON]
    done = subprocess.run(argv, input=(DEPLOY / "ptp.yaml").read_bytes(), capture_output=True, check=False)
    assert done.returncode == 0, f"needs python3-yaml: {done.stderr.decode()}"
    return {m["kind"]: m for m in json.loads(done.stdout)}


class Api(HTTPServer):
    """An API server that knows one node.  asked: (path, authorization) of each request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str]] = []
        self.spec: dict[str, Any] = {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        """Answer with the node, to whoever has the token."""
        self.server.asked.append((self.path, self.headers["Authorization"]))
        known = self.path == "/api/v1/nodes/node1" and self.headers["Authorization"] == "Bearer secret"
        self.send_response(200 if known else 403)
        self.end_headers()
        self.wfile.write(json.dumps({"kind": "Node", "spec": self.server.spec}).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def api(host: Host) -> Iterator[Api]:
    """The server, on the loopback of the test's own network namespace."""
    server = Api()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def node(tmp_path: Path, manifests: dict[str, Any]) -> list[str]:
    """The command line of the node's program as the DaemonSet has it, with directories of the test's."""
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "net.d").mkdir()
    (tmp_path / "conf").mkdir()
    for name, text in manifests["ConfigMap"]["data"].items():
        (tmp_path / "conf" / name).write_text(text)
    command: list[str] = manifests["DaemonSet"]["spec"]["template"]["spec"]["containers"][0]["command"]
    places = {"/conf/": f"{tmp_path}/conf/", "/host/": f"{tmp_path}/", "/opt/cni-ptp/": f"{DEPLOY}/"}
    for there, here in places.items():
        command = [word.replace(there, here, 1) if word.startswith(there) else word for word in command]
    return [*command, "--account", str(tmp_path)]


def run(command: list[str], api: Api, *more: str) -> subprocess.Popen[str]:
    """The node's program, started."""
    argv = [*command, "--api", api.url, *more]
    env = {"PATH": os.environ["PATH"], "NODE_NAME": "node1"}
    return subprocess.Popen(argv, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_the_manifests_are_what_the_api_takes(manifests: dict[str, Any]) -> None:
    assert {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "ConfigMap", "DaemonSet"} == set(manifests)
    for manifest in manifests.values():
        assert faults(manifest) == []


def test_the_schema_finds_what_is_wrong(manifests: dict[str, Any]) -> None:
    wrong = copy.deepcopy(manifests["DaemonSet"])
    pod = wrong["spec"]["template"]["spec"]
    pod["hostnetwork"] = True
    pod["containers"][0]["command"] = "python3"
    del pod["initContainers"][0]["name"]
    assert len(faults(wrong)) == 3


def test_the_pods_may_do_no_more_than_they_must(manifests: dict[str, Any]) -> None:
    assert manifests["ClusterRole"]["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]
    pod = manifests["DaemonSet"]["spec"]["template"]["spec"]
    mounted = {v["name"] for c in pod["initContainers"] + pod["containers"] for v in c["volumeMounts"]}
    assert mounted == {v["name"] for v in pod["volumes"]}
    for container in pod["initContainers"] + pod["containers"]:
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_the_init_container_installs_without_capabilities_and_on_a_read_only_root(
    host: Host, manifests: dict[str, Any]
) -> None:
    init = manifests["DaemonSet"]["spec"]["template"]["spec"]["initContainers"][0]
    assert init["securityContext"]["readOnlyRootFilesystem"] is True
    places = {"/opt/cni-ptp/ptp": str(host.plugin_file), "/host/bin": "/run/bin"}
    command = [places.get(word, word) for word in init["command"]]
    os.mkdir("/run/bin")
    Path("/run/bin/ptp").write_text("the Go plugin")
    as_there = 'mount -o remount,bind,ro / && exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"'
    host.run("unshare", "-m", "sh", "-c", as_there, "sh", *command)
    assert Path("/run/bin/ptp").read_bytes() == host.plugin_file.read_bytes()
    assert Path("/run/bin/.ptp.cni-ptp-backup").read_text() == "the Go plugin"


@pytest.mark.parametrize("cidrs", [["10.244.3.0/24"], ["10.244.3.0/24", "fd00:10:244:3::/64"]], ids=["v4", "dual"])
def test_the_written_network_attaches_pods_with_the_nodes_addresses(
    host: Host, api: Api, node: list[str], tmp_path: Path, cidrs: list[str]
) -> None:
    api.spec = {"podCIDR": cidrs[0], "podCIDRs": cidrs}
    done = run(node, api, "--once")
    assert done.wait(60) == 0, done.stdout and done.stdout.read()
    assert api.asked == [("/api/v1/nodes/node1", "Bearer secret")]
    assert os.listdir(tmp_path / "net.d") == ["10-ptp.conflist"]
    written = json.loads((tmp_path / "net.d" / "10-ptp.conflist").read_text())
    assert [plugin["type"] for plugin in written["plugins"]] == ["ptp"]

    host.container()
    conf = {"cniVersion": written["cniVersion"], "name": written["name"], **written["plugins"][0]}
    result = host.plugin("ADD", conf).ok()
    assert [ip["address"] for ip in result["ips"]] == ["10.244.3.2/24", "fd00:10:244:3::2/64"][: len(cidrs)]
    assert len(result["routes"]) == len(cidrs)
    host.plugin("DEL", conf).ok()


def test_it_waits_for_cidrs_mends_the_file_and_ends_on_sigterm(api: Api, node: list[str], tmp_path: Path) -> None:
    running = run(node, api)
    path = tmp_path / "net.d" / "10-ptp.conflist"
    try:
        until(lambda: api.asked, "a question to the API")
        assert not path.exists()
        api.spec = {"podCIDRs": ["10.244.3.0/24"]}
        until(path.exists, "the network configuration")
        inode = path.stat().st_ino
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
    finally:
        running.kill()
        running.wait()
    assert run(node, api, "--once").wait(60) == 0
    assert path.stat().st_ino == inode, "a right file is not written again"
    path.write_text("{}")
    assert run(node, api, "--once").wait(60) == 0
    assert path.stat().st_ino != inode and "10.244.3.0/24" in path.read_text()
