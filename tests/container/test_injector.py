"""EventInjector: events of the application's own, from any thread."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from handlers import MessagingHandler
from reactor import ApplicationEvent, Container, EventInjector, Message, ReactorException
from reactor.simulation import MemoryNetwork
from tests.support.stage import Stage, Witness


class Listener(MessagingHandler):
    """Writes down the events called `hello`, and gives up the injector when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.injector = EventInjector()
        self.heard: list[Any] = []

    def on_start(self, event: Any) -> None:
        event.container.selectable(self.injector)

    def on_hello(self, event: Any) -> None:
        self.heard.append(event)

    def on_bye(self, event: Any) -> None:
        self.injector.close()


def world() -> tuple[Listener, Container]:
    network = MemoryNetwork()
    listener = Listener()
    return listener, Container(listener, clock=network.clock, network=network.node())


def test_an_event_calls_the_method_of_its_name() -> None:
    listener, container = world()
    listener.injector.trigger(ApplicationEvent("hello", subject=42))
    listener.injector.trigger(ApplicationEvent("hello", subject=43))
    listener.injector.trigger(ApplicationEvent("bye"))
    container.run()
    assert [event.subject for event in listener.heard] == [42, 43]
    assert listener.heard[0].container is container and listener.heard[0].context is listener.heard[0]


def test_while_it_is_open_the_container_runs_and_what_was_triggered_before_the_end_is_heard() -> None:
    listener, container = world()
    container.start()
    assert container.do_work(1) and container.do_work(1)
    listener.injector.trigger(ApplicationEvent("hello"))
    listener.injector.close()
    container.run()
    assert len(listener.heard) == 1


def test_what_is_triggered_after_the_end_is_refused() -> None:
    listener, _ = world()
    listener.injector.close()
    with pytest.raises(ReactorException, match="hello"):
        listener.injector.trigger(ApplicationEvent("hello"))


def test_events_come_from_any_thread_and_are_dispatched_on_the_containers() -> None:
    threads = []

    class Own(Listener):
        def on_hello(self, event: Any) -> None:
            super().on_hello(event)
            threads.append(threading.current_thread())
            if len(self.heard) == 300:
                self.injector.close()

    own = Own()
    container = Container(own)

    def shout() -> None:
        for number in range(100):
            own.injector.trigger(ApplicationEvent("hello", subject=number))

    shouters = [threading.Thread(target=shout) for _ in range(3)]
    for shouter in shouters:
        shouter.start()
    container.run()
    for shouter in shouters:
        shouter.join(30)
    assert sorted(event.subject for event in own.heard) == sorted(list(range(100)) * 3)
    assert set(threads) == {threading.current_thread()}


def test_an_event_about_something_goes_to_its_handler_and_knows_what_it_belongs_to() -> None:
    class Own(Witness):
        def on_hello(self, event: Any) -> None:
            self.told.append("hello")
            self.events["hello"] = [event]

    stage = Stage()
    root, own = Own(), Own()
    container, connection = stage.connect(root)
    injector = EventInjector()
    container.selectable(injector)
    sender = container.create_sender(connection, "q", handler=own)
    delivery = sender.send(Message("x"))
    injector.trigger(ApplicationEvent("hello", delivery=delivery))
    injector.trigger(ApplicationEvent("hello", connection=connection))
    stage.run()
    event = own.last("hello")
    assert (event.delivery, event.link, event.session) == (delivery, sender, sender.session)
    assert event.connection is connection and event.transport is connection.transport
    assert root.count("hello") == own.count("hello") == 1
    assert "hello" in repr(event)


def test_events_of_one_name_have_one_type() -> None:
    assert ApplicationEvent("same").type is ApplicationEvent("same").type
    assert ApplicationEvent("same").type.method == "on_same"


def test_what_is_no_event_is_refused_in_the_thread_that_says_it() -> None:
    with pytest.raises(TypeError, match="ApplicationEvent, not 'hello'"):
        EventInjector().trigger("hello")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a name such as"):
        ApplicationEvent(5)  # type: ignore[arg-type]
