"""How the built file's modules are imported: from bytecode at known offsets, those needed together with one read.

zipimport opens and reads an archive twice a module, 0.16 ms each; this takes 0.01.  The import system itself, which is
Python as well, takes 0.05 ms for a module that is not there yet: so when the first of a group is asked for, all of it
is put in sys.modules, each behind those it needs.  The head of the built file (see console/pack.py) executes this
module's code and calls `install`; run from sources, nothing here is used.
"""

from __future__ import annotations

import gc
import sys

# importlib.machinery has the same class, and costs 3 ms more.
from _frozen_importlib import ModuleSpec
from marshal import loads
from posix import pread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    # offset and size of its marshalled code objects; the groups it needs, numbers; its modules, none before what it
    # needs of the others; which of them are packages
    Group = tuple[int, int, tuple[int, ...], tuple[str, ...], tuple[str, ...]]


class Module(type(sys)):  # type: ignore[misc]
    """A module.  Up to 3.11 `from x import y` asks x for __path__, and a plain module's no is an error with a text.

    That text costs 2 us each of 150 times; an object's no costs nothing.
    """

    __getattribute__ = object.__getattribute__


class Bytecode:
    """Finds and loads our modules (PEP 451).

    modules: name -> number of its group.  fd: the built file, open; base: where offsets count from.
    """

    def __init__(self, modules: dict[str, int], groups: list[Group | None], fd: int, base: int) -> None:
        self.modules = modules
        self.groups = groups
        self.fd = fd
        self.base = base

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The spec of a module that is loaded now, with its group; None if it is not ours: the next finder is asked."""
        number = self.modules.get(name)
        if number is None:
            return None
        self.load(number)
        # A loader for the import system is one that has the two methods below: no base class is needed.
        loader: Any = self
        return ModuleSpec(name, loader, is_package=hasattr(sys.modules[name], "__path__"))

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module."""
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Its code has run already."""

    def load(self, number: int) -> None:
        """The modules of the group, and of those it needs, are in sys.modules; a second time nothing happens."""
        group, self.groups[number] = self.groups[number], None
        if group is None:
            return
        offset, size, needs, names, packages = group
        for need in needs:
            self.load(need)
        # The only dynamic code there is: what console/pack.py compiled from the sources beside it in the archive.
        for name, code in zip(names, loads(pread(self.fd, size, self.base + offset))):  # noqa: S302
            parent, _, own_name = name.rpartition(".")
            module = sys.modules[name] = Module(name)
            module.__package__ = name if name in packages else parent
            if name in packages:
                module.__path__ = []
            exec(code, module.__dict__)  # noqa: S102
            if parent:
                setattr(sys.modules[parent], own_name, module)


def install(modules: dict[str, int], groups: list[Group | None], fd: int, base: int) -> None:
    """From now on our modules are imported from the open file `fd`, which stays open.

    The garbage collector is off: main decides whether it is needed.
    """
    gc.disable()
    bytecode: Any = Bytecode(modules, groups, fd, base)  # a finder by its methods, see above
    sys.meta_path.insert(0, bytecode)
    bytecode.load(0)  # whatever was asked for begins with these modules
