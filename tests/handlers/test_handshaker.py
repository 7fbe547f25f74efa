"""Handshaker: a passive side that opens and closes what its peer opens and closes."""

from __future__ import annotations

import pytest

from handlers import Handshaker
from reactor import Endpoint
from tests.support.stage import Stage, Witness

OPEN = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
CLOSED = Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED


def test_it_opens_what_the_peer_opens_with_what_it_asked_for() -> None:
    stage = Stage(Handshaker())
    container, connection = stage.connect(Witness())
    sender = container.create_sender(connection, "here", source="there")
    stage.run()
    assert connection.state == sender.session.state == sender.state == OPEN
    assert sender.remote_target.address == "here"
    assert sender.remote_source.address == "there"


@pytest.mark.parametrize("kind", ["link", "session", "connection"])
def test_it_closes_what_the_peer_closes(kind: str) -> None:
    stage = Stage(Handshaker())
    container, connection = stage.connect(Witness())
    sender = container.create_sender(connection, "q")
    stage.run()
    endpoint = sender if kind == "link" else getattr(sender, kind)
    endpoint.close()
    stage.run()
    assert endpoint.state == CLOSED
