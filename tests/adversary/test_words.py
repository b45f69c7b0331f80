"""Names and messages that a terminal would obey, by every way out of the plugin: results, errors, logs, commands."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pytest

from cni_ptp.base.errors import CniError
from cni_ptp.cni.args import parse
from tests.adversary.many import add_addresses, add_routes, name_often
from tests.console.people import CONF, CONF_DIR, Screen, attach, configure
from tests.namespaces import Host

_SIOCSIFNAME = 0x8923  # include/uapi/linux/sockios.h
ESCAPE, CSI, BIDI, HIDDEN = "\x1b[31m", "\u009b31m", "\u202eevil\u2066", "a\u200b\ufeff\u2028\u00ad"
PRIVATE, UNASSIGNED, FILLER = "\ue000", "\U000e0fff", "\u3164\u115f"
HOSTILE = [ESCAPE, CSI, BIDI, HIDDEN, PRIVATE, UNASSIGNED, FILLER, "\x7f\r\b", "\udcff\udc9b"]
PLACES = ("--conf-dir", CONF_DIR)


def unreadable(text: str) -> set[str]:
    """What is in the words that nobody can read, or a terminal obeys."""
    invisible = "\u3164\u115f\u034f\ufe0f"
    return {c for c in text if c != "\n" and (not c.isprintable() or c in invisible)}


def rename(old: str, new: bytes) -> None:
    """The link has a name of these bytes.  Like: ip link set OLD name NEW"""
    with socket.socket() as s:
        ioctl(s, _SIOCSIFNAME, struct.pack("=16s24s", old.encode(), new))


def said(host: Host, *argv: str) -> str:
    """What `ptp` printed on both streams, as bytes that a terminal gets, without a traceback."""
    words = [os.fsencode(word) for word in argv]
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    done = subprocess.run([str(host.plugin_file), *words], capture_output=True, env=environ, check=False)
    text = (done.stdout + done.stderr).decode("utf-8", "surrogateescape")
    assert "Traceback" not in text
    return text


# --- calls of a runtime ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [f"e{words}"[:8] for words in HOSTILE], ids=ascii)
@pytest.mark.parametrize("command", ["ADD", "CHECK"])
def test_a_name_that_cannot_be_read_is_refused(host: Host, command: str, name: str) -> None:
    host.container()
    reply = host.plugin(command, {**CONF, "prevResult": {"cniVersion": "1.0.0"}}, ifname=name)
    assert not unreadable(reply.error(4)["msg"] + reply.json.get("details", ""))
    assert reply.stdout.isascii() and b"\x1b" not in reply.stdout


@pytest.mark.parametrize(
    "name", ["e\x1b[31m", "e\u009b", "e\u202e", "eth%d", "\u00e0b", "all", "default", "e\udcff"], ids=ascii
)
def test_del_of_a_name_that_add_refuses_succeeds(host: Host, name: str) -> None:
    host.container()
    host.plugin("ADD", CONF, ifname=name).error(4)
    host.plugin("DEL", {**CONF, "logFile": "/run/log"}, ifname=name).ok()
    line = Path("/run/log").read_bytes()
    assert line.isascii() and not unreadable(line.decode())
    assert json.loads(line)["ifname"] == name


def test_results_are_ascii(host: Host) -> None:
    host.container()
    path = f"/run/netns/{ESCAPE}{CSI}\u202e\u00e9"
    os.symlink("/run/netns/c1", path)
    reply = host.plugin("ADD", CONF, netns=path, ifname="\u00e90")
    assert reply.ok()["interfaces"][1] == {**reply.json["interfaces"][1], "name": "\u00e90", "sandbox": path}
    assert reply.stdout.isascii() and not unreadable(reply.stdout.decode())


@pytest.mark.parametrize("words", HOSTILE, ids=ascii)
@pytest.mark.parametrize("where", ["netns", "container", "path", "args"])
def test_an_error_repeats_nothing_that_a_terminal_obeys(host: Host, where: str, words: str) -> None:
    host.container()
    ipam: dict[str, Any] = {"type": "absent"} if where == "path" else CONF["ipam"]
    reply = host.plugin("ADD", {**CONF, "ipam": ipam}, **{where: f"/run/{words}"})  # type: ignore[arg-type]
    assert reply.status == 1
    assert not unreadable(reply.json["msg"] + reply.json.get("details", ""))


@pytest.mark.parametrize("words", [words for words in HOSTILE if "\udcff" not in words], ids=ascii)
@pytest.mark.parametrize("key", ["name", "ipMasqBackend", "cniVersion", "logLevel", "ipam"])
def test_an_error_about_the_configuration_is_readable(host: Host, key: str, words: str) -> None:
    host.container()
    value: Any = {"type": words} if key == "ipam" else f"x{words}"
    reply = host.plugin("ADD", {**CONF, "ipMasq": True, key: value}, path="/run")
    assert reply.status == 1
    assert not unreadable(reply.json["msg"] + reply.json.get("details", ""))


def test_what_a_delegate_says_is_readable(host: Host) -> None:
    plugin = Path("/run/plugins/loud")
    plugin.parent.mkdir(mode=0o755)
    error = json.dumps({"code": 77, "msg": ESCAPE + CSI, "details": BIDI})
    plugin.write_text(f"#!/bin/sh\nprintf '\\033[31mhello\\n' >&2\necho '{error}'\nexit 1\n")
    plugin.chmod(0o755)
    host.container()
    reply = host.plugin("ADD", {**CONF, "ipam": {"type": "loud"}}, path="/run/plugins")
    assert reply.json["code"] == 77
    assert not unreadable(reply.json["msg"] + reply.json["details"])
    assert b"\x1b" not in reply.stderr


def test_the_kernel_takes_each_name_that_add_takes(host: Host) -> None:
    host.run("ip", "link", "add", "last", "type", "veth", "peer", "name", "other")
    last = b"last"
    for number in range(1, 0x300):
        name = f"e{chr(number)}x"
        try:
            parse({"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c", "CNI_NETNS": "/x", "CNI_IFNAME": name})
        except CniError:
            continue
        rename(os.fsdecode(last), name.encode())
        last = name.encode()


@pytest.mark.parametrize("name", ["\ud800", ESCAPE, "a b", "../x"], ids=ascii)
def test_gc_only_compares_the_names_it_is_given(host: Host, name: str) -> None:
    attach(host, "c1")
    valid = [{"containerID": name, "ifname": name}, {"containerID": "c1", "ifname": "eth0"}]
    reply = host.plugin("GC", {**CONF, "cniVersion": "1.1.0", "cni.dev/valid-attachments": valid})
    assert reply.ok() is None
    assert host.ip("link", "show", "type", "veth")


# --- commands for people --------------------------------------------------------------------------------------------


def plant(host: Host) -> None:
    """A host whose links, aliases, leases and configurations have such names."""
    configure()
    veth = attach(host, "c1")["interfaces"][0]["name"]
    rename(veth, f"v{CSI}\x1b[1m".encode())
    configure({**CONF, "name": f"n{ESCAPE}{BIDI}"}, f"20-{ESCAPE}.conf")
    configure(f"{ESCAPE}{CSI} this is no JSON", f"30-{BIDI}.conf")
    leases = Path("/var/lib/cni/networks/mynet")
    (leases / "10.9.0.77").write_bytes(f"d{ESCAPE}{CSI}{BIDI}\r\ne{HIDDEN}".encode() + b"\xff\x9b")
    os.utime(leases / "10.9.0.77", (0, 0))
    (leases / "10.9.0.78").write_bytes(b"")
    host.run("ip", "link", "add", "stray", "type", "veth", "peer", "name", "other")
    host.run("ip", "link", "set", "stray", "alias", f"cni-ptp mynet z{ESCAPE}{CSI} e{BIDI}")


@pytest.mark.parametrize(
    "argv",
    [("list",), ("list", "--json"), ("show", "c1"), ("show", "d"), ("show", "z"), ("gc", "--dry-run"), ("doctor",)],
    ids=" ".join,
)
def test_commands_print_readable_words_on_a_host_of_hostile_names(host: Host, argv: tuple[str, ...]) -> None:
    plant(host)
    text = said(host, *argv, *PLACES)
    assert len(text) > 40 and not unreadable(text)
    if "--json" in argv:
        assert text.isascii() and any(ESCAPE in f["containerID"] for f in json.loads(text))


@pytest.mark.parametrize("argv", [("list",), ("show", "c1"), ("gc", "--dry-run"), ("doctor", "--quiet")], ids=" ".join)
def test_commands_wait_for_nobody_who_may_write_a_configuration(host: Host, argv: tuple[str, ...]) -> None:
    configure()
    attach(host, "c1")
    os.mkfifo(f"{CONF_DIR}/20-fifo.conf")
    environ = {"PATH": os.environ["PATH"]}
    done = subprocess.run([str(host.plugin_file), *argv, *PLACES], stdout=subprocess.PIPE, env=environ, timeout=60)
    assert done.stdout and ("doctor" not in argv or b"20-fifo.conf cannot be read" in done.stdout)


@pytest.mark.parametrize("words", [*HOSTILE, "line\nforged"], ids=ascii)
@pytest.mark.parametrize(
    "argv",
    [("{}",), ("list", "--{}"), ("list", "{}"), ("show", "{}"), ("show", "{}", "--data-dir"), ("gc", "--valid", "{}"),
     ("gc", "--network", "{}"), ("help", "{}"), ("install", "--to", "/run/{}", "--python", "{}"),
     ("install", "--conflist", "{}", "--to", "/run/x"), ("uninstall", "--to", "/run/{}"),
     ("doctor", "--quiet", "--cni-path", "/run/{}", "--conf-dir", "{}")],
    ids=" ".join,
)  # fmt: skip
def test_commands_repeat_nothing_typed_that_a_terminal_obeys(host: Host, argv: tuple[str, ...], words: str) -> None:
    text = said(host, *[word.replace("{}", words) for word in argv])
    assert not unreadable(text)
    assert not any(line.startswith("forged") for line in text.splitlines())


def test_at_a_terminal_only_our_own_colours_are_obeyed(host: Host) -> None:
    plant(host)
    screen = Screen(host, "list", *PLACES, LC_ALL="C.UTF-8")
    text = screen.read()
    for code in ("0", "1", "31", "32", "33"):
        text = text.replace(f"\x1b[{code}m", "")
    assert not unreadable(text.replace("\r", ""))
    assert text.count("d\\x1b[31m\\x9b31m") == 1


def test_the_container_s_link_is_shown_readable_and_its_lists_short(host: Host) -> None:
    configure()
    attach(host, "c1", {**CONF, "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}})
    container = host.containers[0]
    name_often(container)
    add_addresses(container, 500)
    add_routes(container, 6000)
    text = said(host, "show", "c1", *PLACES)
    assert "eth0: <UP>" in text and "... and 401 more\n" in text
    assert re.search(r"\.\.\. and [0-9]{4} or more; the list has more than 4096 entries", text)
    assert len(text.splitlines()) < 300


def test_a_directory_that_is_to_be_verified_is_named(host: Host) -> None:
    assert said(host, "verify", "/run") == "ptp: use /run; EISDIR: Is a directory\n"


def test_columns_are_as_wide_as_what_a_terminal_shows(host: Host) -> None:
    configure()
    attach(host, "c1")
    host.plugin("ADD", CONF, container="c2", netns=host.container("c2").path, ifname="\u4e2d\u6587").ok()
    rows = said(host, "list", *PLACES).splitlines()
    state = [row.index("10.9.0") for row in rows[1:]]
    assert state[0] == state[1] + 2, rows


def test_an_accent_too_many_is_escaped(host: Host) -> None:
    assert said(host, "show", "a" + "\u0301" * 20).count("\u0301") == 2
