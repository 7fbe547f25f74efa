"""Heartbeats, as two applications see them; and the handler that holds the loop for longer than they allow."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from reactor import AtMostOnce, Collector, Connection, Handler, Message, Transport
from reactor.container.slow_handlers import SlowHandlerWatch
from reactor.engine.handler import Dispatcher
from reactor.errors import RESOURCE_LIMIT_EXCEEDED
from reactor.simulation import VirtualClock
from tests.support.stage import Stage, Witness


class Scene:
    """A client and a server, each of which wants to hear of the other within so many seconds; None: does not care."""

    def __init__(self, ours: Any = None, theirs: Any = None, server: Any = None, client: Any = None) -> None:
        self.theirs = theirs or 0
        self.server = Witness() if server is None else server
        self.server.on_connection_bound = lambda event: setattr(event.transport, "idle_timeout", self.theirs)
        self.stage = Stage(self.server)
        self.client = Witness() if client is None else client
        self.container, self.connection = self.stage.connect(self.client, heartbeat=ours)

    @property
    def transports(self) -> list[Any]:
        return [self.connection.transport, self.server.last("on_connection_opened").connection.transport]

    def wait(self, seconds: float) -> None:
        """Let time pass, and what is due in it happen."""
        over: list[Any] = []
        self.every(seconds, lambda: over.append(1), 1)
        self.stage.run(lambda: over)

    def every(self, seconds: float, act: Callable[[], Any], times: int) -> None:
        """Do something again and again."""

        class Again:
            left = times

            def on_timer_task(self, event: Any) -> None:
                act()
                self.left -= 1
                if self.left:
                    event.container.schedule(seconds, self)

        self.stage.host.schedule(seconds, Again())

    def is_alive(self) -> bool:
        return not self.client.count("on_disconnected") and not self.server.count("on_disconnected")


@pytest.mark.parametrize(("ours", "theirs"), [(10, None), (None, 10), (10, 4), (3, 60)])
def test_they_are_agreed_on_both_ways_and_keep_a_connection_that_is_idle(ours: Any, theirs: Any) -> None:
    scene = Scene(ours, theirs)
    client, server = scene.transports
    assert (client.remote_idle_timeout, server.remote_idle_timeout) == ((theirs or 0) / 2, (ours or 0) / 2)
    before = (client.frames_output, server.frames_output)
    scene.wait(600)
    assert scene.is_alive()
    sent = (client.frames_output - before[0], server.frames_output - before[1])
    assert (sent[0] > 0, sent[1] > 0) == (theirs is not None, ours is not None), "they are sent to who asked for them"


def test_they_are_sent_while_the_application_only_reads() -> None:
    scene = Scene(theirs=2)
    scene.container.create_receiver(scene.connection, "q", prefetch=100_000, options=AtMostOnce())
    scene.stage.run()
    theirs = scene.server.last("on_link_opened").link
    scene.every(0.3, lambda: theirs.send(Message("x")), 300)
    scene.wait(100)
    assert scene.is_alive()
    assert scene.client.count("on_message") == 300


def test_they_are_sent_while_the_application_only_writes() -> None:
    scene = Scene(ours=2, server=Witness(prefetch=100_000))
    sender = scene.container.create_sender(scene.connection, "q", options=AtMostOnce())
    scene.stage.run()
    scene.every(0.3, lambda: scene.container.call_soon_threadsafe(sender.send, Message("x")), 300)
    scene.wait(100)
    assert scene.is_alive()
    assert scene.server.count("on_message") == 300


def test_a_peer_that_says_nothing_is_reported_as_that() -> None:
    scene = Scene(ours=10)
    scene.stage.stepper.containers.remove(scene.stage.host)
    start = scene.stage.clock.now()
    reasons: list[Any] = []
    scene.client.on_transport_error = lambda event: reasons.append(event.transport.condition)
    scene.stage.run(lambda: reasons)
    assert scene.stage.clock.now() - start == 10
    assert reasons[0].name == RESOURCE_LIMIT_EXCEEDED
    assert reasons[0].description == "local-idle-timeout expired: nothing came in for 10 seconds"


def test_what_came_while_a_handler_slept_counts() -> None:
    """It is the handler that did not look, and not the peer that did not speak."""
    scene = Scene(ours=10, client=Witness(on_message=lambda event: scene.stage.clock.advance(60)))
    scene.container.create_receiver(scene.connection, "q", prefetch=1)
    scene.stage.run()
    theirs = scene.server.last("on_link_opened").link
    for _ in range(5):
        theirs.send(Message("x"))
    scene.wait(300)
    assert scene.client.count("on_message") == 5
    assert scene.is_alive()


# -- handlers that hold the loop -------------------------------------------------------------------------------


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "reactor.container.slow_handlers"]


class Sleepy(Witness):
    """A handler that takes its time."""


@pytest.mark.parametrize(("seconds", "warned"), [(4.9, False), (5.1, True), (60, True)])
def test_one_that_holds_the_loop_for_more_than_half_the_peer_s_time_out_is_named(
    seconds: float, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    client = Sleepy(on_message=lambda event: scene.stage.clock.advance(seconds))
    scene = Scene(theirs=20, client=client)  # which its open tells as 10
    scene.container.create_receiver(scene.connection, "q")
    scene.stage.run()
    scene.server.last("on_link_opened").link.send(Message("x"))
    scene.stage.run()
    texts = warnings(caplog)
    assert len(texts) == warned
    if warned:
        assert texts[0] == (
            "Sleepy.on_message held the loop for %g s, and nothing was sent meanwhile: "
            "a peer gives us up after 10 s of silence" % seconds
        )


def test_many_short_calls_in_one_turn_are_one_long_one(caplog: pytest.LogCaptureFixture) -> None:
    client = Sleepy(on_message=lambda event: scene.stage.clock.advance(1))
    scene = Scene(theirs=20, client=client)
    scene.container.create_receiver(scene.connection, "q")
    scene.stage.run()
    theirs = scene.server.last("on_link_opened").link
    for _ in range(8):
        theirs.send(Message("x"))
    scene.stage.run()
    assert scene.client.count("on_message") == 8
    assert len(warnings(caplog)) == 1 and "held the loop for 6 s" in warnings(caplog)[0]


def test_timers_calls_and_outcomes_are_named_too(caplog: pytest.LogCaptureFixture) -> None:
    def sleep(event: Any = None) -> None:
        scene.stage.clock.advance(8)

    scene = Scene(theirs=20, client=Sleepy(on_timer_task=sleep, on_accepted=sleep))
    sender = scene.container.create_sender(scene.connection, "q")
    scene.stage.run()
    scene.container.schedule(1, None)
    scene.wait(2)
    scene.container.call_soon_threadsafe(sleep)
    scene.stage.run()
    sender.send(Message("x"))
    scene.stage.run()
    first, second, third = warnings(caplog)
    assert "Sleepy.on_timer_task" in first and "sleep" in second and "Sleepy.on_accepted" in third


def test_where_no_peer_told_a_time_out_nobody_is_watched(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(ours=10, client=Sleepy(on_message=lambda event: scene.stage.clock.advance(600)))
    scene.container.create_receiver(scene.connection, "q")
    scene.stage.run()
    scene.server.last("on_link_opened").link.send(Message("x"))
    scene.stage.run()
    assert warnings(caplog) == []


def test_the_strictest_peer_counts_as_long_as_it_is_there(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(theirs=20)

    def warns(seconds: float) -> bool:
        caplog.clear()
        scene.container.call_soon_threadsafe(scene.stage.clock.advance, seconds)
        scene.stage.run()
        return bool(warnings(caplog))

    assert warns(5.1) and not warns(4.9)
    scene.theirs = 8
    other = scene.container.connect(Stage.url, reconnect=False)
    scene.stage.run()
    assert warns(2.1) and not warns(1.9)
    other.close()
    scene.stage.run()
    assert warns(5.1) and not warns(4.9)
    scene.stage.cut()
    scene.stage.run()
    assert not warns(600)


def test_one_that_looks_on_takes_no_warning_away(caplog: pytest.LogCaptureFixture) -> None:
    """Of two handlers in one run the first is slow for an observer, both together for a peer that gives us up."""
    clock, took, held = VirtualClock(), [0.2, 6.0], []

    class Peer:
        remote_idle_timeout = 10.0

    class Slow(Handler):
        def on_session_init(self, event: Any) -> None:
            clock.advance(took.pop(0))

    collector = Collector()
    dispatcher = Dispatcher(collector, None, Slow(), Handler())
    watch = SlowHandlerWatch(dispatcher, clock)
    watch.observe(lambda text, seconds: held.append(round(seconds, 3)), 0.1)
    peer: Any = Peer()
    watch.begin(peer)
    connection = Connection()
    connection.collect(collector)
    connection.session()
    connection.session()
    dispatcher.run()
    assert held == [0.2, 6.2]
    (text,) = warnings(caplog)
    assert "held the loop for 6.2 s, and nothing was sent meanwhile: a peer gives us up after 10 s of silence" in text


def test_without_such_a_peer_the_dispatcher_reads_no_clock() -> None:
    dispatcher = Dispatcher(Collector(), None, object())
    watch = SlowHandlerWatch(dispatcher, VirtualClock())
    for seconds, limits in (((), [0]), ((20, 8), [10, 4]), ((8, 20, 8), [4, 4, 4])):
        transports = [Transport() for _ in seconds]
        for transport, theirs, limit in zip(transports, seconds, limits):
            transport.channels.remote_idle_timeout = theirs
            watch.begin(transport)
            assert dispatcher.clock is not None and dispatcher.limit == limit
        watch.clear()
        assert dispatcher.clock is None
