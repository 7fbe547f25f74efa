"""Loggers, each made when it is first used: a program that nothing goes wrong in does not import `logging`.

Enter from floor 4 upwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from reactor.lazily import Lazily

if TYPE_CHECKING:
    import logging
else:
    logging = Lazily("logging")


class _Logger:
    """Stands for the logger `name`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(logging.getLogger(self._name), attribute)


def logger(name: str) -> logging.Logger:
    """The logger `name`: `logging.getLogger` for the top of a module."""
    return cast("logging.Logger", _Logger(name))
