"""Two engines joined by bytes: what one has to say goes to the other, whole or in pieces of any size."""

from __future__ import annotations

from typing import Any, Callable, Optional

from reactor.codec.message import Message
from reactor.engine.endpoints.connection import Connection
from reactor.engine.endpoints.delivery import Delivery
from reactor.engine.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_UNINIT, REMOTE_CLOSED
from reactor.engine.events import Collector, Event
from reactor.engine.wire.transport import Transport
from tests.support.frames import Frame, read

#: How many bytes are handed over at a time: every scenario runs with each of these.
PIECES = [None, 1, 7]


class Side:
    """A transport, its connection, and the events it has told of."""

    def __init__(self, mode: int, container: str) -> None:
        self.collector = Collector()
        self.connection = Connection()
        self.connection.container = container
        self.connection.collect(self.collector)
        self.transport = Transport(mode)
        self.seen: list[Event] = []
        self.polite = False  # open and close whatever the peer opens and closes

    def bind(self) -> None:
        self.transport.bind(self.connection)

    def take(self) -> list[Event]:
        """All events since the last call."""
        events = []
        while self.collector.events:
            events.append(self.collector.peek())
            self.collector.pop()
        self.seen += events
        if self.polite:
            for event in events:
                self._answer(event)
        return events

    def _answer(self, event: Event) -> None:
        context = event.context
        if event.type.name.endswith("_remote_open") and context.state & LOCAL_UNINIT:
            if event.link is not None:
                context.source.copy(context.remote_source)
                context.target.copy(context.remote_target)
            context.open()
        elif event.type.name.endswith(("_remote_close", "_remote_detach")):
            context.close()

    def names(self) -> list[str]:
        return [event.type.name for event in self.seen]

    def of(self, etype: Any) -> list[Any]:
        """The contexts of all events of a type so far."""
        self.take()
        return [event.context for event in self.seen if event.type is etype]

    def count(self, etype: Any) -> int:
        return len(self.of(etype))


class Pair:
    """A client and a server. `piece` is how many bytes are handed over at a time; None for all."""

    def __init__(self, piece: Optional[int] = None, polite: bool = True, bind: bool = True) -> None:
        self.client = Side(Transport.CLIENT, "client")
        self.server = Side(Transport.SERVER, "server")
        self.piece = piece
        self.client.polite = self.server.polite = polite
        self.sent = {"client": bytearray(), "server": bytearray()}
        self._read = {"client": 0, "server": 0}
        if bind:
            self.client.bind()
            self.server.bind()

    def move(self, source: Side, target: Side, name: str) -> bool:
        transport = source.transport
        size = transport.pending()
        if size < 0:
            if target.transport.capacity() >= 0:
                target.transport.close_tail()
                return True
            return False
        if size == 0:
            return False
        data = bytes(transport.output)
        transport.pop(len(data))
        self.sent[name] += data
        step = self.piece or len(data)
        for start in range(0, len(data), step):
            target.transport.receive(data[start : start + step])
            target.transport.pending()
        return True

    def pump(self, rounds: int = 2000) -> None:
        """Until both are quiet."""
        for _ in range(rounds):
            moved = self.move(self.client, self.server, "client")
            moved = self.move(self.server, self.client, "server") or moved
            events = self.client.take() + self.server.take()
            if not moved and not events:
                return
        raise AssertionError("the two engines do not come to rest")

    def open(self) -> Pair:
        self.client.connection.open()
        self.pump()
        return self

    def link(self, name: str = "link", sender: bool = True, setup: Optional[Callable[[Any], None]] = None) -> Any:
        """Open a session and a link in it from the client; returns (its end, the server's end)."""
        if not self.client.connection.state & LOCAL_ACTIVE:
            self.open()
        session = self.client.connection.session_head(0)
        if session is None or session.state & REMOTE_CLOSED:
            session = self.client.connection.session()
            session.open()
        return self.link_in(session, name, sender, setup)

    def link_in(
        self, session: Any, name: str = "link", sender: bool = True, setup: Optional[Callable[[Any], None]] = None
    ) -> Any:
        """Open a link in a session of the client; returns (its end, the server's end)."""
        link = session.sender(name) if sender else session.receiver(name)
        link.target.address = link.source.address = "q"
        if setup is not None:
            setup(link)
        link.open()
        self.pump()
        other = next(o for o in self.server.of(Event.LINK_INIT)[::-1] if o.name == name and o.is_sender != sender)
        return link, other

    def way(self, forth: bool, credit: int = 0, setup: Optional[Callable[[Any], None]] = None) -> tuple[Any, Any]:
        """(sender, receiver) with credit: the client sends (`forth`) or receives; `setup` is for its own end."""
        near, far = self.link("forth" if forth else "back", forth, setup)
        sender, receiver = (near, far) if forth else (far, near)
        if credit:
            receiver.flow(credit)
            self.pump()
        return sender, receiver

    def said(self, name: str) -> list[Frame]:
        """The frames that one side ("client" or "server") has written since this was last asked."""
        data = bytes(self.sent[name][self._read[name] :])
        self._read[name] += len(data)
        return read(data)

    def side(self, endpoint: Any) -> Side:
        return self.client if endpoint.connection is self.client.connection else self.server


def received(receiver: Any) -> list[tuple[Delivery, bytes]]:
    """All complete deliveries at the front of a receiver, taken out, with their bytes."""
    taken = []
    while receiver.current is not None and not receiver.current.partial:
        delivery = receiver.current
        taken.append((delivery, delivery.take()))
    return taken


def bodies(receiver: Any) -> list[Any]:
    return [Message.from_bytes(data).body for _, data in received(receiver)]
