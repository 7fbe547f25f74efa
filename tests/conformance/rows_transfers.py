"""Rows of transfer [2.7.5]."""

from __future__ import annotations

from tests.conformance.table import IS, MAY, MUST, POLICING, SHOULD, TOLERANCE, row
from tests.conformance.talk import MESSAGE, Talk, frame

TOP = 0xFFFFFFFF
SETTLED, UNSETTLED, MIXED = 1, 0, 2
SECOND = 1


# -- 2.7.5 transfer --------------------------------------------------------------------------------------------


@row("2.7.5", MUST, "The first transfer of a delivery has its id, its tag and its message-format")
def first_fields(talk: Talk) -> None:
    talk.open(max_frame_size=512)
    link = talk.sender(5)
    talk.engine.send(link, bytes(2000))
    first = talk.heard("transfer")[0]
    assert None not in (first.delivery_id, first.delivery_tag, first.message_format)


@row("2.7.5", MUST, "The id of a transfer that goes on is the same, where it is said")
def later_fields(talk: Talk) -> None:
    talk.open(max_frame_size=512)
    link = talk.sender(5)
    talk.engine.send(link, bytes(2000))
    first, *later = talk.heard("transfer")
    assert later and all(one.delivery_id in (None, first.delivery_id) for one in later)


@row("2.7.5", MAY, "A transfer that goes on may say its id again", TOLERANCE)
def id_again(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(b"a", 3, more=True).transfer(b"b", None, delivery_id=3)
    assert [one.payload for one in talk.arrived] == [b"ab"]
    talk.lives()


@row("2.7.5", MAY, "A transfer that goes on may say its tag and format again", TOLERANCE)
def tag_again(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(b"a", 3, more=True).transfer(b"b", 3)
    assert [one.payload for one in talk.arrived] == [b"ab"]
    talk.lives()


@row("2.7.5", IS, "A transfer that goes on with another id is refused", POLICING)
def other_id(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(b"a", 3, more=True).transfer(b"b", 4)
    talk.refused_anyhow()


@row("2.7.5", MUST, "A delivery that begins without an id is refused", POLICING)
def no_id(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(delivery_id=None)
    talk.refused_anyhow()


@row("2.7.5", MUST, "A delivery that begins without a tag is refused", POLICING)
def no_tag(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(delivery_tag=None)
    talk.refused_anyhow()


@row("2.7.5", IS, "A settled delivery that begins without a tag is taken: nobody will ever ask for it", TOLERANCE)
def no_tag_settled(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(delivery_tag=None, settled=True)
    assert len(talk.arrived) == 1
    talk.lives()


@row("2.7.5", IS, "An id that an unsettled delivery has is not one for another", POLICING)
def id_in_use(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(number=3).transfer(number=3, delivery_tag=b"other")
    talk.refused_anyhow()


@row("2.7.5", MUST, "Settled that is not said at first means unsettled")
def settled_unset(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer()
    assert not talk.arrived[0].delivery.settled


@row("2.7.5", MUST, "Settled that is said on a later frame counts for the delivery")
def settled_later(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(b"a", more=True).transfer(b"b", None, settled=True)
    assert talk.arrived[0].delivery.settled


@row("2.7.5", MUST, "Settled that was said on an earlier frame still counts when it is not said again")
def settled_earlier(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(b"a", more=True, settled=True).transfer(b"b", None)
    assert talk.arrived[0].delivery.settled


@row("2.7.5", MUST, "With snd-settle-mode settled each delivery is sent settled")
def mode_settled(talk: Talk) -> None:
    link = talk.sender(5, snd_settle_mode=SETTLED, mine={"snd_settle_mode": SETTLED})
    for _ in range(2):
        talk.engine.send(link, settled=True)
    assert all(one.settled is True for one in talk.heard("transfer"))


@row("2.7.5", MUST, "With snd-settle-mode unsettled none is")
def mode_unsettled(talk: Talk) -> None:
    link = talk.sender(5, snd_settle_mode=UNSETTLED, mine={"snd_settle_mode": UNSETTLED})
    for _ in range(2):
        talk.engine.send(link)
    assert not any(one.settled for one in talk.heard("transfer"))


@row("2.7.5", IS, "With both more and aborted, aborted is what counts")
def more_and_aborted(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(b"a", more=True).transfer(b"b", None, more=True, aborted=True).transfer(b"next", 1)
    assert [one.payload for one in talk.arrived] == [b"next"]
    talk.lives()


@row("2.7.5", SHOULD, "More is not said together with aborted")
def aborted_without_more(talk: Talk) -> None:
    link = talk.sender(5)
    delivery = talk.engine.begin_delivery(link, b"begin")
    talk.heard()
    talk.engine.abort(delivery)
    assert not talk.one("transfer").more


@row("2.7.5", MUST, "The payload of an aborted transfer is nothing to anybody")
def aborted_payload(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(b"all", aborted=True)
    assert not talk.arrived
    talk.lives()


@row("2.7.5", IS, "An aborted delivery is settled: nobody says more of it")
def aborted_is_settled(talk: Talk) -> None:
    link = talk.receiver(5)
    talk.transfer(b"a", more=True).transfer(b"b", None, aborted=True)
    assert link.unsettled == 0
    talk.none("disposition")


@row("2.7.5", IS, "Its id may be used again", TOLERANCE)
def id_after_abort(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(b"a", 3, more=True).transfer(b"b", None, aborted=True).transfer(b"c", 3)
    assert [one.payload for one in talk.arrived] == [b"c"]
    talk.lives()


@row("2.7.5", MUST, "A transfer on a handle that is not attached ends the session: unattached-handle", POLICING)
def unattached_handle(talk: Talk) -> None:
    talk.session()
    talk.transfer(handle=5)
    talk.refused("end", "amqp:session:unattached-handle")


@row("2.7.5", IS, "A transfer to a link that is the sender is refused", POLICING)
def to_a_sender(talk: Talk) -> None:
    talk.sender(5)
    talk.transfer()
    talk.refused_anyhow()


@row("2.7.5", IS, "That the delivery may be reported late does no harm", TOLERANCE)
def batchable(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(batchable=True)
    talk.engine.update(talk.arrived[0].delivery, "ACCEPTED", settle=True)
    assert talk.one("disposition").settled is True


@row("2.7.5", IS, "A rcv-settle-mode on the transfer of a settled delivery means nothing", TOLERANCE)
def mode_of_a_settled(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(settled=True, rcv_settle_mode=0)
    assert talk.arrived[0].delivery.settled
    talk.lives()


@row("2.7.5", IS, "A link whose receiver settles first may not be asked to settle second", POLICING)
def second_on_a_first(talk: Talk) -> None:
    talk.receiver(5, rcv_settle_mode=0)
    talk.transfer(rcv_settle_mode=SECOND)
    talk.refused_anyhow()


@row("2.7.5", IS, "A state on the transfer is the sender's, as a disposition's would be")
def state_on_transfer(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(state=talk.outcome("accepted"))
    assert talk.engine.state(talk.arrived[0].delivery) == "ACCEPTED"


@row("2.7.5", IS, "An empty transfer is one", TOLERANCE)
def empty(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(b"", more=True).transfer(b"x", None, more=True).transfer(b"", None)
    assert [one.payload for one in talk.arrived] == [b"x"]
    talk.lives()


@row("2.7.5", IS, "A delivery-id may be any number", TOLERANCE)
def any_id(talk: Talk) -> None:
    talk.receiver(5)
    talk.transfer(number=TOP).transfer(number=0)
    for one in talk.arrived:
        talk.engine.update(one.delivery, "ACCEPTED", settle=True)
    said = talk.heard("disposition")
    told = {(one.first + at) & TOP for one in said for at in range(((one.first if one.last is None else one.last)
                                                                   - one.first + 1) & TOP)}
    assert told == {TOP, 0}


@row("2.7.5", IS, "Transfers that come in one piece with the attach's answer are messages", TOLERANCE)
def with_the_next_frames(talk: Talk) -> None:
    talk.receiver(5)
    frames = [
        frame("transfer", 0, MESSAGE, handle=0, delivery_id=at, delivery_tag=b"%d" % at, message_format=0, settled=True)
        for at in range(3)
    ]
    talk.bytes(b"".join(frames) + frame("detach", handle=0, closed=True))
    assert len(talk.arrived) == 3
    assert talk.one("detach").closed is True
