"""EmbeddedBroker: its own thread and port, seen from this thread, and its failures."""

from __future__ import annotations

import socket
import threading

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker, NodeStatistics
from reactor import ACCEPTED, ApplicationEvent, Container, Message
from reactor.utils import BlockingConnection


class Exchange(MessagingHandler):
    """Sends messages, and receives so many of them."""

    def __init__(self, url, bodies, receive=0):
        super().__init__()
        self.url, self.bodies, self.receive = url, list(bodies), receive
        self.received, self.outcomes, self.conditions = [], [], []

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        sender = event.container.create_sender(connection, "jobs")
        for body in self.bodies:
            sender.send(Message(body))
        if self.receive:
            event.container.create_receiver(connection, "jobs")

    def on_accepted(self, event):
        self.outcomes.append(event.delivery.remote_state)
        self.finish(event)

    def on_message(self, event):
        self.received.append(event.message.body)
        self.finish(event)

    def finish(self, event):
        if len(self.outcomes) == len(self.bodies) and len(self.received) == self.receive:
            event.connection.close()

    def on_connection_error(self, event):
        self.conditions.append(event.connection.remote_condition.name)


def test_a_client_in_this_thread():
    with EmbeddedBroker() as broker:
        assert broker.url == f"amqp://127.0.0.1:{broker.port}" and broker.port
        client = Exchange(broker.url, ["a", "b"], receive=2)
        Container(client).run()
        assert client.received == ["a", "b"] and client.outcomes == [ACCEPTED] * 2
        assert broker.names() == ["jobs"]
        Container(Exchange(broker.url, ["c"])).run()
        assert broker.queue("jobs").depth == 1
        assert broker.queue("jobs").enqueued == 3


def test_two_connections_of_one_container_have_a_link_each():
    """A link of one name over another connection would take the first one over, and be taken over in its turn."""

    class Twice(Exchange):
        def on_start(self, event):
            for _ in range(2):
                connection = event.container.connect(self.url, reconnect=False)
                event.container.create_sender(connection, "jobs").send(Message(self.bodies.pop()))

        def on_link_error(self, event):
            self.conditions.append(event.link.remote_condition)

        def on_accepted(self, event):
            self.outcomes.append(event.link.name)
            if len(self.outcomes) == 2:
                for connection in event.container.connections():
                    connection.close()

    with EmbeddedBroker() as broker:
        client = Twice(broker.url, ["a", "b"])
        Container(client, container_id="twice").run()
    assert sorted(client.outcomes) == ["twice-jobs", "twice-jobs-2"] and client.conditions == []


def test_a_queue_that_nobody_has_used_is_empty():
    with EmbeddedBroker() as broker:
        assert broker.queue("never") == NodeStatistics("never") and broker.queue("never").depth == 0


def test_two_brokers_do_not_know_each_other():
    with EmbeddedBroker() as one, EmbeddedBroker() as two:
        assert one.port != two.port
        Container(Exchange(one.url, ["a"])).run()
        assert (one.queue("jobs").depth, two.queue("jobs").depth) == (1, 0)


def test_stopping_frees_the_port_and_may_be_repeated():
    broker = EmbeddedBroker().start()
    port = broker.port
    assert "running" in repr(broker) and str(port) in repr(broker)
    broker.stop()
    broker.stop()
    assert "not running" in repr(broker)
    with EmbeddedBroker(f"amqp://127.0.0.1:{port}") as again:
        assert again.port == port


def test_a_client_that_is_connected_hears_that_the_broker_stops():
    class Waiting(MessagingHandler):
        heard = None

        def on_start(self, event):
            event.container.connect(broker.url, reconnect=False)

        def on_connection_opened(self, event):
            broker._injector.trigger(ApplicationEvent("shutdown"))

        def on_disconnected(self, event):
            self.heard = event.connection.remote_condition

    with EmbeddedBroker() as broker:
        client = Waiting()
        Container(client).run()
    assert client.heard.name == "amqp:connection:forced"




def test_a_port_in_use_is_raised_where_it_was_asked_for():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for _ in range(50):  # its thread may or may not have ended by then
            with pytest.raises(OSError, match=str(port)):
                EmbeddedBroker(f"amqp://127.0.0.1:{port}").start()


def test_what_ends_its_thread_is_raised_at_the_end():
    broker = EmbeddedBroker()

    def fail(event):
        raise ZeroDivisionError("in the broker")

    broker._broker.on_shutdown = fail
    with pytest.raises(ZeroDivisionError, match="in the broker"), broker:
        Container(Exchange(broker.url, ["a"])).run()


@pytest.mark.internal_errors
def test_what_fails_for_one_connection_does_not_end_its_thread():
    broker = EmbeddedBroker()
    handlers = broker._broker
    opening = handlers.on_connection_opening

    def fail_once(event):
        handlers.on_connection_opening = opening
        raise ZeroDivisionError("in the broker")

    handlers.on_connection_opening = fail_once
    with broker:
        first, second = Exchange(broker.url, ["a"]), Exchange(broker.url, ["b"])
        Container(first).run()
        Container(second).run()
        assert (first.conditions, second.conditions) == (["amqp:internal-error"], [])
        assert broker.queue("jobs").depth == 1
        assert broker.overview().internal_errors == 1


def test_what_fails_in_both_is_shown_together():
    broker = EmbeddedBroker()

    def fail(event):
        raise ZeroDivisionError("in the broker")

    broker._broker.on_shutdown = fail
    with pytest.raises(ZeroDivisionError) as caught, broker:
        Container(Exchange(broker.url, ["a"])).run()
        raise KeyError("mine")
    assert isinstance(caught.value.__cause__, KeyError)


def test_it_can_be_started_once():
    with EmbeddedBroker() as broker, pytest.raises(RuntimeError, match="once"):
        broker.start()


def test_an_option_it_does_not_know_is_a_type_error():
    with pytest.raises(TypeError, match="max_queue_byte"):
        EmbeddedBroker(max_queue_byte=1)


def test_one_whose_options_were_refused_can_be_shown():
    """A debugger, and pytest, show what they find in a traceback."""
    broker = EmbeddedBroker.__new__(EmbeddedBroker)
    with pytest.raises(TypeError, match="queue"):
        broker.__init__(queue=["jobs"])
    assert "not running" in repr(broker)


def refuse_thread(name, refused):
    """For threading.Thread.start: the system has no thread of that name. refused: gets the object that it is of."""
    start = threading.Thread.start

    def refuse(thread):
        if thread.name != name:
            return start(thread)
        refused.append(thread._target.__self__)
        raise RuntimeError("can't start new thread")

    return refuse


def test_without_a_thread_it_leaves_its_store_to_another(monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse_thread("amqp-broker", []))
        broker = EmbeddedBroker(store=tmp_path / "store.db")
        with pytest.raises(RuntimeError, match="can't start new thread"):
            broker.start()
    broker.stop()
    with EmbeddedBroker(store=tmp_path / "store.db") as another:
        assert another.port


def test_without_a_thread_its_web_page_has_no_socket(monkeypatch):
    refused = []
    monkeypatch.setattr(threading.Thread, "start", refuse_thread("amqp-broker-web", refused))
    with pytest.raises(RuntimeError, match="can't start new thread"):
        EmbeddedBroker(web=True).start()
    assert [server.socket.fileno() for server in refused] == [-1], "it is closed"


def test_without_a_thread_a_blocking_connection_leaves_nothing(monkeypatch):
    refused = []
    monkeypatch.setattr(threading.Thread, "start", refuse_thread("amqp-reactor", refused))
    with pytest.raises(RuntimeError, match="can't start new thread"):
        BlockingConnection("amqp://127.0.0.1")
    (service,) = refused
    service.container.run()  # it ends: no source of events keeps it
