"""A peer for a script to talk to: a container in a thread of this process that listens on a free port."""

from __future__ import annotations

import threading
from typing import Any, Optional

from handlers import MessagingHandler
from reactor import Container
from tests.support.processes import DEADLINE


class Listening(MessagingHandler):
    """Listens until the first connection is over. Subclasses say what it does to its peer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.listening = threading.Event()
        self.url = ""

    def on_start(self, event: Any) -> None:
        self.acceptor = event.container.listen("amqp://127.0.0.1:0")
        self.url = self.acceptor.url
        self.listening.set()

    def on_connection_closed(self, event: Any) -> None:
        self.acceptor.close()

    def on_disconnected(self, event: Any) -> None:
        self.acceptor.close()


class Peer:
    """Runs a Listening handler in a thread; leaving the `with` block waits until its connection has ended."""

    def __init__(self, handler: Listening) -> None:
        self.handler = handler
        self.error: Optional[BaseException] = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        try:
            Container(self.handler).run()
        except BaseException as error:  # for the thread that asked
            self.error = error
        finally:
            self.handler.listening.set()

    def __enter__(self) -> str:
        self.thread.start()
        assert self.handler.listening.wait(DEADLINE)
        return self.handler.url

    def __exit__(self, exc_type: Any, *exc: Any) -> None:
        self.thread.join(DEADLINE)
        if exc_type is None:
            assert not self.thread.is_alive(), "the peer did not end"
            if self.error is not None:
                raise self.error
