"""Log fields: each line about a connection, a link or a delivery has them, and its text is as it was."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker, Policy, links
from reactor import Condition, Message, Reject
from reactor.container.settings import screens
from reactor.telemetry import log_fields
from tests.support.brokers import BrokerWorld
from tests.support.stage import Stage, Witness


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def fields(record: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name.startswith("amqp_")}


def the_line(caplog: pytest.LogCaptureFixture, text: str) -> Any:
    found = [record for record in caplog.records if text in record.getMessage()]
    assert found, caplog.text
    return found[0]


def test_the_life_of_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    stage, client = Stage(), Witness()
    container = stage.container(client)
    connection = container.connect("amqp://bob:secret@server", allowed_mechs="ANONYMOUS")
    stage.run(lambda: client.count("on_connection_opened"))
    opened = the_line(caplog, "connected to amqp://bob:***@server")
    assert fields(opened) == {"amqp_peer": "server", "amqp_container": stage.host.container_id}
    stage.leave()
    stage.run(lambda: client.count("on_transport_error") == 2)
    lost = the_line(caplog, "is tried again in")
    assert fields(lost)["amqp_condition"] and fields(lost)["amqp_delay"] >= 0
    assert fields(the_line(caplog, "trying amqp://bob:***@server"))["amqp_attempt"] >= 1
    connection.close()
    stage.run(lambda: container not in stage.stepper.containers)
    assert "secret" not in "".join(str(vars(record)) for record in caplog.records)


def test_a_link_that_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(event: Any) -> None:
        event.link.condition = Condition("amqp:not-found", "no")
        event.link.close()

    stage, client = Stage(Witness(on_link_opening=refuse)), Witness()
    container = stage.container(client)
    container.create_sender(container.connect(stage.url), "jobs", name="refused")
    stage.run(lambda: client.count("on_link_error"))
    assert fields(the_line(caplog, "closed by the peer")) == {
        "amqp_address": "jobs",
        "amqp_condition": "amqp:not-found",
        "amqp_container": stage.host.container_id,
        "amqp_link": "refused",
        "amqp_peer": "server:5672",
        "amqp_role": "sender",
    }


def test_a_message_that_is_rejected(caplog: pytest.LogCaptureFixture) -> None:
    def reject(event: Any) -> None:
        raise Reject("why")

    stage = Stage(Witness(on_message=reject))
    container = stage.container(MessagingHandler())
    container.create_sender(container.connect(stage.url), "jobs").send(Message("x"), tag="t1")
    stage.run(lambda: "listens for it" in caplog.text)
    found = fields(the_line(caplog, "and no on_rejected listens for it"))
    assert found["amqp_delivery"] == "t1" and found["amqp_condition"] == "amqp-reactor:rejected"


def test_a_broker_s_lines_have_them_too(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    host = stage.container(Broker("amqp://broker"))
    client = Witness()
    container = stage.container(client, container_id="mine")
    connection = container.connect("amqp://broker")
    container.create_sender(connection, "jobs")
    stage.run(lambda: client.count("on_link_opened"))
    assert fields(the_line(caplog, "connection from 'mine'"))["amqp_container"] == "mine"
    attached = fields(the_line(caplog, "sends to"))
    assert attached["amqp_role"] == "receiver" and attached["amqp_address"] == "jobs"
    connection.close()
    stage.run(lambda: client.count("on_connection_closed"))
    host.stop()
    stage.run(lambda: host not in stage.stepper.containers)


@pytest.mark.parametrize("level, computed", [(logging.ERROR, 0), (logging.INFO, 4)])
def test_messages_without_a_line_cost_no_fields(
    level: int, computed: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(level)
    made: list[Any] = []

    def noted(about: Any, *more: Any) -> Any:
        if hasattr(about, "tag_bytes"):
            made.append(about)
        return log_fields(about, *more)

    for room in (links, screens):
        monkeypatch.setattr(room, "log_fields", noted)

    class NotThis(screens.Screen):
        def reason(self, event: Any) -> str:
            return "it is not wanted"

    queues = {"jobs": Policy(duplicate_window=5), "full": Policy(max_length=1, overflow="reject")}
    world = BrokerWorld(auto_create=False, queues=queues)
    client = world.client()
    client.send("jobs", "x", "x", id="1")  # the second one is a duplicate
    client.send("full", "x", "x")  # the second one is refused
    client.send(None, "x", address="nowhere")  # ... and goes nowhere
    client.receiver("jobs", 1, options=NotThis())
    assert (len(made), world.broker.internal_errors) == (computed, 0)


def test_fields_of_anything() -> None:
    assert log_fields() == {}
    assert log_fields(None, "amqp:x", seconds=5, nothing=None) == {"amqp_condition": "amqp:x", "amqp_seconds": 5}
    assert log_fields(None, Condition("a\nb" + "c" * 500))["amqp_condition"] == "a\\nb" + "c" * 197 + "..."
