"""Pollers: which descriptors are ready, asked of the system in one call.

The network enters, and its dials. Where there is epoll it is asked itself, for that is a step of every turn; elsewhere
a selector of the standard library does it. A thing that is watched is a number, or has a `fileno()`.
"""

from __future__ import annotations

import select
import sys

from reactor.lazily import TYPE_CHECKING
from reactor.loop.wires import READ, WRITE
from reactor.system import HERE

if TYPE_CHECKING:
    from typing import Any, Protocol

    from reactor.loop.interface import Watcher

    class Poller(Protocol):
        """Watches descriptors."""

        def watch(self, thing: Any, interest: int, watcher: Watcher) -> None:
            """Report `thing` to `watcher` while it is ready for `interest`, which is not 0; replaces an earlier
            interest. ValueError when it is closed, PermissionError for a file."""
            ...

        def unwatch(self, thing: Any) -> None:
            """Report it no more. Harmless when it is not watched, or is closed."""
            ...

        def wait(self, timeout: float) -> list[tuple[Watcher, int]]:
            """The watchers that are ready, each with the interest, within so many seconds; there may be none."""
            ...

        def watched(self) -> list[Any]:
            """All that is watched."""
            ...

        def fileno(self) -> int:
            """The system's own descriptor, which can be read while something is ready; -1 where there is none."""
            ...

        def close(self) -> None:
            """Let go of the system's own descriptor. Harmless when repeated."""
            ...


class SelectorPoller:
    """The poller of any system, over a selector of the standard library."""

    __slots__ = ("_selector",)

    def __init__(self) -> None:
        self._selector = HERE.selector()

    def watch(self, thing: Any, interest: int, watcher: Watcher) -> None:
        selector = self._selector
        try:
            key = selector.get_key(thing)
        except (KeyError, ValueError):
            selector.register(thing, interest, watcher)
            return
        if key.fileobj is thing:
            selector.modify(thing, interest, watcher)
        else:  # a descriptor that was closed while it was watched, and that the system gave out again
            selector.unregister(key.fileobj)
            selector.register(thing, interest, watcher)

    def unwatch(self, thing: Any) -> None:
        try:
            self._selector.unregister(thing)
        except (KeyError, ValueError):
            pass  # it was not watched; ValueError: it is closed

    def wait(self, timeout: float) -> list[tuple[Watcher, int]]:
        return [(key.data, mask) for key, mask in self._selector.select(timeout)]

    def watched(self) -> list[Any]:
        keys = self._selector.get_map() or {}  # None when it was closed before
        return [key.fileobj for key in keys.values()]

    def fileno(self) -> int:
        fileno = getattr(self._selector, "fileno", None)  # select() and poll() have none
        return -1 if fileno is None else int(fileno())

    def close(self) -> None:
        self._selector.close()


#: So many watchers are reported by one wait; the others are first in those that follow. Where thousands are ready, the
#: answers of the first ones leave before the last are looked at: their peers work meanwhile, and a turn is short. With
#: fewer at once, a broker would have fewer messages to write together.
MOST_AT_ONCE = 256

if sys.platform == "linux":  # for a type checker: elsewhere `select` has no epoll

    class EpollPoller:
        """The poller of Linux."""

        __slots__ = ("_epoll", "_poll", "_things", "_watchers")

        def __init__(self) -> None:
            self._epoll = select.epoll()
            self._poll = self._epoll.poll
            self._watchers: dict[int, Watcher] = {}
            self._things: dict[int, Any] = {}  # by the same numbers

        def watch(self, thing: Any, interest: int, watcher: Watcher) -> None:
            number = _number(thing)
            if number < 0:
                raise ValueError("it is closed: %r" % (thing,))
            known = self._things.get(number)
            if known is thing:
                self._epoll.modify(number, _EVENTS[interest])
            else:
                if known is not None:  # it was closed while it was watched, and the system gave its number out again
                    self._forget(number)
                self._epoll.register(number, _EVENTS[interest])
            self._things[number] = thing
            self._watchers[number] = watcher

        def unwatch(self, thing: Any) -> None:
            number = _number(thing)
            if number in self._things:
                self._forget(number)
            elif number < 0:
                for number in [number for number, known in self._things.items() if known is thing]:
                    self._forget(number)

        def _forget(self, number: int) -> None:
            del self._watchers[number], self._things[number]
            try:
                self._epoll.unregister(number)
            except OSError:
                pass  # closing it did that

        def wait(self, timeout: float) -> list[tuple[Watcher, int]]:
            watchers = self._watchers
            ready = []
            for number, event in self._poll(timeout, MOST_AT_ONCE):
                if number in watchers:
                    ready.append((watchers[number], READ if event == _IN else _interest(event)))
            return ready

        def watched(self) -> list[Any]:
            return list(self._things.values())

        def fileno(self) -> int:
            return self._epoll.fileno()

        def close(self) -> None:
            self._watchers.clear()
            self._things.clear()
            self._epoll.close()

    _IN = select.EPOLLIN
    _EVENTS = {READ: _IN, WRITE: select.EPOLLOUT, READ | WRITE: _IN | select.EPOLLOUT}

    def _interest(event: int) -> int:
        """Errors and the end of a connection count as either: the next call on the descriptor finds them out."""
        return (READ if event & ~select.EPOLLOUT else 0) | (WRITE if event & ~_IN else 0)


def _number(thing: Any) -> int:
    """The descriptor; -1 of what is closed."""
    if isinstance(thing, int):
        return thing
    try:
        return int(thing.fileno())
    except ValueError:
        return -1


def make_poller() -> Poller:
    """The best one of this system."""
    if sys.platform == "linux" and HERE.has_epoll:
        return EpollPoller()
    return SelectorPoller()
