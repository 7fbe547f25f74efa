"""Driver and ListenerDriver, in both worlds: what the transport and the peer see of each thing that can happen."""

from __future__ import annotations

import os
import socket
import struct

import pytest

from reactor.errors import IO_ERROR
from reactor.loop.driver import BRIEF, BURST, LONG_READ_SIZE, READ_SIZE, Driver, ListenerDriver
from reactor.loop.sockets import SocketWire
from tests.support.streams import ScriptedStream
from tests.support.worlds import WORLDS, MemoryWorld, Pair, SocketWorld


@pytest.fixture(params=WORLDS, ids=lambda world: world.kind)
def world(request):
    world = request.param()
    yield world
    world.close()


@pytest.fixture
def memory():
    world = MemoryWorld()
    yield world
    world.close()


@pytest.fixture
def sockets():
    world = SocketWorld()
    yield world
    world.close()


def bulk(size: int) -> bytes:
    """Bytes that tell if one of them is missing or out of place."""
    return b"".join(struct.pack("!I", number) for number in range(size // 4))


def reset(wire) -> None:
    """Cut a wire the hard way."""
    if isinstance(wire, SocketWire):
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()
    else:
        wire.reset()


# -- connecting -------------------------------------------------------------------------------------------------


def test_both_ends_say_something(world):
    pair = Pair(world)
    pair.client_stream.say(b"ping")
    pair.client.flush()
    world.spin(lambda: pair.server_stream.received == b"ping")
    pair.server_stream.say(b"pong")
    pair.server.flush()
    world.spin(lambda: pair.client_stream.received == b"pong")
    assert pair.client.wire.remote_address == f"127.0.0.1:{pair.listener.port}"
    assert pair.server.wire.remote_address == pair.client.wire.local_address


def test_output_can_wait_for_the_effects_of_events_but_not_a_long_one(world):
    pair = Pair(world)
    assert pair.client.flush(["an event"]) is False, "there is nothing that could wait"
    pair.client_stream.say(b"ping")
    assert pair.client.flush(["an event"]) is True
    assert bytes(pair.client_stream.output) == b"ping"
    assert pair.client.flush([]) is False
    world.spin(lambda: pair.server_stream.received == b"ping")
    pair.client_stream.say(bulk(READ_SIZE))
    assert pair.client.flush(["an event"]) is False
    world.spin(lambda: len(pair.server_stream.received) == 4 + READ_SIZE)


def test_what_was_said_before_the_wire_was_connected_is_sent_then(world):
    stream = ScriptedStream()
    stream.say(b"early")
    pair = Pair(world, stream, connect=False)
    pair.client.flush()
    assert stream.asked == 0, "nobody should ask for output that cannot be sent yet"
    world.spin(lambda: pair.accepted and pair.server_stream.received == b"early")


def test_refused(world):
    loop = world.loop()
    listener = loop.network.listen(world.host, 0)
    port = listener.port
    listener.close()
    stream = ScriptedStream()
    driver = Driver(loop, stream, loop.network.connect(world.host, port))
    world.spin(lambda: driver.closed)
    assert stream.failure == (IO_ERROR, f"cannot connect to 127.0.0.1:{port}: {os.strerror(111)}")
    assert not driver.connected
    assert not loop.busy


def test_closing_in_the_middle_of_connecting(world):
    pair = Pair(world, connect=False)
    pair.client.close()
    assert pair.client.closed
    assert pair.client_stream.told == ["head", "tail"]
    assert not pair.client_loop.busy
    for _ in range(5):
        world.turn()
    assert not pair.client.connected


def test_a_time_out_of_the_container_ends_the_attempt(world):
    pair = Pair(world, connect=False)
    pair.client.fail("amqp:resource-limit-exceeded", "no answer within 5 s")
    assert pair.client_stream.told == [("fail", "amqp:resource-limit-exceeded", "no answer within 5 s")]
    assert pair.client.closed
    pair.client.fail("x", "once is enough")
    pair.client.close()
    pair.client.flush()
    assert len(pair.client_stream.told) == 1


# -- input ------------------------------------------------------------------------------------------------------


def test_bulk_arrives_whole_and_in_order(world):
    pair = Pair(world)
    data = bulk(5_000_000)
    pair.client_stream.say(data)
    pair.client.flush()
    world.spin(lambda: len(pair.server_stream.received) == len(data))
    assert pair.server_stream.received == data
    assert not pair.client_stream.output


def test_one_read_a_turn_so_that_nobody_waits_behind_a_talker(memory):
    memory.memory.capacity = 8 * READ_SIZE
    talker = Pair(memory)
    wire = talker.client_loop.network.connect("127.0.0.1", talker.listener.port)
    quiet = ScriptedStream()
    driver = Driver(talker.client_loop, quiet, wire)
    memory.spin(lambda: len(talker.accepted) == 2)
    talker.client_stream.say(bytes(4 * READ_SIZE))
    quiet.say(b"me too")
    talker.client.flush()
    driver.flush()
    talker.server_loop.turn(0)
    first, second = (accepted.transport for accepted in talker.accepted)
    assert first.pieces == [READ_SIZE]
    assert second.received == b"me too"


def test_the_peer_finishes_first_and_still_hears_the_answer(world):
    pair = Pair(world)
    pair.client_stream.say(b"question")
    pair.client_stream.finish()
    pair.client.flush()
    world.spin(lambda: "tail" in pair.server_stream.told)
    assert pair.server_stream.received == b"question"
    assert not pair.server.closed
    pair.server_stream.say(b"answer")
    pair.server_stream.finish()
    pair.server.flush()
    world.spin(lambda: pair.client.closed and pair.server.closed)
    assert pair.client_stream.received == b"answer"
    assert pair.client_stream.told == ["head", "tail"]
    assert pair.server_stream.told == ["tail", "head"]
    assert pair.client_stream.failure is None
    assert not pair.client_loop.busy


def test_reset(world):
    pair = Pair(world)
    reset(pair.server.wire)
    world.spin(lambda: pair.client.closed)
    name, description = pair.client_stream.failure
    assert name == IO_ERROR
    assert description == f"read from 127.0.0.1:{pair.listener.port}: {os.strerror(104)}"
    assert not pair.client_loop.busy


def test_what_the_transport_raises_leaves_the_turn_and_nothing_breaks(world):
    pair = Pair(world)
    stream = pair.server_stream

    def broken(data):
        del stream.receive
        raise ZeroDivisionError

    stream.receive = broken
    pair.client_stream.say(b"x")
    pair.client.flush()
    with pytest.raises(ZeroDivisionError):
        world.spin(lambda: False)
    pair.client_stream.say(b"y")
    pair.client.flush()
    world.spin(lambda: stream.received == b"y")


# -- output -----------------------------------------------------------------------------------------------------


def test_nothing_said_is_lost_by_closing(world):
    pair = Pair(world)
    data = bulk(3_000_000)
    pair.server_stream.say(data)
    pair.server_stream.finish()
    pair.server.flush()
    world.spin(lambda: "tail" in pair.client_stream.told)
    assert pair.client_stream.received == data
    pair.client_stream.finish()
    pair.client.flush()
    world.spin(lambda: pair.server.closed and pair.client.closed)
    assert pair.server_stream.failure is None


def test_a_full_wire_is_not_asked_for_more_and_goes_on_by_itself(world):
    pair = Pair(world)
    pair.client_stream.say(bytes(20_000_000))
    pair.client.flush()
    left, asked = len(pair.client_stream.output), pair.client_stream.asked
    assert left > 0, "a wire that takes 20 MB at once does not show anything"
    pair.client.flush()
    pair.client.flush()
    assert pair.client_stream.asked == asked
    world.spin(lambda: len(pair.server_stream.received) == 20_000_000)
    assert not pair.client_stream.output
    pair.client_stream.say(b"more")
    pair.client.flush()
    world.spin(lambda: pair.server_stream.received.endswith(b"more"))


def test_what_the_transport_held_back_follows_in_the_next_turn(world):
    pair = Pair(world)
    stream = pair.client_stream
    pieces = [b"one", b"two", b"three"]
    plain = stream.pending

    def pending():
        if pieces and not stream.output:
            stream.say(pieces.pop(0))
        return plain()

    popped = stream.pop
    stream.pending, stream.pop = pending, lambda size: popped(size) or bool(pieces)
    pair.client.flush()
    world.spin(lambda: pair.server_stream.received == b"onetwothree")


def test_reads_are_longer_while_a_long_message_is_on_its_way(sockets):
    pair = Pair(sockets)
    limits = []

    class Recording:
        def __init__(self, wire):
            self.wire = wire

        def read(self, limit):
            limits.append(limit)
            return self.wire.read(limit)

        def __getattr__(self, name):
            return getattr(self.wire, name)

    stream, pair.server.wire = pair.server_stream, Recording(pair.server.wire)

    def exchange(size, buffered):
        limits.clear()
        before = len(stream.received)
        stream.buffered = buffered
        pair.client_stream.say(bytes(size))
        pair.client.flush()
        sockets.spin(lambda: len(stream.received) == before + size)
        return set(limits)

    assert exchange(2_000_000, buffered=0) == {READ_SIZE}
    assert exchange(2_000_000, buffered=100_000) == {READ_SIZE, LONG_READ_SIZE}
    exchange(READ_SIZE, buffered=0)
    assert exchange(100, buffered=0) == {READ_SIZE}


def test_last_words_are_heard_although_writing_fails(memory):
    pair = Pair(memory)
    client, server = pair.client, pair.server
    pair.server_stream.say(b"bye, because")
    pair.server_stream.finish()
    server.flush()
    server.close()
    pair.client_stream.say(b"tell me")
    client.flush()  # taken; the other system answers that nobody is there
    pair.client_stream.say(b"hello?")
    client.flush()
    assert "head" in pair.client_stream.told
    assert not client.closed
    memory.spin(lambda: client.closed)
    assert pair.client_stream.received == b"bye, because"
    assert pair.client_stream.failure == (IO_ERROR, f"read from {client.wire.remote_address}: {os.strerror(104)}")


def test_writing_to_a_peer_that_is_gone(world):
    pair = Pair(world)
    reset(pair.server.wire)
    for _ in range(100):
        if pair.client.closed:
            break
        pair.client_stream.say(b"hello?")
        pair.client.flush()
        pair.client_loop.turn(0)
    assert pair.client_stream.failure is not None
    assert pair.client_stream.failure[0] == IO_ERROR


def test_a_peer_that_never_finishes_is_left_after_a_while(world):
    pair = Pair(world)
    pair.client_stream.finish()
    pair.client.flush()
    world.spin(lambda: "tail" in pair.server_stream.told)
    pair.server.loop.unwatch(pair.server.wire)
    world.turn()
    assert not pair.client.closed
    world.clock.advance(10.0)
    world.turn()
    assert pair.client.closed
    assert pair.client_stream.told == ["head", "tail"]


def test_a_peer_that_goes_on_talking_is_left_too(world):
    pair = Pair(world)
    pair.client_stream.finish()
    pair.client.flush()
    for _ in range(11):
        pair.server_stream.say(b"and another thing")
        pair.server.flush()
        world.clock.advance(1.0)
        world.turn()
    assert pair.client.closed


def test_a_peer_that_takes_nothing_more_after_finishing_is_given_up(memory):
    pair = Pair(memory)
    pair.client.linger = 1000.0
    pair.client_stream.finish()
    pair.client.flush()
    pair.client_loop.unwatch(pair.client.wire)  # it does not read
    memory.spin(lambda: "tail" in pair.server_stream.told)
    pair.server_stream.say(bytes(1_000_000))
    pair.server.flush()
    memory.clock.advance(10.0)
    memory.turn()
    assert not pair.server.closed, "it had taken something"
    memory.clock.advance(10.0)
    memory.turn()
    assert pair.server.closed
    assert pair.server_stream.failure == (
        IO_ERROR,
        f"write to {pair.client.wire.local_address}: the peer takes nothing more",
    )


def test_last_words_to_a_peer_that_takes_nothing_do_not_wait_for_ever(memory):
    """The engine ended by itself: a protocol error of the peer, or its silence."""
    pair = Pair(memory)
    client, stream = pair.client, pair.client_stream
    pair.server_loop.unwatch(pair.server.wire)
    stream.say(bytes(1_000_000))
    client.flush()
    plain = stream.receive

    def give_up(data):
        plain(data)
        stream.close_tail()
        stream.say(b"you erred")
        stream.finish()

    stream.receive = give_up
    pair.server_stream.say(b"garbage")
    pair.server.flush()
    memory.spin(lambda: stream.received)
    memory.clock.advance(9.0)
    memory.turn()
    pair.server_stream.say(b"more garbage changes nothing")
    pair.server.flush()
    memory.turn()
    assert not client.closed
    memory.clock.advance(1.0)
    memory.turn()
    assert client.closed
    assert stream.failure == (IO_ERROR, f"write to {client.wire.remote_address}: the peer takes nothing more")


def test_a_silent_peer_that_takes_nothing_is_given_up_too(memory):
    start = memory.clock.now()
    pair = Pair(memory, ScriptedStream([start + 30.0]))
    client, stream = pair.client, pair.client_stream
    pair.server_loop.unwatch(pair.server.wire)
    stream.say(bytes(1_000_000))
    client.flush()

    def expire(now):
        stream.close_tail()
        stream.finish()
        return 0.0

    stream.tick = expire
    memory.clock.advance(30.0)
    memory.turn()
    assert not client.closed
    memory.clock.advance(10.0)
    memory.turn()
    assert client.closed


# -- time -------------------------------------------------------------------------------------------------------


def test_the_transport_is_told_the_time_when_it_asked_for(world):
    start = world.clock.now()
    pair = Pair(world, ScriptedStream([start + 10.0]), connect=False)
    world.spin(lambda: pair.client.connected and pair.accepted)
    stream = pair.client_stream
    assert stream.ticks
    told = len(stream.ticks)
    stream.deadlines = [start + 25.0]
    world.clock.advance(9.0)
    pair.client_loop.turn(0)
    assert len(stream.ticks) == told
    stream.say(b"heartbeat")
    world.clock.advance(1.0)
    pair.client_loop.turn(0)
    assert stream.ticks[told] == start + 10.0
    world.spin(lambda: pair.server_stream.received == b"heartbeat")
    told = len(stream.ticks)
    world.clock.advance(14.0)
    pair.client_loop.turn(0)
    assert len(stream.ticks) == told
    world.clock.advance(1.0)
    pair.client_loop.turn(0)
    assert len(stream.ticks) > told


def test_an_earlier_deadline_replaces_a_later_one(world):
    start = world.clock.now()
    pair = Pair(world, ScriptedStream([start + 100.0]))
    pair.client_stream.deadlines = [start + 2.0]
    pair.server_stream.say(b"open, with a short idle-time-out")
    pair.server.flush()
    world.spin(lambda: pair.client_stream.received)
    told = len(pair.client_stream.ticks)
    world.clock.advance(2.0)
    pair.client_loop.turn(0)
    assert len(pair.client_stream.ticks) > told


def test_deadlines_do_not_pile_up(world):
    start = world.clock.now()
    pair = Pair(world, ScriptedStream([start + 100.0]))
    for number in range(50):
        pair.client_stream.deadlines = [start + 100.0 + number]
        pair.server_stream.say(b"x")
        pair.server.flush()
        world.spin(lambda number=number: len(pair.client_stream.received) == number + 1)
    assert len(pair.client_loop.timers) == 1
    pair.client.close()
    assert len(pair.client_loop.timers) == 0


# -- the end ----------------------------------------------------------------------------------------------------


def test_closing_at_once(world):
    pair = Pair(world)
    pair.client.close()
    assert pair.client_stream.told == ["head", "tail"]
    world.spin(lambda: "tail" in pair.server_stream.told)
    pair.server_stream.finish()
    pair.server.flush()
    assert pair.server.closed
    assert not pair.client_loop.busy


def test_a_driver_that_was_closed_in_this_turn_ignores_what_the_turn_still_has(world):
    pair = Pair(world)
    pair.client.close()
    told = list(pair.client_stream.told)
    pair.client.ready(3)
    assert pair.client_stream.told == told


def test_the_loop_closes_what_is_open(world):
    pair = Pair(world)
    pair.server_loop.close()
    world.loops.remove(pair.server_loop)
    world.spin(lambda: pair.client_stream.told)
    assert pair.server.closed
    assert pair.listening.closed


# -- letting in -------------------------------------------------------------------------------------------------


def test_many_at_once(world):
    server, client = world.loop(), world.loop()
    accepted = []
    listener = server.network.listen(world.host, 0)
    driver = ListenerDriver(server, listener, lambda wire: accepted.append(Driver(server, ScriptedStream(), wire)))
    count = 3 * BURST
    drivers = [
        Driver(client, ScriptedStream(), client.network.connect(world.host, listener.port)) for _ in range(count)
    ]
    world.spin(lambda: all(driver.connected for driver in drivers) and len(accepted) == count)
    driver.close()
    assert len(server.watchers) == count


def test_a_porter_that_is_closed_while_it_lets_in(world):
    server, client = world.loop(), world.loop()
    listener = server.network.listen(world.host, 0)
    accepted = []
    driver = ListenerDriver(server, listener, lambda wire: (accepted.append(wire), driver.close()))
    for _ in range(3):
        Driver(client, ScriptedStream(), client.network.connect(world.host, listener.port))
    world.spin(lambda: accepted)
    for _ in range(5):
        world.turn()
    assert len(accepted) == 1
    driver.ready(1)
    driver.close()
    accepted[0].close()


def test_what_admit_raises_leaves_the_turn_and_closes_the_wire(world):
    server, client = world.loop(), world.loop()
    listener = server.network.listen(world.host, 0)
    wires = []

    def admit(wire):
        wires.append(wire)
        raise ZeroDivisionError

    ListenerDriver(server, listener, admit)
    stream = ScriptedStream()
    Driver(client, stream, client.network.connect(world.host, listener.port))
    with pytest.raises(ZeroDivisionError):
        world.spin(lambda: False)
    world.spin(lambda: stream.told)
    with pytest.raises(OSError):
        wires[0].read(1)


def test_a_process_that_can_take_no_more_looks_away_and_comes_back(memory):
    server, client = memory.loop(), memory.loop()
    accepted = []
    listener = server.network.listen("localhost", 0)
    driver = ListenerDriver(server, listener, accepted.append, pause=0.5)
    listener.exhausted = True
    client.network.connect("localhost", listener.port)
    memory.spin(lambda: driver.error)
    assert not server.turn(0), "the loop spins"
    listener.exhausted = False
    memory.clock.advance(0.5)
    memory.spin(lambda: accepted)
    assert driver.error is None


def test_a_porter_closed_while_looking_away(memory):
    server, client = memory.loop(), memory.loop()
    listener = server.network.listen("localhost", 0)
    driver = ListenerDriver(server, listener, lambda wire: None)
    listener.exhausted = True
    client.network.connect("localhost", listener.port)
    memory.spin(lambda: driver.error)
    driver.close()
    assert not server.busy


def test_two_thousand_connections_are_cheap(memory):
    """Objects of a driver and its wire alone; the engine's are counted where the engine is."""
    tracemalloc = pytest.importorskip("tracemalloc")  # not on PyPy

    pair = Pair(memory)
    wires = [pair.client_loop.network.connect("127.0.0.1", pair.listener.port) for _ in range(200)]
    streams = [ScriptedStream() for _ in wires]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        drivers = [Driver(pair.client_loop, stream, wire) for stream, wire in zip(streams, wires)]
        each = (tracemalloc.get_traced_memory()[0] - before) / len(drivers)
    finally:
        tracemalloc.stop()
    assert each < 2000


def test_a_peer_that_has_said_its_last_word_is_not_waited_for(world):
    pair = Pair(world)
    pair.client_stream.finish()
    pair.client.flush()
    world.turn()
    pair.client_stream.is_over = True
    pair.server_stream.say(b"the last word")
    pair.server.flush()
    world.spin(lambda: pair.client_stream.received)
    world.clock.advance(BRIEF - 0.01)
    world.turn()
    assert not pair.client.closed
    world.clock.advance(0.02)
    world.spin(lambda: pair.client.closed)
    assert pair.client_stream.failure is None


def test_who_has_heard_the_last_word_before_does_not_wait_either(world):
    pair = Pair(world)
    pair.client_stream.is_over = True
    pair.client_stream.finish()
    pair.client.flush()
    world.clock.advance(BRIEF + 0.01)
    world.spin(lambda: pair.client.closed)
