"""Malformed input as a table: what each case is, and the code it must be refused with (docs/architecture.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

GOOD: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "name": "mynet",
    "type": "ptp",
    "ipMasq": True,
    "ipam": {"type": "host-local", "subnet": "10.1.2.0/24", "routes": [{"dst": "0.0.0.0/0"}]},
}


class Case:
    """One call that must be refused.  env: CNI_* variables that differ from those of a good call."""

    def __init__(self, about: str, code: int, conf: dict[str, Any] | bytes, command: str = "ADD", **env: str) -> None:
        self.about = about
        self.code = code
        self.conf = conf
        self.command = command
        self.env = env

    def __str__(self) -> str:
        return f"{self.command} {self.about} {self.env or ''} -> {self.code}"


def changed(path: str, value: object, **top: object) -> dict[str, Any]:
    """The good configuration with one member replaced, given by its path such as "ipam.type"."""
    conf: dict[str, Any] = json.loads(json.dumps({**GOOD, **top}))
    at = conf
    *outer, last = path.split(".")
    for key in outer:
        at = at.setdefault(key, {})
    at[last] = value
    return conf


def without(key: str) -> dict[str, Any]:
    """The good configuration without one member."""
    return {k: v for k, v in GOOD.items() if k != key}


NOT_JSON = [
    b"", b" ", b"{", b"}", b"[", b"nul", b"tru", b"-", b"+1", b"01", b"1.", b".5", b"1e", b'"', b'"\\x"', b'"\\u12"',
    b"'a'",
    b"{'name':'a'}", b"{name:1}", b'{"name"}', b'{"name":}', b'{"name":"a",}', b'{"name":"a"', b'{"name":"a"}}',
    b'{"a":1} x',
    b'{"a":1}{"b":2}', b"[1,]", b"NaN", b"Infinity", b"-Infinity", b'{"mtu":NaN}', b'{"mtu":Infinity}', b'{"a":"\n"}',
    b'{"a":"\x00"}', b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"\x00", b"\x7fELF", b"<xml/>", b"name: mynet",
    b"[" * 100_000,
    b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"name":"n","mtu":' + b"9" * 100_000 + b"}",
    b'{"name":"n","mtu":-' + b"1" * 21 + b"}",
    b"/* */{}", b"{}//", b'{"a":1,,"b":2}', b'{"a" "b"}', b'{1:2}', b'{"a":0x10}',
]  # fmt: skip
NOT_AN_OBJECT = [b"[]", b'"name"', b"1", b"true", b"false", b"1.5", b"[{}]"]
NAMES = [
    "", ".", "..", "-a", "_a", ".a", "a/b", "/", "../a", "a b", " a", "a ", "a\n", "\na", "a\0", "a\t", "ä",
    "a\u0301", "a;b", "$(a)", "a'b",
    'a"b', "a\\b", "a:b", "a@b", "a*", "%s", "a" * 201, "a" * 100_000, "\ud800", "\u202ea", "a,b", "a|b", "~a", "#a",
    "{}",
]  # fmt: skip
CONTAINERS = [
    ".", "..", "-a", "_a", "a/b", "../a", "a b", "a\n", "a\t", "ä", "a;b", "$(a)", "a:b", "a@b", "a\\b", "*", "%n",
    "\u202e", " a", "{}",
]  # fmt: skip
INTERFACES = [
    ".", "..", "a/b", "/", "a:b", ":", "a b", " ", "a\n", "a\t", "a\v", "a\f", "a\r", "a\u00a0b", "a\u2003", "a" * 16,
    "ä" * 8, "a" * 1000,
]  # fmt: skip
NAMESPACES = [
    "/", "/run", "/dev/null", "/dev/zero", "/etc/passwd", "/proc/self/ns/uts", "/proc/self/ns/mnt",
    "/proc/self/ns/user", "missing",
    "/run/netns/missing", "/proc/0/ns/net", "/proc/99999999/ns/net", "/etc/passwd/x", "a" * 5000, "/" + "a/" * 2000,
    "\n", "/proc/self/fd/0",
    "/proc/self/mem", "/proc/kmsg", "/sys", "/proc/self/ns/net",
]  # fmt: skip
VERSIONS = [
    "0.4",
    "1.0",
    "1",
    "9.9.9",
    "1.1.0 ",
    " 1.1.0",
    "1.1.1",
    "v1.1.0",
    "x",
    "1.1.0.0",
    "-1.0.0",
    "1.1.0\n",
    "0",
    "a.b.c",
]
MACS = [
    "x", "00:00:00:00:00:00", "01:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "02:00:00:00:00", "02:00:00:00:00:00:00",
    "02:00:00:00:00:0g",
    "0200.0000.00", "02:00-00:00:00:01", "020000000001", "02:00:00:00:00:001", "2:0:0:0:0:1", " 02:00:00:00:00:01",
]  # fmt: skip
IPAM_TYPES = [
    "",
    "/",
    "../host-local",
    "a/b",
    "/bin/sh",
    ".",
    "..",
    "a\0b",
    "ptp",
    "missing",
    "\n",
    "x" * 300,
    "host-local ",
    "Host-Local",
    "*",
]
SUBNETS = [
    "", "x", "10.1.2.0", "10.1.2.0/", "10.1.2.0/33", "10.1.2.0/-1", "10.1.2.0/a", "10.1.2/24", "10.1.2.256/24",
    "010.1.2.0/24",
    "10.1.2.0/32", "2001:db8::/129", "2001:db8::/128", "2001:db8::%eth0/64", "::ffff:10.1.2.0/24/1", "10.1.2.0 /24",
    "0x0a010200/24", "2001:db8:::/64", "10.1.2.0/24\n", "１0.1.2.0/24",
]  # fmt: skip
RANGES: list[tuple[str, object]] = [
    ("rangeStart", "10.1.3.1"), ("rangeStart", "x"), ("rangeStart", "2001:db8::1"), ("rangeEnd", "10.1.1.1"),
    ("rangeEnd", "x"),
    ("rangeEnd", "2001:db8::1"), ("gateway", "x"), ("gateway", "10.1.2.1/24"), ("gateway", "2001:db8::1"), ("dataDir",
    "relative"),
    ("ranges", [[]]), ("ranges", [[{}]]), ("ranges", [[{"subnet": "10.1.2.0/24"}]]), ("ranges",
    [[{"subnet": "10.9.0.0/24"}, {"subnet": "2001:db8::/64"}]]),
    ("ranges", [[{"subnet": "10.9.0.0/24"}], [{"subnet": "10.9.0.128/25"}]]), ("ranges", [[{"subnet": "10.9.0.0/24",
    "rangeStart": "10.9.0.9", "rangeEnd": "10.9.0.3"}]]),
]  # fmt: skip
ROUTE_TEXTS: list[tuple[str, object]] = [
    ("dst", ""), ("dst", "x"), ("dst", "default"), ("dst", "10.0.0.0/33"), ("dst", "10.0.0.1"), ("dst", "::/129"),
    ("gw", "x"), ("gw", "10.0.0.0/8"),
    ("gw", "010.0.0.1"), ("gw", "fe80::1%eth0"),
]  # fmt: skip
ROUTE_NUMBERS: list[tuple[str, object]] = [
    ("mtu", -1), ("mtu", 1 << 32), ("advmss", -1), ("advmss", 1 << 32), ("priority", -1), ("priority", 1 << 32),
    ("table", -1),
    ("table", 1 << 32), ("scope", -1), ("scope", 256), ("scope", 1 << 62), ("gw", "2001:db8::1"),
]  # fmt: skip
STATIC: list[object] = [
    [{}], [{"address": ""}], [{"address": "x"}], [{"address": "10.9.0.2"}], [{"address": "10.9.0.2/33",
    "gateway": "10.9.0.1"}],
    [{"address": "10.9.0.2/24", "gateway": "x"}],
]  # fmt: skip
UNUSABLE: list[object] = [
    [], [{"address": "10.9.0.2/24"}], [{"address": "127.0.0.2/8", "gateway": "127.0.0.1"}],
    [{"address": "224.0.0.2/24", "gateway": "224.0.0.1"}],
    [{"address": "0.0.0.0/24", "gateway": "10.9.0.1"}], [{"address": "255.255.255.255/24", "gateway": "10.9.0.1"}],
    [{"address": "::1/64", "gateway": "2001:db8::1"}], [{"address": "::/64", "gateway": "2001:db8::1"}],
    [{"address": "ff02::1/64", "gateway": "2001:db8::1"}],
    [{"address": "10.9.0.2/24", "gateway": "10.9.0.2"}], [{"address": "10.9.0.2/24", "gateway": "2001:db8::1"}],
    [{"address": "10.9.0.2/24", "gateway": "224.0.0.1"}], [{"address": "10.9.0.2/24", "gateway": "127.0.0.1"}],
    [{"address": "10.9.0.2/24", "gateway": "0.0.0.0"}], [{"address": "10.9.0.2/24", "gateway": "10.9.0.1"}] * 2,
]  # fmt: skip
# A value of each JSON type, to be put where another is wanted.
VALUES: dict[str, object] = {
    "string": "x",
    "integer": 1,
    "fraction": 1.5,
    "boolean": True,
    "list": [1],
    "object": {"x": 1},
}
TYPED = {
    "name": "string", "cniVersion": "string", "type": "string", "ipMasq": "boolean", "ipMasqBackend": "string",
    "mtu": "integer",
    "antiSpoof": "boolean", "embeddedIPAM": "boolean", "dns": "object", "dns.nameservers": "list",
    "dns.domain": "string", "dns.search": "list",
    "dns.options": "list", "ipam": "object", "ipam.type": "string", "ipam.subnet": "string",
    "ipam.rangeStart": "string", "ipam.rangeEnd": "string",
    "ipam.gateway": "string", "ipam.ranges": "list", "ipam.routes": "list", "ipam.dataDir": "string",
    "ipam.resolvConf": "string",
    "prevResult": "object", "runtimeConfig": "object", "runtimeConfig.mac": "string", "args": "object",
    "args.cni": "object", "args.cni.mac": "string",
}  # fmt: skip
PREVIOUS: list[object] = [
    {"ips": "x"}, {"ips": ["x"]}, {"ips": [{}]}, {"ips": [{"address": "x"}]}, {"ips": [{"address": "10.0.0.1"}]},
    {"ips": [{"address": "10.0.0.1/24", "gateway": "x"}]}, {"ips": [{"address": "10.0.0.1/24", "interface": "0"}]},
    {"interfaces": {}},
    {"interfaces": [1]}, {"interfaces": [{"name": 1}]}, {"routes": [{}]}, {"routes": [{"dst": "x"}]}, {"routes": 1},
    {"dns": []},
    {"dns": {"nameservers": [1]}},
]  # fmt: skip


def texts() -> Iterator[Case]:
    """What is no network configuration at all."""
    for raw in NOT_JSON + NOT_AN_OBJECT:
        yield Case(f"stdin {raw[:20]!r}", 6, raw)
    yield Case("null", 7, b"null")
    yield Case("too long", 7, b'{"name":"mynet","x":"' + b"x" * (1 << 20) + b'"}')
    yield Case("too many spaces", 7, b" " * (1 << 20) + json.dumps(GOOD).encode())
    for command in ("DEL", "CHECK", "GC", "STATUS"):
        yield Case("no JSON", 6, b"{", command)
        yield Case("no name", 7, without("name"), command)
        yield Case("unknown version", 1, changed("cniVersion", "1.2.0"), command)


def names() -> Iterator[Case]:
    """Names that may not be one."""
    for name in NAMES:
        yield Case(f"name {name[:20]!r}", 7, changed("name", name))
    yield Case("no name", 7, without("name"))
    for version in VERSIONS:
        yield Case(f"version {version!r}", 1, changed("cniVersion", version))
    for name in CONTAINERS:
        yield Case("container", 4, GOOD, CNI_CONTAINERID=name)
    for name in INTERFACES:
        yield Case("interface", 4, GOOD, CNI_IFNAME=name)
    for variable in ("CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"):
        yield Case("missing", 4, GOOD, **{variable: ""})
    for command in ("add", "ADD ", "ADDD", "-", "VERSION\n", "../ADD", "A" * 1000):
        yield Case("command", 4, GOOD, command)
    for path in NAMESPACES:
        yield Case("namespace", 8, GOOD, CNI_NETNS=path)


def types() -> Iterator[Case]:
    """Members of the wrong type."""
    for path, wanted in TYPED.items():
        for given, value in VALUES.items():
            if given != wanted:
                yield Case(f"{path} is a {given}", 6, changed(path, value))
    for value in PREVIOUS:
        yield Case(f"prevResult {value}", 6, changed("prevResult", value))
    yield Case("mtu beyond 64 bits", 6, changed("mtu", 1 << 63))
    for key in ("cni.dev/valid-attachments", "cni.dev/attachments"):
        for value in ("x", 1, {}, [1], ["x"], [{"containerID": 1}], [{"containerID": "a", "ifname": []}]):
            yield Case(f"{key} {value}", 6, {**GOOD, key: value}, "GC")


def values() -> Iterator[Case]:
    """Members of the right type that cannot be used."""
    for mtu in (1, 67, 65536, 1 << 31, (1 << 63) - 1):
        yield Case(f"mtu {mtu}", 7, changed("mtu", mtu))
    for backend in ("", "x", "nft", "IPTABLES", "nftables "):
        yield Case(f"backend {backend}", 7, changed("ipMasqBackend", backend))
    for mac in MACS:
        yield Case(f"mac {mac}", 7, changed("runtimeConfig.mac", mac))
        yield Case(f"mac {mac}", 7, GOOD, CNI_ARGS=f"IgnoreUnknown=1;MAC={mac}")
    for kind in IPAM_TYPES:
        yield Case(f"ipam.type {kind!r}", 7, changed("ipam", {"type": kind}))
    yield Case("no ipam", 7, without("ipam"))
    for subnet in SUBNETS:
        yield Case(f"subnet {subnet!r}", 7, changed("ipam.subnet", subnet))
    for key, value in RANGES:
        yield Case(f"ipam.{key} {value}", 7, changed(f"ipam.{key}", value))
    for key, value in ROUTE_TEXTS + ROUTE_NUMBERS:
        yield Case(f"route {key} {value}", 7, changed("ipam.routes", [{"dst": "192.0.2.0/24", key: value}]))
    for addresses in STATIC + UNUSABLE:
        yield Case(f"static {addresses}", 7, changed("ipam", {"type": "static", "addresses": addresses}))
    for text in ("x", "IP", "IP=x", "IP=1.2.3.4;;", "a=b=c", "UNKNOWN=1", "IgnoreUnknown=maybe", ";", "IP=10.1.2.5;"):
        yield Case("arguments", 4, GOOD, CNI_ARGS=text)


def lists() -> Iterator[Case]:
    """Lists that are too long."""
    many = 1001
    yield Case("routes", 7, changed("ipam.routes", [{"dst": "192.0.2.0/24"}] * many))
    yield Case("ranges", 7, changed("ipam.ranges", [[{"subnet": "10.9.0.0/24"}]] * many))
    yield Case("nameservers", 7, changed("dns.nameservers", ["192.0.2.1"] * many))
    yield Case("addresses", 7, changed("ipam", {"type": "static", "addresses": [{"address": "10.9.0.2/24"}] * many}))
    yield Case("prevResult", 7, changed("prevResult", {"routes": [{"dst": "192.0.2.0/24"}] * many}))
    yield Case("prevResult", 7, changed("prevResult", {"interfaces": [{"name": "x"}] * many}))


GROUPS = {group.__name__: group for group in (texts, names, types, values, lists)}
