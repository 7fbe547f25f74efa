"""Selectable: descriptors of the application's own in the container's loop."""

from __future__ import annotations

import socket
from typing import Any

from reactor import Container
from reactor.loop.wires import READ, WRITE
from reactor.simulation import MemoryNetwork


class Pipe:
    """Something with a descriptor, and its own handler."""

    def __init__(self, number: int = 77, **settings: Any) -> None:
        self.number = number
        self.settings = settings
        self.told: list[str] = []
        self.last: Any = None

    def fileno(self) -> int:
        return self.number

    def on_unhandled(self, method: str, event: Any) -> None:
        self.told.append(method[len("on_selectable_") :])
        self.last = event.context

    def on_selectable_init(self, event: Any) -> None:
        self.on_unhandled("on_selectable_init", event)
        for name, value in self.settings.items():
            setattr(event.context, name, value)
        event.context.update()


def world() -> tuple[Container, Any]:
    network = MemoryNetwork()
    node = network.node()
    return Container(clock=network.clock, network=node), node


def turn(container: Container) -> None:
    """A turn, and another one for what it has told."""
    container.do_work(0)
    container.do_work(0)


def test_it_is_told_what_it_asked_for() -> None:
    container, node = world()
    pipe = Pipe(reading=True)
    selectable = container.selectable(pipe)
    turn(container)
    assert pipe.told == ["init", "updated"]
    node.poke(selectable, READ | WRITE)
    turn(container)
    assert set(pipe.told[2:]) == {"readable"}
    selectable.reading, selectable.writing = False, True
    container.update(selectable)
    del pipe.told[:]
    turn(container)
    assert set(pipe.told) == {"updated", "writable"}
    assert pipe.last is selectable


def test_it_keeps_the_container_running_until_it_is_given_up() -> None:
    container, _ = world()
    pipe = Pipe(reading=True)
    selectable = container.selectable(pipe)
    turn(container)
    assert container.do_work(0)
    selectable.terminate()
    assert selectable.is_terminal
    selectable.update()
    container.run()
    assert pipe.told[-1] == "final"
    selectable.update()
    container.run()
    assert pipe.told.count("final") == 1


def test_a_deadline_is_told_once() -> None:
    container, _ = world()
    pipe = Pipe(deadline=container.mark() + 5)
    selectable = container.selectable(pipe)
    for _ in range(8):
        container.do_work(1)
    assert pipe.told == ["init", "updated", "expired"]
    assert selectable.deadline == 0


def test_a_deadline_can_be_moved_and_taken_back() -> None:
    container, _ = world()
    pipe = Pipe(deadline=container.mark() + 5)
    selectable = container.selectable(pipe)
    turn(container)
    selectable.deadline = 0
    selectable.update()
    for _ in range(8):
        container.do_work(1)
    assert "expired" not in pipe.told


def test_a_descriptor_and_its_handler_may_be_two_objects() -> None:
    container, _ = world()
    handler, thing = Pipe(), Pipe(5)
    selectable = container.selectable(handler, thing)
    assert selectable.fileno() == 5
    assert selectable.settings == thing.settings  # what it does not have is the descriptor's
    turn(container)
    assert handler.told == ["init", "updated"] and thing.told == []


def test_without_a_descriptor_there_is_nothing_to_watch() -> None:
    container, _ = world()
    selectable = container.selectable(object())
    assert selectable.fileno() == -1
    selectable.reading = True
    selectable.update()
    turn(container)
    selectable.close()
    container.run()


def test_a_real_socket_is_read_when_there_is_something_to_read() -> None:
    near, far = socket.socketpair()
    heard = []

    class Reader:
        def fileno(self) -> int:
            return near.fileno()

        def on_selectable_init(self, event: Any) -> None:
            event.context.reading = True
            event.context.update()

        def on_selectable_readable(self, event: Any) -> None:
            heard.append(near.recv(100))
            event.context.terminate()
            event.context.update()

    container = Container()
    container.selectable(Reader())
    far.send(b"hello")
    container.run()
    assert heard == [b"hello"]
    near.close()
    far.close()
