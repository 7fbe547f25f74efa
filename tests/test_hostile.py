"""200 hostile connections to a real broker, over real sockets, while 20 good ones work: they do not stop them, they are
gone when their time is over, and what they took of the broker's memory is measured.

`python -m pytest -s tests/test_hostile.py` prints the figures.
"""

from __future__ import annotations

import mmap
import random
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from handlers import MessagingHandler
from reactor import ACCEPTED, Container, Message
from reactor.codec.types import symbol
from tests.support.frames import AMQP, SASL, frame, source, target
from tests.support.processes import DEADLINE, Script

HOSTILE, GOOD, MESSAGES = 200, 20, 200
MEBIBYTE = 1024 * 1024
PAGE = mmap.PAGESIZE

#: What one hostile connection may take of the broker's memory, on average.
MOST_MEMORY = 1 * MEBIBYTE

BROKER = [
    sys.executable, "-m", "handlers.broker", "--listen", "amqp://127.0.0.1:0", "--max-message-size", "1M",
    "--open-timeout", "8", "--write-timeout", "4", "--idle-timeout", "8",
    "--limit", "max_buffered_delivery_bytes=1M", "--limit", "max_unsettled=1000",
]  # fmt: skip

# -- those who mean no good ------------------------------------------------------------------------------

WIDE = {"next_outgoing_id": 0, "incoming_window": 2**31 - 1, "outgoing_window": 2**31 - 1}
OPENED = AMQP + frame("open", container_id="hostile") + frame("begin", **WIDE)
_ENDS = {"source": source("loot", None, None, None, None, None, symbol("copy")), "target": target("loot")}
GRANT = frame("attach", name="taker", handle=0, role=True, **_ENDS) + frame(
    "flow", next_incoming_id=0, handle=0, delivery_count=0, link_credit=2**32 - 1, **WIDE
)
GIVE = frame("attach", name="giver", handle=0, role=False, initial_delivery_count=0, **_ENDS)


def transfer(number: int, size: int, more: bool) -> bytes:
    tag = b"%d" % number
    return frame("transfer", handle=0, delivery_id=number, delivery_tag=tag, more=more, payload=bytes(size))


class Hostile:
    """One connection. opening: said at once. drip: said byte by byte. flood: said again and again. reads: whether it
    takes what comes. finishes: whether it then says that it has finished."""

    def __init__(
        self, opening: bytes = b"", drip: bytes = b"", flood: bytes = b"", reads: bool = False, finishes: bool = False
    ) -> None:
        self.opening, self.drip, self.flood, self.reads, self.finishes = opening, drip, flood, reads, finishes
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.unsent = memoryview(opening)
        self.gone = ""

    def go(self) -> None:
        """Say what the system takes."""
        try:
            if not self.unsent and self.drip:
                self.unsent, self.drip = memoryview(self.drip[:1]), self.drip[1:]
            elif not self.unsent and self.flood:
                self.unsent = memoryview(self.flood)
            if self.unsent:
                self.unsent = self.unsent[self.sock.send(self.unsent) :]
            if not self.unsent and self.finishes:
                self.finishes = False
                self.sock.shutdown(socket.SHUT_WR)
            if self.reads:
                self.read()
        except BlockingIOError:
            pass
        except OSError as error:
            self.gone = str(error)

    def read(self) -> None:
        for _ in range(64):
            if not self.sock.recv(65536):
                self.gone = "closed by the broker"
                return

    def close(self) -> None:
        self.sock.close()


def abuser(number: int) -> Hostile:
    """One who abuses credit, or the lack of it."""
    endless = 100 * frame("transfer", handle=0, more=True, payload=bytes(300))
    if number % 4 == 0:  # takes all that there is, and settles nothing
        return Hostile(OPENED + GRANT, reads=True)
    if number % 4 == 1:  # a message without end
        return Hostile(OPENED + GIVE + transfer(0, 300, True), flood=endless, reads=True)
    if number % 4 == 2:  # more than it was given credit for
        return Hostile(OPENED + GIVE, flood=b"".join(transfer(n, 100, False) for n in range(100)), reads=True)
    return Hostile(OPENED, flood=100 * (frame("end") + frame("begin", **WIDE)))  # sessions, and no look at the answers


def hostile_ones(seed: int = 1) -> list[Hostile]:
    """Forty of each kind."""
    dice = random.Random(seed)
    ones: list[Hostile] = []
    for number in range(40):
        ones.append(Hostile())  # silent
        start = (AMQP, SASL, AMQP + frame("open", container_id="x" * 200)[:-1], b"A")[number % 4]
        ones.append(Hostile(drip=start * 50))  # slow
        noise = bytes(dice.getrandbits(8) for _ in range(2000))
        ones.append(Hostile((b"", AMQP, OPENED, SASL)[number % 4] + noise))  # garbage
        ones.append(Hostile(OPENED + GRANT, finishes=number % 2 == 0))  # half-open: it never reads, or says no more
        ones.append(abuser(number))
    return ones


class Mob(threading.Thread):
    """All of them, in a thread of their own."""

    def __init__(self, port: int, broker: Process) -> None:
        super().__init__(daemon=True)
        self.ones = hostile_ones()
        self.port = port
        self.broker = broker
        self.most_memory = 0  # of the broker, while they were at it
        self.connected = threading.Event()
        self.over = threading.Event()

    def run(self) -> None:
        for one in self.ones:
            one.sock.connect(("127.0.0.1", self.port))
            one.sock.setblocking(False)
        self.connected.set()
        while not self.over.wait(0.02):
            for one in self.ones:
                if not one.gone:
                    one.go()
            self.most_memory = max(self.most_memory, self.broker.memory())

    def left(self) -> list[Hostile]:
        """Those whom the broker has not let go: now that the mob has stopped, look what came for them."""
        for one in self.ones:
            try:
                while not one.gone:
                    one.read()
            except BlockingIOError:
                pass
            except OSError as error:
                one.gone = str(error)
        return [one for one in self.ones if not one.gone]


# -- those who do ----------------------------------------------------------------------------------------


class Good(MessagingHandler):
    """Sends so many messages over each of its connections, to a queue of each, and receives them from there."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.sent: dict[Any, int] = {}
        self.outcomes: dict[Any, list[Any]] = {}
        self.received: dict[str, list[Any]] = {}
        self.errors: list[Any] = []
        self.slowest = 0.0
        self.times: dict[Any, float] = {}

    def on_start(self, event: Any) -> None:
        for number in range(GOOD):
            connection = event.container.connect(self.url, reconnect=False)
            name = "good-%d" % number
            self.received[name] = []
            event.container.create_receiver(connection, name)
            sender = event.container.create_sender(connection, name)
            self.sent[sender] = 0
            self.outcomes[sender] = []

    def on_sendable(self, event: Any) -> None:
        """One at a time, so that this takes as long as the others do."""
        sender = event.sender
        if self.sent[sender] < MESSAGES and self.sent[sender] == len(self.outcomes[sender]):
            self.sent[sender] += 1
            sender.send(Message(self.sent[sender]))
            self.times[sender] = time.monotonic()

    def on_delivery_updated(self, event: Any) -> None:
        self.outcomes[event.sender].append(event.delivery.remote_state)
        self.slowest = max(self.slowest, time.monotonic() - self.times[event.sender])
        self.on_sendable(event)

    def on_message(self, event: Any) -> None:
        received = self.received[event.receiver.source.address]
        received.append(event.message.body)
        if len(received) == MESSAGES:
            event.connection.close()

    def _note(self, event: Any) -> None:
        self.errors.append((event.transport and event.transport.condition, event.connection.remote_condition))

    on_transport_error = on_connection_error = on_session_error = on_link_error = on_disconnected = on_in_doubt = _note


class Fill(MessagingHandler):
    """Loot: something to be taken."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url, self.missing = url, 3000

    def on_start(self, event: Any) -> None:
        sender = event.container.create_sender(self.url + "/loot")
        for _ in range(self.missing):
            sender.send(Message(b"x" * 1000))

    def on_accepted(self, event: Any) -> None:
        self.missing -= 1
        if not self.missing:
            event.connection.close()


# -- together --------------------------------------------------------------------------------------------


class Process:
    """What the system knows of a process; nothing where it does not tell."""

    def __init__(self, pid: int) -> None:
        self.place = Path("/proc/%d" % pid)
        self.tells = self.place.exists()

    def memory(self) -> int:
        """Resident bytes."""
        return int((self.place / "statm").read_text().split()[1]) * PAGE if self.tells else 0

    def descriptors(self) -> int:
        return len(list((self.place / "fd").iterdir())) if self.tells else 0

    def threads(self) -> int:
        return len(list((self.place / "task").iterdir())) if self.tells else 0


def wait_until(condition: Any, why: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, why
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="a program cannot be asked to end there")
@pytest.mark.slow
def test_two_hundred_hostile_connections_do_not_stop_twenty_good_ones(tmp_path):
    with Script(BROKER, tmp_path) as script:
        url = script.wait_for("Listening on").rpartition(" ")[2]
        Container(Fill(url)).run()
        broker = Process(script.process.pid)
        memory, descriptors, threads = broker.memory(), broker.descriptors(), broker.threads()
        mob = Mob(int(url.rpartition(":")[2]), broker)
        began = time.monotonic()
        mob.start()
        assert mob.connected.wait(DEADLINE)
        good = Good(url)
        Container(good).run()
        worked = time.monotonic() - began
        assert good.errors == []
        for sender, outcomes in good.outcomes.items():
            assert good.sent[sender] == MESSAGES
            assert outcomes == [ACCEPTED] * MESSAGES
        for bodies in good.received.values():
            assert bodies == list(range(1, MESSAGES + 1)), "all, once, in order"
        wait_until(lambda: not broker.tells or broker.descriptors() <= descriptors, "some are still there")
        lasted = time.monotonic() - began
        mob.over.set()
        mob.join(DEADLINE)
        wait_until(lambda: not mob.left(), "some were not let go")
        for one in mob.ones:
            one.close()
        took = (mob.most_memory - memory) / HOSTILE
        print(
            "\n%d hostile connections, %d good ones: %d messages each in %.1f s, the slowest outcome after %.2f s; "
            "the last hostile one gone after %.1f s; memory of the broker: %.0f MB before, %.0f MB at most, "
            "that is %.0f KB for each hostile one; %.0f MB after"
            % (HOSTILE, GOOD, MESSAGES, worked, good.slowest, lasted, memory / 1e6, mob.most_memory / 1e6,
               took / 1024, broker.memory() / 1e6)
        )  # fmt: skip
        assert took < MOST_MEMORY
        assert broker.descriptors() <= descriptors and broker.threads() <= threads
        Container(Good(url)).run()  # it works as before
        script.process.terminate()
        status, _, said = script.finish()
        assert (status, said) == (0, ""), said
