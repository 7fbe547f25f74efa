"""Rows of flow [2.7.4]."""

from __future__ import annotations

from tests.conformance.table import IS, MUST, POLICING, TOLERANCE, row
from tests.conformance.talk import CLIENT, Talk

TOP = 0xFFFFFFFF


# -- 2.7.4 flow ------------------------------------------------------------------------------------------------


@row("2.7.4", MUST, "Before the peer's begin has come a flow has no next-incoming-id", roles=(CLIENT,))
def no_incoming_id_before_begin(talk: Talk) -> None:
    talk.open()
    link = talk.engine.receiver(talk.engine.begin(), "l")
    talk.engine.credit(link, 5)
    for one in talk.heard("flow"):
        assert one.next_incoming_id is None


@row("2.7.4", MUST, "After it each flow has one")
def incoming_id_after_begin(talk: Talk) -> None:
    talk.receiver(3)
    assert talk.all("flow") and all(one.next_incoming_id is not None for one in talk.all("flow"))


@row("2.7.4", MUST, "Before the sender's attach has come a receiver's flow has no delivery-count")
def no_count_before_attach(talk: Talk) -> None:
    session = talk.session()
    link = talk.engine.receiver(session, "l")
    talk.engine.credit(link, 5)
    for one in talk.heard("flow"):
        assert one.delivery_count is None


@row("2.7.4", IS, "Credit that was granted before the sender's attach is the same once that has come")
def credit_before_attach(talk: Talk) -> None:
    session = talk.session()
    link = talk.engine.receiver(session, "l")
    talk.engine.credit(link, 5)
    talk.turn()
    talk.attach("l", 0, False, initial_delivery_count=TOP - 4)
    flow = talk.all("flow")[-1]
    assert flow.link_credit == 5 and flow.delivery_count in (None, TOP - 4)
    assert link.credit == 5


@row("2.7.4", MUST, "A sender's flow has its delivery-count")
def sender_says_count(talk: Talk) -> None:
    link = talk.sender()
    talk.flow(5, drain=True)
    talk.engine.drained(link)
    assert all(one.delivery_count is not None for one in talk.all("flow") if one.handle is not None)
    assert [one for one in talk.all("flow") if one.handle is not None]


@row("2.7.4", MUST, "A flow for a handle that is not attached ends the session: unattached-handle", POLICING)
def unattached_handle(talk: Talk) -> None:
    talk.session()
    talk.flow(1, handle=77)
    talk.refused("end", "amqp:session:unattached-handle")


@row("2.7.4", MUST, "A flow without its windows is refused", POLICING)
def flow_without_fields(talk: Talk) -> None:
    talk.session()
    talk.flow(incoming_window=None)
    talk.refused_anyhow()


@row("2.7.4", IS, "A flow that asks for an echo is answered by one: of the link, when it names a link")
def echo_of_a_link(talk: Talk) -> None:
    talk.receiver(5)
    talk.heard()
    talk.flow(handle=0, delivery_count=0, link_credit=5, echo=True)
    flow = talk.one("flow")
    assert flow.handle == talk.attached.handle and flow.link_credit == 5


@row("2.7.4", IS, "A flow of the session that asks for an echo is answered")
def echo_of_a_session(talk: Talk) -> None:
    talk.session()
    talk.flow(echo=True)
    assert talk.one("flow").handle is None


@row("2.7.4", IS, "An echo asks for none in return")
def echo_ends(talk: Talk) -> None:
    talk.session()
    talk.flow(echo=True)
    assert not any(one.echo for one in talk.all("flow"))


@row("2.7.4", IS, "A flow that changes nothing is not answered")
def no_answer(talk: Talk) -> None:
    talk.receiver(5)
    talk.heard()
    talk.flow().flow(handle=0, delivery_count=0, link_credit=5)
    talk.none()


@row("2.7.4", IS, "A receiver's flow repeats the sender's available as it was last told")
def available_is_repeated(talk: Talk) -> None:
    link = talk.receiver(5)
    talk.flow(handle=0, delivery_count=0, link_credit=5, available=3)
    talk.engine.credit(link, 1)
    assert talk.heard("flow")[-1].available in (3, None)
    assert link.available == 3


@row("2.7.4", IS, "Properties of a flow that nobody knows do no harm", TOLERANCE)
def flow_properties(talk: Talk) -> None:
    link = talk.sender()
    talk.flow(3, properties={})
    assert link.credit == 3
    talk.lives()
