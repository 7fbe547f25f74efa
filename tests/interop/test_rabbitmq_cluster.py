"""Three nodes of RabbitMQ 4 as one cluster: the node is killed (-9) that our client is at, where the leader of its
quorum queue is; the client goes on at the others, and nothing that was accepted is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from reactor import Container
from tests.support.desk import Desk
from tests.support.management import Management
from tests.support.rabbitmq import VERSIONS, Cluster, need
from tests.support.recovery import Faithful

TOTAL = 3000
KILL = 1000
#: Seconds for all of it; only what would never end ends by this.
LIMIT = 100.0
QUEUE = "/queues/kept"


@pytest.fixture(scope="module", params=VERSIONS[1:])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    need(request.param)
    with Cluster(tmp_path_factory.mktemp("cluster"), request.param) as cluster:
        yield cluster


class Client(Faithful):
    """A carrier with a limit, which notes at which nodes it was."""

    def on_start(self, event: Any) -> None:
        self.places: list[Any] = []
        super().on_start(event)
        event.container.schedule(LIMIT, self)

    def on_timer_task(self, event: Any) -> None:
        self.told["time is over"] += 1
        event.container.stop()

    def on_connection_opened(self, event: Any) -> None:
        self.places.append(event.connection.connected_address)

    def on_connection_reconnected(self, event: Any) -> None:
        super().on_connection_reconnected(event)
        self.places.append(event.connection.connected_address)

    def on_connection_closed(self, event: Any) -> None:
        event.container.stop()


def test_nothing_is_lost_when_a_node_is_killed(cluster: Cluster) -> None:
    with Desk(cluster.nodes[0].url, wellness=QUEUE) as desk:
        Management(desk).declare("kept", "quorum")
    client = Client(cluster, QUEUE, TOTAL, [KILL], True)
    Container(client).run()
    assert client.told["time is over"] == 0, client.told
    assert client.told["disconnected"] == client.told["reconnected"] == 1, client.told
    assert len(set(client.places)) == 2 and str(cluster.nodes[0].port) in client.places[0], client.places
    assert client.ends == Counter(client.sent) and len(client.sent) == TOTAL, "each send has one end"
    assert client.told["accepted"] == TOTAL and client.told["in doubt"] == 0
    assert set(client.received) == set(range(TOTAL)), "each at least once"
