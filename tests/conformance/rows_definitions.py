"""Rows of definitions [2.8]: roles, modes, handles, tags, numbers, errors."""

from __future__ import annotations

from reactor.codec.types import Described, symbol
from tests.conformance.table import IS, MUST, POLICING, TOLERANCE, row
from tests.conformance.talk import SERVER, Talk, raw, source

TOP = 0xFFFFFFFF


# -- 2.8 definitions -------------------------------------------------------------------------------------------


@row("2.8.1", IS, "The role of a receiver is true, that of a sender false")
def roles(talk: Talk) -> None:
    talk.sender(name="a")
    assert talk.attached.role is False
    talk.receiver(name="b", handle=1)
    assert talk.attached.role is True


@row("2.8.2", IS, "What comes on a link whose sender settles may come unsettled all the same", TOLERANCE)
def unsettled_on_a_settled(talk: Talk) -> None:
    talk.receiver(5, snd_settle_mode=1)
    talk.transfer()
    assert len(talk.arrived) == 1
    assert not talk.all("close", "end")


@row("2.8.2", IS, "A sender that settles some and others not is what mixed means")
def mixed(talk: Talk) -> None:
    link = talk.sender(5)
    talk.engine.send(link, settled=True)
    talk.engine.send(link)
    assert [bool(one.settled) for one in talk.heard("transfer")] == [True, False]


@row("2.8.3", MUST, "A receiver of the second mode does not settle before its sender has")
def second(talk: Talk) -> None:
    talk.receiver(5, rcv_settle_mode=1, mine={"rcv_settle_mode": 1})
    talk.transfer(number=3)
    talk.engine.update(talk.arrived[0].delivery, "ACCEPTED", settle=True)
    said = talk.heard("disposition")
    assert said and said[0].state.descriptor == 0x24
    assert not any(one.settled for one in said), "it was settled before the sender has"


@row("2.8.3", IS, "A receiver of the first mode settles by itself")
def first(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(number=3)
    talk.engine.update(talk.arrived[0].delivery, "ACCEPTED", settle=True)
    assert talk.one("disposition").settled is True


@row("2.8.4", IS, "A handle may be used again once the link is closed by both")
def handle_again(talk: Talk) -> None:
    link = talk.sender(name="a")
    handle = talk.attached.handle
    talk.engine.close_link(link)
    talk.say("detach", handle=0, closed=True)
    talk.sender(name="b")
    assert talk.attached.handle == handle


@row("2.8.7", MUST, "A tag has at most 32 octets")
def tag_length(talk: Talk) -> None:
    link = talk.sender(5)
    talk.engine.send(link)
    for length in (32, 33):
        try:
            talk.engine.send(link, tag="t" * length)
        except Exception:
            break  # it says that it is too long
    assert all(1 <= len(one.delivery_tag) <= 32 for one in talk.heard("transfer"))


@row("2.8.7", IS, "A tag is octets of any kind", TOLERANCE)
def any_tag(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(delivery_tag=bytes(range(224, 256)))
    talk.engine.update(talk.arrived[0].delivery, "ACCEPTED", settle=True)
    assert talk.one("disposition").settled
    talk.lives()


@row("2.8.7", MUST, "A tag of more than 32 octets is refused", POLICING)
def long_tag(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(delivery_tag=bytes(33))
    talk.refused_anyhow()


@row("2.8.10", MUST, "Numbers are compared as serial ones: a window goes on behind 2^32 - 1")
def serial_numbers(talk: Talk) -> None:
    talk.session(next_outgoing_id=TOP - 1)
    talk.receiver(10, initial_delivery_count=TOP - 1)
    for number in (TOP - 1, TOP, 0, 1):
        talk.transfer(number=number)
    assert len(talk.arrived) == 4
    talk.lives()


@row("2.8.11", IS, "The message-format of messages as they are defined is 0")
def message_format(talk: Talk) -> None:
    link = talk.sender(5)
    talk.engine.send(link)
    assert talk.one("transfer").message_format == 0


@row("2.8.11", IS, "A message of another format is passed on as octets", TOLERANCE)
def other_format(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(b"\xff\xfe\xfd", message_format=0x80013700)
    assert [one.payload for one in talk.arrived] == [b"\xff\xfe\xfd"]
    talk.lives()


@row("2.8.13", MUST, "The keys of fields are symbols", POLICING)
def keys_of_fields(talk: Talk) -> None:
    talk.engine.open()
    talk.header().say("open", container_id="p", properties={1: "v"})
    talk.refused_anyhow()


@row("2.8.14", MUST, "An error has a condition; description and info where there are any")
def error_fields(talk: Talk) -> None:
    talk.open()
    talk.engine.close("amqp:not-found", "no such thing")
    value = talk.one("close").fields["error"]
    assert value.descriptor == 0x1D and type(value.value[0]) is symbol and value.value[1] == "no such thing"


@row("2.8.14", IS, "Description and info of the peer's error reach the application")
def error_arrives(talk: Talk) -> None:
    talk.open()
    info = {symbol("k"): 1}
    talk.say("close", error=Described(0x1D, [symbol("x:y"), "text", info]))
    condition = talk.engine.connection.remote_condition
    assert (condition.name, condition.description, dict(condition.info)) == ("x:y", "text", {"k": 1})


@row("2.8.14", IS, "An error may be as short as its condition", TOLERANCE)
def short_error(talk: Talk) -> None:
    talk.open()
    talk.say("close", error=Described(0x1D, [symbol("x:y")]))
    assert talk.engine.condition(talk.engine.connection) == "x:y"


@row("2.8.15", IS, "A performative that cannot be decoded is a decode-error", POLICING)
def decode_error(talk: Talk) -> None:
    talk.session()
    talk.bytes(raw(b"\x00\x53\x12\xc0\x06\x03\x52\x07\x43\x41"))  # its name is a number
    talk.refused_anyhow()


@row("2.8.16", IS, "What is no frame is a framing-error", POLICING)
def framing_error(talk: Talk) -> None:
    talk.open()
    talk.bytes(b"\x00\x00\x00\x05\x02\x00\x00\x00")
    talk.refused("close", "amqp:connection:framing-error")


@row("2.8.17", IS, "An end because of a link's error names it: the errors of sessions have their own conditions")
def session_conditions(talk: Talk) -> None:
    talk.session()
    talk.transfer(handle=3)
    assert talk.refused_anyhow().error == "amqp:session:unattached-handle"


@row("2.8.18", IS, "An unknown terminus of the peer's may be anything that is described", TOLERANCE, (SERVER,))
def other_terminus(talk: Talk) -> None:
    talk.session()
    talk.polite = False
    talk.attach(role=False, target=Described(0x30, [None]), source=source("s"))
    assert talk.happened("link_remote_open")
    assert not talk.all("close")


@row("2.8.19", IS, "Frames of 512 octets are enough for everything that is not payload")
def small_frames(talk: Talk) -> None:
    talk.open(mine={"max_frame_size": 512}, max_frame_size=512)
    link = talk.sender(5)
    talk.engine.send(link, bytes(2000))
    talk.receiver(5, name="b", handle=1)
    talk.transfer(handle=1)
    talk.engine.update(talk.arrived[0].delivery, "REJECTED", settle=True)
    talk.engine.close("amqp:internal-error", "d" * 2000)
    talk.turn()
    assert max(len(part) for part in talk.parts()) <= 512
    assert talk.all()[-1].name == "close"
