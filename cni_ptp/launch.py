"""How the built file's modules are imported: from bytecode that was read with the file's head, in one read.

zipimport opens and reads an archive twice a module, 0.16 ms each; this takes 0.03.  The head of the built file (see
console/pack.py) executes this module's code and calls `install`; run from sources, nothing here is used.
"""

from __future__ import annotations

import sys

# importlib.machinery has the same class, and costs 3 ms more.
from _frozen_importlib import ModuleSpec
from marshal import load, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


class Bytecode:
    """Finds and loads our modules (PEP 451).  modules: name -> (is a package, marshalled code).

    Those of the console lie apart, at an offset of the built file: a CNI call never reads them.
    """

    def __init__(self, modules: dict[str, tuple[bool, bytes]], path: str, console_offset: int) -> None:
        self.modules = modules
        self.path = path
        self.console_offset = console_offset

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The module's spec, or None: then the next finder is asked."""
        if name == "cni_ptp.console":
            with open(self.path, "rb") as f:
                f.seek(self.console_offset)
                self.modules.update(load(f))  # noqa: S302
        entry = self.modules.get(name)
        # A loader for the import system is one that has the two methods below: no base class is needed.
        loader: Any = self
        return None if entry is None else ModuleSpec(name, loader, is_package=entry[0])

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """None: an ordinary module will do."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """The module's code has run in it."""
        # The only dynamic code there is: what console/pack.py compiled from the sources beside it in the archive.
        exec(loads(self.modules[module.__name__][1]), module.__dict__)  # noqa: S102, S302


def install(modules: dict[str, tuple[bool, bytes]], path: str, console_offset: int) -> None:
    """From now on our modules are imported from `modules`, and the console's from that offset of the file at `path`."""
    sys.meta_path.insert(0, Bytecode(modules, path, console_offset))  # by its methods, see above
