"""The same minimal broker for either library: queues in memory, consumers served in turn, nothing else.

python-qpid-proton ships no broker, so that a comparison needs one that both can run. This one uses only what
the two libraries have in common, and does no more than a broker must: it accepts what arrives, keeps it until
a consumer has credit, and sends it on. It never takes a message back.
"""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any


class Queue:
    """Messages that wait, and the senders towards consumers that take turns."""

    def __init__(self) -> None:
        self.messages: deque[Any] = deque()
        self.consumers: deque[Any] = deque()

    def dispatch(self) -> None:
        """Send what waits for as long as somebody has credit."""
        idle = 0
        while self.messages and idle < len(self.consumers):
            consumer = self.consumers[0]
            self.consumers.rotate(-1)
            if consumer.credit > 0:
                consumer.send(self.messages.popleft())
                idle = 0
            else:
                idle += 1


def make(api: SimpleNamespace, url: str, prefetch: int = 100, started: Any = None) -> Any:
    """The handler of such a broker, listening on `url`; `started()` is called once it listens."""

    class MinimalBroker(api.MessagingHandler):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__(prefetch=prefetch)
            self.queues: dict[str, Queue] = {}
            self.dynamic = 0

        def queue(self, address: str) -> Queue:
            return self.queues.setdefault(address, Queue())

        def on_start(self, event: Any) -> None:
            self.acceptor = event.container.listen(url)
            if started is not None:
                started()

        def on_link_opening(self, event: Any) -> None:
            link = event.link
            if link.is_receiver:
                link.target.address = link.remote_target.address
                return
            if link.remote_source.dynamic:
                self.dynamic += 1
                link.source.dynamic = True
                link.source.address = "dynamic-%d" % self.dynamic
            else:
                link.source.address = link.remote_source.address
            self.queue(link.source.address).consumers.append(link)

        def on_message(self, event: Any) -> None:
            # A sender without a target names the queue in each message.
            queue = self.queue(event.receiver.target.address or event.message.address)
            queue.messages.append(event.message)
            queue.dispatch()

        def on_sendable(self, event: Any) -> None:
            self.queue(event.sender.source.address).dispatch()

        def leave(self, link: Any) -> None:
            consumers = self.queue(link.source.address).consumers
            if link in consumers:
                consumers.remove(link)

        def on_link_closing(self, event: Any) -> None:
            if event.link.is_sender:
                self.leave(event.link)

        def on_connection_closing(self, event: Any) -> None:
            self.forget(event.connection)

        def on_disconnected(self, event: Any) -> None:
            self.forget(event.connection)

        def on_transport_error(self, event: Any) -> None:
            pass  # a client that has gone is no concern of a broker

        def forget(self, connection: Any) -> None:
            for queue in self.queues.values():
                queue.consumers = deque(link for link in queue.consumers if link.connection != connection)

    return MinimalBroker()
