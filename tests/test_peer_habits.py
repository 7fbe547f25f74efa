"""What an application sees of brokers that do not answer as one would like, played by a scripted peer.

It is what RabbitMQ was seen to do (tests/interop/test_rabbitmq.py has the same with RabbitMQ itself): a refused attach
that is the end of its session, a connection that is dropped without a word, a log-in that takes its time.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from reactor import LocalProtocolError, Message, symbol
from reactor.errors import TIMED_OUT, UNAUTHORIZED_ACCESS
from reactor.simulation import ScriptedPeer, World, composite
from tests.support.stage import Witness

REFUSAL = {"condition": "amqp:invalid-field", "description": 'Attach rejected: {unknown_destination,"nowhere"}'}
URL = "amqp://rabbit:5672"


class Client(Witness):
    """Goes on when a session or link is refused, and notes why."""

    def __init__(self, **methods: Any) -> None:
        super().__init__(**{"on_session_error": self.note, "on_link_error": self.note, **methods})
        self.reasons: list[str] = []

    def note(self, event: Any) -> None:
        self.reasons.append(event.context.remote_condition.name)


@pytest.fixture
def world():
    with World(seed=1) as world:
        yield world


def rabbit(world: World) -> ScriptedPeer:
    return world.peer("rabbit:5672").ignore("flow")


def end(peer: ScriptedPeer, **error: str) -> ScriptedPeer:
    """The peer ends the session of what it heard last, and the client answers."""
    return peer.say("end", error=composite("error", **(error or REFUSAL))).expect("end")


def outcome(peer: ScriptedPeer, first: int, channel: int = 0) -> ScriptedPeer:
    accepted = composite("accepted")
    return peer.say("disposition", channel=channel, role=True, first=first, settled=True, state=accepted)


# -- a session that is ended because a link is refused -------------------------------------------------------


def refused(world: World, client: Client) -> Any:
    """A sender in use, and then a sender and a receiver that wait when the session is ended."""
    peer = rabbit(world)
    container = world.container(client)
    connection = container.connect(URL, reconnect=False)
    used = container.create_sender(connection, "used")
    peer.open().begin().attach(credit=10)
    world.run_until(lambda: client.count("on_sendable"))
    bad = container.create_sender(connection, "nowhere", attach_timeout=5, send_timeout=5)
    other = container.create_receiver(connection, "other", attach_timeout=5)
    return peer.expect("attach").expect("attach").expect("transfer"), connection, used, bad, other


def test_every_link_that_waits_for_its_attach_is_told_why(world):
    client = Client()
    peer, _, used, bad, other = refused(world, client)
    sent = [used.send(Message("a")), bad.send(Message("b")), bad.send(Message("c"))]
    end(peer)
    world.run_until(lambda: peer.done)
    world.run_for(60)  # no deadline comes later
    assert [event.link for event in client.events["on_link_error"]] == [bad, other]
    assert [event.link for event in client.events["on_link_closed"]] == [bad, other]
    assert client.count("on_session_error") == client.count("on_session_closed") == 1
    assert client.reasons == [REFUSAL["condition"]] * 3
    assert Counter(event.delivery for event in client.events["on_in_doubt"]) == Counter(sent)
    assert {delivery.doubt.description for delivery in sent} == {REFUSAL["description"]}
    assert client.count("on_connection_closed") == client.count("on_disconnected") == 0


def test_by_default_the_connection_is_closed_and_the_log_says_why(world, caplog):
    client = Witness()
    peer, _, used, *_ = refused(world, client)
    used.send(Message("a"))
    end(peer).close()
    world.run_until(lambda: client.count("on_connection_closed"))
    said = [record.getMessage() for record in caplog.records if record.name.startswith("handlers")]
    reason = "amqp:invalid-field: " + REFUSAL["description"]
    assert [text.split(" closed by the peer: ")[1] for text in said] == [reason] * 3
    assert "nowhere" in said[0] and "other" in said[1] and "session" in said[2]


def test_another_link_can_be_made_at_once_on_a_session_that_is_new(world):
    def fall_back(event: Any) -> None:
        if event.link.is_sender:
            event.container.create_sender(event.connection, "known").send(Message("d"))

    client = Client(on_link_error=fall_back)
    peer, connection, used, *_ = refused(world, client)
    used.send(Message("a"))
    peer.say("end", error=composite("error", **REFUSAL)).ignore("end")
    peer.begin().attach(credit=10).expect("transfer", payload=Message("d").encode()).ignore("transfer")
    outcome(peer, 0, channel=1)
    world.run_until(lambda: client.count("on_accepted"))
    assert client.last("on_accepted").link.target.address == "known"
    assert client.last("on_accepted").session is not used.session
    assert list(connection.sessions(0)) == [client.last("on_accepted").session]


def test_what_is_sent_over_a_session_that_has_ended_is_in_doubt_once(world):
    sent: list[Any] = []

    def send(event: Any) -> None:
        sent.append(used.send(Message("late")))

    client = Client(on_session_error=send)
    peer, _, used, bad, _ = refused(world, client)
    sent.append(used.send(Message("a")))
    end(peer)
    world.run_until(lambda: peer.done and client.count("on_session_closed"))
    world.run_for(60)
    assert len(sent) == 2
    assert Counter(event.delivery for event in client.events["on_in_doubt"]) == Counter(sent)
    for link in (used, bad):
        with pytest.raises(LocalProtocolError, match=r"closed|ended"):
            link.send(Message("too late"))


def test_a_link_that_was_closed_here_is_closed_when_the_session_ends_instead(world):
    client = Client()
    peer, _, used, _, _ = refused(world, client)
    used.send(Message("a"))
    world.run_until(lambda: peer.done)
    used.close()
    end(peer.expect("detach"))
    world.run_until(lambda: client.count("on_session_closed"))
    assert used in [event.link for event in client.events["on_link_closed"]]
    assert used not in [event.link for event in client.events["on_link_error"]], "nobody refused what was asked"


def test_a_session_that_was_closed_here_tells_its_links_nothing(world):
    client = Client()
    peer, _, used, *_ = refused(world, client)
    used.send(Message("a"))
    world.run_until(lambda: peer.done)
    used.session.close()
    peer.expect("end").say("end", error=composite("error", **REFUSAL))
    world.run_until(lambda: client.count("on_session_closed"))
    world.run_for(60)
    assert client.count("on_link_error") == client.count("on_link_closed") == 0
    assert client.count("on_session_error") == 1


def test_a_link_refused_in_this_way_after_a_loss_is_told_so_and_the_rest_is_recovered(world):
    client = Client()
    peer = rabbit(world)
    container = world.container(client)
    connection = container.connect(URL)
    container.create_sender(connection, "gone")
    kept = container.create_sender(container.create_session(connection), "kept")
    peer.open().begin().begin().attach(credit=1).attach(credit=1)
    world.run_until(lambda: client.count("on_sendable") == 2)
    peer.cut().open().begin().begin()
    peer.expect("attach").say("end", error=composite("error", **REFUSAL)).attach(credit=1).expect("end")
    world.run_until(lambda: peer.done)
    world.run_until(lambda: client.count("on_connection_reconnected"))
    assert client.count("on_link_error") == client.count("on_session_error") == 1
    assert kept.credit == 1
    world.run_for(60)
    assert client.count("on_connection_reconnected") == 1


# -- a connection that is dropped ----------------------------------------------------------------------------


def test_silence_and_then_a_drop_is_a_loss_like_any_other(world):
    client = Client()
    peer = rabbit(world)
    container = world.container(client)
    sender = container.create_sender(URL + "/q")
    peer.open().begin().attach(credit=10).expect("transfer").pause(3).cut()
    delivery = sender.send(Message([1, 2]))
    world.run_until(lambda: client.count("on_disconnected"))
    assert [event.delivery for event in client.events["on_in_doubt"]] == [delivery]
    peer.open().begin().attach(credit=10)
    world.run_until(lambda: client.count("on_connection_reconnected"))
    assert client.count("on_disconnected") == client.count("on_in_doubt") == 1


def test_a_message_that_kills_the_connection_again_and_again_ends_with_its_send_timeout(world):
    client = Client()
    peer = rabbit(world)
    container = world.container(client)
    sender = container.create_sender(URL + "/q", resend=True, send_timeout=10)
    fatal = sender.send(Message([1, 2]))
    for _ in range(4):
        peer.open().begin().attach(credit=10).expect("transfer", delivery_id=0).pause(3).cut()
    peer.open().begin().attach(credit=10).expect("transfer", payload=Message("fine").encode())
    outcome(peer, 0)
    world.run_until(lambda: client.count("on_in_doubt"))
    assert client.last("on_in_doubt").delivery is fatal
    assert (world.now, fatal.doubt.name) == (pytest.approx(10, abs=0.5), TIMED_OUT)
    fine = sender.send(Message("fine"))
    world.run_until(lambda: client.count("on_accepted"))
    assert client.last("on_accepted").delivery is fine
    assert client.count("on_accepted") == client.count("on_in_doubt") == 1


# -- a log-in that takes its time ----------------------------------------------------------------------------


def logging_in(world: World, **options: Any) -> tuple[ScriptedPeer, Client]:
    client = Client()
    world.container(client).connect(URL, user="alice", password="guess", allow_insecure_mechs=True, **options)
    peer = world.peer("rabbit:5672")
    peer.automatic = False
    peer.expect("header", layer="SASL").say("header", layer="SASL")
    peer.say("sasl-mechanisms", sasl_server_mechanisms=["PLAIN"]).expect("sasl-init")
    return peer, client


def test_a_refusal_that_takes_three_seconds_is_a_refusal(world):
    peer, client = logging_in(world)
    peer.pause(3).say("sasl-outcome", code=1).hang_up()
    world.run_until(lambda: client.count("on_transport_closed"))
    world.run_for(60)
    assert client.count("on_transport_error") == 1, "nobody tries the same password again"
    condition = client.last("on_transport_error").transport.condition
    assert condition.name == UNAUTHORIZED_ACCESS
    assert "the server refused user 'alice' or the password" in condition.description


def test_a_log_in_that_is_not_answered_in_time_is_named_as_what_it_is(world):
    peer, client = logging_in(world, open_timeout=2, reconnect=False)
    peer.pause(3)
    world.run_until(lambda: client.count("on_disconnected"))
    condition = client.last("on_transport_error").transport.condition
    assert (condition.name, world.now) == (TIMED_OUT, pytest.approx(2, abs=0.1))
    assert "nor answered the log-in by PLAIN; some take seconds to refuse a password" in condition.description


# -- connections that are refused, and that go by ------------------------------------------------------------

IN_USE = {"condition": "amqp:invalid-field", "info": {symbol("invalid-field"): symbol("container-id")}}
REFUSED_SOON = {symbol("amqp:connection-establishment-failed"): True}


def start(world: World, **options: Any) -> tuple[Client, Any]:
    client = Client()
    container = world.container(client, container_id="me")
    return client, container.connect(URL, **options)


def test_activemq_holds_the_lost_connection_for_alive(world):
    peer = world.peer("rabbit:5672")
    peer.open().begin().pause(1).cut().connection().ignore("begin")
    for _ in range(3):
        peer.expect("open").say("open", container_id="activemq", properties=REFUSED_SOON)
        peer.say("close", error=composite("error", **IN_USE)).connection()
    peer.open().begin()
    client, connection = start(world)
    connection.session().open()
    world.run_until(lambda: client.count("on_connection_reconnected"))
    assert client.count("on_disconnected") == 1, "it was lost once, and not in between"
    assert client.count("on_connection_error") == client.count("on_connection_closed") == 0
    assert client.count("on_connection_opened") == 2


def test_the_first_connection_of_a_container_id_that_is_in_use_is_refused(world):
    peer = world.peer("rabbit:5672").expect("open")
    peer.say("open", container_id="activemq", properties=REFUSED_SOON)
    peer.say("close", error=composite("error", **IN_USE)).expect("close")
    client, _ = start(world)
    world.run_until(lambda: client.count("on_connection_closed"))
    assert client.count("on_connection_error") == 1
    assert client.count("on_connection_opened") == client.count("on_disconnected") == 0, "it never was open"


def test_an_open_that_announces_its_close_waits_for_it(world):
    peer = world.peer("rabbit:5672").expect("open")
    peer.say("open", container_id="activemq", properties=REFUSED_SOON).pause(5)
    peer.say("close", error=composite("error", condition="amqp:unauthorized-access")).expect("close")
    client, _ = start(world)
    world.run_for(4)
    assert client.told == ["on_start"]
    world.run_until(lambda: client.count("on_connection_closed"))
    assert client.count("on_connection_error") == 1 and client.count("on_connection_opened") == 0


def test_an_open_that_announces_its_close_and_never_closes_is_lost_in_time(world):
    world.peer("rabbit:5672").expect("open").say("open", container_id="activemq", properties=REFUSED_SOON)
    client, _ = start(world, open_timeout=7, reconnect=False)
    world.run_until(lambda: client.count("on_transport_error"))
    assert world.now == pytest.approx(7, abs=0.1) and client.count("on_connection_opened") == 0


def test_an_open_that_announces_its_close_and_goes_on_has_opened(world):
    peer = world.peer("rabbit:5672").expect("open")
    peer.say("open", container_id="activemq", properties=REFUSED_SOON).begin()
    client, connection = start(world)
    world_session = connection.session()
    world_session.open()
    world.run_until(lambda: client.count("on_session_opened"))
    assert client.count("on_connection_opened") == 1 and connection.remote_container == "activemq"


def test_a_planned_restart_goes_by(world):
    peer = world.peer("rabbit:5672").ignore("flow").open().begin().attach(credit=1)
    forced = {"condition": "amqp:internal-error", "description": "Connection forced: \"Node was put into maintenance\""}
    peer.say("close", error=composite("error", **forced)).expect("close").connection()
    peer.open().begin().attach(credit=5).expect("transfer")
    client = Client()
    container = world.container(client)
    sender = container.create_sender(container.connect(URL), "q")
    world.run_until(lambda: client.count("on_disconnected"))
    sender.send(Message("x"))
    world.run_until(lambda: peer.done)
    assert client.count("on_connection_error") == 0 and client.count("on_connection_reconnected") == 1


def test_no_host_is_asked_for(world):
    peer = world.peer("rabbit:5672").expect("open", hostname=None).say("open", container_id="rabbit")
    start(world, virtual_host="")
    world.run_until(lambda: peer.done)
