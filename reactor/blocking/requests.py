"""SyncRequestResponse: requests over a blocking connection, each returned with its response."""

from __future__ import annotations

import threading
from typing import Any, Optional

from reactor.blocking.connection import BlockingConnection
from reactor.blocking.received import ReceivedMessage
from reactor.blocking.waits import Patience
from reactor.codec.message import Message
from reactor.container.explain.explainer import PATIENCE
from reactor.container.explain.sentences import Explanation
from reactor.errors import LinkException


class SyncRequestResponse:
    """Sends requests, and waits for the response to each. Several threads may call at once.

    connection: a BlockingConnection. address: of all requests; None: each has its own, `request.address`.

    Each request gets `reply_to`, a dynamic address of its own, and a `correlation_id`; the response is the message that
    comes with the same one. Others are settled and dropped.
    """

    correlation_id = 0

    def __init__(self, connection: BlockingConnection, address: Optional[str] = None) -> None:
        self.connection = connection
        self.address = address
        self.sender = connection.create_sender(address)
        self.receiver = connection.create_receiver(None, credit=10, dynamic=True)
        self.response: Optional[Message] = None
        self._lock = threading.Lock()
        self._responses: dict[Any, Optional[ReceivedMessage]] = {}

    @property
    def reply_to(self) -> str:
        """The address that responses come to."""
        address = self.receiver.address
        if address is None:
            raise LinkException("the peer has made no address for responses")
        return address

    def explain(self, patience: float = PATIENCE) -> Explanation:
        """Why no response comes; see `reactor.explain`."""
        return Explanation.of([*self.sender.explain(patience), *self.receiver.explain(patience)])

    def call(self, request: Any, timeout: Patience = False) -> Message:
        """Send `request`, and return its response.

        request: a Message, which gets `reply_to` and `correlation_id`, or the body of one.
        timeout: seconds; None: for ever; False (default): the connection's. Raises Timeout; ValueError for a request
        without an address where this has none; else as `BlockingSender.send`.
        """
        if not isinstance(request, Message):
            request = Message(request)
        if not self.address and not request.address:
            raise ValueError("the request has no address, and SyncRequestResponse was made without one")
        with self._lock:
            self.correlation_id += 1
            number = self.correlation_id
            self._responses[number] = None
        request.reply_to = self.reply_to
        request.correlation_id = number
        try:
            self.sender.send(request, timeout)
            name = "call(): waiting for the response from %r" % (self.address or request.address)
            self.connection.wait(lambda: self._look(number), timeout, name)
            response = self._responses[number]
        finally:
            del self._responses[number]
        assert response is not None
        self.response = response
        return response

    def _look(self, number: int) -> bool:
        """Whether the response is there. Takes all that have come, those to requests of other threads, too."""
        with self._lock:
            while self.receiver.available():
                message = self.receiver.receive()
                self.receiver.session.acknowledge(message, sync=False)
                if message.correlation_id in self._responses:
                    self._responses[message.correlation_id] = message
                    self.connection.changed()
        self.receiver.check("call()")
        return self._responses[number] is not None

    def close(self) -> None:
        """Close its links."""
        self.sender.close()
        self.receiver.close()
