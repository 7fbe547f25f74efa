"""Threads: calls that come from any of them, and those that must not."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from reactor import ACCEPTED, ApplicationEvent, Container, EventInjector, Handler, Message
from tests.support.stage import Stage, Witness


def elsewhere(function: Callable[[], Any]) -> Any:
    """Call a function in another thread; returns what it raised, or what it returned."""
    with ThreadPoolExecutor(1, thread_name_prefix="elsewhere") as pool:
        future = pool.submit(function)
        return future.exception() or future.result()


class Scene:
    """A client that was run by this thread."""

    def __init__(self) -> None:
        self.stage = Stage(Witness(on_message=lambda event: None, auto_accept=False))
        self.client = Witness(auto_accept=False)
        self.container, self.connection = self.stage.connect(self.client)
        self.sender = self.container.create_sender(self.connection, "q")
        self.receiver = self.container.create_receiver(self.connection, "q", prefetch=0)
        self.receiver.flow(5)
        self.session = self.container.create_session(self.connection)
        self.fresh = self.connection.session()
        self.task = self.container.schedule(1000, self.client)
        self.acceptor = self.container.listen("amqp://client:1")
        self.selectable = self.container.selectable(Witness())
        self.reader = self.container.create_receiver(self.connection, "r", handler=Handler(), prefetch=1)
        self.stage.run()
        self.sent = self.sender.send(Message("x"))
        for event in self.stage.server.events["on_link_opened"]:
            if event.sender:
                event.sender.send(Message("y"))
        self.stage.run()
        self.delivery = self.client.last("on_message").delivery

    def look(self) -> Any:
        """All that a call might have changed."""
        links = list(self.connection.links(0))
        return (
            [(link.state, link.credit, link.queued, link.unsettled, link.drain_mode) for link in links],
            [session.state for session in self.connection.sessions(0)],
            self.connection.state,
            (self.delivery.local_state, self.delivery.fate, self.sent.fate),
            (self.receiver.prefetch, self.receiver.max_unsettled, self.task.cancelled),
            (len(self.container.loop.timers), len(self.container.loop.watchers)),
            len(self.container.collector.events),
            (repr(self.acceptor), self.selectable.is_terminal, self.receiver.paused, self.reader.queued),
            (self.sender.available, self.sender.counted, self.reader.current and self.reader.current.pending),
        )


CALLS: dict[str, Callable[[Scene], Any]] = {
    "Container.connect": lambda scene: scene.container.connect(Stage.url),
    "Container.listen": lambda scene: scene.container.listen("amqp://client:2"),
    "Container.create_session": lambda scene: scene.container.create_session(scene.connection),
    "Container.create_sender": lambda scene: scene.container.create_sender(scene.connection, "q"),
    "Container.create_receiver": lambda scene: scene.container.create_receiver(scene.connection, "q"),
    "Container.schedule": lambda scene: scene.container.schedule(1, scene.client),
    "Container.selectable": lambda scene: scene.container.selectable(EventInjector()),
    "Container.post": lambda scene: scene.container.post(ApplicationEvent("x")),
    "Container.connection": lambda scene: scene.container.connection(),
    "Task.cancel": lambda scene: scene.task.cancel(),
    "Acceptor.close": lambda scene: scene.acceptor.close(),
    "Acceptor.set_ssl_domain": lambda scene: scene.acceptor.set_ssl_domain(None),
    "Selectable.update": lambda scene: scene.selectable.update(),
    "Selectable.terminate": lambda scene: scene.selectable.terminate(),
    "Selectable.close": lambda scene: scene.selectable.close(),
    "Connection.session": lambda scene: scene.connection.session(),
    "Connection.close": lambda scene: scene.connection.close(),
    "Connection.free": lambda scene: scene.connection.free(),
    "Session.open": lambda scene: scene.fresh.open(),
    "Session.close": lambda scene: scene.session.close(),
    "Session.sender": lambda scene: scene.session.sender("s"),
    "Session.receiver": lambda scene: scene.session.receiver("r"),
    "Session.free": lambda scene: scene.session.free(),
    "Sender.send": lambda scene: scene.sender.send(Message("x")),
    "Sender.delivery": lambda scene: scene.sender.delivery("x"),
    "Sender.close": lambda scene: scene.sender.close(),
    "Sender.detach": lambda scene: scene.sender.detach(),
    "Sender.free": lambda scene: scene.sender.free(),
    "Sender.delivery_tag": lambda scene: scene.sender.delivery_tag(),
    "Sender.offered": lambda scene: scene.sender.offered(5),
    "Receiver.recv": lambda scene: scene.reader.recv(1),
    "Receiver.advance": lambda scene: scene.reader.advance(),
    "Receiver.drained": lambda scene: scene.receiver.drained(),
    "Receiver.pause": lambda scene: scene.receiver.pause(),
    "Receiver.flow": lambda scene: scene.receiver.flow(1),
    "Receiver.drain": lambda scene: scene.receiver.drain(1),
    "Receiver.prefetch": lambda scene: setattr(scene.receiver, "prefetch", 5),
    "Receiver.max_unsettled": lambda scene: setattr(scene.receiver, "max_unsettled", 5),
    "Receiver.close": lambda scene: scene.receiver.close(),
    "Delivery.update": lambda scene: scene.delivery.update(ACCEPTED),
    "Delivery.settle": lambda scene: scene.delivery.settle(),
    "Witness.accept": lambda scene: scene.client.accept(scene.delivery),
    "Delivery.abort": lambda scene: scene.sent.abort(),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_from_another_thread_raises_and_changes_nothing(name: str) -> None:
    scene = Scene()
    before, told = scene.look(), list(scene.stage.server.told)
    error = elsewhere(lambda: CALLS[name](scene))
    assert isinstance(error, RuntimeError), error
    text = str(error)
    assert f"{name}() in thread 'elsewhere_0'" in text and "'MainThread'" in text
    assert "call_soon_threadsafe" in text
    assert scene.look() == before
    scene.stage.run()
    assert scene.stage.server.told == told
    CALLS[name](scene)
    scene.stage.run()


@pytest.mark.parametrize("name", CALLS)
def test_handed_over_it_is_done(name: str) -> None:
    scene = Scene()
    done: list[Any] = []

    def call() -> None:
        done.append(CALLS[name](scene))

    assert elsewhere(lambda: scene.container.call_soon_threadsafe(call)) is None
    assert done == []
    scene.stage.run()
    assert len(done) == 1


def test_while_there_is_no_connection_it_raises_too() -> None:
    scene = Scene()
    connection = scene.container.connect("amqp://server:7777")
    sender = scene.container.create_sender(connection, "q")
    receiver = scene.container.create_receiver(connection, "q", prefetch=0)
    scene.stage.run()
    for call in (lambda: sender.send(Message("x")), lambda: receiver.flow(1)):
        assert isinstance(elsewhere(call), RuntimeError)
    assert sender.queued == sender.unsettled == receiver.credit == 0


# -- whose it is -----------------------------------------------------------------------------------------------


def test_before_it_runs_and_after_it_has_run_it_belongs_to_nobody() -> None:
    container = Container(MessagingHandler())
    elsewhere(lambda: container.schedule(0, None))
    container.run()
    task = elsewhere(lambda: container.schedule(0, None))
    assert not isinstance(task, Exception)
    assert elsewhere(container.run) is None


def test_whoever_does_the_turns_has_it() -> None:
    scene = Scene()
    assert elsewhere(lambda: scene.container.do_work(0)) is True
    with pytest.raises(RuntimeError, match=r"Sender\.send\(\) in thread 'MainThread'"):
        scene.sender.send(Message("x"))
    scene.stage.run()
    scene.sender.send(Message("x"))


def test_two_threads_cannot_run_it_at_once() -> None:
    errors: list[Any] = []

    class Handler(MessagingHandler):
        def on_start(self, event: Any) -> None:
            for call in (container.run, container.process, container.do_work):
                errors.append(elsewhere(call))

    container = Container(Handler())
    container.run()
    assert [type(error) for error in errors] == [RuntimeError] * 3
    assert "Container.run()" in str(errors[0]) and "Container.process()" in str(errors[1])


# -- calls that are handed over --------------------------------------------------------------------------------


def test_calls_are_made_in_their_order_with_their_arguments_on_the_container_s_thread() -> None:
    made: list[Any] = []

    class Handler(MessagingHandler):
        def on_start(self, event: Any) -> None:
            for number in range(3):
                elsewhere(lambda number=number: container.call_soon_threadsafe(self.call, number, "x"))
            container.call_soon_threadsafe(self.call, 3, "x")
            assert made == []

        def call(self, *arguments: Any) -> None:
            made.append((*arguments, threading.current_thread()))

    container = Container(Handler())
    container.call_soon_threadsafe(made.clear)
    container.run()
    assert made == [(number, "x", threading.main_thread()) for number in range(4)]


def test_what_a_call_raises_leaves_run_and_the_next_is_made_later() -> None:
    made: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError

    container = Container(MessagingHandler())
    container.call_soon_threadsafe(fail)
    container.call_soon_threadsafe(made.append, "next")
    with pytest.raises(ZeroDivisionError):
        container.run()
    assert made == []
    container.run()
    assert made == ["next"]


def test_what_is_no_function_is_refused_at_the_call() -> None:
    with pytest.raises(TypeError, match="function"):
        Container().call_soon_threadsafe("fn")  # type: ignore[arg-type]


def test_a_stopped_container_forgets_calls() -> None:
    made: list[str] = []
    container = Container(MessagingHandler())
    container.stop()
    container.call_soon_threadsafe(made.append, "x")
    container.run()
    container.run()
    assert len(made) <= 1


class Producer(MessagingHandler):
    """Sends what other threads hand over."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.ready = threading.Event()
        self.accepted = threading.Semaphore(0)
        self.threads: set[Any] = set()

    def on_start(self, event: Any) -> None:
        self.connection = event.container.connect(self.url, reconnect=False)
        self.sender = event.container.create_sender(self.connection, "jobs")

    def on_link_opened(self, event: Any) -> None:
        self.ready.set()

    def on_accepted(self, event: Any) -> None:
        self.threads.add(threading.current_thread())
        self.accepted.release()


def test_threads_send_through_a_container_that_waits() -> None:
    with EmbeddedBroker() as broker:
        producer = Producer(broker.url)
        container = Container(producer)
        runner = threading.Thread(target=container.run)
        runner.start()
        assert producer.ready.wait(60)
        with ThreadPoolExecutor(8) as pool:
            for number in range(200):
                pool.submit(lambda number=number: container.call_soon_threadsafe(producer.sender.send, Message(number)))
        for _ in range(200):
            assert producer.accepted.acquire(timeout=60)
        assert broker.queue("jobs").depth == 200
        container.call_soon_threadsafe(producer.connection.close)
        runner.join(60)
        assert not runner.is_alive() and producer.threads == {runner}


def test_an_injector_works_from_any_thread_too() -> None:
    told: list[Any] = []

    class Handler(MessagingHandler):
        def on_hello(self, event: Any) -> None:
            told.append((event.subject, threading.current_thread()))
            if event.subject == 99:
                injector.close()

    injector = EventInjector()
    container = Container(Handler())
    container.selectable(injector)
    feeder = threading.Thread(
        target=lambda: [injector.trigger(ApplicationEvent("hello", subject=number)) for number in range(100)]
    )
    feeder.start()
    container.run()
    feeder.join()
    assert told == [(number, threading.main_thread()) for number in range(100)]
