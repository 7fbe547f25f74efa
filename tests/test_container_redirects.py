"""Links that a peer sends elsewhere, to another address or to another peer. Connections: test_container_keeper.py."""

from __future__ import annotations

from typing import Any

import pytest

from reactor import Condition, Endpoint, Message, symbol
from reactor.container.redirects import MAX_REDIRECTS
from reactor.errors import LINK_REDIRECT
from tests.support.stage import Stage, Witness


class Elsewhere:
    """A server whose links are served at another address, or by another server."""

    def __init__(self, late: bool = False, reconnect: Any = True, **info: Any) -> None:
        self.info = {symbol(key.replace("_", "-")): value for key, value in info.items()}
        self.redirects = 0
        hook = {"on_link_opened" if late else "on_link_opening": self.send_away}
        self.stage = Stage(Witness(**hook))
        self.server = self.stage.server
        self.other = Witness()
        self.other_host = self.stage.container(self.other)
        self.other_acceptor = self.other_host.listen("amqp://other:6000")
        self.client = Witness(on_link_error=lambda event: None)
        self.container, self.connection = self.stage.connect(self.client, reconnect)

    def send_away(self, event: Any) -> None:
        address = event.link.remote_target.address or event.link.remote_source.address
        if address == "q" or self.info.get("address") == "q":
            self.redirects += 1
            event.link.condition = Condition(LINK_REDIRECT, "not here", self.info)
            event.link.close()

    def run(self, until: Any = None) -> None:
        self.stage.run(until)


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("place", [{}, {"network_host": "server", "port": 5672}, {"hostname": "server"}])
def test_a_sender_goes_to_the_address_that_it_is_sent_to(late: bool, place: Any) -> None:
    scene = Elsewhere(late, address="elsewhere", **place)
    sender = scene.container.create_sender(scene.connection, "q")
    sent = sender.send(Message("x"))
    scene.run()
    assert scene.redirects == 1
    assert scene.client.count("on_link_error") == scene.client.count("on_link_closed") == 0
    assert sender.remote_target.address in ("elsewhere", None) and sender.target.address == "elsewhere"
    assert scene.client.last("on_accepted").delivery is sent
    assert scene.client.count("on_in_doubt") == 0
    assert list(scene.connection.links(0)) == [sender]
    assert sender.connection is scene.connection
    sender.close()
    scene.connection.close()
    scene.run()
    assert scene.client.count("on_link_closed") == 1


def test_a_receiver_takes_its_credit_with_it() -> None:
    scene = Elsewhere(address="elsewhere")
    receiver = scene.container.create_receiver(scene.connection, "q", prefetch=0)
    receiver.flow(7)
    scene.run()
    theirs = scene.server.last("on_link_opened").link
    assert (theirs.remote_source.address, theirs.credit, receiver.credit) == ("elsewhere", 7, 7)


def test_a_link_goes_to_another_peer() -> None:
    scene = Elsewhere(network_host="other", port=6000, hostname="shop.example", address="elsewhere")
    kept = scene.container.create_sender(scene.connection, "kept")
    sender = scene.container.create_sender(scene.connection, "q")
    sent = sender.send(Message("x"))
    scene.run()
    assert scene.client.last("on_accepted").delivery is sent
    assert scene.other.last("on_message").message.body == "x"
    assert scene.other.last("on_connection_opened").connection.remote_hostname == "shop.example"
    assert sender.connection is not scene.connection and kept.connection is scene.connection
    assert sender.connection.connected_address == "amqp://other:6000"
    assert scene.client.last("on_link_opened").connection is sender.connection
    assert list(scene.connection.links(0)) == [kept]
    again = scene.container.create_receiver(scene.connection, "q")
    scene.run()
    assert again.connection is sender.connection, "one connection does for all that are sent there"


@pytest.mark.parametrize("which", ["the first", "the other"])
def test_whoever_closes_one_of_its_connections_closes_both(which: str) -> None:
    scene = Elsewhere(network_host="other", port=6000)
    sender = scene.container.create_sender(scene.connection, "q")
    scene.run()
    (scene.connection if which == "the first" else sender.connection).close()
    scene.run(lambda: scene.container not in scene.stage.stepper.containers)
    assert scene.client.count("on_connection_closed") == 2
    assert scene.other.count("on_connection_closed") == scene.server.count("on_connection_closed") == 1


def test_the_other_connection_ends_with_the_first_one_when_that_is_lost_for_good() -> None:
    scene = Elsewhere(network_host="other", port=6000)
    scene.container.create_sender(scene.connection, "q")
    scene.run()
    scene.server.last("on_connection_opened").connection.close()
    scene.run(lambda: scene.container not in scene.stage.stepper.containers)
    assert scene.other.count("on_connection_closed") == 1


def test_the_other_connection_is_made_again_too() -> None:
    scene = Elsewhere(network_host="other", port=6000)
    sender = scene.container.create_sender(scene.connection, "q")
    scene.run()
    scene.stage.cut()
    scene.run(lambda: scene.client.count("on_connection_reconnected") == 2)
    sent = sender.send(Message("x"))
    scene.run(lambda: scene.client.count("on_accepted"))
    assert scene.client.last("on_accepted").delivery is sent
    assert scene.redirects == 1


def test_a_link_that_is_sent_round_in_circles_is_given_up() -> None:
    scene = Elsewhere(address="q")
    sender = scene.container.create_sender(scene.connection, "q")
    sent = sender.send(Message("x"))
    scene.run()
    assert scene.redirects == MAX_REDIRECTS + 1
    assert scene.client.last("on_link_error").link.remote_condition.name == LINK_REDIRECT
    assert scene.client.count("on_link_closed") == 1
    assert scene.client.last("on_in_doubt").delivery is sent
    assert scene.connection.state & Endpoint.REMOTE_ACTIVE


@pytest.mark.parametrize("scene", [{}, {"reconnect": False, "address": "elsewhere"}, {"port": 7}])
def test_what_cannot_or_shall_not_be_followed_is_an_error(scene: Any) -> None:
    elsewhere = Elsewhere(**scene)
    elsewhere.container.create_sender(elsewhere.connection, "q")
    elsewhere.run()
    assert elsewhere.client.last("on_link_error").link.remote_condition.name == LINK_REDIRECT
    assert elsewhere.client.count("on_link_closed") == 1
