"""What the processes of a benchmark do with blocking calls, for either library: no handler, no container to run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Callable

from tests.benchmarks.span import Span
from tests.support.libraries import OURS

ADDRESS = "benchmark"
Say = Callable[..., None]


def send(api: SimpleNamespace, url: str, say: Say, count: int, size: int) -> None:
    """Sends `count` messages, and has the outcome of each: one by one in the original, which knows no other way."""
    connection = api.BlockingConnection(url)
    sender = connection.create_sender(ADDRESS)
    how: dict[str, Any] = {"sync": False} if api.library == OURS else {}
    body = "x" * size
    span = Span()
    span.start()
    for _ in range(count):
        sender.send(api.Message(body), **how)
    if how:
        sender.sync()
    span.stop()
    say(report=span.report())
    connection.close()


def receive(api: SimpleNamespace, url: str, say: Say, count: int, credit: int) -> None:
    """Takes `count` messages that are there, and accepts each."""
    connection = api.BlockingConnection(url)
    receiver = connection.create_receiver(ADDRESS, credit=credit)
    span = Span()
    span.start()
    for _ in range(count):
        message = receiver.receive()
        message.body  # noqa: B018  # an application looks at it
        receiver.accept()
    span.stop()
    say(report=span.report())
    connection.close()


BLOCKING = {"blocking_send": send, "blocking_receive": receive}
