"""Rows of [2.3] framing and of the fields of open [2.7.1] that bound frames and channels."""

from __future__ import annotations

import struct

from reactor.codec.types import symbol
from tests.conformance.table import IS, MAY, MUST, POLICING, SHOULD, TOLERANCE, row
from tests.conformance.talk import AMQP, FRAMING, MESSAGE, Talk, frame, raw
from tests.support.frames import performative

BEGIN = performative("begin", next_outgoing_id=0, incoming_window=10, outgoing_window=10)


# -- 2.3.1 frame layout ----------------------------------------------------------------------------------------


@row("2.3.1", MUST, "The size counts header, extended header and body; nothing lies between frames")
def size_counts_all(talk: Talk) -> None:
    link = talk.sender(10)
    talk.engine.send(link)
    talk.turn()
    position = 8
    data = bytes(talk.output)
    while position < len(data):
        position += struct.unpack(">I", data[position : position + 4])[0]
    assert position == len(data)


@row("2.3.1", IS, "A frame that says that it is shorter than its header is malformed", POLICING)
def size_below_8(talk: Talk) -> None:
    talk.open()
    talk.bytes(raw(size=7))
    talk.refused("close", FRAMING)


@row("2.3.1", IS, "A data offset below 2 words is malformed", POLICING)
def offset_below_2(talk: Talk) -> None:
    talk.open()
    talk.bytes(raw(BEGIN, offset=1))
    talk.refused("close", FRAMING)


@row("2.3.1", IS, "A data offset behind the end of the frame is malformed", POLICING)
def offset_behind_the_end(talk: Talk) -> None:
    talk.open()
    talk.bytes(raw(BEGIN, offset=200))
    talk.refused("close", FRAMING)


@row("2.3.1", IS, "What the data offset leaves before the body is an extension, and passed over", TOLERANCE)
def extended_header(talk: Talk) -> None:
    talk.open()
    talk.bytes(raw(b"\xff\xff\xff\xff" + BEGIN, offset=3))
    assert talk.happened("session_remote_open")
    talk.lives()


@row("2.3.1", IS, "A frame of an unknown type is refused", POLICING)
def unknown_type(talk: Talk) -> None:
    talk.open()
    talk.bytes(raw(BEGIN, kind=2))
    talk.refused("close")


@row("2.3.1", IS, "A frame of SASL has no place behind AMQP's header", POLICING)
def sasl_frame_in_amqp(talk: Talk) -> None:
    talk.open()
    talk.bytes(raw(performative("sasl-outcome", code=0), kind=1))
    talk.refused("close")


@row("2.3.1", IS, "Frames of AMQP have type 0 and no extended header")
def plain_frames(talk: Talk) -> None:
    link = talk.sender(10)
    talk.engine.send(link)
    talk.turn()
    assert all(part[4:6] == b"\x02\x00" for part in talk.parts()[1:])


@row("2.3.1", IS, "A frame may come octet by octet", TOLERANCE)
def frame_in_pieces(talk: Talk) -> None:
    talk.receiver(10)
    for octet in frame("transfer", 0, MESSAGE, handle=0, delivery_id=0, delivery_tag=b"0", message_format=0):
        talk.bytes(bytes((octet,)))
    assert [one.payload for one in talk.arrived] == [MESSAGE]


@row("2.3.1", IS, "Many frames may come in one piece, the last of them incomplete", TOLERANCE)
def frames_in_one_piece(talk: Talk) -> None:
    talk.receiver(10)
    frames = [
        frame("transfer", 0, MESSAGE, handle=0, delivery_id=at, delivery_tag=b"%d" % at, message_format=0)
        for at in range(4)
    ]
    talk.bytes(b"".join(frames)[:-1])
    assert len(talk.arrived) == 3
    talk.bytes(frames[-1][-1:])
    assert len(talk.arrived) == 4


# -- 2.3.2 AMQP frames -----------------------------------------------------------------------------------------


@row("2.3.2", IS, "Octets 6 and 7 are the channel, in network order")
def channel_octets(talk: Talk) -> None:
    talk.open()
    talk.begin(0x0102 % 200)
    begin = talk.one("begin")
    assert begin.remote_channel == 0x0102 % 200


@row("2.3.2", IS, "What follows the performative is payload, and passed on as it is")
def payload_is_opaque(talk: Talk) -> None:
    talk.receiver(10)
    payload = bytes(range(256))
    talk.transfer(payload)
    assert talk.arrived[0].payload == payload


@row("2.3.2", IS, "What the application sends is payload, and goes out as it is")
def payload_goes_out(talk: Talk) -> None:
    link = talk.sender(10)
    payload = bytes(range(256))
    talk.engine.send(link, payload)
    assert talk.one("transfer").payload == payload


@row("2.3.2", MUST, "The performative is one of those that are defined", POLICING)
def unknown_performative(talk: Talk) -> None:
    talk.open()
    talk.bytes(raw(b"\x00\x53\x19\xc0\x01\x00"))
    talk.refused("close")


@row("2.3.2", MUST, "The performative is a described type", POLICING)
def not_described(talk: Talk) -> None:
    talk.open()
    talk.bytes(raw(b"\xc0\x04\x03\x43\x52\x0a\x43"))
    talk.refused("close")


@row("2.3.2", IS, "A performative that is a map is refused", POLICING)
def described_map(talk: Talk) -> None:
    talk.open()
    talk.bytes(raw(b"\x00\x53\x11\xc1\x01\x00"))
    talk.refused("close")


@row("2.3.2", IS, "A performative that goes on behind the end of its frame is refused", POLICING)
def truncated(talk: Talk) -> None:
    talk.open()
    talk.bytes(raw(BEGIN[:-2]))
    talk.refused("close")


@row("2.3.2", IS, "A performative may be named by its symbol instead of its number", TOLERANCE)
def symbolic_descriptor(talk: Talk) -> None:
    talk.open()
    talk.bytes(raw(b"\x00\xa3\x0famqp:begin:list" + BEGIN[3:]))
    assert talk.happened("session_remote_open")
    talk.lives()


@row("2.3.2", IS, "The number of a performative may be written in full", TOLERANCE)
def long_descriptor(talk: Talk) -> None:
    talk.open()
    talk.bytes(raw(b"\x00\x80" + bytes(7) + b"\x11" + BEGIN[3:]))
    assert talk.happened("session_remote_open")
    talk.lives()


@row("2.3.2", IS, "A performative's list may be written with wide sizes", TOLERANCE)
def wide_list(talk: Talk) -> None:
    talk.open()
    fields = b"\x40\x43\x52\x0a\x52\x0a"
    talk.bytes(raw(b"\x00\x53\x11\xd0" + struct.pack(">II", len(fields) + 4, 4) + fields))
    assert talk.happened("session_remote_open")
    talk.lives()


# -- 2.7.1 open ------------------------------------------------------------------------------------------------


@row("2.7.1", MUST, "The container-id is there")
def container_id(talk: Talk) -> None:
    assert talk.open().container_id == "engine"


@row("2.7.1", MUST, "An open without container-id is refused", POLICING)
def no_container_id(talk: Talk) -> None:
    talk.engine.open()
    talk.header().bytes(raw(b"\x00\x53\x10\xc0\x02\x01\x40"))
    talk.refused("close")


@row("2.7.1", IS, "The hostname is the one that the application told")
def hostname(talk: Talk) -> None:
    assert talk.open(mine={"hostname": "broker.example"}).hostname == "broker.example"


@row("2.7.1", IS, "The peer's container-id and hostname reach the application")
def names_arrive(talk: Talk) -> None:
    talk.open(container_id="p", hostname="h")
    connection = talk.engine.connection
    assert (connection.remote_container, connection.remote_hostname) == ("p", "h")


@row("2.7.1", IS, "The peer's capabilities and properties reach the application")
def extensions_arrive(talk: Talk) -> None:
    talk.open(offered_capabilities=[symbol("a"), symbol("b")], desired_capabilities=symbol("c"),
              properties={symbol("product"): "x"})
    connection = talk.engine.connection
    assert list(connection.remote_offered_capabilities) == ["a", "b"]
    assert list(connection.remote_desired_capabilities) == ["c"]
    assert dict(connection.remote_properties) == {"product": "x"}


@row("2.7.1", MUST, "No frame is larger than the peer's max-frame-size")
def remote_max_frame_size(talk: Talk) -> None:
    talk.open(max_frame_size=512)
    link = talk.sender(10)
    talk.engine.send(link, bytes(5000))
    talk.turn()
    assert sum(len(one.payload) for one in talk.heard("transfer")) == 5000
    assert max(len(part) for part in talk.parts()) <= 512


@row("2.7.1", IS, "Without a max-frame-size of the peer's there is no limit to what it takes")
def no_max_frame_size(talk: Talk) -> None:
    talk.open()
    link = talk.sender(10)
    talk.engine.send(link, bytes(300000))
    assert sum(len(one.payload) for one in talk.heard("transfer")) == 300000


@row("2.7.1", MUST, "A frame larger than the max-frame-size told closes the connection: framing-error", POLICING)
def oversized(talk: Talk) -> None:
    talk.open(mine={"max_frame_size": 1024})
    talk.receiver(10)
    head = len(frame("transfer", handle=0, delivery_id=0, delivery_tag=b"0", message_format=0))
    talk.transfer(bytes(1025 - head))
    talk.refused("close", FRAMING)


@row("2.7.1", MUST, "Frames of exactly the max-frame-size told are taken")
def exactly_the_largest(talk: Talk) -> None:
    talk.open(mine={"max_frame_size": 1024})
    talk.receiver(10)
    head = len(frame("transfer", handle=0, delivery_id=0, delivery_tag=b"0", message_format=0))
    talk.transfer(bytes(1024 - head))
    assert len(talk.arrived[0].payload) == 1024 - head


@row("2.7.1", MUST, "Every peer takes frames of 512 octets, also before open")
def smallest_largest(talk: Talk) -> None:
    talk.engine.open(max_frame_size=512)
    head = frame("open", container_id="")
    said = frame("open", container_id="c" * (512 - len(head) - 0))
    if len(said) > 512:
        said = frame("open", container_id="c" * (512 - len(head) - (len(said) - 512)))
    assert len(said) == 512
    talk.header().bytes(said)
    assert talk.happened("connection_remote_open")
    talk.lives()


@row("2.7.1", MUST, "The max-frame-size told is never below 512")
def told_at_least_512(talk: Talk) -> None:
    size = talk.open(mine={"max_frame_size": 100}).max_frame_size
    assert size is None or size >= 512


@row("2.7.1", IS, "A max-frame-size below 512 does no harm: what the peer has to say is still heard", TOLERANCE)
def tiny_max_frame_size(talk: Talk) -> None:
    talk.engine.open()
    talk.bytes(AMQP + frame("open", container_id="p", max_frame_size=100)
               + frame("close", error=None))
    assert talk.happened("connection_remote_close")


@row("2.7.1", MUST, "No channel is used above the peer's channel-max")
def remote_channel_max(talk: Talk) -> None:
    talk.open(channel_max=1)
    for _ in range(4):
        try:
            talk.engine.begin()
        except Exception:
            break  # it says that there is no room
    talk.turn()
    assert all(one.channel <= 1 for one in talk.all())


@row("2.7.1", MUST, "A channel above the channel-max told closes the connection: framing-error", POLICING)
def channel_too_high(talk: Talk) -> None:
    talk.open(mine={"channel_max": 3})
    talk.begin(4)
    talk.refused("close", FRAMING)


@row("2.7.1", MUST, "The same for a frame that is no begin", POLICING)
def flow_on_channel_too_high(talk: Talk) -> None:
    talk.open(mine={"channel_max": 3})
    talk.flow(channel=9)
    talk.refused("close", FRAMING)


@row("2.7.1", MUST, "The channel-max itself is a channel")
def highest_channel(talk: Talk) -> None:
    talk.open(mine={"channel_max": 3})
    talk.begin(3)
    assert talk.happened("session_remote_open")
    talk.lives()


@row("2.7.1", SHOULD, "Locales are symbols, where they are told at all")
def locales(talk: Talk) -> None:
    opened = talk.open()
    for one in (opened.outgoing_locales, opened.incoming_locales):
        assert one is None or all(isinstance(value, str) for value in one)


@row("2.7.1", IS, "Any locales of the peer's are taken", TOLERANCE)
def locales_are_taken(talk: Talk) -> None:
    talk.open(outgoing_locales=[symbol("de-DE"), symbol("en-US")], incoming_locales=symbol("fr-FR"))
    talk.lives()


@row("2.7.1", IS, "Fields of open that lie behind the last known one do no harm or are refused, but never misread",
     TOLERANCE)
def nulls_at_the_end(talk: Talk) -> None:
    talk.engine.open()
    talk.header().bytes(raw(b"\x00\x53\x10\xc0\x0d\x0a\xa1\x01p" + b"\x40" * 9))
    assert talk.engine.connection.remote_container == "p"
    talk.lives()


@row("2.7.1", MAY, "An open may be as short as its container-id", TOLERANCE)
def short_open(talk: Talk) -> None:
    talk.engine.open()
    talk.header().bytes(raw(b"\x00\x53\x10\xc0\x04\x01\xa1\x01p"))
    assert talk.engine.connection.remote_container == "p"
    talk.lives()


@row("2.7.1", MUST, "A field of another type than its own is refused", POLICING)
def wrong_type(talk: Talk) -> None:
    talk.engine.open()
    talk.header().bytes(raw(b"\x00\x53\x10\xc0\x07\x03\xa1\x01p\x40\x41\x40"[:11] + b"\x41"))
    talk.refused_anyhow()
