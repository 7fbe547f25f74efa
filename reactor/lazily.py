"""Lazily: modules of the standard library that most programs never need, imported by those that do.

`ssl`, `hashlib` and `json` take longer to import than all of this library. A program that connects in the clear
and without a password touches none of them. Floor 0: open to every module, below

    if TYPE_CHECKING:
        import ssl
    else:
        ssl = Lazily("ssl")

which is the one way to import something later than at the top; modules of our own are never imported so.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Lazily:
    """Stands for the module `name`, which is imported when something in it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(import_module(self._name), attribute)
        setattr(self, attribute, value)  # found without this call from now on: TLS asks for names at every read
        return value
