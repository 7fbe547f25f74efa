"""The attacks: what a peer that knows the specification, and this library, could send to make others work.

Each is a function of a size: it prepares, marks where the costs begin, does its worst, and answers how many bytes that
took. At 8 times the size that it is first run with most send about 64 KiB. What it is against is a `Victim`, a process
of its own; the bytes are made by hand, because no library would send them.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional
from urllib.parse import urlsplit
from uuid import UUID

from reactor.codec.encode import encode_value
from reactor.codec.types import Described, symbol, timestamp, uint, ulong
from tests.support.frames import AMQP, SASL, Frame, frame, raw, read, source, target

#: Seconds after which an attack has shown enough.
PATIENCE = 30.0


class TooLong(Exception):
    """The victim was still busy when the patience was at its end."""


class Victim:
    """A process that is attacked. As a context manager it leaves none behind.

    checkout: the tree that it is made of.
    """

    def __init__(self, checkout: Path, role: str, argument: str = "") -> None:
        self.listener: Optional[socket.socket] = None
        if role == "client":
            self.listener = socket.create_server(("127.0.0.1", 0))
            argument = "amqp://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("victim.py")), role, argument],
            env={**os.environ, "PYTHONPATH": str(checkout), "PYTHONUNBUFFERED": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.watchdog = threading.Timer(PATIENCE, self.process.kill)
        self.watchdog.daemon = True
        self.watchdog.start()
        self.url = self.hear()["url"]
        self.marked = self.ask()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise TooLong
        said: dict[str, Any] = json.loads(line)
        return said

    def ask(self, **what: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(what) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise TooLong from None
        return self.hear()

    def at_rest(self) -> dict[str, Any]:
        """What it says once it does nothing any more."""
        before = self.ask()
        while True:
            time.sleep(0.05)
            said = self.ask()
            if said["cpu"] - before["cpu"] < 0.002:
                return said
            before = said

    def mark(self) -> None:
        """The costs begin here."""
        self.marked = self.at_rest()

    def spent(self) -> tuple[float, int]:
        """Seconds of CPU, and bytes of memory at most, since the mark."""
        said = self.at_rest()
        return said["cpu"] - self.marked["cpu"], max(0, said["most"] - self.marked["now"])

    def caller(self) -> Attacker:
        """The connection of a client that was told to come to `listener`."""
        assert self.listener is not None
        wire, _ = self.listener.accept()
        return Attacker(wire)

    def __enter__(self) -> Victim:
        return self

    def __exit__(self, *exc: object) -> None:
        self.watchdog.cancel()
        self.process.kill()
        self.process.wait()
        for held in (self.process.stdin, self.process.stdout, self.listener):
            if held is not None:
                held.close()


class Attacker:
    """A connection of raw bytes; what comes back is read at once, in a thread, and kept."""

    def __init__(self, wire: socket.socket, **open: Any) -> None:
        self.wire = wire
        self.sent = 0
        self.frames: list[Frame] = []
        self.ended = False
        self.allowed = 0  # how many transfers on handle 0 there is credit for, from the first on
        self.news = threading.Condition()
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._read, daemon=True).start()
        if open:
            self.say_bytes(AMQP)
            self.say("open", **{"container_id": "attacker", **open})
            self.say("begin", next_outgoing_id=0, incoming_window=2**31 - 1, outgoing_window=2**31 - 1)
            self.first = self.wait("begin").next_outgoing_id or 0

    @classmethod
    def of(cls, victim: Victim, **open: Any) -> Attacker:
        address = urlsplit(victim.url)
        wire = socket.create_connection((address.hostname, address.port))
        return cls(wire, **({"hostname": "localhost", **open}))

    def _read(self) -> None:
        data = b""
        while True:
            try:
                more = self.wire.recv(65536)
            except OSError:
                more = b""
            data += more
            whole = 0
            while len(data) - whole >= 8:
                size = 8 if data[whole : whole + 4] == b"AMQP" else struct.unpack_from(">I", data, whole)[0]
                if len(data) - whole < size:
                    break
                whole += size
            frames = read(data[:whole])
            data = data[whole:]
            with self.news:
                self.frames += frames
                for one in frames:
                    if one.name == "flow" and one.handle == 0:
                        self.allowed = (one.delivery_count or 0) + (one.link_credit or 0)
                self.ended = self.ended or not more
                self.news.notify_all()
            if not more:
                return

    def say_bytes(self, data: bytes) -> None:
        """Send; a victim that has hung up has had enough."""
        self.sent += len(data)
        try:
            self.wire.sendall(data)
        except OSError:
            pass

    def say(self, kind: str, /, channel: int = 0, payload: bytes = b"", **fields: Any) -> None:
        self.say_bytes(frame(kind, channel, payload, **fields))

    def wait(self, name: str, count: int = 1) -> Frame:
        """The frame of this name that is the `count`-th to come; TooLong if it does not."""
        with self.news:
            for _ in range(int(PATIENCE * 10)):
                found = [one for one in self.frames if one.name == name]
                if len(found) >= count:
                    return found[count - 1]
                if self.ended:
                    break
                self.news.wait(0.1)
        raise TooLong(f"no {name}")

    def whole_message(self) -> bool:
        """Wait for a message, and forget all that has come. False if none comes any more."""
        with self.news:
            for _ in range(int(PATIENCE * 10)):
                transfers = [one for one in self.frames if one.name == "transfer"]
                if transfers and not transfers[-1].more:
                    self.frames.clear()
                    return True
                if self.ended or any(one.name in ("detach", "end", "close") for one in self.frames):
                    return False
                self.news.wait(0.1)
        raise TooLong

    def close(self) -> int:
        """Say close, and wait for the end: everything before has been dealt with then. The bytes that were sent."""
        self.say("close")
        with self.news:
            for _ in range(int(PATIENCE * 10)):
                if self.ended or any(one.name == "close" for one in self.frames):
                    break
                self.news.wait(0.1)
            else:
                raise TooLong
        self.wire.close()
        return self.sent

    def may_send(self, number: int, patience: float = PATIENCE) -> None:
        """Wait for credit for this transfer on handle 0."""
        with self.news:
            for _ in range(int(patience * 10)):
                if number < self.allowed:
                    return
                if self.ended or any(one.name == "detach" for one in self.frames):
                    break
                self.news.wait(0.1)
        raise TooLong

    def answered(self) -> None:
        """Wait for whatever comes after what the peer offers, or for the end."""
        with self.news:
            for _ in range(int(PATIENCE * 10)):
                if self.ended or any(not one.name.endswith("mechanisms") for one in self.frames):
                    return
                self.news.wait(0.1)
        raise TooLong

    # -- preparations ------------------------------------------------------------------------------------

    def sender(self, address: str = "q", handle: int = 0, **fields: Any) -> None:
        self.say("attach", name=f"s{handle}", handle=handle, role=False, source=source("here"), target=target(address),
                 initial_delivery_count=0, **fields)  # fmt: skip

    def receiver(self, address: str = "q", handle: int = 1, credit: int = 0, copy: bool = False) -> None:
        mode = [None] * 5 + [symbol("copy")] if copy else []
        self.say("attach", name=f"r{handle}", handle=handle, role=True, source=source(address, *mode),
                 target=target("here"))  # fmt: skip
        if credit:
            self.credit(credit, handle)

    def credit(self, credit: int, handle: int = 1, count: int = 0) -> None:
        self.say("flow", next_incoming_id=self.first, incoming_window=2**31 - 1, next_outgoing_id=0,
                 outgoing_window=2**31 - 1, handle=handle, delivery_count=count, link_credit=credit)  # fmt: skip

    def fill(self, count: int, payload: bytes = b"\x00\x53\x77\xa1\x01x") -> None:
        """So many messages into the queue of the sender on handle 0."""
        for number in range(count):
            self.may_send(number)
            self.say("transfer", handle=0, delivery_id=number, delivery_tag=b"%d" % number, message_format=0,
                     settled=True, payload=payload)  # fmt: skip


def listed(*values: bytes) -> bytes:
    """A list of encoded values."""
    body = b"".join(values)
    return b"\xd0" + struct.pack(">II", len(body) + 4, len(values)) + body


def mapped(keys: list[bytes]) -> bytes:
    """A map with these encoded keys and null for each value."""
    body = b"".join(key + b"\x40" for key in keys)
    return b"\xd1" + struct.pack(">II", len(body) + 4, 2 * len(keys)) + body


def flow_with(properties: bytes) -> bytes:
    """A flow of the session with these encoded properties."""
    numbers = [b"\x43", b"\x70\x7f\xff\xff\xff", b"\x43", b"\x70\x7f\xff\xff\xff"]
    return raw(b"\x00\x53\x13" + listed(*numbers, *[b"\x40"] * 6, properties))


def empty_elements(count: int, constructor: bytes = b"\x40") -> bytes:
    return b"\xf0" + struct.pack(">II", 4 + len(constructor), count) + constructor


def uuids(count: int) -> list[bytes]:
    """UUIDs of one hash."""
    return [b"\x98" + UUID(int=1 + k * (2**61 - 1)).bytes for k in range(count)]


@lru_cache
def longs(count: int) -> list[bytes]:
    """Longs of hashes of their own, whose ways through the table of a dict of CPython meet: the first half takes the
    places that a key of 0 would be tried at, and the others come there when the rest of their bits is used up."""
    bits = 3
    while (2 << bits) // 3 < count:
        bits += 1
    size, chain, place = 1 << bits, [], 0
    for _ in range(count // 2):
        chain.append(place)
        place = (place * 5 + 1) % size
    order = {place: at for at, place in enumerate(chain)}
    others: list[int] = []
    number = size
    while len(others) < count - len(chain):
        place, perturb = number % size, number
        while place in order and perturb:
            perturb >>= 5
            place = (place * 5 + perturb + 1) % size
        if order.get(place, count) < count // 8:
            others.append(number)
        number += 1
    return [encode_value(key) for key in chain + others]


def scattered(count: int) -> list[bytes]:
    """Doubles, timestamps and ulongs that agree in most of their bits."""
    kinds = (lambda k: float(k << 40), lambda k: timestamp(k << 40), lambda k: ulong(k << 40))
    return [encode_value(kinds[k % 3](1 + k)) for k in range(count)]


# -- the attacks ------------------------------------------------------------------------------------------


class Attack(NamedTuple):
    """name: what it is called. role, argument: who is attacked. size: the smallest that is run. run: does it."""

    name: str
    role: str
    argument: str
    size: int
    run: Callable[[Victim, int], int]


ATTACKS: list[Attack] = []


def attack(name: str, size: int, role: str = "broker", **options: Any) -> Callable[[Any], Any]:
    def listed_as(run: Callable[[Victim, int], int]) -> Callable[[Victim, int], int]:
        ATTACKS.append(Attack(name, role, json.dumps(options) if options else "", size, run))
        return run

    return listed_as


@attack("states of unsettled deliveries, over and over", 50)
def states(victim: Victim, size: int) -> int:
    peer = Attacker.of(victim)
    held = 4000
    peer.sender()
    peer.fill(held)
    peer.receiver(credit=held)
    peer.wait("transfer", held)
    victim.mark()
    return _states(peer, size, held)


def _states(peer: Attacker, count: int, held: int) -> int:
    first, before = peer.first, peer.sent
    for number in range(count):
        peer.say("disposition", role=True, first=first, last=first + held - 1, settled=False,
                 state=Described(0x23, [0, number]))  # fmt: skip
    return peer.close() - before


@attack("the same against a client that sends", 50, role="client")
def states_to_a_client(victim: Victim, size: int) -> int:
    held = 4000
    peer = victim.caller()
    peer.say_bytes(AMQP)
    peer.say("open", container_id="attacker")
    peer.wait("begin")
    peer.say("begin", remote_channel=0, next_outgoing_id=0, incoming_window=2**31 - 1, outgoing_window=2**31 - 1)
    peer.wait("attach")
    peer.say("attach", name="link", handle=0, role=True, source=source("q"), target=target("q"))
    peer.first = 0
    peer.credit(held, handle=0)
    peer.wait("transfer", held)
    peer.first = peer.wait("transfer").delivery_id or 0
    victim.mark()
    return _states(peer, size, held)


@attack("states of deliveries that are not there", 200)
def states_of_nothing(victim: Victim, size: int) -> int:
    peer = Attacker.of(victim)
    peer.receiver()
    victim.mark()
    before = peer.sent
    for _ in range(size):
        peer.say("disposition", role=True, first=0, last=2**31 - 2, settled=True)
    return peer.close() - before


@attack("consumers that refuse each message for themselves", 125)
def refusals(victim: Victim, size: int) -> int:
    peer = Attacker.of(victim)
    peer.sender()
    peer.fill(size)
    for handle in range(1, size + 1):
        peer.receiver(handle=handle)
    peer.wait("attach", size + 1)
    victim.mark()
    before, refused = peer.sent, 0
    for round in range(2):
        for handle in range(1, size + 1):
            peer.credit(1, handle, round)
        victim.at_rest()
        come = sum(one.name == "transfer" for one in peer.frames)
        peer.say("disposition", role=True, first=peer.first + refused, last=peer.first + come - 1, settled=True,
                 state=Described(0x27, [True, True]))  # fmt: skip
        refused = come
    return peer.close() - before


@attack("refusals that annotate the message", 25)
def annotations(victim: Victim, size: int) -> int:
    peer = Attacker.of(victim)
    peer.sender()
    peer.fill(1)
    peer.receiver(credit=size)
    victim.mark()
    before = peer.sent
    for number in range(size):
        if not peer.whole_message():
            break
        peer.say("disposition", role=True, first=peer.first + number, settled=True,
                 state=Described(0x27, [True, False, {symbol(f"k{number}"): "x" * 2000}]))  # fmt: skip
    return peer.close() - before


@attack("headers of nulls, kept in a queue", 100, max_queue_bytes=1 << 20)
def headers(victim: Victim, size: int) -> int:
    peer = Attacker.of(victim)
    peer.sender()
    victim.mark()
    before = peer.sent
    for number in range(size):
        try:
            peer.may_send(number, 0.5)
        except TooLong:  # the queue is full: as it should be
            break
        # Each is another header, of another time to live: or one would be known.
        header = listed(b"\x40", b"\x40", encode_value(uint(1 << 30 | number)), *[b"\x40"] * 8000)
        peer.say("transfer", handle=0, delivery_id=number, delivery_tag=b"%d" % number, message_format=0, settled=True,
                 payload=b"\x00\x53\x70" + header + b"\x00\x53\x77\xa1\x01x")  # fmt: skip
    return peer.close() - before


def _flows(name: str, size: int, properties: Callable[[int], bytes]) -> None:
    """One flow whose properties are of this size."""

    @attack(name, size)
    def one_flow(victim: Victim, size: int) -> int:
        frame = flow_with(properties(size))
        peer = Attacker.of(victim)
        victim.mark()
        before = peer.sent
        peer.say_bytes(frame)
        return peer.close() - before


_flows("a flow with UUIDs of one hash", 440, lambda size: mapped(uuids(size)))
_flows("a flow with longs that collide", 680, lambda size: mapped(longs(size)))
_flows("a flow with elements of many descriptors", 8000, lambda size: _described(size))


def _described(count: int) -> bytes:
    body = b"\x00\x53\x01" * 60 + b"\x50" + b"x" * count
    return b"\xf0" + struct.pack(">II", len(body) + 4, count) + body


@attack("flows with an array of 65,000 nulls", 150)
def nulls(victim: Victim, size: int) -> int:
    peer = Attacker.of(victim)
    victim.mark()
    before = peer.sent
    entries = b"\xa3\x01k" + empty_elements(65000)
    peer.say_bytes(flow_with(b"\xd1" + struct.pack(">II", len(entries) + 4, 2) + entries) * size)
    return peer.close() - before


@attack("an open with UUIDs of one hash", 100)
def opening(victim: Victim, size: int) -> int:
    address = urlsplit(victim.url)
    peer = Attacker(socket.create_connection((address.hostname, address.port)))
    fields = [encode_value("attacker"), encode_value("localhost"), *[b"\x40"] * 7, mapped(uuids(size))]
    victim.mark()
    peer.say_bytes(AMQP + raw(b"\x00\x53\x10" + listed(*fields)))
    return peer.close()


def _messages(name: str, size: int, payload: Callable[[int], bytes]) -> None:
    """One message, whose sections are all looked at."""

    @attack(name, size, role="decode")
    def one_message(victim: Victim, size: int) -> int:
        encoded = payload(size)
        victim.mark()
        victim.ask(payload=encoded.hex())
        return len(encoded)


_messages("annotations with UUIDs of one hash", 1700, lambda size: b"\x00\x53\x72" + mapped(uuids(size)))
_messages("a body with UUIDs of one hash", 1700, lambda size: b"\x00\x53\x77" + mapped(uuids(size)))
_messages("a body with longs that collide", 680, lambda size: b"\x00\x53\x77" + mapped(longs(size)))
_messages("a body with numbers that are much alike", 800, lambda size: b"\x00\x53\x77" + mapped(scattered(size)))
_messages("a body of arrays of nulls", 500, lambda size: b"\x00\x53\x77" + listed(*[empty_elements(60000)] * size))
_messages("bodies of arrays of nulls", 300, lambda size: (b"\x00\x53\x76" + listed(empty_elements(9000))) * size)
_messages("a body whose elements have many descriptors", 8000, lambda size: b"\x00\x53\x77" + _described(size))
_messages("sections of data without bytes", 1600, lambda size: b"\x00\x53\x75\xa0\x00" * size)
_messages("sections that come again and again", 1000, lambda size: b"\x00\x53\x77\x40\x00\x53\x70\x45" * size)


@attack("many links and many deliveries, and the connection is lost", 500)
def links(victim: Victim, size: int) -> int:
    peer = Attacker.of(victim)
    peer.sender()
    peer.fill(2 * size)
    for handle in range(1, size + 1):
        peer.receiver(handle=handle, credit=2)
    peer.wait("attach", size + 1)
    peer.wait("transfer", 2 * size)
    victim.mark()
    peer.wire.shutdown(socket.SHUT_RDWR)
    peer.wire.close()
    return peer.sent


@attack("puts beside browsers that wait for nothing", 250)
def browsers(victim: Victim, size: int) -> int:
    peer = Attacker.of(victim)
    peer.sender()
    for handle in range(1, size + 1):
        peer.receiver(handle=handle, copy=True)
    peer.wait("attach", size + 1)
    victim.mark()
    before = peer.sent
    peer.fill(500)
    return peer.close() - before


@attack("links that come and go", 60)
def attaches(victim: Victim, size: int) -> int:
    peer = Attacker.of(victim)
    victim.mark()
    before = peer.sent
    for number in range(size):
        peer.sender(f"q{number}")
        peer.say("detach", handle=0, closed=True)
    return peer.close() - before


@attack("flows that want an answer", 200)
def echoes(victim: Victim, size: int) -> int:
    peer = Attacker.of(victim)
    peer.sender()
    victim.mark()
    before = peer.sent
    for _ in range(size):
        peer.say("flow", next_incoming_id=peer.first, incoming_window=2**31 - 1, next_outgoing_id=0,
                 outgoing_window=2**31 - 1, handle=0, delivery_count=0, link_credit=1, echo=True)  # fmt: skip
    return peer.close() - before


@attack("heartbeats of one millisecond, for one second", 6)
def heartbeats(victim: Victim, size: int) -> int:
    victim.mark()
    peers = [Attacker.of(victim, idle_time_out=1) for _ in range(size)]
    time.sleep(1)
    for peer in peers:
        peer.close()
    return sum(peer.sent for peer in peers)


@attack("a frame of SASL, byte by byte", 2000, role="push")
def sasl_bytes(victim: Victim, size: int) -> int:
    init = b"\x00\x53\x41" + listed(encode_value(symbol("ANONYMOUS")), b"\xb0" + struct.pack(">I", size) + b"x" * size)
    data = SASL + raw(init, kind=1)
    victim.mark()
    victim.ask(payload=data.hex())
    return len(data)


@attack("a frame of AMQP, byte by byte", 2000, role="push")
def amqp_bytes(victim: Victim, size: int) -> int:
    opened = frame("open", container_id="attacker", hostname="x" * (size - 30))
    victim.mark()
    victim.ask(payload=(AMQP + opened).hex())
    return len(AMQP + opened)


@attack("a SCRAM user of combining characters", 3750, role="listener")
def name(victim: Victim, size: int) -> int:
    address = urlsplit(victim.url)
    peer = Attacker(socket.create_connection((address.hostname, address.port)))
    # Marks of two classes in turn, which have to be put in order.
    user = "".join("\u0315\u0300"[k % 2] for k in range(size))
    response = b"n,,n=" + user.encode() + b",r=abcdef"
    victim.mark()
    init = listed(encode_value(symbol("SCRAM-SHA-256")), b"\xb0" + struct.pack(">I", len(response)) + response)
    peer.say_bytes(SASL + raw(b"\x00\x53\x41" + init, kind=1))
    peer.answered()
    peer.wire.close()
    return peer.sent
