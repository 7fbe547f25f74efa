"""Random histories of two engines: every action that an application can take, and what must hold after each.

A history is a list of small numbers, so that both `random` and hypothesis can make one and the latter can make it
smaller; each number picks the next action among those that make sense now.
"""

from __future__ import annotations

from typing import Any, Callable

from reactor.engine.endpoints.delivery import Delivery
from reactor.engine.endpoints.disposition import ACCEPTED, MODIFIED, REJECTED, RELEASED
from reactor.engine.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, REMOTE_ACTIVE, REMOTE_CLOSED
from reactor.engine.events import Event
from tests.support.pair import Pair, Side

OPEN = LOCAL_ACTIVE | REMOTE_ACTIVE
STATES = (ACCEPTED, REJECTED, RELEASED, MODIFIED)
SIZES = (0, 1, 10, 400, 452, 2000)


class Way:
    """One link: what was sent over it, and what came of it."""

    def __init__(self, sender: Any, receiver: Any) -> None:
        self.sender = sender
        self.receiver = receiver
        self.sent: list[tuple[bytes, bytes]] = []  # tag and payload of what is complete, in order
        self.dropped: set[bytes] = set()  # tags of what was aborted, or not wanted
        self.parts: dict[Delivery, bytes] = {}  # what was read of deliveries that were still coming in
        self.come: list[tuple[bytes, bytes]] = []
        self.streaming: Any = None
        self.stream = b""
        self.deliveries: dict[bytes, Delivery] = {}  # the sender's, by tag
        self.held: list[Delivery] = []  # received, not settled
        self.outcomes: dict[bytes, Any] = {}  # what the receiver said, by tag
        self.closed = False
        self.cut = False  # closed by the receiver, whatever is under way

    def part_of(self, delivery: Delivery) -> bytes:
        return self.parts.get(delivery, b"")


class Antics:
    """Two engines and the links between them, and a way to make them do things."""

    def __init__(self, piece: Any = None, start: int = 0, capacity: int = 0) -> None:
        self.pair = Pair(piece)
        self.pair.client.transport.max_frame_size = self.pair.server.transport.max_frame_size = 512
        self.pair.open()
        self.ways: list[Way] = []
        self.tags = 0
        self.numbers: list[int] = []
        for number in range(2):
            session = self.pair.client.connection.session()
            session.first_outgoing_id = start
            session.incoming_capacity = capacity
            session.open()
            for forth in (True, False):
                near, far = self.pair.link_in(session, "%d-%s" % (number, forth), forth)
                self.ways.append(Way(near, far) if forth else Way(far, near))

    def draw(self, most: int) -> int:
        """The next number, below `most`; 0 when there are none left."""
        return self.numbers.pop() % most if self.numbers and most else 0

    def play(self, numbers: list[int]) -> None:
        """A history, and then its end: all is read and settled, and nothing may be left."""
        self.numbers = list(numbers)[::-1]
        actions: list[Callable[[Way], None]] = [
            self.send, self.send, self.send, self.grant, self.grant, self.read, self.read, self.settle, self.settle,
            self.settle_first, self.begin_stream, self.go_on_streaming, self.end_stream, self.abort, self.drain,
            self.move, self.move, self.move_all, self.prefetch, self.close, self.close_receiver,
            self.read_part, self.read_part, self.skip, self.settle_half, self.abort_any,
        ]  # fmt: skip
        while self.numbers:
            action = actions[self.draw(len(actions))]
            way = self.ways[self.draw(len(self.ways))]
            if not way.closed or action in (self.move, self.move_all):
                action(way)
            self.check()
        self.end()

    # -- actions -----------------------------------------------------------------------------------------

    def tag(self) -> bytes:
        self.tags += 1
        return b"t%d" % self.tags

    def send(self, way: Way) -> None:
        if way.streaming is None:
            tag, payload = self.tag(), bytes([self.tags % 256]) * SIZES[self.draw(len(SIZES))]
            way.deliveries[tag] = way.sender.transmit(payload, tag)
            way.sent.append((tag, payload))

    def begin_stream(self, way: Way) -> None:
        if way.streaming is None:
            tag = self.tag()
            way.streaming, way.stream = way.sender.delivery(tag), b""
            way.deliveries[tag] = way.streaming

    def go_on_streaming(self, way: Way) -> None:
        if way.streaming is not None:
            data = bytes([len(way.stream) % 256]) * SIZES[self.draw(len(SIZES))]
            way.stream += data
            way.sender.stream(data)

    def end_stream(self, way: Way) -> None:
        if way.streaming is not None:
            way.sent.append((way.streaming.tag_bytes, way.stream))
            way.sender.advance()
            way.streaming = None

    def abort(self, way: Way) -> None:
        if way.streaming is not None:
            way.dropped.add(way.streaming.tag_bytes)
            way.streaming.abort()
            way.streaming = None

    def grant(self, way: Way) -> None:
        way.receiver.flow(self.draw(5))

    def prefetch(self, way: Way) -> None:
        way.receiver.prefetch = (None, 1, 3, 10)[self.draw(4)]

    def drain(self, way: Way) -> None:
        way.receiver.drain(self.draw(3))

    def read(self, way: Way) -> None:
        delivery = way.receiver.current
        if delivery is not None and not delivery.partial:
            way.come.append((delivery.tag_bytes, way.part_of(delivery) + delivery.take()))
            way.held.append(delivery)

    def read_part(self, way: Way) -> None:
        """Some bytes of the current delivery, which may not be complete."""
        delivery = way.receiver.current
        if delivery is None:
            return
        data = way.receiver.recv(1 + self.draw(600))
        way.parts[delivery] = way.part_of(delivery) + (data or b"")
        if data is None:
            way.come.append((delivery.tag_bytes, way.part_of(delivery)))
            way.receiver.advance()
            way.held.append(delivery)

    def skip(self, way: Way) -> None:
        """The current delivery is not wanted, complete or not."""
        delivery = way.receiver.current
        if delivery is not None and self.draw(3) == 0:
            way.dropped.add(delivery.tag_bytes)
            way.receiver.advance()
            way.held.append(delivery)

    def settle_half(self, way: Way) -> None:
        """The current delivery is settled before it was read, or has come."""
        delivery = way.receiver.current
        if delivery is not None and not delivery.fate and self.draw(3) == 0:
            way.dropped.add(delivery.tag_bytes)
            delivery.update(STATES[self.draw(4)])
            way.outcomes[delivery.tag_bytes] = delivery.local_state
            delivery.settle()

    def abort_any(self, way: Way) -> None:
        """The sender gives up something that it has sent, or thinks so."""
        unsettled = list(way.sender.unsettled_deliveries)
        if unsettled:
            delivery = unsettled[self.draw(len(unsettled))]
            delivery.abort()
            if delivery.aborted:
                way.dropped.add(delivery.tag_bytes)
                if delivery is way.streaming:
                    way.streaming = None

    def settle(self, way: Way) -> None:
        """The receiver says what became of one, in any order, and settles it."""
        if way.held:
            delivery = way.held.pop(self.draw(len(way.held)))
            if not delivery.fate:
                delivery.update(STATES[self.draw(4)])
                way.outcomes[delivery.tag_bytes] = delivery.local_state
            delivery.settle()

    def settle_first(self, way: Way) -> None:
        """The sender settles one, whatever the receiver says."""
        unsettled = list(way.sender.unsettled_deliveries)
        if unsettled:
            delivery = unsettled[self.draw(len(unsettled))]
            if delivery is way.streaming:
                way.sent.append((delivery.tag_bytes, way.stream))  # it is complete with that
                way.streaming = None
            delivery.settle()

    def close(self, way: Way) -> None:
        if self.draw(8) == 0:
            if way.streaming is not None:
                self.abort(way)
            way.closed = True
            way.sender.close()

    def close_receiver(self, way: Way) -> None:
        """The receiver goes first: what was not read is lost to it, and in doubt on the other side."""
        if self.draw(16) == 0:
            way.closed = way.cut = True
            way.streaming = None
            way.receiver.close()

    def move(self, way: Way) -> None:
        """One side's output, or only a part of it, arrives."""
        pair = self.pair
        source, target = ((pair.client, pair.server), (pair.server, pair.client))[self.draw(2)]
        transport = source.transport
        size = transport.pending()
        if size > 0:
            size = size if self.draw(2) else 1 + self.draw(size)
            target.transport.receive(bytes(transport.output[:size]))
            transport.pop(size)
        self.look()

    def move_all(self, way: Way) -> None:
        self.pair.pump()
        self.look()

    def look(self) -> None:
        for side in (self.pair.client, self.pair.server):
            side.take()
            self.answer_drains(side)

    def answer_drains(self, side: Side) -> None:
        for link in side.connection.links(0):
            if link.is_sender and link.drain_mode:
                link.drained()

    # -- what must hold ----------------------------------------------------------------------------------

    def check(self) -> None:
        for side in (self.pair.client, self.pair.server):
            assert side.transport.condition is None
            for session in side.connection.sessions(0):
                window = None if session.channel is None else session.channel.incoming
                assert window is None or (window.unread_frames >= 0 and window.incoming_window >= 0)
        for way in self.ways:
            sender, receiver = way.sender, way.receiver
            assert sender.wire_credit >= 0
            assert receiver.wire_credit >= 0
            assert sender.queued >= 0
            assert sender.unsettled == len(list(sender.unsettled_deliveries))
            assert receiver.unsettled == len(list(receiver.unsettled_deliveries))
            # What has come is the beginning of what was sent, in order and equal. What is dropped later was not read.
            expected = [entry for entry in way.sent if entry[0] not in way.dropped]
            assert way.come == expected[: len(way.come)]

    def end(self) -> None:
        """Everything is finished, granted, read and settled; then both sides agree that nothing is left."""
        for way in self.ways:
            if way.streaming is not None and not way.cut:
                self.end_stream(way)
            if not way.closed:
                way.receiver.prefetch = 7
        for way in self.ways:
            if way.receiver.state & LOCAL_ACTIVE and not way.receiver.state & REMOTE_CLOSED:
                way.receiver.flow(50)
        for _ in range(1000):
            self.pair.pump()
            self.look()
            busy = False
            for way in self.ways:
                while (current := way.receiver.current) is not None:
                    if not current.partial:
                        self.read(way)
                    elif current.pending and not way.cut:
                        self.read_part(way)
                    else:
                        break
                    busy = True
                for delivery in way.held:
                    if not delivery.fate:
                        delivery.update(ACCEPTED)
                        way.outcomes[delivery.tag_bytes] = delivery.local_state
                    delivery.settle()
                    busy = True
                way.held.clear()
            if not busy:
                break
        self.pair.pump()
        self.check()
        for way in self.ways:
            self.agree(way)

    def agree(self, way: Way) -> None:
        sender, receiver = way.sender, way.receiver
        expected = [entry for entry in way.sent if entry[0] not in way.dropped]
        if way.closed:
            assert sender.state == receiver.state == LOCAL_CLOSED | REMOTE_CLOSED
        if way.cut:
            assert sender.queued == sender.unsettled == receiver.unsettled == 0
            return
        assert way.come == expected, "all that was sent has come, once, in order"
        assert sender.queued == sender.unsettled == receiver.unsettled == 0
        for tag, outcome in way.outcomes.items():
            delivery = way.deliveries[tag]
            if delivery.remote_state:
                assert delivery.remote_state == outcome
            else:
                assert delivery.fate, "it was settled by the sender before the outcome came"
        if not way.closed:
            assert sender.state == receiver.state == OPEN
            assert sender.delivery_count == receiver.delivery_count
            assert sender.wire_credit == receiver.wire_credit
            assert not sender.session.channel.outgoing.unsettled
            assert not receiver.session.channel.incoming.unsettled
            near, far = sender.session.channel, receiver.session.channel
            assert near.outgoing.next_outgoing_id == far.incoming.next_incoming_id
        side = self.pair.side(sender)
        doubtful = [delivery for delivery in side.of(Event.DELIVERY_IN_DOUBT) if delivery.link is sender]
        assert way.closed or not doubtful, "nothing is in doubt where nothing was lost"
