"""A container that is held: its loop waits in a handler, as long as the test wants."""

from __future__ import annotations

import threading
from typing import Any

from handlers import MessagingHandler
from tests.support.processes import DEADLINE


class Serves(MessagingHandler):
    """Listens on a port of the system's, and holds the loop where it is asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.ready, self.holds, self.go_on = threading.Event(), threading.Event(), threading.Event()

    def on_start(self, event: Any) -> None:
        event.container.listen("amqp://127.0.0.1:0")
        self.ready.set()

    def hold(self) -> None:
        self.holds.set()
        self.go_on.wait(DEADLINE)
