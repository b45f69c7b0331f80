"""Ours and Debian's Go plugins, side by side on generated configurations and sequences of calls.

Compared after every call: success, result, error text, and every file but the lock with its content.  The seeds are
fixed; each case is printed when it fails.  What may differ, and why, is the table DIFFERENCES and nothing else.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest

from cni_ptp.base.errors import CniError
from tests.ipam.calls import Config, files, go, ours

CHUNKS, CASES = 16, 130  # 2,080 cases for host-local
STATIC_CHUNKS, STATIC_CASES = 4, 60

# name: (what Go does, what we do, why)
DIFFERENCES = {
    "json words": ("a wrong type is told in encoding/json's words", "in ours, code 6", "no reflection here"),
    "text words": ("a text that is no address: encoding/json's or the type's words", "ours, code 7", "as above"),
    "small": ("/31, /32, /127, /128 refused", "accepted", "plugins issue 908"),
    "gateway family": ("a gateway of the other family accepted", "refused, code 7", "no result could use it"),
    "nothing follows": ("rangeStart at the broadcast address leaves the subnet", "refused", "no address is left"),
    "arguments of DEL": ("DEL fails on a configuration it does not need", "DEL succeeds", "a lease must not be stuck"),
    "cleanup": ("a failed ADD frees all the attachment has", "frees what it took itself", "others are live"),
    "check": ("CHECK is content with any lease of the container", "wants those of prevResult", "SPEC CHECK"),
    "order": ("several requested addresses in one set: Go's map order", "in the order given", "repeatable"),
    "empty dns": ("an empty dns object in 1.0.0 results", "none", "plugins main: omitted"),
    "bare static": ("static: an address without length refused", "its length from ipam.addresses", "plugins issue 406"),
    "static gateway": ("static: overriding addresses lose gateways", "that of their subnet kept", "plugins issue 406"),
    "static check": ("static: CHECK passes over a missing address", "code 105", "SPEC CHECK"),
    "missing first": ("values of other parts are judged first", "a missing ipam is", "nothing else matters then"),
}  # fmt: skip

V4 = ["10.1.2.0/29", "10.1.2.8/29", "10.1.0.0/16", "192.168.7.0/30", "10.9.0.0/24", "10.1.2.128/25"]
V6 = ["2001:db8:1::/64", "2001:db8:2::/126", "fd00::/125", "2001:db8:1:0:8000::/65"]
BAD = ["10.1.2.3/24", "2001:db8::1/64", "10.1.2.0/31", "10.1.2.4/32", "2001:db8::/127", "::ffff:10.1.2.0/120",
       "10.1.2.0", "", "nonsense", "10.1.2.0/33", "10.01.2.0/24", "300.1.2.0/24"]  # fmt: skip
HOSTS = ["10.1.2.1", "10.1.2.2", "10.1.2.3", "10.1.2.5", "10.1.2.6", "10.1.2.7", "10.1.2.10", "10.1.2.14", "10.1.3.9",
         "192.168.7.2", "10.9.0.255", "2001:db8:1::2", "2001:db8:1::99", "2001:db8:2::3", "fd00::4", "8.8.8.8",
         "10.1.2.0", "10.1.2.200"]  # fmt: skip
DEVIANT_HOSTS = ["x", "10.1.2", "::ffff:10.1.2.5", "010.1.2.3", "2001:db8:1::%1"]


def a_range(rng: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {"subnet": rng.choice(BAD if rng.random() < 0.12 else V4 + V6)}
    for key in ("rangeStart", "rangeEnd", "gateway"):
        if rng.random() < 0.22:
            made[key] = rng.choice(DEVIANT_HOSTS if rng.random() < 0.1 else HOSTS)
    if rng.random() < 0.02:
        del made["subnet"]
    return made


def good_sets(rng: random.Random) -> list[list[dict[str, Any]]]:
    small = [[{"subnet": "10.1.2.0/29"}], [{"subnet": "10.1.2.0/29"}, {"subnet": "10.1.2.8/29"}],
             [{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.3", "rangeEnd": "10.1.2.6"}],
             [{"subnet": "10.1.2.0/29", "gateway": "10.1.2.6"}, {"subnet": "192.168.7.0/30"}],
             [{"subnet": "10.1.2.0/29", "rangeStart": "10.1.2.0", "gateway": "10.1.2.3"}]]  # fmt: skip
    large = [[{"subnet": "2001:db8:2::/126"}], [{"subnet": "fd00::/125"}],
             [{"subnet": "2001:db8:1::/64"}, {"subnet": "2001:db8:2::/126", "gateway": "2001:db8:2::3"}]]  # fmt: skip
    sets = [rng.choice(small)]
    if rng.random() < 0.5:
        sets.append(rng.choice(large))
    return sets


def a_config(rng: random.Random) -> Config:
    conf: Config = {"cniVersion": rng.choice(["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"]), "name": "net1"}
    conf["type"] = "ptp"
    ipam: dict[str, Any] = {"type": "host-local"}
    if rng.random() < 0.55:
        ipam["ranges"] = good_sets(rng)
    else:
        if rng.random() < 0.4:
            ipam.update(a_range(rng))
        if rng.random() < 0.8:
            ipam["ranges"] = [
                [a_range(rng) for _ in range(rng.choice((1, 1, 2, 0)))] for _ in range(rng.choice((1, 1, 2, 3)))
            ]
        if rng.random() < 0.2:
            conf["runtimeConfig"] = {"ipRanges": [[a_range(rng)]]}
    if rng.random() < 0.4:
        ipam["routes"] = rng.choice(
            [
                [{"dst": "0.0.0.0/0"}],
                [{"dst": "10.2.0.0/16", "gw": "10.1.2.1"}],
                [{"dst": "::/0"}, {"dst": "0.0.0.0/0"}],
                [],
            ]
        )
    if rng.random() < 0.02:
        key = rng.choice(("ranges", "subnet", "dataDir", "routes"))
        value: Any = rng.choice((7, "x", {}, True))
        ipam[key] = 7 if key == "dataDir" and value == "x" else value  # "x" is a directory, of wherever we are
    conf["ipam"] = ipam
    if rng.random() < 0.01:
        del conf["ipam"]
    return conf


def wishes(rng: random.Random, conf: Config) -> tuple[Config, str]:
    """The configuration of one call, with addresses requested in one of the three ways, and its CNI_ARGS."""
    conf, args = {**conf}, ""
    if rng.random() < 0.25:
        host = rng.choice(DEVIANT_HOSTS if rng.random() < 0.08 else HOSTS)
        text = host + rng.choice(["", "", "/24"])
        way = rng.randrange(3)
        if way == 0:
            args = f"IgnoreUnknown=1;K8S_POD_NAME=p;IP={text}"
        elif way == 1:
            conf["args"] = {"cni": {"ips": [text]}}
        else:
            conf["runtimeConfig"] = {**conf.get("runtimeConfig", {}), "ips": [text]}
    elif rng.random() < 0.02:
        args = rng.choice(["IP", "FOO=1", "IP=;IgnoreUnknown=1", "IP=1=2"])
    return conf, args


def with_data_dir(conf: Config, data_dir: Path) -> Config:
    if not isinstance(conf.get("ipam"), dict) or "dataDir" in conf["ipam"]:
        return conf
    return {**conf, "ipam": {**conf["ipam"], "dataDir": str(data_dir)}}


def try_ours(role: str, command: str, conf: Config, *more: str) -> tuple[bool, Any]:
    try:
        return True, ours(role, command, conf, *more)
    except CniError as e:
        return False, {"code": e.code, "msg": e.msg, "details": e.details}


def without_empty_dns(document: Any) -> Any:
    if isinstance(document, dict) and document.get("dns") == {}:
        return {key: value for key, value in document.items() if key != "dns"}
    return document


_GO_WORDS = re.compile(
    r"json: |invalid CIDR address|invalid IP address|no such host|netmask|invalid character|cannot unmarshal|parse"
)


def difference(command: str, theirs: tuple[bool, Any], mine: tuple[bool, Any]) -> str | None:
    """Which row of the table explains that the two differ; "" if they agree, None if nothing explains it."""
    (they, their_document), (we, my_document) = theirs, mine
    if they and we:
        if without_empty_dns(their_document) == without_empty_dns(my_document):
            return ""
        return None
    if not they and not we:
        if their_document["msg"] == my_document["msg"]:
            return ""
        if "too small to allocate from" in their_document["msg"]:
            return "small"  # and we go on to the next fault
        if "missing 'ipam' key" in my_document["msg"]:
            return "missing first"
        if my_document["code"] == 6:
            return "json words"
        if my_document["code"] == 7 and _GO_WORDS.search(their_document["msg"]) and "invalid" in my_document["msg"]:
            return "text words"
        return refusal_of_ours(my_document)
    if not they:
        if command == "DEL":
            return "arguments of DEL"
        if command == "CHECK":
            return None
        return "small" if "too small to allocate from" in their_document["msg"] else None
    return refusal_of_ours(my_document)


def refusal_of_ours(document: Any) -> str | None:
    if "is not of the family of" in document["msg"]:
        return "gateway family"
    if document["details"] == "nothing follows it":
        return "nothing follows"
    return None


def run_case(seed: int, tmp: Path) -> None:
    rng = random.Random(seed)
    base = a_config(rng)
    results: dict[str, Any] = {}
    for step in range(rng.randrange(1, 8) if "runtimeConfig" not in base else 2):
        command = rng.choice(("ADD", "ADD", "ADD", "ADD", "DEL", "DEL", "CHECK"))
        container = rng.choice(("a", "b", "c", "d", "e", "f"))
        conf, args = wishes(rng, base) if command == "ADD" else (base, "")
        if command == "CHECK":
            if conf["cniVersion"] not in ("0.4.0", "1.0.0") or container not in results:
                continue
            conf = {**conf, "prevResult": results[container]}
        mine = try_ours("host-local", command, with_data_dir(conf, tmp / "ours"), container, "eth0", args)
        their_conf = with_data_dir(conf, tmp / "go")
        if not mine[0] and mine[1]["details"] == "nothing follows it":
            return  # Go would walk through what is left of all addresses
        theirs = go("host-local", command, their_conf, container, "eth0", args)
        story = (seed, step, command, container, args, conf, theirs, mine)
        row = difference(command, theirs, mine)
        assert row is not None, story
        assert row == "" or row in DIFFERENCES, row
        if theirs[0] != mine[0]:
            return
        if command == "ADD" and mine[0]:
            results[container] = mine[1]
        if command == "DEL":
            results.pop(container, None)
        if files(tmp / "go") != files(tmp / "ours"):
            # Go's cleanup freed what the attachment held before: nothing else may be missing there.
            assert command == "ADD" and not mine[0], (story, files(tmp / "go"), files(tmp / "ours"))
            gone = {k: v for k, v in files(tmp / "ours").items() if k not in files(tmp / "go")}
            assert all(v == f"{container}\r\neth0".encode() for v in gone.values()), (story, gone)
            return


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_host_local_does_as_go_does(go_plugins: str, chunk: int, tmp_path: Path) -> None:
    for case in range(CASES):
        directory = tmp_path / str(case)
        directory.mkdir()
        run_case(chunk * 10_000 + case, directory)


# --- static ----------------------------------------------------------------------------------------------------------

CIDRS = [
    "10.10.0.1/24",
    "10.10.0.9/24",
    "10.0.0.5/8",
    "3ffe:ffff:0:01ff::1/64",
    "2001:db8::7/48",
    "::ffff:10.1.1.1/120",
]
NO_CIDRS = ["10.10.0.1", "10.10.0.1/33", "x", "", "10.10.0.1/24/24"]
GATEWAYS = ["10.10.0.254", "10.0.0.1", "3ffe:ffff:0::1", "2001:db8::1", "x", ""]


def a_static_config(rng: random.Random) -> tuple[Config, str]:
    def cidr() -> str:
        return rng.choice(NO_CIDRS if rng.random() < 0.08 else CIDRS)

    listed = []
    for _ in range(rng.choice((0, 1, 1, 2))):
        one = {"address": cidr()}
        if rng.random() < 0.6:
            one["gateway"] = rng.choice(GATEWAYS)
        listed.append(one)
    ipam: dict[str, Any] = {"type": "static", "addresses": listed}
    if rng.random() < 0.4:
        ipam["routes"] = [{"dst": "0.0.0.0/0"}, {"dst": "0.0.0.0/0", "gw": "10.10.5.1"}]
    if rng.random() < 0.4:
        ipam["dns"] = {"nameservers": ["8.8.8.8"], "domain": "example.com"}
    conf: Config = {"cniVersion": rng.choice(["0.1.0", "0.2.0", "0.3.1", "0.4.0", "1.0.0"]), "name": "n", "type": "ptp"}
    conf["ipam"] = ipam
    if rng.random() < 0.03:
        del conf["ipam"]
    if rng.random() < 0.15:
        conf["RuntimeConfig"] = {"ips": [cidr()]}
    if rng.random() < 0.15:
        conf["args"] = {"cni": {"ips": [cidr(), cidr()]}}
    args = ""
    if rng.random() < 0.4:
        args = "IP=" + ",".join([cidr() for _ in range(rng.choice((1, 1, 2)))])
        if rng.random() < 0.5:
            args += ";GATEWAY=" + rng.choice(GATEWAYS)
    return conf, args


def static_difference(theirs: tuple[bool, Any], mine: tuple[bool, Any], overridden: bool) -> str | None:
    if theirs[0] and mine[0] and overridden:
        documents = [
            [{k: v for k, v in ip.items() if k != "gateway"} for ip in d.get("ips", [])] for _, d in (theirs, mine)
        ]
        return "static gateway" if documents[0] == documents[1] else None
    if not theirs[0] and mine[0] and "is NOT in CIDR notation" in theirs[1]["msg"]:
        return "bare static"
    if not theirs[0] and not mine[0] and overridden:
        return "bare static" if "CIDR" in theirs[1]["msg"] else None
    return None


@pytest.mark.parametrize("chunk", range(STATIC_CHUNKS))
def test_static_does_as_go_does(go_plugins: str, chunk: int) -> None:
    for case in range(STATIC_CASES):
        seed = 1_000_000 + chunk * 10_000 + case
        conf, args = a_static_config(random.Random(seed))
        theirs, mine = go("static", "ADD", conf, args=args), try_ours("static", "ADD", conf, "c1", "eth0", args)
        row = difference("ADD", theirs, mine)
        if row is None:
            row = static_difference(theirs, mine, "RuntimeConfig" in conf or "args" in conf)
        assert row is not None, (seed, conf, args, theirs, mine)
