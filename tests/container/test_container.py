"""Container: connections, sessions and links as an application makes them."""

from __future__ import annotations

import random
from typing import Any, Callable

import pytest

from handlers import MessagingHandler
from reactor import Container, DataException, Endpoint, LocalProtocolError, Message, Url, symbol
from reactor.simulation import MemoryNetwork
from tests.support.stage import Stage, Witness

# -- who it is ---------------------------------------------------------------------------------------------


def test_the_container_id_is_a_random_uuid_unless_it_is_given() -> None:
    stage = Stage()
    assert stage.container(container_id="me").container_id == "me"
    ids = {stage.container().container_id for _ in range(3)}
    assert len(ids) == 3 and all(len(each) == 36 for each in ids)


def test_the_container_id_is_drawn_from_the_random_source() -> None:
    def draw() -> str:
        network = MemoryNetwork()
        return Container(clock=network.clock, network=network.node(), random=random.Random(7)).container_id

    assert draw() == draw()


def test_Q17_an_unknown_keyword_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(TypeError, match=r"'contaner_id'; did you mean 'container_id'"):
        Container(contaner_id="x")
    stage = Stage()
    container = stage.container()
    with pytest.raises(TypeError, match=r"connect\(\) .*'alowed_mechs'; did you mean 'allowed_mechs'"):
        container.connect(stage.url, alowed_mechs="PLAIN")
    with pytest.raises(TypeError, match=r"it knows .*heartbeat"):
        container.connect(stage.url, zzz=1)
    connection = container.connect(stage.url)
    with pytest.raises(TypeError, match=r"create_receiver\(\) .*did you mean 'prefetch'"):
        container.create_receiver(connection, "q", prefech=1)
    with pytest.raises(TypeError, match=r"create_sender\(\) .*did you mean 'target'"):
        container.create_sender(connection, taget="q")


# -- connect -----------------------------------------------------------------------------------------------


def test_connect_returns_at_once_and_opens_as_soon_as_the_container_runs() -> None:
    stage = Stage()
    client = Witness()
    container = stage.container(client)
    connection = container.connect(stage.url)
    assert connection.state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_UNINIT
    stage.run()
    assert connection.state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
    assert connection.connected_address == stage.url
    assert connection.remote_container == stage.host.container_id


def test_what_connect_is_given_is_told_to_the_peer() -> None:
    stage = Stage()
    container = stage.container(container_id="me")
    connection = container.connect(
        stage.url,
        virtual_host="elsewhere",
        offered_capabilities=["a", "b"],
        desired_capabilities="c",
        properties={"answer": 42},
        heartbeat=10,
        max_frame_size=1024,
    )
    stage.run()
    seen = stage.server.last("on_connection_opened").connection
    assert seen.remote_container == "me"
    assert seen.remote_hostname == "elsewhere"
    assert list(seen.remote_offered_capabilities) == ["a", "b"]
    assert list(seen.remote_desired_capabilities) == ["c"]
    assert seen.remote_properties == {symbol("answer"): 42}
    assert seen.transport.remote_idle_timeout == 5  # half of what we insist on [2.4.5]
    assert seen.transport.remote_max_frame_size == 1024
    assert connection.transport is not None and connection.transport.idle_timeout == 10


def test_without_more_the_peer_is_asked_for_the_host_of_the_url_in_the_containers_name() -> None:
    stage = Stage()
    container, _ = stage.connect(container_id="other")
    seen = stage.server.last("on_connection_opened").connection
    assert (seen.remote_hostname, seen.remote_container) == ("server", "other")
    assert container.container_id != "other"


@pytest.mark.parametrize("way", ["url", "urls", "address", "address list"])
def test_where_to_connect_is_a_str_or_a_url_alone_or_in_a_list(way: str) -> None:
    stage = Stage()
    container = stage.container()
    given: Any = {
        "url": {"url": Url(stage.url)},
        "urls": {"urls": [stage.url]},
        "address": {"address": stage.url},
        "address list": {"address": [Url(stage.url)]},
    }[way]
    connection = container.connect(**given)
    stage.run()
    assert connection.state & Endpoint.REMOTE_ACTIVE


def test_without_an_address_connect_says_so() -> None:
    with pytest.raises(ValueError, match="url"):
        Stage().container().connect(urls=[])


def test_what_this_version_cannot_do_is_said_at_the_call() -> None:
    stage = Stage()
    container = stage.container()
    with pytest.raises(TypeError, match="reconnect"):
        container.connect(stage.url, reconnect=7)


def test_a_value_that_cannot_be_sent_is_refused_at_the_call() -> None:
    stage = Stage()
    container = stage.container()
    with pytest.raises(DataException, match="properties"):
        container.connect(stage.url, properties={"x": object()})
    stage.run()
    assert stage.server.count("on_connection_opening") == 0


def test_the_handler_given_to_connect_sees_all_of_the_connection() -> None:
    stage = Stage()
    root, own = Witness(), Witness()
    container = stage.container(root)
    connection = container.connect(stage.url, handler=own)
    container.create_sender(connection, "q").send(Message("x"))
    stage.run()
    assert own.count("on_accepted") == 1 and own.count("on_connection_opened") == 1
    assert own.count("on_start") == 0
    assert root.told == ["on_start"]


# -- sessions and links --------------------------------------------------------------------------------------


def test_links_of_a_connection_share_a_session_unless_they_are_given_one() -> None:
    stage = Stage()
    container, connection = stage.connect()
    first = container.create_sender(connection, "a")
    second = container.create_receiver(connection, "b")
    session = container.create_session(connection)
    third = container.create_sender(session, "c")
    assert first.session is second.session
    assert third.session is session and session is not first.session
    stage.run()
    assert all(link.state & Endpoint.REMOTE_ACTIVE for link in (first, second, third))


def test_a_session_that_was_closed_is_replaced() -> None:
    stage = Stage()
    container, connection = stage.connect()
    first = container.create_sender(connection, "a")
    first.session.close()
    second = container.create_sender(connection, "a")
    stage.run()
    assert second.session is not first.session
    assert second.state & Endpoint.REMOTE_ACTIVE


@pytest.mark.parametrize(
    ("path", "given", "address"),
    [("", None, None), ("/jobs", None, "jobs"), ("/a/b", None, "a/b"), ("/jobs", "other", "other")],
)
def test_a_url_is_connected_to_and_its_path_is_the_address(path: str, given: Any, address: Any) -> None:
    stage = Stage()
    container = stage.container()
    sender = container.create_sender(stage.url + path, given)
    receiver = container.create_receiver(Url(stage.url + path), given)
    assert sender.target.address == address and receiver.source.address == address
    assert sender.connection is not receiver.connection
    stage.run()
    assert sender.state & receiver.state & Endpoint.REMOTE_ACTIVE


def test_links_are_made_on_nothing_else() -> None:
    with pytest.raises(TypeError, match="42"):
        Stage().container().create_sender(42)  # type: ignore[arg-type]


def test_source_and_target_are_told_to_the_peer() -> None:
    stage = Stage()
    container, connection = stage.connect()
    container.create_sender(connection, "there", "here")
    stage.run()
    link = stage.server.last("on_link_opened").link
    assert (link.remote_target.address, link.remote_source.address) == ("there", "here")
    container.create_receiver(connection, "there", "here")
    stage.run()
    link = stage.server.last("on_link_opened").link
    assert (link.remote_source.address, link.remote_target.address) == ("there", "here")


def test_a_dynamic_source_gets_its_address_from_the_peer() -> None:
    def make(event: Any) -> None:
        if event.link.remote_source.dynamic:
            event.link.source.address = "made"

    stage = Stage(Witness(on_link_opening=make))
    container, connection = stage.connect()
    receiver = container.create_receiver(connection, dynamic=True)
    assert receiver.source.dynamic and receiver.source.address is None
    stage.run()
    assert receiver.remote_source.address == "made"


def test_names_of_links_are_made_of_container_and_addresses_and_are_unique() -> None:
    stage = Stage()
    container = stage.container(container_id="me")
    connection = container.connect(stage.url)
    assert container.create_sender(connection, "q").name == "me-q"
    assert container.create_receiver(connection, "q").name == "me-q-receiver"
    assert container.create_sender(connection, "q").name == "me-q-2"
    assert container.create_sender(container.create_session(connection), "q").name == "me-q-3"
    assert container.create_sender(connection, "q", "s").name == "me-q-s"
    assert container.create_receiver(connection, "q", "t").name == "me-q-t"
    assert container.create_sender(connection, name="mine").name == "mine"
    anonymous = {container.create_sender(connection).name for _ in range(3)}
    assert len(anonymous) == 3 and all(name.startswith("me-") for name in anonymous)
    stage.run()
    assert stage.server.count("on_link_opened") == 10


def test_tags_come_from_a_callable_or_an_iterator() -> None:
    stage = Stage()
    container, connection = stage.connect()
    called = iter([b"c", "d"]).__next__
    for tags, expected in ((iter(["a", "b"]), ["a", "b"]), (called, ["c", "d"]), (None, ["1", "2"])):
        sender = container.create_sender(connection, "q", tags=tags)
        assert [sender.send(Message("x")).tag for _ in range(2)] == expected


def test_a_link_whose_address_cannot_be_sent_is_refused_at_the_call_and_forgotten() -> None:
    stage = Stage()
    container, connection = stage.connect()
    with pytest.raises(TypeError, match="address"):
        container.create_sender(connection, 42)  # type: ignore[arg-type]
    stage.run()
    assert stage.server.count("on_link_opening") == 0


def test_what_is_sent_and_closed_in_one_go_arrives() -> None:
    stage = Stage()
    client = Witness()

    def send_and_leave(event: Any) -> None:
        event.sender.send(Message("x"))
        event.sender.close()
        event.connection.close()

    client = Witness(on_sendable=send_and_leave)
    container = stage.container(client)
    container.create_sender(stage.url + "/q")
    stage.run()
    assert stage.server.count("on_message") == 1
    assert client.count("on_connection_closed") == 1
    stage.finish()


@pytest.mark.parametrize("handler", ["job-processor-3", [object()], (object(),)])
def test_what_cannot_be_a_handler_is_refused_at_the_call(handler: Any) -> None:
    with pytest.raises(TypeError, match="did you mean"):
        Container(MessagingHandler(), handler)


@pytest.mark.parametrize("prefetch", ["10", -1, 2.5, True])
def test_a_prefetch_that_is_no_number_of_messages_is_refused_at_the_call(prefetch: Any) -> None:
    with pytest.raises(ValueError, match="prefetch is a number of messages"):
        MessagingHandler(prefetch=prefetch)


@pytest.mark.parametrize("handler", [5, 1.5, {}, print, b"x", MessagingHandler])
def test_a_value_that_has_no_methods_is_no_handler_anywhere(handler: Any) -> None:
    stage = Stage()
    container = stage.container()
    calls: list[Callable[[], Any]] = [
        lambda: Container(handler),
        lambda: container.connect(stage.url, handler=handler),
        lambda: container.listen("amqp://server:1", handler=handler),
        lambda: container.create_sender(stage.url, handler=handler),
        lambda: container.create_receiver(stage.url, handler=handler),
        lambda: container.schedule(1, handler),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="handlers are objects"):
            call()
    stage.run()
    assert stage.server.count("on_connection_opening") == 0 and not container.connections()


@pytest.mark.parametrize(
    ("keywords", "told"),
    [
        ({"sasl_enabled": "no"}, "sasl_enabled is True, False or None, not 'no'"),
        ({"allow_insecure_mechs": 1}, "allow_insecure_mechs is True, False or None, not 1"),
        ({"ssl_domain": 5}, "ssl_domain is an SSLDomain or None, not 5"),
        ({"offered_capabilities": 5}, "offered_capabilities is a name, a list of names or None, not 5"),
        ({"desired_capabilities": 5}, "desired_capabilities is a name, a list of names or None, not 5"),
        ({"properties": {1: 2}}, "the keys of properties are symbols or str, not 1"),
        ({"heartbeat": True}, "heartbeat is a number of seconds"),
        ({"max_frame_size": True}, "max_frame_size is a number of bytes"),
    ],
)
def test_connect_names_what_is_of_no_use(keywords: dict[str, Any], told: str) -> None:
    container = Stage().container()
    with pytest.raises((TypeError, ValueError, DataException), match=told):
        container.connect("amqp://server", **keywords)
    assert not container.connections()


def test_a_switch_of_the_container_is_looked_at_too() -> None:
    container = Stage().container()
    container.sasl_enabled = "no"  # type: ignore[assignment]
    with pytest.raises(TypeError, match="sasl_enabled is True, False or None, not 'no'"):
        container.connect("amqp://server")


@pytest.mark.parametrize("delay", ["x", None, float("nan"), True])
def test_a_delay_is_a_number_of_seconds(delay: Any) -> None:
    with pytest.raises(ValueError, match="delay is a number of seconds, not"):
        Container().schedule(delay, None)


@pytest.mark.parametrize("message", [Message, "text", None, {}, Message("x").encode])
def test_a_sender_sends_messages(message: Any) -> None:
    stage = Stage()
    container, connection = stage.connect()
    sender = container.create_sender(connection, "q")
    with pytest.raises(TypeError, match="a sender sends a Message, not"):
        sender.send(message)
    assert sender.queued == 0


@pytest.mark.parametrize(
    "keywords", [{"tags": 5}, {"tags": "ab"}, {"resend": "yes"}, {"name": 5}, {"send_timeout": "x"}, {"options": 5}]
)
def test_create_sender_names_what_is_of_no_use(keywords: dict[str, Any]) -> None:
    stage = Stage()
    container, connection = stage.connect()
    with pytest.raises((TypeError, ValueError), match=next(iter(keywords))):
        container.create_sender(connection, "q", **keywords)
    assert not list(connection.links(0))


CLOSED = "is closed; nothing can be opened on it"


def test_nothing_is_made_on_what_the_application_has_closed() -> None:
    stage = Stage()
    container, connection = stage.connect()
    session = container.create_session(connection)
    stage.run()
    session.close()
    for create in (container.create_sender, container.create_receiver):
        with pytest.raises(LocalProtocolError, match="<Session .*" + CLOSED):
            create(session, "q")
    assert container.create_session(session).state & Endpoint.LOCAL_ACTIVE, "its connection is open"
    connection.close()
    before = list(connection.sessions(0))
    for context in (connection, session):
        for make in (container.create_session, container.create_sender, container.create_receiver):
            with pytest.raises(LocalProtocolError, match=CLOSED):
                make(context)
    assert list(connection.sessions(0)) == before
    stage.run()
    with pytest.raises(LocalProtocolError, match=CLOSED):
        container.create_sender(connection, "q")


def test_nothing_is_made_on_a_connection_that_is_lost_for_good() -> None:
    stage = Stage()
    container, connection = stage.connect()
    stage.cut()
    stage.run()
    with pytest.raises(LocalProtocolError, match=CLOSED):
        container.create_sender(connection, "q")


def test_a_link_is_made_while_the_connection_is_made_again() -> None:
    stage = Stage()
    container, connection = stage.connect(reconnect=True)
    stage.leave()
    stage.run(lambda: connection.transport is None)
    sender = container.create_sender(connection, "q")
    sent = sender.send(Message("meanwhile"))
    stage.come_back()
    stage.run(lambda: sent.settled)


def test_a_sender_and_a_receiver_of_one_address_have_two_names() -> None:
    stage = Stage()
    container, connection = stage.connect()
    sender = container.create_sender(connection, "q")
    receiver = container.create_receiver(connection, "q")
    other = container.create_receiver(connection, "q")
    assert receiver.name == sender.name + "-receiver" and other.name == receiver.name + "-2"
    assert container.create_sender(connection, "q").name == sender.name + "-2"


def test_a_link_of_a_name_that_is_taken_is_refused_at_the_call_and_leaves_no_trace() -> None:
    stage = Stage()
    container = stage.container(Witness())
    connection = container.connect("amqp://server")
    for create in (container.create_sender, container.create_receiver):
        first = create(connection, "a", name="x")
        with pytest.raises(LocalProtocolError, match="choose another name"):
            create(connection, "a", name="x")
        assert [link for link in connection.links(0) if link.is_sender == first.is_sender] == [first]
        first.close()
        assert create(connection, "a", name="x") is not first
