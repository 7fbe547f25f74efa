"""Rows of [2.6.7] to [2.6.11]: flow control of links."""

from __future__ import annotations

from tests.conformance.table import IS, MAY, MUST, POLICING, TOLERANCE, row
from tests.conformance.talk import SERVER, Talk, frame, source, target

TOP = 0xFFFFFFFF


# -- 2.6.7 the sender ------------------------------------------------------------------------------------------


@row("2.6.7", MUST, "Without credit nothing is sent")
def no_credit(talk: Talk) -> None:
    link = talk.sender()
    try:
        talk.engine.send(link)
    except Exception:
        pass  # it says that there is none
    talk.none("transfer")


@row("2.6.7", MUST, "Not more messages are sent than there is credit")
def credit_is_kept(talk: Talk) -> None:
    link = talk.sender(3)
    for _ in range(7):
        talk.engine.send(link)
    assert len(talk.heard("transfer")) == 3


@row("2.6.7", MUST, "New credit is counted from the receiver's delivery-count, less what has left since")
def credit_formula(talk: Talk) -> None:
    link = talk.sender(3)
    for _ in range(9):
        talk.engine.send(link)
    assert len(talk.heard("transfer")) == 3
    talk.flow(4, delivery_count=(talk.first_count + 1) & TOP)  # it had seen one of them
    assert len(talk.heard("transfer")) == 2


@row("2.6.7", MUST, "A flow without delivery-count counts from the first one of the attach", TOLERANCE)
def credit_without_count(talk: Talk) -> None:
    link = talk.sender()
    talk.flow(3, delivery_count=None)
    for _ in range(9):
        talk.engine.send(link)
    assert len(talk.heard("transfer")) == 3
    talk.flow(5, delivery_count=None)
    assert len(talk.heard("transfer")) == 2


@row("2.6.7", MUST, "Each message that is sent takes one of the credit")
def credit_goes_down(talk: Talk) -> None:
    link = talk.sender(5)
    talk.engine.send(link)
    talk.engine.send(link)
    talk.turn()
    assert link.credit == 3


@row("2.6.7", IS, "A message in many frames takes one")
def one_credit_for_many_frames(talk: Talk) -> None:
    talk.open(max_frame_size=512)
    link = talk.sender(2)
    talk.engine.send(link, bytes(3000))
    talk.turn()
    assert link.credit == 1


@row("2.6.7", MUST, "Credit that is taken back stops the sender")
def credit_taken_back(talk: Talk) -> None:
    link = talk.sender(5)
    talk.engine.send(link)
    talk.heard()
    talk.flow(0, delivery_count=(talk.first_count + 1) & TOP)
    talk.engine.send(link)
    talk.none("transfer")


@row("2.6.7", IS, "Credit that is taken back below what has left is no credit, and no error", TOLERANCE)
def credit_below_zero(talk: Talk) -> None:
    link = talk.sender(3)
    for _ in range(4):
        talk.engine.send(link)
    assert len(talk.heard("transfer")) == 3
    talk.flow(1)
    talk.none("transfer")
    talk.lives()
    talk.flow(4)
    assert len(talk.heard("transfer")) == 1


@row("2.6.7", IS, "Credit of one link is none for another")
def credit_of_one_link(talk: Talk) -> None:
    talk.sender(5, name="a")
    second = talk.sender(name="b", handle=1)
    assert second.credit == 0


@row("2.6.7", IS, "A flow of the session leaves the credit of its links as it is")
def session_flow_and_credit(talk: Talk) -> None:
    link = talk.sender(5)
    talk.flow()
    assert link.credit == 5


@row("2.6.7", IS, "The credit may be as large as its field", TOLERANCE)
def largest_credit(talk: Talk) -> None:
    link = talk.sender(TOP)
    talk.engine.send(link)
    assert talk.one("transfer")
    talk.lives()


@row("2.6.7", MUST, "The sender's attach says where its delivery-count starts")
def initial_count(talk: Talk) -> None:
    talk.sender()
    assert talk.attached.initial_delivery_count is not None


@row("2.6.7", MUST, "Asked to drain with nothing to send, the sender uses up all credit, and says so")
def drain_of_nothing(talk: Talk) -> None:
    link = talk.sender()
    talk.flow(5, drain=True)
    talk.engine.drained(link)
    flow = talk.heard("flow")[-1]
    assert flow.link_credit == 0 and flow.delivery_count == (talk.first_count + 5) & TOP
    assert flow.handle == talk.attached.handle


@row("2.6.7", MUST, "Asked to drain with messages, it sends these first, then uses up the rest")
def drain_behind_messages(talk: Talk) -> None:
    link = talk.sender()
    talk.engine.send(link)
    talk.engine.send(link)
    talk.flow(5, drain=True)
    talk.engine.drained(link)
    talk.turn()
    said = talk.heard("transfer", "flow")
    assert [one.name for one in said][:3] == ["transfer", "transfer", "flow"]
    assert said[-1].link_credit == 0 and said[-1].delivery_count == (talk.first_count + 5) & TOP


@row("2.6.7", MUST, "Asked to drain, it says that its credit is used up when messages have used it up, too")
def drain_used_up_by_messages(talk: Talk) -> None:
    link = talk.sender()
    talk.engine.send(link)
    talk.engine.send(link)
    talk.flow(2, drain=True)
    talk.engine.drained(link)
    assert len(talk.all("transfer")) == 2
    flows = [one for one in talk.heard("flow") if one.handle is not None]
    assert flows, "no flow says that the drain is done"
    assert flows[-1].link_credit == 0 and flows[-1].delivery_count == (talk.first_count + 2) & TOP


@row("2.6.7", MUST, "A drain that comes in one piece with its attach is answered", roles=(SERVER,))
def drain_with_attach(talk: Talk) -> None:
    talk.session()
    attach = frame("attach", name="l", handle=0, role=True, source=source("q"), target=target("q"))
    flow = frame("flow", next_incoming_id=talk.first_id, incoming_window=10, next_outgoing_id=0, outgoing_window=10,
                 handle=0, link_credit=3, drain=True)
    talk.bytes(attach + flow)
    talk.engine.drained(talk.links[0])
    flows = [one for one in talk.heard("flow") if one.handle is not None]
    assert flows and flows[-1].link_credit == 0


@row("2.6.7", IS, "The flag of the receiver is known to the sender's application")
def drain_flag_arrives(talk: Talk) -> None:
    link = talk.sender(3)
    assert not link.drain_mode
    talk.flow(3, drain=True)
    assert link.drain_mode


@row("2.6.7", IS, "After a drain new credit is credit")
def credit_after_drain(talk: Talk) -> None:
    link = talk.sender()
    talk.flow(5, drain=True)
    talk.engine.drained(link)
    talk.turn()
    talk.flow(2, delivery_count=(talk.first_count + 5) & TOP)
    for _ in range(4):
        talk.engine.send(link)
    assert len(talk.heard("transfer")) == 2


@row("2.6.7", IS, "The sender's application can say how many messages it has")
def available_is_told(talk: Talk) -> None:
    link = talk.sender(1)
    talk.engine.offered(link, 7)
    talk.engine.send(link)
    talk.turn()
    talk.flow(0, delivery_count=(talk.first_count + 1) & TOP, drain=True, echo=True)
    talk.flow(1, delivery_count=(talk.first_count + 1) & TOP, drain=True)
    talk.engine.drained(link)
    told = [one.available for one in talk.all("flow") if one.available is not None]
    assert 7 in told, f"available {told}"


# -- 2.6.7 the receiver ----------------------------------------------------------------------------------------


@row("2.6.7", IS, "A receiver has no credit until it grants some")
def none_at_first(talk: Talk) -> None:
    talk.receiver()
    assert not [one for one in talk.all("flow") if one.link_credit]


@row("2.6.7", MUST, "Credit that is granted is told, with the delivery-count that it is counted from")
def credit_is_told(talk: Talk) -> None:
    link = talk.receiver()
    talk.engine.credit(link, 7)
    flow = talk.one("flow")
    assert (flow.handle, flow.link_credit, flow.delivery_count) == (talk.attached.handle, 7, 0)


@row("2.6.7", MUST, "The receiver's delivery-count starts at the sender's")
def count_of_the_sender(talk: Talk) -> None:
    link = talk.receiver(initial_delivery_count=1000)
    talk.engine.credit(link, 7)
    assert talk.one("flow").delivery_count == 1000


@row("2.6.7", MUST, "It goes up with each message, and the credit down")
def count_goes_up(talk: Talk) -> None:
    link = talk.receiver(10)
    for number in range(3):
        talk.transfer(number=number)
    talk.heard()
    talk.engine.credit(link, 1)
    flow = talk.one("flow")
    assert (flow.delivery_count, flow.link_credit) == (3, 8)


@row("2.6.7", IS, "It wraps around behind 2^32 - 1")
def count_wraps(talk: Talk) -> None:
    link = talk.receiver(10, initial_delivery_count=TOP)
    talk.transfer(number=0).transfer(number=1)
    assert len(talk.arrived) == 2
    talk.engine.credit(link, 1)
    flow = talk.heard("flow")[-1]
    assert (flow.delivery_count, flow.link_credit) == (1, 9)


@row("2.6.7", IS, "It may start anywhere", TOLERANCE)
def count_starts_anywhere(talk: Talk) -> None:
    link = talk.receiver(10, initial_delivery_count=TOP - 4)
    flow = talk.all("flow")[-1]
    assert (flow.delivery_count if flow.delivery_count is not None else TOP - 4, flow.link_credit) == (TOP - 4, 10)
    for number in range(10):
        talk.transfer(number=number)
    assert len(talk.arrived) == 10 and link.credit == 0
    talk.lives()


@row("2.6.7", MUST, "A sender's message in many frames counts as one")
def one_count_for_many_frames(talk: Talk) -> None:
    link = talk.receiver(10)
    talk.transfer(b"a", more=True).transfer(b"b", None, more=True).transfer(b"c", None)
    talk.engine.credit(link, 1)
    flow = talk.heard("flow")[-1]
    assert (flow.delivery_count, flow.link_credit) == (1, 10)


@row("2.6.7", IS, "More messages than were asked for end the link at most, with transfer-limit-exceeded", POLICING)
def beyond_the_credit(talk: Talk) -> None:
    talk.receiver(2)
    for number in range(400):
        if talk.all("detach"):
            break
        talk.transfer(number=number)
    talk.refused("detach", "amqp:link:transfer-limit-exceeded")
    assert not talk.all("end", "close")


@row("2.6.7", MUST, "Credit that the sender has used up without messages is gone")
def drained(talk: Talk) -> None:
    link = talk.receiver()
    talk.engine.drain(link, 5)
    talk.flow(handle=0, delivery_count=5, link_credit=0, available=0, drain=True)
    assert link.credit == 0
    talk.heard()
    talk.engine.credit(link, 2)
    flow = talk.heard("flow")[-1]
    assert (flow.delivery_count, flow.link_credit) == (5, 2)


@row("2.6.7", IS, "To drain is asked for by the flag, with the credit that is meant")
def drain_is_told(talk: Talk) -> None:
    link = talk.receiver()
    talk.engine.drain(link, 5)
    flow = talk.one("flow")
    assert flow.drain is True and flow.link_credit == 5


@row("2.6.7", IS, "The sender's available is known to the application")
def available_arrives(talk: Talk) -> None:
    link = talk.receiver(5)
    talk.flow(handle=0, delivery_count=0, link_credit=5, available=42)
    assert link.available == 42


@row("2.6.7", MUST, "It never goes below zero when more messages come than were available")
def available_has_a_floor(talk: Talk) -> None:
    link = talk.receiver(5)
    talk.flow(handle=0, delivery_count=0, link_credit=5, available=1)
    talk.transfer(number=0).transfer(number=1)
    assert link.available >= 0
    talk.engine.credit(link, 1)
    assert (talk.heard("flow")[-1].available or 0) in (0, 1)


@row("2.6.7", MAY, "Messages may come although none was available", TOLERANCE)
def none_was_available(talk: Talk) -> None:
    talk.receiver(5)
    talk.flow(handle=0, delivery_count=0, link_credit=5, available=0).transfer()
    assert len(talk.arrived) == 1


# -- 2.6.8 to 2.6.11 -------------------------------------------------------------------------------------------


@row("2.6.8", IS, "A single message is got by one credit")
def get_one(talk: Talk) -> None:
    link = talk.receiver(1)
    assert talk.all("flow")[-1].link_credit == 1
    talk.transfer()
    assert len(talk.arrived) == 1 and link.credit == 0


@row("2.6.9", IS, "A get that has waited long enough is ended by a drain, which a message may still answer")
def get_with_timeout(talk: Talk) -> None:
    link = talk.receiver(1)
    talk.engine.drain(link, 0)
    assert talk.one("flow").drain is True
    talk.transfer()
    talk.flow(handle=0, delivery_count=1, link_credit=0, drain=True)
    assert len(talk.arrived) == 1 and link.credit == 0


@row("2.6.10", IS, "Credit is topped up while messages come")
def topped_up(talk: Talk) -> None:
    link = talk.receiver(4)
    talk.transfer(number=0).transfer(number=1)
    talk.engine.credit(link, 2)
    assert talk.heard("flow")[-1].link_credit == 4


@row("2.6.11", IS, "A sender that is told to stop says, when asked for an echo, how far it has got")
def echo_when_stopped(talk: Talk) -> None:
    link = talk.sender(5)
    talk.engine.send(link)
    talk.heard()
    talk.flow(0, echo=True)
    flow = [one for one in talk.heard("flow") if one.handle is not None]
    assert flow, "no flow answers"
    assert flow[-1].delivery_count == (talk.first_count + 1) & TOP and flow[-1].link_credit == 0
