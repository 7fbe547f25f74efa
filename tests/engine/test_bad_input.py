"""Bad input: whatever a peer sends either parses or ends as much as it must, with the right condition on the wire
and on our side; what is outside of that goes on. Every case comes whole and byte by byte."""

from __future__ import annotations

import struct

import pytest

from reactor.codec.types import symbol, ubyte
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.connection import Connection
from reactor.engine.endpoints.delivery import Delivery
from reactor.engine.endpoints.disposition import REJECTED
from reactor.engine.endpoints.endpoint import LOCAL_ACTIVE, REMOTE_ACTIVE
from reactor.engine.events import Event
from reactor.engine.wire.reader import FrameReader
from reactor.engine.wire.transport import Transport
from reactor.errors import DataException
from tests.support.frames import AMQP, SASL, TLS, Peer, error, frame, performative, raw, read, split

OPEN = LOCAL_ACTIVE | REMOTE_ACTIVE
FRAMING = "amqp:connection:framing-error"
DECODE = "amqp:decode-error"
NOT_ALLOWED = "amqp:not-allowed"

PIECES = pytest.mark.parametrize("piece", [None, 1, 7], ids=["whole", "bytewise", "by-7"])


def list8(code, *encoded):
    """A performative whose fields are given as bytes, whatever they are."""
    body = b"".join(encoded)
    if len(body) < 255:
        return b"\x00\x53" + bytes([code, 0xC0, len(body) + 1, len(encoded)]) + body
    return b"\x00\x53" + bytes([code, 0xD0]) + struct.pack(">II", len(body) + 4, len(encoded)) + body


def begun(piece=None):
    """A server with two sessions (0, 1) and, in session 0, two receivers with credit (handles 0, 1) and a sender
    (handle 2): what is to be ended, and what must go on."""
    peer = Peer(Transport.SERVER, piece)
    peer.connection.open()
    peer.hello().begin(0).begin(1)
    for session in peer.connection.sessions(0):
        session.open()
    peer.attach("in", 0, role=False).attach("other", 1, role=False).attach("out", 2, role=True)
    for link in peer.connection.links(0):
        if link.is_receiver:
            link.flow(10)
        link.open()
    peer.flow(10, handle=2)
    peer.heard()
    peer.events()
    return peer


def ended_by(peer, condition):
    """The connection was closed because of this, and says so everywhere."""
    closes = [heard for heard in peer.heard() if heard.name == "close"]
    assert [close.error for close in closes] == [condition]
    assert peer.transport.condition.name == condition
    assert peer.connection.error is peer.transport.condition
    assert closes[0].fields["error"].value[1] == peer.transport.condition.description
    assert peer.transport.pending() == -1
    names = peer.event_names()
    assert names.count("pn_transport_error") == 1
    assert names[-1] == "pn_transport_closed"
    assert peer.transport.closed
    peer.transport.receive(b"what comes now is dropped")
    assert peer.events() == []


# -- what is no frame ----------------------------------------------------------------------------------------

NO_FRAMES = {
    "size 0": (struct.pack(">IBBH", 0, 2, 0, 0), FRAMING),
    "size below the header": (struct.pack(">IBBH", 7, 2, 0, 0), FRAMING),
    "data offset 0": (struct.pack(">IBBH", 8, 0, 0, 0), FRAMING),
    "data offset 1": (struct.pack(">IBBH", 8, 1, 0, 0), FRAMING),
    "data offset behind the frame": (struct.pack(">IBBH", 12, 4, 0, 0) + bytes(4), FRAMING),
    "too large": (struct.pack(">IBBH", 65537, 2, 0, 0), FRAMING),
    "as large as can be said": (struct.pack(">IBBH", 0xFFFFFFFF, 2, 0, 0), FRAMING),
    "type SASL": (raw(performative("flow"), kind=1), FRAMING),
    "type 2": (raw(kind=2), FRAMING),
    "another protocol header": (AMQP, FRAMING),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", FRAMING),
    "not described": (raw(b"\x45"), DECODE),
    "a described string": (raw(b"\x00\x53\x14\xa1\x01x"), DECODE),
    "a map for fields": (raw(b"\x00\x53\x13\xc1\x01\x00"), DECODE),
    "cut short": (raw(b"\x00\x53\x13"), DECODE),
    "a descriptor alone": (raw(b"\x00\x53"), DECODE),
    "an unknown descriptor": (raw(b"\x00\x53\x77\x45"), NOT_ALLOWED),
    "an unknown symbol": (raw(b"\x00\xa3\x03a:b\x45"), DECODE),
    "a descriptor that is a list": (raw(b"\x00\x45\x45"), DECODE),
    "a delivery state": (raw(b"\x00\x53\x24\x45"), NOT_ALLOWED),
    "a SASL performative": (raw(b"\x00\x53\x41\xc0\x04\x01\xa3\x01x"), NOT_ALLOWED),
    "a message section": (raw(b"\x00\x53\x70\x45"), NOT_ALLOWED),
    "an unknown constructor": (raw(list8(0x13, b"\x99")), DECODE),
    "a count without fields": (raw(b"\x00\x53\x13\xc0\x01\x05"), DECODE),
    "a count of billions": (raw(b"\x00\x53\x13\xd0\x00\x00\x00\x08\xff\xff\xff\xff\x43\x43\x43\x43"), DECODE),
    "a list of 4 GB": (raw(b"\x00\x53\x13\xd0\xff\xff\xff\xff\x00\x00\x00\x04\x43\x43\x43\x43"), DECODE),
    "a list longer than its count": (raw(b"\x00\x53\x13\xc0\x06\x04\x43\x43\x43\x43\x43"), DECODE),
    "a string of 4 GB": (raw(list8(0x17, b"\x00\x53\x1d\xc0\x0a\x02\xb3\xff\xff\xff\xffx\x40")), DECODE),
    "a symbol that is not ASCII": (
        raw(list8(0x12, b"\xa1\x01l", b"\x43", b"\x42", *[b"\x40"] * 6, b"\x43", b"\x40", b"\xa3\x02\xc3\xbc")),
        DECODE,
    ),
    "a name that is not UTF-8": (raw(list8(0x12, b"\xa1\x02\xff\xfe", b"\x43", b"\x42")), DECODE),
    "nested too deep": (
        raw(list8(0x13, *[b"\x43"] * 4, *[b"\x40"] * 6, b"\xc1\xf0\x02" + b"\xc0\xf0\x01" * 70)),
        DECODE,
    ),
}


@PIECES
@pytest.mark.parametrize("case", NO_FRAMES)
def test_what_is_no_frame_ends_the_connection(case, piece):
    data, condition = NO_FRAMES[case]
    peer = begun(piece)
    peer.say_bytes(data)
    ended_by(peer, condition)


def test_deep_nesting_is_refused_without_going_down_into_it():
    peer = begun()
    inner = b"\x45"
    for _ in range(5000):
        size = len(inner) + 4
        inner = b"\xd0" + struct.pack(">II", size, 1) + inner
    body = b"\x43" * 4 + b"\x40" * 6 + b"\xd1" + struct.pack(">II", len(inner) + 7, 2) + b"\xa3\x01k" + inner
    peer.say_bytes(raw(b"\x00\x53\x13\xd0" + struct.pack(">II", len(body) + 4, 11) + body))
    ended_by(peer, DECODE)


# -- headers -------------------------------------------------------------------------------------------------

HEADERS = {
    "HTTP": (b"HTTP/1.1 400 Bad Request\r\n", "HTTP"),
    "an HTTP request": (b"GET / HTTP/1.1\r\n", "HTTP"),
    "TLS client hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "TLS"),
    "TLS alert": (b"\x15\x03\x03\x00\x02\x02\x16", "TLS"),
    "AMQP 0-9-1": (b"AMQP\x00\x00\x09\x01", "not 1.0.0"),
    "AMQP 1.1": (b"AMQP\x00\x01\x01\x00", "not 1.0.0"),
    "AMQP with TLS": (TLS, "TLS"),
    "SSH": (b"SSH-2.0-OpenSSH", "no AMQP"),
    "zeros": (bytes(8), "no AMQP"),
    "one wrong byte": (b"X", "no AMQP"),
}


@PIECES
@pytest.mark.parametrize("mode", [Transport.CLIENT, Transport.SERVER], ids=["client", "server"])
@pytest.mark.parametrize("case", HEADERS)
def test_a_header_that_is_none(case, mode, piece):
    data, told = HEADERS[case]
    peer = Peer(mode, piece)
    peer.connection.open()
    peer.flush()
    peer.log.clear()
    peer.say_bytes(data)
    condition = peer.transport.condition
    assert condition.name == FRAMING
    if piece is None:
        assert told in condition.description
    assert peer.transport.closed
    assert peer.event_names().count("pn_transport_error") == 1
    if mode == Transport.SERVER:
        assert bytes(peer.log) in (AMQP, SASL), "it answers with what it does speak [2.2], and hangs up"
    else:
        assert [heard.name for heard in read(bytes(peer.log))] in ([], ["close"])


def test_a_client_that_insists_on_sasl_is_offered_none():
    peer = Peer()
    peer.transport.sasl()
    peer.connection.open()
    peer.flush()
    peer.say_bytes(AMQP)
    assert peer.transport.condition.name == FRAMING
    assert "SASL" in peer.transport.condition.description


def test_a_server_that_insists_on_sasl_is_offered_none():
    peer = Peer(Transport.SERVER)
    peer.transport.require_auth(True)
    peer.connection.open()
    peer.say_bytes(AMQP)
    assert peer.transport.condition.name == FRAMING
    assert bytes(peer.log) == SASL


# -- open, begin, close --------------------------------------------------------------------------------------


@PIECES
@pytest.mark.parametrize("name", ["begin", "attach", "flow", "transfer", "disposition", "detach", "end", "close"])
def test_anything_before_open(name, piece):
    fields = {
        "begin": {"next_outgoing_id": 0, "incoming_window": 1, "outgoing_window": 1},
        "attach": {"name": "x", "handle": 0, "role": True},
        "flow": {"incoming_window": 1, "next_outgoing_id": 0, "outgoing_window": 1},
        "transfer": {"handle": 0},
        "disposition": {"role": True, "first": 0},
        "detach": {"handle": 0},
    }.get(name, {})
    peer = Peer(Transport.SERVER, piece)
    peer.connection.open()
    peer.say_bytes(AMQP + frame(name, **fields))
    ended_by(peer, NOT_ALLOWED)


def test_an_error_before_our_open_is_told_behind_an_open():
    """A close must not come before an open [2.4.1]."""
    peer = Peer(Transport.SERVER)
    peer.say_bytes(AMQP + frame("close"))
    assert [heard.name for heard in peer.heard()] == ["open", "close"]


@PIECES
def test_a_second_open(piece):
    peer = begun(piece)
    peer.say("open", container_id="again")
    ended_by(peer, NOT_ALLOWED)


def test_an_open_without_its_container():
    peer = Peer(Transport.SERVER)
    peer.connection.open()
    peer.say_bytes(AMQP + raw(list8(0x10, b"\x40", b"\xa1\x01h")))
    ended_by(peer, DECODE)


@pytest.mark.parametrize("size", [0, 1, 511])
def test_frames_smaller_than_everybody_takes_count_as_those(size):
    """A broker that refuses may say 0 there, and its reason stands behind it [2.3.1]."""
    peer = Peer(Transport.CLIENT)
    peer.connection.open()
    peer.flush()
    opened = frame("open", container_id="peer", max_frame_size=size)
    closed = frame("close", error=error("amqp:unauthorized-access", "no such user"))
    peer.say_bytes(AMQP + opened + closed)
    assert peer.transport.remote_max_frame_size == 512
    assert peer.connection.remote_condition == Condition("amqp:unauthorized-access", "no such user")
    assert peer.transport.condition is None and peer.connection.error is None


FAULTS = {
    "a frame that does not decode": raw(b"\x00\x53\x11\xc0\x05\x01\x99"),
    "a session that there is not": frame("end", 7),
    "a second open": frame("open", container_id="again"),
    "a performative that there is not": raw(b"\x00\x53\x77\x45"),
    "a session fault of no session": frame("transfer", 9, handle=0),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "between", [b"", raw(), frame("begin", 3, next_outgoing_id=0, incoming_window=1, outgoing_window=1)]
)
def test_a_reason_behind_a_fault_says_more_than_the_fault(fault, between):
    peer = Peer.client()
    peer.say_bytes(FAULTS[fault] + between + frame("close", error=error("amqp:not-allowed", "go away")))
    assert peer.connection.remote_condition == Condition("amqp:not-allowed", "go away")
    assert peer.transport.condition is None
    peer.connection.close()
    assert [one.name for one in peer.heard()] == ["close"]


@pytest.mark.parametrize(
    "behind", [b"", frame("close"), raw(b"\x00\x53\x18\xc0\x05\x01\x99"), raw(kind=1), b"\0\0\0\x20\2\0"]
)
def test_without_a_reason_behind_it_the_fault_is_told(behind):
    peer = Peer.client()
    peer.say_bytes(FAULTS["a second open"] + behind)
    ended_by(peer, NOT_ALLOWED)


def test_the_reason_of_a_session_or_link_says_more_than_the_fault_before_it():
    peer = Peer.client()
    sender = peer.sender()
    bad = frame("transfer", handle=0, delivery_id=0, delivery_tag=b"t")
    peer.say_bytes(bad + frame("detach", handle=0, closed=True, error=error("amqp:resource-deleted", "gone")))
    [told] = [event.link for event in peer.events() if event.type is Event.LINK_REMOTE_CLOSE]
    assert told is sender and told.remote_condition.name == "amqp:resource-deleted"
    assert sender.remote_condition.description == "gone"
    session = peer.session
    bad = frame("flow", handle=9, next_incoming_id=0, incoming_window=9, next_outgoing_id=0, outgoing_window=9)
    peer.say_bytes(bad + frame("end", error=error("amqp:not-allowed", "no more")))
    [told] = [event.session for event in peer.events() if event.type is Event.SESSION_REMOTE_CLOSE]
    assert told is session and told.remote_condition.name == "amqp:not-allowed"
    assert session.remote_condition.description == "no more"
    assert [one.name for one in peer.heard()][-1] == "end"


@pytest.mark.parametrize("name", ["flow", "transfer", "end", "disposition"])
def test_a_channel_above_the_largest_is_a_framing_error(name):
    """[2.7.1], also of frames that begin no session."""
    fields = {
        "flow": {"next_incoming_id": 0, "incoming_window": 9, "next_outgoing_id": 0, "outgoing_window": 9},
        "transfer": {"handle": 0},
        "disposition": {"role": True, "first": 0},
        "end": {},
    }[name]
    peer = Peer.client()
    peer.say(name, peer.transport.channel_max + 1, **fields)
    ended_by(peer, "amqp:connection:framing-error")
    peer = Peer.client()
    peer.say(name, peer.transport.channel_max, **fields)
    ended_by(peer, NOT_ALLOWED)


# -- bytes one by one cost no more than all at once ----------------------------------------------------------


@pytest.fixture
def joined(monkeypatch):
    """Feeds a transport byte by byte; returns how many bytes were put together meanwhile."""
    begun = FrameReader._begun
    sizes = []

    def count(reader, data):
        whole = begun(reader, data)
        sizes.append(len(whole))
        return whole

    monkeypatch.setattr(FrameReader, "_begun", count)

    def feed(transport, data):
        for number in range(len(data)):
            transport.receive(data[number : number + 1])
        return sum(sizes)

    return feed


def test_a_sasl_frame_that_comes_byte_by_byte_is_put_together_once(joined):
    transport = Transport(Transport.SERVER)
    transport.sasl().allowed_mechs("PLAIN")
    body = performative("sasl-init", mechanism=symbol("PLAIN"), initial_response=b"\0u\0" + b"x" * 5000)
    assert joined(transport, SASL + raw(body, kind=1)) < 3 * len(body)


def test_a_frame_that_comes_byte_by_byte_before_there_is_a_connection_is_put_together_once(joined):
    transport = Transport(Transport.SERVER)
    opened = frame("open", container_id="x" * 5000)
    assert joined(transport, AMQP + opened) < 3 * len(opened)
    connection = Connection()
    transport.bind(connection)
    assert connection.remote_container == "x" * 5000


@PIECES
def test_a_begin_where_a_session_is(piece):
    peer = begun(piece)
    peer.begin(0)
    ended_by(peer, NOT_ALLOWED)


def test_a_begin_that_answers_nothing():
    peer = begun()
    peer.begin(5, remote_channel=77)
    ended_by(peer, NOT_ALLOWED)


def test_a_begin_that_answers_twice():
    peer = Peer.client()
    peer.begin(7, remote_channel=0)
    ended_by(peer, NOT_ALLOWED)


def test_a_channel_above_what_was_told():
    peer = Peer(Transport.SERVER)
    peer.transport.channel_max = 3
    peer.connection.open()
    peer.hello().begin(3)
    assert peer.transport.condition is None
    peer.begin(4)
    ended_by(peer, FRAMING)


def test_more_sessions_than_the_peer_can_have_answered():
    peer = Peer(Transport.SERVER)
    peer.connection.open()
    peer.hello(channel_max=0).begin(0).begin(1)
    ended_by(peer, "amqp:resource-limit-exceeded")


@PIECES
@pytest.mark.parametrize("name", ["attach", "flow", "transfer", "disposition", "detach", "end"])
def test_a_channel_where_no_session_is(name, piece):
    fields = {
        "attach": {"name": "x", "handle": 0, "role": True},
        "flow": {"incoming_window": 1, "next_outgoing_id": 0, "outgoing_window": 1},
        "transfer": {"handle": 0},
        "disposition": {"role": True, "first": 0},
        "detach": {"handle": 0},
    }.get(name, {})
    peer = begun(piece)
    peer.say(name, 9, **fields)
    ended_by(peer, NOT_ALLOWED)


# -- fields --------------------------------------------------------------------------------------------------

FIELDS = {
    "open: max-frame-size is a string": list8(0x10, b"\xa1\x01c", b"\x40", b"\xa1\x013"),
    "begin: window is null": list8(0x11, b"\x40", b"\x43", b"\x40", b"\x43"),
    "begin: window is a boolean": list8(0x11, b"\x40", b"\x43", b"\x41", b"\x43"),
    "begin: too few": list8(0x11, b"\x40", b"\x43"),
    "begin: properties is a list": list8(0x11, b"\x40", b"\x43", b"\x43", b"\x43", b"\x40", b"\x40", b"\x40", b"\x45"),
    "begin: too many": list8(0x11, b"\x40", b"\x43", b"\x43", b"\x43", *[b"\x40"] * 4, b"\x41"),
    "begin: remote-channel too large": list8(0x11, b"\x70\x00\x01\x00\x00", b"\x43", b"\x43", b"\x43"),
    "attach: nothing": list8(0x12),
    "attach: name is binary": list8(0x12, b"\xa0\x01x", b"\x52\x09", b"\x41"),
    "attach: no role": list8(0x12, b"\xa1\x01x", b"\x52\x09"),
    "attach: handle is negative": list8(0x12, b"\xa1\x01x", b"\x54\xff", b"\x41"),
    "attach: source is a string": list8(0x12, b"\xa1\x01x", b"\x52\x09", b"\x41", b"\x40", b"\x40", b"\xa1\x01q"),
    "attach: source is a target": list8(
        0x12, b"\xa1\x01x", b"\x52\x09", b"\x41", b"\x40", b"\x40", b"\x00\x53\x29\x45"
    ),
    "attach: source is nobody's": list8(
        0x12, b"\xa1\x01x", b"\x52\x09", b"\x41", b"\x40", b"\x40", b"\x00\x53\x99\x45"
    ),
    "attach: address is a list": list8(
        0x12, b"\xa1\x01x", b"\x52\x09", b"\x41", b"\x40", b"\x40", b"\x00\x53\x28\xc0\x02\x01\x45"
    ),
    "attach: timeout is a string": list8(
        0x12, b"\xa1\x01x", b"\x52\x09", b"\x41", b"\x40", b"\x40", b"\x00\x53\x28\xc0\x07\x04\x40\x40\x40\xa1\x015"
    ),
    "attach: unsettled is a list": list8(0x12, b"\xa1\x01x", b"\x52\x09", b"\x41", *[b"\x40"] * 4, b"\x45"),
    "flow: no windows": list8(0x13),
    "flow: credit is a string": list8(0x13, b"\x43", b"\x43", b"\x43", b"\x43", b"\x43", b"\x43", b"\xa1\x015"),
    "flow: drain is an int": list8(0x13, *[b"\x43"] * 9),
    "transfer: no handle": list8(0x14, b"\x40", b"\x43", b"\xa0\x01t"),
    "transfer: tag is a string": list8(0x14, b"\x43", b"\x43", b"\xa1\x01t"),
    "transfer: id is 64 bits": list8(0x14, b"\x43", b"\x80" + b"\xff" * 8, b"\xa0\x01t"),
    "transfer: settled is null's neighbour": list8(0x14, b"\x43", b"\x43", b"\xa0\x01t", b"\x43", b"\x56\x02"),
    "transfer: state is a string": list8(
        0x14, b"\x43", b"\x43", b"\xa0\x01t", b"\x43", b"\x42", b"\x42", b"\x40", b"\xa1\x01x"
    ),
    "transfer: state has a list for a descriptor": list8(
        0x14, b"\x43", b"\x43", b"\xa0\x01t", b"\x43", b"\x42", b"\x42", b"\x40", b"\x00\x45\x45"
    ),
    "transfer: too many": list8(0x14, b"\x43", b"\x43", b"\xa0\x01t", *[b"\x40"] * 8, b"\x41"),
    "disposition: no role": list8(0x15, b"\x40", b"\x43"),
    "disposition: first is a string": list8(0x15, b"\x41", b"\xa1\x010"),
    "disposition: state is a list": list8(0x15, b"\x41", b"\x43", b"\x40", b"\x41", b"\x45"),
    "disposition: state has a map for a descriptor": list8(
        0x15, b"\x41", b"\x43", b"\x40", b"\x41", b"\x00\xc1\x01\x00\x45"
    ),
    "disposition: rejected with a string": list8(
        0x15, b"\x41", b"\x43", b"\x40", b"\x41", b"\x00\x53\x25\xc0\x04\x01\xa1\x01x"
    ),
    "disposition: modified with strings": list8(
        0x15, b"\x41", b"\x43", b"\x40", b"\x41", b"\x00\x53\x27\xc0\x04\x01\xa1\x01x"
    ),
    "detach: no handle": list8(0x16),
    "detach: closed is a string": list8(0x16, b"\x43", b"\xa1\x01x"),
    "detach: error is a string": list8(0x16, b"\x43", b"\x41", b"\xa1\x01x"),
    "end: error is a list": list8(0x17, b"\x45"),
    "end: too many": list8(0x17, b"\x40", b"\x41"),
    "close: error has no condition": list8(0x18, b"\x00\x53\x1d\x45"),
}


@PIECES
@pytest.mark.parametrize("case", FIELDS)
def test_fields_that_are_not_the_specification_s(case, piece):
    body = FIELDS[case]
    if case.startswith("open"):
        peer = Peer(Transport.SERVER, piece)
        peer.connection.open()
        peer.say_bytes(AMQP)
    else:
        peer = begun(piece)
    peer.say_bytes(raw(body))
    ended_by(peer, DECODE)


@PIECES
@pytest.mark.parametrize(
    "body",
    [
        list8(0x15, b"\x56\x01", b"\x70\x00\x00\x00\x00", b"\x43", b"\x56\x00", b"\x40"),
        b"\x00\x80\x00\x00\x00\x00\x00\x00\x00\x15\xd0\x00\x00\x00\x06\x00\x00\x00\x02\x41\x43",
        b"\x00\xa3\x15amqp:disposition:list\xc0\x03\x02\x41\x43",
        list8(0x15, b"\x41", b"\x43", b"\x40", b"\x40", b"\x40", b"\x40"),
    ],
    ids=["wide", "wider", "symbolic", "nulls"],
)
def test_forms_that_are_rare_and_right(body, piece):
    peer = begun(piece)
    peer.say_bytes(raw(body))
    peer.say_bytes(raw(body, offset=2))
    assert peer.transport.condition is None


@PIECES
def test_an_extended_header_is_skipped(piece):
    peer = begun(piece)
    body = performative("flow", next_incoming_id=0, incoming_window=9, next_outgoing_id=0, outgoing_window=0)
    peer.say_bytes(struct.pack(">IBBH", 16 + len(body), 4, 0, 0) + b"extended" + body)
    peer.say_bytes(struct.pack(">IBBH", 16, 4, 0, 0) + b"extended")
    assert peer.transport.condition is None
    assert peer.session.channel.outgoing.remote_incoming_window == 9


# -- what ends a session -------------------------------------------------------------------------------------

SESSION = {
    "transfer on a handle that is not attached": (
        frame("transfer", handle=9, delivery_id=0, delivery_tag=b"t"),
        "amqp:session:unattached-handle",
    ),
    "flow on a handle that is not attached": (
        frame("flow", incoming_window=1, next_outgoing_id=0, outgoing_window=1, handle=9, link_credit=5),
        "amqp:session:unattached-handle",
    ),
    "detach of a handle that is not attached": (frame("detach", handle=9), "amqp:session:unattached-handle"),
    "attach on a handle that is in use": (
        frame("attach", name="new", handle=0, role=True),
        "amqp:session:handle-in-use",
    ),
    "attach with a sender's settle mode that there is not": (
        frame("attach", name="new", handle=7, role=True, snd_settle_mode=ubyte(3)),
        "amqp:invalid-field",
    ),
    "attach with a receiver's settle mode that there is not": (
        frame("attach", name="new", handle=7, role=True, rcv_settle_mode=ubyte(2)),
        "amqp:invalid-field",
    ),
    "the first transfer of a delivery without an id": (
        frame("transfer", handle=0, delivery_tag=b"t"),
        "amqp:invalid-field",
    ),
    "the first transfer of a delivery without a tag": (
        frame("transfer", handle=0, delivery_id=0),
        "amqp:invalid-field",
    ),
    "an id that is in use": (
        frame("transfer", handle=0, delivery_id=3, delivery_tag=b"a")
        + frame("transfer", handle=1, delivery_id=3, delivery_tag=b"b"),
        "amqp:invalid-field",
    ),
    "a delivery within another": (
        frame("transfer", handle=0, delivery_id=3, delivery_tag=b"a", more=True)
        + frame("transfer", handle=0, delivery_id=4, delivery_tag=b"b"),
        "amqp:invalid-field",
    ),
    "outcomes backwards": (frame("disposition", role=True, first=7, last=3), "amqp:invalid-field"),
}


@PIECES
@pytest.mark.parametrize("case", SESSION)
def test_what_ends_a_session(case, piece):
    data, condition = SESSION[case]
    peer = begun(piece)
    session, other = peer.connection.sessions(0)
    peer.say_bytes(data)
    end = peer.heard_one("end")
    assert (end.error, end.channel) == (condition, 0)
    told = (Event.SESSION_REMOTE_CLOSE, session)
    assert [(event.type, event.context) for event in peer.events()].count(told) == 1, "at once: it may never answer"
    assert session.condition.name == session.remote_condition.name == condition
    assert peer.transport.condition is None
    # What is still under way on this session is passed over, whatever it is.
    peer.flow(5, handle=50).transfer(b"x", 90)
    assert peer.heard() == []
    # The other one goes on.
    peer.events()
    peer.attach("elsewhere", 0, role=False, channel=1)
    link = next(link for link in other.links())
    link.flow(1)
    link.open()
    peer.transfer(b"good", 0, channel=1)
    assert link.current.take() == b"good"
    assert peer.connection.state == other.state == OPEN
    # The peer answers, and the channel can be used again.
    peer.say("end")
    assert told not in [(event.type, event.context) for event in peer.events()]
    assert session not in list(peer.connection.sessions(0))
    peer.begin(0)
    assert peer.transport.condition is None


# -- what ends a link ----------------------------------------------------------------------------------------


def too_much_credit(peer):
    link = next(peer.connection.links(0))
    for number in range(link.credit + 1):
        peer.transfer(b"x", number)


def too_large(peer):
    link = next(peer.connection.links(0))
    link.max_message_size = 10
    peer.transfer(b"12345", 0, more=True)
    peer.transfer(b"12345", None)
    peer.transfer(b"12345", 1, more=True)
    peer.transfer(b"123456", None, more=True)
    peer.transfer(b"in flight", None)


def too_large_at_once(peer):
    next(peer.connection.links(0)).max_message_size = 3
    peer.transfer(b"123", 0).transfer(b"1234", 1)


LINK = {
    "more transfers than credit": (too_much_credit, 0, "amqp:link:transfer-limit-exceeded"),
    "a message too large": (too_large, 0, "amqp:link:message-size-exceeded"),
    "a message too large in one frame": (too_large_at_once, 0, "amqp:link:message-size-exceeded"),
    "a transfer to a sender": (lambda peer: peer.transfer(b"x", 0, handle=2), 2, NOT_ALLOWED),
}


@PIECES
@pytest.mark.parametrize("case", LINK)
def test_what_ends_a_link(case, piece):
    act, handle, condition = LINK[case]
    peer = begun(piece)
    links = list(peer.connection.links(0))
    link, other = links[handle], links[1]
    act(peer)
    detach = peer.heard_one("detach")
    assert (detach.error, detach.closed, detach.handle) == (condition, True, link.handle_out)
    assert link.condition.name == link.remote_condition.name == condition
    told = (Event.LINK_REMOTE_CLOSE, link)
    assert [(event.type, event.context) for event in peer.events()].count(told) == 1, "at once: it may never answer"
    peer.transfer(b"passed over", 70, handle=handle)
    peer.transfer(b"good", 71, handle=1)
    assert other.current.take() == b"good"
    assert peer.connection.state == other.state == other.session.state == OPEN
    peer.events()
    peer.say("detach", handle=handle, closed=True)
    assert told not in [(event.type, event.context) for event in peer.events()]
    assert link.remote_condition.name == condition, "the peer's bare answer does not hide the reason"
    peer.attach("again", handle, role=False)
    assert peer.transport.condition is None


def test_a_handle_above_what_was_told():
    peer = Peer(Transport.SERVER)
    peer.connection.open()
    peer.hello().begin()
    session = peer.session
    session.handle_max = 3
    session.open()
    peer.attach("ok", 3)
    assert peer.transport.condition is None
    peer.attach("bad", 4)
    ended_by(peer, FRAMING)  # [2.7.2]


def test_flow_for_a_link_before_we_have_attached_it():
    """Legal: a peer that pipelines grants credit right behind its attach."""
    peer = Peer.server()
    peer.attach("early", 0, role=True).flow(5)
    link = next(peer.connection.links(0))
    link.open()
    assert link.credit == 5
    link.transmit(b"x")
    assert [heard.name for heard in peer.heard()] == ["attach", "transfer"]


# -- bounded work --------------------------------------------------------------------------------------------


def test_a_flow_that_promises_everything():
    peer = begun()
    sender = list(peer.connection.links(0))[2]
    peer.flow(0xFFFFFFFF, handle=2, incoming_window=0xFFFFFFFF, delivery_count=0xFFFFFFFF)
    assert 0 <= sender.credit <= 0xFFFFFFFF
    peer.flow(0xFFFFFFFF, handle=2, incoming_window=0xFFFFFFFF, delivery_count=1, echo=True)
    assert peer.heard_one("flow").link_credit == 0xFFFFFFFF
    sender.transmit(b"x")
    assert peer.heard_one("transfer").payload == b"x"
    assert peer.transport.condition is None


def test_a_flow_that_takes_everything():
    peer = begun()
    receiver = next(peer.connection.links(0))
    peer.say("flow", next_incoming_id=0, incoming_window=0, next_outgoing_id=0, outgoing_window=0,
             handle=0, delivery_count=0x7FFFFFFF, link_credit=0, drain=True)  # fmt: skip
    assert receiver.credit == 0
    receiver.flow(3)
    peer.say("flow", next_incoming_id=0, incoming_window=5, next_outgoing_id=0, outgoing_window=0)
    assert peer.heard_one("flow").link_credit == 3
    assert peer.transport.condition is None


def test_messages_that_do_not_decode_are_the_application_s():
    """The engine carries bytes; what is in them is found out by whoever reads them."""
    peer = begun()
    peer.transfer(b"\xff\xff\xff garbage")
    assert next(peer.connection.links(0)).current.take() == b"\xff\xff\xff garbage"
    assert peer.transport.condition is None


def test_conditions_that_are_odd_are_still_told():
    peer = begun()
    peer.say("end", error=error("x:own-condition", "text"))
    assert peer.session.remote_condition.name == "x:own-condition"


def test_an_error_that_cannot_be_written_raises_at_the_call():
    peer = begun()
    endpoints = [next(peer.connection.links(0)), peer.session, peer.connection]
    for endpoint in endpoints:
        endpoint.condition = Condition("x:y", "text", {"bad": object()})
        with pytest.raises(DataException):
            endpoint.close()
        assert endpoint.state == OPEN
    assert peer.heard() == []
    delivery = Delivery(endpoints[0], endpoints[0].channel, b"t", 0, None)
    delivery.local.condition = Condition("x:y", "text", {"bad": object()})
    with pytest.raises(DataException):
        delivery.settle_with(REJECTED)


def test_what_an_error_says_is_cut_to_the_peer_s_frames():
    """A close that is too long for the peer would be answered by nothing but a broken wire."""
    peer = Peer(Transport.SERVER)
    peer.connection.open()
    peer.hello(max_frame_size=512).begin()
    peer.session.open()
    peer.heard()
    peer.connection.condition = "amqp:internal-error"
    peer.connection.condition.description = "x" * 3000
    peer.connection.condition.info = {symbol("long"): "y" * 3000}
    peer.session.condition = peer.connection.condition
    peer.session.close()
    peer.connection.close()
    peer.log.clear()
    peer.flush()
    assert max(len(part) for part in split(bytes(peer.log))) <= 512
    end, close = peer.heard()
    assert end.error == close.error == "amqp:internal-error"
    assert close.fields["error"].value[1].startswith("xxx")


def test_an_attach_too_large_for_the_peer_fails_here():
    def attach(most):
        peer = Peer.client(open={"max_frame_size": most})
        peer.log.clear()
        link = peer.session.sender("large")
        link.properties = {"p": "x" * 600}
        link.open()
        peer.flush()
        return peer, link

    peer, _ = attach(5000)
    size = len(peer.log)
    peer, link = attach(size)
    assert peer.heard_one("attach").fields["name"] == "large" and link.remote_condition is None
    peer, link = attach(size - 1)
    assert peer.heard() == []
    assert "pn_link_remote_close" in peer.event_names()
    assert link.remote_condition.name == "amqp:frame-size-too-small"
    assert "takes %d bytes to attach; the peer takes %d" % (size, size - 1) in link.remote_condition.description
