"""Paired benchmark of two CNI ptp plugins, whole processes, in a network and mount namespace of its own.

    bench.py [--ours DIR] [--peer DIR] [--mode MODE ...] [--pairs N] [--fill N ...] [--burst N] [--write DIR]

A directory holds `ptp` and, unless it embeds that, `host-local`.  Calls alternate (ours, peer, ours, peer ...); what
counts is the median of the ratios pair by pair, which the machine's moods do not change.  The floor is our interpreter,
started to leave at once: what no plugin in Python can be faster than.  --fill attaches that many
other containers first, with each side's own plugin, in the modes none and masq; beyond --peer-most ours alone, for the
peer would need an hour.  Each mode has a host of its own.  --write leaves performance.json in a directory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

MODES: dict[str, dict[str, Any]] = {
    "none": {},
    "masq": {"ipMasq": True},
    "iptables": {"ipMasq": True, "ipMasqBackend": "iptables"},
    "dual": {},
}
FILLED = ("none", "masq")
SIDES = ("ours", "peer")
# After each call: what the kernel, or a child of ours, still does must not cost the other side time.
REST_S = 0.05
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INSIDE = (
    "mount -t tmpfs t /run && mkdir -p /run/netns /var/lib/cni && mount -t tmpfs t /var/lib/cni "
    '&& ip link set lo up && exec "$@"'
)


def main() -> None:
    """Run what was asked for and print a line a case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default="dist")
    parser.add_argument("--peer", default="/usr/lib/cni")
    parser.add_argument("--mode", nargs="*", default=list(MODES), choices=list(MODES))
    parser.add_argument("--pairs", type=int, default=25)
    parser.add_argument("--fill", type=int, nargs="*", default=[0])
    parser.add_argument("--peer-most", type=int, default=1000, help="containers attached by the peer, at most")
    parser.add_argument("--burst", type=int, default=0, help="so many containers at once, per mode")
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--write", help="directory for performance.json")
    options = parser.parse_args()
    if os.environ.get("BENCH_INSIDE") != "1":
        in_hosts_of_their_own(options)
        return
    directories = {"ours": os.path.abspath(options.ours), "peer": os.path.abspath(options.peer)}
    mode = options.mode[0]
    rows = []
    attached = dict.fromkeys(SIDES, 0)
    for fill in sorted(options.fill) if mode in FILLED else [0]:
        sides = SIDES if fill <= options.peer_most else SIDES[:1]
        fill_up(mode, directories, attached, fill, sides)
        rows += pairs(mode, directories, options.pairs, fill, sides)
        if options.burst and fill == 0:
            rows += bursts(mode, directories, options.burst, options.at_once)
    if options.write:
        Path(options.write).write_text(json.dumps(rows))


def in_hosts_of_their_own(options: argparse.Namespace) -> None:
    """Each mode is measured in namespaces of its own, which go with the process; the rows are put together."""
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        for mode in options.mode:
            part = Path(directory, mode)
            argv = [sys.executable, "-I", "-S", os.path.abspath(__file__), "--mode", mode, "--write", str(part)]
            for name in ("ours", "peer", "pairs", "peer_most", "burst", "at_once"):
                argv += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
            argv += ["--fill", *map(str, options.fill)]
            command = ["unshare", "-n", "-m", "sh", "-c", INSIDE, "sh", *argv]
            subprocess.run(command, env={**os.environ, "BENCH_INSIDE": "1"}, check=True)
            rows += json.loads(part.read_text())
    if options.write:
        machine = f"{os.cpu_count()} cores, Linux {platform.release()}"
        Path(options.write, "performance.json").write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))


def configuration(mode: str, side: str) -> bytes:
    """The network of one side in one mode; the two never meet."""
    number = 64 + 2 * list(MODES).index(mode) + SIDES.index(side)
    ranges = [[{"subnet": f"10.{number}.0.0/16"}]]
    routes = [{"dst": "0.0.0.0/0"}]
    if mode == "dual":
        ranges.append([{"subnet": f"fd77:{number}::/64"}])
        routes.append({"dst": "::/0"})
    ipam = {"type": "host-local", "ranges": ranges, "routes": routes}
    conf = {"cniVersion": "1.0.0", "name": f"{mode}-{side}", "type": "ptp", "mtu": 1500, "ipam": ipam, **MODES[mode]}
    return json.dumps(conf).encode()


def call(directory: str, verb: str, stdin: bytes, container: str, netns: str) -> tuple[float, float]:
    """(wall milliseconds, CPU milliseconds with children) of one call, which must succeed."""
    environ = {
        "PATH": PATH, "CNI_COMMAND": verb, "CNI_CONTAINERID": container, "CNI_NETNS": netns, "CNI_IFNAME": "eth0",
        "CNI_PATH": directory,
    }  # fmt: skip
    return timed([os.path.join(directory, "ptp")], stdin, environ)


def timed(argv: list[str], stdin: bytes, environ: dict[str, str]) -> tuple[float, float]:
    """(wall milliseconds, CPU milliseconds with children) of a program, which must succeed."""
    start = time.perf_counter()
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(stdin)
        child.stdin.close()
        output = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{argv[0]} {environ.get('CNI_COMMAND', '')} failed: {output.decode()[:600]}")
    return wall * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3


# A process inherits the peak of the one that started it, so the starter must be small: 9 MiB.
_PEAK = """
import posix, sys
child = posix.fork()
if not child:
    posix.dup2(posix.open("/dev/null", posix.O_WRONLY), 1)
    posix.execve(sys.argv[1], sys.argv[1:], posix.environ)
_, status, usage = posix.wait4(child, 0)
print(usage.ru_maxrss if not status else -1)
"""


def floor(directory: str) -> tuple[float, float]:
    """(wall milliseconds, CPU milliseconds) of the interpreter of a built file that starts and leaves."""
    with open(os.path.join(directory, "ptp"), "rb") as built:
        interpreter = built.readline()[2:].split(b" ")[0].decode()
    return timed([interpreter, "-IScimport posix; posix._exit(0)"], b"", {"PATH": PATH})


def peak_kib(directory: str, verb: str, stdin: bytes, container: str, netns: str) -> int:
    """The peak resident memory of one call, in KiB."""
    environ = {
        "PATH": PATH, "CNI_COMMAND": verb, "CNI_CONTAINERID": container, "CNI_NETNS": netns, "CNI_IFNAME": "eth0",
        "CNI_PATH": directory,
    }  # fmt: skip
    argv = ["/usr/bin/python3", "-I", "-S", "-c", _PEAK, os.path.join(directory, "ptp")]
    return int(subprocess.run(argv, input=stdin, env=environ, stdout=subprocess.PIPE, check=True).stdout)


def netns(name: str) -> str:
    """The path of a namespace, made if it is not there."""
    path = "/run/netns/" + name
    if not os.path.exists(path):
        subprocess.run(["ip", "netns", "add", name], check=True)
    return path


def fill_up(
    mode: str, directories: dict[str, str], attached: dict[str, int], wanted: int, sides: tuple[str, ...]
) -> None:
    """Each of the sides has so many containers attached."""
    for side in sides:
        for i in range(attached[side], wanted):
            name = f"fill-{mode}-{side}-{i}"
            call(directories[side], "ADD", configuration(mode, side), name, netns(name))
        attached[side] = max(attached[side], wanted)


def pairs(
    mode: str, directories: dict[str, str], count: int, fill: int, sides: tuple[str, ...]
) -> list[dict[str, Any]]:
    """ADD and DEL, the sides in turn; the first round warms up and does not count."""
    measured: dict[tuple[str, str], list[tuple[float, float]]] = {}
    path = netns("bench-" + mode)
    for i in range(count + 1):
        for side in sides:
            for verb in ("ADD", "DEL"):
                figures = call(directories[side], verb, configuration(mode, side), f"bench-{side}-{i}", path)
                if i:
                    measured.setdefault((verb, side), []).append(figures)
                time.sleep(REST_S)
        if i:
            measured.setdefault(("ADD", "floor"), []).append(floor(directories["ours"]))
    peaks = {}
    for side in sides:
        for verb in ("ADD", "DEL"):
            peaks[verb, side] = peak_kib(directories[side], verb, configuration(mode, side), f"peak-{side}", path)
    rows = []
    for verb in ("ADD", "DEL"):
        row: dict[str, Any] = {"mode": mode, "verb": verb, "fill": fill, "pairs": count}
        for side in sides:
            row[f"{side}_ms"] = statistics.median(f[0] for f in measured[verb, side])
            row[f"{side}_cpu_ms"] = statistics.median(f[1] for f in measured[verb, side])
            row[f"{side}_rss_kib"] = peaks[verb, side]
        if verb == "ADD":
            row["floor_ms"] = statistics.median(f[0] for f in measured["ADD", "floor"])
            row["floor_cpu_ms"] = statistics.median(f[1] for f in measured["ADD", "floor"])
        words = f"{mode:9s} {verb} {fill:5d} attached: ours {row['ours_ms']:7.1f} ms"
        if len(sides) > 1:
            both = list(zip(measured[verb, "ours"], measured[verb, "peer"]))
            row["ratio"] = statistics.median(a[0] / b[0] for a, b in both)
            row["cpu_ratio"] = statistics.median(a[1] / b[1] for a, b in both)
            words += f", peer {row['peer_ms']:7.1f} ms, ratio {row['ratio']:.2f}; cpu {row['cpu_ratio']:.2f}"
        if "floor_ms" in row:
            words += f"; floor {row['floor_ms']:.1f} ms, cpu {row['floor_cpu_ms']:.1f}"
        print(words + f"; peak {row['ours_rss_kib'] / 1024:.1f} MiB", flush=True)
        rows.append(row)
    return rows


def bursts(mode: str, directories: dict[str, str], burst: int, at_once: int) -> list[dict[str, Any]]:
    """Calls a second when a burst of containers comes, so many at once."""
    paths = {side: [netns(f"burst-{mode}-{side}-{i}") for i in range(burst)] for side in SIDES}
    rows = []
    for verb in ("ADD", "DEL"):
        rate = {}
        for side in SIDES:
            with ThreadPoolExecutor(at_once) as pool:
                start = time.perf_counter()
                jobs = [
                    pool.submit(call, directories[side], verb, configuration(mode, side), f"burst-{side}-{i}", path)
                    for i, path in enumerate(paths[side])
                ]
                for job in jobs:
                    job.result()
                rate[side] = burst / (time.perf_counter() - start)
        rows.append({"mode": mode, "verb": verb, "burst": burst, "at_once": at_once, **rate})
        ratio = rate["ours"] / rate["peer"]
        rates = f"ours {rate['ours']:.0f}/s, peer {rate['peer']:.0f}/s, ratio {ratio:.2f}"
        print(f"{mode:9s} {verb} burst of {burst}, {at_once} at once: {rates}", flush=True)
    return rows


if __name__ == "__main__":
    main()
