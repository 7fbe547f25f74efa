"""Programs for python-qpid-proton, unmodified: `proton` and its modules lead to this library.

    python -m reactor.as_proton program.py [arguments]

runs a program so. `install()` does the same to the process that calls it, before its first `import proton`:

    import reactor.as_proton
    reactor.as_proton.install()

No package of the name proton is installed for it. This is the one part of `reactor` that knows `handlers`.
"""

from __future__ import annotations

from reactor.as_proton.modules import install

__all__ = ["install"]
