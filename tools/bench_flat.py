"""Whether ADD and DEL cost more on a full host: in turns on an empty one and on one with many containers.

    bench_flat.py [--ours DIR] [--fill N] [--pairs N]

Both hosts are network namespaces of this program's own, which go with it.  What counts is the median of the ratios pair
by pair.  5,000 containers in both modes take 5 minutes.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import bench

CLONE_NEWNET = 0x40000000
HOSTS = ("empty", "full")
_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Print a line a mode."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default="dist")
    parser.add_argument("--fill", type=int, default=5000)
    parser.add_argument("--pairs", type=int, default=43)
    options = parser.parse_args()
    if os.environ.get("BENCH_INSIDE") != "1":
        script = os.path.abspath(__file__)
        argv = ["unshare", "-n", "-m", "sh", "-c", bench.INSIDE, "sh", sys.executable, "-I", "-S", script]
        subprocess.run([*argv, *sys.argv[1:]], env={**os.environ, "BENCH_INSIDE": "1"}, check=True)
        return
    directory = os.path.abspath(options.ours)
    hosts = {name: os.open(bench.netns(name), os.O_RDONLY) for name in HOSTS}
    for number, mode in enumerate(bench.FILLED):
        fill_up(directory, hosts["full"], mode, number, options.fill)
        time.sleep(5)  # the kernel has things to finish
        words = []
        ratios = paired(directory, hosts, mode, number, options.pairs)
        for verb, (times, ratio) in ratios.items():
            words.append(f"{verb} {times[0]:.1f} ms, with {options.fill} containers {times[1]:.1f}, ratio {ratio:.2f}")
        print(f"{mode:5s} {'; '.join(words)}", flush=True)
        enter(hosts["full"])
        for i in range(options.fill):
            bench.call(directory, "DEL", configuration(mode, number, "full"), f"{mode}{i}", "")


def enter(host: int) -> None:
    """What is started from now on has this host's network."""
    if _libc.setns(host, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def configuration(mode: str, number: int, host: str) -> bytes:
    """The network of a mode on a host."""
    ranges = [[{"subnet": f"10.{64 + number}.0.0/16"}]]
    ipam = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}
    conf = {"cniVersion": "1.0.0", "name": f"{mode}-{host}", "type": "ptp", "ipam": ipam, **bench.MODES[mode]}
    return json.dumps(conf).encode()


def fill_up(directory: str, host: int, mode: str, number: int, wanted: int) -> None:
    """The host has so many containers of the mode."""
    enter(host)
    for i in range(wanted):
        bench.call(directory, "ADD", configuration(mode, number, "full"), f"{mode}{i}", bench.netns(f"fill{i}"))


def paired(
    directory: str, hosts: dict[str, int], mode: str, number: int, count: int
) -> dict[str, tuple[list[float], float]]:
    """For ADD and DEL ([median milliseconds on the empty host, on the full one], median of the ratios)."""
    path = bench.netns("container")
    measured: dict[tuple[str, str], list[float]] = {}
    for i in range(count + 3):
        for name, host in hosts.items():
            enter(host)
            for verb in ("ADD", "DEL"):
                wall, _ = bench.call(directory, verb, configuration(mode, number, name), "measured", path)
                time.sleep(bench.REST_S)
                if i >= 3:
                    measured.setdefault((verb, name), []).append(wall)
    found = {}
    for verb in ("ADD", "DEL"):
        empty, full = measured[verb, "empty"], measured[verb, "full"]
        ratio = statistics.median(b / a for a, b in zip(empty, full))
        found[verb] = ([statistics.median(empty), statistics.median(full)], ratio)
    return found


if __name__ == "__main__":
    main()
