"""Subscribing: the subscriptions that links ask for, their timers, and those that the store keeps.

Attaching enters when a receiver wants a topic, links when they leave, and the broker when a session or connection ends,
which begins the expiry of a source [3.5.6]. Identity and sharing are decided in nodes/subscriptions.py.

What is applied is in the answer: expiry policy and timeout, the capabilities `shared` and `global`, and the durability
where there is a store. Queues keep nothing for a link that is detached; their answer says so (link-detach).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import count
from typing import Any, Optional

from handlers.broker.interface import BrokerView
from handlers.broker.net import BrokerTimer
from handlers.broker.nodes.directory import Record, Refused
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.selection import no_local_of, selection_of
from handlers.broker.nodes.selector import SelectorError
from handlers.broker.nodes.subscriptions import (
    CONNECTION,
    DURABLE,
    EXCLUSIVE,
    LINK,
    NEVER,
    SESSION,
    VOLATILE,
    Key,
    Subscription,
    Subscriptions,
    Terms,
    key_of,
    name_of,
)
from handlers.broker.nodes.topic import Topic
from handlers.broker.store.interface import AddNode
from reactor import Described, symbol, ulong

log = logging.getLogger("handlers.broker")

SHARED, GLOBAL = "shared", "global"


class Subscribing:
    """The subscriptions of one broker."""

    def __init__(self, broker: BrokerView) -> None:
        self.broker = broker
        self.book = Subscriptions(broker.directory.most)
        # Those that wait, without a link, for the end of the session or connection of their last one.
        self._last: dict[Subscription, Any] = {}  # that session
        self._waiting: dict[Any, dict[Subscription, None]] = {}  # by connection
        self._timers: dict[Subscription, Any] = {}
        self._nameless = count(1)

    # -- links come

    def subscribe(self, link: Any, record: Record, topic: Topic) -> Subscription:
        """The subscription that `link` asks for. Raises Refused, also for a bad selector."""
        wanted, container = link.remote_source, self.broker.doors.identity(link.connection)
        try:
            selection, filters = selection_of(wanted.filter)
        except SelectorError as error:
            raise Refused("amqp:invalid-field", str(error)) from None
        shared, is_global = SHARED in wanted.capabilities, GLOBAL in wanted.capabilities
        expiry, timeout, durability = wanted.expiry_policy, wanted.timeout, wanted.durability
        if not container and not is_global:  # it cannot be found again
            key, expiry, timeout = Key("", f"{link.name}#{next(self._nameless)}", EXCLUSIVE), LINK, 0
        else:
            key = key_of(container, link.name, shared, is_global, durability > 0 or expiry == NEVER)
        if wanted.dynamic:
            expiry, timeout = LINK, 0  # its topic goes with it, or its address is all that is left
        stays = record.lifetime is None and topic.policy.durable and (expiry == NEVER or timeout > 0)
        if self.broker.durability is None or not stays:
            durability = 0  # nothing of it is there after a restart
        stranger = None
        if container and key.kind == EXCLUSIVE and key.container is not None:  # no others have it
            no_local = no_local_of(wanted.filter)
            filters.update(no_local)
            stranger = container if no_local else None
        terms = Terms(selection, stranger, durability, expiry, timeout)
        self._check_use(key, container)
        before = self.book.by_key.get(key)
        subscription, replaced = self.book.take(key, topic, terms)
        subscription.filters = filters
        try:
            self._store(subscription, replaced)
        except Refused:
            if subscription is not before:
                self.end(subscription)
            if replaced is not None:
                self.book.by_key[key] = replaced  # as if nothing had been asked
            raise
        if replaced is not None:
            log.info("%r replaces the subscription of this name", subscription.queue.name)
            for other in list(replaced.links):
                other.evict("amqp:link:stolen", "the subscription was replaced, with another topic or selector")
            self.end(replaced)
        return subscription

    def find(self, link: Any) -> Optional[Subscription]:
        """The subscription that a link of this name had before: the peer attaches it without a source [2.6.3]."""
        container = self.broker.doors.identity(link.connection)
        # Qpid JMS unsubscribes so, and tells the scope by desired capabilities (AmqpSession.unsubscribe).
        hints = [*(link.remote_desired_capabilities or ()), *link.remote_source.capabilities]
        scopes = [None] if GLOBAL in hints else [container] if container else []
        for scope in scopes:
            for kind in (EXCLUSIVE, DURABLE, VOLATILE):
                key = key_of(scope or "", link.name, kind != EXCLUSIVE, scope is None, kind == DURABLE)
                subscription = self.book.by_key.get(key)
                if subscription is not None:
                    self._check_use(key, container)
                    return subscription
        return None

    def describe(self, subscription: Subscription, source: Any) -> None:
        """Write into our `source` of the answer what is applied."""
        terms, key = subscription.terms, subscription.key
        source.durability, source.expiry_policy, source.timeout = terms.durability, terms.expiry, terms.timeout
        source.filter.put_dict(subscription.filters)
        if subscription.is_shared:
            source.capabilities.put_object(symbol(SHARED))
        if key.container is None:
            source.capabilities.put_object(symbol(GLOBAL))

    def join(self, subscription: Subscription, link: Any) -> None:
        """`link`, a handler, receives from it: its time does not run any more."""
        self.book.join(subscription, link)
        self._rest(subscription)

    # -- links, sessions and connections go

    def leave(self, subscription: Subscription, link: Any, closed: bool) -> None:
        """`link` has left. closed: the peer wants the terminus to end with it [2.6.4]: others that share it go on."""
        self.book.leave(subscription, link)
        if subscription.links or subscription.ended:
            return
        if closed:
            self.end(subscription)
        elif not self._expires(subscription, LINK):
            session = self._last[subscription] = link.link.session
            self._waiting.setdefault(session.connection, {})[subscription] = None

    def session_ended(self, session: Any) -> None:
        """A session is no more: subscriptions that had their last link in it may expire."""
        for subscription in list(self._waiting.get(session.connection, ())):
            if self._last[subscription] == session:
                self._expires(subscription, SESSION)

    def connection_ended(self, connection: Any) -> None:
        """A connection is no more. Harmless when repeated."""
        for subscription in list(self._waiting.get(connection, ())):
            if not self._expires(subscription, CONNECTION):
                self._rest(subscription)  # it never does

    def topic_ended(self, topic: Topic) -> None:
        """A topic was deleted."""
        for queue in list(topic.subscriptions):
            subscription = self.book.by_queue.get(queue)
            if subscription is not None:
                self.end(subscription)

    def end(self, subscription: Subscription) -> None:
        """It is no more, nor are its messages."""
        if subscription.ended:
            return
        queue = subscription.queue
        self._rest(subscription)
        self.broker.resuming.node_ended(queue)
        self.broker.alarms.unwatch(queue)
        if self.broker.durability is not None and queue.number:
            self.broker.durability.closed(queue)
        self.book.end(subscription)
        record = self.broker.directory.records.get(subscription.topic.name)
        if record is not None and record.node is subscription.topic:
            self.broker.directory.unused(record)
        log.info("the subscription %r has ended", queue.name)

    # -- the store

    def restore(self, stored: AddNode) -> Optional[Queue]:
        """The queue of a subscription from the store; None, and a line in the log, if it cannot be had."""
        settings = stored.settings
        try:
            topic = self.broker.directory.restore(settings["topic"], "topic")
            if not isinstance(topic, Topic):
                log.warning("%r was a topic and is none now: its subscription %r is left out", topic.name, stored.name)
                return None
            key = Key(settings["container"], settings["name"], settings["kind"])
            filters = {symbol(name): Described(_descriptor(code), value) for name, code, value in settings["filters"]}
            selection, _ = selection_of(filters)
            stranger = key.container if no_local_of(filters) else None
            terms = Terms(selection, stranger, settings["durability"], settings["expiry"], settings["timeout"])
            subscription, _ = self.book.take(key, topic, terms)
        except (KeyError, TypeError, ValueError, SelectorError, Refused) as error:
            log.error("the subscription %r cannot be read, left out: %s", stored.name, error)
            return None
        subscription.filters = filters
        self._expires(subscription, CONNECTION)
        return subscription.queue

    def _store(self, subscription: Subscription, replaced: Optional[Subscription]) -> None:
        """Have it in the store before the peer hears of it; Refused if that cannot be."""
        durability, queue = self.broker.durability, subscription.queue
        if durability is None:
            return
        if not subscription.terms.durability:
            if queue.number:
                durability.closed(queue)
                queue.keeper, queue.number = None, 0
        else:
            instead = 0 if replaced is None else replaced.queue.number
            durability.keep(queue, "subscription", _settings(subscription), instead)

    # -- inside

    def _check_use(self, key: Key, container: str) -> None:
        """An exclusive subscription that is global has one link; another container does not steal it."""
        found = self.book.by_key.get(key)
        if found is None or key.kind != EXCLUSIVE or key.container is not None:
            return
        if any(other.identity != container for other in found.links):
            raise Refused("amqp:resource-locked", f"the subscription {name_of(key)!r} has another receiver")

    def _expires(self, subscription: Subscription, event: int) -> bool:
        """Whether `event` begins the expiry of a subscription without links; at once, or by a timer."""
        seconds = subscription.expires_after(event)
        if seconds is None:
            return False
        self._rest(subscription)
        if seconds:
            timer = BrokerTimer(f"expiry of {subscription.queue.name!r}", lambda: self.end(subscription))
            self._timers[subscription] = self.broker.call(timer, seconds)
        else:
            self.end(subscription)
        return True

    def _rest(self, subscription: Subscription) -> None:
        """Its time does not run any more."""
        timer = self._timers.pop(subscription, None)
        if timer is not None:
            timer.cancel()
        session = self._last.pop(subscription, None)
        if session is not None:
            waiting = self._waiting.get(session.connection, {})
            waiting.pop(subscription, None)
            if not waiting:
                self._waiting.pop(session.connection, None)


def _settings(subscription: Subscription) -> Mapping[str, Any]:
    """A subscription as JSON can hold it. The value of a filter is that of a selector, or means nothing."""
    key, terms = subscription.key, subscription.terms
    filters = [
        (str(name), int(one.descriptor) if isinstance(one.descriptor, int) else str(one.descriptor),
         one.value if isinstance(one.value, str) else [])
        for name, one in subscription.filters.items()
    ]  # fmt: skip
    return {
        "topic": subscription.topic.name,
        "container": key.container,
        "name": key.name,
        "kind": key.kind,
        "filters": filters,
        "durability": terms.durability,
        "expiry": terms.expiry,
        "timeout": terms.timeout,
    }


def _descriptor(stored: Any) -> Any:
    return ulong(stored) if isinstance(stored, int) else symbol(stored)
