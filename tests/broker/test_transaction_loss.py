"""A connection that is lost before or after any frame of a transaction, with a broker: what the client was told is what
the queues hold. The lines are those of the AMQ JMS book (row J5); the same with scripted peers is in
tests/container/test_transaction_loss.py.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest

from handlers import TransactionalClientHandler
from handlers.broker.store.memory import MemoryStore
from reactor import Backoff, Message, TransactionRolledBack
from reactor.simulation import World
from tests.support import movers
from tests.support.clients import Bystander
from tests.support.scenarios import URL


@pytest.fixture(autouse=True)
def quiet_logs() -> Any:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Worker(TransactionalClientHandler):
    """Does one transaction: takes so many messages, sends so many, and commits when the peer has taken them; and notes
    what becomes of it. It begins no other one."""

    def __init__(self, url: str, takes: int, sends: int, apart: bool) -> None:
        super().__init__(prefetch=0)
        self.url = url
        self.takes, self.sends, self.apart = takes, sends, apart
        self.told: list[str] = []
        self.late: list[str] = []
        self.transaction: Any = None
        self.waits = sends

    def on_start(self, event: Any) -> None:
        container = event.container
        self.connection = container.connect(self.url, reconnect=Backoff(initial=0.1, max_delay=1.0))
        session = container.create_session(self.connection) if self.apart else self.connection
        self.sender = container.create_sender(session, movers.TO)
        self.receiver = container.create_receiver(self.connection, movers.FROM)
        self.container = container
        self.transaction = container.declare_transaction(self.connection, self)

    def on_transaction_declared(self, event: Any) -> None:
        self.told.append("declared")
        self.go_on()

    def go_on(self) -> None:
        if self.takes:
            self.receiver.flow(self.takes)
        else:
            self.send()

    def on_message(self, event: Any) -> None:
        if not self.transaction.active:
            self.release(event.delivery, delivered=False)
            return
        self.accept(event.delivery, self.transaction)
        self.takes -= 1
        if not self.takes:
            self.send()

    def send(self) -> None:
        for number in range(self.sends):
            self.transaction.send(self.sender, Message(number, durable=True, properties={"work": 1}))
        if not self.sends:
            self.commit()

    def on_delivery_updated(self, event: Any) -> None:
        self.waits -= 1
        if not self.waits:
            self.commit()

    def commit(self) -> None:
        try:
            self.transaction.commit()
        except TransactionRolledBack:
            self.late.append("rolled back")

    def on_transaction_committed(self, event: Any) -> None:
        self.told.append("committed")

    def on_transaction_aborted(self, event: Any) -> None:
        self.told.append("aborted")

    def on_transaction_commit_failed(self, event: Any) -> None:
        self.told.append("in doubt" if event.transaction.in_doubt else "commit failed")

    def on_link_error(self, event: Any) -> None:
        """As a loss."""

    on_session_error = on_connection_error = on_transport_error = on_link_error


#: What is done in the transaction: (messages taken, messages sent), and all the ends that it may have.
WORK = {
    "nothing": (0, 0, {"committed", "in doubt"}),
    "one send": (0, 1, {"committed", "in doubt"}),
    "sends": (0, 2, {"committed", "in doubt", "aborted"}),
    "acknowledgements": (2, 0, {"committed", "in doubt", "aborted"}),
    "both": (2, 2, {"committed", "in doubt", "aborted"}),
}


@pytest.mark.parametrize(
    "apart", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["one session", "two sessions"]
)
@pytest.mark.parametrize("work", WORK)
def test_J5_a_connection_lost_at_any_frame_of_a_transaction(work: str, apart: bool) -> None:
    takes, sends, possible = WORK[work]
    ends: set[str] = set()
    doubtful: set[bool] = set()
    frames = 0 if apart else 17  # those before are of the handshake alone
    while frames < 60:
        for arrives in (False, True):  # the last frame
            worker, found, was_over = cut_after(frames, arrives, takes, sends, apart)
            assert len(worker.told) == 2 and worker.told[0] == "declared", "it has one end, and is declared once"
            end = worker.told[1]
            ends.add(end)
            took_effect = len(found[movers.FROM]) == 3 - takes and len(found[movers.TO]) == sends
            undone = len(found[movers.FROM]) == 3 and not found[movers.TO]
            if end == "in doubt":
                assert took_effect or undone
                doubtful.add(took_effect)
            else:
                assert took_effect if end == "committed" else undone
            if end != "committed":
                worker.commit()
                assert worker.late == ["rolled back"]
        if was_over:
            break
        frames += 1
    assert 20 < frames < 60 and ends == possible
    if not apart:
        assert doubtful == ({True, False} if work != "nothing" else {True}), "the commit, or its answer, was lost"


def cut_after(frames: int, arrives: bool, takes: int, sends: int, apart: bool) -> tuple[Any, Any, bool]:
    """(worker, the messages of each queue, whether all was over before): the connection is cut after so many frames;
    arrives: when the last one has arrived, too."""
    store = MemoryStore()
    with World(seed=1) as world:
        movers.fill(store, 3)
        broker = world.start(Bystander, URL, store=store, name="broker").handler
        worker = world.start(Worker, URL, takes, sends, apart, name="worker").handler
        for _ in range(frames):
            world.step_frame()
        if arrives:
            world.run_for(0.001)
        was_over = len(worker.told) == 2
        assert world.cut() or frames < 2
        world.run_for(20.0)
        assert broker.internal_errors == 0
        return worker, movers.read(store), was_over
