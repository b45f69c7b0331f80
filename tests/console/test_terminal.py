"""What differs at a terminal: colour, and a sign of life when something takes long."""

from __future__ import annotations

import pytest

from tests.console.people import CONF, CONF_DIR, Screen, ask, attach, configure
from tests.namespaces import Host

RED, GREEN, ESCAPE = "\x1b[31m", "\x1b[32m", "\x1b"
LISTING = ("list", "--conf-dir", CONF_DIR)
MANY = 160  # the kernel takes 20 ms to remove one


def test_at_a_terminal_the_healthy_is_green_and_the_wrong_is_red(host: Host) -> None:
    configure()
    attach(host, "c1")
    screen = Screen(host, *LISTING)
    assert screen.status() == 0
    assert f"{GREEN}healthy" in screen.text
    host.run("ip", "route", "del", "10.9.0.2/32")
    screen = Screen(host, *LISTING)
    assert screen.status() == 1
    assert f"{RED}the host has no route 10.9.0.2/32" in screen.text


def test_who_calls_it_without_a_word_is_told_of_help(host: Host) -> None:
    screen = Screen(host)
    assert screen.status() == 0
    assert "ptp --help" in screen.text


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_a_terminal_that_wants_no_colour_gets_none(host: Host, environ: dict[str, str]) -> None:
    attach(host, "c1")
    for argv in (LISTING, ("show", "c1"), ("doctor", "--quiet"), ("gc", "--dry-run"), ("install", "--help")):
        assert ESCAPE not in Screen(host, *argv, **environ).read(), argv


@pytest.mark.parametrize("argv", [LISTING, ("show", "c1"), ("doctor",), ("gc", "--dry-run")], ids=lambda a: a[0])
def test_what_is_no_terminal_gets_no_colour(host: Host, argv: tuple[str, ...]) -> None:
    attach(host, "c1")
    done = ask(host, *argv)
    assert "c1" in done.stdout or argv[0] in ("doctor", "gc")
    assert ESCAPE not in done.stdout + done.stderr


def many(host: Host) -> None:
    """Attachments that take longer than two seconds to remove."""
    netns = host.container("all").path
    conf = {**CONF, "ipMasq": False, "ipam": {"type": "host-local", "subnet": "10.9.0.0/16"}}
    for i in range(MANY):
        host.plugin("ADD", conf, container=f"c{i}", ifname=f"eth{i}", netns=netns).ok()


def test_what_takes_longer_than_two_seconds_says_how_far_it_is(host: Host) -> None:
    many(host)
    screen = Screen(host, "gc", "--none-valid")
    assert screen.status() == 0
    assert f" of {MANY}" in screen.text.partition("interfaces removed: ")[2]
    assert screen.text.endswith("\r\x1b[K"), "the line of progress is taken away again"
    assert host.ip("link", "show", "type", "veth") == []


def test_only_a_terminal_is_told_how_far_it_is(host: Host) -> None:
    many(host)
    done = ask(host, "gc", "--none-valid")
    assert (done.returncode, done.stderr) == (0, "")
    assert "interfaces removed" not in done.stdout


def test_an_interrupted_command_has_status_130_and_what_it_did_not_do_can_be_done(host: Host) -> None:
    many(host)
    screen = Screen(host, "gc", "--none-valid")
    screen.read("interfaces removed: ")
    screen.interrupt()
    assert screen.status() == 130
    assert "Traceback" not in screen.text
    assert host.ip("link", "show", "type", "veth") != []
    assert ask(host, "gc", "--none-valid").returncode == 0
    assert host.ip("link", "show", "type", "veth") == []
