"""What tests of the blocking API have in common: a peer that listens, and what brings about a state of a broker."""

from __future__ import annotations

import threading
import time

import pytest

from handlers import MessagingHandler
from reactor import Container, Timeout

PATIENCE = 60.0
_never = threading.Event()


def eventually(condition):
    """An acknowledgement has left when the call returns; the broker has yet to read it."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        _never.wait(0.001)  # the other threads have the processor meanwhile, on a machine with one for all of them, too


def times_out(call, text):
    """Check that `call(timeout)` raises Timeout with this text. When the time is over in a stage before that one, it
    was too short for this machine, and is doubled."""
    timeout = 0.02
    while True:
        with pytest.raises(Timeout) as caught:
            call(timeout)
        if text in str(caught.value):
            return
        timeout *= 2
        assert timeout < PATIENCE, str(caught.value)


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
