"""Stepping several programs through one network: in turn, with time that jumps, and errors that tell."""

from __future__ import annotations

import random

import pytest

from reactor.errors import Timeout
from reactor.loop.driver import Driver, ListenerDriver
from reactor.loop.loop import Loop
from reactor.simulation import Conditions, MemoryNetwork, NeverHappens, Stepper, run
from tests.support.streams import ScriptedStream


class Program:
    """A container's skeleton: turns of a loop, with `work` called in each."""

    def __init__(self, network, name="", work=lambda: None):
        self.loop = Loop(network.clock, network.node(name))
        self.timeout = 0
        self.started = 0
        self.turns = 0
        self.work = work

    def start(self):
        self.started += 1

    def process(self):
        self.turns += 1
        self.work()
        if not self.loop.busy:
            return False
        self.loop.turn(self.timeout)
        return True

    def __repr__(self):
        return f"<{self.loop.network.name}>"


class EchoServer(Program):
    """Says what it hears, to the first who connects, and ends with him."""

    def __init__(self, network):
        super().__init__(network, "server", self.echo)
        self.driver = None
        self.listening = ListenerDriver(self.loop, self.loop.network.listen("", 5672), self.admit)

    def admit(self, wire):
        self.listening.close()
        self.driver = Driver(self.loop, ScriptedStream(), wire)

    def echo(self):
        if self.driver is not None:
            stream = self.driver.transport
            stream.say(bytes(stream.received))
            stream.received.clear()
            if "tail" in stream.told:
                stream.finish()
            self.driver.flush()


class EchoClient(Program):
    def __init__(self, network, said=b"hello"):
        super().__init__(network, "client")
        self.stream = ScriptedStream()
        self.stream.say(said)
        self.driver = Driver(self.loop, self.stream, self.loop.network.connect("localhost", 5672))


@pytest.fixture
def network():
    return MemoryNetwork()


def test_two_programs_talk_until_both_have_ended(network):
    server, client = EchoServer(network), EchoClient(network)

    def finish_when_answered():
        if client.stream.received == b"hello":
            client.stream.finish()
            client.driver.flush()

    client.work = finish_when_answered
    start = network.clock.now()
    run(network, server, client)
    assert client.stream.received == b"hello"
    assert (server.started, client.started) == (1, 1)
    assert server.timeout is None
    assert network.clock.now() == start, "nobody had a reason to wait"
    assert network.wires == []


@pytest.mark.parametrize("chunk", [1, [1, 7, 2], None])
def test_until_something_has_happened(network, chunk):
    network.split(chunk)
    client = EchoClient(network, b"hello" * 20)
    stepper = Stepper(network, client, EchoServer(network))
    stepper.run(until=lambda: client.stream.received == b"hello" * 20)
    assert len(stepper.containers) == 2


def test_time_jumps_from_deadline_to_deadline(network):
    start = network.clock.now()
    seen = []
    programs = [Program(network), Program(network)]
    for delay in (86400.0, 0.5, 3600.0):
        for number, program in enumerate(programs):
            program.loop.schedule(delay + number, lambda: seen.append(network.clock.now() - start))
    stepper = Stepper(network, *programs)
    stepper.run(limit=1e6)
    assert seen == [0.5, 1.5, 3600.0, 3601.0, 86400.0, 86401.0]
    assert stepper.rounds < 40


def test_time_does_not_jump_while_anybody_has_something_to_do(network):
    start = network.clock.now()
    sleeper = Program(network, "sleeper")
    sleeper.loop.schedule(1.0, lambda: None)
    server, client = EchoServer(network), EchoClient(network)
    run(network, sleeper, client, server, until=lambda: client.stream.received == b"hello")
    assert network.clock.now() == start


def test_the_same_happens_every_time(network):
    def play():
        network = MemoryNetwork(chunk=[3, 1, 4, 1, 5])
        client = EchoClient(network, b"hello world")
        stepper = Stepper(network, client, EchoServer(network))
        stepper.run(until=lambda: client.stream.received == b"hello world")
        return stepper.rounds, client.stream.pieces

    assert play() == play()


def test_a_condition_that_cannot_come_true_is_told_with_what_there_is(network):
    client, server = EchoClient(network), EchoServer(network)
    network.fail_lookup("nowhere")
    network.silence("far")
    client.loop.network.connect("far", 5672)

    def pigs_fly():
        return False

    with pytest.raises(NeverHappens) as caught:
        run(network, client, server, until=pigs_fly)
    text = str(caught.value)
    assert "pigs_fly was not reached: every container waits, and none has a deadline (at 0.000 s, after " in text
    assert "still running: <client>" in text
    assert "wire <server: 127.0.0.1:5672 to 127.0.0.1:" in text
    assert "connecting: client to far:5672" in text
    assert isinstance(caught.value, Timeout)


def test_listeners_are_told_too(network):
    server = EchoServer(network)
    with pytest.raises(NeverHappens, match=r"listening: 0\.0\.0\.0:5672"):
        run(network, server)


def test_it_ends_when_everybody_has(network):
    with pytest.raises(NeverHappens, match="every container has finished"):
        run(network, Program(network), until=lambda: False)


def test_virtual_time_is_limited(network):
    program = Program(network)

    def again():
        program.loop.schedule(10.0, again)

    again()
    with pytest.raises(NeverHappens, match=r"60\.0 s of virtual time were not enough"):
        run(network, program, limit=60.0)
    assert network.clock.now() <= 1060.0


def test_rounds_are_limited(network):
    program = Program(network)
    program.work = lambda: program.loop.schedule(0, lambda: None)
    program.work()
    with pytest.raises(NeverHappens, match="100 rounds were not enough"):
        Stepper(network, program).run(rounds=100)


def test_a_wake_from_outside_is_a_turn(network):
    program = Program(network)
    program.loop.watchers.add(program)
    stepper = Stepper(network, program)
    assert stepper.round() == float("inf")
    program.loop.wake()
    assert stepper.round() is None
    assert stepper.round() == float("inf")


def test_one_that_joins_later(network):
    server = EchoServer(network)
    stepper = Stepper(network, server)
    stepper.round()
    client = EchoClient(network)
    stepper.add(client)
    stepper.run(until=lambda: client.stream.received == b"hello")


def test_an_exception_leaves_the_network_as_it_was(network):
    program = Program(network)

    def fail():
        raise ZeroDivisionError

    program.work = fail
    with pytest.raises(ZeroDivisionError):
        run(network, program)
    assert network.stepped is None


def test_time_goes_on_for_the_others_when_one_stands_still(network):
    server, client = EchoServer(network), EchoClient(network)
    stepper = Stepper(network, server, client)
    stepper.run(until=lambda: client.stream.received == b"hello")
    stepper.containers.remove(server)
    client.stream.say(b"are you there?")
    client.driver.flush()
    silence = []
    client.loop.schedule(30.0, lambda: silence.append(network.clock.now()))
    stepper.run(until=lambda: silence)
    assert silence == [1030.0]
    stepper.containers.append(server)
    stepper.run(until=lambda: client.stream.received == b"helloare you there?")


# -- over a network that takes time -------------------------------------------------------------------------------


@pytest.fixture
def slow():
    return MemoryNetwork(conditions=Conditions(random.Random(1), (1.0, 1.0)))


def test_time_jumps_to_what_arrives(slow):
    server, client = EchoServer(slow), EchoClient(slow)
    start = slow.clock.now()
    stepper = Stepper(slow, server, client)
    stepper.run(until=lambda: client.stream.received == b"hello")
    assert slow.clock.now() == start + 4.0  # to connect, there and back; the word, there and back


def test_to_settle_is_to_wait_for_what_is_under_way(slow):
    server, client = EchoServer(slow), EchoClient(slow)
    client.loop.schedule(100.0, lambda: None)
    start = slow.clock.now()
    stepper = Stepper(slow, server, client)
    stepper.settle()
    assert client.stream.received == b"hello"
    assert slow.clock.now() == start + 4.0
    stepper.settle()
    assert slow.clock.now() == start + 4.0


def test_so_much_time_passes(slow):
    server, client = EchoServer(slow), EchoClient(slow)
    start = slow.clock.now()
    stepper = Stepper(slow, server, client)
    stepper.run_for(3.5)
    assert (slow.clock.now(), client.stream.received) == (start + 3.5, b"")
    stepper.run_for(0.5)
    assert (slow.clock.now(), client.stream.received) == (start + 4.0, b"hello")


def test_who_never_rests_is_found_out(slow, monkeypatch):
    monkeypatch.setattr("reactor.simulation.world.stepper._ENDLESS", 100)
    program = Program(slow)
    program.work = lambda: program.loop.schedule(0, lambda: None)
    program.work()
    for go in (Stepper.settle, lambda stepper: stepper.run_for(5.0)):
        with pytest.raises(NeverHappens, match="the time was not reached: 100 rounds were not enough"):
            go(Stepper(slow, program))


def test_who_is_taken_out_in_the_turn_of_another_has_none(network):
    one, other = Program(network, "one"), Program(network, "other")
    for program in (one, other):
        program.loop.schedule(5.0, lambda: None)
    stepper = Stepper(network, one, other)
    one.work = lambda: stepper.containers.clear()
    stepper.round()
    assert (one.turns, other.turns) == (1, 0)
    one.work = lambda: None
    stepper.containers[:] = [one]
    one.work = lambda: (one.loop.timers.clear(), stepper.containers.clear())
    assert stepper.round() == float("inf")
