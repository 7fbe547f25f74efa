"""Senders and receivers of a broker, one or many of each, over a connection each: roles of a benchmark (roles.py).

The messages are divided among them. A span begins with the first message of all and ends with the last.
"""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, Callable

from tests.benchmarks.span import Span

Say = Callable[..., None]


def produce(
    api: SimpleNamespace,
    url: str,
    say: Say,
    count: int,
    size: int,
    addresses: list[str],
    links: int = 1,
    durable: bool = False,
    window: int = 0,
) -> Any:
    """Sends `count` messages with a body of `size` bytes over so many links, and waits for their outcomes.

    window: how many of a link may be without an outcome; 0: as many as it has credit for.
    """
    span = Span()
    body: Any = "x" * size if size < 65536 else b"x" * size
    attributes = {"durable": True} if durable else {}
    share = count // links

    class Producer(api.MessagingHandler):  # type: ignore[misc,name-defined]
        confirmed = 0

        def on_start(self, event: Any) -> None:
            self.sent: Counter[Any] = Counter()
            self.outstanding: Counter[Any] = Counter()
            for number in range(links):
                connection = event.container.connect(url, reconnect=False)
                event.container.create_sender(connection, addresses[number % len(addresses)])

        def on_sendable(self, event: Any) -> None:
            if not span.first:
                span.start()
            self.go_on(event.sender)

        def go_on(self, sender: Any) -> None:
            while self.sent[sender] < share and sender.credit > 0 and (not window or self.outstanding[sender] < window):
                self.sent[sender] += 1
                self.outstanding[sender] += 1
                sender.send(api.Message(body, **attributes))

        def on_accepted(self, event: Any) -> None:
            sender = event.sender
            self.confirmed += 1
            self.outstanding[sender] -= 1
            if self.confirmed == share * links:
                span.stop()
                say(report=span.report())
            if self.sent[sender] == share and not self.outstanding[sender]:
                event.connection.close()
            else:
                self.go_on(sender)

    return Producer()


def consume(
    api: SimpleNamespace, url: str, say: Say, count: int, addresses: list[str], prefetch: int, links: int = 1
) -> Any:
    """Takes `count` messages over so many links."""
    span = Span()

    class Consumer(api.MessagingHandler):  # type: ignore[misc,name-defined]
        opened = received = 0

        def __init__(self) -> None:
            super().__init__(prefetch=prefetch)

        def on_start(self, event: Any) -> None:
            self.connections = []
            for number in range(links):
                connection = event.container.connect(url, reconnect=False)
                event.container.create_receiver(connection, addresses[number % len(addresses)])
                self.connections.append(connection)

        def on_link_opened(self, event: Any) -> None:
            self.opened += 1
            if self.opened == links:
                say(started=True)

        def on_message(self, event: Any) -> None:
            if self.received == 0:
                span.start()
            self.body = event.message.body  # an application looks at it
            self.received += 1
            if self.received == count:
                span.stop()
                say(report=span.report())
                for connection in self.connections:
                    connection.close()

    return Consumer()
