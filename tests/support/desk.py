"""A client's place at a broker of another process: a container with the real clock that is run as far as a test needs.

What the broker does takes as long as it takes; LIMIT only ends what would never end, and says what was seen until then.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Optional

from reactor import Container, Message
from tests.support.stage import Witness

#: Seconds for what happens at once where nothing else runs.
LIMIT = 60.0


class Client(Witness):
    """Tells what it sees, and goes on after errors of sessions and links. A test says what it does besides."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            on_session_error=lambda event: None,
            on_link_error=lambda event: None,
            on_message=lambda event: self.judge(event),
            on_sendable=lambda event: self.sendable(event),
            **options,
        )
        self.judge: Callable[[Any], Any] = lambda event: None
        self.sendable: Callable[[Any], Any] = lambda event: None


class Desk:
    """A container with a Client and one connection, which does not come back. As a context manager it closes that.

    wellness: the address of a queue that is there, for `is_well`.
    """

    def __init__(self, url: str, wellness: str = "/queue/wellness", **options: Any) -> None:
        self.url = url
        self.wellness = wellness
        self.client = Client()
        self.container = Container(self.client)
        self.connection = self.container.connect(url, **{"reconnect": False, **options})

    def turn(self) -> None:
        """One turn, which waits for what comes, but not long."""
        self.container.do_work(0.2)

    def until(self, *wanted: Any) -> None:
        """Run until each of `wanted`: pairs of a method's name and how often it was called, or a condition."""
        deadline = time.monotonic() + LIMIT
        while not self._has(wanted):
            assert time.monotonic() < deadline, f"{wanted} did not come in {LIMIT:g} s, but {self.client.told[-50:]}"
            self.turn()

    def _has(self, wanted: tuple[Any, ...]) -> bool:
        if callable(wanted[0]):
            return bool(wanted[0]())
        return all(self.client.count(name) >= count for name, count in zip(wanted[::2], wanted[1::2]))

    def sends_and_receives(self, address: str, session: Optional[Any] = None) -> None:
        """One message there and back, over links of its own."""
        context = self.connection if session is None else session
        before = self.client.count("on_message"), self.client.count("on_accepted")
        sender = self.container.create_sender(context, address)
        sender.send(Message("are you well?"))
        receiver = self.container.create_receiver(context, address)
        self.until("on_message", before[0] + 1, "on_accepted", before[1] + 1)
        assert self.client.last("on_message").message.body == "are you well?"
        for link in (sender, receiver):
            link.close()

    def is_well(self) -> None:
        """The first connection is still of use, whatever has happened on it."""
        self.sends_and_receives(self.wellness, self.container.create_session(self.connection))

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, exc_type: Any, *exc: Any) -> None:
        if exc_type is None and self.client.count("on_connection_opened"):
            self.connection.close()
            self.until("on_connection_closed", 1)
        self.container.stop()
        self.container.run()
