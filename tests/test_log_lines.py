"""What is logged: of whom it tells, and that a peer cannot write lines of its own into it."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from handlers import EndpointStateHandler, MessagingHandler
from handlers.broker import Broker
from reactor import Condition, Message, Reject, symbol
from reactor.errors import IO_ERROR, ConnectionClosed, LinkDetached
from tests.support.stage import Stage, Witness

FORGED = "a\nERROR:root:all is lost\r\x1b[2J\x9b\u202e\u2028\0"
NAME = "amqp:x\nERROR:root:all is lost\x1b[2J"


def forged(**info: Any) -> Condition:
    """A reason that a peer gives, of the worst kind."""
    return Condition(NAME, FORGED, {symbol("k\n"): FORGED, **info})


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """All lines that were logged; each is one."""
    lines = [record.getMessage() for record in caplog.records]
    assert lines and not [line for line in lines if not line.isprintable()]
    return lines


def plain(*things: Any) -> None:
    """What is shown of these is one line."""
    for thing in things:
        for text in (repr(thing), str(thing), "%r" % (thing,)):
            assert text.isprintable(), text


class Forger(MessagingHandler):
    """A server that answers everything with the worst."""

    def on_connection_opening(self, event: Any) -> None:
        event.connection.container = FORGED
        event.connection.properties = {symbol("p"): FORGED}

    def on_link_opening(self, event: Any) -> None:
        link = event.link
        if link.name == "refused":
            link.condition = forged()
            link.close()
        elif link.name == "ended":
            link.session.condition = forged()
            link.session.close()
        elif link.name == "sent away":
            link.condition = Condition("amqp:link:redirect", FORGED, {symbol("address"): FORGED})
            link.close()
        elif link.name == "lost":
            link.condition = Condition("amqp:link:detach-forced", FORGED)
            link.close()

    def on_link_opened(self, event: Any) -> None:
        event.link.target.address = FORGED

    def on_message(self, event: Any) -> None:
        if event.message.body == "bye":
            event.connection.condition = forged()
            event.connection.close()
        else:
            raise Reject(forged())


def test_a_server_writes_no_lines_into_the_log_of_its_client(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(Forger())
    say = EndpointStateHandler.print_error  # and go on
    client = Witness(
        on_link_error=lambda event: say(event.link, "link"),
        on_session_error=lambda event: say(event.session, "session"),
    )
    container, connection = stage.connect(client, [0, 1])
    links = [container.create_sender(connection, "q", name=name) for name in ("refused", "sent away", "lost", "fine")]
    links.append(container.create_sender(connection.session(), "q", name="ended"))
    links[-1].session.open()
    delivery = links[3].send(Message("x"))
    stage.run(lambda: client.count("on_rejected"))
    plain(delivery.remote, delivery.remote.condition, delivery, links[3], links[3].remote_target, connection)
    plain(*links, *(link.remote_condition for link in links), LinkDetached(links[0]))
    links[3].send(Message("bye"))
    stage.run(lambda: client.count("on_connection_error"))
    plain(connection, connection.remote_condition, ConnectionClosed(connection))
    lines = told(caplog)
    assert any("link 'refused'" in line for line in lines) and any("is asked for again" in line for line in lines)
    for line in lines:
        assert "server:5672" in line or "rejected" in line, "it says of which connection it is"


class Vandal(MessagingHandler):
    """A client of the broker that gives everything the worst name."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.links: list[Any] = []

    def on_start(self, event: Any) -> None:
        self.connection = event.container.connect(self.url, container_id=FORGED, reconnect=False)

    def on_connection_opened(self, event: Any) -> None:
        for address in (FORGED, "known"):
            sender = event.container.create_sender(self.connection, address, name="to" + FORGED + address)
            sender.send(Message("x", address=FORGED))
            event.container.create_receiver(self.connection, address, name="from" + FORGED + address)
        event.container.create_sender(self.connection, None).send(Message("x", address=FORGED))

    def on_message(self, event: Any) -> None:
        raise Reject(forged())

    def on_link_error(self, event: Any) -> None:
        self.links.append(event.link)


@pytest.mark.parametrize("auto_create", [True, False])
def test_a_client_writes_no_lines_into_the_broker_log(caplog: pytest.LogCaptureFixture, auto_create: bool) -> None:
    stage = Stage(Broker(auto_create=auto_create, queues=["known"]))
    vandal = Vandal(stage.url)
    container = stage.container(vandal)
    stage.run()
    session = next(iter(vandal.connection.sessions(0)))
    session.condition = vandal.connection.condition = forged()
    session.close()
    vandal.connection.close()
    stage.run()
    lines = told(caplog)
    assert len(lines) > 8 and any("rejected by" in line for line in lines)
    assert len(vandal.links) == (0 if auto_create else 2)
    plain(*vandal.links, *(link.remote_condition for link in vandal.links), *map(LinkDetached, vandal.links), container)


def test_a_user_who_logs_in_writes_no_lines(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    stage.host.listen("amqp://server:1", authenticator=lambda *given: False, allowed_mechs="PLAIN")
    stage.container(Witness()).connect(
        "amqp://server:1", user=FORGED.rstrip("\0"), password="x", allow_insecure_mechs=True, reconnect=False
    )
    stage.run()
    assert any("wrong user or password" in line for line in told(caplog))


def test_a_line_names_connection_and_link_and_no_number_that_nobody_knows(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(event: Any) -> None:
        event.link.condition = Condition("amqp:not-found", "no such queue")
        event.link.close()

    stage = Stage(Witness(on_link_opening=refuse))
    container, connection = stage.connect(Witness())
    container.create_receiver(connection, "jobs", name="mine")
    stage.run()
    stage.server.last("on_connection_opened").connection.close()
    stage.run()
    stage.leave()
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert lines[0] == "server:5672: receiver from jobs (link 'mine') closed by the peer: amqp:not-found: no such queue"
    assert not [line for line in lines if re.match(r"(link |connection )?[0-9a-f]{8}-", line)]


@pytest.mark.parametrize(("url", "hint"), [("amqp://localhost:7", True), ("amqp://nobody:7", False)])
def test_an_address_of_this_machine_that_does_not_answer_brings_a_hint(
    url: str, hint: bool, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage()
    stage.container(Witness()).connect(url, reconnect=False)
    stage.run()
    [line] = [line for line in told(caplog) if "cannot connect to" in line]
    assert line.endswith(". Start a broker with: python -m handlers.broker --listen %s" % url) == hint


def test_the_hint_goes_by_the_error_and_not_by_its_text(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    stage.acceptor.close()
    stage.acceptor = stage.host.listen("amqp://localhost:7")
    client = stage.container(Witness())
    connection = client.connect("amqp://localhost:7", reconnect=False)
    stage.run()
    connection.transport.fail(IO_ERROR, "cannot connect to anything: it was open")
    connection.transport.close_tail()
    stage.run()
    [line] = [line for line in told(caplog) if "cannot connect to" in line]
    assert "Start a broker" not in line


def test_a_loss_names_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    stage.connect(Witness())
    stage.server.last("on_connection_opened").connection.condition = Condition("amqp:not-allowed", "go away")
    stage.server.last("on_connection_opened").connection.close()
    stage.run()
    assert "server:5672: connection closed by the peer: amqp:not-allowed: go away" in told(caplog)
    other = Stage()
    client = Witness()
    other.container(client).connect("amqp://kim:secret@nobody:7/q", reconnect=False)
    other.run()
    assert [line for line in told(caplog) if "cannot connect to nobody:7" in line and "nobody:7: " not in line[:10]]
    assert not [line for line in told(caplog) if "secret" in line]
