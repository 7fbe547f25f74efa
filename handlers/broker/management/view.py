"""A broker as plain data: what there is, and how it is at this moment.

All that reads a broker enters: the node `$management`, the web page, the metrics. Every answer is a dict of numbers,
strings, lists and dicts, which JSON can hold. Lists are pages, at most MOST_ROWS rows long:

    {"total": how many there are, "offset": of the first row, "items": [rows]}

Numbers that only grow (`enqueued`, `acknowledged` ...) are counters since the start: a reader that looks twice knows
the rates. It runs in the broker's thread, reads, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import count as numbers
from typing import Any, Optional
from weakref import WeakKeyDictionary

from handlers.broker.management.interface import MOST_ROWS, ROWS, Failed, ManagedBroker
from handlers.broker.nodes.consumer import Browser, Consumer
from handlers.broker.nodes.directory import LIFETIME_NAMES, Record
from handlers.broker.nodes.exchange import Exchange
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.policy import checked_pattern
from handlers.broker.nodes.statistics import statistics
from handlers.broker.nodes.topic import Topic
from reactor import Endpoint, __version__

Row = dict[str, Any]
Page = dict[str, Any]


class View:
    """The view of one broker."""

    def __init__(self, broker: ManagedBroker) -> None:
        self.broker = broker
        self._count = numbers(1)
        self._numbers: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    # -- the whole

    def overview(self) -> Row:
        """The whole broker: how many connections, links and nodes, and the sums over all queues and topics."""
        sums = dict.fromkeys(COUNTERS, 0)
        self.add_up(self.broker.directory.records.values(), sums)
        return self.whole(sums)

    @staticmethod
    def add_up(records: Iterable[Record], sums: dict[str, int]) -> None:
        """Add the numbers of these nodes to `sums`."""
        for record in records:
            node = statistics(record.node.name, record)
            for name in COUNTERS:
                sums[name] += getattr(node, name)

    def whole(self, sums: Mapping[str, int]) -> Row:
        """An overview with these sums."""
        facts = {"product": "amqp-reactor broker", "version": __version__}
        return {**facts, **self.broker.overview().to_dict(), **sums}

    # -- queues and topics

    def nodes(self, kind: Optional[str] = None, pattern: str = "", offset: int = 0, count: int = ROWS) -> Page:
        """The queues ("queue") or topics ("topic") or both (None), by name.

        pattern: of shells, as `jobs.*`; "" for all. Failed: 400 for a bad one.
        """
        try:
            checked_pattern(pattern)
        except ValueError as error:
            raise Failed(400, str(error)) from None
        records = self.broker.directory.records
        names = sorted(
            name
            for name, record in records.items()
            if kind in (None, record.node.kind) and (not pattern or fnmatchcase(name, pattern))
        )
        return page(names, offset, count, lambda name: self._node(records[name]))

    def queues(self, pattern: str = "", offset: int = 0, count: int = ROWS) -> Page:
        """The queues, by name."""
        return self.nodes("queue", pattern, offset, count)

    def topics(self, pattern: str = "", offset: int = 0, count: int = ROWS) -> Page:
        """The topics, by name. Depths are the sums over their subscriptions."""
        return self.nodes("topic", pattern, offset, count)

    def node(self, name: str) -> Row:
        """The queue or topic `name`. Failed (404)."""
        return self._node(self.record(name))

    def record(self, name: str) -> Record:
        """Its record in the directory. Failed (404)."""
        record = self.broker.directory.records.get(name)
        if record is None:
            raise Failed(404, f"no queue or topic {name!r}")
        return record

    def queue(self, name: str) -> Queue:
        """The queue `name` itself. Failed (404), for a topic too (400)."""
        node = self.record(name).node
        if not isinstance(node, Queue):
            raise Failed(400, f"{name!r} is a {node.kind}: that can be done with a queue")
        return node

    def topic(self, name: str) -> Topic:
        """The topic `name` itself. Failed (404), for a queue too (400)."""
        node = self.record(name).node
        if not isinstance(node, Topic):
            raise Failed(400, f"{name!r} is a queue: subscriptions are of topics")
        return node

    def subscriptions(self, topic: str, offset: int = 0, count: int = ROWS) -> Page:
        """The subscriptions of a topic, in the order of their coming. Failed (404)."""
        node = self.topic(topic)
        return page(node.subscriptions, offset, count, lambda queue: self._subscription(node, queue))

    def subscription(self, topic: str, name: str) -> Queue:
        """The queue of a subscription of a topic. Failed (404)."""
        for queue in self.topic(topic).subscriptions:
            if queue.name == name:
                return queue
        raise Failed(404, f"no subscription {name!r} of {topic!r}")

    def consumers(self, name: str, offset: int = 0, count: int = ROWS) -> Page:
        """The consumers and browsers of a queue, or of all subscriptions of a topic. Failed (404)."""
        links = [link for link in self.record(name).links if isinstance(link, Consumer)]
        return page(links, offset, count, self._link)

    def producers(self, name: str, offset: int = 0, count: int = ROWS) -> Page:
        """The links that send to a queue or topic. Failed (404)."""
        links = [link for link in self.record(name).links if link.produces]
        return page(links, offset, count, self._link)

    def consumer(self, name: Optional[str], serial: int) -> Consumer:
        """The consumer of this serial itself, of the node `name`, or of any (None). Failed (404)."""
        for link in self._handlers() if name is None else self.record(name).links:
            if isinstance(link, Consumer) and link.serial == serial:
                return link
        raise Failed(404, f"{name or 'the broker'!r} has no consumer {serial}: it has gone, or never was")

    def _node(self, record: Record) -> Row:
        node = record.node
        row: Row = statistics(node.name, record).to_dict()
        row["dynamic"] = record.lifetime is not None
        row["lifetime"] = None if record.lifetime is None else LIFETIME_NAMES[record.lifetime]
        row["policy"] = node.policy.to_json()
        row["stored"] = isinstance(node, Queue) and node.keeper is not None
        if isinstance(node, Topic):
            row["subscriptions"] = len(node.subscriptions)
        return row

    def _subscription(self, topic: Topic, queue: Queue) -> Row:
        selection = topic.selections.get(queue)
        return {
            "name": queue.name,
            "topic": topic.name,
            "depth": queue.depth,
            "waiting": queue.waiting,
            "acquired": queue.acquired,
            "bytes": queue.bytes,
            "enqueued": queue.enqueued,
            "consumers": len(queue.consumers),
            "selector": None if selection is None else selection.text,
        }

    def exchanges(self, offset: int = 0, count: int = ROWS) -> Page:
        """The exchanges, by name, with the number of their bindings."""
        named = self.broker.directory.exchanges.named
        return page(sorted(named), offset, count, lambda name: self._exchange(named[name]))

    @staticmethod
    def _exchange(exchange: Exchange) -> Row:
        return {
            "name": exchange.name,
            "kind": exchange.kind,
            "durable": bool(exchange.settings.get("durable", True)),
            "auto_delete": bool(exchange.settings.get("auto_delete", False)),
            "enqueued": exchange.enqueued,
            "unrouted": exchange.unrouted,
            "bindings": len(exchange.bindings),
        }

    # -- connections, sessions, links

    def connections(self, offset: int = 0, count: int = ROWS) -> Page:
        """The open connections, in the order of their coming."""
        return page(self.broker.connections(), offset, count, self._connection)

    def connection(self, number: int) -> Any:
        """The connection of this number itself. Failed (404)."""
        for connection in self.broker.connections():
            if self.number_of(connection) == number:
                return connection
        raise Failed(404, f"no connection {number}: it has gone, or never was")

    def sessions(self, number: int, offset: int = 0, count: int = ROWS) -> Page:
        """The sessions of a connection. Failed (404)."""
        sessions = _sessions(self.connection(number))
        return page(list(enumerate(sessions)), offset, count, lambda pair: self._session(*pair))

    def links(
        self,
        number: Optional[int] = None,
        offset: int = 0,
        count: int = ROWS,
        *,
        roles: Sequence[str] = (),
        node: Optional[str] = None,
    ) -> Page:
        """The links of a connection, or of all (None). roles: those of "consumer", "browser" and "producer" that are
        wanted, () for all. node: that they are attached to, None for all. Failed (404)."""
        links = self._handlers() if number is None else self.broker.links_of(self.connection(number))
        if node is not None:
            record = self.record(node)
            links = [link for link in links if link.record is record]
        if roles:
            links = [link for link in links if _role(link) in roles]
        return page(links, offset, count, self._link)

    def connection_row(self, number: int) -> Row:
        """The connection of this number. Failed (404)."""
        return self._connection(self.connection(number))

    def number_of(self, connection: Any) -> int:
        """The number by which a connection is known here: it is never that of another."""
        number = self._numbers.get(connection)
        if number is None:
            for other in self.broker.connections():  # in the order of their coming
                if other not in self._numbers:
                    self._numbers[other] = next(self._count)
            number = self._numbers.get(connection, 0)
        return number

    def _handlers(self) -> list[Any]:
        return [link for connection in self.broker.connections() for link in self.broker.links_of(connection)]

    def _connection(self, connection: Any) -> Row:
        links = self.broker.links_of(connection)
        transport = connection.transport
        properties = connection.remote_properties or {}
        return {
            "number": self.number_of(connection),
            "container": connection.remote_container,
            "user": _user(connection),
            "address": connection.connected_address,
            "encrypted": bool(transport is not None and transport.encrypted),
            "product": str(properties.get("product", "")),
            "sessions": len(_sessions(connection)),
            "links": len(links),
            "producers": sum(bool(link.produces) for link in links),
            "consumers": sum(isinstance(link, Consumer) for link in links),
            "unsettled": sum(_unsettled(link) for link in links),
            "frames_in": 0 if transport is None else transport.frames_input,
            "frames_out": 0 if transport is None else transport.frames_output,
        }

    def _session(self, number: int, session: Any) -> Row:
        links = [link for link in self.broker.links_of(session.connection) if link.link.session == session]
        return {
            "number": number,
            "connection": self.number_of(session.connection),
            "links": len(links),
            "unsettled": sum(_unsettled(link) for link in links),
            "incoming_bytes": session.incoming_bytes,
            "outgoing_bytes": session.outgoing_bytes,
        }

    def _link(self, handler: Any) -> Row:
        link = handler.link
        record = handler.record
        node = getattr(handler, "address", None) if record is None else record.node.name  # of the broker itself
        taking = isinstance(handler, Consumer)
        row: Row = {
            "name": link.name,
            "connection": self.number_of(link.connection),
            "container": link.connection.remote_container,
            "user": _user(link.connection),
            "role": _role(handler),
            "node": node,
            "credit": link.credit,
            "unsettled": _unsettled(handler),
            "queued": link.queued,
        }
        if taking:
            row["serial"] = handler.serial
            row["selector"] = None if handler.selection is None else handler.selection.text
        else:
            full = getattr(handler, "waits_for", None)
            row["held_back_by"] = None if full is None else full.name
        return row


COUNTERS = ("waiting", "acquired", "consumers", "producers", "enqueued", "acknowledged", "rejected", "expired",
            "requeued", "removed", "dropped")  # fmt: skip
"""The numbers of a node that an overview sums up."""


def page(rows: Sequence[Any], offset: int, count: int, form: Any) -> Page:
    """The page of `rows` from `offset` on, at most `count` and MOST_ROWS long; `form` makes a row of each. Failed:
    400."""
    if offset < 0 or count < 0:
        raise Failed(400, f"offset {offset} and count {count}: numbers from 0 on")
    chosen: Iterable[Any] = rows[offset : offset + min(count, MOST_ROWS)]
    return {"total": len(rows), "offset": offset, "items": [form(row) for row in chosen]}


def _sessions(connection: Any) -> list[Any]:
    return list(connection.sessions(Endpoint.LOCAL_ACTIVE))


def _user(connection: Any) -> Optional[str]:
    transport = connection.transport
    return None if transport is None else transport.user


def _role(handler: Any) -> str:
    """Of its client."""
    if isinstance(handler, Consumer):
        return "browser" if isinstance(handler, Browser) else "consumer"
    return "producer" if handler.produces else "reader"


def _unsettled(handler: Any) -> int:
    """Messages that a consumer holds, or outcomes that a producer waits for."""
    return len(handler.held) if isinstance(handler, Consumer) else getattr(handler, "expected", 0)
