"""Acceptor: listening, and what comes in."""

from __future__ import annotations

import pytest

from reactor import Container, Endpoint
from tests.support.stage import Stage, Witness


def test_the_system_chooses_a_port_and_tells_it() -> None:
    stage = Stage()
    acceptor = stage.host.listen("amqp://localhost:0")
    assert acceptor.port > 0
    assert acceptor.address == "localhost:%d" % acceptor.port
    assert acceptor.url == "amqp://localhost:%d" % acceptor.port
    connection = stage.container().connect(acceptor.url)
    stage.run()
    assert connection.state & Endpoint.REMOTE_ACTIVE


@pytest.mark.parametrize("everywhere", ["amqp://:5999", ":5999", "0.0.0.0:5999", "[::]:5999"])
def test_a_listener_on_every_address_tells_a_url_that_can_be_connected_to(everywhere: str) -> None:
    stage = Stage()
    acceptor = stage.host.listen(everywhere)
    assert acceptor.url == "amqp://127.0.0.1:5999"


def test_a_closed_acceptor_lets_nobody_in_and_the_others_stay() -> None:
    stage = Stage()
    client = Witness()
    _, connection = stage.connect(client)
    stage.acceptor.close()
    stage.acceptor.close()
    refused = Witness()
    stage.container(refused).connect(stage.url, reconnect=False)
    stage.run()
    assert refused.count("on_disconnected") == 1
    assert connection.state & Endpoint.REMOTE_ACTIVE
    assert "closed" in repr(stage.acceptor)


def test_an_address_in_use_is_an_error_that_names_it() -> None:
    stage = Stage()
    with pytest.raises(OSError, match="server:5672"):
        stage.container().listen(stage.url)


def test_its_handler_sees_the_connections_that_come_in_there() -> None:
    stage = Stage()
    own = Witness()
    acceptor = stage.host.listen("server:6000", handler=own)
    stage.container().connect("server:6000")
    stage.run()
    assert own.count("on_connection_opened") == 1 and stage.server.count("on_connection_opened") == 0
    acceptor.close()


def test_a_connection_that_comes_in_has_the_name_of_the_container() -> None:
    stage = Stage()
    _, connection = stage.connect()
    assert connection.remote_container == stage.host.container_id


def test_it_listens_on_real_sockets_of_both_families() -> None:
    server, client = Witness(), Witness()
    container = Container(server)
    acceptor = container.listen(":0")
    other = Container(client)
    for host in ("127.0.0.1", "localhost"):
        other.connect("%s:%d" % (host, acceptor.port))
    other.timeout = container.timeout = 0.01
    for _ in range(3000):
        if server.count("on_connection_opened") == 2 == client.count("on_connection_opened"):
            break
        container.process()
        other.process()
    assert client.count("on_connection_opened") == 2
    container.stop()
    other.stop()
    while container.process() or other.process():
        pass


def test_who_has_come_in_has_an_address() -> None:
    stage = Stage()
    stage.connect()
    theirs = stage.server.last("on_connection_opened").connection
    host, _, port = theirs.connected_address.rpartition(":")
    assert host and int(port) > 0 and theirs.connected_address in repr(theirs)
