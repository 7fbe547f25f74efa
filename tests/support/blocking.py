"""What tests of the blocking API have in common: a peer that listens, and what brings about a state of a broker."""

from __future__ import annotations

import threading
import time

from handlers import MessagingHandler
from reactor import Container

PATIENCE = 20.0
_never = threading.Event()


def eventually(condition):
    """An acknowledgement has left when the call returns; the broker has yet to read it."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        _never.wait(0.001)  # the other threads have the processor meanwhile, on a machine with one for all of them, too


def fill(connection, address, *bodies):
    with connection.session() as session, session.sender(address) as sender:
        for body in bodies:
            sender.send(body)


class Peer(MessagingHandler):
    """A peer that listens, on a thread of its own."""

    def __init__(self, **methods):
        super().__init__(prefetch=0)
        self.listening = threading.Event()
        self.__dict__.update(methods)

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.url = self.acceptor.url
        self.listening.set()

    def __enter__(self):
        self.container = Container(self)
        self.thread = threading.Thread(target=self.container.run)
        self.thread.start()
        assert self.listening.wait(PATIENCE)
        return self

    def __exit__(self, *exception):
        self.container.stop()
        self.thread.join()
