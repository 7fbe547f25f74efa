"""A container within the loop of another library: a handler in place of its global one, as the original's examples for
tornado have it."""

from __future__ import annotations

import selectors
from typing import Any, Optional

import pytest

from handlers import MessagingHandler
from reactor import Event, Handler, Message
from reactor.as_proton.container import Container
from reactor.as_proton.foreign import GLANCE, IOHandler, LoopSelectable, PythonIO
from reactor.simulation import MemoryNetwork


class Foreign:
    """The loop of another library, as small as it can be: descriptors that it watches, and deadlines."""

    def __init__(self) -> None:
        self.io = IOHandler()
        self.selector = selectors.DefaultSelector()
        self.watched: list[Any] = []
        self.told: list[str] = []
        self.container: Any = None

    def on_reactor_init(self, event: Any) -> None:
        self.container = event.reactor

    def on_reactor_quiesced(self, event: Any) -> None:
        event.reactor.yield_()

    def on_unhandled(self, name: str, event: Any) -> None:
        event.dispatch(self.io)

    def on_selectable_init(self, event: Any) -> None:
        self.told.append("init")
        self.watched.append(event.selectable)
        assert event.selectable is event.context and event.context.reading and not event.context.writing
        self.selector.register(event.context.fileno(), selectors.EVENT_READ)

    def on_selectable_updated(self, event: Any) -> None:
        self.told.append("updated")

    def on_selectable_final(self, event: Any) -> None:
        self.told.append("final")
        selectable = event.context
        assert selectable.is_terminal
        self.selector.unregister(selectable.fileno())
        selectable.close()
        self.watched.remove(selectable)

    def run(self) -> None:
        """Until nothing is watched any more."""
        while self.watched:
            (selectable,) = self.watched
            deadline = selectable.deadline
            wait = None if deadline is None else max(0.0, deadline - self.container.today())
            if self.selector.select(wait):
                selectable.readable()
            else:
                selectable.expired()
            self.container.process()
            while not self.container.quiesced:
                self.container.process()
        self.selector.close()


class Hello(MessagingHandler):
    """Sends a message to itself, and closes both ends."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[Any] = []

    def on_start(self, event: Any) -> None:
        self.acceptor = event.container.listen("127.0.0.1:0")
        event.container.create_sender(self.acceptor.url + "/x")
        event.container.schedule(0.001, self)

    def on_sendable(self, event: Any) -> None:
        event.sender.send(Message(body="hello"))
        event.sender.close()

    def on_message(self, event: Any) -> None:
        self.bodies.append(event.message.body)

    def on_accepted(self, event: Any) -> None:
        event.connection.close()
        self.acceptor.close()

    def on_timer_task(self, event: Any) -> None:
        self.bodies.append("timer")


def test_another_loop_runs_a_container() -> None:
    foreign, hello = Foreign(), Hello()
    container = Container(hello, global_handler=foreign)
    assert container.global_handler is foreign
    with container:
        container.start()
        container.process()
        foreign.run()
    assert sorted(hello.bodies) == ["hello", "timer"]
    assert foreign.told[0] == "init" and foreign.told[-1] == "final" and foreign.told.count("final") == 1
    assert "updated" in foreign.told, "the timer was a deadline"


def test_a_loop_that_waits_by_itself_is_left_to_wait() -> None:
    """The global handler passes the waiting on to IOHandler, and the program calls run()."""

    class Passing(Handler):
        def __init__(self) -> None:
            self.add(PythonIO())
            self.quiet = 0

        def on_reactor_quiesced(self, event: Any) -> None:
            self.quiet += 1

    passing, hello = Passing(), Hello()
    container = Container(hello)
    container.global_handler = passing
    container.run()
    assert sorted(hello.bodies) == ["hello", "timer"] and passing.quiet > 0


@pytest.mark.parametrize("when", ["init", "final"])
def test_an_exception_of_the_global_handler_leaves_run(when: str) -> None:
    class Failing:
        def on_reactor_init(self, event: Any) -> None:
            if when == "init":
                raise ZeroDivisionError

        def on_reactor_final(self, event: Any) -> None:
            raise ZeroDivisionError

    container = Container()
    container.global_handler = Failing()
    with pytest.raises(ZeroDivisionError):
        container.run()


def test_another_global_handler_takes_the_place_of_the_first() -> None:
    class Noting:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def on_selectable_init(self, event: Any) -> None:
            self.seen.append("init")

        def on_selectable_final(self, event: Any) -> None:
            self.seen.append("final")

    network = MemoryNetwork()
    container = Container(clock=network.clock, network=network.node())
    container.schedule(5, None)
    first, second = Noting(), Noting()
    container.global_handler = first
    container.yield_()
    assert container.process()
    container.global_handler = second
    container.yield_()
    assert container.process()
    assert first.seen == ["init", "final"] and second.seen == ["init"] and container.global_handler is second
    container.close()


def test_where_there_is_no_descriptor_a_deadline_stands_for_it() -> None:
    network = MemoryNetwork()
    container = Container(clock=network.clock, network=network.node())
    selectable = LoopSelectable(container.loop)
    due: Optional[float] = selectable.due
    assert selectable.fileno() == -1 and due is not None and due == container.mark() + GLANCE
    assert selectable.deadline == container.today() + GLANCE
    container.close()


def test_keywords_of_others_are_passed_over() -> None:
    container = Container(container_id="mine", loop=object(), impl=None)
    assert container.container_id == "mine"
    container.close()


def test_a_connection_goes_to_its_hostname_when_the_program_opens_it() -> None:
    network = MemoryNetwork()
    server, client = (Container(clock=network.clock, network=network.node()) for _ in range(2))
    place = server.acceptor(None, 5672).url.partition("://")[2]
    connections = [client.connection(), client.connection()]
    connections[0].hostname = place
    host, _, port = place.rpartition(":")
    client.set_connection_host(connections[1], host, port)
    connections[1].hostname = "virtual"
    for connection in connections:
        connection.open()
    for _ in range(10):
        for container in (server, client):
            container.timeout = 0
            container.process()
    assert [connection.connected_address for connection in connections] == ["amqp://" + place] * 2
    names = [connection.remote_hostname for connection in server.connections()]
    assert names == [place, "virtual"], names
    server.close()
    client.close()


def test_the_handlers_that_wait_do_nothing_here() -> None:
    for handler in (IOHandler(), PythonIO()):
        handler.on_connection_bound(Event(Event.CONNECTION_BOUND))
        handler.on_selectable_init(Event(Event.SELECTABLE_INIT))
