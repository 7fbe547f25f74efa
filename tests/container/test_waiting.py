"""What a container waits for, in sentences; and sends that were not accepted while nobody listened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from handlers import MessagingHandler
from reactor import Condition, EventInjector, Message
from tests.support.processes import DEADLINE
from tests.support.stage import Stage, Witness


def waiting(container: Any) -> str:
    return "\n".join(container.waiting_for())


def test_connections_that_are_tried_again_and_when() -> None:
    stage = Stage()
    container = stage.container(Witness())
    container.connect("amqp://nobody:5672", reconnect=[4])
    stage.run(lambda: "tried again" in waiting(container))
    assert waiting(container) == "connection to nobody:5672: it is tried again in 4 s, after 1 failure"


def test_a_peer_that_owes_an_answer() -> None:
    stage = Stage(Witness(on_connection_opening=lambda event: stage.clock))
    container = stage.container(Witness())
    connection = container.connect(stage.url)
    assert waiting(container) == "server:5672 to open the connection" or "nobody" in waiting(container)
    stage.run()
    assert waiting(container) == "server:5672: the connection is open and has no links, and neither side closes it"
    connection.close()
    assert waiting(container) == "server:5672 to close the connection"


def test_senders_and_receivers() -> None:
    stage = Stage(Witness(prefetch=0, auto_accept=False))
    container, connection = stage.connect(Witness(auto_accept=False))
    sender = container.create_sender(connection, "out")
    container.create_receiver(connection, "in", prefetch=0)
    container.create_receiver(connection, "more", prefetch=7)
    assert "sender to out is not attached by the peer" in waiting(container)
    stage.run()
    sender.send(Message("x"))
    sender.send(Message("x"))
    assert container.waiting_for() == [
        "server:5672: sender to out has no credit for 2 messages that wait",
        "server:5672: receiver from in has no credit: receiver.flow(n) gives some",
        "server:5672: receiver from more has credit for 7 messages",
    ]
    theirs = stage.server.events["on_link_opened"]
    next(event.link for event in theirs if event.link.is_receiver).flow(1)
    stage.run()
    assert "sender to out has no credit for 1 message that waits, and has 1 message without an outcome" in waiting(
        container
    )
    next(event.link for event in theirs if event.link.is_sender and event.link.credit).send(Message("y"))
    stage.run()
    assert "receiver from more has credit for 6 messages, 1 delivery is not settled here" in waiting(container)


def test_a_receiver_at_its_bound_is_not_told_to_ask_for_more() -> None:
    stage = Stage(Witness(prefetch=0, on_sendable=lambda event: event.sender.send(Message("x"))))
    container, connection = stage.connect(Witness(auto_accept=False))
    container.create_receiver(connection, "in", max_unsettled=2)
    stage.run()
    assert container.waiting_for() == [
        "server:5672: receiver from in has no credit, 2 deliveries are not settled here, and max_unsettled is 2: "
        "accept some",
    ]


def test_listeners_timers_and_what_is_watched() -> None:
    stage = Stage()
    assert stage.host.waiting_for() == ["peers that connect to server:5672"]
    container = stage.container(Witness())
    task = container.schedule(30, None)
    container.schedule(7, None).cancel()
    injector = EventInjector()
    container.selectable(injector)
    assert container.waiting_for() == ["a timer, due in 30 s", "1 descriptor or injector of the application's own"]
    task.cancel()
    assert len(container.waiting_for()) == 1


def test_nothing_is_waited_for_in_the_end_and_not_all_is_told() -> None:
    stage = Stage()
    container = stage.container(Witness())
    assert container.waiting_for() == []
    for _ in range(25):
        connection = container.connect(stage.url)
    for number in range(15):
        container.create_sender(connection, "q%d" % number)
    stage.run()
    told = container.waiting_for()
    assert told[-1] == "5 more connections" and len(told) == 21


PROGRAM = """
from handlers import MessagingHandler
from reactor import Container

class Waits(MessagingHandler):
    def on_start(self, event):
        event.container.listen("amqp://127.0.0.1:0")
        print("ready", flush=True)

Container(Waits()).run()
"""


@pytest.mark.skipif(os.name != "posix", reason="a signal must be sent to a process")
def test_ctrl_c_prints_what_it_waits_for() -> None:
    start = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", start + PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=DEADLINE)
    assert "interrupted; the container was waiting for:\n  peers that connect to 127.0.0.1:" in err
    assert process.returncode != 0


# -- sends that nobody listens for ---------------------------------------------------------------------------


def heard(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "handlers.outgoing"]


class Plain(MessagingHandler):
    pass


def send_to(what: str, client: Any, number: int = 3) -> Any:
    def treat(event: Any) -> None:
        if what == "in doubt":
            return
        if what == "rejected":
            event.delivery.local.condition = Condition("example:full", "no\nroom")
            event.container.handler.handlers[0].reject(event.delivery)
        else:
            event.container.handler.handlers[0].release(event.delivery, delivered=what == "modified")

    stage = Stage(Witness(on_message=treat, auto_accept=what != "in doubt"))
    container, connection = stage.connect(client)
    sender = container.create_sender(connection, "q")
    for _ in range(number):
        sender.send(Message("x"))
    stage.run()
    if what == "in doubt":
        stage.cut()
        stage.run()
    return sender


@pytest.mark.parametrize("what", ["rejected", "released", "modified", "in doubt"])
def test_what_nobody_listens_for_is_warned_of_once(what: str, caplog: pytest.LogCaptureFixture) -> None:
    client = Plain()
    sender = send_to(what, client)
    (told,) = heard(caplog)
    method = {"rejected": "on_rejected", "in doubt": "on_in_doubt"}.get(what, "on_released")
    assert what in told and "sender to q" in told and "no %s listens" % method in told
    if what == "rejected":
        assert "example:full: no\\nroom" in told
    if what != "in doubt":
        assert client.handlers[-1].unheard(sender) == 3


@pytest.mark.parametrize("method", ["on_rejected", "on_delivery_updated", "on_settled"])
def test_whoever_listens_is_not_warned(method: str, caplog: pytest.LogCaptureFixture) -> None:
    client = type("Listens", (MessagingHandler,), {method: lambda self, event: None})()
    send_to("rejected", client)
    assert heard(caplog) == []


def test_what_is_accepted_is_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    container, connection = stage.connect(Plain())
    sender = container.create_sender(connection, "q")
    sender.send(Message("x"))
    stage.run()
    assert heard(caplog) == [] and sender.unsettled == 0


def test_a_connection_that_is_refused_says_when_it_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    container = stage.container(Plain())
    container.connect("amqp://nobody:5672", reconnect=[4])
    stage.run(lambda: "tried again" in waiting(container))
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "refused" in told and told.endswith("it is tried again in 4 s, and so on")
