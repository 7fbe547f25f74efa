"""Rows of [2.2] version negotiation and [2.4] connections: opening, closing, idle time-out, states."""

from __future__ import annotations

import struct

from tests.conformance.table import IS, MAY, MUST, POLICING, SHOULD, TOLERANCE, row
from tests.conformance.talk import AMQP, CLIENT, FRAMING, SASL, SERVER, TLS, Talk, error, frame, raw

ONLY_CLIENT, ONLY_SERVER = (CLIENT,), (SERVER,)


# -- 2.2 version negotiation -----------------------------------------------------------------------------------


@row("2.2", MUST, "The protocol header comes before any frame")
def header_first(talk: Talk) -> None:
    talk.open()
    assert talk.parts()[0] == AMQP and len(talk.headers()) == 1


@row("2.2", MUST, "The header is AMQP, protocol id 0 and version 1.0.0 in eight octets")
def header_octets(talk: Talk) -> None:
    talk.open()
    assert bytes(talk.output[:8]) == b"AMQP\x00\x01\x00\x00"


@row("2.2", MUST, "A client sends its header at once, before it has read anything", roles=ONLY_CLIENT)
def client_speaks_first(talk: Talk) -> None:
    talk.engine.open()
    talk.turn()
    assert talk.parts()[0] == AMQP


@row("2.2", MAY, "A server may wait for the client's header", roles=ONLY_SERVER)
def server_waits(talk: Talk) -> None:
    talk.engine.open()
    talk.turn()
    assert not talk.output
    talk.header()
    assert talk.parts()[0] == AMQP


@row("2.2", MUST, "A server answers a version that it speaks with the same header and goes on", roles=ONLY_SERVER)
def server_agrees(talk: Talk) -> None:
    talk.header().say("open", container_id="peer")
    assert talk.headers() == [AMQP] and talk.one("open")
    talk.lives()


def _header_refused(talk: Talk, said: bytes) -> None:
    talk.engine.open()
    talk.bytes(said)
    assert talk.headers() and talk.headers()[0] in (AMQP, SASL, TLS), "no header that is right was sent"
    assert len(talk.parts()) == 1, "frames follow the header"
    assert talk.engine.has_ended, "the outgoing stream stays open"


@row("2.2", MUST, "A server answers a version that it does not speak with one that it does, and closes",
     POLICING, ONLY_SERVER)
def other_version(talk: Talk) -> None:
    _header_refused(talk, b"AMQP\x00\x02\x00\x00")


@row("2.2", MUST, "The same for a lower version, where none is lower or equal", POLICING, ONLY_SERVER)
def lower_version(talk: Talk) -> None:
    _header_refused(talk, b"AMQP\x00\x00\x09\x01")


@row("2.2", MUST, "What is no header at all is answered with a header that is right, and the close of the socket",
     POLICING, ONLY_SERVER)
def no_header(talk: Talk) -> None:
    _header_refused(talk, b"GET / HTTP/1.1\r\n\r\n")


@row("2.2", MUST, "A protocol id that it does not take is answered with one that it does, and the close of the socket",
     POLICING, ONLY_SERVER)
def other_protocol_id(talk: Talk) -> None:
    talk.engine.open()
    talk.bytes(b"AMQP\x07\x01\x00\x00")
    assert talk.headers() and talk.headers()[0][:4] == b"AMQP" and talk.headers()[0][4] in (0, 2, 3)
    assert talk.engine.has_ended


@row("2.2", MUST, "A client closes its outgoing stream when the server's header is another one", POLICING, ONLY_CLIENT)
def client_mismatch(talk: Talk) -> None:
    talk.engine.open()
    talk.turn()
    talk.bytes(b"AMQP\x00\x00\x09\x01")
    assert talk.engine.has_ended


@row("2.2", IS, "A client does not go on with frames behind a header that is another one", POLICING, ONLY_CLIENT)
def client_says_nothing_more(talk: Talk) -> None:
    talk.engine.open()
    talk.turn()
    talk.bytes(b"AMQP\x00\x02\x00\x00" + frame("open", container_id="peer"))
    talk.engine.begin()
    assert [one.name for one in talk.heard()][:2] in ([], ["open"], ["open", "close"])
    assert talk.headers() == [AMQP]


@row("2.2", IS, "The header may come octet by octet", TOLERANCE)
def header_in_pieces(talk: Talk) -> None:
    talk.engine.open()
    for one in AMQP + frame("open", container_id="peer"):
        talk.bytes(bytes((one,)))
    assert talk.one("open")
    talk.lives()


# -- 2.4.1 opening ---------------------------------------------------------------------------------------------


@row("2.4.1", MUST, "The first frame is an open")
def open_first(talk: Talk) -> None:
    talk.session()
    assert talk.all()[0].name == "open"


@row("2.4.1", MUST, "Open goes on channel 0")
def open_on_channel_0(talk: Talk) -> None:
    assert talk.open().channel == 0


@row("2.4.1", MUST, "Open is sent once")
def open_once(talk: Talk) -> None:
    talk.sender(1)
    assert len(talk.all("open")) == 1


@row("2.4.1", MUST, "A frame before open is refused", POLICING)
def begin_before_open(talk: Talk) -> None:
    talk.engine.open()
    talk.header().begin()
    assert talk.engine.has_ended
    assert talk.all("close") and talk.all("close")[0].error


@row("2.4.1", IS, "A second open is refused", POLICING)
def second_open(talk: Talk) -> None:
    talk.open()
    talk.say("open", container_id="again")
    talk.refused("close")


@row("2.4.1", MUST, "Before open has come nothing goes out that is longer than 512 octets or above channel 0")
def small_before_open(talk: Talk) -> None:
    talk.engine.open()
    if not talk.is_client:
        talk.header()
    talk.engine.sender(talk.engine.begin(), "l" * 600)
    talk.turn()
    assert talk.all("open")
    for part in talk.parts():
        assert part[:4] == b"AMQP" or len(part) <= 512, f"a frame of {len(part)} octets"
        assert part[:4] == b"AMQP" or part[6:8] == b"\x00\x00"


# -- 2.4.2 pipelined open --------------------------------------------------------------------------------------


@row("2.4.2", MAY, "Header, open and what follows may come in one piece", TOLERANCE)
def pipelined(talk: Talk) -> None:
    talk.engine.open()
    begin = frame("begin", next_outgoing_id=0, incoming_window=10, outgoing_window=10)
    attach = frame("attach", name="l", handle=0, role=True)
    talk.bytes(AMQP + frame("open", container_id="peer") + begin + attach)
    assert [one.name for one in talk.heard()] == ["open", "begin", "attach"]
    talk.lives()


@row("2.4.2", MAY, "Header, open and close in one piece are read to the end, and answered", TOLERANCE)
def pipelined_close(talk: Talk) -> None:
    talk.engine.open()
    talk.bytes(AMQP + frame("open", container_id="peer") + frame("close"))
    assert [one.name for one in talk.all()] == ["open", "close"]
    assert not talk.all("close")[0].error


# -- 2.4.3 closing ---------------------------------------------------------------------------------------------


@row("2.4.3", MUST, "A close is written before the connection is closed")
def close_is_written(talk: Talk) -> None:
    talk.open()
    talk.engine.close()
    assert talk.one("close")


@row("2.4.3", MUST, "The close carries the reason when there is one")
def close_with_reason(talk: Talk) -> None:
    talk.open()
    talk.engine.close("amqp:not-allowed", "because")
    close = talk.one("close")
    assert close.error == "amqp:not-allowed" and close.fields["error"].value[1] == "because"


@row("2.4.3", MUST, "Nothing is written behind a close")
def nothing_behind_close(talk: Talk) -> None:
    link = talk.sender(10)
    talk.engine.close()
    talk.turn()
    for act in (lambda: talk.engine.begin(), lambda: talk.engine.send(link), lambda: link.close()):
        try:
            act()
        except Exception:
            continue  # it says that it is too late
    talk.turn()
    talk.flow(5).say("begin", 1, next_outgoing_id=0, incoming_window=1, outgoing_window=1)
    assert talk.all()[-1].name == "close"


@row("2.4.3", SHOULD, "After its close an engine reads on until the peer's close")
def reads_on_after_close(talk: Talk) -> None:
    talk.open()
    talk.engine.close()
    talk.turn()
    talk.say("close", error=error("amqp:connection:forced"))
    assert talk.engine.condition(talk.engine.connection) == "amqp:connection:forced"


@row("2.4.3", SHOULD, "Close goes on channel 0")
def close_on_channel_0(talk: Talk) -> None:
    talk.session()
    talk.engine.close()
    assert talk.one("close").channel == 0


@row("2.4.3", MAY, "A close may come on any channel that was agreed on", TOLERANCE)
def close_on_other_channel(talk: Talk) -> None:
    talk.open()
    talk.say("close", 5)
    assert talk.one("close").error is None


@row("2.4.3", MUST, "A close of the peer's is answered by a close")
def close_is_answered(talk: Talk) -> None:
    talk.open()
    talk.say("close")
    assert talk.one("close").error is None
    assert talk.engine.has_ended


@row("2.4.3", IS, "The reason of the peer's close reaches the application")
def reason_arrives(talk: Talk) -> None:
    talk.open()
    talk.say("close", error=error("amqp:connection:forced", "maintenance"))
    condition = talk.engine.connection.remote_condition
    assert (condition.name, condition.description) == ("amqp:connection:forced", "maintenance")


@row("2.4.3", SHOULD, "Input behind the peer's close is not looked at any more", TOLERANCE)
def input_behind_close(talk: Talk) -> None:
    talk.open()
    talk.bytes(frame("close") + b"\x00\x00\x00\x01garbage")
    assert [one.error for one in talk.all("close")] == [None]


@row("2.4.3", IS, "An end of the stream without a close is a loss that the application hears of", POLICING)
def hang_up(talk: Talk) -> None:
    talk.open()
    talk.hang_up()
    assert talk.happened("transport_error")
    assert not talk.happened("connection_remote_close")


# -- 2.4.4 simultaneous close ----------------------------------------------------------------------------------


@row("2.4.4", IS, "Two closes that cross end the connection like one and its answer")
def closes_cross(talk: Talk) -> None:
    talk.open()
    talk.engine.close()
    talk.engine.receive(frame("close"))
    talk.turn()
    assert [one.error for one in talk.all("close")] == [None]
    assert talk.engine.has_ended and talk.happened("connection_remote_close")


# -- 2.4.5 idle time-out ---------------------------------------------------------------------------------------


@row("2.4.5", SHOULD, "The idle-time-out in open is half of the own threshold")
def half_is_told(talk: Talk) -> None:
    assert talk.open(mine={"idle_timeout": 8}).idle_time_out == 4000


@row("2.4.5", IS, "Without a threshold no idle-time-out is told")
def none_is_told(talk: Talk) -> None:
    assert not talk.open().idle_time_out


@row("2.4.5", MUST, "When no frame has come for longer than the threshold the connection is closed, with a reason")
def silence(talk: Talk) -> None:
    talk.open(mine={"idle_timeout": 8})
    talk.engine.tick(100.0)
    talk.engine.tick(107.0)
    talk.lives()
    talk.engine.tick(108.5)
    talk.refused("close")


@row("2.4.5", IS, "Every frame that comes begins the threshold anew, an empty one too")
def frames_count(talk: Talk) -> None:
    talk.open(mine={"idle_timeout": 8})
    for now in range(100, 130, 5):
        talk.bytes(raw())
        talk.engine.tick(float(now))
    talk.lives()


@row("2.4.5", MUST, "With nothing to say something is sent within the peer's idle-time-out")
def heartbeat(talk: Talk) -> None:
    talk.open(idle_time_out=4000)
    talk.heard()
    talk.engine.tick(100.0)
    talk.engine.tick(103.9)
    assert talk.heard(), "nothing was sent"


@row("2.4.5", IS, "The time to tick next lies within the peer's idle-time-out")
def heartbeat_deadline(talk: Talk) -> None:
    talk.open(idle_time_out=4000)
    assert 100.0 < talk.engine.tick(100.0) <= 104.0


@row("2.4.5", SHOULD, "An empty frame goes on channel 0, with no extended header")
def heartbeat_octets(talk: Talk) -> None:
    talk.open(idle_time_out=4000)
    talk.engine.tick(100.0)
    talk.engine.tick(103.9)
    assert talk.parts()[-1] == struct.pack(">IBBH", 8, 2, 0, 0)


@row("2.4.5", MUST, "No empty frame goes out before open")
def no_heartbeat_before_open(talk: Talk) -> None:
    talk.polite = False
    talk.header().say("open", container_id="peer", idle_time_out=1000)
    for now in range(100, 110):
        talk.engine.tick(float(now))
    talk.engine.open()
    assert [one.name for one in talk.heard()] == ["open"]


@row("2.4.5", MUST, "No empty frame goes out behind a close")
def no_heartbeat_behind_close(talk: Talk) -> None:
    talk.open(idle_time_out=4000)
    talk.engine.tick(100.0)
    talk.engine.close()
    talk.turn()
    talk.engine.tick(110.0)
    assert talk.all()[-1].name == "close"


@row("2.4.5", IS, "An idle-time-out of 0 is as none")
def zero_is_none(talk: Talk) -> None:
    talk.open(idle_time_out=0)
    talk.heard()
    talk.engine.tick(100.0)
    talk.engine.tick(100000.0)
    talk.none()
    talk.lives()


@row("2.4.5", IS, "An empty frame means nothing, on whatever channel", TOLERANCE)
def empty_frames_are_ignored(talk: Talk) -> None:
    talk.session()
    talk.bytes(raw() + raw(channel=77))
    talk.none()
    talk.lives()


# -- 2.4.6 connection states -----------------------------------------------------------------------------------


@row("2.4.6", MUST, "After a close for an error all that comes is silently discarded up to the peer's close")
def discarding(talk: Talk) -> None:
    talk.session()
    talk.bytes(raw(bytes(8), offset=1))
    talk.refused("close", FRAMING)
    before = len(talk.output)
    talk.begin(1).attach().bytes(b"\x00\x00\x00\x02")
    assert len(talk.output) == before


@row("2.4.6", IS, "A connection that was opened here and is not answered waits, and says nothing more")
def open_sent(talk: Talk) -> None:
    talk.engine.open()
    talk.header()
    talk.turn()
    assert [one.name for one in talk.heard()] == ["open"]
    assert not talk.engine.has_ended


@row("2.4.6", IS, "The peer's open alone is not answered until the application opens")
def open_received(talk: Talk) -> None:
    talk.polite = False
    talk.header().say("open", container_id="peer")
    assert not talk.all("open")
    assert talk.happened("connection_remote_open")
    talk.engine.open()
    assert talk.one("open")


@row("2.4.6", IS, "An open and a close before anything has come go out in that order, and an answer ends it")
def close_pipe(talk: Talk) -> None:
    talk.engine.open()
    talk.engine.close()
    talk.header()
    assert [one.name for one in talk.all()] == ["open", "close"]
    talk.say("open", container_id="peer").say("close")
    assert talk.engine.has_ended and len(talk.all()) == 2
