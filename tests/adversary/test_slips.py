"""An operator's slip at `ptp gc`: words that name nothing are refused, and nothing is removed (reports.md B3)."""

from __future__ import annotations

import pytest

from tests.adversary.world import Attached, World, network
from tests.console.people import CONF_DIR, ask, configure

KNOWN = "--valid prod/web-01/eth0 --valid prod/web-02/eth0"
# What was typed -> a word of the refusal.
SLIPS = {
    "--network prod --valid prod/web-0x/eth0": "web-0x",
    f"--network prod {KNOWN} --valid prod/web-03/eth0": "web-03",
    "--valid prod/web-0x/eth0": "web-0x",
    "--valid prod/web-01/eth1": "eth1",
    "--valid prdo/web-01/eth0": "prdo",
    "--valid test/web-01/eth0": "web-01",
    "--valid prod/WEB-01/eth0": "WEB-01",
    "--valid prod/web-0/eth0": "web-0",
    f"--network prdo {KNOWN}": "prod",
    "--network prdo": "prod, test",
    "--network prdo --none-valid": "prod, test",
    "--network prod --valid test/db-01/eth0": "test",
    f"--network prod {KNOWN} --valid test/db-01/eth0": "test",
    "--network prod/web-01 --none-valid": "prod, test",
    "--valid prod/web-01": "NET/CONTAINER/IFNAME",
    "--valid prod/web-01/eth0/": "NET/CONTAINER/IFNAME",
    "--valid prod//eth0": "NET/CONTAINER/IFNAME",
    "--valid /web-01/eth0": "NET/CONTAINER/IFNAME",
    "--valid /": "NET/CONTAINER/IFNAME",
    "--valid=": "NET/CONTAINER/IFNAME",
    "--network=": "prod, test",
    "--none-valid --data-dir /run/nowhere": "/run/nowhere",
    f"{KNOWN} --data-dir /etc/passwd": "/etc/passwd",
    f"--none-valid {KNOWN}": "exclude",
}


@pytest.fixture
def attachments(world: World) -> list[Attached]:
    """Two containers of the network prod, one of test."""
    prod, test = network("prod", 1, ipMasq=True), network("test", 2, ipMasq=True)
    configure(prod, "10-prod.conf")
    configure(test, "20-test.conf")
    return [world.attach(conf, name) for conf, name in ((prod, "web-01"), (prod, "web-02"), (test, "db-01"))]


@pytest.mark.parametrize("dry", ["", "--dry-run "], ids=["in earnest", "dry run"])
@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_refused_and_nothing_is_removed(
    world: World, attachments: list[Attached], slip: str, dry: str
) -> None:
    before = [attached.picture() for attached in attachments]
    done = ask(world.host, "gc", "--conf-dir", CONF_DIR, *(dry + slip).split())
    for attached, picture in zip(attachments, before):
        attached.is_untouched(picture, done.stderr)
    assert done.returncode != 0 and SLIPS[slip] in done.stderr, (done.stdout, done.stderr)
    assert "would remove" not in done.stdout and "nothing is stale" not in done.stdout


def test_words_that_name_something_are_obeyed_also_when_given_twice(world: World, attachments: list[Attached]) -> None:
    first, second, other = attachments
    before = first.picture(), other.picture()
    words = ["--network", "prod", *["--valid", "prod/web-01/eth0"] * 2]
    done = ask(world.host, "gc", "--conf-dir", CONF_DIR, *words)
    assert done.returncode == 0, done.stderr
    first.is_untouched(before[0])
    other.is_untouched(before[1])
    second.is_detached()


def test_an_attachment_of_a_long_name_is_known_by_it(world: World, attachments: list[Attached]) -> None:
    """Its interface tells only a hash, and its lease was removed."""
    container = world.host.container("long")
    name = "x" * 245
    conf = network("prod", 1)
    world.host.plugin("ADD", conf, container=name, netns=container.path).ok()
    world.host.run("sh", "-c", "grep -l xxx /var/lib/cni/networks/prod/10.* | xargs rm")
    links = len(world.host.ip("link"))
    words = ["--network", "prod", *[w for n in ("web-01", "web-02", name) for w in ("--valid", f"prod/{n}/eth0")]]
    done = ask(world.host, "gc", "--conf-dir", CONF_DIR, *words)
    assert "xxx" not in done.stderr, done.stderr
    assert len(world.host.ip("link")) == links


def test_a_network_that_only_a_configuration_names_is_no_slip(world: World, attachments: list[Attached]) -> None:
    configure(network("new", 3), "30-new.conf")
    done = ask(world.host, "gc", "--conf-dir", CONF_DIR, "--network", "new", "--none-valid")
    assert (done.returncode, done.stdout) == (0, "nothing is stale\n"), done.stderr
