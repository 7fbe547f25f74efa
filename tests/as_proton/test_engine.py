"""Programs that drive the engine by hand, with the original's ways: order of events, counters, windows in bytes.

The numbers and orders were seen on python-qpid-proton 0.40, by these same programs.
"""

from __future__ import annotations

from typing import Any

import pytest

import reactor
from reactor.as_proton.modules import make

proton: Any = make()["proton"]
Event = proton.Event


class Pair:
    """Two engines and what the first one has seen since it was asked."""

    def __init__(self, late: bool = False, frame: int = 0, capacity: int = 0) -> None:
        self.collector = proton.Collector()
        self.ends = [proton.Connection(), proton.Connection()]
        self.wires = [proton.Transport(proton.Transport.CLIENT), proton.Transport(proton.Transport.SERVER)]
        if not late:
            self.ends[0].collect(self.collector)
        for wire, end in zip(self.wires, self.ends):
            if frame:
                wire.max_frame_size = frame
            wire.bind(end)
            end.open()
        session = self.ends[0].session()
        session.open()
        self.pump()
        theirs = self.ends[1].session_head(0)
        theirs.open()
        self.pump()
        theirs.incoming_capacity = capacity
        self.sender, self.receiver = session.sender("link"), theirs.receiver("link")

    def pump(self) -> None:
        moved = True
        while moved:
            moved = False
            for here, there in (self.wires, self.wires[::-1]):
                size = here.pending()
                if size > 0 and there.capacity() > 0:
                    data = here.peek(min(size, 1024))
                    there.push(data)
                    here.pop(len(data))
                    moved = True

    def open(self, credit: int = 0) -> Pair:
        self.sender.open()
        self.receiver.open()
        self.receiver.flow(credit)
        self.pump()
        return self

    def seen(self) -> list[str]:
        found = []
        while self.collector.peek() is not None:
            found.append(str(self.collector.peek().type))
            self.collector.pop()
        return found


def test_a_collector_that_comes_late_gets_what_happens_on_sessions_that_have_begun() -> None:
    pair = Pair(late=True)
    pair.ends[0].collect(pair.collector)
    pair.receiver.open()
    pair.receiver.flow(10)
    pair.pump()
    init = ["pn_connection_init", "pn_session_init", "pn_link_init"]
    assert pair.seen() == [*init, "pn_link_remote_open", "pn_link_flow"], "credit comes before our attach"
    pair.receiver.flow(10)
    pair.pump()
    assert pair.seen() == ["pn_link_flow"] and pair.sender.credit == 20


def test_links_and_sessions_open_without_an_event_for_what_the_engine_does_itself() -> None:
    pair = Pair()
    pair.seen()
    pair.sender.open()
    assert pair.seen() == ["pn_link_local_open", "pn_transport"]
    pair.pump()
    pair.receiver.open()
    pair.pump()
    assert pair.seen() == ["pn_link_remote_open"]


def test_a_connection_that_is_freed_ends_with_its_last_event() -> None:
    pair = Pair()
    pair.ends[0].free()
    pair.seen()
    pair.wires[0].unbind()
    assert pair.seen() == ["pn_connection_unbound", "pn_connection_final"]


@pytest.mark.parametrize("size", [16, 512, 989, 1024, 1059, 2048])
def test_a_capacity_set_after_begin_bounds_the_bytes_that_are_not_read(size: int) -> None:
    capacity, frame, count = 16 * 1024, 1024, 32
    pair = Pair(frame=frame, capacity=capacity).open(count)
    sent = 0
    while pair.sender.credit:
        pair.sender.delivery("tag%d" % sent)
        pair.sender.send(b"x" * size)
        assert pair.sender.advance()
        pair.pump()
        sent += 1
    assert sent == count, "a message that has left in part has used one credit"
    unread, waiting = pair.receiver.session.incoming_bytes, pair.sender.session.outgoing_bytes
    assert unread < capacity and unread + waiting == count * size
    assert not waiting or capacity - unread < frame, "the window is used up to the last frame"
    for _ in range(count):
        before, pending = pair.receiver.session.incoming_bytes, pair.receiver.current.pending
        assert pair.receiver.advance() and before - pair.receiver.session.incoming_bytes == pending
        pair.pump()
    assert not pair.sender.session.outgoing_bytes and not pair.sender.queued


def test_what_comes_for_the_larger_window_of_before_is_taken_once() -> None:
    """More than was ever allowed is an error all the same."""
    pair = Pair(frame=512)
    pair.open(5000)
    here, there = pair.sender.session, pair.receiver.session
    for number in range(10):
        pair.sender.delivery("%d" % number)
        pair.sender.advance()
    there.incoming_capacity = 2 * 512  # the ten that are under way were sent before
    pair.pump()
    assert pair.receiver.queued == 10 and here.state == there.state
    assert there.channel.incoming.overrun == 2048 - 2 - (10 - 2), "what was allowed, and did not come"


def test_what_can_never_leave_stays_counted() -> None:
    pair = Pair().open()
    for number in range(3):
        pair.sender.delivery("%d" % number).settle()
    pair.pump()
    pair.receiver.close()
    pair.pump()
    pair.sender.close()
    pair.pump()
    assert pair.sender.queued == 3


def test_a_link_that_is_freed_settles_what_it_has_sent() -> None:
    pair = Pair().open(3)
    for number in range(3):
        pair.sender.delivery("%d" % number)
        pair.sender.send(b"x")
        pair.sender.advance()
    pair.sender.close()
    pair.sender.free()
    pair.pump()
    for _ in range(3):
        delivery = pair.receiver.current
        assert delivery.settled and pair.receiver.recv(10) == b"x" and pair.receiver.advance()


def test_an_aborted_delivery_stays_the_current_one_without_its_bytes() -> None:
    pair = Pair().open(1)
    delivery = pair.sender.delivery("tag")
    pair.sender.send(b"beginning")
    pair.pump()
    delivery.abort()
    aborted = bytes.fromhex("0000001c020000000053 14c00f0a4343a003 746167434140404040 41".replace(" ", ""))
    assert pair.wires[0].peek(100) == aborted
    pair.pump()
    assert pair.receiver.current.aborted and pair.receiver.current.pending == 0
    assert pair.receiver.advance() and pair.receiver.current is None


GARBAGE = {
    "nothing": (b"", True),
    "half a header": (b"AMQ", True),
    "no header": (b"GARBAGE_", False),
    "a header alone": (b"AMQP\0\1\0\0", True),
    "an offset beyond the frame": (b"AMQP\0\1\0\0" + b"\0\0\0\x08\x08\0\0\0", False),
    "an offset within the header": (b"AMQP\0\1\0\0" + b"\0\0\0\x08\x01\0\0\0", False),
    "a frame that is too large": (b"AMQP\0\1\0\0" + b"\0\0\x02\x01\x02\0\0\0", False),
}


@pytest.mark.parametrize("mode", ["CLIENT", "SERVER"])
@pytest.mark.parametrize("what", GARBAGE)
def test_a_transport_without_a_connection_answers_garbage(what: str, mode: str) -> None:
    """It opens and closes, so that the peer learns why."""
    transport = proton.Transport(getattr(proton.Transport, mode))
    peer, connection = proton.Transport(), proton.Connection()
    peer.bind(connection)
    transport.max_frame_size = 512
    data, ends = GARBAGE[what]
    transport.push(data)
    if ends:
        transport.close_tail()
    while transport.pending() > 0:
        peer.push(transport.peek(transport.pending()))
        transport.pop(transport.pending())
    assert connection.state & proton.Endpoint.REMOTE_CLOSED and connection.remote_container is not None
    assert connection.remote_condition.name == "amqp:connection:framing-error"
    assert transport.condition.name == "amqp:connection:framing-error" and transport.pending() < 0


def test_the_end_of_the_output_is_known_when_it_is_taken() -> None:
    pair = Pair()
    pair.seen()
    pair.wires[0].push(b"garbage!")
    assert pair.seen() == ["pn_transport_error", "pn_transport_tail_closed"]
    pair.wires[0].pop(pair.wires[0].pending())
    assert pair.seen() == ["pn_transport_head_closed", "pn_transport_closed"]


def test_what_sasl_does_by_itself_has_an_event() -> None:
    connection, collector = proton.Connection(), proton.Collector()
    transport = proton.Transport(proton.Transport.SERVER)
    connection.collect(collector)
    transport.bind(connection)
    while collector.peek():
        collector.pop()
    init = b"\0\0\0 \x02\x01\0\0\0SA\xd0\0\0\0\x10\0\0\0\x02\xa3\tANONYMOUS@"
    transport.push(b"AMQP\x03\x01\0\0" + init + b"AMQP\0\1\0\0")
    assert collector.peek().type is Event.TRANSPORT and not collector.more()


def test_a_server_that_refuses_by_sasl_ends_its_input_first() -> None:
    client, server = proton.Transport(), proton.Transport(proton.Transport.SERVER)
    ends, collector = [proton.Connection(), proton.Connection()], proton.Collector()
    ends[1].collect(collector)
    ends[0].user = "kim"
    server.sasl().allowed_mechs("PLAIN")
    server.sasl().authenticator = lambda user, password: False
    client.sasl().allowed_mechs("IMPOSSIBLE")
    client.bind(ends[0])
    server.bind(ends[1])
    for _ in range(5):
        for here, there in ((client, server), (server, client)):
            while here.pending() > 0:
                data = here.peek(here.pending())
                if there.capacity() > 0:
                    there.push(data)
                here.pop(len(data))
            if here.pending() < 0 and there.capacity() > 0:
                there.close_tail()
    assert client.user == "kim" and not client.authenticated and server.user is None
    assert client.condition is not None


def test_a_password_is_not_read_again() -> None:
    connection = proton.Connection()
    connection.user, connection.password = "kim", "secret"
    assert connection.user == "kim" and connection.password is None


@pytest.mark.parametrize(("asked", "given"), [(12345, 12345), (32767, 32767), (65535, 32767)])
def test_channel_max_is_32767_at_most(asked: int, given: int) -> None:
    transport = proton.Transport()
    transport.channel_max = asked
    assert transport.channel_max == given


def test_a_bare_object_as_handler_takes_others() -> None:
    class Noting:
        def on_connection_init(self, event: Any) -> None:
            """Not called here."""

    connection = proton.Connection()
    connection.handler = object()
    noting = Noting()
    connection.handler.add(noting)
    assert connection.handler.handlers == [noting]


def test_connections_of_both_kinds_are_connections() -> None:
    assert isinstance(reactor.Connection(), proton.Connection) and isinstance(proton.Connection(), reactor.Connection)
    assert not isinstance(proton.Transport(), proton.Connection)
    assert not reactor.Connection().original_ways


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (proton.Disposition.RECEIVED, "ReceivedDisposition"),
        (proton.Disposition.REJECTED, "RejectedDisposition"),
        (proton.Disposition.MODIFIED, "ModifiedDisposition"),
        (0x12345, "Disposition"),
    ],
)
def test_the_peers_state_is_of_the_class_of_its_type(state: int, kind: str) -> None:
    """Its content is in attributes with names; `data` has that of states that this library does not know."""
    pair = Pair().open(1)
    delivery = pair.sender.delivery("tag")
    pair.sender.advance()
    pair.pump()
    received = pair.receiver.current
    received.local.condition = proton.Condition("a:b")
    received.local.section_number, received.local.failed, received.local.data = 3, True, [1, 2]
    received.update(state)
    pair.pump()
    remote = delivery.remote
    assert delivery.remote_state == state and type(remote).__name__ == kind
    assert remote.data == ([1, 2] if kind == "Disposition" else None)
    assert (remote.condition is not None) == (kind == "RejectedDisposition")
    assert remote.failed == (kind == "ModifiedDisposition")
    assert remote.section_number == (3 if kind == "ReceivedDisposition" else 0)


def test_an_outcome_in_a_transaction_is_a_transactional_one() -> None:
    pair = Pair().open(1)
    delivery = pair.sender.delivery("tag")
    pair.sender.advance()
    pair.pump()
    pair.receiver.current.update(proton.TransactionalDisposition(b"txn", proton.Disposition.ACCEPTED))
    pair.pump()
    remote = delivery.remote
    assert isinstance(remote, proton.TransactionalDisposition)
    assert remote.id == b"txn" and remote.outcome_type == proton.Disposition.ACCEPTED
