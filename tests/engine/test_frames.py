"""What a transport counts: the frames that it took are those that its peer wrote."""

from __future__ import annotations

from reactor import ACCEPTED, Event, Message
from tests.support.pair import Pair


def test_both_sides_count_the_same_frames() -> None:
    pair = Pair()
    sender, receiver = pair.link("jobs")
    receiver.flow(10)
    pair.pump()
    for number in range(5):
        sender.send(Message(number))
    sender.send(Message(b"x" * 200_000))  # several frames
    pair.pump()
    for delivery in dict.fromkeys(pair.server.of(Event.DELIVERY)):
        delivery.take()
        delivery.settle_with(ACCEPTED)
    receiver.flow(1)
    sender.close()
    pair.pump()
    pair.client.connection.close()
    pair.pump()
    client, server = pair.client.transport, pair.server.transport
    assert client.frames_output == server.frames_input > 10
    assert server.frames_output == client.frames_input > 5
