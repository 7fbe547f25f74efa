"""Movers: clients that take messages from one queue and send them to another one, in transactions; and their ledger,
which knows how each transaction has ended."""

from __future__ import annotations

from collections import Counter
from typing import Any

from handlers import TransactionalClientHandler
from handlers.broker.nodes.envelope import read_envelope
from handlers.broker.store.interface import AddMessage, AddNode
from reactor import Backoff, Message

FROM, TO = "in", "out"


class Ledger:
    """What all movers of a world have heard of their transactions. sizes: the messages in each that was to be
    committed."""

    def __init__(self) -> None:
        self.count = 0
        self.sizes: dict[int, int] = {}
        self.committed: set[int] = set()
        self.undone: set[int] = set()
        self.doubtful: set[int] = set()

    def next(self) -> int:
        self.count += 1
        return self.count


def fill(store: Any, bodies: int) -> None:
    """A queue with so many durable messages, as an earlier broker would have left it."""
    queue = store.new_number()
    changes: list[Any] = [AddNode(queue, "queue", FROM, {})]
    for body in range(bodies):
        data = bytes(Message(body, durable=True).encode())
        length = read_envelope(data).length
        changes.append(AddMessage(store.new_number(), queue, data[:length], data[length:], 0))
    assert store.commit([changes]) == [None]


def read(store: Any) -> dict[str, list[Message]]:
    """The messages of each queue in a store."""
    names = {node.number: node.name for node in store.nodes()}
    found: dict[str, list[Message]] = {FROM: [], TO: []}
    for message in store.messages():
        found[names[message.queue]].append(Message.from_bytes(message.header + message.body))
    return found


def check(store: Any, ledger: Ledger, bodies: int) -> None:
    """Each message is in one of the queues, once; each transaction has moved all of its messages or none, as its client
    was told."""
    found = read(store)
    everything = [message.body for queue in found.values() for message in queue]
    assert sorted(everything) == list(range(bodies)), Counter(everything) - Counter(range(bodies))
    moved = Counter(message.properties["work"] for message in found[TO])
    for work, number in moved.items():
        assert work not in ledger.undone, f"transaction {work} was rolled back, and {number} of it are there"
        assert number == ledger.sizes[work], f"transaction {work}: {number} of {ledger.sizes[work]}"
    assert ledger.committed <= moved.keys(), "committed, and lost"


class Mover(TransactionalClientHandler):
    """Moves one to three messages in a transaction, and commits or aborts it; until it is to rest."""

    def __init__(self, url: str, choose: Any, ledger: Ledger) -> None:
        super().__init__(prefetch=0)
        self.url = url
        self.choose = choose
        self.ledger = ledger
        self.early = choose.random() < 0.3
        self.resting = False
        self.transaction: Any = None
        self.task: Any = None

    def on_start(self, event: Any) -> None:
        self.container = event.container
        backoff = Backoff(initial=0.1, max_delay=1.0)
        self.connection = event.container.connect(self.url, reconnect=backoff)
        self.sender = event.container.create_sender(self.connection, TO)
        self.receiver = event.container.create_receiver(self.connection, FROM)
        self.begin()

    def begin(self) -> None:
        if not self.resting:
            self.container.declare_transaction(self.connection, self, self.early)

    def on_transaction_declared(self, event: Any) -> None:
        self.transaction = event.transaction
        self.transaction.work, self.transaction.taken = self.ledger.next(), 0
        self.wanted = self.choose.randint(1, 3)
        self.receiver.flow(max(0, self.wanted - self.receiver.credit))
        self.task = self.container.schedule(1.0, self)

    def on_message(self, event: Any) -> None:
        transaction = self.transaction
        if transaction is None or not transaction.active or transaction.taken == self.wanted:
            self.release(event.delivery, delivered=False)
            return
        transaction.taken += 1
        transaction.accept(event.delivery)
        message = Message(event.message.body, durable=True, properties={"work": transaction.work})
        transaction.send(self.sender, message)
        if transaction.taken == self.wanted:
            self.finish(self.choose.random() < 0.3)

    def on_timer_task(self, event: Any) -> None:
        """There are fewer than were wanted; or it is time to begin again."""
        if self.transaction is None:
            self.begin()
        elif self.transaction.active:
            self.finish(not self.transaction.taken)

    def finish(self, abort: bool) -> None:
        transaction = self.transaction
        self.task.cancel()
        if abort:
            transaction.abort()
        else:
            self.ledger.sizes[transaction.work] = transaction.taken
            transaction.commit()

    def on_transaction_committed(self, event: Any) -> None:
        self.over(event, self.ledger.committed)

    def on_transaction_aborted(self, event: Any) -> None:
        self.over(event, self.ledger.undone)

    def on_transaction_commit_failed(self, event: Any) -> None:
        self.over(event, self.ledger.doubtful if event.transaction.in_doubt else self.ledger.undone)

    def on_transaction_declare_failed(self, event: Any) -> None:
        self.container.schedule(0.5, self)

    def over(self, event: Any, ends: set[int]) -> None:
        ends.add(event.transaction.work)
        if event.transaction is self.transaction:
            self.transaction = None
            self.task.cancel()
            self.begin()

    def rest(self) -> None:
        """Begin no other transaction."""
        self.resting = True

    def stop(self) -> None:
        self.resting = True
        self.connection.close()

    # Brokers that crash, and refuse what their stores cannot keep, are its business.
    def on_link_error(self, event: Any) -> None:
        """As a loss."""

    on_session_error = on_connection_error = on_transport_error = on_link_error
