"""ptp demo: as root and without, in namespaces of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.console.people import ask
from tests.namespaces import Host


def test_the_demo_shows_every_step_and_leaves_the_host_as_it_was(host: Host) -> None:
    before = host.snapshot(), sorted(os.listdir("/run"))
    done = ask(host, "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("10.88.0.2/24", "fd00:88::2/64", "IPv4  10.88.0.1", "IPv6  fd00:88::1", "CHECK", "DEL", "none  ok"):
        assert words in done.stdout, words
    assert '"ipMasq": true' in done.stdout
    assert "\x1b" not in done.stdout
    assert (host.snapshot(), sorted(os.listdir("/run"))) == before


def test_the_demo_needs_no_root(plugin_file: Path) -> None:
    # A place that everybody may read: pytest's are not.
    directory = Path("/tmp") / f"cni-ptp-demo-{os.getpid()}"
    directory.mkdir(mode=0o755)
    try:
        shutil.copy(plugin_file, directory / "ptp")
        done = subprocess.run([*_as_nobody(), directory / "ptp", "demo"], capture_output=True, text=True, check=False)
    finally:
        shutil.rmtree(directory)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "made without root" in done.stdout and "Everything worked" in done.stdout


def _as_nobody() -> list[str]:
    """How to run a program as a user without privileges; where a user namespace has only us, by another name."""
    users = sum(int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text().splitlines())
    if users > 65534:
        return ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    return ["unshare", "-U", "--map-user=65534", "--map-group=65534"]


def test_a_demo_that_may_make_no_namespaces_says_what_would_help(host: Host) -> None:
    # A limit of the user namespace it is started in, so nobody else's: namespaces(7).
    argv = ["sh", "-c", f"echo 0 >/proc/sys/user/max_net_namespaces; exec {host.plugin_file} demo"]
    done = host.run("unshare", "-U", "-r", "-n", "-m", *argv, check=False)
    assert done.returncode == 1
    assert "The demo stopped: " in done.stdout
