"""How the built file's modules are imported: from bytecode at known offsets, those needed together with one read.

zipimport opens and reads an archive twice a module, 0.16 ms each; this takes 0.01.  The import system itself, which is
Python as well, takes 0.05 ms for a module that is not there yet: so when the first of a group is asked for, all of it
is put in sys.modules, each behind those it needs.  The head of the built file (see bundle/pack.py) executes this
module's code; run from sources, nothing here is used.
Needed until the zipimport of a Python takes less than a tenth of its time for a module: up to 3.15 none does.
"""

from __future__ import annotations

# The C modules under importlib.machinery, which costs 3 ms more.
import _frozen_importlib
import _imp
import gc
import marshal
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from typing import Any

    f: FileIO  # the built file; the head has opened it, and read as far as this module's code goes

    # offset and size of its marshalled code objects; the groups it needs, numbers; its modules, none before what it
    # needs of the others; which of them are packages; the C modules they import
    Group = tuple[int, int, tuple[int, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]


# What a call of the ptp plugin is going to import, as skel.py has it.
_VERBS = {b"ADD": "cni_ptp.commands.add", b"CHECK": "cni_ptp.commands.check", b"DEL": "cni_ptp.commands.delete"}

# The modules, groups and rest of `install`, marshalled: bundle/pack.py puts them here.
INDEX = b""

namespace: Any = type(sys.implementation)  # types.SimpleNamespace


class Module(type(sys)):  # type: ignore[misc]
    """A module.  Up to 3.11 `from x import y` asks x for __path__, and a plain module's no is an error with a text.

    That text costs 2 us each of 150 times; an object's no costs nothing.  It also asks x.__spec__ for _initializing,
    which is therefore set here, as by the import system.  No module of ours may have a __getattr__ (PEP 562): it would
    not be asked.
    """

    __getattribute__ = object.__getattribute__


def load_c(name: str) -> None:
    """Load the C module of the standard library, if it is built in or in the last place of sys.path.

    It is what the import system does, without its Python, and without its reading the directories before that one.
    """
    spec = namespace(name=name, parent="", loader=None, origin="built-in", _initializing=False)
    if _imp.is_builtin(name):
        module = _imp.create_builtin(spec)
        _imp.exec_builtin(module)
    else:
        spec.origin = f"{sys.path[-1]}/{name}{_imp.extension_suffixes()[0]}"
        try:
            module = _imp.create_dynamic(spec)
        except ImportError:
            return  # it is elsewhere, if at all: the import system's to find
        _imp.exec_dynamic(module)
    module.__spec__ = spec
    sys.modules[name] = module


def above_standard(fd: int) -> int:
    """Return a descriptor above 2 of the file that `fd` is open for, which is closed if it is another.

    The caller may have closed a standard descriptor; then the shebang line's open has given its number to our file.
    """
    low = []
    while fd < 3:
        low.append(fd)
        fd = posix.dup(fd)
    for number in low:
        posix.close(number)
    return fd


def load(groups: list[Group | None], number: int, fd: int, base: int, finder: Any) -> None:
    """Load the modules of the group, and of those it needs; a second time nothing happens."""
    group = groups[number]
    if group is None:
        return
    offset, size, needs, names, packages, in_c = group
    for need in needs:
        load(groups, need, fd, base, finder)
    for name in in_c:
        if name not in sys.modules:
            load_c(name)
    # The only dynamic code there is: what bundle/pack.py compiled from the sources beside it in the archive.
    for name, code in zip(names, marshal.loads(posix.pread(fd, size, base + offset))):  # noqa: S302
        if name not in sys.modules:  # else the group was begun before, and failed further on
            run_module(name, code, name in packages, finder)
    groups[number] = None


def run_module(name: str, code: Any, is_package: bool, finder: Any) -> None:
    """Put the module into sys.modules and execute its code; if that fails, it is not there."""
    parent, _, own_name = name.rpartition(".")
    module = sys.modules[name] = Module(name)
    module.__package__ = name if is_package else parent
    if is_package:
        module.__path__, module.__spec__ = [], _frozen_importlib.ModuleSpec(name, finder, is_package=True)
        module.__spec__._initializing = False
    else:
        module.__spec__ = namespace(name=name, parent=parent, loader=finder, _initializing=False)
    try:
        exec(code, module.__dict__)  # noqa: S102
    except BaseException:
        del sys.modules[name]  # as the import system does
        raise
    if parent:
        setattr(sys.modules[parent], own_name, module)


def verb_module() -> str:
    """Return the name of the module that a call of the ptp plugin is going to import; "" for any other call."""
    from cni_ptp.main import role_of

    verb = _VERBS.get(posix.environ.get(b"CNI_COMMAND", b""), "")
    return verb if role_of(sys.argv[0]) == "ptp" else ""


def install(modules: dict[str, int], groups: list[Group | None], rest: list[bytes], fd: int, base: int) -> None:
    """Import our modules from the open file `fd` from now on; it stays open.

    modules: name -> number of its group.  rest: both once more, marshalled, for the modules that calls rarely need.
    base: where the groups' offsets count from.
    The garbage collector is off: main decides whether it is needed.
    """

    def find_spec(name: str, path: object = None, target: object = None) -> _frozen_importlib.ModuleSpec | None:
        """Return the spec of a module that is loaded now, with its group.

        None if it is not ours: the next finder is asked.
        """
        if rest and name not in modules and name.startswith("cni_ptp."):
            more_modules, more_groups = marshal.loads(rest.pop())  # noqa: S302  as below
            modules.update(more_modules)
            groups.extend(more_groups)
        number = modules.get(name)
        if number is None:
            return None
        load(groups, number, fd, base, finder)
        module = sys.modules[name]
        module.__spec__ = None  # else it would be taken instead of this one
        return _frozen_importlib.ModuleSpec(name, finder, is_package=hasattr(module, "__path__"))

    # A finder and a loader (PEP 451) by what it has: a class costs 25 us.
    finder = namespace(
        find_spec=find_spec,
        create_module=lambda spec: sys.modules[spec.name],
        exec_module=lambda module: None,  # its code has run already
    )
    gc.disable()
    sys.meta_path.insert(0, finder)
    load(groups, 0, fd, base, finder)  # whatever was asked for begins with these modules
    verb = verb_module()
    if verb:
        try:
            load(groups, modules[verb], fd, base, finder)  # before an import statement asks for it, which then finds it
        except Exception:  # noqa: BLE001, S110  the import statement meets it again, where the caller is told
            pass


if __name__ == "__main__":  # it is, when the head executes this
    del sys.argv[0]
    modules, groups, rest = marshal.loads(INDEX)  # noqa: S302  as above
    base = f.tell()  # noqa: F821  before the descriptor may be another
    install(modules, groups, rest, above_standard(f.fileno()), base)  # noqa: F821
    from cni_ptp.__main__ import run

    run()
