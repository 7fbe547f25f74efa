"""Links that a peer sends elsewhere, to another address or to another peer. Connections: test_supervisor.py."""

from __future__ import annotations

from typing import Any

import pytest

from reactor import Condition, Endpoint, Message, Url, symbol
from reactor.container.reconnect.redirects import MAX_REDIRECTS, Followed, is_same_place, where_to
from reactor.errors import CONNECTION_REDIRECT, LINK_REDIRECT
from tests.support.stage import Stage, Witness
from tests.support.tls import client_domain, server_domain


def symbolic(info: Any) -> Any:
    return {symbol(key.replace("_", "-")): value for key, value in info.items()}


class Elsewhere:
    """A server whose links are served at another address, or by another server."""

    def __init__(
        self, late: bool = False, reconnect: Any = True, name: str = LINK_REDIRECT, back: Any = None, **info: Any
    ) -> None:
        self.name = name
        self.info = symbolic(info)
        self.back = symbolic(back or {})  # where the other server sends them
        self.redirects = 0
        hook = {"on_link_opened" if late else "on_link_opening": self.send_away}
        self.stage = Stage(Witness(**hook))
        self.server = self.stage.server
        self.other = Witness(on_link_opening=self.send_back)
        self.other_host = self.stage.container(self.other)
        self.other_acceptor = self.other_host.listen("amqp://other:6000")
        self.client = Witness(on_link_error=lambda event: None)
        self.container, self.connection = self.stage.connect(self.client, reconnect)

    def send_away(self, event: Any) -> None:
        address = event.link.remote_target.address or event.link.remote_source.address
        if address == "q" or self.info.get("address") == "q":
            self.redirects += 1
            event.link.condition = Condition(self.name, "not here", self.info)
            event.link.close()

    def send_back(self, event: Any) -> None:
        if self.back:
            event.link.condition = Condition(LINK_REDIRECT, "nor here", self.back)
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


def test_what_the_application_says_of_itself_is_said_to_the_other_peer_too() -> None:
    scene = Elsewhere(network_host="other", port=6000)
    about = {"properties": {symbol("a"): 1}, "offered_capabilities": ["x"], "desired_capabilities": ["y"]}
    connection = scene.container.connect(scene.stage.url, reconnect=True, **about)
    sender = scene.container.create_sender(connection, "q")
    scene.run()
    theirs = scene.other.last("on_connection_opened").connection
    assert sender.connection is not connection
    assert theirs.remote_container == scene.server.last("on_connection_opened").connection.remote_container
    assert theirs.remote_properties == {"a": 1}
    assert (theirs.remote_offered_capabilities, theirs.remote_desired_capabilities) == (["x"], ["y"])


@pytest.mark.parametrize("name", [CONNECTION_REDIRECT, "amqp:not-found", "example:strange"])
def test_a_link_that_is_closed_for_another_reason_is_not_redirected(name: str) -> None:
    scene = Elsewhere(name=name, network_host="other", port=6000, address="elsewhere")
    scene.container.create_sender(scene.connection, "q")
    scene.run()
    assert scene.client.last("on_link_error").link.remote_condition.name == name
    assert scene.redirects == 1 and scene.other.count("on_connection_opened") == 0


@pytest.mark.parametrize("closed", ["link", "connection"])
@pytest.mark.parametrize("place", [{"address": "elsewhere"}, {"network_host": "other", "port": 6000}])
def test_what_is_closed_here_meanwhile_goes_nowhere(closed: str, place: Any) -> None:
    scene = Elsewhere(**place)
    sender = scene.container.create_sender(scene.connection, "open")
    scene.run()
    theirs = scene.server.last("on_link_opened").link
    theirs.condition = Condition(LINK_REDIRECT, "not here any more", scene.info)
    theirs.close()
    (sender if closed == "link" else scene.connection).close()
    scene.run()
    assert scene.client.count("on_link_closed" if closed == "link" else "on_connection_closed") == 1
    assert scene.server.count("on_link_opened") == 1 and scene.other.count("on_connection_opened") == 0


def test_the_first_connection_stays_when_the_other_one_is_closed_by_its_peer_and_that_is_found_again() -> None:
    scene = Elsewhere(network_host="other", port=6000)
    kept = scene.container.create_sender(scene.connection, "kept")
    for number in (1, 2):
        sender = scene.container.create_sender(scene.connection, "q")
        scene.run()
        assert sender.state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
        assert scene.other.count("on_connection_opened") == number
        scene.other.last("on_connection_opened").connection.close()
        scene.run()
        assert sender.connection.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED
    assert scene.connection.state == kept.state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
    assert scene.server.count("on_connection_closed") == 0


def test_links_that_are_sent_to_different_peers_go_to_different_ones() -> None:
    scene = Elsewhere(network_host="other", port=6000)
    third = Witness()
    scene.stage.container(third).listen("amqp://third:7000")
    first = scene.container.create_sender(scene.connection, "q")
    scene.run()
    scene.info = symbolic({"network_host": "third", "port": 7000})
    second = scene.container.create_sender(scene.connection, "q")
    scene.run()
    assert first.connection.connected_address == "amqp://other:6000"
    assert second.connection.connected_address == "amqp://third:7000"
    assert (scene.other.count("on_link_opened"), third.count("on_link_opened")) == (1, 1)


def test_a_link_that_is_sent_back_goes_over_the_connection_that_is_there() -> None:
    place = {"network_host": "server", "port": 5672, "address": "final"}
    scene = Elsewhere(back=place, network_host="other", port=6000)
    addresses = [scene.stage.url, "amqp://backup:1"]
    connection = scene.container.connect(urls=addresses, reconnect=True)
    sender = scene.container.create_sender(connection, "q")
    scene.run()
    assert sender.connection is connection and sender.target.address == "final"
    assert sender.state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE


# -- what a redirect must not bring about ------------------------------------------------------------------------


class Thief(Stage):
    """A server that sends whoever comes elsewhere, with a second one there that offers PLAIN alone.

    link: whether links are sent there, or connections.
    """

    def __init__(self, link: bool, there: str, here: str = "amqp://server:1", **info: Any) -> None:
        super().__init__()
        self.here = here
        self.info = {symbol(key.replace("_", "-")): value for key, value in info.items()}
        self.heard: list[str] = []
        self.where = where = Witness(**{"on_link_opening" if link else "on_connection_opened": self.send_away})
        tls = server_domain() if here.startswith("amqps") else None
        self.container(where).listen(here, tls, authenticator=lambda *given: True, allowed_mechs="ANONYMOUS")
        self.there = Witness()
        self.container(self.there).listen(there, authenticator=self.listen, allowed_mechs="PLAIN")

    def send_away(self, event: Any) -> None:
        endpoint = event.link or event.connection
        endpoint.condition = Condition(LINK_REDIRECT if event.link else CONNECTION_REDIRECT, "not here", self.info)
        endpoint.close()

    def listen(self, mechanism: str, user: str, password: str) -> bool:
        self.heard.append(password)
        return True

    def visit(self, link: bool, **options: Any) -> Witness:
        client = Witness()
        container = self.container(client)
        options = {"user": "kim", "password": "secret", "reconnect": [1] * 3, **options}
        connection = container.connect(self.here, allowed_mechs="PLAIN ANONYMOUS", **options)
        if link:
            container.create_sender(connection, "q")
        self.run()
        return client


both_kinds = pytest.mark.parametrize("link", [False, True], ids=["connection", "link"])


@both_kinds
@pytest.mark.parametrize("insecure", [None, False, True])
@pytest.mark.parametrize(
    "host, here", [("127.evil.example", "server"), ("other", "server"), ("localhost", "127.0.0.1")]
)
def test_a_redirect_takes_no_password_along_in_clear(link: bool, insecure: Any, host: str, here: str) -> None:
    stage = Thief(link, f"amqp://{host}:6000", f"amqp://{here}:1", network_host=host, port=6000)
    client = stage.visit(link, allow_insecure_mechs=insecure)
    if insecure:
        assert stage.heard == ["secret"]
    else:
        assert stage.heard == [] and stage.there.count("on_transport_error")
        reasons = [event.transport.condition for event in client.events["on_transport_error"]]
        assert "PLAIN would show the password" in str(reasons[0])


@both_kinds
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "0.0.0.0", "x.localhost"])
def test_another_machine_sends_nobody_to_this_one(link: bool, host: str) -> None:
    stage = Thief(link, f"amqp://{host}:6000", network_host=host, port=6000)
    client = stage.visit(link, allow_insecure_mechs=True)
    assert stage.heard == [] and "on_connection_bound" not in stage.there.told
    error = client.last("on_link_error" if link else "on_connection_error")
    assert (error.link or error.connection).remote_condition.info[symbol("network-host")] == host


def test_a_server_on_this_machine_may_send_to_another_port_of_it() -> None:
    stage = Thief(False, "amqp://127.0.0.1:6000", "amqp://localhost:1", network_host="127.0.0.1", port=6000)
    stage.visit(False, allow_insecure_mechs=True)
    assert stage.heard == ["secret"]


@both_kinds
@pytest.mark.parametrize("port", [{}, {"port": 6000}, {"port": 5672}])
def test_a_redirect_does_not_leave_tls(link: bool, port: Any) -> None:
    number = port.get("port", 5671)
    stage = Thief(link, f"amqp://other:{number}", "amqps://server", network_host="other", **port)
    client = stage.visit(link, ssl_domain=client_domain(), allow_insecure_mechs=True)
    assert stage.heard == []
    reason = stage.there.last("on_transport_error").transport.condition
    assert "TLS" in reason.description, "the first bytes are those of TLS"
    assert "amqp:// for it" in client.last("on_transport_error").transport.condition.description
    refused = [event.transport.condition.description for event in stage.where.events.get("on_transport_error", [])]
    assert refused == [], "our close went through TLS, too"


@pytest.mark.parametrize("host", ["a b", "a/b", "u@h", "a\nb", "a?b", "a#b", "[::1]", "a,b", "\x1b[1m", "a:1"])
def test_a_host_that_is_none_is_not_gone_to(host: str) -> None:
    redirect = Condition(CONNECTION_REDIRECT, None, {symbol("network-host"): host})
    assert where_to(redirect, Url("amqp://server")) is None


def test_a_port_that_is_none_is_not_gone_to() -> None:
    for port in (True, 0, -1, 65536, "1", 1.0):
        redirect = Condition(CONNECTION_REDIRECT, None, {symbol("network-host"): "h", symbol("port"): port})
        assert where_to(redirect, Url("amqp://server")) is None


@pytest.mark.parametrize("port", [1, 65535])
def test_a_port_that_is_one_is_gone_to_at_once(port: int) -> None:
    step = where_to(Condition(LINK_REDIRECT, None, {"network-host": "other", "port": port}), Url("server"))
    assert step is not None and (step.url.port, step.delay, step.redirected) == (port, 0.0, True)


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("amqp://server", "server:5672", True),
        ("amqps://server", "amqps://server:5671", True),
        ("amqp://server:60000", "amqps://server:60000", True),
        ("amqp://", "amqp://localhost:5672", True),
        ("amqp://server", "amqps://server", False),
        ("amqp://server:5672", "amqp://server:6000", False),
        ("amqp://server", "amqp://other", False),
        ("amqp://", "amqp://server", False),
    ],
)
def test_two_addresses_are_one_peer_s_by_host_and_port(one: str, other: str, same: bool) -> None:
    urls = [Url(address, defaults=False) for address in (one, other)]
    assert is_same_place(*urls) is is_same_place(*reversed(urls)) is same


@pytest.mark.parametrize("host", [None, "", 5, True, b"other"])
def test_without_the_name_of_a_host_there_is_nowhere_to_go(host: Any) -> None:
    assert where_to(Condition(LINK_REDIRECT, None, {"network-host": host, "port": 5672}), Url("server")) is None


@pytest.mark.parametrize("begin", [3.0, 1000.0])
def test_so_many_in_a_row_are_followed_and_no_more(begin: float) -> None:
    followed = Followed()
    for _ in range(5):
        assert followed.may_follow(begin)
        followed.follow(begin)
    assert not followed.may_follow(begin)


@pytest.mark.parametrize("begin", [3.0, 1000.0])
@pytest.mark.parametrize("later, anew", [(9.5, False), (10.0, False), (10.5, True), (17.0, True)])
def test_after_a_while_without_one_the_next_begins_a_new_row(begin: float, later: float, anew: bool) -> None:
    followed = Followed()
    for _ in range(5):
        followed.follow(begin)
    assert followed.may_follow(begin + later) is anew
    followed.follow(begin + later)
    for _ in range(4):  # of a new row it was the first
        assert followed.may_follow(begin + later) is anew
        followed.follow(begin + later)
    assert not followed.may_follow(begin + later)
