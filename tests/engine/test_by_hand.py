"""Two transports driven by hand and a collector that is polled, as programs for the original do it.

Everything here is on the public names of `reactor`, and was run against the original as well: what the two
programs see is the same, but for the places named where they are.
"""

from __future__ import annotations

import pytest

from reactor import (
    ACCEPTED,
    Collector,
    Condition,
    Connection,
    Delivery,
    Endpoint,
    Event,
    Message,
    Transport,
    TransportException,
)


class End:
    """A connection, its transport, and what it has seen."""

    def __init__(self, mode, answers=False):
        self.connection = Connection()
        self.collector = Collector()
        self.connection.collect(self.collector)
        self.connection.container = "end"
        self.transport = Transport(mode)
        self.transport.bind(self.connection)
        self.answers = answers
        self.seen = []
        self.bodies = []

    def poll(self):
        while True:
            event = self.collector.peek()
            if event is None:
                return
            assert self.collector.peek().type is event.type, "peek does not take it out"
            self.seen.append(event.type)
            if self.answers:
                self.answer(event)
            self.collector.pop()

    def answer(self, event):
        context = event.context
        if event.type in (Event.CONNECTION_REMOTE_OPEN, Event.SESSION_REMOTE_OPEN, Event.LINK_REMOTE_OPEN):
            if context.state & Endpoint.LOCAL_UNINIT:
                context.open()
                if event.receiver:
                    event.receiver.flow(10)
        elif event.type in (Event.CONNECTION_REMOTE_CLOSE, Event.SESSION_REMOTE_CLOSE, Event.LINK_REMOTE_CLOSE):
            context.close()
        elif event.type is Event.DELIVERY:
            delivery = event.delivery
            if delivery.readable and not delivery.partial:
                message = Message()
                message.decode(event.receiver.recv(delivery.pending))
                event.receiver.advance()
                self.bodies.append(message.body)
                delivery.update(Delivery.ACCEPTED)
                delivery.settle()

    def types(self):
        """What it has seen, without the wake-ups of the transport, of which the original has more."""
        return [etype for etype in self.seen if etype is not Event.TRANSPORT]


def push(source, target):
    pending = source.transport.pending()
    if pending > 0:
        data = source.transport.peek(pending)
        capacity = target.transport.capacity()
        if capacity < 0:
            source.transport.close_head()
            return False
        data = data[:capacity]
        target.transport.push(data)
        source.transport.pop(len(data))
        return True
    if pending < 0 and target.transport.capacity() >= 0:
        target.transport.close_tail()
        return True
    return False


def pump(*ends):
    for _ in range(100):
        for end in ends:
            end.poll()
        if not sum([push(ends[0], ends[1]), push(ends[1], ends[0])]):
            break
    for end in ends:
        end.poll()


@pytest.fixture
def ends():
    client, server = End(Transport.CLIENT), End(Transport.SERVER, answers=True)
    client.connection.open()
    session = client.connection.session()
    session.open()
    client.sender = session.sender("link")
    client.sender.target.address = "queue"
    client.sender.open()
    pump(client, server)
    return client, server


def test_the_events_of_opening(ends):
    client, server = ends
    assert client.types() == [
        Event.CONNECTION_INIT,
        Event.CONNECTION_BOUND,
        Event.CONNECTION_LOCAL_OPEN,
        Event.SESSION_INIT,
        Event.SESSION_LOCAL_OPEN,
        Event.LINK_INIT,
        Event.LINK_LOCAL_OPEN,
        Event.CONNECTION_REMOTE_OPEN,
        Event.SESSION_REMOTE_OPEN,
        Event.LINK_REMOTE_OPEN,
        Event.LINK_FLOW,
    ]
    assert server.types() == [
        Event.CONNECTION_INIT,
        Event.CONNECTION_BOUND,
        Event.CONNECTION_REMOTE_OPEN,
        Event.SESSION_INIT,
        Event.SESSION_REMOTE_OPEN,
        Event.LINK_INIT,
        Event.LINK_REMOTE_OPEN,
        Event.CONNECTION_LOCAL_OPEN,
        Event.SESSION_LOCAL_OPEN,
        Event.LINK_LOCAL_OPEN,
    ]


def test_the_events_of_sending(ends):
    client, server = ends
    client.seen, server.seen = [], []
    first = client.sender.send(Message("one"))
    second = client.sender.delivery("tag")
    client.sender.stream(Message("two").encode())
    client.sender.advance()
    pump(client, server)
    assert server.bodies == ["one", "two"]
    assert client.types() == [Event.LINK_FLOW, Event.DELIVERY, Event.DELIVERY]
    assert server.types() == [Event.DELIVERY, Event.DELIVERY]
    for delivery in (first, second):
        assert delivery.updated
        assert delivery.remote_state == ACCEPTED
        assert delivery.settled
        delivery.settle()
    assert client.sender.unsettled == 0


def test_the_events_of_closing(ends):
    client, server = ends
    client.seen, server.seen = [], []
    client.sender.close()
    client.sender.session.close()
    client.connection.close()
    pump(client, server)
    # The original has no ..._FINAL before free(), and tells of a closed head or tail as soon as the close frame
    # has gone or come; here it is when the driver has sent the last byte, or met the end of the stream.
    unlike = (
        Event.LINK_FINAL,
        Event.SESSION_FINAL,
        Event.TRANSPORT_HEAD_CLOSED,
        Event.TRANSPORT_TAIL_CLOSED,
        Event.TRANSPORT_CLOSED,
    )
    assert [etype for etype in client.types() if etype not in unlike] == [
        Event.LINK_LOCAL_CLOSE,
        Event.SESSION_LOCAL_CLOSE,
        Event.CONNECTION_LOCAL_CLOSE,
        Event.LINK_REMOTE_CLOSE,
        Event.SESSION_REMOTE_CLOSE,
        Event.CONNECTION_REMOTE_CLOSE,
    ]
    assert [etype for etype in server.types() if etype not in unlike] == [
        Event.LINK_REMOTE_CLOSE,
        Event.SESSION_REMOTE_CLOSE,
        Event.CONNECTION_REMOTE_CLOSE,
        Event.LINK_LOCAL_CLOSE,
        Event.SESSION_LOCAL_CLOSE,
        Event.CONNECTION_LOCAL_CLOSE,
    ]
    for end in ends:
        assert end.types()[-1] is Event.TRANSPORT_CLOSED
        assert end.transport.closed
        assert end.transport.pending() == -1
        assert end.transport.peek(10) is None
        assert end.transport.capacity() == -1
        with pytest.raises(TransportException):
            end.transport.push(b"x")


def test_an_event_leads_to_what_it_is_about(ends):
    client, server = ends
    client.sender.send(Message("x"))
    pushed = push(client, server)
    assert pushed
    while server.collector.peek().type is Event.TRANSPORT:
        server.collector.pop()
    event = server.collector.peek()
    assert event.type is Event.DELIVERY
    assert event.delivery == event.context
    assert event.link == event.receiver == event.delivery.link
    assert event.sender is None
    assert event.session == event.link.session
    assert event.connection == server.connection
    assert event.transport == server.transport
    assert event.clazz == "pn_delivery"


def test_the_collector():
    collector = Collector()
    assert collector.peek() is None
    assert not collector.more()
    collector.pop()
    connection = Connection()
    collector.put(connection, Event.CONNECTION_INIT)
    assert not collector.more()
    collector.put(connection, Event.CONNECTION_BOUND)
    assert collector.more()
    assert collector.peek().type is Event.CONNECTION_INIT
    collector.pop()
    assert collector.peek().type is Event.CONNECTION_BOUND
    collector.release()
    assert collector.peek() is None


def test_nobody_collects():
    """A connection without a collector works; its events go nowhere."""
    client, server = Connection(), Connection()
    one, other = Transport(Transport.CLIENT), Transport(Transport.SERVER)
    one.bind(client)
    other.bind(server)
    client.open()
    session = client.session()
    session.open()
    sender = session.sender("s")
    sender.open()
    server.open()
    for _ in range(5):
        for source, target in ((one, other), (other, one)):
            size = source.pending()
            if size > 0:
                target.push(source.peek(size))
                source.pop(size)
        far = server.session_head(Endpoint.LOCAL_UNINIT)
        if far is not None:
            far.open()
        link = server.link_head(Endpoint.LOCAL_UNINIT)
        if link is not None:
            link.open()
            link.flow(5)
    sender.send(Message("x"))
    other.push(one.peek(one.pending()))
    assert server.link_head(0).current.pending > 0


def test_output_in_small_bites(ends):
    client, server = ends
    for number in range(10):
        client.sender.send(Message("m%d" % number))
    while client.transport.pending() > 0:
        data = client.transport.peek(3)
        assert 0 < len(data) <= 3
        server.transport.push(data)
        client.transport.pop(len(data))
        server.poll()
        pump(server, client)
    pump(client, server)
    assert server.bodies == ["m%d" % number for number in range(10)]


def test_a_reason_for_the_end(ends):
    client, server = ends
    client.connection.condition = Condition("example:reason", "text", {"a": 1})
    client.connection.close()
    pump(client, server)
    assert server.connection.remote_condition == Condition("example:reason", "text", {"a": 1})


def test_ticks(ends):
    client, server = ends
    assert client.transport.tick(1.0) == 0.0
    with pytest.raises(TransportException):
        client.transport.bind(server.connection)
    client.transport.unbind()
    assert client.connection.transport is None


# -- events, in the order of the original -------------------------------------------------------------------


def names(collector):
    """The names of the events that are queued, which are taken out."""
    found = []
    while (event := collector.peek()) is not None:
        found.append(event.type.name.removeprefix("pn_") if hasattr(str, "removeprefix") else event.type.name[3:])
        collector.pop()
    return found


def bound():
    connection, collector, transport = Connection(), Collector(), Transport()
    connection.collect(collector)
    transport.bind(connection)
    return connection, collector, transport


def test_a_late_collector_sees_the_endpoints_that_there_are():
    connection, collector = Connection(), Collector()
    session = connection.session()
    links = [session.sender("one"), session.receiver("two")]
    connection.open()
    links[0].open()
    connection.collect(collector)
    assert names(collector) == ["connection_init", "session_init", "link_init", "link_init"]
    links[1].open()
    assert names(collector) == ["link_local_open"]


def test_each_call_that_changes_a_bound_connection_is_followed_by_an_event_of_the_transport():
    connection, collector, transport = bound()
    assert names(collector) == ["connection_init", "connection_bound"]
    connection.open()
    session = connection.session()
    session.open()
    link = session.sender("l")
    link.open()
    opened = ["connection_local_open", "transport", "session_init", "session_local_open", "transport"]
    assert names(collector) == [*opened, "link_init", "link_local_open", "transport"]
    assert transport.pending() > 0
    link.delivery("tag")
    link.send(b"message")
    assert names(collector) == ["transport"]
    link.close()
    session.close()
    closed = ["link_local_close", "transport", "session_local_close", "transport"]
    assert names(collector) == closed


def test_the_last_event_of_an_endpoint_comes_when_it_is_freed_and_that_of_a_connection_without_a_transport():
    connection, collector, transport = bound()
    session = connection.session()
    link, other = session.sender("l"), session.receiver("m")
    names(collector)
    link.free()
    link.free()
    assert names(collector) == ["link_final"]
    connection.free()
    assert names(collector) == ["link_final", "session_final"]
    transport.unbind()
    assert names(collector)[:2] == ["connection_unbound", "connection_final"]
    other.free()
    assert names(collector) == []


def test_what_both_sides_have_closed_is_freed_with_the_connection_if_the_program_has_it():
    client, server = End(Transport.CLIENT), End(Transport.SERVER, answers=True)
    client.connection.open()
    session = client.connection.session()
    session.open()
    link = session.sender("l")
    link.open()
    pump(client, server)
    link.close()
    session.close()
    pump(client, server)
    assert Event.LINK_FINAL not in client.seen and list(client.connection.sessions(0)) == []
    client.connection.free()
    client.poll()
    assert client.seen[-2:] == [Event.LINK_FINAL, Event.SESSION_FINAL]


@pytest.mark.parametrize("mode", [Transport.CLIENT, Transport.SERVER])
def test_garbage_on_a_transport_without_a_connection_is_answered_by_a_close(mode):
    transport = Transport(mode)
    transport.push(b"GARBAGE_")
    assert transport.condition.name == "amqp:connection:framing-error" and transport.capacity() == -1
    answer = transport.peek(1024)
    assert answer[:8] == b"AMQP\x00\x01\x00\x00" and answer.count(b"AMQP\x00") == 1
    assert b"amqp:connection:framing-error" in answer
    transport.pop(len(answer))
    assert transport.pending() == -1 and transport.closed
