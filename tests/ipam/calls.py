"""IPAM calls: ours within this process (or as processes of their own), Go's as the processes they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from cni_ptp.base.errors import CniError
from cni_ptp.cni import args as cni_args
from cni_ptp.cni import conf as cni_conf
from cni_ptp.cni import versions
from cni_ptp.ipam import standalone

ROOT = Path(__file__).parents[2]
GO = Path("/usr/lib/cni")
ALL_VERSIONS = versions.SUPPORTED
Config = dict[str, Any]


def environment(command: str, container: str = "c1", ifname: str = "eth0", args: str = "") -> dict[str, str]:
    """The CNI_* variables of a call."""
    variables = {"CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_IFNAME": ifname, "CNI_ARGS": args}
    variables.update(CNI_NETNS="/run/netns/none", CNI_PATH="/opt/cni/bin", PATH="/usr/bin:/bin")
    return {key: value for key, value in variables.items() if value}


def ours(role: str, command: str, conf: Config, container: str = "c1", ifname: str = "eth0", args: str = "") -> Any:
    """The result document (None for a verb without one), or CniError; called as dist/ptp calls it under that name."""
    parsed = cni_args.parse(environment(command, container, ifname, args))
    network = cni_conf.read(json.dumps(conf).encode())
    versions.gate(command, network.cni_version)
    written: list[Any] = []
    standalone.run(role, parsed, network, written.append)
    return written[0] if written else None


def refused(
    role: str, command: str, conf: Config, container: str = "c1", ifname: str = "eth0", args: str = ""
) -> CniError:
    """The error of a call that must fail."""
    try:
        document = ours(role, command, conf, container, ifname, args)
    except CniError as e:
        return e
    raise AssertionError(f"{command} succeeded: {document}")


def go(role: str, command: str, conf: Config, container: str = "c1", ifname: str = "eth0", args: str = "") -> Any:
    """What the Go plugin printed: (whether it succeeded, the document or None)."""
    done = subprocess.run(
        [str(GO / role)], input=json.dumps(conf).encode(), env=environment(command, container, ifname, args),
        capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0, json.loads(done.stdout) if done.stdout.strip() else None


def process(role: str) -> list[str]:
    """The command line of ours as a process of its own, from the sources."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from cni_ptp.main import main; sys.exit(main([{role!r}]))"
    return [sys.executable, "-I", "-S", "-c", code]


def host_local(data_dir: Path | str, *sets: Any, version: str = "1.0.0", name: str = "net1", **ipam: Any) -> Config:
    """A configuration; each set is a subnet or a list of ranges."""
    ranges = [[{"subnet": s}] if isinstance(s, str) else s for s in sets]
    whole = {"type": "host-local", "dataDir": str(data_dir), "ranges": ranges, **ipam}
    return {"cniVersion": version, "name": name, "type": "ptp", "ipam": whole}


def addresses(document: Any) -> list[str]:
    """The addresses of a result of any version."""
    if "ips" in document:
        return [ip["address"] for ip in document["ips"]]
    return [document[key]["ip"] for key in ("ip4", "ip6") if key in document]


def files(data_dir: Path | str, name: str = "net1") -> dict[str, bytes]:
    """The lease directory: file names and contents, without the lock."""
    directory = Path(data_dir) / name
    if not directory.exists():
        return {}
    return {p.name: p.read_bytes() for p in directory.iterdir() if p.name != "lock" and p.is_file()}


def leases(data_dir: Path | str, name: str = "net1") -> dict[str, bytes]:
    """The lease files alone."""
    return {k: v for k, v in files(data_dir, name).items() if not k.startswith("last_reserved_ip")}


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))
