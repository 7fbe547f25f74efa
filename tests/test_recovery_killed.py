"""A broker in a process of its own that is killed in the middle of the work, and started again.

What the simulated world proves for every order of things (test_container_recovery.py) is seen here to hold for real
sockets and a peer that says nothing before it dies. The broker keeps its messages in memory: what it had is gone with
it, and what is counted is what the client was told.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reactor import Container
from tests.support.processes import Script, unused_port
from tests.support.recovery import Carrier

TOTAL = 2000
KILLS = [100, 400, 800]  #: after so many accepted messages


class BrokerProcess:
    """`python -m handlers.broker` on a port of its own, which can be killed and started again."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.url = f"amqp://127.0.0.1:{unused_port()}"
        self.start()

    def start(self) -> None:
        self.script = Script([sys.executable, "-m", "handlers.broker", "--listen", self.url], self.place)
        self.script.wait_for("Listening on")

    def kill(self) -> None:
        self.script.process.kill()
        self.script.__exit__()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    process = BrokerProcess(tmp_path)
    yield process
    process.kill()


class Client(Carrier):
    """A carrier that has an address of its own, too, which each broker makes anew."""

    def make_links(self, container: Any) -> None:
        super().make_links(container)
        self.reply = container.create_receiver(self.connection, None, dynamic=True)

    def on_link_opened(self, event: Any) -> None:
        if event.receiver is self.reply:
            self.told["address " + self.reply.remote_source.address] += 1


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
