"""One side of a recorded connection, done again by an engine of ours.

`Player` is an application that does, through the engine's public face, what the frames of one side say; what the
other side said is fed to the engine as it was recorded. So the engine hears a real peer in a conversation that
makes sense.
"""

from __future__ import annotations

from typing import Any, Optional

from reactor.codec.performatives import decode_composite
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.connection import Connection
from reactor.engine.endpoints.delivery import Delivery
from reactor.engine.endpoints.disposition import Disposition
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.endpoints.terminus import Terminus
from reactor.engine.events import Collector, Event
from reactor.engine.sasl.layer import SASL
from reactor.engine.serial import MASK, serial_difference
from reactor.engine.wire.transport import Transport
from tests.support.frames import SASL as SASL_HEADER
from tests.support.frames import Frame, read, split


class Player:
    """Does what `side` ("client" or "broker") did. piece: how many bytes of the other side come at a time."""

    def __init__(self, side: str, pieces: list[tuple[str, bytes]], piece: Optional[int] = None) -> None:
        self.side = side
        self.pieces = pieces
        self.piece = piece
        self.transport = Transport(Transport.CLIENT if side == "client" else Transport.SERVER)
        self.connection = Connection()
        self.collector = Collector()
        self.connection.collect(self.collector)
        self.sessions: dict[int, Any] = {}
        self.links: dict[tuple[int, int], Any] = {}
        self.sent: dict[tuple[int, int], Delivery] = {}
        self.come: dict[tuple[Any, int], Delivery] = {}
        self.parts: dict[Any, tuple[Frame, bytearray]] = {}
        self.bodies: list[bytes] = []  # of complete messages, in the order of their ends
        self.errors: list[tuple[str, str]] = []  # (event, condition) of all that the peer ended
        self.refused: list[tuple[str, str]] = []  # (link, condition) of what was not attached when its session ended
        self.seen: list[str] = []
        self.log = bytearray()
        self._undone = bytearray()
        self._prepare()

    # -- SASL, as far as both sides must agree -----------------------------------------------------------

    def _prepare(self) -> None:
        stream = {name: b"".join(data for who, data in self.pieces if who == name) for name in ("client", "broker")}
        if not stream["client"].startswith(SASL_HEADER):
            return
        sasl = self.transport.sasl()
        frames = {name: self._sasl_frames(data) for name, data in stream.items()}
        init = next((fields for code, fields in frames["client"] if code == 0x41), None)
        if init is not None:
            sasl.allowed_mechs(str(init[0]))
            if init[0] == "PLAIN" and self.side == "client":
                _, user, password = bytes(init[1]).split(b"\0")
                sasl.user, sasl.password = user.decode(), password.decode()
                sasl.allow_insecure_mechs = True
        outcome = next((fields[0] for code, fields in frames["broker"] if code == 0x44), SASL.OK)
        if self.side == "broker":
            sasl.authenticator = lambda mech, user, password: outcome == SASL.OK
            if init is not None and outcome != SASL.OK:
                sasl.done(outcome)

    @staticmethod
    def _sasl_frames(data: bytes) -> list[tuple[int, list[Any]]]:
        from_wire = []
        for part in whole(data)[1:]:
            if part[:4] == b"AMQP" or part[5] != 1:
                break
            from_wire.append(read_any(part))
        return from_wire

    # -- the play ----------------------------------------------------------------------------------------

    def play(self) -> Player:
        self.transport.bind(self.connection)
        for who, data in self.pieces:
            if who == self.side:
                self._undone += data
                for frame in self._frames():
                    self._act(frame)
                self.flush()
            else:
                step = self.piece or len(data)
                for start in range(0, len(data), step):
                    self.transport.receive(data[start : start + step])
                    self.flush()
                self.look()
        return self

    def flush(self) -> None:
        while self.transport.pending() > 0:
            self.log += self.transport.output
            self.transport.pop(len(self.transport.output))

    def look(self) -> None:
        while (event := self.collector.peek()) is not None:
            self.collector.pop()
            name = event.type.name
            self.seen.append(name)
            if event.type is Event.DELIVERY and event.receiver is not None:
                delivery = event.delivery
                self.come[event.session, delivery.id] = delivery
                if delivery.readable and not delivery.partial:
                    self.bodies.append(delivery.take())
            elif name.endswith(("_remote_close", "_remote_detach")) and event.context.remote_condition is not None:
                condition = event.context.remote_condition.name
                if event.link is not None and event.session.state & Endpoint.REMOTE_CLOSED:
                    self.refused.append((event.link.name, condition))
                else:
                    self.errors.append((name, condition))

    def _frames(self) -> list[Frame]:
        parts = whole(bytes(self._undone))
        del self._undone[: sum(map(len, parts))]
        frames = []
        for part in parts:
            if part[:4] != b"AMQP" and part[5] == 0:
                frames += read(part)
        return frames

    def _act(self, frame: Frame) -> None:
        act = getattr(self, "do_" + frame.name, None)
        if act is not None:
            act(frame)

    # -- one method for each performative ----------------------------------------------------------------

    def do_open(self, frame: Frame) -> None:
        self.connection.container = frame.container_id
        self.connection.hostname = frame.hostname
        if frame.max_frame_size is not None:
            self.transport.max_frame_size = frame.max_frame_size
        self.connection.open()

    def do_begin(self, frame: Frame) -> None:
        if frame.remote_channel is None:
            session = self.connection.session()
        else:
            session = next(s for s in self.connection.sessions(0) if s.channel.remote_number == frame.remote_channel)
        self.sessions[frame.channel] = session
        session.open()

    def do_attach(self, frame: Frame) -> None:
        session = self.sessions[frame.channel]
        name, sender = frame.fields["name"], not frame.role
        link = next(
            (o for o in session.links() if o.name == name and o.is_sender == sender and o.state & o.LOCAL_UNINIT), None
        )
        if link is None:
            link = session.sender(name) if sender else session.receiver(name)
        link.source.copy(Terminus.from_wire(frame.source, Terminus.SOURCE))
        link.target.copy(Terminus.from_wire(frame.target, Terminus.TARGET))
        link.snd_settle_mode = 2 if frame.snd_settle_mode is None else frame.snd_settle_mode
        link.rcv_settle_mode = frame.rcv_settle_mode or 0
        self.links[frame.channel, frame.handle] = link
        link.open()

    def do_flow(self, frame: Frame) -> None:
        link = None if frame.handle is None else self.links[frame.channel, frame.handle]
        if link is None:
            return
        if link.is_sender:
            link.drained()
            return
        count = link.delivery_count if frame.delivery_count is None else frame.delivery_count
        missing = max(0, frame.link_credit + serial_difference(count, link.delivery_count) - link.wire_credit)
        if frame.drain:
            link.drain(missing)
        else:
            link.flow(missing)

    def do_transfer(self, frame: Frame) -> None:
        key = frame.channel, frame.handle
        first, payload = self.parts.pop(key, (frame, bytearray()))
        payload += frame.payload
        if frame.aborted:
            return
        if frame.more:
            self.parts[key] = first, payload
            return
        link = self.links[key]
        delivery = link.transmit(bytes(payload), first.delivery_tag)
        self.sent[frame.channel, first.delivery_id] = delivery
        if frame.state is not None:
            delivery.update(Disposition.from_wire(frame.state))
        if frame.settled:
            delivery.settle()

    def do_disposition(self, frame: Frame) -> None:
        last = frame.first if frame.last is None else frame.last
        for number in range(((last - frame.first) & MASK) + 1):
            delivery_id = (frame.first + number) & MASK
            if frame.role:
                delivery = self.come.get((self.sessions[frame.channel], delivery_id))
            else:
                delivery = self.sent.get((frame.channel, delivery_id))
            if delivery is None:
                continue
            if frame.state is not None and not delivery.fate:
                delivery.update(Disposition.from_wire(frame.state))
            if frame.settled:
                delivery.settle()

    def do_detach(self, frame: Frame) -> None:
        link = self.links[frame.channel, frame.handle]
        link.condition = Condition.from_wire(frame.fields.get("error"))
        if frame.closed:
            link.close()
        else:
            link.detach()

    def do_end(self, frame: Frame) -> None:
        session = self.sessions[frame.channel]
        session.condition = Condition.from_wire(frame.fields.get("error"))
        session.close()

    def do_close(self, frame: Frame) -> None:
        self.connection.condition = Condition.from_wire(frame.fields.get("error"))
        self.connection.close()


def whole(data: bytes) -> list[bytes]:
    """Protocol headers and frames that are complete."""
    end = 0
    while end + 8 <= len(data):
        size = 8 if data[end : end + 4] == b"AMQP" else int.from_bytes(data[end : end + 4], "big")
        if end + size > len(data):
            break
        end += size
    return split(data[:end])


def read_any(part: bytes) -> tuple[int, list[Any]]:
    """Code and fields of any frame."""
    code, fields, _ = decode_composite(part, part[4] * 4, len(part))
    return code, fields
