"""Rows of disposition [2.7.6], detach [2.7.7] and close [2.7.9]."""

from __future__ import annotations

import time

from tests.conformance.table import IS, MUST, POLICING, TOLERANCE, row
from tests.conformance.talk import Talk, error

TOP = 0xFFFFFFFF


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
    before = time.process_time()  # no other process's; number after number would take minutes of it
    talk.disposition(0, 0x7FFFFFFE, settled=True, state=talk.outcome("accepted"))
    assert time.process_time() - before < 10
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
