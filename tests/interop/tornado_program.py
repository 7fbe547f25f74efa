"""A program for python-qpid-proton on the loop of tornado: run by test_dropin.py, in a process of its own, on this
library and on the original. Arguments: the address of a broker."""

from __future__ import annotations

import sys
from typing import Any

import tornado.ioloop  # type: ignore[import-not-found,unused-ignore]
from proton import Message  # type: ignore[import-not-found,import-untyped,unused-ignore]
from proton.handlers import IOHandler, MessagingHandler  # type: ignore[import-not-found,import-untyped,unused-ignore]
from proton.reactor import Container  # type: ignore[import-not-found,import-untyped,unused-ignore]


class OnTornado:
    """In place of the container's global handler: tornado watches what the container waits for."""

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self.io = IOHandler()
        self.container: Any = None
        self.watched = 0

    def on_reactor_init(self, event: Any) -> None:
        self.container = event.reactor

    def on_reactor_quiesced(self, event: Any) -> None:
        event.reactor.yield_()

    def on_unhandled(self, name: str, event: Any) -> None:
        event.dispatch(self.io)

    def work(self) -> None:
        self.container.process()
        if not self.container.quiesced:
            self.loop.add_callback(self.work)

    def interest(self, selectable: Any) -> int:
        interest: int = self.loop.ERROR
        return interest | (self.loop.READ if selectable.reading else 0) | (self.loop.WRITE if selectable.writing else 0)

    def ready(self, selectable: Any, events: int) -> None:
        if events & self.loop.READ:
            selectable.readable()
        if events & self.loop.WRITE:
            selectable.writable()
        self.work()

    def plan(self, selectable: Any) -> None:
        def expired() -> None:
            self.container.mark()
            selectable.expired()
            self.work()

        if selectable.deadline:
            self.loop.add_timeout(selectable.deadline, expired)

    def on_selectable_init(self, event: Any) -> None:
        selectable = event.context
        if selectable.fileno() >= 0:
            call = lambda number, events: self.ready(selectable, events)  # noqa: E731
            self.loop.add_handler(selectable.fileno(), call, self.interest(selectable))
        self.plan(selectable)
        self.watched += 1

    def on_selectable_updated(self, event: Any) -> None:
        selectable = event.context
        if selectable.fileno() >= 0:
            self.loop.update_handler(selectable.fileno(), self.interest(selectable))
        self.plan(selectable)

    def on_selectable_final(self, event: Any) -> None:
        selectable = event.context
        if selectable.fileno() >= 0:
            self.loop.remove_handler(selectable.fileno())
        selectable.close()
        self.watched -= 1
        if not self.watched:
            self.loop.add_callback(self.stop)

    def stop(self) -> None:
        if not self.watched:
            self.container.stop()
            self.loop.stop()


class Program(MessagingHandler):  # type: ignore[misc,unused-ignore]
    """Sends three messages to a queue and receives them."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.sent = 0

    def on_start(self, event: Any) -> None:
        self.connection = event.container.connect(self.url)
        event.container.create_receiver(self.connection, "jobs")
        event.container.create_sender(self.connection, "jobs")

    def on_sendable(self, event: Any) -> None:
        while event.sender.credit and self.sent < 3:
            self.sent += 1
            event.sender.send(Message(body="message %d" % self.sent))

    def on_message(self, event: Any) -> None:
        print(event.message.body)
        if event.message.body == "message 3":
            self.connection.close()


def main() -> None:
    loop = tornado.ioloop.IOLoop.current()
    container = Container(Program(sys.argv[1]), global_handler=OnTornado(loop))
    container.start()
    container.process()
    loop.start()
    print("done")


if __name__ == "__main__":
    main()
