"""Rows of [2.6.1] to [2.6.6]: links by name and handle; how they come and go."""

from __future__ import annotations

from tests.conformance.table import IS, MAY, MUST, POLICING, SHOULD, TOLERANCE, row
from tests.conformance.talk import CLIENT, SERVER, Talk, error, frame, source, target

STOLEN = "amqp:link:stolen"


# -- 2.6.1 naming ----------------------------------------------------------------------------------------------


@row("2.6.1", MUST, "Two links of one direction that are attached at a time have two names")
def names_are_unique(talk: Talk) -> None:
    session = talk.session()
    for _ in range(2):
        try:
            talk.engine.sender(session, "same")
        except Exception:
            break  # it says that there is one
    assert len(talk.heard("attach")) <= 1


@row("2.6.1", IS, "A link of the other direction may have the same name", TOLERANCE)
def one_name_both_ways(talk: Talk) -> None:
    talk.session()
    talk.attach("same", 0, True).attach("same", 1, False)
    assert sorted(one.role for one in talk.heard("attach")) == [False, True]
    talk.lives()


@row("2.6.1", IS, "A link of the other direction may have the same name, also when both are made here")
def one_name_both_ways_here(talk: Talk) -> None:
    session = talk.session()
    talk.engine.sender(session, "same")
    talk.engine.receiver(session, "same")
    assert sorted(one.role for one in talk.heard("attach")) == [False, True]


@row("2.6.1", IS, "A name may be as long as a frame")
def long_name(talk: Talk) -> None:
    name = "n" * 20000
    link = talk.sender(1, name=name)
    assert talk.attached.fields["name"] == name
    talk.engine.send(link)
    assert talk.one("transfer")


@row("2.6.1", MUST, "A name that is attached already is stolen by the second attach: the first is closed for that",
     roles=(SERVER,))
def stolen(talk: Talk) -> None:
    talk.session()
    talk.attach("l", 0).attach("l", 1)
    detach = talk.refused("detach", STOLEN)
    first = talk.all("attach")[0].handle
    assert detach.handle == first
    assert len(talk.all("attach")) == 2 and not talk.all("end", "close")


@row("2.6.1", IS, "A link that was stolen from a session does not take the session along", roles=(SERVER,))
def stolen_across_sessions(talk: Talk) -> None:
    talk.session()
    talk.attach("l", 0)
    talk.begin(1)
    talk.attach("l", 0, channel=1)
    assert not talk.all("end", "close")
    assert len(talk.all("attach")) == 2


# -- 2.6.2 handles ---------------------------------------------------------------------------------------------


@row("2.6.2", SHOULD, "The lowest handle that is free is taken")
def lowest_handle(talk: Talk) -> None:
    session = talk.session()
    for at in range(3):
        talk.engine.sender(session, f"l{at}")
    assert [one.handle for one in talk.heard("attach")] == [0, 1, 2]


@row("2.6.2", IS, "Each side has a handle of its own for a link")
def handles_are_independent(talk: Talk) -> None:
    link = talk.sender(handle=77)
    talk.flow(3, handle=77)
    assert link.credit == 3
    talk.engine.send(link)
    assert talk.one("transfer").handle == talk.attached.handle


@row("2.6.2", MUST, "A handle is not used for another link while it is attached")
def handle_is_kept(talk: Talk) -> None:
    talk.sender(name="a")
    first = talk.attached.handle
    talk.sender(name="b", handle=1)
    assert talk.attached.handle != first


@row("2.6.2", IS, "The peer's handle is free again after both detaches")
def handle_is_free_again(talk: Talk) -> None:
    talk.sender(name="a")
    talk.say("detach", handle=0, closed=True)
    talk.attach("b", 0)
    assert [one.name for one in talk.happened("link_remote_open")] == ["a", "b"]
    assert not talk.all("end", "close")


@row("2.6.2", IS, "A peer may use any handle that was not forbidden", TOLERANCE)
def any_handle(talk: Talk) -> None:
    talk.session()
    talk.attach(handle=200)
    assert talk.one("attach")
    talk.lives()


# -- 2.6.3 establishing ----------------------------------------------------------------------------------------


@row("2.6.3", MUST, "An attach of the peer's is answered by one of the same name in the other role")
def attach_is_answered(talk: Talk) -> None:
    talk.session()
    talk.attach("a", 0, True).attach("b", 1, False)
    assert [(one.fields["name"], one.role) for one in talk.heard("attach")] == [("a", False), ("b", True)]


@row("2.6.3", IS, "The application hears of an attach before it is answered")
def attach_waits_for_the_application(talk: Talk) -> None:
    talk.session()
    talk.polite = False
    talk.attach()
    talk.none("attach")
    assert talk.happened("link_remote_open") == talk.links
    talk.engine.attach(talk.links[0])
    assert talk.one("attach")


@row("2.6.3", IS, "The attach says the termini that the application wants")
def termini_are_told(talk: Talk) -> None:
    session = talk.session()
    talk.engine.sender(session, "l", source="from", target="to")
    attach = talk.one("attach")
    assert (attach.source.value[0], attach.target.value[0]) == ("from", "to")


@row("2.6.3", IS, "The termini of the peer's attach reach the application")
def termini_arrive(talk: Talk) -> None:
    link = talk.sender(source=source("there"), target=target("here"))
    assert (link.remote_source.address, link.remote_target.address) == ("there", "here")


@row("2.6.3", MUST, "Who has no terminus for a link attaches with null there, and detaches at once")
def refusal(talk: Talk) -> None:
    talk.session()
    talk.polite = False
    for at, role in enumerate((True, False)):
        talk.attach(f"l{at}", at, role)
        talk.engine.attach(talk.links[-1], **{"source" if role else "target": None})
        talk.engine.close_link(talk.links[-1], "amqp:not-found")
        attach, detach = talk.heard()
        assert (attach.name, detach.name) == ("attach", "detach")
        assert (attach.source if role else attach.target) is None
        assert detach.error == "amqp:not-found"


@row("2.6.3", IS, "A peer's refusal by null and detach reaches the application with its reason")
def refusal_arrives(talk: Talk) -> None:
    session = talk.session()
    for at, sends in enumerate((True, False)):
        link = (talk.engine.sender if sends else talk.engine.receiver)(session, f"l{at}")
        talk.turn()
        talk.attach(f"l{at}", at, sends, **{"target" if sends else "source": None})
        talk.say("detach", handle=at, closed=True, error=error("amqp:not-found"))
        assert talk.engine.condition(link) == "amqp:not-found"
        assert link in talk.happened("link_remote_close")


@row("2.6.3", IS, "A refused link does not end its session")
def refusal_leaves_the_session(talk: Talk) -> None:
    session = talk.session()
    talk.engine.sender(session, "l")
    talk.turn()
    talk.attach("l", 0, True, target=None).say("detach", handle=0, closed=True, error=error("amqp:not-found"))
    assert talk.sender(1, name="other")
    assert not talk.all("end", "close")


@row("2.6.3", MUST, "The termini that an endpoint has are told as they are, not as they were asked for")
def actual_termini(talk: Talk) -> None:
    talk.session()
    talk.polite = False
    talk.attach(role=False, target=target("wish"))
    talk.engine.attach(talk.links[0], target="deed")
    assert talk.one("attach").target.value[0] == "deed"


@row("2.6.3", MUST, "A terminus that is there is told, even when nothing is known of it but that")
def minimal_terminus(talk: Talk) -> None:
    session = talk.session()
    talk.engine.sender(session, "l", source={}, target={})
    attach = talk.one("attach")
    assert attach.source is not None or attach.target is not None


@row("2.6.3", IS, "Attaches that cross make one link", roles=(CLIENT,))
def attaches_cross(talk: Talk) -> None:
    session = talk.session()
    link = talk.engine.sender(session, "l")
    talk.engine.receive(frame("attach", name="l", handle=4, role=True, source=source("q"), target=target("q")))
    talk.turn()
    assert len(talk.all("attach")) == 1
    talk.flow(2, handle=4)
    assert link.credit == 2


# -- 2.6.4 detaching and reattaching ---------------------------------------------------------------------------


@row("2.6.4", MUST, "A link that is detached here says detach, without closed")
def detach(talk: Talk) -> None:
    link = talk.sender()
    talk.engine.detach(link)
    said = talk.one("detach")
    assert said.handle == talk.attached.handle and not said.closed


@row("2.6.4", IS, "A detach of the peer's reaches the application as what it is, not as a close")
def detach_arrives(talk: Talk) -> None:
    link = talk.sender()
    talk.say("detach", handle=0)
    assert talk.happened("link_remote_detach") == [link] and not talk.happened("link_remote_close")
    assert talk.one("detach")


@row("2.6.4", IS, "A link may be attached again after it was detached by both")
def reattach(talk: Talk) -> None:
    talk.sender(name="l")
    talk.say("detach", handle=0)
    talk.attach("l", 0, True)
    assert len(talk.happened("link_remote_open")) == 2
    assert not talk.all("end", "close")


@row("2.6.4", IS, "A detach and an attach of one name in one piece are taken in their order", TOLERANCE)
def detach_and_attach(talk: Talk) -> None:
    talk.sender(name="l")
    attach = frame("attach", name="l", handle=0, role=True, source=source("q"), target=target("q"))
    talk.bytes(frame("detach", handle=0, closed=True) + attach)
    assert not talk.all("end", "close")
    assert len(talk.all("attach")) == 2


@row("2.6.4", IS, "A close and a new link of the same name leave in the order in which they were asked for")
def close_and_attach_again(talk: Talk) -> None:
    link = talk.sender(name="l")
    session = talk.sessions[0]
    talk.engine.close_link(link)
    again = session.sender("l")
    if again is link:
        return  # the name is taken until the peer has answered
    talk.engine.attach(again)
    names = [one.name for one in talk.heard()]
    assert names in (["detach", "attach"], ["detach"]), names


@row("2.6.4", MUST, "Nothing of a link goes out behind its detach")
def nothing_behind_detach(talk: Talk) -> None:
    link = talk.sender(10)
    talk.engine.close_link(link)
    talk.turn()
    try:
        talk.engine.send(link)
    except Exception:
        pass  # it says that it is too late
    talk.flow(5)
    assert talk.all()[-1].name == "detach"


# -- 2.6.5 link errors -----------------------------------------------------------------------------------------


@row("2.6.5", MUST, "An error of a link is told by a detach that carries it")
def link_error(talk: Talk) -> None:
    link = talk.sender()
    talk.engine.close_link(link, "amqp:internal-error")
    said = talk.one("detach")
    assert said.error == "amqp:internal-error" and said.closed


@row("2.6.5", IS, "An error of one link leaves the others alone")
def others_live(talk: Talk) -> None:
    first = talk.sender(5, name="a")
    second = talk.sender(5, name="b", handle=1)
    talk.engine.close_link(first, "amqp:internal-error")
    talk.engine.send(second)
    assert talk.one("transfer")


@row("2.6.5", IS, "The reason of the peer's detach reaches the application")
def link_error_arrives(talk: Talk) -> None:
    link = talk.sender()
    talk.say("detach", handle=0, closed=True, error=error("amqp:link:detach-forced", "bye"))
    assert talk.engine.condition(link) == "amqp:link:detach-forced"
    assert link.remote_condition.description == "bye"


@row("2.6.5", MUST, "Input for a link that was detached for an error ends the session: errant-link", POLICING)
def errant_link(talk: Talk) -> None:
    link = talk.receiver(10)
    talk.engine.close_link(link, "amqp:internal-error")
    talk.turn()
    talk.transfer()
    talk.refused("end", "amqp:session:errant-link")


@row("2.6.5", IS, "What was on its way when the link was closed without an error is passed over", TOLERANCE)
def in_flight(talk: Talk) -> None:
    link = talk.receiver(10)
    talk.engine.close_link(link)
    talk.turn()
    talk.transfer().transfer(number=1)
    talk.say("detach", handle=0, closed=True)
    assert not talk.all("end", "close")


# -- 2.6.6 closing ---------------------------------------------------------------------------------------------


@row("2.6.6", MUST, "Closing a link is a detach with closed")
def close(talk: Talk) -> None:
    link = talk.sender()
    talk.engine.close_link(link)
    said = talk.one("detach")
    assert said.closed is True and not said.error


@row("2.6.6", MUST, "A closing detach is answered by one that closes")
def close_is_answered(talk: Talk) -> None:
    link = talk.sender()
    talk.say("detach", handle=0, closed=True)
    assert talk.one("detach").closed is True
    assert talk.happened("link_remote_close") == [link]


@row("2.6.6", IS, "Two closing detaches that cross are each other's answer")
def closes_cross(talk: Talk) -> None:
    link = talk.sender()
    talk.engine.close_link(link)
    talk.engine.receive(frame("detach", handle=0, closed=True))
    talk.turn()
    assert len(talk.all("detach")) == 1 and not talk.all("end", "close")


@row("2.6.6", MUST, "Who has detached when the peer's closing detach comes attaches again, and closes")
def close_meets_detach(talk: Talk) -> None:
    link = talk.sender(name="l")
    talk.engine.detach(link)
    talk.heard()
    talk.say("detach", handle=0, closed=True)
    said = talk.heard()
    assert len(said) == 2 and said[0].fields.get("name") == "l", f"{len(said)} frames"
    assert said[1].closed is True


@row("2.6.6", IS, "A link that was closed by both is forgotten: its name and handle are free")
def forgotten(talk: Talk) -> None:
    link = talk.sender(name="l")
    talk.engine.close_link(link)
    talk.say("detach", handle=0, closed=True)
    talk.attach("l", 0, False)
    assert talk.heard("attach")[-1].role is True
    assert not talk.all("end", "close")


@row("2.6.6", MAY, "A detach may come before the attach was answered", TOLERANCE, (SERVER,))
def attach_and_detach(talk: Talk) -> None:
    talk.session()
    attach = frame("attach", name="l", handle=0, role=True, source=source("q"), target=target("q"))
    talk.bytes(attach + frame("detach", handle=0, closed=True))
    assert not talk.all("end", "close")
    names = [one.closed if one.name == "detach" else one.fields["name"] for one in talk.heard("attach", "detach")]
    assert names in (["l", True], [])
