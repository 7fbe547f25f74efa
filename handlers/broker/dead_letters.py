"""Dead letters: messages that leave their queue unaccepted go to the address that its policy names.

Queues enter with a message that is about to leave; a moment later, when no queue is at work, it is put into its new
node. In a store that is one group: after a crash the message is in one of the two. A dead letter that its address does
not take is logged, counted and dropped.
"""

from __future__ import annotations

import logging
from collections import deque
from functools import partial
from typing import Any, Callable, NamedTuple, Optional

from handlers.broker.arrivals import Arrival
from handlers.broker.interface import BrokerView
from handlers.broker.net import BrokerTimer
from handlers.broker.nodes.deaths import REASONS, Grave, dead_letter, is_cycle
from handlers.broker.nodes.directory import Refused
from handlers.broker.nodes.entry import REJECTED, Entry
from handlers.broker.nodes.envelope import Envelope, read_envelope
from handlers.broker.nodes.exchange import Route, Unrouted
from handlers.broker.nodes.gate import Overflow
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.sections import MOST_READ
from handlers.broker.nodes.topic import Topic
from handlers.broker.store.interface import Change, RemoveMessage
from reactor import DecodeError

log = logging.getLogger("handlers.broker")

AT_ONCE = 500
"""Messages that are put into their nodes in one turn: each is decoded and written anew, and others wait meanwhile."""

READ_AT_ONCE = 256 * 1024
"""Bytes that are decoded for that in one turn, about."""

RETRY = 1.0
"""Seconds until a dead letter that the store cannot take is tried again."""


BEEN_THERE = "it has been there before, and no consumer has rejected it since"


UNDELIVERED = (Refused, Overflow, Unrouted, DecodeError)
"""Why a message does not go to its dead letter address."""


class Letter(NamedTuple):
    """A message without a queue. place: in its last one. number: in the store, 0 for none. format: of its envelope."""

    queue: Queue
    place: int
    payload: bytes
    number: int
    reason: str
    format: int


class DeadLetters:
    """The host of all queues of one broker."""

    def __init__(self, broker: BrokerView) -> None:
        self.broker = broker
        self._letters: deque[Letter] = deque()
        self._unmarked = False  # whether the log has one without its annotations
        self._task: Any = None

    def bury(self, queue: Queue, entry: Entry, outcome: int) -> None:
        """As Host.bury."""
        envelope = entry.envelope
        payload = envelope.header + entry.body
        self._letters.append(Letter(queue, entry.place, payload, entry.number, REASONS[outcome], envelope.format))
        entry.number = 0
        self._come_back(0.0)

    def attend(self, queue: Queue) -> None:
        """As Host.attend."""
        self.broker.alarms.attend(queue)

    def emptied(self, queue: Queue) -> None:
        """As Host.emptied."""
        directory, name = self.broker.directory, queue.topic or queue.name
        record = directory.emptied(name)
        if record is not None:
            self.broker.call(BrokerTimer(f"end of {name!r}", lambda: directory.consider(record)))

    def deliver(self, most: int = AT_ONCE, most_bytes: float = READ_AT_ONCE) -> None:
        """Put messages that have come together into their nodes, so many of them, and come back for the others."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        letters: list[Letter] = []
        size = 0
        while self._letters and len(letters) < most and size < most_bytes:
            letters.append(self._letters.popleft())
            size += min(len(letters[-1].payload), MOST_READ)
        if self._letters:
            self._come_back(0.0)
        for letter in letters:
            self._deliver(letter)

    def finish(self) -> None:
        """The broker stops: put all that are there into their nodes."""
        self.deliver(len(self._letters), float("inf"))

    def prepare(self, queue: Queue, entry: Entry) -> tuple[list[Change], list[Arrival], Callable[[], None]]:
        """The changes and the arrival by which a message in the store, rejected in a transaction, goes to its address
        with the commit of that, in one group; and what is to be called then. Raises Refused."""
        durability = self.broker.durability
        assert durability is not None
        payload, message_format = entry.envelope.header + entry.body, entry.envelope.format
        letter = Letter(queue, entry.place, payload, 0, REASONS[REJECTED], message_format)
        try:
            node, envelope, body, expires = self._address(letter)
        except UNDELIVERED as error:
            return [RemoveMessage(entry.number)], [], partial(self._lose, letter, error)
        done = partial(self._done, letter, node, expires)
        group, arrival = durability.prepare(node, envelope, body, expires, done, replaces=entry.number)
        return group, [arrival], _nothing

    def _deliver(self, letter: Letter) -> None:
        broker = self.broker
        try:
            node, envelope, body, expires = self._address(letter)
        except UNDELIVERED as error:
            self._lose(letter, error)
            return
        durability = broker.durability
        if durability is not None and durability.wants(node, envelope):
            done = partial(self._done, letter, node, expires)
            try:
                durability.put(node, envelope, body, expires, done, letter.number)
            except Refused:  # the store has no number to give: the message stays in it, and is tried again
                self._letters.append(letter)
                self._come_back(RETRY)
            return
        node.put(envelope, body, expires)
        self._done(letter, node, expires, None)
        if letter.number and durability is not None:
            durability.removed(letter.number)

    def _done(self, letter: Letter, node: Any, expires: float, refused: Optional[Refused]) -> None:
        """The message is in its new node, or that is gone."""
        if refused is None:
            letter.queue.dead_lettered += 1
            self.broker.alarms.watch(node, expires)
        else:
            self._lose(letter, refused)

    def _address(self, letter: Letter) -> tuple[Any, Envelope, bytes, float]:
        """The node that a message goes to, its envelope and body there, and when it expires. Raises UNDELIVERED."""
        broker, queue = self.broker, letter.queue
        address = queue.policy.dead_letter
        grave = Grave(queue.name, queue.topic)
        payload, deaths = dead_letter(letter.payload, grave, letter.reason, broker.today())
        if not deaths and not self._unmarked:
            self._unmarked = True
            text = "%r: message %d goes to %r without x-opt-deaths: it is no message, or its annotations and "
            text += "properties have more than %d bytes; further ones are not named"
            log.warning(text, queue.name, letter.place, address, MOST_READ)
        goes_round = not deaths and letter.reason != "rejected"  # for all that is known
        node = broker.directory.find(address).node
        if is_cycle(node.name, deaths):
            raise Refused("amqp:not-allowed", BEEN_THERE)
        envelope = read_envelope(payload, letter.format)
        body = payload[envelope.length :]
        if goes_round:
            _check_end(node)
        if isinstance(node, Topic):
            node.origin = None  # of no container
            if not node.subscriptions and not isinstance(node, Route):
                raise Refused("amqp:not-found", f"the topic {node.name!r} has no subscriptions")
        if node.gate is not None:
            node.gate.admit(envelope, body)
        if isinstance(node, Route):
            for one in node.subscriptions:
                if is_cycle(one.name, deaths):
                    raise Refused("amqp:not-allowed", BEEN_THERE)
                if goes_round:
                    _check_end(one)
        ttl = node.policy.ttl
        return node, envelope, body, 0.0 if ttl is None else broker.now() + ttl

    def _come_back(self, delay: float) -> None:
        if self._task is None:
            self._task = self.broker.call(BrokerTimer("dead letters", self.deliver), delay)

    def _lose(self, letter: Letter, error: Exception) -> None:
        letter.queue.undelivered += 1
        name, address = letter.queue.name, letter.queue.policy.dead_letter
        log.error("%r: message %d, %s, is dropped: %r: %s", name, letter.place, letter.reason, address, error)
        if letter.number and self.broker.durability is not None:
            self.broker.durability.removed(letter.number)


def _nothing() -> None:
    """There is nothing more to be done."""


def _check_end(node: Any) -> None:
    """Bytes that are no message have no annotations by which to know that they have been at `node` before: they stay
    there, or would go round for ever. Raises Refused."""
    if node.policy.dead_letter is not None:
        text = f"it is no message that could be marked, and {node.name!r} would send it on"
        raise Refused("amqp:not-allowed", text)
