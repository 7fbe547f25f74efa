"""A stage for containers: a server and a client on one network in memory, in one thread and out of time.

What a test sets up are two handlers; what it asserts is what each of them was told, and what the client's wire
carried.
"""

from __future__ import annotations

import random
from typing import Any, Callable, Optional

from handlers import MessagingHandler
from reactor import Container
from reactor.simulation import MemoryNetwork, Stepper

#: What an application can be told, without the engine's own events.
CALLBACKS = [
    "on_%s_%s" % (kind, what)
    for kind in ("connection", "session", "link")
    for what in ("opening", "opened", "closing", "closed", "error")
] + [
    "on_start",
    "on_message",
    "on_sendable",
    "on_accepted",
    "on_rejected",
    "on_released",
    "on_settled",
    "on_delivery_updated",
    "on_aborted",
    "on_in_doubt",
    "on_decode_error",
    "on_transport_error",
    "on_transport_head_closed",
    "on_transport_tail_closed",
    "on_transport_closed",
    "on_disconnected",
    "on_connection_reconnected",
    "on_timer_task",
]


class Witness(MessagingHandler):
    """A MessagingHandler that writes down what it is told, in `told`, before it does what the base does.

    methods: what it does besides, by name: called with the event instead of the base's method.
    """

    def __init__(self, prefetch: int = 10, auto_accept: bool = True, **options: Any) -> None:
        methods = {name: options.pop(name) for name in list(options) if name.startswith("on_")}
        super().__init__(prefetch, auto_accept, **options)
        self.told: list[str] = []
        self.events: dict[str, list[Any]] = {}
        for name in CALLBACKS:
            setattr(self, name, self._witness(name, methods.get(name, getattr(super(), name, None))))

    def _witness(self, name: str, then: Optional[Callable[[Any], None]]) -> Callable[[Any], None]:
        def tell(event: Any) -> None:
            self.told.append(name)
            self.events.setdefault(name, []).append(event)
            if then is not None:
                then(event)

        return tell

    def count(self, name: str) -> int:
        """How often it was told of something."""
        return self.told.count(name)

    def last(self, name: str) -> Any:
        """The last event of a kind."""
        return self.events[name][-1]


class Stage:
    """A server that listens at `url`, and containers that can be run against it.

    server: the handler of the server; everything is opened with what the client asks for.
    """

    url = "amqp://server:5672"

    def __init__(self, server: Any = None, chunk: Optional[int] = None) -> None:
        self.network = MemoryNetwork(chunk=chunk)
        self.clock = self.network.clock
        self.server = Witness() if server is None else server
        self.stepper = Stepper(self.network)
        self.host = self.container(self.server)
        self.acceptor = self.host.listen(self.url)

    def container(self, *handlers: Any, **options: Any) -> Container:
        """A container on this stage."""
        source = random.Random(len(self.network.nodes))
        node = self.network.node()
        container = Container(*handlers, clock=self.clock, network=node, random=source, **options)
        self.stepper.add(container)
        return container

    def run(self, until: Optional[Callable[[], object]] = None) -> None:
        """Let everything happen, until `until()` or until everybody waits for ever."""
        if until is not None:
            self.stepper.run(until)
        else:
            self.stepper.run(self._quiet)

    def _quiet(self) -> bool:
        return self.stepper.rounds > 0 and self.stepper.round() is not None

    def finish(self) -> None:
        """Stop listening and run to the end: nothing may be left."""
        self.acceptor.close()
        self.stepper.run()

    def connect(self, handler: Any = None, reconnect: Any = False, **options: Any) -> tuple[Container, Any]:
        """A client with this handler, and its open connection to the server, which stays lost when it is lost."""
        container = self.container() if handler is None else self.container(handler)
        connection = container.connect(self.url, reconnect=reconnect, **options)
        self.run()
        return container, connection

    def leave(self) -> None:
        """The server goes away: its wires break, and nobody is let in."""
        self.acceptor.close()
        self.cut()

    def come_back(self) -> None:
        """The server listens again."""
        self.acceptor = self.host.listen(self.url)
        if self.host not in self.stepper.containers:  # it had nothing left to do
            self.stepper.add(self.host)

    def cut(self) -> None:
        """Every wire breaks."""
        for wire in list(self.network.wires):
            wire.reset()
