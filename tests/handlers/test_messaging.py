"""MessagingHandler: how it is put together, its defaults, and which handler sees what."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from handlers import (
    EndpointStateHandler,
    FlowController,
    IncomingMessageHandler,
    MessagingHandler,
    OutgoingMessageHandler,
)
from reactor import Collector, Condition, Container, Endpoint, EventType, Handler, Message, Terminus
from reactor.engine.handler import DERIVED
from reactor.errors import UNAUTHORIZED_ACCESS
from tests.support.stage import Stage, Witness


def test_it_is_made_of_the_originals_parts() -> None:
    parts = [FlowController, EndpointStateHandler, IncomingMessageHandler, OutgoingMessageHandler]
    assert [type(part) for part in MessagingHandler().handlers] == parts
    assert [type(part) for part in MessagingHandler(prefetch=0).handlers] == parts[1:]


def test_on_start_comes_first_and_once() -> None:
    stage = Stage()
    client = Witness()
    container, connection = stage.connect(client)
    assert client.told[0] == "on_start"
    assert client.last("on_start").container is container
    connection.close()
    stage.finish()
    container.run()
    assert client.count("on_start") == 1


def test_the_attributes_of_an_event_lead_to_what_it_is_about() -> None:
    stage = Stage()
    client = Witness()
    container, connection = stage.connect(client)
    sender = container.create_sender(connection, "q")
    stage.run()
    sent = sender.send(Message("x"))
    stage.run()
    event = client.last("on_accepted")
    assert event.container is container and event.reactor is container
    assert event.connection is connection and event.session is sender.session
    assert event.link is sender and event.sender is sender and event.receiver is None
    assert event.delivery is sent and event.message is None
    assert event.transport is connection.transport
    event = stage.server.last("on_message")
    assert event.receiver is event.link and event.sender is None
    assert event.message.body == "x"
    started = client.last("on_start")
    assert started.connection is started.session is started.link is started.delivery is started.transport is None


def test_a_subclass_sees_the_engines_events_before_the_parts_do() -> None:
    seen = []

    class Both(MessagingHandler):
        def on_delivery(self, event: Any) -> None:
            seen.append(("on_delivery", event.message))

        def on_message(self, event: Any) -> None:
            seen.append(("on_message", event.message.body))

    stage = Stage(Both())
    container, connection = stage.connect()
    container.create_sender(connection, "q").send(Message("x"))
    stage.run()
    assert seen == [("on_delivery", None), ("on_message", "x")]


def test_on_unhandled_sees_what_has_no_method() -> None:
    class Rest(MessagingHandler):
        def __init__(self) -> None:
            super().__init__()
            self.rest: list[str] = []

        def on_unhandled(self, method: str, event: Any) -> None:
            self.rest.append(method)

        def on_message(self, event: Any) -> None:
            pass

    rest = Rest()
    stage = Stage(rest)
    container, connection = stage.connect()
    container.create_sender(connection, "q").send(Message("x"))
    stage.run()
    assert "on_connection_opening" in rest.rest and "on_delivery" in rest.rest
    assert "on_message" not in rest.rest and "on_start" not in rest.rest


def test_a_method_may_be_put_on_the_handler_itself() -> None:
    bodies = []
    handler = MessagingHandler()
    stage = Stage(handler)
    handler.on_message = lambda event: bodies.append(event.message.body)  # type: ignore[method-assign]
    container, connection = stage.connect()
    container.create_sender(connection, "q").send(Message("x"))
    stage.run()
    assert bodies == ["x"]


@pytest.mark.parametrize("level", ["container", "connection", "session", "link"])
def test_the_handler_nearest_to_the_link_replaces_the_others(level: str) -> None:
    stage = Stage()
    handlers = {name: Witness() for name in ("container", "connection", "session", "link")}
    container, connection = stage.connect(handlers["container"])
    session = container.create_session(connection)
    order = ["container", "connection", "session", "link"]
    given = order[: order.index(level) + 1]
    if "connection" in given:
        connection.handler = handlers["connection"]
    if "session" in given:
        session.handler = handlers["session"]
    sender = container.create_sender(session, "q", handler=handlers["link"] if level == "link" else None)
    sender.send(Message("x"))
    stage.run()
    assert [name for name in order if handlers[name].count("on_accepted")] == [level]


def test_several_handlers_of_a_container_all_see_what_happens() -> None:
    stage = Stage()
    first, second = Witness(), Witness()
    container = stage.container(first, second)
    sender = container.create_sender(container.connect(stage.url), "q")
    sender.send(Message("x"))
    stage.run()
    for name in ("on_start", "on_connection_opened", "on_sendable", "on_accepted", "on_settled"):
        assert first.count(name) == second.count(name) > 0, name


def test_a_message_is_handed_to_the_first_of_several_handlers() -> None:
    first, second = Witness(), Witness()
    stage = Stage(first)
    stage.host.handler.add(second)
    container, connection = stage.connect()
    container.create_sender(connection, "q").send(Message("x"))
    stage.run()
    assert (first.count("on_message"), second.count("on_message")) == (1, 0)


def test_any_object_may_be_a_child() -> None:
    class Plain:
        def __init__(self) -> None:
            self.opened = 0

        def on_connection_remote_open(self, event: Any) -> None:
            self.opened += 1

    plain, root = Plain(), Handler()
    stage = Stage()
    container = stage.container(root)
    root.add(plain)
    root.add(object())
    container.connect(stage.url)
    stage.run()
    assert plain.opened == 1


def test_a_fatal_transport_error_closes_the_connection_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage()
    client = Witness()
    container = stage.container(client)
    connection = container.connect(stage.url, allowed_mechs="PLAIN", user="u", password="secret")
    stage.run()
    assert client.last("on_transport_error").transport is not None
    assert UNAUTHORIZED_ACCESS in caplog.text and "secret" not in caplog.text
    assert connection.state & Endpoint.LOCAL_CLOSED
    assert MessagingHandler().fatal_conditions == [UNAUTHORIZED_ACCESS]


def test_the_helpers_acknowledge_from_outside_of_on_message() -> None:
    stage = Stage(Witness(auto_accept=False))
    client = Witness()
    container, connection = stage.connect(client)
    sender = container.create_sender(connection, "q")
    for _ in range(4):
        sender.send(Message("x"))
    stage.run()
    deliveries = [event.delivery for event in stage.server.events["on_message"]]
    stage.server.accept(deliveries[0])
    stage.server.reject(deliveries[1])
    stage.server.release(deliveries[2])
    stage.server.settle(deliveries[3])
    stage.run()
    assert (client.count("on_accepted"), client.count("on_rejected"), client.count("on_released")) == (1, 1, 1)
    assert client.count("on_settled") == 4


def test_a_subclass_that_forgets_to_call_super_is_told() -> None:
    class Forgetful(MessagingHandler):
        def __init__(self) -> None:
            self.mine = 1

    stage = Stage()
    stage.container(Forgetful())
    with pytest.raises(TypeError, match=r"Forgetful\.__init__ .*super"):
        stage.run()


# -- names that are nearly right, and methods that would never run ------------------------------------------


def test_a_name_that_is_nearly_that_of_an_event_is_warned_about_when_the_class_is_defined() -> None:
    with pytest.warns(UserWarning, match=r"Shop\.on_mesage is called for no event; did you mean on_message\?"):

        class Shop(MessagingHandler):
            def on_mesage(self, event: Any) -> None:
                pass

    with pytest.warns(
        UserWarning, match=r"on_link_detached is called for no event; did you mean on_link_remote_detach\?"
    ):

        class Subscriber(MessagingHandler):
            def on_link_detached(self, event: Any) -> None:
                pass

    with pytest.warns(UserWarning, match=r"on_conection_remote_open.*on_connection_remote_open"):

        class Engine(MessagingHandler):
            def on_conection_remote_open(self, event: Any) -> None:
                pass


def test_a_mixin_is_looked_at_and_a_subclass_does_not_warn_again() -> None:
    class Mixin:
        def on_acepted(self, event: Any) -> None:
            pass

    with pytest.warns(UserWarning, match=r"Mixin\.on_acepted"):

        class First(Mixin, MessagingHandler):
            pass

    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Second(First):
            def on_job_done(self, event: Any) -> None:
                """An event of the application's own."""

            def on_message(self, event: Any) -> None:
                pass


def test_what_a_class_declares_for_its_documentation_may_be_defined_by_a_base_behind_it() -> None:
    class Mixin:
        opened = 0

        def on_connection_opened(self, event: Any) -> None:
            self.opened += 1

    class Behind(MessagingHandler, Mixin):
        pass

    handler = Behind()
    stage = Stage(handler)
    stage.connect()
    stage.run()
    assert handler.opened > 0


def test_every_callback_that_the_parts_call_is_a_method_with_a_docstring() -> None:
    own = {name for name in dir(MessagingHandler) if name.startswith("on_")}
    assert own >= DERIVED
    assert own - DERIVED - {etype.method for etype in EventType.TYPES.values()} == {"on_unhandled"}
    assert [name for name in own if not getattr(MessagingHandler, name).__doc__] == []


@pytest.mark.parametrize("kind", ["a coroutine", "a generator", "an asynchronous generator"])
def test_a_method_whose_call_would_run_nothing_is_refused(kind: str) -> None:
    class Coroutine(MessagingHandler):
        async def on_message(self, event: Any) -> None:  # type: ignore[override]
            pass

    class Generator(MessagingHandler):
        def on_message(self, event: Any) -> Any:
            yield

    class Asynchronous(MessagingHandler):
        async def on_message(self, event: Any) -> Any:  # type: ignore[override]
            yield

    cls = {"a coroutine": Coroutine, "a generator": Generator}.get(kind, Asynchronous)
    with pytest.raises(TypeError, match=r"%s\.on_message is %s.*plain def" % (cls.__name__, kind)):
        Container(cls())


def test_a_plain_class_with_the_methods_of_a_messaging_handler_is_warned_about() -> None:
    class Plain:
        def on_start(self, event: Any) -> None:
            pass

        def on_message(self, event: Any) -> None:
            pass

    with pytest.warns(UserWarning, match="Plain has on_message, on_start, which no event calls.*MessagingHandler"):
        Container(Plain())

    class Engine:
        def on_connection_init(self, event: Any) -> None:
            pass

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Container(Engine())


# -- what programs for the original do ----------------------------------------------------------------------


def test_an_event_has_what_its_context_has() -> None:
    seen = []

    class Asking(MessagingHandler):
        def on_link_opened(self, event: Any) -> None:
            seen.append((event.link.name, event.remote_target.address, event.is_sender))
            with pytest.raises(AttributeError, match=r"neither the event pn_link_.* nor its context has 'sendr'"):
                event.sendr  # noqa: B018

    stage = Stage(Asking())
    container, connection = stage.connect()
    sender = container.create_sender(connection, "q")
    stage.run()
    assert (sender.name, "q", False) in seen  # the broker's end, which shares the handler


def test_applications_keep_things_of_their_own_on_what_the_library_hands_out() -> None:
    stage = Stage(MessagingHandler())
    container, connection = stage.connect()
    delivery = container.create_sender(connection, "q").send(Message("x"))
    for thing in (delivery, delivery.link.target, Condition("amqp:not-found"), Collector(), Message()):
        thing.mine = "kept"
        assert thing.mine == "kept"
    other = Terminus(Terminus.TARGET)
    other.copy(delivery.link.target)
    assert other.address == "q" and not hasattr(other, "mine")
    stage.run()
