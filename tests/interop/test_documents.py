"""What four documents promise, at RabbitMQ 3.10, 4.0 and 4.3, as far as it goes there.

The queues are quorum queues: 3.10 ends the session of a receiver that drains an empty classic queue. It does not say of
theirs that a message comes again.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.support.desk import Desk
from tests.support.management import Management
from tests.support.rabbitmq import VERSIONS, RabbitMQ, need
from tests.support.sentences import Place, Sentences


@pytest.fixture(scope="module", params=VERSIONS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    need(request.param)
    with RabbitMQ(tmp_path_factory.mktemp("documents"), request.param) as server:
        if request.param == "3.10":
            # Clients cannot make one: all tests have the same, and each leaves it empty.
            place = Place(server.url, lambda: "/amq/queue/quorum", durable=True, counts=False)
            place.patience = 10.0
            yield place
            return
        with Desk(server.url, wellness="/queues/well") as desk:

            def new_queue() -> str:
                name = str(uuid.uuid4())
                Management(desk).declare(name, "quorum")
                return f"/queues/{name}"

            yield Place(server.url, new_queue, durable=True)


class TestRabbitMQ(Sentences):
    """Each sentence."""

    @pytest.fixture(autouse=True)
    def empty(self, place: Place, address: str) -> Iterator[None]:
        yield
        place.left(address)
