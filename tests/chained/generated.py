"""Configurations of chained plugins, generated, and what a call made of the kernel and the disk."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cni_ptp.cni.attachment import Attachment
from cni_ptp.cni.conf import bandwidth as bandwidth_of
from cni_ptp.cni.conf import read
from tests.namespaces import Container, Host

ATTACHMENT = Attachment("mynet", "c1", "eth0")
VETH, IFB = ATTACHMENT.host_veth(), ATTACHMENT.go_ifb()
BACKUPS = Path("/run/cni/tuning")
SYSCTLS = (
    "net.ipv4.ip_default_ttl",
    "net.ipv4.conf.eth0.arp_filter",
    "net.ipv4.conf.lo.log_martians",
    "net.core.somaxconn",
)
MAC = "0a:58:0a:01:02:02"
GO_VERSIONS = ["0.3.0", "0.3.1", "0.4.0", "1.0.0"]


class Outcome:
    """What one call did.  raw: the result as it was printed."""

    def __init__(self, ok: bool, raw: Any, msg: str, state: Any) -> None:
        self.ok = ok
        self.raw = raw
        self.result = simplified(raw)
        self.msg = msg
        self.state = state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcome) and self.compared() == other.compared()

    def __hash__(self) -> int:
        return hash(str(self.compared()))

    def compared(self) -> Any:
        """What two plugins must have in common."""
        return self.ok, self.result, self.msg, self.state if self.ok else None

    def __repr__(self) -> str:
        return f"\n  {self.compared()}"


class Case:
    """What is called, with what.  prevresult: "given", "none", or a whole one."""

    def __init__(self, steps: list[str], conf: dict[str, Any], **more: Any) -> None:
        self.steps = steps
        self.conf = conf
        self.args: str = more.get("args", "")
        self.netns: str = more.get("netns", "/run/netns/c1")
        self.ifname: str = more.get("ifname", "eth0")
        self.commands: list[list[str]] = more.get("commands", [])  # of ip, in the container, before
        self.judge: Callable[[Case, int, Outcome, Outcome], str] = more["judge"]

    def prepare(self, subject: Subject) -> None:
        """Bring about the state that the case begins with."""
        for command in self.commands:
            subject.container.run("ip", *command)

    def difference(self, i: int, go: Outcome, ours: Outcome) -> str:
        """The name of what differs in a step."""
        return self.judge(self, i, go, ours)

    def __repr__(self) -> str:
        return f"{self.steps} {json.dumps(self.conf)} {self.args} {self.netns} {self.ifname} {self.commands}"


def simplified(raw: Any) -> Any:
    """A result without what is random, empty or a matter of taste."""
    if not isinstance(raw, dict):
        return None
    made = copy.deepcopy(raw)
    if not made.get("dns"):
        made.pop("dns", None)
    for interface in made.get("interfaces", []):
        if interface["name"] == IFB:
            interface["mac"] = "random"
    return made


class Subject:
    """One container that ptp attached, on which both plugins are called in turn.  previous: what ptp printed."""

    def __init__(self, host: Host, container: Container, previous: Any) -> None:
        self.host = host
        self.container = container
        self.previous = previous

    def previous_in(self, version: str) -> Any:
        """What ptp prints in a version."""
        made = {**copy.deepcopy(self.previous), "cniVersion": version}
        if version < "1":
            for ip in made["ips"]:
                ip["version"] = "4"
        return made

    def reset(self) -> None:
        """Bring back the state that ptp left."""
        for link in self.host.ip("link", "show", "type", "ifb"):
            if link["ifname"].startswith("bwp"):
                self.host.run("ip", "link", "del", link["ifname"])
        self.host.run("tc", "qdisc", "del", "dev", VETH, "root", check=False)
        self.host.run("tc", "qdisc", "del", "dev", VETH, "ingress", check=False)
        words = f"mtu 1500 address {MAC} promisc off allmulticast off txqueuelen 1000".split()
        self.container.run("ip", "link", "set", "eth0", *words)
        self.container.run("ip", "link", "set", "lo", "down")
        self.container.run("ip", "addr", "flush", "dev", "lo")
        self.container.run("sysctl", "-qw", *(f"{name}={'0' if 'conf' in name else '64'}" for name in SYSCTLS))
        for path in BACKUPS.glob("*"):
            path.unlink()

    def state(self) -> Any:
        """What any of the plugins can change."""
        qdiscs = json.loads(self.host.run("tc", "-j", "qdisc", "show").stdout)
        shown = [{k: q[k] for k in ("kind", "dev", "options") if k in q} for q in qdiscs if q["dev"] in (VETH, IFB)]
        # The kernel writes default qdiscs down with the options that they have.
        shown = [q for q in shown if q["kind"] != "noqueue"]
        ifbs = [
            (link["ifname"], link["mtu"], link.get("txqlen"), "UP" in link["flags"])
            for link in self.host.ip("link", "show", "type", "ifb")
            if link["ifname"].startswith("bwp")
        ]
        filters = self.host.run("tc", "filter", "show", "dev", VETH, "parent", "ffff:").stdout
        inside = [
            (link["ifname"], link["mtu"], link["address"], link["txqlen"], sorted(link["flags"]))
            for link in self.container.ip("link")
            if link["ifname"] in ("lo", "eth0")
        ]
        values = self.container.run("sysctl", "-n", *SYSCTLS).stdout.split()
        kept = {path.name: json.loads(path.read_text()) for path in sorted(BACKUPS.glob("*"))}
        for document in kept.values():
            document.pop("network", None)
        return {"qdiscs": shown, "ifbs": ifbs, "led": f"to device {IFB}" in filters, "links": inside, "sysctls": values,
                "kept": kept}  # fmt: skip

    def outcome(self, exe: str, verb: str, case: Case, previous: Any) -> Outcome:
        """What a call did; from the first ADD on, CHECK and DEL get its result."""
        conf = dict(case.conf)
        if conf.get("prevResult") == "given":
            conf["prevResult"] = self.previous_in(conf["cniVersion"]) if previous is None else previous
        reply = self.host.plugin(
            verb, conf, exe=exe, netns=case.netns, ifname=case.ifname, args=case.args, path="/usr/lib/cni"
        )
        text = reply.stdout.decode()
        document = json.loads(text) if text.strip() else None
        ok = reply.status == 0
        msg = "" if ok else "crash" if document is None else document["msg"]
        return Outcome(ok, document if ok else None, msg, self.state())


# --- bandwidth -----------------------------------------------------------------------------------------------------


def _bits(rng: random.Random) -> Any:
    if rng.random() < 0.06:
        return rng.choice([-1, "8000", 1.5, True, None, 2**64, [], {}])
    return rng.choice(
        [0, 1, 8, 15, 1000, 12_112, 80_000, 10**6, 123_456_789, 10**8, 10**10, 2**32 - 1, 2**35 - 9, 2**35]
    )


def _limits(rng: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for direction in ("ingress", "egress"):
        if rng.random() < 0.75:
            rate = rng.choice([10**6, 10**7, 33_333_333, 10**9, 4 * 10**10]) if rng.random() < 0.6 else _bits(rng)
            made[f"{direction}Rate"] = rate
            usual = isinstance(rate, int) and rate > 10**6 and rng.random() < 0.6
            made[f"{direction}Burst"] = rng.randrange(12_112, rate // 4 + 12_113) % 2**35 if usual else _bits(rng)
        for key in list(made):
            if rng.random() < 0.04:
                del made[key]
    return {(key.upper() if rng.random() < 0.05 else key): value for key, value in made.items()}


def bandwidth(rng: random.Random, subject: Subject) -> Case:
    """A case of bandwidth."""
    conf: dict[str, Any] = {"cniVersion": rng.choice(GO_VERSIONS), "name": "mynet", "type": "bandwidth"}
    where = rng.random()
    if where < 0.5:
        conf["runtimeConfig"] = {rng.choice(["bandwidth"] * 4 + ["bandWidth"]): _limits(rng)}
    elif where < 0.9:
        conf.update(_limits(rng))
    if 0.4 < where < 0.6:
        conf.setdefault("runtimeConfig", {"bandwidth": _limits(rng)})
        conf.update(_limits(rng))
    conf["prevResult"] = "given"
    more: dict[str, Any] = {}
    odd = rng.random()
    if odd < 0.04:
        del conf["prevResult"]
    elif odd < 0.12:
        conf["prevResult"] = _odd_previous(rng, subject.previous_in(conf["cniVersion"]))
    elif odd < 0.15:
        more["netns"] = "/run/netns/gone"
    elif odd < 0.17:
        more["ifname"] = "eth7"
    steps = rng.choice([["ADD", "CHECK", "DEL"], ["ADD", "DEL", "DEL"], ["ADD", "CHECK", "ADD"], ["CHECK"], ["DEL"]])
    return Case(steps, conf, judge=_judge_bandwidth, **more)


def _odd_previous(rng: random.Random, previous: Any) -> Any:
    made = copy.deepcopy(previous)
    kind = rng.randrange(5)
    if kind == 0:
        made["interfaces"] = []
        for ip in made["ips"]:
            ip.pop("interface")
    elif kind == 1:
        made["interfaces"][0]["name"] = "veth0"
    elif kind == 2:
        made["interfaces"][0]["sandbox"] = "/run/netns/x"
    elif kind == 3:
        made = {"cniVersion": previous["cniVersion"], "ips": "x"}
    else:
        made["interfaces"].insert(0, {"name": "br0", "mac": "00:11:22:33:44:55"})
        for ip in made["ips"]:
            ip["interface"] = 2
    return made


def _judge_bandwidth(case: Case, i: int, go: Outcome, ours: Outcome) -> str:
    step = case.steps[i]
    if go.msg == "crash":
        return "crash" if step != "CHECK" else "CHECK of little"
    if not go.ok and not ours.ok:
        return "words"
    if step == "DEL" and ours.ok:
        return "DEL of nonsense" if not go.ok else _same_but_debris(go, ours)
    if step == "ADD" and i and not go.ok:
        return "second ADD"
    if step == "CHECK" and "ADD" not in case.steps and go.ok:
        return "blind CHECK"
    if step == "CHECK" and ours.ok and not ours.state["qdiscs"]:
        return "nothing to check"
    if step == "ADD" and ours.ok and "create qdisc: invalid argument" in go.msg:
        return "packet"
    if go.ok and ours.ok and go.result == ours.result:
        return _bucket_differences(case, go.state, ours.state)
    if not ours.ok and go.ok and "cannot be used" in ours.msg:
        return "wrapped"
    return f"unknown: {step}"


def _same_but_debris(go: Outcome, ours: Outcome) -> str:
    """Go's DEL leaves the qdiscs of the host end."""
    left = [q["dev"] for q in ours.state["qdiscs"]]
    return (
        "left qdiscs" if not left and not ours.state["ifbs"] and not go.state["ifbs"] else "unknown: DEL left something"
    )


def _bucket_differences(case: Case, go: Any, ours: Any) -> str:
    if {k: v for k, v in go.items() if k != "qdiscs"} != {k: v for k, v in ours.items() if k != "qdiscs"}:
        return "unknown: state"
    wanted = bandwidth_of(read(json.dumps(case.conf).encode()))
    assert wanted is not None and len(go["qdiscs"]) == len(ours["qdiscs"])
    why = ""
    for theirs, made in zip(go["qdiscs"], ours["qdiscs"]):
        limit = wanted.egress if made["dev"] == IFB else wanted.ingress
        a, b = theirs.get("options", {}), made.get("options", {})
        if (theirs["kind"], theirs["dev"], a.get("rate")) != (made["kind"], made["dev"], b.get("rate")):
            return "unknown: qdisc"
        if theirs != made:
            assert limit is not None
            if limit.burst > 1514 and limit.burst <= limit.rate // 4:
                return "unknown: bucket"
            why = "packet" if limit.burst <= 1514 else "queue"
    return why


# --- loopback ------------------------------------------------------------------------------------------------------


def loopback(rng: random.Random, subject: Subject) -> Case:
    """A case of loopback."""
    conf: dict[str, Any] = {
        "cniVersion": rng.choice(["0.1.0", "0.2.0", *GO_VERSIONS]),
        "name": "mynet",
        "type": "loopback",
    }
    more: dict[str, Any] = {"ifname": rng.choice(["lo", "eth0", "x"])}
    addresses = ["127.0.0.2/8", "127.1.2.3/32", "10.1.1.1/24", "fd00::1/64", "::2/128"]
    if rng.random() < 0.4:
        chosen = rng.sample(addresses, rng.choice([1, 2]))
        more["commands"] = [["addr", "add", text, "dev", "lo"] for text in chosen]
    odd = rng.random()
    if odd < 0.3 and conf["cniVersion"] in GO_VERSIONS:
        conf["prevResult"] = rng.choice(["given", "given", {"cniVersion": conf["cniVersion"], "ips": "x"}])
    elif odd < 0.4:
        more["netns"] = rng.choice(["/run/netns/gone", "", "/etc/passwd"])
    steps = rng.choice([["ADD", "CHECK", "DEL", "CHECK"], ["ADD", "ADD", "DEL", "DEL"], ["CHECK"], ["DEL"]])
    return Case(steps, conf, judge=_judge_loopback, **more)


def _judge_loopback(case: Case, i: int, go: Outcome, ours: Outcome) -> str:
    if not go.ok and not ours.ok:
        return "words"
    if case.steps[i] == "DEL" and case.netns == "/etc/passwd":
        return "other namespace"
    version = case.conf["cniVersion"]
    if go.ok and ours.ok and go.state == ours.state and version != "1.0.0" and "prevResult" not in case.conf:
        return "old shape"
    return "unknown"


# --- tuning --------------------------------------------------------------------------------------------------------


def _tuned(rng: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if rng.random() < 0.5:
        # Two names of one sysctl have their values in Go's order, which is random.
        keys = {_file(key): key for key in (_sysctl(rng) for _ in range(rng.choice([1, 1, 2])))}
        made["sysctl"] = {key: rng.choice(["0", "1", "77", "128"]) for key in keys.values()}
    if rng.random() < 0.35:
        odd = ["C2:11:22:33:44:AB", "c211.2233.4455", "c2-11-22-33-44-56", "01:00:5e:00:00:01", "x", "", MAC]
        made["mac"] = rng.choice(["c2:11:22:33:44:55"] * 3 + [*odd, "02:11:22:33:44:55:66:77"])
    if rng.random() < 0.4:
        made["mtu"] = rng.choice([0, 68, 1280, 1400, 1500, 9000, 65535, 65536, 70000, -1, 67, 1 << 31])
    for key in ("promisc", "allmulti"):
        if rng.random() < 0.3:
            made[key] = rng.random() < 0.7
    if rng.random() < 0.06:
        made[rng.choice(["mtu", "mac", "promisc", "allmulti", "sysctl"])] = rng.choice(["7", 7, True, [], {}])
    return made


def _file(key: str) -> str:
    return "/".join(part for part in key.replace(".", "/").replace("IFNAME", "eth0", 1).split("/") if part)


def _sysctl(rng: random.Random) -> str:
    usual = [*SYSCTLS, "net/ipv4/ip_default_ttl", "net.ipv4.conf.IFNAME.arp_filter", "net/ipv4/conf/IFNAME/arp_filter"]
    odd = ["kernel.shmmax", "net", "", "net.ipv4.nothing", "net.ipv4..ip_default_ttl", "net.ipv4.conf.IFNAME.IFNAME",
           "/net/ipv4/ip_default_ttl", "net/../kernel/x"]  # fmt: skip
    return rng.choice(usual if rng.random() < 0.85 else odd)


def tuning(rng: random.Random, subject: Subject) -> Case:
    """A case of tuning."""
    conf: dict[str, Any] = {"cniVersion": rng.choice(GO_VERSIONS), "name": "mynet", "type": "tuning", **_tuned(rng)}
    conf["prevResult"] = "given"
    more: dict[str, Any] = {}
    if rng.random() < 0.15:
        conf["args"] = {"cni": _tuned(rng)}
        mine, other = conf.get("sysctl"), conf["args"]["cni"].get("sysctl")
        if isinstance(mine, dict) and isinstance(other, dict):
            taken = {_file(key): key for key in mine}
            conf["args"]["cni"]["sysctl"] = {k: v for k, v in other.items() if taken.get(_file(k), k) == k}
    if rng.random() < 0.1:
        conf["runtimeConfig"] = {"mac": "c2:11:22:33:44:03"}
    if rng.random() < 0.15:
        more["args"] = rng.choice(
            ["MAC=c2:11:22:33:44:02", "IgnoreUnknown=1;FOO=1;MAC=c2:11:22:33:44:02", "FOO=1", "MAC="]
        )
    odd = rng.random()
    if odd < 0.05:
        del conf["prevResult"]
    elif odd < 0.08:
        more["netns"] = "/run/netns/gone"
    elif odd < 0.1:
        more["ifname"] = "eth7"
    elif odd < 0.15:
        more["commands"] = [["link", "set", "eth0", "promisc", "on"]]
    steps = rng.choice([["ADD", "CHECK", "DEL"], ["ADD", "CHECK", "DEL"], ["ADD", "DEL", "DEL"], ["CHECK"], ["DEL"]])
    return Case(steps, conf, judge=_judge_tuning, **more)


def _judge_tuning(case: Case, i: int, go: Outcome, ours: Outcome) -> str:
    step = case.steps[i]
    if go.msg == "crash":
        return "crash"
    if not go.ok and not ours.ok:
        return "words"
    if step == "DEL" and ours.ok:
        return "DEL of nonsense"
    if step == "ADD" and go.ok and ours.ok and go.state == ours.state:
        return "MAC" if _without_macs(go.result) == _without_macs(ours.result) else "unknown: result"
    if step == "CHECK" and ours.ok:
        return "IFNAME" if "IFNAME" in go.msg or "no such file" in go.msg else "lenient CHECK"
    if step == "ADD" and go.ok and "MAC" in ours.msg:
        return "long MAC"
    return f"unknown: {step}"


def _without_macs(result: Any) -> Any:
    return json.loads(json.dumps(result), object_hook=lambda d: {k: v for k, v in d.items() if k != "mac"})


GENERATORS: dict[str, Callable[[random.Random, Subject], Case]] = {
    "bandwidth": bandwidth,
    "loopback": loopback,
    "tuning": tuning,
}
