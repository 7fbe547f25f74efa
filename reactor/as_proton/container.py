"""Container, with the methods that the original's has from its base Reactor: for programs that run it step by step.

    container.start()
    container.timeout = 0
    while container.process(): ...

runs it within a loop of another library; so does a handler in place of its `global_handler`, which foreign.py serves.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Optional, Union

from reactor import Acceptor, Connection, Event, EventType, Url
from reactor.as_proton.foreign import Foreign
from reactor.container.container import Container as _Container
from reactor.container.settings.connect import ConnectSettings
from reactor.loop.loggers import logger

log = logger(__name__)

Information = tuple[type[BaseException], BaseException, TracebackType]

#: The keywords of our Container, and the original's; others it passes over.
_KEYWORDS = ("container_id", "clock", "network", "random", "raise_errors", "busy_poll", "resend")


class _Dialer:
    """Connects the connections of `Reactor.connection()` when the program opens them."""

    def __init__(self, container: Reactor) -> None:
        self._container = weakref.ref(container)

    def on_connection_local_open(self, event: Any) -> None:
        """Called after the handlers of the program."""
        container = self._container()
        if container is not None:
            container.dial(event.connection)


class Reactor(_Container):
    """reactor.Container, and the rest of the original's: the base that programs reach by `super()`.

    global_handler: a handler in place of the one that reads, writes and waits: for a loop of another library. None for
        ours.
    Keywords that neither the original nor this library has are passed over, as there.
    """

    def __init__(self, *handlers: object, global_handler: Optional[object] = None, **keywords: Any) -> None:
        others = sorted(set(keywords).difference(_KEYWORDS))
        if others:
            log.info("Container() has no %s, and passes over that", ", ".join(others))
        self._yields = False
        self._foreign: Optional[Foreign] = None
        self._places: weakref.WeakKeyDictionary[Any, Optional[Url]] = weakref.WeakKeyDictionary()
        super().__init__(*handlers, **{name: keywords[name] for name in _KEYWORDS if name in keywords})
        super().global_handler.add(_Dialer(self))
        if global_handler is not None:
            self.global_handler = global_handler

    # -- connections by host and port --------------------------------------------------------------------

    def acceptor(self, host: Optional[str], port: Union[int, str], handler: Optional[object] = None) -> Acceptor:
        """Listen at a host (None or "": all addresses) and port; `handler` gets the events of connections that come
        in. OSError when that is not to be had."""
        return self.listen(_place(host, port), handler=handler)

    def connection(self, handler: Optional[object] = None) -> Connection:
        """A new Connection. When the program opens it, it is connected to the host and port of `set_connection_host`,
        or else to those in its `hostname`; and not made again."""
        connection = super().connection(handler)
        self._places[connection] = None
        return connection

    def connection_to_host(self, host: str, port: Union[int, str], handler: Optional[object] = None) -> Connection:
        """A connection to a host and port, which is made when the program opens it, and not made again."""
        connection = self.connection(handler)
        self.set_connection_host(connection, host, port)
        return connection

    def set_connection_host(self, connection: Connection, host: str, port: Union[int, str]) -> None:
        """Where `connection` goes when it is opened. ValueError when that is no host and port."""
        self.owner.check()
        self._places[connection] = Url(_place(host, port))

    def dial(self, connection: Connection) -> None:
        """Connect it, if it is one of `connection()` and has no wire: it was opened."""
        if connection not in self._places or connection.transport is not None:
            return
        place = self._places.pop(connection)
        given: defaultdict[str, Any] = defaultdict(lambda: None)
        hostname = connection.hostname
        given.update(url=place or hostname or "localhost", reconnect=False, virtual_host=hostname)
        given.update(user=connection.user, password=connection.secret, handler=connection.handler)
        connections = super().global_handler.handlers[0].connections  # type: ignore[attr-defined]  # SystemHandler
        connections.supervise(connection, ConnectSettings(given, self))
        connections.supervisor_of(connection).begin()

    @staticmethod
    def get_connection_address(connection: Connection) -> Optional[str]:
        """The address of the peer as ``amqp://host:port``; None of a connection without one."""
        return connection.connected_address

    # -- events, and a loop of another library -----------------------------------------------------------

    @property
    def global_handler(self) -> Any:
        """Sees every event, after the handlers. Another one takes its place: the container still reads and writes, and
        that handler has what it waits for watched, see foreign.py."""
        return super().global_handler if self._foreign is None else self._foreign.handler

    @global_handler.setter
    def global_handler(self, handler: object) -> None:
        self.owner.check()
        everything = super().global_handler
        if handler is everything:
            return
        if self._foreign is not None:
            everything.handlers.remove(self._foreign.handler)
            self._foreign.end()
        self._foreign = Foreign(self, handler)
        everything.add(handler)

    @property
    def timeout(self) -> Optional[float]:
        """How long one `process()` waits at most, in seconds; None for as long as nothing happens."""
        return 0 if self._yields else self._timeout

    @timeout.setter
    def timeout(self, seconds: Optional[float]) -> None:
        self._timeout = seconds

    def process(self) -> bool:
        """One turn, as in reactor.Container."""
        foreign = self._foreign
        try:
            return super().process() if foreign is None else self._process_for(foreign)
        finally:
            self._yields = False

    def _process_for(self, foreign: Foreign) -> bool:
        foreign.begin()
        was_quiet = self.quiesced and not self._yields
        if was_quiet:
            self.push_event(self, Event.REACTOR_QUIESCED)
        goes_on = super().process()  # which does not wait when there was an event
        if goes_on and was_quiet and self.quiesced and not self._yields:
            goes_on = super().process()  # no handler has asked for another turn: this one waits
        if goes_on:
            foreign.look()
        else:
            foreign.end()
        return goes_on

    def push_event(self, obj: Any, etype: EventType) -> None:
        """Queue an event about `obj`."""
        self.owner.check()
        self.collector.put(obj, etype)

    def stop_events(self) -> None:
        """Forget the events that are queued."""
        self.owner.check()
        self.collector.release()

    def yield_(self) -> None:
        """Let the present `process()`, or the next one, return without waiting."""
        self.owner.check()
        self._yields = True

    def timer_tick(self) -> None:
        """Dispatch the timers that are due, and the events that they bring about, without waiting."""
        self._yields = True
        self.process()

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
