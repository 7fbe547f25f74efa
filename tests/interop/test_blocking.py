"""The blocking API of either library, side by side: the same programs at the same broker, with the same results."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from reactor import Container, Message
from tests.interop.original import ORIGINAL  # noqa: F401  # skips this module where it is not installed
from tests.support.libraries import OURS, THEIRS, load_blocking

PATIENCE = 20


@pytest.fixture(params=[OURS, THEIRS])
def api(request: pytest.FixtureRequest) -> SimpleNamespace:
    return load_blocking(request.param)


@pytest.fixture
def url() -> Iterator[str]:
    with EmbeddedBroker() as broker:
        yield broker.url


@pytest.fixture
def connection(api: SimpleNamespace, url: str) -> Iterator[Any]:
    connection = api.BlockingConnection(url, timeout=PATIENCE)
    yield connection
    connection.close()


def test_one_message_there_and_back(api: SimpleNamespace, connection: Any) -> None:
    receiver = connection.create_receiver("examples")
    sender = connection.create_sender("examples")
    sender.send(api.Message(body="Hello World!"))
    message = receiver.receive(timeout=PATIENCE)
    receiver.accept()
    assert message.body == "Hello World!"


def test_settling_goes_in_the_order_of_receiving(api: SimpleNamespace, connection: Any) -> None:
    sender = connection.create_sender("examples")
    for number in range(3):
        sender.send(api.Message(body=number))
    receiver = connection.create_receiver("examples", credit=3)
    assert [receiver.receive(timeout=PATIENCE).body for _ in range(3)] == [0, 1, 2]
    receiver.accept()
    receiver.reject()
    receiver.close()
    assert connection.create_receiver("examples").receive(timeout=PATIENCE).body == 2


def test_no_message_is_a_timeout(api: SimpleNamespace, connection: Any) -> None:
    receiver = connection.create_receiver("examples")
    with pytest.raises(api.Timeout):
        receiver.receive(timeout=0.05)


def test_a_link_that_is_refused(api: SimpleNamespace) -> None:
    with EmbeddedBroker(auto_create=False) as broker:
        connection = api.BlockingConnection(broker.url, timeout=PATIENCE)
        with pytest.raises(api.LinkDetached):
            connection.create_receiver("nowhere")
        connection.close()


def test_nobody_listens(api: SimpleNamespace) -> None:
    with pytest.raises(api.ProtonException):
        api.BlockingConnection("127.0.0.1:1", timeout=PATIENCE)


def test_requests_and_responses(api: SimpleNamespace, url: str, connection: Any) -> None:
    class Server(MessagingHandler):
        def on_start(self, event: Any) -> None:
            event.container.create_receiver(url + "/requests")

        def on_message(self, event: Any) -> None:
            request = event.message
            reply = Message(request.body.upper(), address=request.reply_to, correlation_id=request.correlation_id)
            self.sender.send(reply)

        def on_link_opened(self, event: Any) -> None:
            if event.receiver is not None:
                self.sender = event.container.create_sender(event.connection, None)

    container = Container(Server())
    thread = threading.Thread(target=container.run)
    thread.start()
    try:
        client = api.SyncRequestResponse(connection, "requests")
        for text in ("twas brillig", "and the slithy toves"):
            assert client.call(api.Message(body=text)).body == text.upper()
    finally:
        container.stop()
        thread.join()


def test_our_acknowledgements_at_a_peer_that_answers_no_flow(api: SimpleNamespace) -> None:
    """`acknowledge(sync=True)` asks a peer made with the original, too: by the session that it opens."""
    if api.library == OURS:
        pytest.skip("the peer is the original's here")
    from reactor.utils import BlockingConnection
    from tests.benchmarks.rows import Worker, local_url

    url = local_url()
    with Worker(THEIRS, "minimal_broker", url) as worker:
        worker.hear("started")
        with BlockingConnection(url, timeout=PATIENCE) as ours:
            sender = ours.create_sender("examples")
            for number in range(5):
                sender.send(number)
            session = ours.session()
            receiver = session.receiver("examples", capacity=5)
            for _ in range(5):
                receiver.fetch(timeout=PATIENCE).acknowledge()
