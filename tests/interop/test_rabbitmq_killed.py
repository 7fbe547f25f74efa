"""RabbitMQ killed or stopped in the middle of sending and receiving, and started again on the same port: what is on its
disk is still there, and so nothing that it has accepted may be lost.

test_recovery_killed.py is the same with our own broker, which keeps nothing.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from reactor import Container
from tests.support.rabbitmq import VERSIONS, RabbitMQ, need
from tests.support.recovery import Carrier

TOTAL = 1000
#: Seconds for all of it, two starts of RabbitMQ among it; only what would never end ends by this.
LIMIT = 100.0


class Restarted:
    """A RabbitMQ whose starting nobody waits for: the client meets closed doors until it listens."""

    def __init__(self, server: RabbitMQ) -> None:
        self.server = server
        self.url = server.url
        self.address = server.address("durable")
        self.starting: list[threading.Thread] = []
        self.planned = False

    def kill(self) -> None:
        self.wait()  # it may serve clients, and not be up in all its parts yet
        if self.planned:
            self.server.stop()
        else:
            self.server.kill()

    def start(self) -> None:
        self.starting.append(threading.Thread(target=self.server.start))
        self.starting[-1].start()

    def wait(self) -> None:
        """Until it has been started as often as it should."""
        for thread in self.starting:
            thread.join()


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    need(request.param)
    with RabbitMQ(tmp_path_factory.mktemp("killed"), request.param) as server:
        yield server


@pytest.fixture
def mortal(server: RabbitMQ) -> Iterator[Restarted]:
    mortal = Restarted(server)
    yield mortal
    mortal.wait()


class Client(Carrier):
    """Accepts by the score, and what it held when the connection was lost when that is back: which says nothing."""

    def __init__(self, broker: Restarted, kills: list[int], resend: bool) -> None:
        super().__init__(broker, broker.address, TOTAL, kills, resend, auto_accept=False)
        self.held: list[Any] = []
        self.stale: list[Any] = []
        self.dying = False
        self.accepted: set[int] = set()

    def on_start(self, event: Any) -> None:
        super().on_start(event)
        event.container.schedule(LIMIT, self)

    def on_timer_task(self, event: Any) -> None:
        self.told["time is over"] += 1
        event.container.stop()

    def on_accepted(self, event: Any) -> None:
        self.accepted.add(self.sent.index(event.delivery))
        super().on_accepted(event)

    def on_message(self, event: Any) -> None:
        super().on_message(event)
        self.held.append(event.delivery)
        if len(self.held) >= 20 and not self.dying:
            self.accept_held()
        self.close_when_done()

    def may_kill(self) -> bool:
        self.dying = bool(self.held)
        return self.dying

    def accept_held(self) -> None:
        held, self.held = self.held, []
        for delivery in held:
            self.accept(delivery)

    def on_disconnected(self, event: Any) -> None:
        super().on_disconnected(event)
        self.stale += self.held
        self.held = []
        self.dying = False

    def on_connection_reconnected(self, event: Any) -> None:
        super().on_connection_reconnected(event)
        for delivery in self.stale:
            self.accept(delivery)  # no error, and no effect: it comes again

    def close_when_done(self) -> None:
        if len(self.ends) == TOTAL and self.accepted <= set(self.received):
            self.accept_held()
            self.connection.close()

    def on_connection_closed(self, event: Any) -> None:
        event.container.stop()


@pytest.mark.parametrize(
    ("resend", "planned"),
    [(True, False), (False, False), (True, True)],
    ids=["sent again", "in doubt", "stopped as planned"],
)
def test_nothing_that_was_accepted_is_lost(mortal: Restarted, resend: bool, planned: bool) -> None:
    """A planned stop is a close with a reason that passes, or silence: the client goes on after it, as after a kill."""
    mortal.planned = planned
    kills = [100, 500] if resend else [300]
    client = Client(mortal, kills, resend)
    Container(client).run()
    mortal.wait()
    assert client.told["time is over"] == 0, client.told
    assert client.ends == Counter(client.sent) and len(client.sent) == TOTAL, "each send has one end"
    assert client.told["accepted"] + client.told["in doubt"] == TOTAL
    assert client.told["disconnected"] == client.told["reconnected"] == len(kills)
    assert client.accepted <= set(client.received), "what was accepted has come"
    if resend:
        assert client.told["in doubt"] == 0 and set(client.received) == set(range(TOTAL))
    else:
        assert 0 < client.told["in doubt"] <= 100 * len(kills)
    assert client.stale, "some were held when the connection was lost"
    Container(Emptied(mortal)).run()


class Emptied(Carrier):
    """Finds nothing left: what was accepted on this side is gone."""

    def __init__(self, broker: Restarted) -> None:
        super().__init__(broker, broker.address, 1, [], False)

    def on_message(self, event: Any) -> None:
        assert event.message.body == 0 and event.message.first_acquirer, "only what was sent just now"
        super().on_message(event)
        self.connection.close()

    def close_when_done(self) -> None:
        pass
