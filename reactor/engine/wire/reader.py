"""FrameReader: bytes that arrive, taken apart: protocol headers, SASL, and the frame loop with its dispatch table.

The transport hands over the bytes that came, in the clear. The meaning of a frame is the business of its target: the
channels, the ending, or a session's channel with its parts. A peer's error is raised as RemoteProtocolError, and
answered by the ending, in the one place that turns it into a frame.
"""

from __future__ import annotations

from reactor.codec.decode import read_fields
from reactor.codec.definitions import (
    ATTACH,
    BEGIN,
    BY_CODE,
    CLOSE,
    DETACH,
    DISPOSITION,
    END,
    FLOW,
    OPEN,
    TRANSFER,
)
from reactor.codec.frame_plans import CHANGING, KEYED, SAME, find, remember
from reactor.codec.frames import PLAIN_FORM, SASL_HEADER, read_header
from reactor.codec.performatives import ALIKE, check_fields, decode_composite
from reactor.engine.headers import explain_header, is_unclear
from reactor.engine.limits import UNLIMITED
from reactor.engine.wire.stages import (
    AMQP_HEADING,
    EXPECT_AMQP_HEADER,
    EXPECT_FRAMES,
    EXPECT_HEADER,
    EXPECT_OPEN,
    EXPECT_SASL,
    FINISHED,
    NOTHING_SENT,
    SASL_DONE,
    SASL_HEADING,
    Stages,
)
from reactor.errors import FRAMING_ERROR, NOT_ALLOWED, POLICY_ERROR, RemoteProtocolError
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Optional

    from reactor.engine.wire.channels import Channels
    from reactor.engine.wire.interface import OwningTransport
    from reactor.engine.wire.layers import Layers
    from reactor.engine.wire.writer import FrameWriter

#: From how many bytes on a payload is not copied out of the input before its message is complete; unless the input is
#: so many times as large: it would all be kept for it.
LONG_PIECE, KEPT = 16384, 20
#: Below so many bytes the pieces of something that is not complete are put together: a list of bytes one by one
#: would take many times their room.
SHORT_PIECE = 512

_CLOSE_HEAD = bytes((0x00, 0x53, CLOSE))


class Row:
    """One performative: the target that handles it, by which method, and the stages in which it is legal.

    CHANNELS and ENDING are parts of the transport; each other target is a part of the session's channel, by the name of
    its attribute, and CHANNEL that itself.
    """

    __slots__ = ("target", "method", "stages")

    def __init__(self, target: str, method: str, stages: tuple[int, ...]) -> None:
        self.target = target
        self.method = method
        self.stages = stages


CHANNELS, ENDING, CHANNEL = "channels", "ending", "channel"
ATTACHMENTS, INCOMING, OUTCOMES, FLOWS = "attachments", "incoming", "outcomes", "flows"

#: `open` comes first and once [2.4.1]; all others come after it.
ROWS: dict[int, Row] = {
    OPEN: Row(CHANNELS, "recv_open", (EXPECT_OPEN,)),
    BEGIN: Row(CHANNELS, "recv_begin", (EXPECT_FRAMES,)),
    ATTACH: Row(ATTACHMENTS, "recv_attach", (EXPECT_FRAMES,)),
    FLOW: Row(FLOWS, "recv_flow", (EXPECT_FRAMES,)),
    TRANSFER: Row(INCOMING, "recv_transfer", (EXPECT_FRAMES,)),
    DISPOSITION: Row(OUTCOMES, "recv_disposition", (EXPECT_FRAMES,)),
    DETACH: Row(ATTACHMENTS, "recv_detach", (EXPECT_FRAMES,)),
    END: Row(CHANNEL, "recv_end", (EXPECT_FRAMES,)),
    CLOSE: Row(ENDING, "recv_close", (EXPECT_FRAMES,)),
}
# Before open.
_find_none: Callable[..., tuple[Any, ...]] = {}.get
_LEGAL = {
    stage: frozenset(code for code, row in ROWS.items() if stage in row.stages)
    for stage in (EXPECT_OPEN, EXPECT_FRAMES)
}


class FrameReader:
    """Reads the frames of one wire.

    frames_input: how many have come, heartbeats too. heard: whether bytes have come since the last look at it.
    """

    __slots__ = (
        "frames_input",
        "heard",
        "_transport",
        "_server",
        "_stages",
        "_layers",
        "_channels",
        "_writer",
        "_partial",
        "_have",
        "_need",
    )

    def __init__(
        self,
        transport: OwningTransport,
        server: bool,
        stages: Stages,
        layers: Layers,
        channels: Channels,
        writer: FrameWriter,
    ) -> None:
        self.frames_input = 0
        self.heard = True
        self._transport = transport
        self._server = server
        self._stages = stages
        self._layers = layers
        self._channels = channels
        self._writer = writer
        self._partial: list[Any] = []  # of something that is not complete: pieces, their sum, the bytes that it needs
        self._have = 0
        self._need = 0

    # -- bytes -------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take bytes that have come, in the clear; an incomplete frame is kept."""
        self.heard = True
        overhear = self._transport.taps.all
        if overhear is not None and data:
            overhear("in", data)
        pos = 0
        if self._have:
            missing = self._need - self._have
            if len(data) < missing:
                self._keep(data)
                return
            if missing > 0:
                # The frame that was begun is completed by itself, so that the rest, which may be long, is not copied.
                self._consume(self._begun(data[:missing]), 0)
                pos = missing
            if self._have or not pos:
                data, pos = self._begun(data[pos:]), 0
        self._consume(data, pos)

    def resume(self) -> None:
        """There is a connection: read the bytes that were kept until then."""
        if self._have:
            self._need = 0
            self.receive(b"")

    def drop(self) -> None:
        """The bytes that are kept are not read any more."""
        self._partial = []
        self._have = 0

    def _keep(self, data: bytes) -> None:
        """The frame that was begun goes on, and is not complete."""
        self._have += len(data)
        if len(data) >= SHORT_PIECE:
            self._partial.append(data)
        elif isinstance(self._partial[-1], bytearray):
            self._partial[-1] += data
        else:
            self._partial.append(bytearray(data))

    def _begun(self, data: bytes) -> bytes:
        """The bytes that were kept, and `data` behind them."""
        data = b"".join([*self._partial, data])
        self._partial = []
        self._have = 0
        return data

    def _consume(self, data: bytes, pos: int) -> None:
        """Read `data` from `pos` on, and keep an incomplete frame."""
        stages = self._stages
        end = len(data)
        self._need = 0
        last = None
        try:
            while pos < end:
                read = _READERS.get(stages.input)
                if read is None or read is last:
                    break
                pos = read(self, data, pos, end)
                last = read
        except RemoteProtocolError as error:
            self._transport.ending.answer(error)
            return
        if pos < end and stages.input < FINISHED:
            self._partial.append(data[pos:] if pos else data)
            self._have = end - pos

    def explain_end(self, stage: int) -> str:
        """Why the end of the input is an error at this stage."""
        layers = self._layers
        text = "" if layers.sealing is None else layers.sealing.hung_up()
        if text:
            return text
        if stage in (EXPECT_HEADER, EXPECT_AMQP_HEADER):
            text = "connection aborted: the peer hung up without a protocol header"
            if self._have:
                text = "connection aborted: the peer hung up within its protocol header"
            elif not self._server and layers.sealing is None:
                text += "; a server that insists on TLS may do that: try amqps://"
            return text
        if stage == EXPECT_SASL:
            return "connection aborted: the peer hung up during SASL; it may refuse the user or the mechanism"
        where = "within a frame" if self._have else "without a close"
        return "connection aborted: the peer hung up %s" % where

    # -- headers and SASL --------------------------------------------------------------------------------

    def _read_header(self, data: bytes, pos: int, end: int) -> int:
        """A protocol header: which layer comes next [2.2]."""
        layers, stages, transport = self._layers, self._stages, self._transport
        header = data[pos : pos + 8]
        if layers.encryption_required and not layers.is_encrypted():
            raise RemoteProtocolError(POLICY_ERROR, "the peer is not encrypted, and has to be: it should use amqps://")
        expected = layers.expected_headers()
        known = header in expected or any(one.startswith(header) for one in expected)
        if not known and not is_unclear(header):
            if self._server and stages.output == NOTHING_SENT:
                layers.plain += layers.best_header()  # the right one [2.2]
            raise RemoteProtocolError(FRAMING_ERROR, explain_header(header, expected[0], self._server))
        if len(header) < 8:
            self._need = 8 if known else len(header) + 1
            return pos
        if header == SASL_HEADER:
            sasl = layers.put_in_sasl(self._channels.limits)
            connection = transport.connection
            if connection is not None and not self._server:
                sasl.user = sasl.user or connection.user
                sasl.password = sasl.password or connection.secret
                sasl.authorization = sasl.authorization or connection.authorization
            if self._server:
                self._writer.answer_sasl_header()
            sasl.start()
            stages.heard(SASL_HEADING)
        else:
            stages.heard(AMQP_HEADING)
        self._channels.wake()
        return pos + 8

    def _read_sasl(self, data: bytes, pos: int, end: int) -> int:
        sasl = self._layers.sasl
        assert sasl is not None
        pos = sasl.receive(data, pos, end)
        self._channels.notify_by_hand()
        if sasl.finished:
            self._stages.heard(SASL_DONE)
        elif end - pos >= 8:
            self._need = int.from_bytes(data[pos : pos + 4], "big")  # a frame, so far as it has come
        return pos

    # -- frames ------------------------------------------------------------------------------------------

    def _read_frames(self, data: bytes, pos: int, end: int) -> int:
        """Take all whole frames. Those of a known shape take a short way."""
        if self._transport.connection is None:
            self._need = UNLIMITED  # not bound yet
            if end - pos >= 8:
                size, form, _ = read_header(data, pos)
                self._check_header(size, form)
            return pos
        stages = self._stages
        channels = self._channels.incoming
        if stages.input == EXPECT_FRAMES:
            plans, largest = find, self._channels.frame_limit
        else:
            plans, largest = _find_none, self._largest_frame()
        while end - pos >= 8:
            start = pos
            try:
                for code, size, read, same, before, after in plans(data[pos + 8 : pos + KEYED], ()):
                    if code == TRANSFER:
                        pos = self._read_transfers(data, pos, end, largest, size, read, same, before, after)
                        if pos != start:
                            break
                    elif pos + size <= end:
                        values = read(data, pos)
                        if values[SAME] == same:
                            pos += size
                            self.frames_input += 1
                            number, *changing = values[CHANGING]
                            channel = channels.get(number)
                            if channel is None:
                                raise self._no_session(code, number)
                            if channel.discarding:
                                pass  # only its end matters, as in `_dispatch`
                            elif code == DISPOSITION:
                                channel.outcomes.recv_disposition(*before, *changing, *after)
                            else:
                                channel.flows.recv_flow(*before, *changing, *after)
                            break
                else:
                    at = pos + 8
                    size, form, number = read_header(data, pos)
                    if size > largest or size < 8 or form != PLAIN_FORM:
                        at = pos + self._check_header(size, form)
                    pos += size
                    if pos > end:
                        self._need = size
                        return start
                    self.frames_input += 1
                    if at < pos:  # else it is a heartbeat
                        self._read_other(data, at, pos, number)
                        if stages.input >= FINISHED:
                            return end
                        if plans is _find_none and stages.input == EXPECT_FRAMES:
                            plans, largest = find, self._largest_frame()
            except RemoteProtocolError as error:
                if pos == start:
                    raise  # of its header: what is behind it is not read
                self._answer_or_hear(error, number, data[pos:end])
                if stages.input >= FINISHED:
                    return end
        return pos

    def _read_transfers(
        self,
        data: bytes,
        pos: int,
        end: int,
        largest: int,
        least: int,
        read: Callable[..., tuple[Any, ...]],
        same: tuple[bytes, ...],
        zero: int,
        others: tuple[int, Optional[bool], Optional[bool]],
    ) -> int:
        """Take transfers as long as they are of one shape: where many share a turn, most of them are. Returns where the
        first frame begins that is not, is not complete, or has no session."""
        channels = self._channels.incoming
        message_format, settled, more = others
        known, size = -1, least
        try:
            while pos + size <= end:  # what is shorter than the one before is another frame, as a rule
                size, form, number, first, handle, second, delivery_id, third, tag, last = read(data, pos)
                if (form, first, second, third, last) != same or not least <= size <= largest or pos + size > end:
                    break
                if number != known:
                    channel = channels.get(number)
                    if channel is None or channel.discarding:
                        break
                    known, take = number, channel.incoming.recv_transfer
                at = pos + least
                pos += size
                self.frames_input += 1
                payload = data[at:pos] if size < LONG_PIECE else _payload(data, at, pos)
                take(payload, handle - zero, delivery_id, tag, message_format, settled, more)
        except RemoteProtocolError as error:
            self._answer_or_hear(error, number, data[pos:end])
            if self._stages.input >= FINISHED:
                return end
        return pos

    def _read_other(self, data: bytes, at: int, stop: int, number: int) -> None:
        """A frame that has no plan; of a transfer, disposition or flow one is made."""
        start = at
        if data[at : at + 2] == b"\x00\x53" and stop - at > 3:
            code = data[at + 2]
            if code in ALIKE:
                code, fields, at = decode_composite(data, at, stop)
            else:
                fields, at = read_fields(data, at + 3, stop)
        else:
            code, fields, at = decode_composite(data, at, stop)
        if code not in _LEGAL[self._stages.input]:
            self._unexpected(code)
        if code not in ALIKE:  # which are checked
            check_fields(code, fields)
        remember(data, start, at, code, fields)
        if code != TRANSFER:
            self._channels.frame_size = stop - start + 8
            self._dispatch(code, number, fields)
            return
        channel = self._channels.incoming.get(number)
        if channel is None:
            raise self._no_session(code, number)
        if channel.discarding:
            channel.incoming.recv_late()
        else:
            channel.incoming.recv_transfer(_payload(data, at, stop), *fields)

    def _dispatch(self, code: int, number: int, fields: list[Any]) -> None:
        row = ROWS[code]
        if row.target == CHANNELS:
            getattr(self._channels, row.method)(number, *fields)
            return
        if row.target == ENDING:
            getattr(self._transport.ending, row.method)(*fields)
            return
        channel = self._channels.incoming.get(number)
        if channel is None:
            raise self._no_session(code, number)
        if channel.discarding and code != END:
            return  # we have ended, or refused, the session: only its end matters [2.5.5]
        target = channel if row.target == CHANNEL else getattr(channel, row.target)
        getattr(target, row.method)(*fields)

    def _answer_or_hear(self, error: RemoteProtocolError, number: int, rest: bytes) -> None:
        """A fault of the peer's. Where it ends the connection, and the peer has closed that in the same breath, its own
        reason is worth more than the fault: a refusal often stands behind an open that is odd."""
        if error.scope == "connection" or (error.scope == "session" and number not in self._channels.incoming):
            pos = 0
            while len(rest) - pos >= 8:
                size, form, _ = read_header(rest, pos)
                offset = (form >> 8) * 4
                if form & 0xFF or size > len(rest) - pos or not 8 <= offset <= size:
                    break
                at, pos = pos + offset, pos + size
                if rest[at : at + 3] != _CLOSE_HEAD:
                    continue
                try:
                    code, fields, _ = decode_composite(rest, at, pos)
                    check_fields(code, fields)
                except RemoteProtocolError:
                    break
                if fields and fields[0] is not None:
                    self._dispatch(CLOSE, 0, fields)
                    return
        self._transport.ending.answer(error, number)

    def _largest_frame(self) -> int:
        """Bytes of the largest frame that may come now. Before open it can be longer than the 512 bytes that are
        allowed [2.4.1]."""
        if self._stages.input >= EXPECT_FRAMES:
            return self._channels.frame_limit
        return min(self._channels.frame_limit, self._channels.limits.max_open_size or UNLIMITED)

    def _check_header(self, size: int, form: int) -> int:
        """How many bytes the header of a frame takes that is not of the plain kind. RemoteProtocolError where there is
        no such frame, or where it is too large."""
        largest = self._largest_frame()
        offset, kind = form >> 8, form & 0xFF
        if size <= largest and not kind and 8 <= offset * 4 <= size:
            return offset * 4
        if self._stages.input < EXPECT_FRAMES and size > largest:
            text = "a frame of %d bytes; at most %d are taken before open" % (size, largest)
        elif size > self._channels.frame_limit:
            text = "a frame of %d bytes; at most %d were agreed on" % (size, self._channels.frame_limit)
        elif kind:
            text = "a frame of type %d, where AMQP's type 0 was expected" % kind
        else:
            text = "a frame of %d bytes with a data offset of %d words" % (size, offset)
        raise RemoteProtocolError(FRAMING_ERROR, text)

    def _unexpected(self, code: int) -> None:
        if code not in ROWS:
            composite = BY_CODE.get(code)
            text = "a frame with %s, which is no performative" % (composite.name if composite else "%#x" % code)
        elif code == OPEN:
            text = "a second open"
        else:
            text = "%s before open" % BY_CODE[code].name
        raise RemoteProtocolError(NOT_ALLOWED, text)

    def _no_session(self, code: int, number: int) -> RemoteProtocolError:
        most = self._channels.channel_max
        if number > most:
            text = "%s on channel %d, above channel-max %d" % (BY_CODE[code].name, number, most)
            return RemoteProtocolError(FRAMING_ERROR, text)
        return RemoteProtocolError(NOT_ALLOWED, "%s on channel %d, where no session is" % (BY_CODE[code].name, number))


def _payload(data: bytes, at: int, stop: int) -> Any:
    """A piece of a message. Short ones are cut out; long ones are looked at where they lie, until they are joined."""
    if stop - at < LONG_PIECE or (stop - at) * KEPT < len(data):
        return data[at:stop]
    return memoryview(data)[at:stop]


_READERS: dict[int, Callable[[FrameReader, bytes, int, int], int]] = {
    EXPECT_HEADER: FrameReader._read_header,
    EXPECT_SASL: FrameReader._read_sasl,
    EXPECT_AMQP_HEADER: FrameReader._read_header,
    EXPECT_OPEN: FrameReader._read_frames,
    EXPECT_FRAMES: FrameReader._read_frames,
}
