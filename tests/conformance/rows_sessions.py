"""Rows of [2.5] sessions, and of begin and end [2.7.2, 2.7.8]."""

from __future__ import annotations

from tests.conformance.table import IS, MAY, MUST, POLICING, SHOULD, TOLERANCE, row
from tests.conformance.talk import CLIENT, FRAMING, SERVER, Talk, error, frame

TOP = 0xFFFFFFFF


# -- 2.5.1 establishing ----------------------------------------------------------------------------------------


@row("2.5.1", MUST, "The begin of a session that is begun here has no remote-channel")
def local_begin(talk: Talk) -> None:
    talk.open()
    talk.engine.begin()
    assert "remote-channel" not in talk.one("begin").fields


@row("2.5.1", MUST, "The begin that answers one names the channel that the peer's came on")
def answering_begin(talk: Talk) -> None:
    talk.open()
    talk.begin(7)
    assert talk.one("begin").remote_channel == 7


@row("2.5.1", SHOULD, "The lowest unused channel is taken")
def lowest_channel(talk: Talk) -> None:
    talk.open()
    sessions = [talk.engine.begin() for _ in range(3)]
    assert [one.channel for one in talk.heard("begin")] == [0, 1, 2]
    for at in range(3):
        talk.begin(at, remote_channel=at)
    talk.engine.end(sessions[1])
    talk.turn()
    talk.say("end", 1)
    talk.engine.begin()
    assert talk.heard("begin")[-1].channel == 1


@row("2.5.1", IS, "The channels of the two directions have nothing to do with each other")
def unrelated_channels(talk: Talk) -> None:
    talk.open()
    session = talk.engine.begin()
    talk.turn()
    talk.begin(9, remote_channel=0)
    assert talk.happened("session_remote_open") == [session]
    talk.say("end", 9)
    assert talk.one("end").channel == 0
    talk.lives("end")


@row("2.5.1", IS, "A begin of the peer's is answered when the application opens its session, not before")
def begin_waits_for_the_application(talk: Talk) -> None:
    talk.open()
    talk.polite = False
    talk.begin()
    talk.none("begin")
    talk.engine.begin(talk.sessions[0])
    assert talk.one("begin").remote_channel == 0


@row("2.5.1", IS, "Several sessions live beside each other")
def several(talk: Talk) -> None:
    talk.open()
    for channel in (0, 3, 5):
        talk.begin(channel)
    assert [one.remote_channel for one in talk.heard("begin")] == [0, 3, 5]
    talk.say("end", 3)
    assert len(talk.heard("end")) == 1
    talk.attach(channel=5)
    assert talk.one("attach")


@row("2.5.1", MUST, "A begin on a channel that has a session is refused", POLICING)
def begin_twice(talk: Talk) -> None:
    talk.open()
    talk.begin().begin()
    talk.refused_anyhow()


@row("2.5.1", MUST, "A begin that answers a channel which has no session of ours is refused", POLICING)
def begin_for_nothing(talk: Talk) -> None:
    talk.open()
    talk.begin(0, remote_channel=50)
    talk.refused_anyhow()


@row("2.5.1", IS, "A frame for a session on a channel that has none is refused", POLICING)
def no_session(talk: Talk) -> None:
    talk.open()
    talk.attach(channel=2)
    talk.refused_anyhow()


@row("2.5.1", MUST, "A begin without next-outgoing-id or windows is refused", POLICING)
def begin_without_fields(talk: Talk) -> None:
    talk.open()
    talk.say("begin", incoming_window=1, outgoing_window=1)
    talk.refused_anyhow()


# -- 2.5.2 ending ----------------------------------------------------------------------------------------------


@row("2.5.2", MUST, "A session that is ended here says end")
def end_is_said(talk: Talk) -> None:
    session = talk.session()
    talk.engine.end(session)
    assert talk.one("end").channel == talk.begun.channel
    assert not talk.all("end")[0].error


@row("2.5.2", IS, "The end carries its reason")
def end_with_reason(talk: Talk) -> None:
    session = talk.session()
    talk.engine.end(session, "amqp:not-allowed")
    assert talk.one("end").error == "amqp:not-allowed"


@row("2.5.2", MUST, "An end of the peer's is answered by an end")
def end_is_answered(talk: Talk) -> None:
    talk.session()
    talk.say("end")
    assert talk.one("end").error is None


@row("2.5.2", IS, "The reason of the peer's end reaches the application")
def end_reason_arrives(talk: Talk) -> None:
    session = talk.session()
    talk.say("end", error=error("amqp:resource-deleted"))
    assert talk.engine.condition(session) == "amqp:resource-deleted"


@row("2.5.2", IS, "A channel is free again after both ends")
def channel_is_free_again(talk: Talk) -> None:
    talk.session()
    talk.say("end").begin()
    assert len(talk.happened("session_remote_open")) == 2
    assert not talk.all("close")


@row("2.5.2", IS, "The end of a session leaves the connection and other sessions alone")
def others_live(talk: Talk) -> None:
    talk.session()
    talk.begin(1).say("end", 0).attach(channel=1)
    assert talk.one("attach") and not talk.all("close")


@row("2.5.2", IS, "A session that ends takes its links along, without a detach for each")
def links_go_too(talk: Talk) -> None:
    talk.sender(1)
    talk.say("end")
    talk.none("detach")


@row("2.5.2", MUST, "Nothing of a session goes out behind its end")
def nothing_behind_end(talk: Talk) -> None:
    link = talk.sender(10)
    talk.engine.end(talk.sessions[0])
    talk.turn()
    try:
        talk.engine.send(link)
    except Exception:
        pass  # it says that it is too late
    talk.flow(5)
    assert talk.all()[-1].name == "end"


@row("2.5.2", IS, "What was sent before the end in the same turn goes out before it")
def sent_before_end(talk: Talk) -> None:
    link = talk.sender(10)
    talk.engine.send(link)
    talk.engine.end(talk.sessions[0])
    names = [one.name for one in talk.heard("transfer", "end")]
    assert names == ["transfer", "end"]


@row("2.5.2", MUST, "An end for a channel that has no session is refused", POLICING)
def end_of_nothing(talk: Talk) -> None:
    talk.open()
    talk.say("end", 3)
    talk.refused_anyhow()


# -- 2.5.3 simultaneous end ------------------------------------------------------------------------------------


@row("2.5.3", IS, "Two ends that cross are each other's answer")
def ends_cross(talk: Talk) -> None:
    session = talk.session()
    talk.engine.end(session)
    talk.engine.receive(frame("end"))
    talk.turn()
    assert len(talk.all("end")) == 1 and not talk.all("close")
    talk.begin()
    assert len(talk.all("begin")) == 2


# -- 2.5.4 session errors, 2.5.5 states ------------------------------------------------------------------------


@row("2.5.4", MUST, "A session that cannot go on says end with the reason")
def end_for_error(talk: Talk) -> None:
    talk.session()
    talk.flow(1, handle=77)
    talk.refused("end")
    assert not talk.all("close")


@row("2.5.4", MUST, "After that all that comes on it is discarded, up to the peer's end")
def discards(talk: Talk) -> None:
    talk.session()
    talk.flow(1, handle=77)
    before = len(talk.all())
    talk.attach().flow(1, handle=78).transfer(handle=9)
    assert len(talk.all()) == before
    assert not talk.happened("link_remote_open")


@row("2.5.4", IS, "The peer's end frees the channel after an error, too")
def free_after_error(talk: Talk) -> None:
    talk.session()
    talk.flow(1, handle=77)
    talk.say("end").begin()
    assert len(talk.all("begin")) == 2 and not talk.all("close")


@row("2.5.4", IS, "An error of one session leaves the others alone")
def error_leaves_others(talk: Talk) -> None:
    talk.session()
    talk.begin(1).flow(1, handle=77).attach(channel=1)
    assert talk.one("attach") and not talk.all("close")


@row("2.5.5", MAY, "Frames may be sent on a session whose begin is not answered", roles=(CLIENT,))
def begin_sent(talk: Talk) -> None:
    talk.open()
    session = talk.engine.begin()
    talk.engine.sender(session, "l")
    names = [one.name for one in talk.heard()]
    talk.begin(remote_channel=0)
    assert names + [one.name for one in talk.heard()] == ["begin", "attach"]


@row("2.5.5", IS, "Frames that come on a session before it is answered here are kept for then")
def begin_received(talk: Talk) -> None:
    talk.open()
    talk.polite = False
    talk.begin().attach()
    talk.none()
    talk.engine.begin(talk.sessions[0])
    talk.engine.attach(talk.links[0])
    assert [one.name for one in talk.heard()] == ["begin", "attach"]


@row("2.5.5", IS, "What comes on a session that was ended here is passed over, up to the peer's end", TOLERANCE)
def end_sent(talk: Talk) -> None:
    talk.receiver(10)
    talk.engine.end(talk.sessions[0])
    talk.turn()
    talk.transfer().attach("other", 5).disposition(0).say("detach", handle=0).say("end")
    assert len(talk.all("end")) == 1 and not talk.all("close")


# -- 2.7.2 begin -----------------------------------------------------------------------------------------------


@row("2.7.2", MUST, "Begin says next-outgoing-id, incoming-window and outgoing-window")
def begin_fields(talk: Talk) -> None:
    talk.session()
    assert {"next-outgoing-id", "incoming-window", "outgoing-window"} <= set(talk.begun.fields)


@row("2.7.2", MUST, "No handle is used above the peer's handle-max")
def remote_handle_max(talk: Talk) -> None:
    session = talk.session(handle_max=1)
    for at in range(4):
        try:
            talk.engine.sender(session, f"l{at}")
        except Exception:
            break  # it says that there is no room
    talk.turn()
    assert all(one.handle <= 1 for one in talk.all("attach"))


@row("2.7.2", MUST, "A handle above the handle-max told closes the connection: framing-error", POLICING)
def handle_too_high(talk: Talk) -> None:
    talk.session()
    highest = talk.begun.handle_max
    if highest is None or highest == TOP:
        return
    talk.attach(handle=highest + 1)
    talk.refused("close", FRAMING)


@row("2.7.2", IS, "The highest handle that was told is one", TOLERANCE)
def highest_handle(talk: Talk) -> None:
    talk.session()
    highest = TOP if talk.begun.handle_max is None else talk.begun.handle_max
    talk.attach(handle=highest)
    assert talk.happened("link_remote_open")
    talk.lives()


@row("2.7.2", MUST, "The handle-max of a begin that comes late binds what was asked for before", roles=(CLIENT,))
def handle_max_comes_late(talk: Talk) -> None:
    talk.open()
    session = talk.engine.begin()
    for at in range(12):
        talk.engine.sender(session, f"l{at}")
    talk.turn()
    early = len(talk.all("attach"))
    talk.begin(remote_channel=0, handle_max=3)
    assert early <= 8, f"{early} attaches did not wait for the handle-max"
    assert all(one.handle <= max(3, early - 1) for one in talk.all("attach"))


# -- 2.7.8 end -------------------------------------------------------------------------------------------------


@row("2.7.8", IS, "An end may come right behind its begin", TOLERANCE, (SERVER,))
def begin_and_end(talk: Talk) -> None:
    talk.open()
    talk.bytes(frame("begin", next_outgoing_id=0, incoming_window=1, outgoing_window=1) + frame("end"))
    assert not talk.all("close")
    assert [one.name for one in talk.heard()] in (["begin", "end"], [])
