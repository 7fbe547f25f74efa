"""Backoff: how long to wait before a connection is tried again, and again.

Attempts and applications enter; it knows no clock, draws from no source of its own, and does not wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional, Protocol, Union


class Backoff:
    """Delays that grow: 0, then `initial`, each `factor` times the one before, up to `max_delay`.

    initial: seconds, 0.1 by default. factor: 2. max_delay: seconds, 10. max_tries: how many delays there are;
        None, the default, for no end.
    jitter: by which part a delay may be shortened, by chance, when it is used: with 0.5, the default, 10 seconds
        become 5 to 10. Many clients that lost the same broker then do not come back all at once. 0: not at all.
    max_time: for how many seconds attempts are made, from the loss of the connection, or from the first attempt
        to make it; None, the default, for no end.

    ValueError for a number that is no time to wait. An iterator that goes on from where it was: `iter(backoff)` begins
    anew, and gives the delays without jitter.
    """

    def __init__(
        self,
        initial: float = 0.1,
        factor: float = 2.0,
        max_delay: float = 10.0,
        max_tries: Optional[int] = None,
        jitter: float = 0.5,
        max_time: Optional[float] = None,
    ) -> None:
        _check_numbers(initial=initial, factor=factor, max_delay=max_delay, jitter=jitter, max_time=max_time or 0)
        _check_numbers(max_tries=max_tries or 0)
        if initial < 0 or factor < 1 or max_delay < 0 or (max_tries is not None and max_tries < 0):
            raise ValueError("delays are not negative, and grow by a factor of at least 1")
        if not 0 <= jitter <= 1:
            raise ValueError("the jitter of delays is a part of them, from 0 to 1, not %r" % (jitter,))
        if max_time is not None and max_time < 0:
            raise ValueError("the time for all delays is not negative: %r" % (max_time,))
        self.initial = initial
        self.factor = factor
        self.max_delay = max_delay
        self.max_tries = max_tries
        self.jitter = jitter
        self.max_time = max_time

    def __iter__(self) -> Iterator[float]:
        return _Delays(self, None)

    def __repr__(self) -> str:
        return "Backoff(initial=%g, factor=%g, max_delay=%g, max_tries=%r, jitter=%g, max_time=%r)" % (
            self.initial,
            self.factor,
            self.max_delay,
            self.max_tries,
            self.jitter,
            self.max_time,
        )


class _Delays:
    """The delays of a Backoff, with jitter where `random` is given. No generator: each open connection keeps some."""

    __slots__ = ("_backoff", "_count", "_delay", "_random")

    def __init__(self, backoff: Backoff, random: Optional[Random]) -> None:
        self._backoff = backoff
        self._random = random
        self._count = 0
        self._delay = 0.0

    def __iter__(self) -> _Delays:
        return self

    def __next__(self) -> float:
        backoff, random, delay = self._backoff, self._random, self._delay
        if backoff.max_tries is not None and self._count >= backoff.max_tries:
            raise StopIteration
        self._delay = min(delay * backoff.factor if self._count else backoff.initial, backoff.max_delay)
        self._count += 1
        return delay if random is None else delay * (1 - backoff.jitter * random.random())


if TYPE_CHECKING:
    from random import Random

    class Delays(Protocol):
        """An object that gives delays, as the original takes it. `reset`, where it has that too, begins anew."""

        def next(self) -> Optional[float]: ...

    #: The values of `reconnect` of `Container.connect`.
    Reconnect = Union[None, bool, Backoff, Iterable[float], Delays]


def _check_numbers(**given: Any) -> None:
    for name, value in given.items():
        if not isinstance(value, int if name == "max_tries" else (int, float)) or value != value:
            raise ValueError("%s of a Backoff is a number, not %r" % (name, value))


#: That of all connections without one of their own.
_USUAL = Backoff()


def check_reconnect(reconnect: Reconnect) -> Reconnect:
    """The meaning of the argument `reconnect` of `Container.connect`: None, or something that gives delays.

    None, as True, is a Backoff. False is None. TypeError for an object that gives no delays, ValueError for seconds in
    a list that are none.
    """
    if reconnect is None or reconnect is True:
        return _USUAL
    if reconnect is False:
        return None
    if callable(getattr(reconnect, "next", None)):
        return reconnect
    if isinstance(reconnect, (list, tuple)):
        for delay in reconnect:
            if not isinstance(delay, (int, float)) or not delay >= 0:
                raise ValueError("reconnect is a list of seconds: %r among them is no time to wait" % (delay,))
    if isinstance(reconnect, Iterable) and not isinstance(reconnect, (str, bytes)):
        return reconnect
    raise TypeError("reconnect is False, True, a Backoff or a list of seconds, not %r" % (reconnect,))


def read_delays(reconnect: Reconnect, random: Random) -> Iterator[float]:
    """The delays, from the first, of a value that `check_reconnect` has let through.

    An object with `next()`, as the original takes it, is set back by its `reset()` if it has one; its `next()`
    gives seconds, None when there are no more. A Backoff is given its jitter by `random`.
    """
    if reconnect is None:
        return iter(())
    advance: Any = getattr(reconnect, "next", None)
    if callable(advance):
        if hasattr(reconnect, "reset"):
            reconnect.reset()
        return map(_checked_delay, iter(advance, None))
    if type(reconnect) is Backoff:
        return _Delays(reconnect, random if reconnect.jitter else None)
    if isinstance(reconnect, Backoff) and reconnect.jitter:  # one of the application's own
        jitter = reconnect.jitter
        return (delay * (1 - jitter * random.random()) for delay in reconnect)
    seconds: Any = reconnect
    return map(_checked_delay, seconds)


def _checked_delay(delay: Any) -> float:
    """ValueError when the application's own object gives no time to wait."""
    if isinstance(delay, bool) or not isinstance(delay, (int, float)) or not delay >= 0:
        raise ValueError("the delays of reconnect are seconds, or None for no more: %r is no time to wait" % (delay,))
    return delay
