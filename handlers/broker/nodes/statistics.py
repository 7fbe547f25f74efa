"""A node at one moment, as numbers that any thread may ask for.

It reads plain attributes and copies of collections, and changes nothing; the numbers of one answer may be a
turn apart from each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from handlers.broker.nodes.directory import Record
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.tally import tally
from handlers.broker.nodes.topic import Topic


class NodeStatistics(NamedTuple):
    """A queue or topic at one moment. Of a topic, the sums over its subscriptions.

    name, kind: "queue" or "topic"; an unused name is an empty queue.
    depth: messages in it. waiting: to be had. acquired: with consumers, unsettled. delayed: to be had later.
    bytes: their size. consumers, producers: attached links.
    enqueued: came in, ever. acknowledged, rejected, expired, removed (by an administrator), displaced (dropped to make
    room), exhausted (failed too often), replaced (by a newer one of its value): left it, ever. requeued: came back.
    dropped: published to a topic without subscriptions. refused: not let in, because it was full.
    duplicates: came again, and were dropped. timeouts: taken back from a consumer that held it too long.
    dead_lettered: of those that left it, sent to its dead letter address. undelivered: not taken there, and dropped.

    Those that are said to be ever only grow, also where a subscription of a topic ends.
    """

    name: str
    kind: str = "queue"
    depth: int = 0
    waiting: int = 0
    acquired: int = 0
    bytes: int = 0
    consumers: int = 0
    producers: int = 0
    enqueued: int = 0
    acknowledged: int = 0
    rejected: int = 0
    expired: int = 0
    removed: int = 0
    requeued: int = 0
    dropped: int = 0
    displaced: int = 0
    exhausted: int = 0
    refused: int = 0
    dead_lettered: int = 0
    undelivered: int = 0
    delayed: int = 0
    duplicates: int = 0
    timeouts: int = 0
    replaced: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The numbers by their names."""
        return dict(zip(type(self).__annotations__, self))


class BrokerStatistics(NamedTuple):
    """A whole broker at one moment.

    connections, links, nodes: how many there are. depth, bytes: the messages in all queues, and their size.
    refused: messages that reached no node, ever. internal_errors: see `Broker.internal_errors`.
    transactions: those that are open. committed, rolled_back: transactions that have ended so, ever. timed_out: those
    that were not discharged in time, ever; they count as rolled back once their client knows.
    """

    connections: int
    links: int
    nodes: int
    depth: int
    bytes: int
    refused: int
    internal_errors: int
    transactions: int = 0
    committed: int = 0
    rolled_back: int = 0
    timed_out: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The numbers by their names."""
        return dict(zip(type(self).__annotations__, self))


_OTHERS = ("name", "kind", "depth", "waiting", "acquired", "bytes", "consumers", "producers", "delayed")
COUNTERS = tuple(name for name in NodeStatistics.__annotations__ if name not in _OTHERS)
"""The numbers of a node that only grow."""


class Past:
    """The counters of nodes that are gone, summed up, so that those of a whole broker only grow, too. sums: by name."""

    def __init__(self) -> None:
        self.sums = dict.fromkeys(COUNTERS, 0)

    def keep(self, record: Record) -> None:
        """The node of `record` goes."""
        numbers = statistics(record.node.name, record)
        for name in COUNTERS:
            self.sums[name] += getattr(numbers, name)


def overview(
    records: Sequence[Record], connections: int, links: int, refused: int, internal_errors: int,
    transactions: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> BrokerStatistics:
    """The numbers of a broker with these nodes."""
    nodes = [record.node for record in records]
    queues = [queue for node in nodes for queue in (list(node.subscriptions) if isinstance(node, Topic) else [node])]
    depth, taken = sum(queue.depth for queue in queues), sum(queue.bytes for queue in queues)
    return BrokerStatistics(connections, links, len(nodes), depth, taken, refused, internal_errors, *transactions)


def statistics(name: str, record: Optional[Record]) -> NodeStatistics:
    """The numbers of the node `name`, None standing for one that is not there."""
    if record is None:
        return NodeStatistics(name)
    node = record.node
    links = list(record.links)
    producers = sum([link.produces for link in links])
    duplicates = 0 if node.gate is None or node.gate.duplicates is None else node.gate.duplicates.count
    queues = list(node.subscriptions) if isinstance(node, Topic) else [node]
    counted = tally(node) if isinstance(node, Queue) else Counter(node.past)
    if isinstance(node, Topic):
        for queue in queues:
            counted.update(tally(queue))
    return NodeStatistics(
        name,
        node.kind,
        depth=sum([queue.depth for queue in queues]),
        waiting=sum([queue.waiting for queue in queues]),
        acquired=sum([queue.acquired for queue in queues]),
        bytes=sum([queue.bytes for queue in queues]),
        consumers=len(links) - producers,
        producers=producers,
        enqueued=node.enqueued,
        dropped=node.dropped if isinstance(node, Topic) else 0,
        delayed=sum([len(queue.delays) for queue in queues]),
        duplicates=duplicates,
        **counted,
    )
