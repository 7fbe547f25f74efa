"""Exchanges: each message goes to the queues that are bound to its exchange with a key that fits its own.

    fanout   to all of them
    direct   to those with the very key of the message
    topic    to those with a pattern of words, with dots between, that fits it: `*` is for one word, `#` for any number

The names, and the rules, are those of RabbitMQ [rabbitmq.com/docs/exchanges]. An exchange is a topic to its senders
(`Route`), but it holds no messages: its queues do. To find them costs time by the bindings that fit, not by all.

The directory owns all exchanges of a broker, and enters; so does management, which makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Optional, Protocol
from urllib.parse import unquote
from weakref import WeakSet

from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.pool import Producer
from handlers.broker.nodes.sections import PROPERTIES, TooLarge, opened
from handlers.broker.nodes.topic import Topic
from reactor import ReactorException

FANOUT, DIRECT, TOPIC = "fanout", "direct", "topic"

KINDS = (FANOUT, DIRECT, TOPIC)

LONGEST_KEY = 1024
"""Characters of a key, of a message or of a binding. RabbitMQ has 255 bytes. A subject may have millions of words, and
all other clients would wait until each of them has gone through the bindings of a topic exchange."""

PREDECLARED = {"amq.fanout": FANOUT, "amq.direct": DIRECT, "amq.topic": TOPIC}
"""Exchanges that are always there, as at RabbitMQ."""


class Binding(NamedTuple):
    """From an exchange to a queue, or to another exchange (to_exchange), by a key."""

    source: str
    destination: str
    to_exchange: bool
    key: str


class Unrouted(Exception):
    """No queue gets the message."""


class Keeper(Protocol):
    """A store, as exchanges see it."""

    def record(self, kind: str, name: str, settings: Mapping[str, Any]) -> int: ...
    def erase(self, number: int) -> None: ...


class _Word:
    """A node of the tree of binding keys of a topic exchange: a step for each word."""

    __slots__ = ("steps", "bindings")

    def __init__(self) -> None:
        self.steps: dict[str, _Word] = {}
        self.bindings: dict[Binding, None] = {}


class Exchange:
    """One exchange. kind: one of KINDS. settings: that it was made with, of no effect here. number: in the store, 0 for
    none. enqueued: messages that came. unrouted: those that no queue got."""

    def __init__(self, name: str, kind: str, settings: Mapping[str, Any]) -> None:
        self.name = name
        self.kind = kind
        self.settings = dict(settings)
        self.number = 0
        self.deleted = False
        self.routes: WeakSet[Route] = WeakSet()
        self.enqueued = 0
        self.unrouted = 0
        self.bindings: dict[Binding, int] = {}  # with their numbers in the store
        self._by_key: dict[str, dict[Binding, None]] = {}
        self._tree = _Word()

    def add(self, binding: Binding, number: int) -> None:
        """A new binding."""
        self.bindings[binding] = number
        if self.kind == TOPIC:
            word = self._tree
            for text in binding.key.split("."):
                word = word.steps.setdefault(text, _Word())
            word.bindings[binding] = None
        else:
            self._by_key.setdefault(binding.key, {})[binding] = None

    def remove(self, binding: Binding) -> int:
        """Forget a binding; returns its number."""
        if self.kind == TOPIC:
            self._prune(binding)
        else:
            same = self._by_key[binding.key]
            del same[binding]
            if not same:
                del self._by_key[binding.key]
        return self.bindings.pop(binding)

    def _prune(self, binding: Binding) -> None:
        word, way = self._tree, []
        for text in binding.key.split("."):
            way.append((word, text))
            word = word.steps[text]
        del word.bindings[binding]
        for parent, text in reversed(way):
            child = parent.steps[text]
            if child.steps or child.bindings:
                return
            del parent.steps[text]

    def fitting(self, key: str) -> Iterable[Binding]:
        """The bindings for a message with this key."""
        if self.kind == FANOUT:
            return self.bindings
        if self.kind == DIRECT:
            return self._by_key.get(key, ())
        return self._matching(key)

    def _matching(self, key: str) -> Iterable[Binding]:
        """All ways through the tree at once: the words at which they stand, each but once."""
        if len(key) > LONGEST_KEY:
            return ()
        here = _with_hashes({self._tree: False})
        for text in key.split("."):
            there: dict[_Word, bool] = {}
            for word, stays in here.items():
                if stays:
                    there[word] = True
                for step in (text, "*"):
                    child = word.steps.get(step)
                    if child is not None and step != "#":  # a key has words, and no signs
                        there.setdefault(child, False)
            here = _with_hashes(there)
        return [binding for word in here for binding in word.bindings]


def _with_hashes(words: dict[_Word, bool]) -> dict[_Word, bool]:
    """`words`, and those that follow without a word of the key: by `#`, which stays for any number of words."""
    waiting = list(words)
    while waiting:
        child = waiting.pop().steps.get("#")
        if child is not None and not words.get(child):
            words[child] = True
            waiting.append(child)
    return words


class Route(Topic):
    """The way from a sender into an exchange, as links see it: a topic; its subscriptions are the queues of the last
    message. key: of all messages; None for the subject of each. Its gate is itself."""

    def __init__(self, exchanges: Exchanges, exchange: Exchange, key: Optional[str]) -> None:
        super().__init__(f"/exchanges/{exchange.name}")
        self.gate = self  # type: ignore[assignment]  # of the same face
        self.exchange = exchange
        exchange.routes.add(self)
        self._exchanges = exchanges
        self._key = key
        self.duplicates = None  # as of a gate: ids are remembered by queues alone
        self._stored = False  # whether it has led to a queue that is kept
        self._body: Optional[bytes] = None  # for which the subscriptions are known
        self._blocked: dict[Producer, Queue] = {}

    def admit(self, envelope: Any, body: bytes) -> None:
        """As Gate.admit: by all queues that are to get it. Raises Unrouted without any."""
        self.exchange.enqueued += 1
        if self.exchange.deleted:
            raise Unrouted(f"the exchange {self.exchange.name!r} was deleted")
        self._body = body
        self.subscriptions = self._exchanges.queues(self.exchange, self._key_of(body))
        if not self.subscriptions:
            self.exchange.unrouted += 1
            raise Unrouted(f"no queue is bound to {self.exchange.name!r} for it")
        self._stored = self.is_stored
        for queue in self.subscriptions:
            if queue.gate is not None:
                queue.gate.admit(envelope, body)

    @property
    def is_stored(self) -> bool:
        """As Topic.is_stored; of the queues of all its messages."""
        return self._stored or super().is_stored

    def targets(self, envelope: Any, body: bytes, expires: float = 0.0) -> list[Queue]:
        """As Topic.targets. A message of a transaction was admitted long before, and others since."""
        if body is not self._body:
            self.subscriptions = self._exchanges.queues(self.exchange, self._key_of(body))
        self._body = None
        return self.subscriptions

    def put(self, envelope: Any, body: bytes, expires: float = 0.0) -> bool:
        """As Topic.put."""
        room = True
        for queue in self.targets(envelope, body, expires):
            until = self.expiry(queue, expires)
            if not queue.put(envelope, body, until):
                room = False
            if until:
                self._exchanges.watch(queue, until)
        return room

    def put_later(self, due: float, envelope: Any, body: bytes, expires: float = 0.0) -> bool:
        """As Topic.put_later."""
        room = True
        for queue in self.targets(envelope, body, expires):
            until = self.expiry(queue, expires)
            if not queue.put_later(due, envelope, body, until):
                room = False
            if until:
                self._exchanges.watch(queue, until)
        return room

    def expiry(self, queue: Queue, expires: float) -> float:
        """As Topic.expiry: each queue has a policy of its own."""
        ttl = queue.policy.ttl
        if ttl is None:
            return expires
        until = self._exchanges.now() + ttl
        return min(until, expires) if expires else until

    def _key_of(self, body: bytes) -> str:
        if self._key is not None:
            return self._key
        try:
            return opened(body, PROPERTIES).subject or ""
        except TooLarge:  # it goes nowhere else than it should
            raise
        except ReactorException:
            return ""

    def block(self, producer: Producer) -> None:
        """As Topic.block."""
        for queue in self.subscriptions:
            if queue.full:
                self._blocked[producer] = queue
                queue.block(producer)
                return
        producer.resume()

    def forget(self, producer: Producer) -> None:
        """As Topic.forget."""
        queue = self._blocked.pop(producer, None)
        if queue is not None:
            queue.forget(producer)


class Exchanges:
    """The exchanges of one broker, and their bindings.

    queue: finds a queue by its name; None for one that is not there. keeper: of what is durable; None for none.
    """

    def __init__(self, queue: Callable[[str], Optional[Queue]]) -> None:
        self.named = {name: Exchange(name, kind, {}) for name, kind in PREDECLARED.items()}
        self.keeper: Optional[Keeper] = None
        self.now: Callable[[], float] = float  # the time by which messages expire
        self.watch: Callable[[Any, float], None] = lambda queue, expires: None  # hears of those that do
        self._queue = queue
        #: The bindings to each destination, by its kind and name.
        self._to: dict[tuple[bool, str], dict[Binding, None]] = {}

    # -- making

    def declare(self, name: str, kind: str, settings: Mapping[str, Any]) -> Exchange:
        """A new exchange."""
        exchange = self.named[name] = Exchange(name, kind, settings)
        if self.keeper is not None and settings.get("durable", True):
            exchange.number = self.keeper.record("exchange", name, {"type": kind, **settings})
        return exchange

    def delete(self, name: str) -> None:
        """The exchange goes, with its bindings."""
        exchange = self.named.pop(name)
        exchange.deleted = True
        for route in exchange.routes:
            route.deleted = True
        for binding in list(exchange.bindings):
            self.unbind(binding, exchange)
        self.forget(name, True)
        if exchange.number and self.keeper is not None:
            self.keeper.erase(exchange.number)

    def bind(self, binding: Binding) -> bool:
        """Add a binding between what is there; False, if it is there already."""
        exchange = self.named[binding.source]
        if binding in exchange.bindings:
            return False
        number = 0
        if self.keeper is not None and self._lasts(binding, exchange):
            settings = {"to": binding.destination, "to_exchange": binding.to_exchange, "key": binding.key}
            number = self.keeper.record("binding", binding.source, settings)
        self._add(exchange, binding, number)
        return True

    def _lasts(self, binding: Binding, exchange: Exchange) -> bool:
        if not (exchange.number or exchange.name in PREDECLARED):
            return False
        if binding.to_exchange:
            return bool(self.named[binding.destination].number) or binding.destination in PREDECLARED
        queue = self._queue(binding.destination)
        return queue is not None and queue.keeper is not None

    def _add(self, exchange: Exchange, binding: Binding, number: int) -> None:
        exchange.add(binding, number)
        self._to.setdefault((binding.to_exchange, binding.destination), {})[binding] = None

    def unbind(self, binding: Binding, exchange: Optional[Exchange] = None) -> bool:
        """Remove a binding; False, if it is not there. exchange: one that was just deleted."""
        source = exchange or self.named.get(binding.source)
        if source is None or binding not in source.bindings:
            return False
        number = source.remove(binding)
        where = binding.to_exchange, binding.destination
        del self._to[where][binding]
        if not self._to[where]:
            del self._to[where]
        if number and self.keeper is not None:
            self.keeper.erase(number)
        if exchange is None and source.settings.get("auto_delete") and not source.bindings:
            self.delete(source.name)
        return True

    def forget(self, destination: str, is_exchange: bool = False) -> None:
        """A queue or exchange is gone, and the bindings to it."""
        for binding in list(self._to.get((is_exchange, destination), ())):
            self.unbind(binding)

    def restore(self, number: int, kind: str, name: str, settings: Mapping[str, Any]) -> None:
        """Bring back what a keeper has recorded. Exchanges come before their bindings."""
        if kind == "exchange":
            settings = dict(settings)
            exchange = Exchange(name, settings.pop("type"), settings)
            exchange.number = number
            self.named[name] = exchange
        elif name in self.named:
            self._add(self.named[name], Binding(name, settings["to"], settings["to_exchange"], settings["key"]), number)

    # -- using

    def find(self, address: str) -> Optional[Route]:
        """The route of an address: NAME or NAME/KEY, each percent-encoded; None, if there is no such exchange."""
        name, slash, key = address.partition("/")
        exchange = self.named.get(unquote(name))
        return None if exchange is None else Route(self, exchange, unquote(key) if slash else None)

    def is_bound(self, queue: str) -> bool:
        """Whether a binding leads to this queue."""
        return (False, queue) in self._to

    def queues(self, exchange: Exchange, key: str) -> list[Queue]:
        """The queues that get a message with this key, each once."""
        found: dict[Queue, None] = {}
        seen = {exchange.name}
        waiting = [exchange]
        while waiting:
            for binding in waiting.pop().fitting(key):
                if binding.to_exchange:
                    other = self.named.get(binding.destination)
                    if other is not None and other.name not in seen:
                        seen.add(other.name)
                        waiting.append(other)
                    continue
                queue = self._queue(binding.destination)
                if queue is not None:
                    found[queue] = None
        return list(found)
