"""Who is attacked: a broker, a listener, a client or a piece of the engine, in a process of its own.

`abuse` starts it by its path, with the tree that is to be measured first on `sys.path`: that may be an older one, so
nothing is used here but what users have. It prints that it is ready, and answers each line of its input with one: how
much CPU it has used, and how much memory it has and had at most.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Optional

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from reactor import Container, Message, MessageException, Transport


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def memory() -> tuple[int, int]:
    """Resident bytes now, and at most so far."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in status.splitlines() if "kB" in line}
        return found["VmRSS"], found["VmHWM"]
    except (OSError, KeyError):
        if resource is None:
            return 0, 0
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # where there is no /proc this is all there is
        peak = peak if sys.platform == "darwin" else peak * 1024
        return peak, peak


def report() -> None:
    now, most = memory()
    say(cpu=time.process_time(), now=now, most=most)


class Listener(MessagingHandler):
    """Asks whoever comes for a name and a password, by SCRAM."""

    def on_start(self, event: Any) -> None:
        acceptor = event.container.listen("amqp://127.0.0.1:0", credentials=lambda mechanism, user: "secret")
        say(url=acceptor.url)


class Client(MessagingHandler):
    """Sends messages as long as there is credit, and is told their outcomes."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def on_start(self, event: Any) -> None:
        connection = event.container.connect(self.url, reconnect=False, sasl_enabled=False)
        event.container.create_sender(connection, "q", name="link")
        say(url=self.url)

    def on_sendable(self, event: Any) -> None:
        while event.sender.credit > 0:
            event.sender.send(Message("x"))


def in_background(handler: Any) -> None:
    threading.Thread(target=Container(handler).run, daemon=True).start()


def decode(payload: bytes) -> None:
    """What a handler's message costs that is looked at as a whole."""
    try:
        Message.from_bytes(payload).check()
    except MessageException:
        pass


def push(payload: bytes) -> None:
    """Bytes that come one by one, to the engine of a server."""
    transport = Transport(Transport.SERVER)
    transport.sasl().allowed_mechs("ANONYMOUS")
    for at in range(len(payload)):
        if transport.capacity() <= 0:
            return
        transport.push(payload[at : at + 1])


def main(role: str, argument: Optional[str]) -> None:
    if role == "broker":
        say(url=EmbeddedBroker(**json.loads(argument or "{}")).start().url)
    elif role == "listener":
        in_background(Listener())
    elif role == "client":
        in_background(Client(argument or ""))
    else:
        say(url=None)
    for line in sys.stdin:
        todo = json.loads(line)
        if "payload" in todo:
            {"decode": decode, "push": push}[role](bytes.fromhex(todo["payload"]))
        report()
    os._exit(0)  # whatever its threads are still busy with


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
