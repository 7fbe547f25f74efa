"""Requests to a node, such as `$cbs` or `$management`, and their replies, over a pair of links.

A request is a message to the node with a `reply-to`, and its reply has the request's message-id as correlation-id [1,
"AMQP management"]. It knows links and messages, and no operation.

[1] https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-amqp-protocol-guide
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Callable, Optional, Protocol

from reactor.codec.message import Message
from reactor.container.links import random_uuid
from reactor.container.reconnect.backoff import Backoff, read_delays
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.disposition import ACCEPTED, REJECTED
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.public import Connection, Delivery, Receiver, Sender
from reactor.errors import DECODE_ERROR, NOT_FOUND, DecodeError
from reactor.loop.loop import Loop
from reactor.loop.timers import Timer
from reactor.reasons import passes
from reactor.shown import shown

#: Credit for replies: as many requests may be under way before the next flow.
CREDIT = 100
#: Seconds between two attaches at most, and those after which links that stood were worth the waiting before them.
LONGEST = 10.0


class Reply:
    """The answer to a request.

    status: as in HTTP; 0 when the request itself has failed. condition: the name of an error, where there is one.
    message: as it came; None when there is none.
    """

    __slots__ = ("status", "description", "condition", "message")

    def __init__(self, status: int, description: str, condition: str = "", message: Optional[Message] = None) -> None:
        self.status = status
        self.description = description
        self.condition = condition
        self.message = message

    @property
    def text(self) -> str:
        """All of it in one line."""
        parts = [str(self.status) if self.status else "", self.condition, self.description]
        return " ".join(shown(part) for part in parts if part)

    def without(self, hide: Callable[[str], str]) -> Reply:
        """The same, its words by way of `hide`: a secret is found in them as they came, and not when they are cut off,
        or written in another way."""
        return Reply(self.status, hide(self.description), hide(self.condition), self.message)


class Owner(Protocol):
    """The user of the links."""

    def ready(self) -> None:
        """The peer has attached both links."""

    def interrupted(self) -> None:
        """The links have gone, and come back; requests without a reply have none."""

    def refused(self, condition: Condition) -> None:
        """The peer has no such node, or has taken it away."""


class RequestLinks:
    """The two links, in a session of their own; and the handler of all three.

    node: the address of the node. name: the beginning of the names of the links; None for that address.
    """

    def __init__(
        self, connection: Connection, node: str, loop: Loop, random: Random, owner: Owner, name: Optional[str] = None
    ) -> None:
        self.node = node
        self._name = node if name is None else name
        self._owner = owner
        self._connection = connection
        self._loop = loop
        self._random = random
        self._delays: Optional[Iterator[float]] = None  # of attaches; None: the next one is made at once
        self._again: Optional[Timer] = None
        self._ready_at: Optional[float] = None  # since when both stand
        self._made = 0
        self._attached: set[Any] = set()  # the handlers have seen their answers, since they have gone last
        self._waiting: dict[str, tuple[Delivery, Callable[[Reply], None]]] = {}  # by the id of the request
        self._attach()

    def _attach(self) -> None:
        here = self._here = random_uuid(self._random)
        self.session = self._connection.session()
        self.session.handler = self
        self.session.open()
        # A name in each direction: not every peer tells them apart.
        self.sender: Sender = self.session.sender("%s-%s-requests" % (self._name, here))
        self.sender.target.address, self.sender.source.address = self.node, here
        self.sender.until_close = True
        self.receiver: Receiver = self.session.receiver("%s-%s-replies" % (self._name, here))
        self.receiver.source.address, self.receiver.target.address = self.node, here
        self.receiver.prefetch = CREDIT
        for link in (self.sender, self.receiver):
            link.handler = self
            link.open()

    @property
    def is_ready(self) -> bool:
        """Whether the peer has attached both, and has not closed the connection since: no handler may know yet."""
        there = all(link.state & Endpoint.REMOTE_ACTIVE for link in (self.sender, self.receiver))
        over = (self.session.state | self._connection.state) & Endpoint.REMOTE_CLOSED
        return there and not over and len(self._attached) == 2

    def request(self, request: Message, done: Callable[[Reply], None]) -> str:
        """Send a request; `done` is called with the reply, unless `forget` or `drop` comes first. Its id, which is
        returned, and its reply-to are set here."""
        self._made += 1
        number = str(self._made)
        request.id, request.reply_to = number, self._here
        delivery = self.sender.send(request)
        delivery.context = number
        self._waiting[number] = delivery, done
        return number

    def drop(self, number: str) -> None:
        """The reply to that request is not waited for any more. `done` is let go, with the token that it may hold: a
        peer that answers nothing would have us keep them all. A request that has not left is taken back: it would leave
        with the next credit, and have an effect that nothing here knows of."""
        delivery, _ = self._waiting.pop(number, (None, None))
        if delivery is not None:
            delivery.abort()

    def forget(self) -> None:
        """No reply will come any more to the requests that were made; those that have not left never will."""
        for number in list(self._waiting):
            self.drop(number)

    def close(self) -> None:
        """End the session, with the links."""
        self.stop()
        if self.session.state & Endpoint.LOCAL_ACTIVE:
            self.session.close()

    def stop(self) -> None:
        """Do not attach again."""
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def _attach_again(self) -> None:
        """At once, and later where that was of no use: a peer that attaches the links and detaches them, time and
        again, would else be asked in a circle. An attach proves nothing, but a reply does, and so does time."""
        if self._ready_at is not None and self._loop.now - self._ready_at > LONGEST:
            self._delays = None
        if self._delays is None:
            self._delays = read_delays(Backoff(initial=1, max_delay=LONGEST), self._random)
        self._attached.clear()
        self._ready_at = None
        delay = next(self._delays)
        if delay > 0:
            self._again = self._loop.schedule(delay, self._attach_late)
        else:
            self._attach()

    def _attach_late(self) -> None:
        self._again = None
        if not self._connection.state & Endpoint.REMOTE_CLOSED:  # our own close may wait for messages, and they for it
            self._attach()

    # -- events ------------------------------------------------------------------------------------------

    def on_link_remote_open(self, event: Any) -> None:
        if event.link in self._attached:  # over another wire
            self._attached.clear()
            self.forget()
            self._owner.interrupted()
        self._attached.add(event.link)
        if len(self._attached) == 2:
            self._ready_at = self._loop.now
            self._owner.ready()

    def on_link_remote_close(self, event: Any) -> None:
        self._ended(event, event.link)

    on_link_remote_detach = on_link_remote_close

    def on_session_remote_close(self, event: Any) -> None:
        self._ended(event, event.session)

    def _ended(self, event: Any, endpoint: Any) -> None:
        if endpoint not in (self.session, self.sender, self.receiver):
            return  # others have taken its place
        if not (endpoint.state & self.session.state & Endpoint.LOCAL_ACTIVE):
            return
        self.forget()
        self._attached = set() if endpoint is self.session else self._attached - {endpoint}
        if event.container.will_retry(endpoint) or endpoint.connection.state & Endpoint.REMOTE_CLOSED:
            self._owner.interrupted()
            return
        if passes(endpoint.remote_condition):
            # As Azure does after ten minutes without a request, also where the connection is not made again.
            self.close()
            self._attach_again()
            self._owner.interrupted()
            return
        none = Condition(NOT_FOUND, "the peer has closed it, and gave no reason")
        self._owner.refused(endpoint.remote_condition or none)
        self.close()

    def on_delivery(self, event: Any) -> None:
        delivery = event.context
        if delivery.link.is_sender:
            self._sent(delivery)
        elif delivery.payload is not None and not delivery.partial and not delivery.aborted:
            self._received(delivery)

    def _sent(self, delivery: Any) -> None:
        """The peer has an outcome for a request; a reply comes only where it is accepted."""
        state = delivery.remote_state
        if not state or state == ACCEPTED:
            return
        _, done = self._waiting.pop(delivery.context, (None, None))
        if done is not None:
            condition: Optional[Condition] = delivery.remote.condition
            name = "" if condition is None else str(condition.name)
            description = "" if condition is None else condition.description or ""
            done(Reply(0, description or "the request has the outcome %s" % state, name))

    def _received(self, delivery: Any) -> None:
        try:
            message = Message.from_bytes(delivery.take())
            said: dict[Any, Any] = dict(message.properties or {})
            message.body  # noqa: B018  # read for its error
        except DecodeError as error:
            delivery.local.condition = Condition(DECODE_ERROR, str(error))
            delivery.settle_with(REJECTED)
            return
        delivery.settle_with(ACCEPTED)
        number = message.correlation_id  # whatever a peer says: no number is made of it
        _, done = self._waiting.pop(number, (None, None)) if isinstance(number, str) else (None, None)
        if done is not None:
            self._delays = None
            done(read_reply(said, message))


def read_reply(properties: dict[Any, Any], message: Message) -> Reply:
    """A reply by its properties. The names of `$cbs` have hyphens, those of `$management` not [1, 2].

    [2] https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-amqp-request-response
    """
    status = properties.get("status-code", properties.get("statusCode"))
    description = properties.get("status-description", properties.get("statusDescription"))
    condition = properties.get("error-condition", properties.get("errorCondition"))
    if isinstance(status, bool) or not isinstance(status, int):
        return Reply(0, "a reply without a status-code", "", message)
    text = description if isinstance(description, str) else ""
    return Reply(int(status), text, str(condition or ""), message)
