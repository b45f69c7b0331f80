"""The built file as bytes: text that starts Python, bytecode of one Python version, a zip archive of the sources.

    0                  HEAD, 1,024 bytes of text: the shebang line and what it has Python do
    1,024              bundle/launch.py's code object with the index of what follows in it, marshalled, for one version
                       of Python
    after that         each group's marshalled code objects; offsets count from here
    after that         a zip archive, stored, from which any other Python imports the same sources

Same sources, same interpreter path and same Python version make the same bytes, in a process as program.py starts it.
(No module has a constant set of strings: before 3.11 its order would differ from process to process; a test finds one.)
docs/decisions/launch.md tells why the file is made so.
Needed as long as launch is: up to Python 3.15 no other form of one file starts as fast.
"""

from __future__ import annotations

import ast
import io
import marshal
import os
import sys
import zipfile
from importlib.util import MAGIC_NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

PACKAGE = "cni_ptp"
LAUNCH = PACKAGE + "/bundle/launch.py"
LICENCE = "LICENSE"
_NO_INDEX = b'INDEX = b""'  # as it stands in bundle/launch.py
HEAD_SIZE = 1024
# Of the Python that packs, besides spawn.ISOLATED, so that the same sources make the same bytes.  Without column
# numbers (from 3.11 on) the bytecode of a module is a fifth smaller, and loads that much faster.
OPTIONS = ("-X", "pycache_prefix=/nonexistent", "-X", "no_debug_ranges")
# Linux before 5.1 cuts a shebang line there without a word; newer kernels at 255.  fs/binfmt_script.c BINPRM_BUF_SIZE
MOST_SHEBANG = 127

# Modules that are needed together are loaded together: each group is what these import and no earlier group holds;
# imports within functions do not count.  Every other module is a group of its own.
_GROUPS = (
    ("__main__", "skel"),  # of everything
    # of ADD, CHECK and DEL
    (
        "commands",
        "veth",
        "system.netns",
        "commands.lock",
        "commands.checkpoint",
        "netlink.rt_link",
        "netlink.sock",
        "ipam.source",
    ),
    ("ipam.host_local",),
    ("veth.plan", "system.sysctl", "ipam.settings", "ipam.validate"),  # of ADD and CHECK
    ("ipam.allocation", "commands.add"),
    ("ipam.lease", "cni.result_read", "veth.find", "veth.mark"),  # of CHECK and DEL
    ("veth.deletion", "commands.delete"),
    ("netlink.rt_link_dump",),  # of GC
    ("veth.unnamed",),  # of CHECK, and of whatever meets what the Go plugin attached
    ("netlink.rt_route_dump",),  # of CHECK, and of an ADD with "mtu": "auto"
    ("commands.check", "commands.differences"),
    ("firewall.session", "firewall.iptables_legacy", "firewall.nft_table", "netlink.nft"),  # of ADD and DEL
    ("firewall.nft_transaction", "firewall.owner_mark"),
    ("firewall.masquerade_add",),
    ("firewall.masquerade_del",),  # of DEL
    ("firewall.nft_del",),
    ("netlink.nft_dump",),
    ("netlink.nft_define", "netlink.nft_rule"),  # of whatever makes tables or rules
)
# The same of modules that calls rarely need: the index has them apart.
_SELDOM = (
    ("firewall.nft_socket",),
    ("cni.port_mappings", "firewall.portmap_del"),  # of ADD and DEL with port mappings
    ("firewall.stale_flows",),
    ("firewall.portmap",),
)

# What of the standard library they import is in C; it is loaded with the group, past the import system.
_C_MODULES = {"fcntl", "_sha2" if sys.version_info >= (3, 12) else "_sha512"}.union(("_socket", "_struct"))
# Imported within functions because there is something else to fall back on, but needed by every call that loads the
# module named here: loaded with its group.
_LATE = {"commands": {"_json"}, "veth.plan": set() if sys.version_info >= (3, 12) else {"_ctypes"}}

# A file that replaces another may be read by a process that the other's shebang line has just started: the line says
# nothing of what follows but the size of the head, which never changes.
_SHEBANG = '#!{interpreter} -IScimport sys;f=open(sys.argv[1],"rb",0);exec(f.read(1024))\n'
_HEAD = """\
# The line above has Python execute the 1,024 bytes of text that you are reading. After them comes bytecode of
# Python {version}, then a zip archive of the sources, from which any other Python runs the same program, only slower.
import marshal, _frozen_importlib_external
if _frozen_importlib_external.MAGIC_NUMBER == {magic!r}:
    exec(marshal.loads(f.read({size})))  # cni_ptp/bundle/launch.py
else:
    exec("f.close(); del sys.argv[0]; sys.path.append(sys.argv[0]); from cni_ptp.__main__ import run; run()")
"""
_ARCHIVE_MAIN = b"""\
# `python3 -I -S FILE` starts here.
from cni_ptp.__main__ import run
run()
"""


def pack(sources: dict[str, bytes], interpreter: str, version: str) -> bytes:
    """Return the file that `interpreter`, an absolute path, runs fastest; must be called in that Python.

    sources: contents by archive path, such as "cni_ptp/main.py".  version: for people, such as "3.11".
    ValueError if no shebang line can name the interpreter.
    """
    launch, code = bytecode(sources)
    stream = io.BytesIO()
    stream.write(_head(interpreter, version, len(launch)) + launch + code)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for path, content in sorted({**sources, "__main__.py": _ARCHIVE_MAIN}.items()):
            member = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            member.create_system = 3  # Unix
            member.external_attr = 0o100644 << 16
            archive.writestr(member, content)
    return stream.getvalue()


def _head(interpreter: str, version: str, size: int) -> bytes:
    shebang = _SHEBANG.format(interpreter=interpreter)
    if not interpreter.startswith("/") or len(shebang.encode()) > MOST_SHEBANG or set(interpreter) & set(" \t\n"):
        raise ValueError(
            f"{interpreter!r} cannot be named in a shebang line: an absolute path, short and without spaces"
        )
    head = (shebang + _HEAD.format(version=version, magic=MAGIC_NUMBER, size=size)).encode()
    # One line of comment: Python would look at each of hundreds of empty lines by itself.
    return head.ljust(HEAD_SIZE - 1, b"#") + b"\n"


def bytecode(sources: dict[str, bytes]) -> tuple[bytes, bytes]:
    """Return (marshalled code of bundle/launch.py with its index, code of all modules) for the running Python."""
    paths = {module_name(path): path for path in sources if path.endswith(".py")}
    groups: list[tuple[int, int, tuple[int, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = []
    code = b""
    imports = {name: _imports(sources[path], path) for name, path in paths.items()}
    for needs, names in _groups(imports):
        one = marshalled([(paths[name], sources[paths[name]]) for name in names])
        packages = tuple([name for name in names if paths[name].endswith("/__init__.py")])
        imported = {other for name in names for other in imports[name]}
        in_c = (imported & _C_MODULES).union(*[_LATE.get(name[len(PACKAGE) + 1 :], ()) for name in names])
        in_c -= {name for need in needs for name in groups[need][5]}
        groups.append((len(code), len(one), needs, names, packages, tuple(sorted(in_c))))
        code += one
    modules = [(name, number) for number, group in enumerate(groups) for name in group[3]]
    often = {name: number for name, number in modules if number < len(_GROUPS)}
    rest = marshal.dumps((dict(modules[len(often) :]), groups[len(_GROUPS) :]))
    index = marshal.dumps((often, groups[: len(_GROUPS)], [rest]))
    before, after = sources[LAUNCH].split(_NO_INDEX)
    return marshal.dumps(compiled(before + b"INDEX = " + repr(index).encode() + after, LAUNCH)), code


def _groups(imports: dict[str, list[str]]) -> list[tuple[tuple[int, ...], tuple[str, ...]]]:
    """Return (the groups it needs; its modules, in an order in which each finds what it needs) of each group.

    imports: of every module, what it imports when it is loaded.
    """
    groups: list[tuple[tuple[int, ...], tuple[str, ...]]] = []
    number_of: dict[str, int] = {}

    def load(name: str, names: list[str], needs: set[int]) -> None:
        if name in number_of:
            needs.add(number_of[name])
        elif name in imports and name not in names:
            for other in [*_parents(name), *imports[name]]:
                load(other, names, needs)
            names.append(name)

    for roots in (*_GROUPS, *_SELDOM):
        names: list[str] = []
        needs: set[int] = set()
        for root in roots:
            load(f"{PACKAGE}.{root}", names, needs)
        number_of.update(dict.fromkeys(names, len(groups)))
        groups.append((tuple(sorted(needs)), tuple(names)))
    return groups + [((), (name,)) for name in sorted(imports.keys() - number_of.keys())]


def _parents(name: str) -> list[str]:
    """Return the packages that a module lies in, which are imported before it."""
    parent = name.rpartition(".")[0]
    return [*_parents(parent), parent] if parent else []


def _imports(content: bytes, path: str) -> list[str]:
    """Return what a module may import when it is loaded; a name that is no module may be among it."""
    found = []
    package = module_name(path) if path.endswith("/__init__.py") else module_name(path).rpartition(".")[0]
    body = _Leaner().visit(ast.parse(content, path)).body
    for node in body:
        if isinstance(node, ast.Try):
            body += [*node.body, *[inner for handler in node.handlers for inner in handler.body]]
        elif isinstance(node, ast.If):
            body += [*node.body, *node.orelse]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] + (f".{node.module}" if node.module else "")
            found += [base, *[f"{base}.{alias.name}" for alias in node.names]]
    return found


def marshalled(sources: list[tuple[str, bytes]]) -> bytes:
    """Return the code of (path, content) each as it lies in the built file.

    In one piece, so that a name is in it once.
    """
    return marshal.dumps(tuple([compiled(content, path) for path, content in sources]))


def compiled(content: bytes, path: str) -> CodeType:
    """Return the code of one source as it is in the built file, without what only readers and type checkers need.

    That is docstrings, annotations, and the blocks under TYPE_CHECKING: a third of what would have to be loaded.
    """
    tree = _Leaner().visit(ast.parse(content, path))
    code: CodeType = compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True, optimize=2)
    return code


class _Leaner(ast.NodeTransformer):
    """Takes out of a module what has no effect when it runs."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        """Drop `from __future__ import annotations`, as there are no annotations."""
        return None if node.module == "__future__" else node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        """Drop what stands under TYPE_CHECKING."""
        self.generic_visit(node)
        return None if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" else node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Drop the parameter's annotation."""
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Drop the result's annotation."""
        self.generic_visit(node)
        node.returns = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """Make it a plain assignment; without a value it was nothing but a declaration."""
        self.generic_visit(node)
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], node.value), node)


def module_name(path: str) -> str:
    """Return the dotted name of the module in an archive path."""
    name = path[: -len(".py")].replace("/", ".")
    return name[: -len(".__init__")] if name.endswith(".__init__") else name


def sources_in(directory: str, names: tuple[str, ...]) -> dict[str, bytes]:
    """Return the listed files under a checkout's root, by archive path; nothing else there counts.

    The licence may be missing: pip installs it elsewhere than the package.
    """
    found = {name: os.path.join(directory, *name.split("/")) for name in names}
    return {name: _content(path) for name, path in found.items() if name != LICENCE or os.path.exists(path)}


def is_source(name: str) -> bool:
    """Return whether a file of a checkout belongs into the built file if somebody lists it."""
    return name == LICENCE or (name.startswith(PACKAGE + "/") and name.endswith(".py"))


def sources_of(built: bytes) -> dict[str, bytes]:
    """Return the sources that a built file carries.  zipfile.BadZipFile if it is none, or not as we make one."""
    with zipfile.ZipFile(io.BytesIO(built)) as archive:
        members = archive.infolist()
        # Whoever looks into a file of somebody else's reads no more than the file has, and unpacks nothing.
        if any(m.compress_type != zipfile.ZIP_STORED for m in members) or sum(m.file_size for m in members) > len(
            built
        ):
            raise zipfile.BadZipFile("its members are compressed, or are longer together than the file")
        return {name: archive.read(name) for name in archive.namelist() if name != "__main__.py"}


def blob_of(built: bytes) -> bytes:
    """Return the marshalled bytecode that a built file carries: all between its head and its zip archive."""
    with zipfile.ZipFile(io.BytesIO(built)) as archive:
        return built[HEAD_SIZE : min(member.header_offset for member in archive.infolist())]


def _content(path: str) -> bytes:
    with open(path, "rb") as f:
        return f.read()
