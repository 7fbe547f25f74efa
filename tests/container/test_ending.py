"""How a container comes to its end, and says why: ended_by, raise_errors, close(), what is left of a failed run()."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from reactor import (
    Condition,
    ConnectionException,
    Container,
    Endpoint,
    LinkDetached,
    Message,
    SessionException,
)
from reactor.errors import ConnectionClosed
from tests.support.stage import Stage, Witness

NOBODY = "amqp://127.0.0.1:1"


class Trouble(Exception):
    pass


@pytest.fixture
def server() -> Any:
    """A server in another thread, and what it was told."""
    witness = Witness()
    container = Container(witness)
    acceptor = container.listen("amqp://127.0.0.1:0")
    thread = threading.Thread(target=container.run)
    thread.start()
    yield acceptor.url, witness, container
    container.stop()
    thread.join(30)
    assert not thread.is_alive()


def wait(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


# -- ended_by ------------------------------------------------------------------------------------------------


class Refusing:
    """A stage whose server refuses what it is told to refuse."""

    def __init__(self, kind: str = "", name: str = "amqp:not-found", text: str = "none\x1b here") -> None:
        def refuse(event: Any) -> None:
            end = getattr(event, kind)
            end.condition = Condition(name, text)
            end.close()

        self.stage = Stage(Witness(**({"on_%s_opening" % kind: refuse} if kind else {})))

    def run(self, client: Any, **options: Any) -> Container:
        container = self.stage.container(client)
        connection = container.connect(self.stage.url, **options)
        container.create_sender(connection, "q")
        self.stage.run(lambda: container not in self.stage.stepper.containers)
        return container


@pytest.mark.parametrize(
    "kind, error",
    [("link", LinkDetached), ("session", SessionException), ("connection", ConnectionClosed)],
)
def test_what_the_peer_refused_is_what_it_ended_by(kind: str, error: type) -> None:
    container = Refusing(kind).run(MessagingHandler())
    assert type(container.ended_by) is error
    assert "none\\x1b here" in str(container.ended_by)


@pytest.mark.parametrize("kind", ["link", "session"])
def test_whoever_has_a_method_for_it_deals_with_it(kind: str) -> None:
    kinds = ("link", "session")  # a session that is refused takes its links with it
    close = {"on_%s_error" % kind: lambda event: event.connection.close() for kind in kinds[: 1 + (kind == "session")]}
    assert Refusing(kind).run(Witness(**close)).ended_by is None


def test_a_regular_end_is_no_error() -> None:
    container = Refusing().run(Witness(on_link_opened=lambda event: event.connection.close()))
    assert container.ended_by is None


def test_a_connection_that_cannot_be_had_is_what_it_ended_by() -> None:
    for reconnect in (False, [0.5]):
        stage = Stage()
        container = stage.container(MessagingHandler())
        container.connect("amqp://nobody:5672", reconnect=reconnect)
        stage.run(lambda container=container, stage=stage: container not in stage.stepper.containers)
        assert isinstance(container.ended_by, ConnectionException)
        assert str(container.ended_by).startswith("no connection to amqp://nobody:5672")
        assert "refused" in str(container.ended_by)


def test_a_wrong_password_is_what_it_ended_by() -> None:
    stage = Stage()
    stage.host.listen("amqp://guarded:5672", authenticator=lambda mechanism, user, password: False)
    container = stage.container(MessagingHandler())
    container.connect("amqp://me:wrong@guarded:5672", allow_insecure_mechs=True)
    stage.run(lambda: container not in stage.stepper.containers)
    assert isinstance(container.ended_by, ConnectionException)
    assert "unauthorized" in str(container.ended_by) and "wrong" not in str(container.ended_by)
    assert str(container.ended_by).startswith("no connection to "), "it was never there to be lost"


@pytest.mark.parametrize("attempts", [False, [1, 1]])
def test_a_connection_that_was_open_is_lost(attempts: Any) -> None:
    stage = Stage()
    container, _ = stage.connect(Witness(), reconnect=attempts)
    stage.leave()
    stage.run(lambda: container not in stage.stepper.containers)
    assert str(container.ended_by).startswith("amqp://server:5672 lost: ")


def test_whoever_connects_anew_has_dealt_with_it() -> None:
    stage = Stage()

    def elsewhere(event: Any) -> None:
        event.container.connect(stage.url)

    client = Witness(on_connection_opened=lambda event: event.connection.close(), on_disconnected=elsewhere)
    container = stage.container(client)
    container.connect("amqp://nobody:5672", reconnect=False)
    stage.run(lambda: container not in stage.stepper.containers)
    assert client.count("on_connection_opened") == 1 and container.ended_by is None


def test_what_happens_to_connections_that_came_in_is_no_failure_of_a_server() -> None:
    stage = Stage(MessagingHandler())
    container, connection = stage.connect()
    sender = container.create_sender(connection, "q")
    stage.run()
    sender.condition = Condition("amqp:not-found", "mine")
    sender.close()
    stage.run()
    stage.finish()
    assert stage.host.ended_by is None


def test_a_given_up_connection_is_raised_if_that_is_asked_for() -> None:
    with pytest.raises(ConnectionException, match="Connection refused"):
        container = Container(MessagingHandler(), raise_errors=True)
        container.connect(NOBODY, reconnect=False)
        container.run()
    assert isinstance(container.ended_by, ConnectionException)
    quiet = Container(MessagingHandler())
    quiet.connect(NOBODY, reconnect=False)
    quiet.run()
    assert isinstance(quiet.ended_by, ConnectionException)


def test_raise_errors_is_a_truth_value() -> None:
    with pytest.raises(TypeError, match="raise_errors"):
        Container(raise_errors="yes")  # type: ignore[arg-type]


# -- what is left when an exception has left run() -----------------------------------------------------------


class Failing(MessagingHandler):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def on_start(self, event: Any) -> None:
        self.receiver = event.container.create_receiver(self.url + "/q")

    def on_link_opened(self, event: Any) -> None:
        raise Trouble


def test_a_container_whose_run_was_left_by_an_exception_is_closed(server: Any) -> None:
    url, witness, _ = server
    handler = Failing(url)
    container = Container(handler)
    with pytest.raises(Trouble):
        container.run()
    assert isinstance(container.ended_by, Trouble)
    wait(lambda: witness.count("on_connection_closed") + witness.count("on_disconnected"))
    assert witness.count("on_transport_error") == 0, "it was told, and not just left"
    assert not container.loop.watchers and handler.receiver.connection.state & Endpoint.LOCAL_CLOSED
    container.run()
    assert container.ended_by is None


def test_messages_of_the_failed_run_go_to_the_next_one() -> None:
    """As in a notebook: run, see the error, correct the handler, run again."""

    class Send(MessagingHandler):
        def on_start(self, event: Any) -> None:
            self.sender = event.container.create_sender(url + "/q")
            for number in range(3):
                self.sender.send(Message(number))

        def on_settled(self, event: Any) -> None:
            if not self.sender.unsettled:
                event.connection.close()

    class Recv(MessagingHandler):
        def __init__(self, wrong: bool) -> None:
            super().__init__(prefetch=1)
            self.wrong = wrong
            self.bodies: list[Any] = []

        def on_start(self, event: Any) -> None:
            event.container.create_receiver(url + "/q")

        def on_message(self, event: Any) -> None:
            if self.wrong:
                raise Trouble
            self.bodies.append(event.message.body)
            if len(self.bodies) == 3:
                event.connection.close()

    with EmbeddedBroker() as broker:
        url = broker.url
        Container(Send()).run()
        failed = Container(Recv(wrong=True))
        with pytest.raises(Trouble):
            failed.run()
        right = Recv(wrong=False)
        Container(right, raise_errors=True).run()
        assert sorted(right.bodies) == [0, 1, 2]


# -- close() -------------------------------------------------------------------------------------------------


def test_leaving_the_block_closes_the_container(server: Any) -> None:
    url, witness, _ = server
    with Container(MessagingHandler()) as container:
        connection = container.connect(url)
        while not connection.state & Endpoint.REMOTE_ACTIVE:
            container.process()
    wait(lambda: witness.count("on_connection_closed") + witness.count("on_disconnected"))
    assert witness.count("on_transport_error") == 0
    assert not container.loop.busy and connection.state & Endpoint.LOCAL_CLOSED
    container.close()
    with pytest.raises(Trouble), Container() as other:
        other.listen("amqp://127.0.0.1:0")
        raise Trouble
    assert not other.loop.busy


def test_close_in_a_handler_stops() -> None:
    stage = Stage()
    client = Witness(on_connection_opened=lambda event: event.container.close())
    container = stage.container(client)
    connection = container.connect(stage.url)
    stage.run(lambda: container not in stage.stepper.containers)
    assert connection.state & Endpoint.LOCAL_CLOSED


def test_close_in_another_thread_is_refused(server: Any) -> None:
    _, _, serving = server
    wait(lambda: serving.owner.ident is not None)
    with pytest.raises(RuntimeError, match="close"):
        serving.close()


# -- a peer that leaves its socket open ----------------------------------------------------------------------


def test_a_socket_that_stays_open_after_the_close_keeps_nobody() -> None:
    """The same over real sockets, with a peer that answers and then sleeps."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def peer() -> None:
        wire, _ = listener.accept()
        with wire:
            wire.settimeout(10)
            header = b"AMQP\x00\x01\x00\x00"
            data = b""
            while header not in data:
                data += wire.recv(4096)
            opened = b"\x00\x53\x10\xc0\x04\x01\xa1\x01p"
            wire.sendall(header + frame(opened))
            while b"\x00\x53\x18" not in data:
                data += wire.recv(4096)
            wire.sendall(frame(b"\x00\x53\x18\x45"))
            waited.append(done.wait(60))

    waited: list[bool] = []
    thread = threading.Thread(target=peer)
    thread.start()

    class Client(MessagingHandler):
        def on_connection_opened(self, event: Any) -> None:
            event.connection.close()

    container = Container(Client())
    container.connect("amqp://127.0.0.1:%d" % listener.getsockname()[1], reconnect=False, sasl_enabled=False)
    container.run()
    done.set()
    thread.join(60)
    listener.close()
    assert container.ended_by is None
    assert waited == [True], "the run did not wait for the peer to let go of the wire"


def frame(body: bytes) -> bytes:
    return (len(body) + 8).to_bytes(4, "big") + b"\x02\x00\x00\x00" + body


# -- a transport that lets go in a handler -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["on_connection_opened", "on_link_opened"])
@pytest.mark.parametrize("reconnect", [True, False])
def test_a_transport_that_is_unbound_in_a_handler_is_a_loss(name: str, reconnect: bool) -> None:
    unbound: list[Any] = []

    def unbind(event: Any) -> None:
        if not unbound:
            unbound.append(event.transport)
            event.transport.unbind()

    stage = Stage()
    client = Witness(**{name: unbind})
    container = stage.container(client)
    connection = container.connect(stage.url, reconnect=reconnect)
    sender = container.create_sender(connection, "q")
    if not reconnect:
        stage.run(lambda: container not in stage.stepper.containers)
        assert connection.state & Endpoint.LOCAL_CLOSED and connection.transport is None
        return
    sent = sender.send(Message("x"))
    stage.run(lambda: client.count("on_accepted"))
    assert client.last("on_accepted").delivery is sent
    assert connection.transport is not unbound[0] and client.count("on_connection_opened") == 2
