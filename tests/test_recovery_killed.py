"""A broker in a process of its own that is killed in the middle of the work, and started again.

What the simulated world proves for every order of things (test_container_recovery.py) is seen here to hold for real
sockets and a peer that says nothing before it dies. A broker that keeps its messages in memory loses them, and what is
counted is what the client was told; one with a store loses none.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.broker.store.sqlite import SqliteStore
from reactor import Container
from tests.support import movers
from tests.support.processes import DEADLINE
from tests.support.recovery import BrokerProcess, Carrier, Faithful

TOTAL = 2000
KILLS = [100, 400, 800]  #: after so many accepted messages


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path) as process:
        yield process


class Client(Carrier):
    """A carrier that has an address of its own, too, which each broker makes anew."""

    def make_links(self, container: Any) -> None:
        super().make_links(container)
        self.reply = container.create_receiver(self.connection, None, dynamic=True)

    def on_link_opened(self, event: Any) -> None:
        if event.receiver is self.reply:
            self.told["address " + self.reply.remote_source.address] += 1


@pytest.mark.slow
@pytest.mark.parametrize("resend", [True, False], ids=["sent again", "in doubt"])
def test_every_send_has_one_end_whatever_happens_to_the_broker(broker: BrokerProcess, resend: bool) -> None:
    client = Client(broker, "jobs", TOTAL, KILLS, resend)
    Container(client).run()
    assert len(client.sent) == TOTAL
    assert client.ends == Counter(client.sent), "each once"
    assert client.told["disconnected"] == client.told["reconnected"] == len(KILLS)
    assert client.told["accepted"] + client.told["in doubt"] == TOTAL
    assert (client.told["in doubt"] == 0) is resend
    assert client.received, "the receiver came back, too"
    addresses = [text for text in client.told if text.startswith("address")]
    assert len(addresses) == 1 + len(KILLS), "each broker makes an address of its own"


def test_a_broker_that_comes_late_is_found(broker: BrokerProcess) -> None:
    broker.kill()
    client = Client(broker, "jobs", TOTAL, [], True)
    container = Container(client)
    container.do_work(0)
    while container.failures(client.connection) < 3:
        container.do_work(1)
    broker.start()
    container.run()
    assert client.told["accepted"] == TOTAL and client.told["disconnected"] == 0


def test_a_broker_with_a_store_loses_nothing_that_it_had_accepted(tmp_path: Path) -> None:
    with BrokerProcess(tmp_path, "--store", "jobs.store") as broker:
        client = Faithful(broker, "jobs", TOTAL, KILLS, True)
        Container(client).run()
    assert client.told["accepted"] == TOTAL and client.told["disconnected"] == len(KILLS)
    assert sorted(client.received) == list(range(TOTAL)), "each at least once"


@pytest.mark.slow
def test_transactions_are_whole_however_the_broker_is_killed(tmp_path: Path) -> None:
    bodies, kills = 600, [20, 50, 80]  # after so many commits
    store = SqliteStore(tmp_path / "jobs.store")
    movers.fill(store, bodies)
    store.close()
    ledger = movers.Ledger()
    with BrokerProcess(tmp_path, "--store", "jobs.store") as broker:
        mover = movers.Mover(broker.url, random.Random(5), ledger)
        container = Container(mover)
        killed, deadline = 0, time.monotonic() + DEADLINE
        while killed < len(kills) or len(ledger.committed) < kills[-1] + 20:
            assert time.monotonic() < deadline, (killed, len(ledger.committed))
            container.do_work(1)
            if killed < len(kills) and len(ledger.committed) >= kills[killed]:
                broker.kill()
                broker.start()
                killed += 1
        mover.rest()
        while container.connections() and mover.transaction is not None:
            container.do_work(0.1)
        mover.stop()
        container.run()
        broker.kill()
    store = SqliteStore(tmp_path / "jobs.store")
    movers.check(store, ledger, bodies)
    assert len(movers.read(store)[movers.TO]) >= sum(ledger.sizes[work] for work in ledger.committed) > 0
    store.close()
