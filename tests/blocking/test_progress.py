"""The progress of long transfers, and links whose ends do not answer as they should."""

from __future__ import annotations

import pytest

from reactor import ACCEPTED, REJECTED, Handler, Message, MessageException
from reactor.utils import BlockingConnection
from tests.support.blocking import PATIENCE, Peer

SIZE = 3_000_000


class Reader(Handler):
    """Reads what comes when it may, so that the sender waits in the middle of a message."""

    def __init__(self):
        self.may_read = False
        self.delivery = None

    def on_delivery(self, event):
        self.delivery = event.delivery
        self.read()

    def read(self):
        if not self.may_read or self.delivery is None:
            return
        while self.delivery.link.recv(1 << 20):
            pass
        if not self.delivery.partial:
            self.delivery.accept()
            self.delivery = None


class SlowPeer(Peer):
    """A peer that takes little at a time of what it has not read."""

    def __init__(self):
        super().__init__(reader=Reader())

    def on_session_opening(self, event):
        event.session.incoming_capacity = 200_000

    def on_link_opening(self, event):
        event.link.handler = self.reader
        event.link.target.address = "jobs"
        event.link.open()
        event.link.flow(10)

    def go_on(self):
        self.reader.may_read = True
        self.reader.read()


def test_send_tells_how_much_has_left():
    told = []

    def progress(done, total):
        told.append((done, total))
        if len(told) == 1:
            peer.container.call_soon_threadsafe(peer.go_on)

    with SlowPeer() as peer, BlockingConnection(peer.url, timeout=PATIENCE) as connection:
        delivery = connection.create_sender("jobs").send(Message(b"x" * SIZE), progress=progress)
    assert delivery.remote_state == ACCEPTED
    (first, total), (last, _) = told[0], told[-1]
    assert 0 < first < total and last == total > SIZE
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_an_exception_of_the_function_leaves_send_and_the_message_goes_on():
    def progress(done, total):
        peer.container.call_soon_threadsafe(peer.go_on)
        raise KeyError(done)

    with SlowPeer() as peer, BlockingConnection(peer.url, timeout=PATIENCE) as connection:
        sender = connection.create_sender("jobs")
        with pytest.raises(KeyError):
            sender.send(Message(b"x" * SIZE), progress=progress)
        sender.sync()


def test_receive_tells_how_much_has_come(connection):
    told = []
    connection.create_sender("jobs").send(Message(b"x" * SIZE))
    receiver = connection.create_receiver("jobs")
    message = receiver.receive(progress=lambda done, total: told.append((done, total)))
    assert len(message.body) == SIZE
    assert told[-1][0] > SIZE and {total for _, total in told} == {None}
    connection.create_sender("jobs").send(Message(b"x" * SIZE))
    receiver.fetch(timeout=PATIENCE, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] > SIZE


@pytest.mark.parametrize("kind", ["sender", "receiver"])
def test_a_close_that_is_answered_by_a_detach_is_answered(kind):
    """As by RabbitMQ, which leaves out `closed`."""

    def on_link_opening(event):
        event.link.source.address, event.link.target.address = "jobs", "jobs"
        event.link.open()

    with Peer(on_link_opening=on_link_opening, on_link_closing=lambda event: event.link.detach()) as peer:
        with BlockingConnection(peer.url, timeout=PATIENCE) as connection:
            link = getattr(connection, "create_" + kind)("jobs")
            link.close()
            link.close()


def test_a_message_that_cannot_be_decoded_is_rejected_and_the_call_says_so():
    outcomes = []

    class Source(Handler):
        def on_delivery(self, event):
            outcomes.append((event.delivery.remote_state, event.delivery.remote.condition))
            event.delivery.settle()

    def on_link_opening(event):
        event.link.source.address = "jobs"
        event.link.handler = Source()
        event.link.open()
        event.link.transmit(b"\x00no message")
        event.link.transmit(Message("a message").encode())

    with Peer(on_link_opening=on_link_opening) as peer:
        with BlockingConnection(peer.url, timeout=PATIENCE) as connection:
            receiver = connection.create_receiver("jobs", credit=2)
            with pytest.raises(MessageException):
                receiver.receive()
            message = receiver.receive()
            assert message.body == "a message"
            message.acknowledge()
    assert outcomes[0][0] == REJECTED and outcomes[0][1].name == "amqp:decode-error"
