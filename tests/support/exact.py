"""Programs that send and take messages exactly once, and note in the store of their link how far they have come."""

from __future__ import annotations

from typing import Any

from handlers import MessagingHandler
from reactor import Backoff, ExactlyOnce, Message

#: Soon enough for worlds that are cut again and again.
SOON = Backoff(max_delay=0.2)


class Program(MessagingHandler):
    """Connects for as long as it runs. store: of its link, from which it goes on after a crash."""

    def __init__(self, url: str, *, store: Any, durable: bool = True, **options: Any) -> None:
        super().__init__(**options)
        store.roll_back()  # a crash has forgotten it
        self.url = url
        self.store = store
        self.durable = durable
        self.told: list[str] = []

    def on_start(self, event: Any) -> None:
        self.connection = event.container.connect(self.url, reconnect=SOON)
        self.attach(event.container)

    def attach(self, container: Any) -> None:
        raise NotImplementedError

    def note(self, name: str) -> int:
        """What a count has come to; 0 before it began."""
        return int(self.store.noted(name) or 0)

    def on_link_error(self, event: Any) -> None:
        self.told.append(event.link.remote_condition.text)

    def on_in_doubt(self, event: Any) -> None:
        self.told.append("in doubt")

    def on_transport_error(self, event: Any) -> None:
        pass


class Giver(Program):
    """Sends the numbers below `count`."""

    def __init__(self, url: str, count: int, **options: Any) -> None:
        super().__init__(url, **options)
        self.count = count

    def attach(self, container: Any) -> None:
        self.sender = container.create_sender(self.connection, "jobs", name="giver", options=ExactlyOnce(self.store))

    def on_sendable(self, event: Any) -> None:
        number = self.note("next")
        while event.sender.credit and number < self.count:
            event.sender.send(Message(number, durable=self.durable))
            number += 1
            self.store.note("next", str(number))

    def on_accepted(self, event: Any) -> None:
        self.store.note("accepted", str(self.note("accepted") + 1))


class Taker(Program):
    """Counts how often each body has come."""

    timeout: Any = None

    def attach(self, container: Any) -> None:
        options = ExactlyOnce(self.store, timeout=self.timeout)
        self.receiver = container.create_receiver(self.connection, "jobs", name="taker", options=options)

    def on_message(self, event: Any) -> None:
        name = "body %s" % event.message.body
        self.store.note(name, str(self.note(name) + 1))

    def counts(self, count: int) -> list[int]:
        """How often each body below `count` has come."""
        return [self.note("body %d" % number) for number in range(count)]
