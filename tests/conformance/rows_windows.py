"""Rows of [2.5.6], flow control of sessions."""

from __future__ import annotations

from tests.conformance.table import IS, MUST, POLICING, TOLERANCE, row
from tests.conformance.talk import MESSAGE, Talk

TOP = 0xFFFFFFFF


# -- 2.5.6 session flow control --------------------------------------------------------------------------------


@row("2.5.6", MUST, "The next-outgoing-id goes up by one for each transfer frame")
def outgoing_ids(talk: Talk) -> None:
    link = talk.sender(10)
    first = talk.begun.next_outgoing_id
    for _ in range(3):
        talk.engine.send(link)
    assert talk.probe().next_outgoing_id == (first + 3) & TOP


@row("2.5.6", MUST, "A message in several frames takes as many of them")
def frames_count_one_by_one(talk: Talk) -> None:
    talk.open(max_frame_size=512)
    link = talk.sender(10)
    talk.engine.send(link, bytes(2000))
    sent = len(talk.heard("transfer"))
    assert sent > 3
    assert talk.probe().next_outgoing_id == (talk.first_id + sent) & TOP


@row("2.5.6", MUST, "Not more transfer frames go out than the peer's incoming-window takes")
def remote_window(talk: Talk) -> None:
    talk.session(incoming_window=3)
    link = talk.sender()
    talk.flow(100, incoming_window=3)
    for _ in range(8):
        talk.engine.send(link)
    assert len(talk.heard("transfer")) == 3


@row("2.5.6", MUST, "The window of the peer's begin holds until a flow says another one")
def window_of_begin(talk: Talk) -> None:
    talk.session(incoming_window=0)
    link = talk.sender()
    talk.flow(100, incoming_window=0)
    talk.engine.send(link)
    talk.none("transfer")
    talk.flow(incoming_window=1)
    assert talk.one("transfer")


@row("2.5.6", MUST, "A flow opens the window anew, less what has left since it was written")
def window_formula(talk: Talk) -> None:
    talk.session(incoming_window=3)
    link = talk.sender()
    talk.flow(100, incoming_window=3)
    for _ in range(20):
        talk.engine.send(link)
    assert len(talk.heard("transfer")) == 3
    talk.flow(next_incoming_id=(talk.first_id + 1) & TOP, incoming_window=4)  # it had read one of them
    assert len(talk.heard("transfer")) == 2


@row("2.5.6", MUST, "A flow without next-incoming-id counts from the first id", TOLERANCE)
def window_without_id(talk: Talk) -> None:
    talk.session(incoming_window=3)
    link = talk.sender()
    talk.flow(100, incoming_window=3)
    for _ in range(20):
        talk.engine.send(link)
    assert len(talk.heard("transfer")) == 3
    talk.flow(next_incoming_id=None, incoming_window=5)
    assert len(talk.heard("transfer")) == 2


@row("2.5.6", MUST, "The frames of one message wait for the window, too")
def window_within_a_message(talk: Talk) -> None:
    talk.open(max_frame_size=512)
    talk.session(incoming_window=2)
    link = talk.sender()
    talk.flow(100, incoming_window=2)
    talk.engine.send(link, bytes(3000))
    assert len(talk.heard("transfer")) == 2
    talk.flow(next_incoming_id=(talk.first_id + 2) & TOP, incoming_window=100)
    assert not talk.heard("transfer")[-1].more


@row("2.5.6", MUST, "The next-incoming-id goes up by one for each transfer that comes")
def incoming_ids(talk: Talk) -> None:
    talk.session(next_outgoing_id=100)
    talk.receiver(10)
    talk.transfer(number=0).transfer(number=1)
    assert talk.probe().next_incoming_id == 102


@row("2.5.6", MUST, "It starts at the next-outgoing-id of the peer's begin")
def incoming_id_of_begin(talk: Talk) -> None:
    talk.session(next_outgoing_id=77)
    assert talk.probe().next_incoming_id == 77


@row("2.5.6", MUST, "A flow of the peer's sets it")
def incoming_id_of_flow(talk: Talk) -> None:
    talk.session()
    talk.flow(next_outgoing_id=40)
    assert talk.probe().next_incoming_id == 40


@row("2.5.6", MUST, "Ids wrap around behind 2^32 - 1")
def ids_wrap(talk: Talk) -> None:
    talk.session(next_outgoing_id=TOP)
    talk.receiver(10)
    talk.transfer(number=0).transfer(number=1)
    assert len(talk.arrived) == 2
    assert talk.probe().next_incoming_id == 1


@row("2.5.6", IS, "A peer's next-outgoing-id may start anywhere", TOLERANCE)
def ids_start_anywhere(talk: Talk) -> None:
    talk.session(next_outgoing_id=0x80000005)
    talk.receiver(10)
    talk.transfer(number=0)
    assert len(talk.arrived) == 1
    talk.lives()


@row("2.5.6", IS, "The window is opened anew in time: a peer that keeps to it never stands still")
def window_is_renewed(talk: Talk) -> None:
    talk.open(mine={"max_frame_size": 512})
    talk.capacity = 4096
    talk.session()
    link = talk.receiver(1000)
    window, sent = talk.begun.incoming_window, 0
    for number in range(60):
        for one in talk.heard("flow"):
            window, sent = one.incoming_window + (one.next_incoming_id - number), 0
        if window - sent <= 0:
            raise AssertionError(f"the window is closed after {number} messages that were read")
        talk.transfer(number=number)
        talk.engine.update(talk.arrived[-1].delivery, "ACCEPTED", settle=True)
        sent += 1
    assert link.is_receiver


@row("2.5.6", IS, "What exceeds the window ends the session: window-violation", POLICING)
def window_violation(talk: Talk) -> None:
    talk.open(mine={"max_frame_size": 512})
    talk.capacity = 2048
    talk.reads = False
    talk.session()
    talk.receiver(1000)
    assert talk.begun.incoming_window < 100
    for number in range(talk.begun.incoming_window + 1):
        talk.transfer(MESSAGE, number)
    talk.refused("end", "amqp:session:window-violation")


@row("2.5.6", MUST, "A session's flow says its windows and ids, and nothing of a link")
def session_flow_alone(talk: Talk) -> None:
    talk.session()
    talk.flow(echo=True)
    flow = talk.one("flow")
    assert {"next-incoming-id", "incoming-window", "next-outgoing-id", "outgoing-window"} <= set(flow.fields)
    assert not {"handle", "delivery-count", "link-credit", "available"} & set(flow.fields) and not flow.drain
