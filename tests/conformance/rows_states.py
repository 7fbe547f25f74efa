"""Rows of delivery states [3.4] and of sources and targets [3.5]."""

from __future__ import annotations

from typing import Any

from reactor.codec.types import UNDESCRIBED, Array, Data, Described, symbol, uint, ulong
from tests.conformance.table import IS, MUST, POLICING, SHOULD, TOLERANCE, row
from tests.conformance.talk import CLIENT, Talk, error, raw

ACCEPTED, REJECTED, RELEASED, MODIFIED = 0x24, 0x25, 0x26, 0x27


def settled_with(talk: Talk, state: str, **content: Any) -> Any:
    """What the engine says of a message that its application settles with a state."""
    talk.receiver(5)
    talk.transfer()
    talk.engine.update(talk.arrived[0].delivery, state, settle=True, **content)
    return talk.one("disposition").state


def told(talk: Talk, state: Described) -> Any:
    """What the engine's application sees of a message that this peer settles with a state."""
    link = talk.sender(5)
    delivery = talk.engine.send(link)
    talk.disposition(talk.one("transfer").delivery_id, settled=True, state=state)
    assert delivery.settled
    return delivery


def at(value: Described, place: int) -> Any:
    return value.value[place] if len(value.value) > place else None


# -- 3.4 -------------------------------------------------------------------------------------------------------


@row("3.4", MUST, "An outcome is the last word: what the peer says after it changes nothing")
def outcomes_stand(talk: Talk) -> None:
    link = talk.sender(5)
    delivery = talk.engine.send(link)
    number = talk.one("transfer").delivery_id
    talk.disposition(number, state=talk.outcome("accepted"))
    talk.disposition(number, settled=True, state=talk.outcome("released"))
    assert talk.engine.state(delivery) == "ACCEPTED"


@row("3.4", IS, "A state that is no outcome may be followed by one")
def states_go_on(talk: Talk) -> None:
    link = talk.sender(5)
    delivery = talk.engine.send(link)
    number = talk.one("transfer").delivery_id
    talk.disposition(number, state=talk.outcome("received", uint(0), ulong(5)))
    assert talk.engine.state(delivery) == "RECEIVED"
    talk.disposition(number, settled=True, state=talk.outcome("accepted"))
    assert talk.engine.state(delivery) == "ACCEPTED"


@row("3.4", IS, "A state that nobody knows does no harm", TOLERANCE)
def unknown_state(talk: Talk) -> None:
    link = talk.sender(5)
    delivery = talk.engine.send(link)
    talk.disposition(talk.one("transfer").delivery_id, settled=True, state=Described(ulong(0x468C00000005), [1]))
    assert delivery.settled
    talk.lives()


@row("3.4", IS, "States may be named by their symbols", TOLERANCE)
def named_by_symbol(talk: Talk) -> None:
    delivery = told(talk, Described(symbol("amqp:accepted:list"), []))
    assert talk.engine.state(delivery) == "ACCEPTED"


@row("3.4.1", IS, "Received says how far it has come, both fields of it")
def received_is_said(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer()
    talk.engine.update(talk.arrived[0].delivery, "RECEIVED", section_number=1, section_offset=7)
    said = talk.one("disposition")
    assert said.state.descriptor == 0x23 and not said.settled
    assert (at(said.state, 0), at(said.state, 1)) == (1, 7)


@row("3.4.1", IS, "Both fields of the peer's received reach the application")
def received_arrives(talk: Talk) -> None:
    link = talk.sender(5)
    delivery = talk.engine.send(link)
    talk.disposition(talk.one("transfer").delivery_id, state=talk.outcome("received", uint(2), ulong(9)))
    assert (delivery.remote.section_number, delivery.remote.section_offset) == (2, 9)


@row("3.4.1", MUST, "A sender does not say received, but for a delivery that it resumes")
def sender_says_no_received(talk: Talk) -> None:
    link = talk.sender(5)
    talk.engine.send(link)
    assert talk.one("transfer").state is None


@row("3.4.2", IS, "Accepted is said")
def accepted_is_said(talk: Talk) -> None:
    assert settled_with(talk, "ACCEPTED").descriptor == ACCEPTED


@row("3.4.2", IS, "Accepted reaches the application")
def accepted_arrives(talk: Talk) -> None:
    assert talk.engine.state(told(talk, talk.outcome("accepted"))) == "ACCEPTED"


@row("3.4.3", IS, "Rejected is said")
def rejected_is_said(talk: Talk) -> None:
    assert settled_with(talk, "REJECTED").descriptor == REJECTED


@row("3.4.3", IS, "Rejected says its error, where there is one")
def rejected_with_error(talk: Talk) -> None:
    condition = talk.engine.library.Condition("amqp:decode-error", "no")
    state = settled_with(talk, "REJECTED", condition=condition)
    assert at(state, 0).descriptor == 0x1D and at(state, 0).value[:2] == ["amqp:decode-error", "no"]


@row("3.4.3", IS, "Rejected reaches the application, with its error")
def rejected_arrives(talk: Talk) -> None:
    delivery = told(talk, talk.outcome("rejected", error("amqp:not-allowed", "why")))
    assert talk.engine.state(delivery) == "REJECTED"
    assert (delivery.remote.condition.name, delivery.remote.condition.description) == ("amqp:not-allowed", "why")


@row("3.4.3", IS, "Rejected without an error is rejected", TOLERANCE)
def rejected_without_error(talk: Talk) -> None:
    assert talk.engine.state(told(talk, talk.outcome("rejected"))) == "REJECTED"


@row("3.4.4", IS, "Released is said")
def released_is_said(talk: Talk) -> None:
    assert settled_with(talk, "RELEASED").descriptor == RELEASED


@row("3.4.4", IS, "Released reaches the application")
def released_arrives(talk: Talk) -> None:
    assert talk.engine.state(told(talk, talk.outcome("released"))) == "RELEASED"


@row("3.4.5", IS, "Modified is said, with what is to be changed")
def modified_is_said(talk: Talk) -> None:
    annotations = {talk.engine.library.symbol("x-opt-k"): "v"}
    state = settled_with(talk, "MODIFIED", failed=True, undeliverable=True, annotations=annotations)
    assert state.descriptor == MODIFIED and (at(state, 0), at(state, 1)) == (True, True)
    assert at(state, 2) == {"x-opt-k": "v"}


@row("3.4.5", IS, "Each field of it is said for itself")
def modified_fields(talk: Talk) -> None:
    state = settled_with(talk, "MODIFIED", failed=False, undeliverable=True)
    assert not at(state, 0) and at(state, 1) is True and not at(state, 2)


@row("3.4.5", IS, "Modified reaches the application, with all its fields")
def modified_arrives(talk: Talk) -> None:
    delivery = told(talk, talk.outcome("modified", True, True, {symbol("x-opt-k"): "v"}))
    assert talk.engine.state(delivery) == "MODIFIED"
    assert (delivery.remote.failed, delivery.remote.undeliverable) == (True, True)
    assert dict(delivery.remote.annotations) == {"x-opt-k": "v"}


@row("3.4.5", IS, "Fields of modified that are left out are false")
def modified_left_out(talk: Talk) -> None:
    delivery = told(talk, talk.outcome("modified"))
    assert talk.engine.state(delivery) == "MODIFIED"
    assert (bool(delivery.remote.failed), bool(delivery.remote.undeliverable)) == (False, False)


# -- 3.5.3 source, 3.5.4 target --------------------------------------------------------------------------------


def source_of(talk: Talk, **options: Any) -> Any:
    """The source in the attach of a receiver of the engine's."""
    session = talk.session()
    talk.engine.receiver(session, "l", source=options)
    return talk.one("attach").source


def target_of(talk: Talk, **options: Any) -> Any:
    """The target in the attach of a sender of the engine's."""
    session = talk.session()
    talk.engine.sender(session, "l", target=options)
    return talk.one("attach").target


def peers_source(talk: Talk, *fields: Any) -> Any:
    """What the engine's application sees of the source of a peer that sends."""
    return talk.receiver(source=Described(ulong(0x28), list(fields))).remote_source


def peers_target(talk: Talk, *fields: Any) -> Any:
    """What the engine's application sees of the target of a peer that receives."""
    return talk.sender(target=Described(ulong(0x29), list(fields))).remote_target


@row("3.5.1", IS, "A filter is told as the application has set it: symbols to described values")
def filter_is_told(talk: Talk) -> None:
    name, text = talk.engine.library.symbol("jms"), talk.engine.library.symbol("apache.org:selector-filter:string")
    found = at(source_of(talk, address="q", filter={name: talk.engine.library.Described(text, "a = 1")}), 7)
    assert list(found) == ["jms"] and type(next(iter(found))) is symbol
    assert (found["jms"].descriptor, found["jms"].value) == ("apache.org:selector-filter:string", "a = 1")


@row("3.5.1", IS, "The filter that the peer has in place reaches the application")
def filter_arrives(talk: Talk) -> None:
    value = {symbol("f"): Described(symbol("x:f"), 1)}
    found = peers_source(talk, "q", *[None] * 6, value).filter
    found.rewind()
    found.next()
    assert dict(found.get_object())["f"].value == 1


@row("3.5.2", IS, "A distribution-mode is told: move or copy")
def distribution_mode(talk: Talk) -> None:
    modes = talk.engine.library.Terminus
    assert at(source_of(talk, address="q", distribution_mode=modes.DIST_MODE_COPY), 6) == "copy"


@row("3.5.2", IS, "The peer's reaches the application")
def distribution_mode_arrives(talk: Talk) -> None:
    modes = talk.engine.library.Terminus
    found = peers_source(talk, "q", *[None] * 5, symbol("move"))
    assert found.distribution_mode == modes.DIST_MODE_MOVE


@row("3.5.3", IS, "The address of a source is told, as a string")
def source_address(talk: Talk) -> None:
    assert at(source_of(talk, address="here"), 0) == "here"


@row("3.5.3", MUST, "A receiver that asks for a dynamic source tells no address")
def dynamic_source(talk: Talk) -> None:
    found = source_of(talk, dynamic=True)
    assert at(found, 4) is True and at(found, 0) is None


@row("3.5.3", MUST, "A sender that has made a dynamic source tells its address", roles=("server",))
def dynamic_source_made(talk: Talk) -> None:
    talk.mine = {"source": {"address": "made", "dynamic": True}}
    talk.session()
    talk.attach(role=True, source=Described(ulong(0x28), [None, None, None, None, True]))
    said = talk.one("attach")
    assert (at(said.source, 0), at(said.source, 4)) == ("made", True)


@row("3.5.3", IS, "The address of a source that was made for it reaches the receiver", roles=(CLIENT,))
def dynamic_source_arrives(talk: Talk) -> None:
    session = talk.session()
    link = talk.engine.receiver(session, "l", source={"dynamic": True})
    talk.turn()
    talk.attach("l", 0, False, source=Described(ulong(0x28), ["made", None, None, None, True]))
    assert (link.remote_source.address, link.remote_source.dynamic) == ("made", True)


@row("3.5.3", IS, "A request for a dynamic source reaches the sender's application")
def dynamic_request_arrives(talk: Talk) -> None:
    talk.session()
    talk.polite = False
    talk.attach(role=True, source=Described(ulong(0x28), [None, None, None, None, True]))
    assert talk.links[0].remote_source.dynamic and not talk.links[0].remote_source.address


@row("3.5.3", IS, "Durability, expiry-policy and timeout of a source are told")
def source_lifetime(talk: Talk) -> None:
    names = talk.engine.library.Terminus
    found = source_of(talk, address="q", durability=names.DELIVERIES, expiry_policy=names.EXPIRE_NEVER, timeout=30)
    assert [at(found, place) for place in (1, 2, 3)] == [2, "never", 30]


@row("3.5.3", IS, "The peer's reach the application")
def source_lifetime_arrives(talk: Talk) -> None:
    names = talk.engine.library.Terminus
    found = peers_source(talk, "q", uint(1), symbol("link-detach"), uint(30))
    assert (found.durability, found.expiry_policy, found.timeout) == (
        names.CONFIGURATION, names.EXPIRE_WITH_LINK, 30)


@row("3.5.3", IS, "Outcomes are told as the symbols of their descriptors")
def outcomes(talk: Talk) -> None:
    names = talk.engine.library
    value = names.Array(names.UNDESCRIBED, names.Data.SYMBOL, names.symbol("amqp:accepted:list"))
    found = at(source_of(talk, address="q", outcomes=value), 9)
    assert found == "amqp:accepted:list" or list(getattr(found, "elements", found)) == ["amqp:accepted:list"]


@row("3.5.3", IS, "A default-outcome and outcomes of the peer's do no harm", TOLERANCE)
def default_outcome(talk: Talk) -> None:
    names = Array(UNDESCRIBED, Data.SYMBOL, symbol("amqp:accepted:list"), symbol("amqp:rejected:list"))
    peers_source(talk, "q", *[None] * 7, Described(ulong(MODIFIED), [True]), names)
    talk.lives()


@row("3.5.3", IS, "Capabilities are told")
def capabilities(talk: Talk) -> None:
    found = at(source_of(talk, address="q", capabilities=talk.engine.library.symbol("queue")), 10)
    assert found == "queue" or list(getattr(found, "elements", found)) == ["queue"]


@row("3.5.3", IS, "A source may be as short as nothing at all", TOLERANCE)
def short_source(talk: Talk) -> None:
    found = peers_source(talk)
    assert found.address is None and not found.dynamic
    talk.lives()


@row("3.5.3", MUST, "An address that is told by the peer may be any string", TOLERANCE)
def any_address(talk: Talk) -> None:
    assert peers_source(talk, "\u00e4/\u4e2d $x?a=b#c").address == "\u00e4/\u4e2d $x?a=b#c"


@row("3.5.4", IS, "The address of a target is told, as a string")
def target_address(talk: Talk) -> None:
    assert at(target_of(talk, address="there"), 0) == "there"


@row("3.5.4", MUST, "A sender that asks for a dynamic target tells no address")
def dynamic_target(talk: Talk) -> None:
    found = target_of(talk, dynamic=True)
    assert at(found, 4) is True and at(found, 0) is None


@row("3.5.4", IS, "Durability, expiry-policy and timeout of a target are told")
def target_lifetime(talk: Talk) -> None:
    names = talk.engine.library.Terminus
    found = target_of(talk, address="q", durability=names.CONFIGURATION, expiry_policy=names.EXPIRE_WITH_CONNECTION,
                      timeout=7)
    assert [at(found, place) for place in (1, 2, 3)] == [1, "connection-close", 7]


@row("3.5.4", IS, "The peer's target reaches the application")
def target_arrives(talk: Talk) -> None:
    found = peers_target(talk, "there", uint(2), symbol("never"), uint(9))
    names = talk.engine.library.Terminus
    assert (found.address, found.durability, found.expiry_policy, found.timeout) == (
        "there", names.DELIVERIES, names.EXPIRE_NEVER, 9)


@row("3.5.5", IS, "Without a word about it no state of a terminus lasts")
def default_durability(talk: Talk) -> None:
    assert peers_source(talk, "q").durability == talk.engine.library.Terminus.NONDURABLE
    assert not at(talk.attached.target or Described(0, []), 1)


@row("3.5.6", IS, "Without a word about it a terminus ends with its session")
def default_expiry(talk: Talk) -> None:
    assert peers_source(talk, "q").expiry_policy == talk.engine.library.Terminus.EXPIRE_WITH_SESSION


@row("3.5.8", IS, "A filter of null is none", TOLERANCE)
def null_filter(talk: Talk) -> None:
    assert peers_source(talk, "q", *[None] * 6, {symbol("f"): None}).address == "q"
    talk.lives()


@row("3.5.9", IS, "Properties of a dynamic node are told: its lifetime")
def node_properties(talk: Talk) -> None:
    names = talk.engine.library
    lifetime = names.Described(names.ulong(0x2B), [])
    found = at(source_of(talk, dynamic=True, properties={names.symbol("lifetime-policy"): lifetime}), 5)
    assert list(found) == ["lifetime-policy"] and found["lifetime-policy"].descriptor == 0x2B


@row("3.5.9", SHOULD, "Properties of a node are not told when none was asked for")
def no_node_properties(talk: Talk) -> None:
    assert not at(source_of(talk, address="q"), 5)


@row("3.5.10", IS, "The lifetimes that there are reach the application", TOLERANCE)
def lifetimes(talk: Talk) -> None:
    for code in (0x2B, 0x2C, 0x2D, 0x2E):
        value = {symbol("lifetime-policy"): Described(ulong(code), [])}
        target = Described(ulong(0x29), ["made", *[None] * 3, True, value])
        found = talk.sender(name=f"l{code}", handle=code, target=target)
        properties = found.remote_target.properties
        properties.rewind()
        properties.next()
        assert dict(properties.get_object())["lifetime-policy"].descriptor == code


@row("3.5.3", IS, "A source that is no list of its fields is refused", POLICING)
def odd_source(talk: Talk) -> None:
    talk.session()
    fields = b"\xa1\x01l\x43\x41\x40\x40\x00\x53\x28\xc0\x03\x01\x54\x05"  # its address is a number
    talk.bytes(raw(b"\x00\x53\x12\xc0" + bytes((len(fields) + 1, 6)) + fields))
    talk.refused_anyhow()
