"""Rows of attach [2.7.3]."""

from __future__ import annotations

from reactor.codec.types import Described, symbol
from tests.conformance.table import IS, MUST, POLICING, TOLERANCE, row
from tests.conformance.talk import Talk

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
