"""What the processes of a benchmark do, written once for either library.

Each maker takes the names of a library (`tests.support.libraries`) and the options of the role, and returns a
handler to run. It says on `say` when it is ready (`started=True`) and what it measured (`report={...}`). What
runs per message does as little as an application can.
"""

from __future__ import annotations

import gc
import time
from types import SimpleNamespace
from typing import Any, Callable

from tests.benchmarks.crowd import consume, produce
from tests.benchmarks.minimal_broker import make as minimal_broker
from tests.benchmarks.process import memory
from tests.benchmarks.span import Span

ADDRESS = "benchmark"
Say = Callable[..., None]


def listener(api: SimpleNamespace, url: str, say: Say, prefetch: int) -> Any:
    """A handler that listens; what the listening roles have in common."""

    class Listener(api.MessagingHandler):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__(prefetch=prefetch)

        def on_start(self, event: Any) -> None:
            self.acceptor = event.container.listen(url)
            say(started=True)

        def on_connection_closing(self, event: Any) -> None:
            self.acceptor.close()

    return Listener


def receive(
    api: SimpleNamespace,
    url: str,
    say: Say,
    count: int,
    prefetch: int,
    listen: bool = True,
    size: int = 0,
    warm: int = 0,
) -> Any:
    """Takes `count` messages: as the peer that listens, or as the client of a broker. warm: of which so many, at the
    beginning, are not measured. size: others look at it; ours do not."""
    span = Span()

    class Receiver(listener(api, url, say, prefetch)):  # type: ignore[misc]
        received = 0

        def on_start(self, event: Any) -> None:
            if listen:
                super().on_start(event)
            else:
                connection = event.container.connect(url, reconnect=False)
                event.container.create_receiver(connection, ADDRESS)

        def on_link_opened(self, event: Any) -> None:
            if not listen:
                say(started=True)

        def on_message(self, event: Any) -> None:
            if self.received == warm:
                span.start()
            self.body = event.message.body  # an application looks at it
            self.received += 1
            if self.received == count:
                span.stop()
                say(report=span.report())
                if not listen:
                    event.connection.close()

        def on_connection_closing(self, event: Any) -> None:
            if listen:
                super().on_connection_closing(event)

    return Receiver()


def send(
    api: SimpleNamespace,
    url: str,
    say: Say,
    count: int,
    size: int,
    presettled: bool = False,
    durable: bool = False,
    one_by_one: bool = False,
    warm: int = 0,
) -> Any:
    """Sends `count` messages with a body of `size` bytes, and waits for the outcomes unless presettled. one_by_one: one
    in each `on_sendable`. warm: so many, or a few more, at the beginning are not measured."""
    span = Span()
    body: Any = "x" * size if size < 65536 else b"x" * size
    attributes = {"durable": True} if durable else {}

    class Sender(api.MessagingHandler):  # type: ignore[misc,name-defined]
        sent = confirmed = began = 0

        def on_start(self, event: Any) -> None:
            connection = event.container.connect(url, reconnect=False)
            options = api.AtMostOnce() if presettled else api.AtLeastOnce()
            event.container.create_sender(connection, ADDRESS, options=options)

        def on_link_opened(self, event: Any) -> None:
            say(started=True)

        def on_sendable(self, event: Any) -> None:
            sender = event.sender
            if self.sent >= warm and not span.first:
                self.began = self.sent
                span.start()
            while self.sent < count and sender.credit > 0:
                sender.send(api.Message(body, **attributes))
                self.sent += 1
                if one_by_one:
                    break
            if presettled and self.sent == count and not span.last:
                self.finish(event)

        def on_accepted(self, event: Any) -> None:
            self.confirmed += 1
            if self.confirmed == count:
                self.finish(event)

        def finish(self, event: Any) -> None:
            span.stop()
            say(report={**span.report(), "began": self.began})
            event.sender.close()
            event.connection.close()

    return Sender()


def pace(api: SimpleNamespace, url: str, say: Say, count: int, size: int, rate: float) -> Any:
    """Sends `count` messages, so many a second as far as it keeps up with that: one for each call of a timer."""
    span = Span()
    body = "x" * size

    class Pacer(api.MessagingHandler):  # type: ignore[misc,name-defined]
        sent = confirmed = 0

        def on_start(self, event: Any) -> None:
            connection = event.container.connect(url, reconnect=False)
            self.sender = event.container.create_sender(connection, ADDRESS)

        def on_link_opened(self, event: Any) -> None:
            say(started=True)
            span.start()
            event.container.schedule(0, self)

        def on_timer_task(self, event: Any) -> None:
            self.sender.send(api.Message(body))
            self.sent += 1
            if self.sent < count:
                left = span.first + self.sent / rate - time.monotonic()
                event.container.schedule(max(0.0, left), self)

        def on_accepted(self, event: Any) -> None:
            self.confirmed += 1
            if self.confirmed == count:
                span.stop()
                say(report=span.report())
                event.connection.close()

    return Pacer()


def feed(api: SimpleNamespace, url: str, say: Say, count: int, size: int) -> Any:
    """Listens, and sends `count` messages to the receiver that asks for them."""

    class Feeder(listener(api, url, say, prefetch=10)):  # type: ignore[misc]
        sent = 0

        def on_link_opening(self, event: Any) -> None:
            event.link.source.address = event.link.remote_source.address

        def on_sendable(self, event: Any) -> None:
            sender = event.sender
            while self.sent < count and sender.credit > 0:
                sender.send(api.Message("x" * size))
                self.sent += 1

    return Feeder()


def respond(api: SimpleNamespace, url: str, say: Say) -> Any:
    """Answers each request on the reply address that its sender asked for."""

    class Responder(listener(api, url, say, prefetch=10)):  # type: ignore[misc]
        def on_link_opening(self, event: Any) -> None:
            if event.link.is_sender:
                event.link.source.address = "replies"
                self.replies = event.link
            else:
                event.link.target.address = event.link.remote_target.address

        def on_message(self, event: Any) -> None:
            request = event.message
            reply = api.Message(request.body, address=request.reply_to, correlation_id=request.correlation_id)
            self.replies.send(reply)

        def on_connection_closing(self, event: Any) -> None:
            pass  # it stays, to be measured

    return Responder()


def request(api: SimpleNamespace, url: str, say: Say, count: int, size: int, warm: int = 0) -> Any:
    """Sends one request after the other, each when the reply to the one before has come; times each but the first
    `warm`."""
    body = "x" * size
    span = Span()

    class Requester(api.MessagingHandler):  # type: ignore[misc,name-defined]
        def on_start(self, event: Any) -> None:
            self.times: list[float] = []
            connection = event.container.connect(url, reconnect=False)
            self.sender = event.container.create_sender(connection, ADDRESS)
            self.receiver = event.container.create_receiver(connection, None, dynamic=True)

        def on_link_opened(self, event: Any) -> None:
            if event.receiver == self.receiver:
                say(started=True)
                self.ask()

        def ask(self) -> None:
            if len(self.times) == warm:
                span.start()
            self.asked = time.perf_counter()
            reply_to = self.receiver.remote_source.address
            self.sender.send(api.Message(body, reply_to=reply_to, correlation_id=len(self.times)))

        def on_message(self, event: Any) -> None:
            self.body = event.message.body
            self.times.append(time.perf_counter() - self.asked)
            if len(self.times) < count:
                self.ask()
            else:
                span.stop()
                times = sorted(self.times[warm:])
                p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
                say(report={**span.report(), "p50": p50, "p99": p99})
                event.connection.close()

    return Requester()


def hold(api: SimpleNamespace, url: str, say: Say) -> Any:
    """Takes connections with a link each, and keeps them until it is killed."""

    class Holder(listener(api, url, say, prefetch=10)):  # type: ignore[misc]
        def on_link_opening(self, event: Any) -> None:
            event.link.target.address = event.link.remote_target.address

        def on_connection_closing(self, event: Any) -> None:
            pass

        def on_transport_error(self, event: Any) -> None:
            pass  # the other process was ended, thousands of times, and that is how it ends

    return Holder()


def open_many(api: SimpleNamespace, url: str, say: Say, count: int) -> Any:
    """Opens one connection with a link, and then `count` more at once, and keeps them until it is killed.

    The first one pays for what is made once, so that the others show what a connection costs.
    """

    class Opener(api.MessagingHandler):  # type: ignore[misc,name-defined]
        opened = 0

        def open_one(self, container: Any) -> None:
            connection = container.connect(url, reconnect=False)
            container.create_sender(connection, ADDRESS)

        def on_start(self, event: Any) -> None:
            self.open_one(event.container)

        def on_link_opened(self, event: Any) -> None:
            self.opened += 1
            if self.opened == 1:
                self.before = settled_memory()
                self.began = time.monotonic()
                say(started=True)
                event.container.schedule(0, self)
            elif self.opened == count + 1:
                took = time.monotonic() - self.began
                say(report={"took": took, "bytes": settled_memory() - self.before})

        def on_timer_task(self, event: Any) -> None:
            for _ in range(count):
                self.open_one(event.container)

    return Opener()


def carry(api: SimpleNamespace, url: str, say: Say, address: str, backoff: Any) -> Any:
    """Sends a message every 20 ms and takes it back; says when one is accepted for the first time, and for the first
    time after each loss of the connection. backoff: the keywords of a Backoff; None for what the library does."""

    class Carrier(api.MessagingHandler):  # type: ignore[misc,name-defined]
        news = True
        waiting = False

        def on_start(self, event: Any) -> None:
            options = {} if backoff is None else {"reconnect": api.Backoff(**backoff)}
            connection = event.container.connect(url, **options)
            self.sender = event.container.create_sender(connection, address)
            event.container.create_receiver(connection, address)

        def on_sendable(self, event: Any) -> None:
            self.send()

        def send(self) -> None:
            if not self.waiting and self.sender.credit > 0:
                self.waiting = True
                self.sender.send(api.Message("x"))

        def on_timer_task(self, event: Any) -> None:
            self.send()

        def on_accepted(self, event: Any) -> None:
            if self.news:
                say(accepted=time.monotonic())
                self.news = False
            self.waiting = False
            event.container.schedule(0.02, self)

        def on_message(self, event: Any) -> None:
            self.body = event.message.body

        def on_transport_error(self, event: Any) -> None:
            self.news, self.waiting = True, False

        def on_in_doubt(self, event: Any) -> None:
            """What was under way when the broker was killed is not sent again: another one is."""

    return Carrier()


def settled_memory() -> int:
    """Resident bytes of this process without what the collector would take away."""
    gc.collect()
    return memory()


def minimal(api: SimpleNamespace, url: str, say: Say) -> Any:
    """The broker that either library can run."""
    return minimal_broker(api, url, started=lambda: say(started=True))


ROLES: dict[str, Callable[..., Any]] = {
    "receive": receive,
    "send": send,
    "respond": respond,
    "pace": pace,
    "feed": feed,
    "request": request,
    "hold": hold,
    "open_many": open_many,
    "carry": carry,
    "produce": produce,
    "consume": consume,
    "minimal_broker": minimal,
}
