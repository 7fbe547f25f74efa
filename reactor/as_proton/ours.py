"""Our own packages, as the modules called proton need them: found beside this one.

A program for the original may have a `handlers.py` or a `reactor.py` of its own. `handlers` is therefore loaded from
its place in the file system: under its name where that leads to it, else under one that no program uses. The package
imports itself relatively, so that any name will do. And where a program's `import reactor` has to find its own file,
ours, all of which is imported before, leaves that name.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Optional

import reactor
from reactor.lazily import enter_all

#: Before the name of a package of ours, where that name alone is another module's.
ASIDE = "amqp_reactor_"
#: Where our packages lie.
HOME = Path(reactor.__file__).resolve().parent.parent


def package(name: str) -> ModuleType:
    """Our package of that name. It is loaded if it is not yet."""
    for known in (name, ASIDE + name):
        module = sys.modules.get(known)
        if module is not None and _is_ours(name, getattr(module, "__file__", None)):
            return module
    leads_here = name not in sys.modules and _is_ours(name, _found(name))
    own_name = name if leads_here else ASIDE + name
    place = HOME / name
    spec = spec_from_file_location(own_name, place / "__init__.py", submodule_search_locations=[str(place)])
    if spec is None or spec.loader is None:
        raise ImportError("%s has no loader: amqp-reactor is not installed as files" % place, name=name)
    module = module_from_spec(spec)
    sys.modules[own_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[own_name]
        raise
    return module


def give_way(name: str) -> bool:
    """Whether `import name` finds another module than ours on `sys.path`; ours leaves the name, if it has it."""
    found = _found(name)
    if found is None or _is_ours(name, found):
        return False
    known = sys.modules.get(name)
    if known is not None and _is_ours(name, known.__file__):
        enter_all(name)
        for key in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
            sys.modules[ASIDE + key] = sys.modules.pop(key)
    return True


def _found(name: str) -> Optional[str]:
    """The file that `import name` would load; "" for a folder of that name without an `__init__.py`."""
    spec = PathFinder.find_spec(name)
    if spec is None or spec.loader is None:
        return None  # a namespace package comes after any module of its name
    return spec.origin or ""


def _is_ours(name: str, file: Optional[str]) -> bool:
    return file is not None and Path(file).resolve() == HOME / name / "__init__.py"
