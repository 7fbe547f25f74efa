"""The import switch: one program, two libraries.

Benchmarks and interop tests run the same code on this project and on python-qpid-proton. Everything that the
two spell differently is here and nowhere else; a library is imported only when it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

OURS, THEIRS = "amqp-reactor", "python-qpid-proton"

_MODULES = {
    OURS: ("reactor", "handlers"),
    THEIRS: ("proton", "proton.reactor", "proton.handlers"),
}


_BLOCKING = {OURS: "reactor.utils", THEIRS: "proton.utils"}


def load(name: str) -> SimpleNamespace:
    """The public names of the library called `name` in one flat namespace, and its name as `library`."""
    return _namespace(name, _MODULES[name])


def load_blocking(name: str) -> SimpleNamespace:
    """As `load`, with the names of its blocking API."""
    return _namespace(name, (*_MODULES[name], _BLOCKING[name]))


def _namespace(name: str, modules: Iterable[str]) -> SimpleNamespace:
    names: dict[str, object] = {}
    for module_name in modules:
        module = importlib.import_module(module_name)
        names.update({key: getattr(module, key) for key in module.__all__})
    return SimpleNamespace(**names, library=name)


def run(api: SimpleNamespace, handler: Any) -> None:
    """Run a container of `api`; the original's run() waits three seconds after the last acceptor has closed."""
    container = api.Container(handler)
    if api.library == OURS:
        container.run()
        return
    container.timeout = 0.05
    container.start()
    while container.process():
        pass


def version(name: str) -> str:
    """What is installed or checked out under that name; "" when it cannot be imported."""
    try:
        load(name)
    except ImportError:
        return ""
    if name == OURS:
        return str(importlib.import_module("reactor").__version__)
    return importlib.import_module("importlib.metadata").version(name)
