"""Bytecodes of Python, counted by sys.settrace; and two containers whose every turn brings one message."""

from __future__ import annotations

import gc
import inspect
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any, Callable

from handlers import MessagingHandler
from reactor import Container, Message

#: By code: two functions of one name, in rooms of one name, stay apart.
Steps = Counter[CodeType]

TRIPS = 20  # a multiple of those between two flows


def stepped(act: Callable[[], Any]) -> Steps:
    """How many bytecodes each Python function has run while `act` did; its own frame is not counted."""
    steps: Steps = Counter()

    def enter(frame: Any, event: str, argument: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        code = frame.f_code
        if code is act.__code__:
            return None

        def step(frame: Any, event: str, argument: Any) -> Any:
            if event == "opcode":
                steps[code] += 1
            return step

        return step

    before = sys.gettrace()
    gc.disable()
    sys.settrace(enter)
    try:
        act()
    finally:
        sys.settrace(before)
        gc.enable()
    return steps


class Answering(MessagingHandler):
    def on_start(self, event: Any) -> None:
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.requests = 0

    def on_link_opening(self, event: Any) -> None:
        if event.link.is_sender:
            event.link.source.address = "replies"
            self.replies = event.link
        else:
            event.link.target.address = event.link.remote_target.address

    def on_message(self, event: Any) -> None:
        request = event.message
        reply = Message(request.body, address=request.reply_to, correlation_id=request.correlation_id)
        self.replies.send(reply)
        self.requests += 1


class Asking(MessagingHandler):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.answers = 0
        self.ready = False

    def on_start(self, event: Any) -> None:
        connection = event.container.connect(self.url, reconnect=False)
        self.sender = event.container.create_sender(connection, "requests")
        self.receiver = event.container.create_receiver(connection, None, dynamic=True)

    def on_link_opened(self, event: Any) -> None:
        if event.link is self.receiver:
            self.ask()

    def ask(self) -> None:
        reply_to = self.receiver.remote_source.address
        self.sender.send(Message("x" * 100, reply_to=reply_to, correlation_id=self.answers))

    def on_message(self, event: Any) -> None:
        self.body = event.message.body
        self.answers += 1
        self.ask()


@contextmanager
def ends() -> Iterator[tuple[Container, Container, Asking]]:
    """Two containers over a socket, in this thread: after some answers, one is on its way."""
    # The build before may know no busy polling.
    known = inspect.signature(Container.__init__).parameters
    options: dict[str, Any] = {"busy_poll": 0} if "busy_poll" in known else {}
    answering = Answering()
    with Container(answering, **options) as server:
        server.timeout = 0
        server.process()
        asking = Asking(answering.acceptor.url)
        with Container(asking, **options) as client:
            client.timeout = 0
            while asking.answers < TRIPS:
                client.process()
                server.process()
            while answering.requests == asking.answers:
                server.process()
            # From here on each turn waits for what the other one has written, however long that takes.
            client.timeout = server.timeout = None
            yield client, server, asking


def turns(client: Container, server: Container) -> tuple[Steps, Steps]:
    """The bytecodes of TRIPS turns of either."""
    ask: Steps = Counter()
    answer: Steps = Counter()

    def turn_of_client() -> None:
        client.process()

    def turn_of_server() -> None:
        server.process()

    for _ in range(TRIPS):
        ask += stepped(turn_of_client)
        answer += stepped(turn_of_server)
    return ask, answer
