"""Backoff: how long to wait before a connection is tried again, and again.

Connectors and applications enter; it knows no clock, and waits for nobody.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Optional, Union

Reconnect = Union[None, bool, Iterable[float], Any]


class Backoff:
    """Delays that grow: 0, then `initial`, each `factor` times the one before, up to `max_delay`.

    initial: seconds, 0.1 by default. factor: 2. max_delay: seconds, 10. max_tries: how many delays there are;
        None, the default, for no end. ValueError for what cannot be waited for.

    An iterator that goes on from where it was: `iter(backoff)` begins anew.
    """

    def __init__(
        self,
        initial: float = 0.1,
        factor: float = 2.0,
        max_delay: float = 10.0,
        max_tries: Optional[int] = None,
    ) -> None:
        if initial < 0 or factor < 1 or max_delay < 0 or (max_tries is not None and max_tries < 0):
            raise ValueError("delays are not negative, and grow by a factor of at least 1")
        self.initial = initial
        self.factor = factor
        self.max_delay = max_delay
        self.max_tries = max_tries

    def __iter__(self) -> Iterator[float]:
        return itertools.islice(self._delays(), self.max_tries)

    def _delays(self) -> Iterator[float]:
        yield 0.0
        delay = self.initial
        while True:
            yield min(delay, self.max_delay)
            delay = min(delay * self.factor, self.max_delay)

    def __repr__(self) -> str:
        return "Backoff(initial=%g, factor=%g, max_delay=%g, max_tries=%r)" % (
            self.initial,
            self.factor,
            self.max_delay,
            self.max_tries,
        )


def read_delays(reconnect: Reconnect) -> Iterator[float]:
    """The delays, from the first, that the argument `reconnect` of `Container.connect` stands for.

    None and False: none. True: those of a Backoff. An iterable of seconds; or an object with `next()`, and
    perhaps `reset()`, as the original takes it. TypeError for anything else, ValueError for seconds that are none.
    """
    if reconnect is None or reconnect is False:
        return iter(())
    if reconnect is True:
        return iter(Backoff())
    advance: Any = getattr(reconnect, "next", None)
    if callable(advance):
        if hasattr(reconnect, "reset"):
            reconnect.reset()
        return iter(advance, None)
    if isinstance(reconnect, (list, tuple)):
        for delay in reconnect:
            if not isinstance(delay, (int, float)) or not delay >= 0:
                raise ValueError("reconnect is a list of seconds: %r among them is no time to wait" % (delay,))
    if isinstance(reconnect, Iterable) and not isinstance(reconnect, (str, bytes)):
        return iter(reconnect)
    raise TypeError("reconnect is False, True, a Backoff or a list of seconds, not %r" % (reconnect,))
