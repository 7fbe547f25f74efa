"""The numbers of a broker in the text form of Prometheus, which `reactor.telemetry` writes.

Names of counters end in `_total`, and counters only grow: the numbers of the whole broker include nodes that are gone,
those of a node begin again with it.

Dynamic nodes have names of chance, each of them for a short time. They count in the numbers of the broker, and have
none of their own: each would be a series that a monitoring system keeps. Of the others the first ones have some, in the
order of their making, so that a series goes on until its node goes; the last metric counts the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from handlers.broker.nodes.statistics import COUNTERS, NodeStatistics
from handlers.broker.web.survey import Picture
from reactor.telemetry import group, labels

MOST_NODES = 1000
"""Queues and topics with numbers of their own: some 1.1 MB."""


class Metric(NamedTuple):
    """name: without its prefix. kind: "gauge" or "counter". help: in one line. field: of the statistics."""

    name: str
    kind: str
    help: str
    field: str


OF_THE_BROKER = (
    Metric("connections", "gauge", "Open connections.", "connections"),
    Metric("links", "gauge", "Attached links of all connections.", "links"),
    Metric("nodes", "gauge", "Queues and topics.", "nodes"),
    Metric("messages", "gauge", "Messages in all queues and subscriptions.", "depth"),
    Metric("bytes", "gauge", "Bytes that these messages take.", "bytes"),
    Metric("refused_total", "counter", "Messages that reached no queue or topic.", "refused"),
    Metric("internal_errors_total", "counter", "Exceptions that the safety net caught.", "internal_errors"),
    Metric("transactions", "gauge", "Transactions that are open.", "transactions"),
    Metric("transactions_committed_total", "counter", "Transactions that were committed.", "committed"),
    Metric("transactions_rolled_back_total", "counter", "Transactions that were rolled back.", "rolled_back"),
    Metric("transactions_timed_out_total", "counter", "Transactions that were not discharged in time.", "timed_out"),
)

HELP = {
    "enqueued": "Messages that came in.",
    "acknowledged": "Messages that consumers accepted.",
    "rejected": "Messages that consumers rejected.",
    "expired": "Messages that reached the end of their time to live.",
    "removed": "Messages that an administrator removed.",
    "requeued": "Messages that came back from a consumer.",
    "dropped": "Messages to topics without subscriptions.",
    "displaced": "Messages that were dropped to make room.",
    "exhausted": "Messages that failed too often.",
    "replaced": "Messages that a newer one of the same value has replaced.",
    "dead_lettered": "Messages that were sent to a dead letter address.",
    "undelivered": "Messages that were not taken there.",
    "duplicates": "Messages that came again, and were dropped.",
    "timeouts": "Messages that were taken back from a consumer which held them too long.",
    "refused": "Messages that were not let in, because there was no room.",
}
"""Of the counters."""

COUNTED = tuple(
    Metric(f"{field}_total", "counter", HELP.get(field, f"Messages: {field}."), field) for field in COUNTERS
)

OF_A_NODE = (
    Metric("messages", "gauge", "Messages in it, waiting and acquired.", "depth"),
    Metric("messages_waiting", "gauge", "Messages that no consumer holds.", "waiting"),
    Metric("messages_acquired", "gauge", "Messages that consumers hold, unsettled.", "acquired"),
    Metric("messages_delayed", "gauge", "Messages that are to be had later.", "delayed"),
    Metric("bytes", "gauge", "Bytes that its messages take.", "bytes"),
    Metric("consumers", "gauge", "Attached consumers.", "consumers"),
    Metric("producers", "gauge", "Attached producers.", "producers"),
    *COUNTED,
)


def exposition(version: str, picture: Picture, most: int = MOST_NODES) -> Iterator[str]:
    """The lines, in pieces. version: of the program. most: nodes with numbers of their own."""
    yield group("amqp_broker_info", "gauge", "1, with the version of the program.")
    yield f"amqp_broker_info{labels(('version', version))} 1\n"
    numbers = {**picture.counters, **picture.broker.to_dict()}
    for metric in {metric.name: metric for metric in (*COUNTED, *OF_THE_BROKER)}.values():
        name = f"amqp_broker_{metric.name}"
        yield group(name, metric.kind, metric.help)
        yield f"{name} {numbers[metric.field]}\n"
    kinds: dict[str, list[tuple[str, NodeStatistics]]] = {"queue": [], "topic": []}
    lasting = [node.numbers for node in picture.nodes if not node.dynamic]
    for numbers_of_it in lasting[:most]:
        kind = numbers_of_it.kind
        kinds[kind].append((labels((kind, numbers_of_it.name)), numbers_of_it))
    name = "amqp_broker_nodes_left_out"
    yield group(name, "gauge", f"Queues and topics beyond the first {most}, without numbers of their own here.")
    yield f"{name} {max(0, len(lasting) - most)}\n"
    for kind, rows in kinds.items():
        for metric in OF_A_NODE if rows else ():
            name = f"amqp_broker_{kind}_{metric.name}"
            yield group(name, metric.kind, metric.help)
            yield "".join(f"{name}{named} {getattr(row, metric.field)}\n" for named, row in rows)
