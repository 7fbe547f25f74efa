"""The public names of python-qpid-proton as it is installed, with inherited members and the values of constants.

    python -m tests.support.original_names > tests/data/original-names.txt

Run it with an interpreter that has the original. tests/test_exports.py holds the list against ours: a line for each
name, `module.Class.member kind detail`.
"""

from __future__ import annotations

import enum
import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

MODULES = ("proton", "proton.handlers", "proton.reactor", "proton.utils")
#: Of Exception, int, list and the like: what each class has from Python itself is not the original's.
PLAIN = (object, int, str, float, bytes, list, dict, Exception, enum.IntEnum)
PYTHONS = {name for one in PLAIN for name in dir(one)}


def lines() -> Iterator[str]:
    """The lines of the list."""
    for place in MODULES:
        module = importlib.import_module(place)
        for name in sorted(vars(module)):
            value = vars(module)[name]
            if not name.startswith("_") and not isinstance(value, ModuleType) and _is_its_own(value):
                yield from _of_module(f"{place}.{name}", value)


def _is_its_own(value: Any) -> bool:
    return getattr(value, "__module__", "proton").startswith("proton") or isinstance(value, (int, str))


def _of_module(path: str, value: Any) -> Iterator[str]:
    if not inspect.isclass(value):
        yield f"{path} constant {_shown(value)}"
        return
    bases = [base.__name__ for base in value.__mro__[1:-1] if base.__module__.startswith("proton")]
    yield f"{path} class {','.join(bases) or '-'}"
    if value.__init__ is not object.__init__:
        yield f"{path}.__init__ method {_signature(value.__init__)}"
    for name in sorted(dir(value)):
        if not name.startswith("_") and name not in PYTHONS:
            yield f"{path}.{name} {_of_class(value, name)}"


def _of_class(cls: type, name: str) -> str:
    value = inspect.getattr_static(cls, name)
    if isinstance(value, property):
        return "property" if value.fset is not None else "property (ro)"
    if isinstance(value, (staticmethod, classmethod)):
        return "static"
    if inspect.isfunction(value):
        return f"method {_signature(value)}"
    return f"constant {_shown(value)}"


def _signature(function: Any) -> str:
    try:
        found = inspect.signature(function)
    except ValueError:
        return "(...)"
    given = [parameter for parameter in found.parameters.values() if parameter.name != "self"]
    bare = [parameter.replace(annotation=parameter.empty) for parameter in given]
    return str(found.replace(parameters=bare, return_annotation=found.empty)).replace("\n", " ")


def _shown(value: Any) -> str:
    """A number or text as it is; of anything else the name of its type."""
    if type(value) in (int, str, float):
        return repr(value)
    if isinstance(value, int):
        return repr(int(value))
    return type(value).__name__


if __name__ == "__main__":
    print("\n".join(lines()))
