"""What comes back with another wire: sessions, links, addresses, credit and sends; and what does not."""

from __future__ import annotations

import random
from typing import Any, Callable, Optional

import pytest

from reactor import (
    ACCEPTED,
    AtMostOnce,
    Condition,
    Copy,
    Endpoint,
    LocalProtocolError,
    Message,
    Selector,
    Terminus,
)
from reactor.errors import NOT_FOUND
from tests.support.stage import Stage, Witness


class Scene:
    """A client and a server with a wire between them that breaks."""

    def __init__(self, server: Any = None, client: Any = None, **options: Any) -> None:
        self.stage = Stage(server)
        self.server = self.stage.server
        self.client = Witness() if client is None else client
        self.container, self.connection = self.stage.connect(self.client, reconnect=True, **options)
        self.losses = 0

    def run(self, until: Optional[Callable[[], object]] = None) -> None:
        self.stage.run(until)

    def lose(self) -> None:
        """The wire breaks, and everything comes back."""
        self.losses += 1
        self.stage.cut()
        self.run(lambda: self.client.count("on_connection_reconnected") == self.losses)
        self.run()

    def names(self, role: str = "") -> list[str]:
        """The links that the server has been asked for since the last connection came in, in order."""
        told = self.server.told
        last = len(told) - told[::-1].index("on_connection_opening")
        count = told[last:].count("on_link_opening")
        links = [event.link for event in self.server.events["on_link_opening"][-count:]] if count else []
        return [link.name for link in links]


# -- sessions and links --------------------------------------------------------------------------------------


def test_J4_everything_is_told_in_its_order() -> None:
    scene = Scene()
    scene.container.create_sender(scene.connection, "q")
    scene.run()
    scene.client.told.clear()
    scene.lose()
    assert scene.client.told == [
        "on_transport_error",
        "on_transport_tail_closed",
        "on_transport_head_closed",
        "on_transport_closed",
        "on_disconnected",
        "on_connection_opened",
        "on_session_opened",
        "on_link_opened",
        "on_sendable",
        "on_connection_reconnected",
    ]


@pytest.mark.parametrize("attempts", [1, 2, 7])
def test_a_loss_is_told_once_however_long_it_lasts(attempts: int) -> None:
    scene = Scene()
    scene.stage.leave()
    scene.run(lambda: scene.client.count("on_transport_error") > attempts)
    scene.stage.come_back()
    scene.run(lambda: scene.client.count("on_connection_reconnected"))
    assert scene.client.count("on_disconnected") == 1
    assert scene.client.count("on_connection_opened") == 2
    assert scene.client.count("on_connection_closed") == scene.client.count("on_connection_error") == 0


def test_links_are_attached_again_in_the_order_in_which_they_were_made() -> None:
    scene = Scene()
    chance = random.Random(7)
    sessions = [scene.connection, scene.container.create_session(scene.connection)]
    for number in range(20):
        create = chance.choice([scene.container.create_sender, scene.container.create_receiver])
        create(chance.choice(sessions), "q", name=f"link {number}")
    scene.run()
    before = scene.names()
    for _ in range(3):
        scene.lose()
        assert scene.names() == before
    assert len(before) == 20


def test_links_come_back_with_their_options() -> None:
    scene = Scene()
    receiver = scene.container.create_receiver(
        scene.connection, "q", name="mine", options=[Selector("a = 1"), Copy(), AtMostOnce()]
    )
    receiver.properties = {"one": 1}
    scene.run()
    seen = []
    for _ in range(2):
        link = scene.server.last("on_link_opening").link
        source = link.remote_source
        seen.append(
            (link.name, source.address, str(source.filter), source.distribution_mode, link.remote_snd_settle_mode)
        )
        scene.lose()
    assert seen[0] == seen[1]
    assert seen[0][:2] == ("mine", "q") and seen[0][3:] == (Terminus.DIST_MODE_COPY, 1)


def test_connections_come_back_as_they_were_opened() -> None:
    scene = Scene(properties={"a": 1}, offered_capabilities="x", virtual_host="shop", container_id="me")
    scene.lose()
    first, second = (event.connection for event in scene.server.events["on_connection_opened"])
    assert first is not second
    for theirs in (first, second):
        assert theirs.remote_properties == {"a": 1}
        assert (theirs.remote_hostname, theirs.remote_container) == ("shop", "me")


def test_a_dynamic_address_is_made_anew_and_announced() -> None:
    made: list[str] = []

    def name(event: Any) -> None:
        if event.link.remote_source.dynamic:
            made.append(f"temporary-{len(made) + 1}")
            event.link.source.address = made[-1]

    told: list[Any] = []
    client = Witness(
        on_link_opened=lambda event: told.append(event.receiver.remote_source.address),
        on_disconnected=lambda event: told.append("lost"),
    )
    scene = Scene(Witness(on_link_opening=name), client)
    receiver = scene.container.create_receiver(scene.connection, dynamic=True)
    scene.run()
    scene.stage.leave()
    scene.run()
    assert receiver.remote_source.address is None, "nobody shall use what is no more"
    scene.stage.come_back()
    scene.run(lambda: len(told) == 3)
    assert told == ["temporary-1", "lost", "temporary-2"]


def test_a_link_that_is_refused_when_it_comes_back_is_told_and_the_others_go_on() -> None:
    def refuse(event: Any) -> None:
        if event.link.name == "second" and scene.losses:
            event.link.condition = Condition(NOT_FOUND, "it was deleted")
            event.link.close()

    client = Witness(on_link_error=lambda event: None)
    scene = Scene(Witness(on_link_opening=refuse), client)
    for name in ("first", "second", "third"):
        scene.container.create_sender(scene.connection, "q", name=name)
    scene.run()
    scene.lose()
    assert [event.link.name for event in client.events["on_link_error"]] == ["second"]
    assert client.told[-3:].count("on_connection_reconnected") <= 1
    assert [link.name for link in scene.connection.links(0)] == ["first", "third"]
    scene.lose()
    assert scene.names() == ["first", "third"]


def test_a_loss_while_it_comes_back_is_another_loss() -> None:
    scene = Scene()
    scene.container.create_sender(scene.connection, "q")
    scene.run()
    client = scene.client
    for count in (1, 2, 3):
        scene.stage.cut()
        scene.run(lambda count=count: client.count("on_connection_opened") == 1 + count)
    scene.run(lambda: client.count("on_connection_reconnected"))
    scene.run()
    assert client.count("on_disconnected") == 3
    assert client.told[-3:].count("on_link_opened") <= 1
    assert scene.names() == ["%s-q" % scene.container.container_id]


# -- what was closed, and what the peer made -------------------------------------------------------------------


def test_what_was_closed_stays_closed() -> None:
    scene = Scene()
    kept = scene.container.create_sender(scene.connection, "q", name="kept")
    closed = scene.container.create_sender(scene.connection, "q", name="closed")
    session = scene.container.create_session(scene.connection)
    scene.container.create_receiver(session, "q", name="in a session that ends")
    scene.run()
    closed.close()
    session.close()
    scene.run()
    scene.lose()
    assert scene.names() == ["kept"]
    assert kept.state & Endpoint.REMOTE_ACTIVE
    with pytest.raises(LocalProtocolError):
        closed.send(Message("x"))


@pytest.mark.parametrize("way", ["close", "detach"])
def test_what_is_closed_while_the_wire_breaks_is_told_to_be_closed_and_does_not_come_back(way: str) -> None:
    scene = Scene()
    sender = scene.container.create_sender(scene.connection, "q", name="closed")
    receiver = scene.container.create_receiver(scene.connection, "q", name="kept")
    session = scene.container.create_session(scene.connection)
    scene.container.create_receiver(session, "q", name="in a session that ends")
    scene.run()
    getattr(sender, way)()
    session.close()
    scene.lose()
    assert scene.names() == ["kept"]
    assert receiver.state & Endpoint.REMOTE_ACTIVE
    assert [event.link for event in scene.client.events["on_link_closed"]] == [sender]
    assert [event.session for event in scene.client.events["on_session_closed"]] == [session]
    assert list(scene.connection.sessions(0)) == [receiver.session]


def test_what_is_closed_while_there_is_no_wire_does_not_come_back() -> None:
    scene = Scene()
    sender = scene.container.create_sender(scene.connection, "q", name="closed")
    scene.container.create_receiver(scene.connection, "q", name="kept")
    scene.run()
    scene.stage.leave()
    scene.run()
    sender.close()
    scene.stage.come_back()
    scene.run(lambda: scene.client.count("on_connection_reconnected"))
    scene.run()
    assert scene.names() == ["kept"]
    assert [event.link for event in scene.client.events["on_link_closed"]] == [sender]


def test_what_the_peer_made_is_the_peer_s_to_make_again() -> None:
    def open_one(event: Any) -> None:
        scene_server.made.append(event.container.create_sender(event.connection, "news", name="from the server"))

    scene_server = Witness(on_connection_opened=open_one)
    scene_server.made = []  # type: ignore[attr-defined]
    scene = Scene(scene_server)
    scene.container.create_receiver(scene.connection, "q", name="mine")
    scene.run()
    ours = [link.name for link in scene.connection.links(0)]
    assert sorted(ours) == ["from the server", "mine"]
    scene.lose()
    assert sorted(link.name for link in scene.connection.links(0)) == sorted(ours), "each is there once"
    assert scene.names() == ["mine"]
    assert len(list(scene.connection.sessions(0))) == 2


def test_links_made_while_there_is_no_wire_come_with_the_next_one() -> None:
    scene = Scene()
    scene.stage.leave()
    scene.run()
    scene.container.create_sender(scene.connection, "q", name="late")
    scene.stage.come_back()
    scene.run(lambda: scene.client.count("on_link_opened"))
    assert scene.names() == ["late"]


# -- credit ----------------------------------------------------------------------------------------------------


def test_credit_is_restored() -> None:
    scene = Scene()
    by_window = scene.container.create_receiver(scene.connection, "a", prefetch=4)
    by_hand = scene.container.create_receiver(scene.connection, "b", prefetch=0)
    bounded = scene.container.create_receiver(scene.connection, "c", prefetch=10, max_unsettled=3, auto_accept=False)
    by_hand.flow(7)
    scene.run()
    for _ in range(3):
        scene.lose()
        theirs = {event.link.target.address or event.link.remote_source.address: event.link
                  for event in scene.server.events["on_link_opened"][-3:]}
        assert {address: link.credit for address, link in theirs.items()} == {"a": 4, "b": 7, "c": 3}
        assert (by_window.credit, by_hand.credit, bounded.credit) == (4, 7, 3)


def test_of_the_credit_granted_by_hand_what_is_left_is_restored() -> None:
    sent: list[Any] = []

    def feed(event: Any) -> None:
        while event.sender.credit and len(sent) < 3:
            sent.append(event.sender.send(Message(len(sent))))

    scene = Scene(Witness(on_sendable=feed))
    receiver = scene.container.create_receiver(scene.connection, "q", prefetch=0)
    receiver.flow(5)
    scene.run()
    assert scene.client.count("on_message") == 3
    scene.stage.leave()
    scene.run()
    assert receiver.credit == 2
    receiver.flow(2)
    scene.stage.come_back()
    scene.run(lambda: scene.client.count("on_connection_reconnected"))
    scene.run()
    assert receiver.credit == scene.server.last("on_link_opened").link.credit == 4


def test_a_drain_goes_on_over_the_next_wire() -> None:
    server = Witness()
    server.on_link_flow = lambda event: event.sender and event.sender.drained() if scene.losses else None
    scene = Scene(server)
    receiver = scene.container.create_receiver(scene.connection, "q", prefetch=0)
    receiver.drain(5)
    scene.run()
    assert receiver.draining()
    scene.lose()
    assert not receiver.draining() and receiver.credit == 0
    assert receiver.drained() == 5


def test_half_a_message_that_came_takes_no_credit_for_ever() -> None:
    halves: list[Any] = []

    def half(event: Any) -> None:
        if not event.sender.current:
            halves.append(event.sender.delivery("half"))
            event.sender.stream(b"\x00Sw\xa1\x40")

    scene = Scene(Witness(on_sendable=half))
    receiver = scene.container.create_receiver(scene.connection, "q", prefetch=4)
    scene.run()
    for _ in range(5):
        scene.lose()
    assert len(halves) >= 6
    assert receiver.queued <= 1 and receiver.credit == 4


# -- sends -----------------------------------------------------------------------------------------------------


class Sending(Scene):
    """A client that sends to a server which says nothing about a message until it is told to.

    credit: for how many messages, each time the link is attached.
    """

    def __init__(self, resend: bool = False, credit: int = 10, **options: Any) -> None:
        grant = Witness(0, False, on_link_opened=lambda event: event.receiver and event.receiver.flow(credit))
        super().__init__(grant, **options)
        self.sender = self.container.create_sender(self.connection, "q", resend=resend)
        self.run()

    def send(self, *bodies: Any) -> list[Any]:
        return [self.sender.send(Message(body)) for body in bodies]

    @property
    def bodies(self) -> list[Any]:
        return [event.message.body for event in self.server.events.get("on_message", [])]

    def accept_all(self) -> None:
        for event in self.server.events["on_message"]:
            self.server.accept(event.delivery)
        self.run()

    @property
    def accepted(self) -> list[Any]:
        return [event.delivery for event in self.client.events.get("on_accepted", [])]

    @property
    def doubtful(self) -> list[Any]:
        return [event.delivery for event in self.client.events.get("on_in_doubt", [])]


def test_what_had_left_is_in_doubt_and_what_had_not_is_sent() -> None:
    scene = Sending(credit=2)
    deliveries = scene.send("one", "two", "three", "four")
    scene.run()
    assert scene.bodies == ["one", "two"]
    scene.lose()
    assert scene.doubtful == deliveries[:2]
    scene.accept_all()
    assert scene.bodies == ["one", "two", "three", "four"]
    assert scene.accepted == deliveries[2:]
    assert scene.sender.unsettled == scene.sender.queued == 0


def test_what_is_sent_while_there_is_no_wire_waits_for_the_next() -> None:
    scene = Sending()
    scene.stage.leave()
    scene.run()
    deliveries = scene.send("one", "two")
    assert scene.sender.queued == scene.sender.unsettled == 2
    scene.stage.come_back()
    scene.run(lambda: len(scene.bodies) == 2)
    scene.accept_all()
    assert scene.accepted == deliveries and scene.doubtful == []


@pytest.mark.parametrize("size", [10, 300_000])
def test_a_sender_that_sends_again_sends_in_order_with_the_same_deliveries(size: int) -> None:
    scene = Sending(resend=True, credit=3)
    text = "x" * size
    deliveries = scene.send(*(f"{number} {text}" for number in range(5)))
    scene.run()
    assert len(scene.bodies) == 3
    for loss in (1, 2):
        scene.lose()
        assert [body.split()[0] for body in scene.bodies[3 * loss :]] == ["0", "1", "2"]
        assert scene.doubtful == scene.accepted == []
        assert scene.sender.unsettled == 5
    scene.server.last("on_link_opened").link.flow(2)
    scene.run()
    scene.accept_all()
    assert all(len(body) == size + 2 for body in scene.bodies)
    assert scene.accepted == deliveries
    assert all(mine is theirs for mine, theirs in zip(scene.accepted, deliveries))
    assert scene.client.count("on_settled") == 5
    assert scene.sender.unsettled == scene.sender.queued == 0


def test_what_was_accepted_before_the_loss_is_not_sent_again() -> None:
    scene = Sending(resend=True)
    first, second = scene.send("one", "two")
    scene.run()
    scene.server.accept(scene.server.events["on_message"][0].delivery)
    scene.run()
    scene.lose()
    assert scene.bodies == ["one", "two", "two"]
    scene.accept_all()
    assert scene.accepted == [first, second]


def test_what_has_an_outcome_and_is_not_settled_is_neither_in_doubt_nor_sent_again() -> None:
    for resend in (True, False):
        scene = Sending(resend, client=Witness(auto_settle=False))
        (sent,) = scene.send("one")
        scene.run()
        scene.server.last("on_message").delivery.update(ACCEPTED)
        scene.run()
        assert scene.accepted == [sent]
        scene.lose()
        assert scene.accepted == [sent] and scene.doubtful == [] and scene.bodies == ["one"]
        assert scene.sender.unsettled == 0


def test_what_was_settled_when_it_was_sent_is_sent_once() -> None:
    scene = Scene(Witness(prefetch=2))
    sender = scene.container.create_sender(scene.connection, "q", options=AtMostOnce(), resend=True)
    scene.run()
    scene.server.on_message = lambda event: scene.server.events.setdefault("bodies", []).append(event.message.body)
    for number in range(5):
        sender.send(Message(number))
    scene.stage.stepper.round()  # the first of them are on their way
    scene.lose()
    bodies = scene.server.events["bodies"]
    assert bodies == sorted(set(bodies))
    assert scene.client.count("on_in_doubt") == 0


def test_half_a_message_that_left_is_sent_as_a_whole() -> None:
    for resend in (True, False):
        scene = Sending(resend)
        (sent,) = scene.send("x" * 1_000_000)
        scene.stage.stepper.round()
        assert scene.sender.queued == 1 and sent.id is not None, "a part of it has left"
        scene.lose()
        assert [len(body) for body in scene.bodies] == [1_000_000]
        scene.accept_all()
        assert scene.accepted == [sent] and scene.doubtful == []


def test_a_stream_of_which_a_part_has_left_is_in_doubt() -> None:
    scene = Sending(resend=True)
    delivery = scene.sender.delivery("mine")
    scene.sender.stream(b"\x00Sw\xa1\x05he")
    scene.run()
    scene.sender.stream(b"l")
    scene.lose()
    assert scene.doubtful == [delivery]
    assert scene.sender.current is None
    scene.send("next")
    scene.run()
    assert scene.bodies == ["next"]


def test_a_stream_of_which_nothing_has_left_goes_on() -> None:
    scene = Sending(credit=0)
    delivery = scene.sender.delivery("mine")
    scene.sender.stream(b"\x00Sw\xa1\x05he")
    scene.run()
    scene.lose()
    assert scene.sender.current is delivery
    scene.sender.stream(b"llo")
    scene.sender.advance()
    scene.server.last("on_link_opened").link.flow(1)
    scene.run()
    assert scene.bodies == ["hello"]


def test_a_stream_that_was_complete_when_it_left_is_sent_again() -> None:
    scene = Sending(resend=True)
    delivery = scene.sender.delivery("mine")
    scene.sender.stream(b"\x00Sw\xa1\x05he")
    scene.sender.stream(b"llo")
    scene.sender.advance()
    scene.run()
    scene.lose()
    assert scene.bodies == ["hello", "hello"]
    assert scene.server.last("on_message").delivery.tag == "mine"
    scene.accept_all()
    assert scene.accepted == [delivery]


def test_an_aborted_send_does_not_come_back() -> None:
    scene = Sending(credit=0)
    first, _ = scene.send("one", "two")
    scene.run()
    first.abort()
    scene.server.last("on_link_opened").link.flow(0)
    scene.lose()
    scene.server.last("on_link_opened").link.flow(5)
    scene.run()
    assert scene.bodies == ["two"]
    assert scene.doubtful == []


def test_a_sender_that_is_closed_with_something_to_send_sends_it_first() -> None:
    scene = Sending(credit=0)
    scene.send("last words")
    scene.sender.close()
    scene.run()
    scene.lose()
    scene.server.last("on_link_opened").link.flow(1)
    scene.run()
    scene.accept_all()
    assert scene.bodies == ["last words"]
    assert [event.link for event in scene.client.events["on_link_closed"]] == [scene.sender]
    assert list(scene.connection.links(0)) == []


def test_a_send_again_from_on_in_doubt_is_sent_over_the_next_wire() -> None:
    scene = Sending()
    bodies = {}

    def again(event: Any) -> None:
        event.delivery.link.send(Message(bodies[event.delivery]))

    scene.client.on_in_doubt = again
    bodies.update(zip(scene.send("one", "two"), ("one", "two")))
    scene.run()
    scene.lose()
    assert scene.bodies == ["one", "two", "one", "two"]


def test_acknowledgements_of_a_lost_connection_do_nothing() -> None:
    sent: list[Any] = []

    def feed(event: Any) -> None:
        if event.sender.credit and len(sent) < 1 + scene.losses:
            sent.append(event.sender.send(Message(len(sent))))

    client = Witness(auto_accept=False)
    scene = Scene(Witness(on_sendable=feed), client)
    receiver = scene.container.create_receiver(scene.connection, "q")
    scene.run()
    old = client.last("on_message").delivery
    scene.lose()
    new = client.last("on_message").delivery
    assert old is not new and old.id == new.id == 0
    old.update(ACCEPTED)
    old.settle()
    client.reject(old)
    scene.run()
    assert not sent[1].settled and sent[1].remote_state == 0
    assert receiver.unsettled == 1
    client.accept(new)
    scene.run()
    assert sent[1].remote_state == ACCEPTED


# -- in the long run -------------------------------------------------------------------------------------------


def test_many_losses_leave_nothing_behind() -> None:
    scene = Sending(resend=True)
    scene.container.create_receiver(scene.connection, "r", prefetch=0).flow(3)
    for _ in range(50):
        scene.lose()
        scene.send("x")
        scene.run()
        scene.accept_all()
        scene.server.events.clear()
    assert len(scene.accepted) == 50 and len({id(delivery) for delivery in scene.accepted}) == 50
    assert len(list(scene.connection.links(0))) == 2
    assert len(scene.container.loop.timers) == 0
    assert len(scene.container.loop.watchers) == 1
    assert scene.sender.unsettled == scene.sender.queued == 0


# -- a wire that the application lets go of ------------------------------------------------------------------


@pytest.mark.parametrize("reconnect", [None, False])
def test_a_wire_that_the_application_unbinds_is_lost_as_any_other(reconnect: Any) -> None:
    unbound: list[Any] = []

    def unbind(event: Any) -> None:
        if not unbound:
            unbound.append(event.transport)
            event.transport.unbind()
        else:
            event.connection.close()

    client = Witness(on_connection_opened=unbind)
    stage = Stage(Witness())
    container, connection = stage.connect(client, reconnect=reconnect)
    stage.run(lambda: connection.state & Endpoint.LOCAL_CLOSED and not container.connections())
    assert client.count("on_connection_opened") == (2 if reconnect is None else 1)
    assert connection.state & Endpoint.LOCAL_CLOSED and not container.connections()
