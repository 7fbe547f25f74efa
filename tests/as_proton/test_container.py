"""The methods of the original's Reactor, which Container of the alias has."""

from __future__ import annotations

from typing import Any

import pytest

import reactor
from handlers import MessagingHandler
from reactor import Event, Handler, Url
from reactor.as_proton.container import Container, Reactor, Urls
from reactor.simulation import MemoryNetwork


def containers(*handlers: Any) -> list[Container]:
    """Two containers on one network, whose time stands still."""
    network = MemoryNetwork()
    return [Container(*handlers, clock=network.clock, network=network.node()) for _ in range(2)]


class Noting:
    """Notes the names of events."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_unhandled(self, name: str, event: Any) -> None:
        self.seen.append(name)


def turn(*these: Container) -> None:
    for _ in range(10):
        for container in these:
            container.timeout = 0
            container.process()


def test_a_program_listens_and_connects_by_host_and_port() -> None:
    server, client = containers()

    class Opened(MessagingHandler):
        addresses: list[Any] = []

        def on_connection_opened(self, event: Any) -> None:
            self.addresses.append(client.get_connection_address(event.connection))

    acceptor = server.acceptor(None, 5672, MessagingHandler())
    here = acceptor.url.partition("://")[2].rpartition(":")[0]
    connection = client.connection_to_host(here, "5672", Opened())
    turn(server, client)
    assert not Opened.addresses, "the program opens it"
    connection.open()
    turn(server, client)
    assert Opened.addresses == [connection.connected_address] and connection.connected_address
    connection.close()
    acceptor.close()
    turn(server, client)
    server.close()
    client.close()


def test_events_are_pushed_and_forgotten() -> None:
    noting = Noting()
    (container, _) = containers(noting)
    container.start()
    container.push_event(container, Event.REACTOR_FINAL)
    container.stop_events()
    container.push_event(container, Event.REACTOR_FINAL)
    turn(container)
    assert noting.seen == ["on_reactor_final"]


def test_timers_are_run_without_waiting() -> None:
    noting = Noting()
    (container, _) = containers(noting)
    assert container.timer_deadline is None
    container.schedule(0, None)
    assert container.timer_deadline == container.now
    container.timer_tick()
    assert "on_timer_task" in noting.seen and container.timer_deadline is None and container.timeout is None


def test_a_turn_that_yields_does_not_wait() -> None:
    class Yielding:
        quiet = 0

        def on_reactor_quiesced(self, event: Any) -> None:
            self.quiet += 1
            event.reactor.yield_()

    yielding = Yielding()
    container = Container(yielding)  # in the real world, where it would wait for ever
    with container:
        container.acceptor("127.0.0.1", 0)
        for _ in range(5):
            container.process()
    assert yielding.quiet > 0


def test_the_global_handler_is_reached_by_super_and_takes_more_handlers() -> None:
    noting = Noting()
    (container, _) = containers()
    super(Container, container).global_handler.add(noting)
    container.connection(Handler()).session()
    turn(container)
    assert sorted(noting.seen) == ["on_connection_init", "on_reactor_init", "on_session_init"]
    assert issubclass(Reactor, reactor.Container)


def test_an_exception_that_is_handed_over_is_raised() -> None:
    (container, _) = containers()
    error = ValueError("of a handler")
    with pytest.raises(ValueError, match="of a handler"):
        container.on_error((ValueError, error, error.__traceback__))  # type: ignore[arg-type]


def test_several_addresses() -> None:
    assert list(Urls(["a:1", Url("b:2")])) == [Url("a:1"), Url("b:2")]
