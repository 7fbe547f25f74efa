"""Container, with the methods that the original's has from its base Reactor: for programs that run it step by step.

    container.start()
    container.timeout = 0
    while container.process(): ...

runs it within a loop of another library. It reads and writes by itself: handlers can be added to its
`global_handler`, and none takes its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Optional, Union

import reactor
from reactor import Acceptor, Connection, EventType, Url

Information = tuple[type[BaseException], BaseException, TracebackType]


class Reactor(reactor.Container):
    """reactor.Container, and the rest of the original's: the base that programs reach by `super()`."""

    def acceptor(self, host: Optional[str], port: Union[int, str], handler: Optional[object] = None) -> Acceptor:
        """Listen at a host (None or "": all addresses) and port; `handler` gets the events of connections that come
        in. OSError when that is not to be had."""
        return self.listen(_place(host, port), handler=handler)

    def connection_to_host(self, host: str, port: Union[int, str], handler: Optional[object] = None) -> Connection:
        """A connection to a host and port, which is opened as soon as the container runs, and not made again."""
        return self.connect(_place(host, port), handler=handler, reconnect=False)

    @staticmethod
    def get_connection_address(connection: Connection) -> Optional[str]:
        """The address of the peer as ``amqp://host:port``; None of a connection without one."""
        return connection.connected_address

    def push_event(self, obj: Any, etype: EventType) -> None:
        """Queue an event about `obj`."""
        self.owner.check()
        self.collector.put(obj, etype)

    def stop_events(self) -> None:
        """Forget the events that are queued."""
        self.owner.check()
        self.collector.release()

    def yield_(self) -> None:
        """Let the present `process()` return without waiting."""
        self.wakeup()

    def timer_tick(self) -> None:
        """Dispatch the timers that are due, and the events that they bring about, without waiting."""
        timeout, self.timeout = self.timeout, 0
        try:
            self.process()
        finally:
            self.timeout = timeout

    @property
    def timer_deadline(self) -> Optional[float]:
        """When the next timer is due, in the seconds of `now`; None when there is none."""
        return self.loop.timers.deadline()

    def on_error(self, info: Information) -> None:
        """An exception of a handler, as `Handler.add(..., on_error)` takes it: it leaves `run()`."""
        raise info[1].with_traceback(info[2])


class Container(Reactor):
    """The Container of these programs."""


class Urls:
    """Several addresses, in the order in which they are tried: an iterable of Url."""

    def __init__(self, values: Iterable[Union[Url, str]]) -> None:
        self.values = [Url(value) for value in values]

    def __iter__(self) -> Iterator[Url]:
        return iter(self.values)


def _place(host: Optional[str], port: Union[int, str]) -> str:
    return "amqp://%s:%s" % ("[%s]" % host if ":" in (host or "") else host or "", port)
