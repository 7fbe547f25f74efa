"""Rows of [2.6.12] transferring messages, [2.6.13] resuming, [2.6.14] large messages."""

from __future__ import annotations

from tests.conformance.table import IS, MAY, MUST, TOLERANCE, row
from tests.conformance.talk import Talk

TOP = 0xFFFFFFFF
SETTLED, UNSETTLED, MIXED = 1, 0, 2
SECOND = 1


# -- 2.6.12 transferring a message -----------------------------------------------------------------------------


@row("2.6.12", MUST, "Each delivery has a tag")
def tags(talk: Talk) -> None:
    link = talk.sender(5)
    for _ in range(3):
        talk.engine.send(link)
    assert all(one.delivery_tag for one in talk.heard("transfer"))


@row("2.6.12", MUST, "Deliveries of a link that are not settled have tags of their own")
def tags_are_unique(talk: Talk) -> None:
    link = talk.sender(50)
    for _ in range(40):
        talk.engine.send(link)
    assert len({one.delivery_tag for one in talk.heard("transfer")}) == 40


@row("2.6.12", MUST, "A tag that the application has chosen twice does not leave twice while the first is unsettled")
def tag_twice(talk: Talk) -> None:
    link = talk.sender(5)
    for _ in range(2):
        try:
            talk.engine.send(link, tag="same")
        except Exception:
            break  # it says that the tag is taken
    assert len([one for one in talk.heard("transfer") if one.delivery_tag == b"same"]) == 1


@row("2.6.12", IS, "A tag that the application has chosen is the delivery's")
def tag_of_the_application(talk: Talk) -> None:
    link = talk.sender(5)
    talk.engine.send(link, tag="mine")
    assert talk.one("transfer").delivery_tag == b"mine"


@row("2.6.12", IS, "Tags of another link may be the same")
def tags_of_other_links(talk: Talk) -> None:
    for at, name in enumerate("ab"):
        talk.engine.send(talk.sender(5, name=name, handle=at), tag="same")
        assert talk.one("transfer").delivery_tag == b"same"


@row("2.6.12", IS, "Delivery-ids count up by one, over all links of a session")
def ids(talk: Talk) -> None:
    first, second = talk.sender(5, name="a"), talk.sender(5, name="b", handle=1)
    for link in (first, second, first):
        talk.engine.send(link)
        talk.turn()
    found = [one.delivery_id for one in talk.heard("transfer")]
    assert found == [(found[0] + at) & TOP for at in range(3)]


@row("2.6.12", IS, "A delivery is unsettled until one side settles it")
def unsettled(talk: Talk) -> None:
    link = talk.sender(5)
    delivery = talk.engine.send(link)
    assert not talk.one("transfer").settled
    assert not delivery.settled and talk.engine.state(delivery) == ""


@row("2.6.12", IS, "The receiver's outcome reaches the sender's application")
def outcome_arrives(talk: Talk) -> None:
    link = talk.sender(5)
    delivery = talk.engine.send(link)
    talk.disposition(talk.one("transfer").delivery_id, state=talk.outcome("accepted"))
    assert talk.engine.state(delivery) == "ACCEPTED" and not delivery.settled


@row("2.6.12", IS, "So does that it is settled")
def settlement_arrives(talk: Talk) -> None:
    link = talk.sender(5)
    delivery = talk.engine.send(link)
    talk.disposition(talk.one("transfer").delivery_id, settled=True, state=talk.outcome("accepted"))
    assert talk.engine.state(delivery) == "ACCEPTED" and delivery.settled


@row("2.6.12", IS, "At most once: what is sent settled is said to be, and nothing more comes of it")
def at_most_once(talk: Talk) -> None:
    link = talk.sender(5)
    talk.engine.send(link, settled=True)
    assert talk.one("transfer").settled is True
    talk.none("disposition")


@row("2.6.12", IS, "At least once: the receiver says its outcome and settles in one")
def at_least_once(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(number=7)
    talk.engine.update(talk.arrived[0].delivery, "ACCEPTED", settle=True)
    said = talk.one("disposition")
    assert (said.role, said.first, said.last or 7, said.settled) == (True, 7, 7, True)
    assert said.state.descriptor == 0x24


@row("2.6.12", IS, "Exactly once: the outcome first, unsettled; the sender settles; the receiver then says no more")
def exactly_once(talk: Talk) -> None:
    talk.receiver(5, rcv_settle_mode=SECOND, mine={"rcv_settle_mode": SECOND})
    talk.transfer(number=7)
    delivery = talk.arrived[0].delivery
    talk.engine.update(delivery, "ACCEPTED")
    said = talk.one("disposition")
    assert said.state.descriptor == 0x24 and not said.settled
    talk.disposition(7, role=False, settled=True, state=talk.outcome("accepted"))
    assert delivery.settled
    talk.engine.update(delivery, settle=True)
    talk.none("disposition")


@row("2.6.12", IS, "Exactly once: the sender that has got the outcome settles, and says so")
def exactly_once_sending(talk: Talk) -> None:
    link = talk.sender(5, rcv_settle_mode=SECOND, mine={"rcv_settle_mode": SECOND})
    delivery = talk.engine.send(link)
    number = talk.one("transfer").delivery_id
    talk.disposition(number, state=talk.outcome("accepted"))
    talk.engine.update(delivery, settle=True)
    said = talk.one("disposition")
    assert (said.role, said.first, said.settled) == (False, number, True)


@row("2.6.12", IS, "Of a delivery that came settled the receiver has nothing to say")
def settled_on_arrival(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(settled=True)
    delivery = talk.arrived[0].delivery
    assert delivery.settled
    try:
        talk.engine.update(delivery, "ACCEPTED", settle=True)
    except Exception:
        pass  # it says that it is settled
    talk.none("disposition")


@row("2.6.12", IS, "A receiver may settle without an outcome")
def settle_without_outcome(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(number=7)
    talk.engine.update(talk.arrived[0].delivery, settle=True)
    said = talk.one("disposition")
    assert said.settled is True and said.first == 7


@row("2.6.12", IS, "Unsettled deliveries do not keep others from coming")
def many_unsettled(talk: Talk) -> None:
    talk.receiver(200)
    for number in range(100):
        talk.transfer(number=number)
    assert len(talk.arrived) == 100
    talk.lives()


@row("2.6.12", IS, "Messages come in the order in which they were sent")
def in_order(talk: Talk) -> None:
    talk.receiver(200)
    for number in range(50):
        talk.transfer(b"%d" % number, number)
    assert [one.payload for one in talk.arrived] == [b"%d" % number for number in range(50)]


@row("2.6.12", IS, "Messages leave in the order in which they were sent")
def out_of_order(talk: Talk) -> None:
    link = talk.sender(200)
    for number in range(50):
        talk.engine.send(link, b"%d" % number)
    assert [one.payload for one in talk.heard("transfer")] == [b"%d" % number for number in range(50)]


# -- 2.6.13 resuming -------------------------------------------------------------------------------------------


@row("2.6.13", MUST, "A resumed delivery that the receiver does not know is passed over", TOLERANCE)
def unknown_resume(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(number=0, resume=True)
    assert not talk.arrived
    talk.transfer(number=1)
    assert len(talk.arrived) == 1
    talk.lives()


@row("2.6.13", MUST, "Nothing is marked as resumed that is not")
def no_resume(talk: Talk) -> None:
    link = talk.sender(5)
    talk.engine.send(link)
    assert not talk.one("transfer").resume


# -- 2.6.14 large messages -------------------------------------------------------------------------------------


@row("2.6.14", IS, "A message larger than a frame goes in several, all but the last with more")
def large_message(talk: Talk) -> None:
    talk.open(max_frame_size=512)
    link = talk.sender(5)
    payload = bytes(range(256)) * 8
    talk.engine.send(link, payload)
    frames = talk.heard("transfer")
    assert b"".join(one.payload for one in frames) == payload
    assert [bool(one.more) for one in frames] == [True] * (len(frames) - 1) + [False]


@row("2.6.14", IS, "Frames of one message are put together")
def put_together(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(b"one ", more=True)
    assert not talk.arrived
    talk.transfer(b"two ", None, more=True).transfer(b"three", None)
    assert [one.payload for one in talk.arrived] == [b"one two three"]


@row("2.6.14", MAY, "Frames of messages of two links may be mixed", TOLERANCE)
def mixed_links(talk: Talk) -> None:
    talk.receiver(5, name="a")
    talk.receiver(5, name="b", handle=1)
    talk.transfer(b"a1", 0, more=True).transfer(b"b1", 1, handle=1, more=True)
    talk.transfer(b"a2", None).transfer(b"b2", None, handle=1)
    assert [one.payload for one in talk.arrived] == [b"a1a2", b"b1b2"]
    talk.lives()


@row("2.6.14", MUST, "Messages of one link are never mixed")
def one_after_the_other(talk: Talk) -> None:
    talk.open(max_frame_size=512)
    talk.session(incoming_window=2)
    link = talk.sender()
    talk.flow(5, incoming_window=2)
    for octet in (b"a", b"b"):
        talk.engine.send(link, octet * 1500)
    talk.turn()
    talk.flow(incoming_window=100)
    said = b"".join(one.payload for one in talk.heard("transfer"))
    assert said == b"a" * 1500 + b"b" * 1500


@row("2.6.14", IS, "A message that is begun may leave before it is complete")
def streamed(talk: Talk) -> None:
    link = talk.sender(5)
    talk.engine.begin_delivery(link, b"begin")
    first = talk.heard("transfer")
    talk.engine.more(link, b" end")
    talk.engine.complete(link)
    frames = first + talk.heard("transfer")
    assert b"".join(one.payload for one in frames) == b"begin end"
    assert not frames[-1].more and all(one.more for one in frames[:-1])


@row("2.6.14", MUST, "A message that the sender gives up is told to be aborted")
def abort(talk: Talk) -> None:
    link = talk.sender(5)
    delivery = talk.engine.begin_delivery(link, b"begin")
    assert talk.one("transfer").more is True
    talk.engine.abort(delivery)
    assert talk.one("transfer").aborted is True


@row("2.6.14", MUST, "What has come of an aborted message is thrown away")
def aborted(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(b"one ", more=True).transfer(b"two", None, aborted=True)
    assert not talk.arrived
    talk.transfer(b"next", 1)
    assert [one.payload for one in talk.arrived] == [b"next"]
    talk.lives()


@row("2.6.14", IS, "After an abort the next message leaves whole")
def after_abort(talk: Talk) -> None:
    link = talk.sender(5)
    delivery = talk.engine.begin_delivery(link, b"begin")
    talk.turn()
    talk.engine.abort(delivery)
    talk.turn()
    talk.heard()
    talk.engine.send(link, b"whole")
    transfer = talk.one("transfer")
    assert transfer.payload == b"whole" and not transfer.aborted and transfer.delivery_id is not None
