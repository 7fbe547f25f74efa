"""A program of this checkout on the library of another one: python -m tests.benchmarks.tree PATH MODULE [ARGUMENTS]

The build before may know less of how it is measured. So `reactor` and `handlers` come from there, and all the rest,
which is `tests`, from here.
"""

from __future__ import annotations

import importlib
import runpy
import sys


def use(tree: str) -> None:
    """`reactor` and `handlers` are those of this checkout from now on."""
    sys.path.insert(0, tree)
    try:
        for name in ("reactor", "handlers"):
            found = importlib.import_module(name).__file__ or ""
            if not found.startswith(tree):
                raise ImportError(f"{name} of {tree} was asked for, and {found} is what there is: name a checkout")
    finally:
        sys.path.remove(tree)


if __name__ == "__main__":
    use(sys.argv[1])
    del sys.argv[:2]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
