"""A client that carries messages through a broker which is killed in the middle of that, and counts what it is told."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any, Protocol

from handlers import MessagingHandler
from reactor import Message
from tests.support.processes import DEADLINE, Script, unused_port


class Mortal(Protocol):
    """A broker in a process of its own."""

    url: str

    def kill(self) -> None:
        """End it at once."""

    def start(self) -> None:
        """Start it again, or begin to."""


class BrokerProcess:
    """`python -m handlers.broker` with these options, on a port of its own, which can be killed and started again."""

    def __init__(self, place: Path, *options: str, life: float = DEADLINE) -> None:
        self.place = place
        self.life = life
        self.url = f"amqp://127.0.0.1:{unused_port()}"
        self.options = options
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "handlers.broker", "--listen", self.url, *self.options]
        self.script = Script(command, self.place, self.life)
        self.script.wait_for("Listening on")

    def kill(self) -> None:
        self.script.process.kill()
        self.script.__exit__()

    def __enter__(self) -> BrokerProcess:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.kill()


class Carrier(MessagingHandler):
    """Sends `total` messages, a hundred at a time, and reads them back; has the broker killed after so many of them
    were accepted as `kills` says.

    sent: the deliveries, in order; the body of each message is its place there. ends: how often each had an end.
    told: how often each thing was said. received: how often each body came. reconnect: as of connect(); the delays
    grow while connections live shortly, which is dear where the broker is killed again and again.
    """

    def __init__(
        self,
        broker: Mortal,
        address: str,
        total: int,
        kills: list[int],
        resend: bool,
        reconnect: Any = True,
        **options: Any,
    ) -> None:
        super().__init__(**{"prefetch": 50, **options})
        self.reconnect = reconnect
        self.broker = broker
        self.address = address
        self.total = total
        self.kills = list(kills)
        self.resend = resend
        self.sent: list[Any] = []
        self.ends: Counter[Any] = Counter()
        self.told: Counter[str] = Counter()
        self.received: Counter[int] = Counter()

    def on_start(self, event: Any) -> None:
        self.connection = event.container.connect(self.broker.url, reconnect=self.reconnect)
        self.make_links(event.container)

    def make_links(self, container: Any) -> None:
        self.sender = container.create_sender(self.connection, self.address, resend=self.resend)
        self.receiver = container.create_receiver(self.connection, self.address)

    def on_sendable(self, event: Any) -> None:
        while event.sender.credit > 0 and event.sender.unsettled < 100 and len(self.sent) < self.total:
            self.sent.append(event.sender.send(Message(len(self.sent), durable=True)))

    def on_accepted(self, event: Any) -> None:
        self.told["accepted"] += 1
        self.end(event)

    def on_in_doubt(self, event: Any) -> None:
        self.told["in doubt"] += 1
        self.end(event)

    def end(self, event: Any) -> None:
        self.ends[event.delivery] += 1
        if self.kills and self.told["accepted"] >= self.kills[0] and self.may_kill():
            del self.kills[0]
            self.broker.kill()
            self.broker.start()
        self.close_when_done()

    def may_kill(self) -> bool:
        return True

    def close_when_done(self) -> None:
        if len(self.ends) == self.total:
            self.connection.close()

    def on_settled(self, event: Any) -> None:
        self.on_sendable(event)

    def on_message(self, event: Any) -> None:
        self.received[event.message.body] += 1

    def on_disconnected(self, event: Any) -> None:
        self.told["disconnected"] += 1

    def on_connection_reconnected(self, event: Any) -> None:
        self.told["reconnected"] += 1


class Faithful(Carrier):
    """A carrier that ends when each message was accepted and has come back."""

    def close_when_done(self) -> None:
        if len(self.ends) == len(self.received) == self.total:
            self.connection.close()

    def on_message(self, event: Any) -> None:
        super().on_message(event)
        self.close_when_done()
