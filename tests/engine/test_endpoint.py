"""The life cycle of endpoints, over all states and inputs: the table, and what each endpoint makes of it."""

from __future__ import annotations

from itertools import product

import pytest

from reactor.engine.endpoints.connection import Connection
from reactor.engine.endpoints.endpoint import (
    LIFE,
    LOCAL_ACTIVE,
    LOCAL_CLOSE,
    LOCAL_CLOSED,
    LOCAL_GONE,
    LOCAL_MASK,
    LOCAL_OPEN,
    LOCAL_UNINIT,
    REMOTE_ACTIVE,
    REMOTE_CLOSE,
    REMOTE_CLOSED,
    REMOTE_GONE,
    REMOTE_MASK,
    REMOTE_OPEN,
    REMOTE_UNINIT,
    WIRE_LOST,
    Endpoint,
)
from reactor.engine.events import Collector, Event
from reactor.engine.wire.transport import Transport
from reactor.errors import LocalProtocolError, RemoteProtocolError

LOCALS = (LOCAL_UNINIT, LOCAL_ACTIVE, LOCAL_CLOSED)
REMOTES = (REMOTE_UNINIT, REMOTE_ACTIVE, REMOTE_CLOSED)
LOCAL_INPUTS = (LOCAL_OPEN, LOCAL_CLOSE, LOCAL_GONE)
INPUTS = (*LOCAL_INPUTS, REMOTE_OPEN, REMOTE_CLOSE, REMOTE_GONE, WIRE_LOST)

# Written down a second time, by hand, from [2.4.6], [2.5.5] and [2.6.3]. What is not here is somebody's mistake.
NEXT = {
    (LOCAL_UNINIT, LOCAL_OPEN): LOCAL_ACTIVE,
    (LOCAL_ACTIVE, LOCAL_OPEN): LOCAL_ACTIVE,
    (LOCAL_UNINIT, LOCAL_CLOSE): LOCAL_CLOSED,
    (LOCAL_ACTIVE, LOCAL_CLOSE): LOCAL_CLOSED,
    (LOCAL_CLOSED, LOCAL_CLOSE): LOCAL_CLOSED,
    (REMOTE_UNINIT, REMOTE_OPEN): REMOTE_ACTIVE,
    (REMOTE_ACTIVE, REMOTE_CLOSE): REMOTE_CLOSED,
    # No frame and no call: it is over on one side, or the wire is lost. That can be in every state.
    **{(half, LOCAL_GONE): LOCAL_CLOSED for half in LOCALS},
    **{(half, REMOTE_GONE): REMOTE_CLOSED for half in REMOTES},
    **{(half, WIRE_LOST): REMOTE_UNINIT for half in REMOTES},
}


def endpoints():
    connection = Connection()
    connection.collect(Collector())
    session = connection.session()
    return [connection, session, session.sender("s"), session.receiver("r")]


def test_the_table_is_the_specification_s():
    assert LIFE == NEXT


@pytest.mark.parametrize("index", range(4), ids=["connection", "session", "sender", "receiver"])
@pytest.mark.parametrize(("local", "remote", "what"), list(product(LOCALS, REMOTES, INPUTS)))
def test_every_state_and_input(index, local, remote, what):
    endpoint = endpoints()[index]
    endpoint.state = local | remote
    half = local if what in LOCAL_INPUTS else remote
    expected = NEXT.get((half, what))
    if expected is None:
        mistake = LocalProtocolError if half == local else RemoteProtocolError
        with pytest.raises(mistake) as raised:
            endpoint.change(what)
        assert raised.value.condition == "amqp:illegal-state"
        assert endpoint.state == local | remote
        return
    assert endpoint.change(what) is (expected != half)
    other = remote if half == local else local
    assert endpoint.state == expected | other


@pytest.mark.parametrize("index", range(4), ids=["connection", "session", "sender", "receiver"])
@pytest.mark.parametrize("what", INPUTS)
def test_the_guard_sees_the_calls_of_the_application_and_nothing_else(index, what):
    endpoint = endpoints()[index]
    endpoint.state = LOCAL_UNINIT | (REMOTE_ACTIVE if what == REMOTE_CLOSE else REMOTE_UNINIT)
    seen = []
    endpoint.connection.guard = lambda: seen.append(what)
    endpoint.change(what)
    assert bool(seen) is (what in (LOCAL_OPEN, LOCAL_CLOSE))


@pytest.mark.parametrize("index", range(4), ids=["connection", "session", "sender", "receiver"])
def test_a_call_that_the_guard_refuses_leaves_the_driver_to_be_woken_by_the_next_one(index):
    endpoint = endpoints()[index]
    connection = endpoint.connection
    transport = Transport(Transport.CLIENT)
    transport.bind(connection)
    transport.pending()

    def refuse():
        raise RuntimeError("another thread")

    connection.guard = refuse
    for call in (transport.wake, endpoint.open):
        with pytest.raises(RuntimeError):
            call()
    connection.guard = lambda: None
    connection.collector.events.clear()
    endpoint.open()
    assert (Event.TRANSPORT, transport) in connection.collector.events


@pytest.mark.parametrize("index", range(4), ids=["connection", "session", "sender", "receiver"])
def test_open_and_close_say_so_once(index):
    endpoint = endpoints()[index]
    events = endpoint.connection.collector.events
    events.clear()
    endpoint.open()
    endpoint.open()
    endpoint.close()
    endpoint.close()
    kind = ("connection", "session", "link", "link")[index]
    assert [etype.name for etype, _ in events] == [f"pn_{kind}_local_open", f"pn_{kind}_local_close"]
    with pytest.raises(LocalProtocolError):
        endpoint.open()


def test_bits_are_distinct_and_halves_cover_them():
    assert LOCAL_MASK | REMOTE_MASK == sum(LOCALS) + sum(REMOTES) == 0b111111


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (0, True),
        (LOCAL_ACTIVE, True),
        (REMOTE_ACTIVE, False),
        (LOCAL_ACTIVE | REMOTE_UNINIT, True),
        (LOCAL_ACTIVE | REMOTE_ACTIVE, False),
        (LOCAL_CLOSED | REMOTE_UNINIT, False),
        (LOCAL_ACTIVE | LOCAL_CLOSED | REMOTE_UNINIT | REMOTE_ACTIVE, True),
    ],
)
def test_a_mask_asks_each_half_that_it_has_bits_of(mask, expected):
    endpoint = endpoints()[1]
    endpoint.open()
    assert endpoint.matches(mask) is expected


def test_endpoints_are_found_by_their_state():
    connection = Connection()
    first, second, third = (connection.session() for _ in range(3))
    second.open()
    third.open()
    assert connection.session_head(LOCAL_ACTIVE) is second
    assert second.next(LOCAL_ACTIVE) is third
    assert third.next(LOCAL_ACTIVE) is None
    assert first.next(0) is second
    sender, receiver = second.sender("a"), third.receiver("a")
    receiver.open()
    assert connection.link_head(0) is sender
    assert connection.link_head(LOCAL_ACTIVE) is receiver
    assert sender.next(LOCAL_ACTIVE) is receiver
    assert receiver.next(0) is None
    assert list(connection.links(LOCAL_UNINIT)) == [sender]


def test_a_condition_is_a_condition_or_its_name():
    endpoint = endpoints()[0]
    endpoint.condition = "amqp:not-found"
    assert endpoint.condition.name == "amqp:not-found"
    endpoint.condition = None
    assert endpoint.condition is None
    with pytest.raises(TypeError):
        endpoint.condition = 5


def test_the_bits_of_a_state_are_the_original_s():
    """Programs print and mask them; python-qpid-proton has the same numbers."""
    names = ("LOCAL_UNINIT", "LOCAL_ACTIVE", "LOCAL_CLOSED", "REMOTE_UNINIT", "REMOTE_ACTIVE", "REMOTE_CLOSED")
    assert [getattr(Endpoint, name) for name in names] == [1, 2, 4, 8, 16, 32]
    proton = pytest.importorskip("proton")
    for name in names:
        assert getattr(Endpoint, name) == getattr(proton.Endpoint, name)
