"""Observers of a container: what they see, in which order, and that they change nothing."""

from __future__ import annotations

import logging

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import AtMostOnce, Backoff, Container, Message
from reactor.simulation import World
from reactor.tracing.observer import METHODS, Observer

ALL = [name for name in METHODS if name not in ("observer", "wire", "turned")]


class Noting(Observer):
    """Notes the calls of all methods, or of some."""

    def __init__(self, *names):
        self.notes = []
        for name in names or ALL:
            setattr(self, name, lambda *args, name=name: self.notes.append((name, *args)))

    def names(self, *wanted):
        return [note[0] for note in self.notes if note[0] in wanted or not wanted]


class Sends(MessagingHandler):
    def __init__(self, number=3, options=None, **more):
        super().__init__(**more)
        self.number = number
        self.options = options
        self.done = 0

    def on_start(self, event):
        event.container.create_sender("amqp://broker/q", options=self.options)

    def on_sendable(self, event):
        while event.sender.credit and self.number:
            event.sender.send(Message("message %d" % self.number))
            self.number -= 1

    def on_accepted(self, event):
        self.done += 1


class Receives(MessagingHandler):
    def __init__(self, number=3, **more):
        super().__init__(**more)
        self.number = number
        self.done = 0

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/q")

    def on_message(self, event):
        self.done += 1
        if self.done == self.number:
            event.connection.close()


def run(handler, observer, seconds=30, messages=3, **world):
    with World(1, latency=0.001, bandwidth=1e9, pieces=0, **world) as w:
        w.start(Broker, "amqp://broker:5672", name="broker")
        if handler is Receives:
            w.start(Sends, messages)
        program = w.start(handler, name="program", options={"observers": [observer]})
        w.run_for(seconds)
    return program


def test_a_sender_is_seen_from_its_connection_to_its_end():
    seen = Noting("connected", "credit", "sent", "settled", "called")
    program = run(Sends, seen)
    assert program.handler.done == 3
    assert seen.names("connected", "credit", "sent", "settled")[:5] == ["connected", "credit", "sent", "sent", "sent"]
    assert seen.names("settled") == ["settled"] * 3
    assert {str(note[1].remote_state) for note in seen.notes if note[0] == "settled"} == {"ACCEPTED"}
    calls = [note[2] for note in seen.notes if note[0] == "called"]
    assert calls[0] == "on_start" and calls.count("on_accepted") == 3 and set(calls) == {
        "on_start", "on_sendable", "on_accepted",
    }  # fmt: skip
    assert all(note[1] is program.handler for note in seen.notes if note[0] == "called")


def test_an_observer_is_called_before_the_handler_for_the_same_event():
    seen = Noting("received", "called", "settled", "closed", "lost", "failed")
    run(Receives, seen)
    assert seen.names()[:4] == ["called", "received", "called", "settled"]  # on_start, and then one message
    assert seen.names("received", "settled") == ["received", "settled"] * 3
    assert [str(note[1].local_state) for note in seen.notes if note[0] == "settled"] == ["ACCEPTED"] * 3
    assert seen.names("closed", "lost", "failed") == ["closed"]


def test_messages_that_are_sent_settled_have_no_settlement():
    seen = Noting("sent", "settled")
    run(lambda: Sends(3, AtMostOnce()), seen)
    assert seen.names() == ["sent"] * 3


def test_a_loss_an_attempt_that_fails_and_a_new_connection():
    seen = Noting("connected", "lost", "failed", "retry", "settled")
    with World(1, latency=0.001, bandwidth=1e9, pieces=0) as world:
        broker = world.start(Broker, "amqp://broker:5672", name="broker")

        class Connects(MessagingHandler):
            def on_start(self, event):
                event.container.connect("amqp://broker", reconnect=Backoff(initial=1, factor=1, jitter=0))

        world.start(Connects, options={"observers": [seen]})
        world.run_for(5)
        broker.crash()
        world.run_for(2.5)
        broker.restart()
        world.run_for(5)
    names = seen.names()
    assert names[:2] == ["connected", "lost"] and names[-1] == "connected"
    assert "retry" in names and "failed" in names
    _, connection, condition = next(note for note in seen.notes if note[0] == "lost")
    assert connection.connected_address == "amqp://broker" and condition.name
    attempts = [(note[2], note[3]) for note in seen.notes if note[0] == "retry"]
    assert attempts == [(number, 1) for number in range(2, 2 + len(attempts))]  # the loss, and one at once, before


def test_a_delivery_in_doubt_is_settled_with_a_reason():
    seen = Noting("sent", "settled")
    with World(1, latency=0.001, bandwidth=1e9, pieces=0) as world:
        broker = world.start(Broker, "amqp://broker:5672", name="broker")
        world.when("disposition", count=None).drop()
        program = world.start(Sends, name="program", options={"observers": [seen]})
        world.run_until(lambda: seen.notes)
        world.run_for(1)
        broker.crash()
        world.run_for(1)
        assert program.handler.done == 0
    assert seen.names() == ["sent"] * 3 + ["settled"] * 3
    assert all(note[1].doubt is not None for note in seen.notes[3:])


def test_links_that_the_peer_opens_are_seen_too():
    seen = Noting("sent", "received", "settled", "connected")
    with World(1) as world:
        world.start(Broker, "amqp://broker:5672", name="broker", options={"observers": [seen]})
        world.start(Sends)
        world.start(Receives)
        world.run_for(60)
    assert seen.names("connected") == ["connected"] * 2
    assert len(seen.names("received")) == 3 and len(seen.names("sent")) == 3
    assert len(seen.names("settled")) == 6


def test_timers_and_calls_from_outside():
    seen = Noting("timer", "called", "ended")

    class Waits(MessagingHandler):
        def on_start(self, event):
            event.container.schedule(0.0, self)
            event.container.call_soon_threadsafe(self.poke)

        def on_timer_task(self, event):
            pass

        def poke(self):
            pass

    handler = Waits()
    Container(handler, observers=[seen]).run()
    assert set(seen.names()) == {"timer", "called", "ended"}
    [task] = [note[1] for note in seen.notes if note[0] == "timer"]
    assert task.handler is handler
    assert {note[2] for note in seen.notes if note[0] == "called"} == {"on_start", "on_timer_task", "poke"}
    assert seen.notes[-1] == ("ended", None)


def test_the_end_of_a_run_has_its_reason():
    seen = Noting("ended", "called")

    class Fails(MessagingHandler):
        def on_start(self, event):
            raise ValueError("of the handler")

    with pytest.raises(ValueError) as raised:
        Container(Fails(), observers=[seen]).run()
    assert seen.notes[-1] == ("ended", raised.value)
    assert seen.names() == ["called", "ended"]


class _Ticking:
    """A clock that moves by a second at each look."""

    def __init__(self):
        self.time = 1000.0

    def now(self):
        self.time += 1.0
        return self.time

    def today(self):
        return self.time


@pytest.mark.parametrize(("limit", "held"), [(0.5, True), (1e9, False)])
def test_handlers_that_hold_the_loop(limit, held):
    seen = Noting("held", "called")
    seen.held_limit = limit

    class Slow(MessagingHandler):
        def on_start(self, event):
            pass

    Container(Slow(), clock=_Ticking(), observers=[seen]).run()
    assert ("held" in seen.names()) == held
    [called] = [note for note in seen.notes if note[0] == "called"]
    assert called[2] == "on_start" and called[4] == 1.0
    if held:
        text, seconds = next(note[1:] for note in seen.notes if note[0] == "held")
        assert text == "Slow.on_reactor_init" and seconds >= 1.0


def test_bytes_are_overheard_beside_a_recorder_of_the_application():
    class Overhears(Observer):
        def __init__(self):
            self.passed = {"in": b"", "out": b""}

        def wire(self, transport, wire, is_server):
            assert not is_server and wire.remote_address
            return self.hear

        def hear(self, direction, data):
            self.passed[direction] += data

    class Records(Sends):
        def on_connection_bound(self, event):
            self.recorded = {"in": b"", "out": b""}
            event.transport.recorder = self.record

        def record(self, direction, data):
            self.recorded[direction] += data

    seen = Overhears()
    program = run(Records, seen)
    assert seen.passed["in"].startswith(b"AMQP") and seen.passed["out"].startswith(b"AMQP")
    assert program.handler.recorded == seen.passed


def test_one_object_looks_on_at_several_containers_and_tells_them_apart():
    class Of(Observer):
        def __init__(self, container):
            self.container = container
            self.seen = 0

        def called(self, handler, method, event, seconds):
            self.seen += 1

    class All(Observer):
        def __init__(self):
            self.those = []

        def observer(self, container):
            self.those.append(Of(container))
            return self.those[-1]

    class Starts(MessagingHandler):
        def on_start(self, event):
            pass

    all_of_them = All()
    containers = [Container(Starts(), observers=[all_of_them]) for _ in range(2)]
    containers[1].run()
    assert [each.container for each in all_of_them.those] == containers
    assert [each.seen for each in all_of_them.those] == [0, 1]


@pytest.mark.parametrize("name", ["sent", "settled", "received", "called", "connected", "credit", "closed"])
def test_an_observer_that_fails_is_logged_and_looks_on_no_more(name, caplog):
    class Fails(Noting):
        pass

    failing, seen = Fails(*ALL), Noting(*ALL)
    calls: list = []

    def fail(*args):
        calls.append(args)
        raise ZeroDivisionError("of the observer")

    setattr(failing, name, fail)
    handler = Receives if name in ("received", "closed") else Sends

    with World(1, latency=0.001, bandwidth=1e9, pieces=0) as world:
        world.start(Broker, "amqp://broker:5672", name="broker")
        if handler is Receives:
            world.start(Sends)
        with caplog.at_level(logging.ERROR):
            program = world.start(handler, name="program", options={"observers": [failing, seen]})
            world.run_for(30)
    assert program.handler.done == 3
    assert len(calls) == 1
    [record] = caplog.records
    text = record.getMessage()
    assert "Fails" in text and f"{name}(), and looks on no more: ZeroDivisionError('of the observer')" in text
    assert record.exc_info[0] is ZeroDivisionError
    assert seen.names(name)
    at = seen.notes.index((name, *calls[0])) if name != "called" else 0
    assert len(failing.notes) <= at, "nothing after its failure"


def test_a_builtin_method_that_does_not_take_what_it_is_given_is_given_up_like_any_other(caplog):
    class Lists:
        def __init__(self):
            self.retry = self.lost = self.called = [].append

    with World(3) as world:
        broker = world.start(Broker, "amqp://broker")
        sends = world.start(Sends, options=None, name="sends")
        watched = world.container(Sends(), name="watched", observers=[Lists()])
        world.settle()
        broker.crash()
        world.run_for(5)
        assert watched is not None and sends.handler.done == 3
    assert "TypeError" in caplog.text


@pytest.mark.parametrize("failing", ["wire", "hear"])
def test_one_that_fails_over_bytes(failing, caplog):
    class Fails(Observer):
        calls = 0

        def wire(self, transport, wire, is_server):
            if failing == "wire":
                raise ZeroDivisionError
            return self.hear

        def hear(self, direction, data):
            self.calls += 1
            raise ZeroDivisionError

    observer = Fails()
    with caplog.at_level(logging.ERROR):
        program = run(Sends, observer)
    assert program.handler.done == 3 and observer.calls == (failing == "hear")
    assert len(caplog.records) == 1


class Nearly:
    def settle(self, delivery):
        """No method of an observer."""


@pytest.mark.parametrize(
    ("observers", "error"),
    [
        ([object()], "an observer has some of these methods: observer, sent, received, .* has none of them"),
        ([Nearly()], "has none of them"),
        ([Observer()], "has none of them"),
        ([Noting], "observers are objects: Noting\\(\\), and not the class"),
        ([None], "has none of them"),
        (["sent"], "has none of them"),
        ("sent", "observers are a list of objects, not 'sent': observers="),
        (Noting(), "observers are a list of objects, not <"),
        (None, "observers are a list of objects, not None"),
        ([type("Wrong", (), {"sent": 7})()], "sent of the observer <.*> is no method"),
    ],
)
def test_wrong_objects_are_refused(observers, error):
    with pytest.raises(TypeError, match=error):
        Container(observers=observers)


@pytest.mark.parametrize("seed", range(2))
def test_observers_change_nothing(seed):
    """A run is the same with observers and without them, byte for byte and turn for turn."""

    def digest(observers):
        with World(seed) as world:
            options = {"observers": observers}
            broker = world.start(Broker, "amqp://broker:5672", name="broker", options=options)
            world.storm(20, ["cut", "half-close", "crash"], every=4, crashing=[broker])
            world.start(Sends, 20, options=options)
            world.start(Receives, 10, options=options)
            world.run_for(120)
            return world.digest

    assert digest([]) == digest([Noting(*ALL)])


def test_an_observer_sees_the_bytes_of_a_long_message():
    message = Message("x" * 300_000)
    seen = []

    class SendsOne(MessagingHandler):
        def on_start(self, event):
            event.container.create_sender("amqp://broker/q")

        def on_sendable(self, event):
            if not seen:
                event.sender.send(message)

    class Reads(Observer):
        def sent(self, delivery):
            seen.append(delivery.payload)

    run(SendsOne, Reads())
    assert seen == [message.encode()]
