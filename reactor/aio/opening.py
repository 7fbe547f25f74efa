"""Opening: a thing that is being opened, to be awaited, or entered by ``async with``, which closes it at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from types import TracebackType
from typing import Any, Callable, Generic, Optional, Protocol, TypeVar


class Closable(Protocol):
    """A connection, a session, a link."""

    async def close(self) -> None: ...


Opened = TypeVar("Opened", bound=Closable)


class Opening(Generic[Opened]):
    """``await`` it for the thing, or ``async with`` it. Nothing has happened before that.

    make: opens the thing.
    """

    __slots__ = ("_make", "_opened")

    def __init__(self, make: Callable[[], Awaitable[Opened]]) -> None:
        self._make = make
        self._opened: Optional[Opened] = None

    def __await__(self) -> Generator[Any, Any, Opened]:
        return self._make().__await__()

    async def __aenter__(self) -> Opened:
        self._opened = opened = await self._make()
        return opened

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if self._opened is not None:
            await self._opened.close()
