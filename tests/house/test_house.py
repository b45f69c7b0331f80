"""The rules of docs/architecture.md, proven on the sources."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import warnings
from pathlib import Path
from struct import Struct

import pytest

from cni_ptp import nlmsg
from cni_ptp.nlmsg import Attr
from tests.house.sources import FILES, PACKAGE, TREES, name_of

MODULES = sorted(path for path in FILES if "console" not in path.parts)
# Loading one of these costs more than a call may take; docs/decisions/imports.md.
DEAR = {
    "json", "re", "socket", "ctypes", "subprocess", "ipaddress", "hashlib", "enum", "dataclasses", "logging",
    "argparse",
    "traceback", "contextlib", "collections", "typing", "functools", "signal", "threading", "pathlib", "tempfile",
}  # fmt: skip


def loaded_at_once(path: Path) -> set[str]:
    """Return what a module imports of others than this package's when it is imported, by dotted names."""
    tree = TREES[name_of(path)]
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        is_typed = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        if is_typed or isinstance(node, ast.FunctionDef):
            skipped.update(ast.walk(node))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                skipped.update(ast.walk(handler))  # a public fallback
    found: set[str] = set()
    for node in ast.walk(tree):
        if node not in skipped and isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif node not in skipped and isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_verb_loads_what_is_dear(path: Path) -> None:
    assert not loaded_at_once(path) & DEAR


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_module_computes_its_names(path: Path) -> None:
    """In the built file nobody would ask its __getattr__ (PEP 562), see bundle/launch.py."""
    functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    assert not [function for function in functions if function.name in ("__getattr__", "__dir__")]


STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__", "stream"}
WRITERS = {"print", "print_usage", "print_help", "write", "writev", "pwrite", "sendfile", "splice", "fdopen", "system"}
WRITERS |= {"popen", "fork", "forkpty", "execv", "execve", "breakpoint", "print_exc", "print_exception", "warn", "exit"}
# What writes to a file that it opened itself, or is a function of that name.
OF_FILES = {
    "demo": {"f.write"}, "install": {"conflist.write"}, "atomic_file": {"f.write"},
    "sandbox": {"f.write"},
}  # fmt: skip


def ways_past_the_terminal(source: str) -> set[str]:
    """What in a module can print, besides the functions of the terminal."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in STREAMS:
            found.add(ast.unparse(node))
        if isinstance(node, ast.ImportFrom) and not node.level:
            found |= {alias.name for alias in node.names if alias.name in STREAMS | WRITERS | {"ArgumentParser"}}
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {a.name for a in node.names if a.name in ("logging", "traceback", "warnings", "pprint", "posix")}
        if isinstance(node, ast.Call):
            called, text = ast.unparse(node.func), ast.unparse(node)
            if called.rpartition(".")[2] in WRITERS or called == "argparse.ArgumentParser":
                found.add(called)
            if called.startswith("subprocess."):
                if "capture_output=True" not in text and not {"stdout", "stderr"} <= {k.arg for k in node.keywords}:
                    found.add(text)
            if called in ("open", "os.open") and re.search(r"/dev/(std|fd|tty|console)|/proc/self/fd", text):
                found.add(text)
    return found


@pytest.mark.parametrize("path", sorted((PACKAGE / "console").glob("*.py")), ids=name_of)
def test_commands_print_by_the_terminal_alone(path: Path) -> None:
    """It makes printable what they say; nor does a program that they start write where they write."""
    if path.name != "terminal.py":
        assert ways_past_the_terminal(path.read_text()) <= OF_FILES.get(path.stem, set())


@pytest.mark.parametrize(
    "way",
    ["print(1)", "sys.stdout.write('')", "from sys import stderr", "os.write(2, b'')", "terminal.stream.flush()",
     "self.terminal.stream", "from os import write", "argparse.ArgumentParser()", "parser.print_help()",
     "sys.exit('x')", "subprocess.run(['x'])", "open('/dev/stderr', 'w')", "import traceback",
     "from argparse import ArgumentParser"],
)  # fmt: skip
def test_a_way_past_the_terminal_is_seen(way: str) -> None:
    assert ways_past_the_terminal(way)


HEADERS = [
    "linux/netlink.h", "linux/rtnetlink.h", "linux/if.h",
    "linux/if_link.h", "linux/if_addr.h", "linux/ip.h", "linux/veth.h", "linux/nsfs.h", "linux/net_namespace.h",
    "linux/sched.h", "linux/netfilter/nfnetlink.h", "linux/netfilter/nf_tables.h", "linux/netfilter/nf_tables_compat.h",
    "linux/netfilter/nf_nat.h", "linux/netfilter/nfnetlink_conntrack.h",
    "linux/netfilter.h", "linux/netfilter_ipv4.h", "linux/netfilter_arp.h", "linux/capability.h",
]  # fmt: skip
# Names of ours, or of headers that are not for user space (ip6_route.h), or another header's (libnftnl, nftables).
OURS = re.compile(
    r"^(_.*|NLMSG_MIN|TYPE_.*|NFTNL_.*|MOST_.*|INET|LAYOUTS|SPLIT|.*_S|.*_AT|RTEXT_.*|NLA_HDRLEN|NLMSG_HDRLEN|INVALID_NETNS)$"
)
MODULES_OF_CONSTANTS = ["nlmsg", "system.netns", "netlink.sock", "netlink.extended_ack", "netlink.rt_link",
                        "netlink.rt_nsid",
                        "netlink.rt_addr", "netlink.rt_addr_dump", "netlink.rt_route", "netlink.rt_route_read",
                        "netlink.nft", "netlink.nft_define", "netlink.nft_dump", "netlink.nft_element",
                        "netlink.nft_expr", "netlink.nft_rule", "netlink.nft_map", "netlink.conntrack"]  # fmt: skip
STRUCTS = {"NLMSGHDR": "nlmsghdr", "NLATTR": "nlattr", "IFINFOMSG": "ifinfomsg", "IFADDRMSG": "ifaddrmsg",
           "RTMSG": "rtmsg", "NFGENMSG": "nfgenmsg"}  # fmt: skip
# Attributes that the kernel numbers in a way a header does not say by that name.
ELSEWHERE = {"NFTA_LIST_ELEM"}


def constants() -> dict[str, int]:
    """Every kernel number of the package, by the kernel's name."""
    found: dict[str, int] = {}
    for module_name in MODULES_OF_CONSTANTS:
        module = __import__(f"cni_ptp.{module_name}", fromlist=["x"])
        for name, value in vars(module).items():
            if isinstance(value, Attr):
                found[value.name] = value.number
            elif type(value) is int and name.isupper() and not OURS.match(name):
                # Our NFT_MSG_* and IPCTNL_MSG_* have nfnetlink's subsystem in front, as they travel.
                found[name] = value & 0xFF if name.startswith(("NFT_MSG_", "IPCTNL_MSG_")) else value
    return {name: value for name, value in found.items() if name not in ELSEWHERE}


MOST_UNKNOWN = 0.05  # of the numbers: headers that are older than what we use


def test_every_kernel_number_is_the_headers(tmp_path: Path) -> None:
    numbers = constants()
    assert len(numbers) > 100
    unknown, wrong = compared(numbers, tmp_path)
    assert wrong == []
    if unknown:
        warnings.warn(f"the kernel headers here do not know: {', '.join(unknown)}", stacklevel=1)
    assert len(unknown) <= MOST_UNKNOWN * len(numbers), unknown


def test_a_number_that_the_headers_do_not_know_is_named_and_the_others_are_compared(tmp_path: Path) -> None:
    numbers = {"RTM_NEWLINK": 16, "NFT_OF_THE_NEXT_KERNEL": 1, "IFLA_OF_THE_NEXT_KERNEL": 2, "RTM_DELLINK": 18}
    unknown, wrong = compared(numbers, tmp_path)
    assert unknown == ["IFLA_OF_THE_NEXT_KERNEL", "NFT_OF_THE_NEXT_KERNEL"]
    assert len(wrong) == 1 and "RTM_DELLINK" in wrong[0]


def compared(numbers: dict[str, int], directory: Path) -> tuple[list[str], list[str]]:
    """(the names that the headers here do not know, what the compiler says of numbers and sizes that are wrong)."""
    errors = compiled(numbers, directory)
    unknown = sorted({match[1] for error in errors if (match := _UNDECLARED.search(error))})
    if unknown:
        errors = compiled({name: value for name, value in numbers.items() if name not in unknown}, directory)
    return unknown, errors


_UNDECLARED = re.compile(r"error: .(\w+). undeclared")


def compiled(numbers: dict[str, int], directory: Path) -> list[str]:
    """The compiler's errors; a header that is not here is left out."""
    lines = ["#include <sys/socket.h>"]
    lines += [f"#if __has_include(<{header}>)\n#include <{header}>\n#endif" for header in HEADERS]
    lines += [f'_Static_assert((({name}) & {mask(name)}) == {value}U, "{name}");' for name, value in numbers.items()]
    for struct_name, kernel_name in STRUCTS.items():
        size = struct_size(struct_name)
        lines.append(f'_Static_assert(sizeof(struct {kernel_name}) == {size}, "{kernel_name}");')
    source = directory / "uapi.c"
    source.write_text("\n".join(lines) + "\n")
    argv = ["gcc", "-fsyntax-only", "-Wno-sign-compare", str(source)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    assert errors or done.returncode == 0, done.stderr
    return errors


def mask(name: str) -> str:
    """Which bits are compared: all, but of a mask that the header gives as a negative number."""
    return "0xFFFF" if name == "NLA_TYPE_MASK" else "0xFFFFFFFF"


def struct_size(name: str) -> int:
    """The size of one of our header layouts."""
    for module_name in MODULES_OF_CONSTANTS:
        layout = getattr(__import__(f"cni_ptp.{module_name}", fromlist=["x"]), name, None)
        if isinstance(layout, Struct):
            return layout.size
    raise AssertionError(name)


def test_alignment_is_the_kernels() -> None:
    assert [nlmsg.align(n) for n in range(6)] == [0, 4, 4, 4, 4, 8]
