"""What brokers and other libraries write that is legal, or nearly, and unlike what we would write: played to an
application by a scripted peer.

First ids just below 2^32 (RabbitMQ 4.0), termini that are empty lists (azure-servicebus) or null (rhea), transfers
without a tag (Azure), outcomes that nobody settles (Proton, rhea), a default outcome that the list of outcomes lacks
(Broker-J), closes and detaches for reasons that pass or do not.
"""

from __future__ import annotations

from typing import Any

import pytest

from reactor import ACCEPTED, Message, Release, symbol
from reactor.simulation import ScriptedPeer, World, composite
from tests.support.stage import Witness

URL = "amqp://peer:5672"
HALF = 2**31
WRAP = 2**32


class Client(Witness):
    """Goes on when a link is refused."""

    def __init__(self, **methods: Any) -> None:
        super().__init__(**{"on_link_error": lambda event: None, "on_session_error": lambda event: None, **methods})


@pytest.fixture
def world():
    with World(seed=1) as world:
        yield world


def peer_of(world: World) -> ScriptedPeer:
    return world.peer("peer:5672")


def bodies(client: Client) -> list[Any]:
    return [event.message.body for event in client.events.get("on_message", [])]


def receiving(world: World, client: Client, peer: ScriptedPeer, **answer: Any) -> Any:
    """A receiver made in `on_start`, its attach answered."""
    receiver = world.container(client).create_receiver(URL + "/q", prefetch=5)
    peer.open().begin().attach(**answer).ignore("flow", "disposition")
    return receiver


@pytest.mark.parametrize("first_id", [0, 1, HALF - 1, HALF, WRAP - 4, WRAP - 1])
@pytest.mark.parametrize("first_count", [0, HALF, WRAP - 5, WRAP - 1])
def test_ids_begin_where_the_peer_likes(world, first_id, first_count):
    client = Client()
    peer = peer_of(world)
    receiver = world.container(client).create_receiver(URL + "/q", prefetch=5)
    peer.open().begin(next_outgoing_id=first_id).attach(initial_delivery_count=first_count)
    peer.expect("flow", next_incoming_id=first_id, delivery_count=first_count, link_credit=5)
    peer.ignore("flow", "disposition")
    for number in range(5):
        ids: dict[str, Any] = {"delivery_id": (first_id + number) % WRAP, "delivery_tag": b"%d" % number}
        peer.say("transfer", payload=Message(number).encode(), handle=0, **ids)
    world.run_until(lambda: client.count("on_message") == 5)
    assert bodies(client) == list(range(5))
    assert client.count("on_link_error") == client.count("on_session_error") == 0
    assert receiver.credit <= 5


TERMINI = {
    "empty lists": (composite("source"), composite("target")),
    "an address alone": (composite("source", address="q"), composite("target")),
    "null": (None, None),
}


@pytest.mark.parametrize("what", TERMINI)
def test_a_receiver_takes_what_comes_whatever_the_termini_say(world, what):
    client = Client()
    source, target = TERMINI[what]
    peer = peer_of(world)
    receiving(world, client, peer, source=source, target=target)
    peer.expect("flow")  # no credit before the link is open: a null source says so after a while
    peer.say("transfer", payload=Message("x").encode(), handle=0, delivery_id=0, delivery_tag=b"1")
    world.run_until(lambda: client.count("on_message"))
    assert client.count("on_link_opened") == 1
    assert bodies(client) == ["x"]


def test_an_answer_with_nothing_that_may_be_left_out_is_enough(world):
    """No settle modes, no windows' limits, an open of one field, as rhea and Broker-J write them."""
    client = Client()
    peer = peer_of(world)
    sender = world.container(client).create_sender(URL + "/q")
    peer.open().begin().expect("attach").answer("attach", name=lambda seen: seen.name, handle=0, role=True)
    windows = {"next_incoming_id": 0, "incoming_window": 9, "next_outgoing_id": 0, "outgoing_window": 9}
    peer.say("flow", handle=0, link_credit=1, **windows)
    sent = sender.send(Message("x"))
    peer.expect("transfer").say("disposition", role=True, first=0, settled=True, state=composite("accepted"))
    world.run_until(lambda: client.count("on_accepted"))
    assert sent.remote_state == ACCEPTED


def test_pre_settled_transfers_without_a_tag(world):
    client = Client()
    peer = peer_of(world)
    receiving(world, client, peer)
    for number in range(3):
        peer.say("transfer", payload=Message(number).encode(), handle=0, delivery_id=number, settled=True)
    world.run_until(lambda: client.count("on_message") == 3)
    assert bodies(client) == [0, 1, 2]
    assert client.count("on_link_error") == client.count("on_session_error") == 0


def test_an_outcome_that_the_receiver_does_not_settle_is_settled_here(world):
    client = Client()
    peer = peer_of(world)
    sender = world.container(client).create_sender(URL + "/q")
    peer.open().begin().attach(credit=5).expect("transfer")
    peer.say("disposition", role=True, first=0, settled=False, state=composite("accepted"))
    peer.expect("disposition", role=False, first=0, settled=True)
    sent = sender.send(Message("x"))
    world.run_until(lambda: peer.done)
    assert client.count("on_accepted") == 1
    assert (sent.remote_state, sender.unsettled) == (ACCEPTED, 0)


def test_a_default_outcome_is_taken_although_the_list_lacks_it(world):
    """Broker-J counts a failed message by MODIFIED alone, which its list of outcomes does not name."""

    def fail(event: Any) -> None:
        raise Release

    client = Client(on_message=fail)
    peer = peer_of(world)
    outcomes = [symbol(f"amqp:{name}:list") for name in ("accepted", "released", "rejected")]
    default = composite("modified", delivery_failed=True)
    world.container(client).create_receiver(URL + "/q")
    peer.ignore("flow").open().begin()
    peer.attach(source=composite("source", address="q", default_outcome=default, outcomes=outcomes))
    peer.say("transfer", payload=Message("x").encode(), handle=0, delivery_id=0, delivery_tag=b"1")
    peer.expect("disposition", first=0, settled=True, state=composite("modified", delivery_failed=True))
    world.run_until(lambda: peer.done)


PASSING = [
    "amqp:connection:forced",
    "amqp:internal-error",  # RabbitMQ 4, stopped as planned
    "amqp:resource-limit-exceeded",  # after a stand-still
]
FINAL = ["amqp:unauthorized-access", "amqp:not-allowed", "amqp:not-implemented", "amqp:invalid-field", "amqp:not-found"]


@pytest.mark.parametrize("reason", [*PASSING, *FINAL])
def test_a_close_is_a_loss_if_its_reason_can_pass(world, reason):
    client = Client(on_connection_error=lambda event: None)
    peer = peer_of(world)
    sender = world.container(client).create_sender(URL + "/q", resend=True)
    sent = sender.send(Message("x"))
    peer.open().begin().attach(credit=5).expect("transfer")
    peer.say("close", channel=0, error=composite("error", condition=reason, description="Connection forced"))
    peer.expect("close").hang_up()
    if reason in FINAL:
        world.run_until(lambda: client.count("on_connection_closed"))
        world.run_for(60)
        assert client.count("on_connection_reconnected") == 0
        assert client.count("on_in_doubt") == 1
        return
    peer.open().begin().attach(credit=5).expect("transfer")
    peer.say("disposition", role=True, first=0, settled=True, state=composite("accepted"))
    world.run_until(lambda: client.count("on_accepted"))
    assert sent.remote_state == ACCEPTED
    assert client.count("on_connection_reconnected") == 1
    assert client.count("on_in_doubt") == 0


def test_an_idle_link_that_is_detached_comes_back(world):
    """Azure's way after minutes without a message."""
    client = Client()
    peer = peer_of(world)
    receiving(world, client, peer)
    peer.pause(600)
    peer.say("detach", handle=0, closed=True, error=composite("error", condition="amqp:link:detach-forced"))
    peer.expect("detach").attach()
    peer.say("transfer", payload=Message("x").encode(), handle=0, delivery_id=0, delivery_tag=b"1")
    world.run_until(lambda: client.count("on_message"))
    assert bodies(client) == ["x"]


def test_a_connection_of_ours_that_is_still_there_keeps_the_next_one_out_for_a_while(world):
    """ActiveMQ takes one connection of a container-id: after a loss ours is refused until it has noticed that."""
    client = Client(on_connection_error=lambda event: None)
    peer = peer_of(world)
    world.container(client).create_sender(URL + "/q")
    peer.open().begin().attach(credit=5)
    world.run_until(lambda: client.count("on_sendable"))
    failed = {symbol("amqp:connection-establishment-failed"): True}
    stale = {symbol("invalid-field"): symbol("container-id")}
    error = composite("error", condition="amqp:invalid-field", info=stale)
    peer.cut().open(properties=failed).ignore("begin", "attach", "flow").say("close", channel=0, error=error)
    peer.expect("close").hang_up().open().begin().attach(credit=5)
    world.run_until(lambda: client.count("on_connection_reconnected"))
    assert client.count("on_connection_closed") == 0
