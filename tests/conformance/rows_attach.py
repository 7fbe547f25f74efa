"""Rows of attach [2.7.3], disposition [2.7.6], detach [2.7.7] and close [2.7.9], and of definitions [2.8]."""

from __future__ import annotations

import time

from reactor.codec.types import Described, symbol
from tests.conformance.table import IS, MUST, POLICING, TOLERANCE, row
from tests.conformance.talk import SERVER, Talk, error, raw, source

TOP = 0xFFFFFFFF


# -- 2.7.3 attach ----------------------------------------------------------------------------------------------


@row("2.7.3", MUST, "An attach has its name, its handle and its role")
def mandatory(talk: Talk) -> None:
    talk.sender()
    assert {"name", "handle", "role"} <= set(talk.attached.fields)


@row("2.7.3", MUST, "An attach without name is refused", POLICING)
def no_name(talk: Talk) -> None:
    talk.session()
    talk.say("attach", handle=0, role=True)
    talk.refused_anyhow()


@row("2.7.3", MUST, "An attach without role is refused", POLICING)
def no_role(talk: Talk) -> None:
    talk.session()
    talk.say("attach", name="l", handle=0)
    talk.refused_anyhow()


@row("2.7.3", MUST, "An attach with a handle that is attached is answered by handle-in-use", POLICING)
def handle_in_use(talk: Talk) -> None:
    talk.sender(name="a")
    talk.attach("b", 0)
    refusal = talk.refused_anyhow()
    assert refusal.error == "amqp:session:handle-in-use" and refusal.name in ("end", "detach")


@row("2.7.3", IS, "The settle modes are those that the application wants")
def modes(talk: Talk) -> None:
    talk.sender(mine={"snd_settle_mode": 0, "rcv_settle_mode": 0})
    assert (talk.attached.snd_settle_mode, talk.attached.rcv_settle_mode or 0) == (0, 0)


@row("2.7.3", IS, "Where nothing is wanted the sender settles as it likes, and the receiver first")
def default_modes(talk: Talk) -> None:
    talk.sender()
    assert talk.attached.snd_settle_mode in (None, 2) and talk.attached.rcv_settle_mode in (None, 0)


@row("2.7.3", IS, "The peer's settle modes reach the application")
def modes_arrive(talk: Talk) -> None:
    link = talk.sender(snd_settle_mode=1, rcv_settle_mode=1)
    assert (link.remote_snd_settle_mode, link.remote_rcv_settle_mode) == (1, 1)


@row("2.7.3", IS, "Modes that the peer leaves out are mixed and first")
def modes_left_out(talk: Talk) -> None:
    link = talk.sender()
    assert (link.remote_snd_settle_mode, link.remote_rcv_settle_mode) == (2, 0)


@row("2.7.3", IS, "A settle mode that there is none of is refused", POLICING)
def unknown_mode(talk: Talk) -> None:
    talk.session()
    talk.polite = False
    talk.attach(snd_settle_mode=3)
    if talk.links:
        talk.engine.attach(talk.links[-1])
    talk.refused_anyhow()


@row("2.7.3", IS, "The same for the receiver's", POLICING)
def unknown_receiver_mode(talk: Talk) -> None:
    talk.session()
    talk.polite = False
    talk.attach(rcv_settle_mode=9)
    if talk.links:
        talk.engine.attach(talk.links[-1])
    talk.refused_anyhow()


@row("2.7.3", MUST, "A receiver's attach may lack an initial-delivery-count, a sender's does not")
def initial_count(talk: Talk) -> None:
    talk.sender(name="a")
    assert talk.attached.initial_delivery_count is not None


@row("2.7.3", MUST, "A sender's attach without initial-delivery-count is refused", POLICING)
def no_initial_count(talk: Talk) -> None:
    talk.session()
    talk.attach(role=False, initial_delivery_count=None)
    talk.refused_anyhow()


@row("2.7.3", IS, "The initial-delivery-count of a receiver's attach is nothing to anybody", TOLERANCE)
def receivers_initial_count(talk: Talk) -> None:
    link = talk.sender(2, initial_delivery_count=1000)
    assert link.credit == 2
    talk.lives()


@row("2.7.3", IS, "The max-message-size is told")
def size_is_told(talk: Talk) -> None:
    talk.receiver(mine={"max_message_size": 5000})
    assert talk.attached.max_message_size == 5000


@row("2.7.3", IS, "The peer's max-message-size reaches the application; 0 or none is for no limit")
def size_arrives(talk: Talk) -> None:
    assert talk.sender(name="a", max_message_size=7000).remote_max_message_size == 7000
    assert talk.sender(name="b", handle=1).remote_max_message_size == 0


@row("2.7.3", IS, "A message that is larger than was told ends the link: message-size-exceeded", POLICING)
def too_large(talk: Talk) -> None:
    talk.receiver(5, mine={"max_message_size": 1000})
    talk.transfer(bytes(1001))
    talk.refused("detach", "amqp:link:message-size-exceeded")


@row("2.7.3", IS, "The same when it comes in pieces", POLICING)
def too_large_in_pieces(talk: Talk) -> None:
    talk.receiver(5, mine={"max_message_size": 1000})
    talk.transfer(bytes(600), more=True).transfer(bytes(600), None, more=True)
    talk.refused("detach", "amqp:link:message-size-exceeded")
    assert not talk.arrived


@row("2.7.3", IS, "A message of just the size that was told is taken")
def just_the_size(talk: Talk) -> None:
    talk.receiver(5, mine={"max_message_size": 1000})
    talk.transfer(bytes(1000)).transfer(bytes(600), 1, more=True).transfer(bytes(400), None)
    assert [len(one.payload) for one in talk.arrived] == [1000, 1000]
    talk.lives()


@row("2.7.3", IS, "A message that is larger than the peer takes does not leave")
def too_large_to_send(talk: Talk) -> None:
    link = talk.sender(5, max_message_size=100)
    try:
        talk.engine.send(link, bytes(101))
    except Exception:
        pass  # it says that it is too large
    assert not [one for one in talk.heard("transfer") if not one.more and not one.aborted]


@row("2.7.3", MUST, "A link that is new has no unsettled map")
def no_unsettled_map(talk: Talk) -> None:
    talk.sender()
    assert not talk.attached.unsettled and not talk.attached.incomplete_unsettled


@row("2.7.3", IS, "A peer's map of unsettled deliveries that nobody knows does no harm", TOLERANCE)
def unsettled_map(talk: Talk) -> None:
    link = talk.sender(1, unsettled={b"1": None, b"2": Described(0x24, [])})
    talk.engine.send(link)
    assert talk.one("transfer")
    talk.lives()


@row("2.7.3", IS, "Capabilities and properties of the peer's do no harm, known or not", TOLERANCE)
def extensions(talk: Talk) -> None:
    talk.sender(1, offered_capabilities=[symbol("a"), symbol("b")], desired_capabilities=symbol("c"),
                properties={symbol("k"): 1})
    talk.lives()


@row("2.7.3", IS, "Properties of the peer's reach the application")
def properties_arrive(talk: Talk) -> None:
    link = talk.sender(properties={symbol("k"): "v"})
    assert dict(link.remote_properties) == {"k": "v"}


@row("2.7.3", IS, "Properties that the application sets are told, with symbols as keys")
def properties_are_told(talk: Talk) -> None:
    talk.sender(mine={"properties": {symbol("k"): "v"}})
    assert talk.attached.properties == {symbol("k"): "v"}
    assert all(type(key) is symbol for key in talk.attached.properties)


# -- 2.7.6 disposition -----------------------------------------------------------------------------------------


@row("2.7.6", IS, "The role is that of the link end that says it")
def role(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer()
    talk.engine.update(talk.arrived[0].delivery, "RELEASED", settle=True)
    assert talk.one("disposition").role is True


@row("2.7.6", IS, "First to last means all between them")
def run(talk: Talk) -> None:
    link = talk.sender(10)
    deliveries = [talk.engine.send(link) for _ in range(5)]
    first = talk.heard("transfer")[0].delivery_id
    talk.disposition(first + 1, first + 3, settled=True, state=talk.outcome("accepted"))
    assert [talk.engine.state(one) for one in deliveries] == ["", "ACCEPTED", "ACCEPTED", "ACCEPTED", ""]


@row("2.7.6", IS, "Without last it is first alone")
def only_first(talk: Talk) -> None:
    link = talk.sender(10)
    deliveries = [talk.engine.send(link) for _ in range(3)]
    first = talk.heard("transfer")[0].delivery_id
    talk.disposition(first + 1, settled=True, state=talk.outcome("accepted"))
    assert [one.settled for one in deliveries] == [False, True, False]


@row("2.7.6", IS, "One disposition may be for deliveries of many links")
def many_links(talk: Talk) -> None:
    first, second = talk.sender(5, name="a"), talk.sender(5, name="b", handle=1)
    deliveries = [talk.engine.send(link) for link in (first, second)]
    number = min(one.delivery_id for one in talk.heard("transfer"))
    talk.disposition(number, number + 1, settled=True, state=talk.outcome("released"))
    assert [talk.engine.state(one) for one in deliveries] == ["RELEASED", "RELEASED"]


@row("2.7.6", IS, "Deliveries between them that are settled or unknown are passed over", TOLERANCE)
def unknown_ids(talk: Talk) -> None:
    link = talk.sender(10)
    delivery = talk.engine.send(link)
    number = talk.one("transfer").delivery_id
    talk.disposition(number, number + 500, settled=True, state=talk.outcome("accepted"))
    talk.disposition(number, settled=True, state=talk.outcome("rejected"))
    assert talk.engine.state(delivery) == "ACCEPTED"
    talk.lives()


@row("2.7.6", IS, "A run as long as all numbers takes no time to speak of", TOLERANCE)
def longest_run(talk: Talk) -> None:
    talk.sender(10)
    before = time.perf_counter()
    talk.disposition(0, 0x7FFFFFFE, settled=True, state=talk.outcome("accepted"))
    assert time.perf_counter() - before < 1
    talk.lives()


@row("2.7.6", IS, "A disposition of the sender's is about what it has sent, not about what we have", TOLERANCE)
def directions(talk: Talk) -> None:
    link = talk.sender(10)
    delivery = talk.engine.send(link)
    number = talk.one("transfer").delivery_id
    talk.disposition(number, role=False, settled=True, state=talk.outcome("accepted"))
    assert not delivery.settled and talk.engine.state(delivery) == ""
    talk.lives()


@row("2.7.6", IS, "Settled that is left out means that it is not settled")
def settled_left_out(talk: Talk) -> None:
    link = talk.sender(10)
    delivery = talk.engine.send(link)
    talk.disposition(talk.one("transfer").delivery_id, state=talk.outcome("accepted"))
    assert not delivery.settled


@row("2.7.6", IS, "A delivery may be settled without a state")
def no_state(talk: Talk) -> None:
    link = talk.sender(10)
    delivery = talk.engine.send(link)
    talk.disposition(talk.one("transfer").delivery_id, settled=True)
    assert delivery.settled and talk.engine.state(delivery) == ""


@row("2.7.6", IS, "The sender may be told of a delivery before the last frame of it has gone", TOLERANCE)
def before_the_last_frame(talk: Talk) -> None:
    link = talk.sender(10)
    delivery = talk.engine.begin_delivery(link, b"begin")
    transfers = talk.heard("transfer")
    if transfers:
        talk.disposition(transfers[0].delivery_id, state=talk.outcome("accepted"))
    talk.engine.complete(link)
    talk.turn()
    assert talk.engine.state(delivery) in ("ACCEPTED", "")
    talk.lives()


@row("2.7.6", MUST, "A disposition counts for deliveries of a link that is detached and not closed")
def after_detach(talk: Talk) -> None:
    link = talk.sender(10)
    delivery = talk.engine.send(link)
    number = talk.one("transfer").delivery_id
    talk.engine.detach(link)
    talk.turn()
    talk.disposition(number, settled=True, state=talk.outcome("accepted"))
    assert talk.engine.state(delivery) == "ACCEPTED" and delivery.settled


@row("2.7.6", MUST, "A disposition without role or first is refused", POLICING)
def without_first(talk: Talk) -> None:
    talk.session()
    talk.say("disposition", role=True)
    talk.refused_anyhow()


@row("2.7.6", IS, "Equal outcomes of neighbours may go in one; each delivery is told once")
def each_once(talk: Talk) -> None:
    talk.receiver(10)
    for number in range(6):
        talk.transfer(number=number)
    for at in (0, 1, 2, 5):
        talk.engine.update(talk.arrived[at].delivery, "ACCEPTED", settle=True)
    told = [
        number
        for one in talk.heard("disposition")
        for number in range(one.first, (one.first if one.last is None else one.last) + 1)
    ]
    assert sorted(told) == [0, 1, 2, 5]


# -- 2.7.7 detach, 2.7.9 close ---------------------------------------------------------------------------------


@row("2.7.7", IS, "Closed that is left out means a detach")
def closed_left_out(talk: Talk) -> None:
    link = talk.sender()
    talk.say("detach", handle=0)
    assert talk.happened("link_remote_detach") == [link]


@row("2.7.7", IS, "A detach of a handle that is not attached is refused", POLICING)
def detach_of_nothing(talk: Talk) -> None:
    talk.session()
    talk.say("detach", handle=8, closed=True)
    talk.refused_anyhow()


@row("2.7.7", MUST, "A detach without handle is refused", POLICING)
def detach_without_handle(talk: Talk) -> None:
    talk.session()
    talk.say("detach", closed=True)
    talk.refused_anyhow()


@row("2.7.7", IS, "A detach with an error reaches the application as an end of the link, closed or not")
def detach_with_error(talk: Talk) -> None:
    link = talk.sender()
    talk.say("detach", handle=0, error=error("amqp:link:detach-forced"))
    assert talk.engine.condition(link) == "amqp:link:detach-forced"


@row("2.7.9", MUST, "The close is the last thing that is written, also when everything ends at once")
def close_is_last(talk: Talk) -> None:
    link = talk.sender(5)
    talk.engine.send(link)
    talk.engine.close_link(link)
    talk.engine.end(talk.sessions[0])
    talk.engine.close()
    talk.turn()
    names = [one.name for one in talk.heard()]
    assert names[-1] == "close" and names.count("close") == 1


@row("2.7.9", IS, "What was sent before the close in the same turn goes out before it")
def sent_before_close(talk: Talk) -> None:
    link = talk.sender(5)
    talk.engine.send(link)
    talk.engine.close()
    assert [one.name for one in talk.heard("transfer", "close")] == ["transfer", "close"]


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
