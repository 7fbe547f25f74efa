"""The subscriptions of a broker as plain data: which receivers share one, how long it lives without any, when it ends.

A subscription is the source of a link [3.5.3]. It belongs to a container and a link name, and is found again by both;
with the capability `global` by the name alone. With `shared` several links have one, each under a name of its own that
begins with that of the subscription and a bar: `sub`, `sub|2`, `sub|global3`, `sub|volatile1`, as Qpid JMS numbers them
(AmqpSubscriptionTracker of org.apache.qpid.jms). Durable and volatile shared subscriptions of one name are two
[JMS 2.0, 8.3.2]; a durable one that is shared and one that is not cannot have the same name [JMS 2.0, 8.3.4].

Links are things in a dict here. The timers, the store and the answers to attaches are those of subscribing.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from handlers.broker.nodes.directory import Refused
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.topic import Topic

LINK, SESSION, CONNECTION, NEVER = range(4)
"""What ended, and as an expiry policy what has to end [3.5.6]: the wider the later."""

EXCLUSIVE, DURABLE, VOLATILE = "exclusive", "durable", "volatile"
"""Kinds of subscriptions: those of one link, and both kinds of shared ones."""


class Key(NamedTuple):
    """The identity of a subscription. container: None for a global one."""

    container: Optional[str]
    name: str
    kind: str


class Terms(NamedTuple):
    """What a subscription is.

    selection: the messages that it gets, None for all. stranger: the container from which it gets none.
    durability: 0, or what of it survives a restart [3.5.5]. expiry, timeout: it ends so many seconds after the last
    link, or what stands around it, has ended; NEVER: when it is closed.
    """

    selection: Any = None
    stranger: Optional[str] = None
    durability: int = 0
    expiry: int = SESSION
    timeout: int = 0

    @property
    def is_durable(self) -> bool:
        """Whether it is durable as JMS has it: it is there when its consumers are not."""
        return self.durability > 0 or self.expiry == NEVER

    def gets_the_same(self, other: Terms) -> bool:
        """Whether the same messages come."""
        mine, others = self.selection, other.selection
        same = mine is others or (mine is not None and others is not None and mine.text == others.text)
        return same and self.stranger == other.stranger


class Subscription:
    """One subscription. queue: its messages. links: its receivers, in the order of their coming."""

    __slots__ = ("key", "topic", "queue", "terms", "links", "filters", "ended")

    def __init__(self, key: Key, topic: Topic, terms: Terms) -> None:
        self.key = key
        self.topic = topic
        self.terms = terms
        self.queue: Queue = topic.subscribe(f"{topic.name} -> {name_of(key)}", terms.selection, terms.stranger)
        self.links: dict[Any, None] = {}
        self.filters: dict[Any, Any] = {}  # as the peer wrote them: for answers
        self.ended = False

    @property
    def is_shared(self) -> bool:
        """Whether several links may have it."""
        return self.key.kind != EXCLUSIVE

    def expires_after(self, event: int) -> Optional[float]:
        """Seconds that it has left when its last link has gone and `event` (LINK, SESSION, CONNECTION) has happened;
        None when it waits for another event."""
        return float(self.terms.timeout) if event >= self.terms.expiry else None


class Subscriptions:
    """All of a broker, by key. most: how many there may be without a link, 0 for any number; idle: these."""

    def __init__(self, most: int = 0) -> None:
        self.most = most
        self.by_key: dict[Key, Subscription] = {}
        self.by_queue: dict[Queue, Subscription] = {}
        self.idle: dict[Subscription, None] = {}

    def take(self, key: Key, topic: Topic, terms: Terms) -> tuple[Subscription, Optional[Subscription]]:
        """The subscription of `key`, made if need be, and the one that it replaces, which the caller has to `end`
        [JMS 2.0, 8.3.3: another topic or selector is another subscription]. Raises Refused."""
        other = self.by_key.get(_counterpart(key))
        if other is not None and terms.is_durable and other.terms.is_durable:
            kind = "shared" if other.is_shared else "exclusive"
            text = f"there is a subscription {name_of(key)!r} already, which is {kind}"
            raise Refused("amqp:precondition-failed", text)
        found = self.by_key.get(key)
        if found is not None and found.topic is topic and found.terms.gets_the_same(terms):
            found.terms = Terms(found.terms.selection, *terms[1:])
            return found, None
        if found is not None and found.is_shared and found.links:
            text = f"the subscription {name_of(key)!r} has consumers, of another topic or with another selector"
            raise Refused("amqp:precondition-failed", text)
        if found is None and 0 < self.most <= len(self.idle):
            text = f"there are {self.most} subscriptions without receivers, and no more are kept"
            raise Refused("amqp:resource-limit-exceeded", text)
        made = Subscription(key, topic, terms)
        self.by_key[key] = self.by_queue[made.queue] = made
        self.idle[made] = None
        return made, found

    def join(self, subscription: Subscription, link: Any) -> None:
        """`link` receives from it."""
        subscription.links[link] = None
        self.idle.pop(subscription, None)

    def leave(self, subscription: Subscription, link: Any) -> None:
        """`link` does not any more. Whether the subscription ends with it is for the caller to say."""
        subscription.links.pop(link, None)
        if not subscription.links and not subscription.ended:
            self.idle[subscription] = None

    def end(self, subscription: Subscription) -> None:
        """It is no more, nor are its messages. Harmless when repeated."""
        if subscription.ended:
            return
        subscription.ended = True
        self.idle.pop(subscription, None)
        self.by_queue.pop(subscription.queue, None)
        if self.by_key.get(subscription.key) is subscription:
            del self.by_key[subscription.key]
        if not subscription.queue.deleted:
            subscription.topic.unsubscribe(subscription.queue)


def key_of(container: str, link_name: str, shared: bool, is_global: bool, durable: bool) -> Key:
    """The identity of the subscription that a link of this name asks for."""
    scope = None if is_global else container
    if not shared:
        return Key(scope, link_name, EXCLUSIVE)
    name = link_name.partition("|")[0] or link_name
    return Key(scope, name, DURABLE if durable else VOLATILE)


def name_of(key: Key) -> str:
    """How it is called in reports."""
    return key.name if key.container is None else f"{key.container}/{key.name}"


def _counterpart(key: Key) -> Key:
    """The key under which a durable subscription of the same name would be, were it shared, or were it not."""
    kinds = {EXCLUSIVE: DURABLE, DURABLE: EXCLUSIVE}
    return Key(key.container, key.name, kinds.get(key.kind, ""))
