"""Running a container: turns, timers, the end, and what survives an exception."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest

from handlers import MessagingHandler
from reactor import Container, Endpoint, Event, Message
from reactor.simulation import MemoryNetwork
from reactor.simulation.network.wire import MemoryWire
from tests.support.stage import Stage, Witness


class Timer:
    """Writes down when it is told that time is up."""

    def __init__(self, clock: Any = None) -> None:
        self.clock = clock
        self.events: list[Any] = []
        self.times: list[float] = []

    def on_timer_task(self, event: Any) -> None:
        self.events.append(event)
        if self.clock is not None:
            self.times.append(self.clock.now())


def alone(*handlers: Any) -> tuple[Container, Any]:
    """A container alone in its world, run by its own run(), and its clock."""
    network = MemoryNetwork()
    return Container(*handlers, clock=network.clock, network=network.node()), network.clock


# -- timers ------------------------------------------------------------------------------------------------


def test_a_task_is_told_to_its_handler_when_it_is_due() -> None:
    container, clock = alone()
    timer = Timer(clock)
    task = container.schedule(5, timer)
    start = clock.now()
    container.run()
    (event,) = timer.events
    assert timer.times == [start + 5]
    assert event.context is task and event.container is container and event.type is Event.TIMER_TASK
    assert task.handler is timer and task.container is container
    assert event.connection is None and event.link is None


def test_tasks_run_in_the_order_of_their_times_then_of_their_making() -> None:
    container, _ = alone()
    order = []

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def on_timer_task(self, event: Any) -> None:
            order.append(self.name)

    for delay, name in ((2, "c"), (1, "a"), (2, "d"), (1, "b"), (-1, "now")):
        container.schedule(delay, Named(name))
    container.run()
    assert order == ["now", "a", "b", "c", "d"]


def test_a_task_without_a_handler_is_told_to_the_containers() -> None:
    client = Witness()
    container, _ = alone(client)
    container.schedule(1, None)
    container.run()
    assert client.count("on_timer_task") == 1


def test_a_task_that_is_cancelled_does_not_happen() -> None:
    container, _ = alone()
    timer = Timer()
    task = container.schedule(1, timer)
    task.cancel()
    task.cancel()
    container.run()
    assert timer.events == []
    task = container.schedule(1, timer)
    container.run()
    task.cancel()
    assert len(timer.events) == 1


def test_a_task_can_be_cancelled_by_another_one_of_the_same_moment() -> None:
    container, _ = alone()
    timer = Timer()

    class Canceller:
        def on_timer_task(self, event: Any) -> None:
            task.cancel()

    container.schedule(1, Canceller())
    task = container.schedule(1, timer)
    container.run()
    assert timer.events == []


def test_a_handler_without_on_timer_task_is_passed_over() -> None:
    container, _ = alone()
    container.schedule(1, object())
    container.run()


def test_a_task_can_schedule_itself_for_ever_and_the_network_has_its_turns() -> None:
    stage = Stage()
    client = Witness()

    class Restless:
        def on_timer_task(self, event: Any) -> None:
            if not client.count("on_connection_opened"):
                event.container.schedule(0, self)

    container = stage.container(client)
    container.schedule(0, Restless())
    container.connect(stage.url)
    stage.run(lambda: client.count("on_connection_opened"))


# -- the beginning and the end -----------------------------------------------------------------------------


class Lifetime(MessagingHandler):
    """Writes down how the container fares."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def on_start(self, event: Any) -> None:
        self.told.append("start")

    def on_reactor_quiesced(self, event: Any) -> None:
        self.told.append("quiesced")

    def on_reactor_final(self, event: Any) -> None:
        self.told.append("final")


def test_run_returns_when_nothing_is_left() -> None:
    life = Lifetime()
    container, _ = alone(life)
    container.run()
    assert life.told == ["start", "final"]


def test_before_it_waits_it_says_that_all_is_quiet() -> None:
    life = Lifetime()
    container, _ = alone(life)
    container.schedule(1, None)
    container.run()
    assert life.told == ["start", "quiesced", "final"]


def test_a_class_is_no_handler() -> None:
    with pytest.raises(TypeError, match=r"MessagingHandler\(\)"):
        Container(MessagingHandler)


def test_run_can_be_called_again_and_starts_once() -> None:
    life = Lifetime()
    container, _ = alone(life)
    timer = Timer()
    container.run()
    container.schedule(1, timer)
    container.run()
    assert len(timer.events) == 1
    assert life.told.count("start") == 1


def test_process_is_one_turn_and_tells_whether_anything_is_left() -> None:
    life = Lifetime()
    container, _ = alone(life)
    timer = Timer()
    container.schedule(3, timer)
    turns = 0
    while container.process():
        turns += 1
    assert len(timer.events) == 1 and life.told[0] == "start"
    assert turns >= 1 and container.quiesced


def test_do_work_waits_no_longer_than_it_is_told() -> None:
    container, clock = alone()
    timer = Timer(clock)
    container.schedule(10, timer)
    start = clock.now()
    assert container.do_work(4)  # the first turn only begins
    assert clock.now() == start
    assert container.do_work(4)
    assert container.do_work(4)
    assert clock.now() == start + 8 and timer.events == []
    assert container.timeout is None
    while container.do_work(4):
        pass
    assert timer.times == [start + 10]


def test_now_is_the_time_of_the_turn_and_mark_the_time() -> None:
    container, clock = alone()
    clock.advance(5)
    assert container.mark() == clock.now() == container.now + 5


def test_stop_ends_run_after_the_turn_and_lets_go_of_everything() -> None:
    stage = Stage()
    client = Witness(on_connection_opened=lambda event: event.container.stop())
    container = stage.container(client)
    connection = container.connect(stage.url)
    container.schedule(100, None)
    container.listen("server:6001")
    stage.run(lambda: container not in stage.stepper.containers)
    stage.run()
    assert connection.state & Endpoint.LOCAL_CLOSED
    assert stage.server.count("on_connection_closing") == 1
    assert stage.server.count("on_transport_error") == 0
    assert not container.loop.busy
    stage.finish()


def test_what_was_done_in_the_turn_of_stop_still_leaves() -> None:
    stage = Stage()

    def send_and_stop(event: Any) -> None:
        event.sender.send(Message("last words"))
        event.container.stop()

    container = stage.container(Witness(on_sendable=send_and_stop))
    container.create_sender(stage.url + "/q")
    stage.run()
    assert stage.server.last("on_message").message.body == "last words"


def test_a_container_that_was_stopped_can_be_used_again() -> None:
    stage = Stage()
    client = Witness()
    container, _ = stage.connect(client)
    container.stop()
    while container.process():
        pass
    again = container.connect(stage.url)
    stage.stepper.add(container)
    stage.run()
    assert again.state & Endpoint.REMOTE_ACTIVE
    assert client.count("on_connection_opened") == 2


def test_stop_from_another_thread_ends_the_wait() -> None:
    started = threading.Event()

    class Start(MessagingHandler):
        def on_start(self, event: Any) -> None:
            self.acceptor = event.container.listen("127.0.0.1:0")
            started.set()

    container = Container(Start())
    thread = threading.Thread(target=container.run)
    thread.start()
    assert started.wait(30)
    container.stop()
    thread.join(30)
    assert not thread.is_alive()


# -- exceptions --------------------------------------------------------------------------------------------


class Trouble(Exception):
    """What goes wrong in an application."""


def fail(event: Any) -> None:
    raise Trouble


def test_an_exception_leaves_run_and_the_event_is_not_told_again() -> None:
    container, _ = alone()
    timer = Timer()

    class Failing:
        def on_timer_task(self, event: Any) -> None:
            timer.on_timer_task(event)
            raise Trouble

    container.schedule(1, Failing())
    container.schedule(1, timer)
    with pytest.raises(Trouble):
        container.run()
    container.run()
    assert len(timer.events) == 2


@pytest.mark.parametrize("name", ["on_connection_local_open", "on_connection_init", "on_start"])
def test_an_exception_does_not_keep_the_container_from_connecting(name: str) -> None:
    stage = Stage()
    handler = type("Failing", (MessagingHandler,), {name: lambda self, event: fail(event)})()
    container = stage.container(handler)
    connection = container.connect(stage.url)
    with pytest.raises(Trouble):
        stage.run()
    stage.run()
    assert connection.state & Endpoint.REMOTE_ACTIVE


@pytest.mark.parametrize("name", ["on_disconnected", "on_transport_closed", "on_transport_error"])
def test_an_exception_at_the_end_does_not_keep_the_connection_alive(name: str) -> None:
    stage = Stage()
    handler = Witness(**{name: fail})
    _, connection = stage.connect(handler)
    stage.cut()
    with pytest.raises(Trouble):
        stage.run()
    stage.run()
    assert connection.transport is None and connection.state & Endpoint.LOCAL_CLOSED
    stage.finish()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="a signal must be sent to this process")
def test_ctrl_c_closes_the_connections_on_its_way_out() -> None:
    server, client = Witness(), Witness()
    serving = Container(server)
    acceptor = serving.listen("127.0.0.1:0")
    thread = threading.Thread(target=serving.run)
    thread.start()
    container = Container(client)
    client.on_connection_opened = lambda event: os.kill(os.getpid(), signal.SIGINT)  # type: ignore[attr-defined]
    connection = container.connect(acceptor.url)
    try:
        with pytest.raises(KeyboardInterrupt):
            container.run()
        assert not container.loop.busy
        assert connection.state & Endpoint.LOCAL_CLOSED
    finally:
        serving.stop()
        thread.join(30)
    assert server.count("on_connection_closing") + server.count("on_connection_opened") >= 1
    assert server.count("on_transport_error") == 0


# -- what leaves together ----------------------------------------------------------------------------------


class SendingOneByOne(MessagingHandler):
    """Sends one message in each `on_sendable`. before: called with its number before each."""

    def __init__(self, count: int, body: Any = "x", before: Any = None) -> None:
        super().__init__()
        self.count, self.body, self.before = count, body, before
        self.sent = self.confirmed = 0

    def on_sendable(self, event: Any) -> None:
        if self.sent < self.count:
            if self.before is not None:
                self.before(self.sent, event)
            event.sender.send(Message(self.body))
            self.sent += 1

    def on_accepted(self, event: Any) -> None:
        self.confirmed += 1


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of each write that any wire in memory was asked for."""
    sizes: list[int] = []
    write = MemoryWire.write

    def counted(self: MemoryWire, data: Any) -> int:
        sizes.append(len(data))
        return write(self, data)

    monkeypatch.setattr(MemoryWire, "write", counted)
    return sizes


def one_by_one(handler: SendingOneByOne, prefetch: int = 100) -> tuple[Stage, Witness]:
    """The stage, and the server, on which a sender of that handler is about to get its credit."""
    server = Witness(prefetch=prefetch)
    stage = Stage(server)
    client = stage.container(handler)
    client.create_sender(client.connect(stage.url, reconnect=False), "queue")
    return stage, server


def test_messages_sent_one_in_each_on_sendable_leave_together(writes: list[int]) -> None:
    handler = SendingOneByOne(96)
    stage, server = one_by_one(handler)
    stage.run(lambda: handler.sent)
    before = len(writes)
    stage.run(lambda: server.count("on_message") == 96)
    assert len(writes) - before <= 96 / 4, "an `on_sendable` for each message, and not a write"


def test_a_message_does_not_wait_for_the_next_one_of_a_slow_handler(writes: list[int]) -> None:
    seen = []

    def before(number: int, event: Any) -> None:
        seen.append(len(writes))
        stage.clock.advance(0.01)

    stage, server = one_by_one(SendingOneByOne(8, before=before))
    stage.run(lambda: server.count("on_message") == 8)
    assert len(set(seen)) == 8, "each message had left before the next one was made"


def test_long_messages_of_one_turn_do_not_pile_up(writes: list[int]) -> None:
    handler = SendingOneByOne(12, body=b"x" * 30000)
    stage, server = one_by_one(handler)
    stage.run(lambda: server.count("on_message") == 12)
    assert max(writes) < 2 * 65536


def test_what_was_sent_before_the_wire_is_let_go_of_in_the_same_turn_arrives() -> None:
    def before(number: int, event: Any) -> None:
        if number == 3:
            event.transport.unbind()

    handler = SendingOneByOne(4, before=before)
    stage, server = one_by_one(handler)
    stage.run()
    assert server.count("on_message") == 3
    assert server.count("on_transport_closed") == 1


def test_what_was_sent_before_a_handler_failed_in_the_same_turn_arrives() -> None:
    def before(number: int, event: Any) -> None:
        if number == 3:
            raise LookupError("no fourth message")

    handler = SendingOneByOne(4, before=before)
    stage, server = one_by_one(handler)
    with pytest.raises(LookupError):
        stage.run()
    stage.stepper.turn(stage.host)
    assert server.count("on_message") == 3


def test_two_connections_that_send_one_by_one_both_go_on() -> None:
    first, second = SendingOneByOne(40), SendingOneByOne(40)
    stage, server = one_by_one(first)
    client = stage.container()
    for _ in range(2):
        client.create_sender(client.connect(stage.url, reconnect=False), "queue", handler=second)
    stage.run(lambda: first.confirmed == 40 and second.confirmed == 40)
    assert server.count("on_message") == 80


def batch(writes: list[int], prefetch: int, count: int) -> list[int]:
    """How often the receiver had written before each message of a batch that comes at once."""
    seen: list[int] = []

    class Batch(MessagingHandler):
        def on_sendable(self, event: Any) -> None:
            if not self.sent:
                for _ in range(count):
                    event.sender.send(Message("x"))
                self.sent = count

        sent = 0

    def on_message(event: Any) -> None:
        seen.append(len(writes))

    server = Witness(prefetch=prefetch, on_message=on_message)
    stage = Stage(server)
    client = stage.container(Batch())
    client.create_sender(client.connect(stage.url, reconnect=False), "queue")
    stage.run()
    assert len(seen) == count
    return [before - seen[0] for before in seen]


def test_a_peer_that_has_used_up_its_credit_gets_some_before_all_is_handled(writes: list[int]) -> None:
    assert batch(writes, 10, 10) == [0] * 4 + [1] * 6


def test_a_peer_that_has_credit_gets_more_when_all_is_handled(writes: list[int]) -> None:
    assert batch(writes, 10, 9) == [0] * 9


@pytest.mark.parametrize("prefetch", [1, 2])
def test_no_flow_is_written_that_brings_no_credit(writes: list[int], prefetch: int) -> None:
    assert batch(writes, prefetch, prefetch) == [0] * prefetch


@pytest.mark.parametrize("closed", ["receiver", "session", "connection"])
def test_what_is_closed_in_the_middle_of_a_batch_is_closed_behind_the_outcomes_of_all_of_it(closed: str) -> None:
    def on_message(event: Any) -> None:
        if server.count("on_message") == 3:
            getattr(event, closed).close()

    server = Witness(prefetch=10, on_message=on_message)
    stage = Stage(server)

    def on_sendable(event: Any) -> None:
        if event.sender.credit == 10:
            for _ in range(10):
                event.sender.send(Message("x"))

    handler = Witness(on_sendable=on_sendable)
    client = stage.container(handler)
    client.create_sender(client.connect(stage.url, reconnect=False), "queue")
    stage.run()
    assert (server.count("on_message"), handler.count("on_accepted"), handler.count("on_released")) == (3, 3, 7)
    end = handler.told.index("on_%s_closed" % closed.replace("receiver", "link"))
    assert handler.told[:end].count("on_released") == 7


def test_messages_come_in_order_where_credit_is_written_among_them() -> None:
    order = []

    def on_message(event: Any) -> None:
        order.append(event.message.body)

    class Numbers(MessagingHandler):
        sent = 0

        def on_sendable(self, event: Any) -> None:
            while event.sender.credit and self.sent < 100:
                event.sender.send(Message(self.sent))
                self.sent += 1

    stage = Stage(Witness(prefetch=7, on_message=on_message))
    client = stage.container(Numbers())
    client.create_sender(client.connect(stage.url, reconnect=False), "queue")
    stage.run(lambda: len(order) == 100)
    assert order == list(range(100))
