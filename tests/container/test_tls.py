"""TLS through containers: amqps://, whose settings are used, names, certificates, and what failures say."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from reactor import Container, Endpoint, Message, SSLDomain, SSLException
from reactor.errors import FRAMING_ERROR, POLICY_ERROR, UNAUTHORIZED_ACCESS
from tests.support.stage import Stage, Witness
from tests.support.tls import ALICE, client_domain, file, server_domain, show


class Secured(Stage):
    """A stage whose server listens at `url` with TLS."""

    def __init__(self, domain: Optional[SSLDomain] = None, chunk: Optional[int] = None, **options: Any) -> None:
        super().__init__(chunk=chunk)
        self.acceptor.close()
        self.url = "amqps://server"
        self.acceptor = self.host.listen(self.url, server_domain() if domain is None else domain, **options)

    def client(self, *handlers: Any) -> Container:
        """A container that trusts the authority of the tests."""
        container = self.container(*handlers)
        container.ssl.client.set_trusted_ca_db(file("authority.pem"))
        return container

    def attempt(self, **options: Any) -> tuple[Any, Any]:
        """A connection that is tried; and why it failed, for the client."""
        reasons: list[Any] = []
        witness = Witness(on_transport_error=lambda event: reasons.append(event.transport.condition))
        container = self.client(witness)
        connection = container.connect(**{"url": self.url, **options})
        self.run()
        return connection, (reasons or [None])[0]


@pytest.mark.parametrize("chunk", [None, 1, 7])
def test_messages_go_both_ways_over_amqps(chunk: Optional[int]) -> None:
    stage = Secured(chunk=chunk)
    client = Witness()
    container = stage.client(client)
    connection = container.connect(stage.url)
    sender = container.create_sender(connection, "q")
    container.create_receiver(connection, "r")
    stage.run()
    assert connection.transport is not None and connection.transport.encrypted
    sender.send(Message("x"))
    stage.run()
    assert stage.server.count("on_message") == client.count("on_accepted") == 1
    connection.close()
    stage.finish()
    assert client.count("on_transport_error") == stage.server.count("on_transport_error") == 0


def test_the_port_of_amqps_is_5671() -> None:
    stage = Secured()
    assert stage.acceptor.port == 5671 and stage.acceptor.url == "amqps://server:5671"
    connection, reason = stage.attempt(url="amqps://server")
    assert reason is None and connection.state & Endpoint.REMOTE_ACTIVE


def test_an_ssl_domain_makes_amqps_of_an_address_without_a_scheme_and_of_no_other() -> None:
    stage = Secured(server_domain(unsecured=True))
    for url, encrypted in (("server", True), ("server:5671", True), ("amqp://server:5671", False)):
        connection, reason = stage.attempt(url=url, ssl_domain=client_domain())
        assert reason is None and connection.transport.encrypted is encrypted
    assert stage.acceptor.url == "amqp://server:5671", "both will do"


def test_the_settings_of_the_container_are_used_where_the_call_has_none() -> None:
    stage = Stage()
    with pytest.raises(SSLException, match="takes a certificate"):
        stage.host.listen("amqps://server")
    stage.host.ssl.set_credentials(file("server.pem"), file("server.key"), None)
    stage.host.listen("amqps://server")
    container = stage.container()
    container.ssl.set_trusted_ca_db(file("authority.pem"))
    first = container.connect("amqps://server")
    second = container.connect("amqps://server", ssl_domain=client_domain(trust="stranger"))
    stage.run()
    assert first.state & Endpoint.REMOTE_ACTIVE
    assert second.error.name == UNAUTHORIZED_ACCESS


def test_a_domain_of_the_wrong_side_is_refused_at_the_call() -> None:
    stage = Secured()
    with pytest.raises(SSLException, match="MODE_CLIENT"):
        stage.container().connect(stage.url, ssl_domain=server_domain())
    with pytest.raises(SSLException, match="MODE_SERVER"):
        stage.host.listen("amqps://server:1", ssl_domain=client_domain("server"))
    with pytest.raises(SSLException, match="certificate"):
        stage.acceptor.set_ssl_domain(SSLDomain(SSLDomain.MODE_SERVER))


def test_an_acceptor_can_be_given_other_settings() -> None:
    stage = Secured()
    stage.acceptor.set_ssl_domain(server_domain("expired"))
    assert stage.attempt()[1].name == UNAUTHORIZED_ACCESS
    stage.acceptor.set_ssl_domain(None)
    connection, _ = stage.attempt(url="amqp://server:5671")
    assert connection.state & Endpoint.REMOTE_ACTIVE
    assert stage.acceptor.url == "amqp://server:5671"


# -- names -----------------------------------------------------------------------------------------------------


def test_the_name_asked_for_is_that_of_sni_or_of_the_virtual_host_or_the_host() -> None:
    names: list[Any] = []
    domain = server_domain()
    domain.context.sni_callback = lambda tls, name, context: names.append(name)
    stage = Secured(domain)
    for options in ({}, {"virtual_host": "localhost"}, {"virtual_host": "elsewhere", "sni": "localhost"}):
        assert stage.attempt(**options)[1] is None
        opened = stage.server.last("on_connection_opened").connection
        assert opened.remote_hostname == options.get("virtual_host", "server")
    assert names == ["server", "localhost", "localhost"]


def test_a_certificate_for_another_name() -> None:
    stage = Secured(server_domain("elsewhere"))
    _, reason = stage.attempt()
    assert reason.name == UNAUTHORIZED_ACCESS and "'server'" in reason.description and "sni=" in reason.description
    assert stage.attempt(sni="elsewhere.example")[1] is None


# -- who the client is -----------------------------------------------------------------------------------------


def test_a_client_certificate_is_who_the_client_is() -> None:
    stage = Secured(server_domain(verify=True))
    connection, reason = stage.attempt(ssl_domain=client_domain("client"))
    assert reason is None and connection.transport.sasl().mech == "EXTERNAL"
    assert stage.server.last("on_connection_opened").transport.user == ALICE


def test_a_password_goes_to_any_machine_over_tls() -> None:
    asked: list[Any] = []

    def check(*given: Any) -> bool:
        asked.append(given)
        return bool(given[2] == "right")

    stage = Secured(authenticator=check)
    assert stage.attempt(url="amqps://kim:right@server")[1] is None
    _, reason = stage.attempt(url="amqps://kim:wrong-one@server", user="kim")
    assert reason.name == UNAUTHORIZED_ACCESS and "wrong-one" not in reason.description
    assert asked == [("PLAIN", "kim", "right"), ("PLAIN", "kim", "wrong-one")]


def test_scram_is_bound_to_the_tls_below() -> None:
    stage = Secured(credentials=lambda mechanism, user: "right")
    connection, reason = stage.attempt(url="amqps://kim:right@server")
    assert reason is None and connection.transport.sasl().mech.endswith("-PLUS")


# -- failures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("certificate", "told"),
    [("expired", "expired"), ("stranger", "not known here"), ("self-signed", "signed by itself")],
)
def test_a_server_that_is_not_believed(certificate: str, told: str) -> None:
    connection, reason = Secured(server_domain(certificate)).attempt()
    assert reason.name == UNAUTHORIZED_ACCESS and told in reason.description and "server" in reason.description
    assert connection.state & Endpoint.LOCAL_CLOSED


@pytest.mark.parametrize("certificate", ["expired", "elsewhere", "stranger"])
def test_a_server_that_is_not_believed_is_not_tried_again(certificate: str) -> None:
    stage = Secured(server_domain(certificate))
    client = Witness()
    container = stage.client(client)
    container.connect(stage.url, reconnect=True)
    stage.run(lambda: container not in stage.stepper.containers)
    assert client.count("on_transport_error") == 1


def test_the_wrong_port() -> None:
    stage = Secured()
    stage.host.listen("amqp://server:5672")
    _, reason = stage.attempt(url="amqp://server:5671")
    assert reason.name == FRAMING_ERROR and "amqps://" in reason.description
    assert stage.server.last("on_transport_error").transport.condition.name == POLICY_ERROR
    _, reason = stage.attempt(url="amqps://server:5672")
    assert reason.name == FRAMING_ERROR and "amqp://" in reason.description


def test_a_connection_that_breaks_is_made_again() -> None:
    stage = Secured()
    client = Witness()
    container = stage.client(client)
    connection = container.connect(stage.url, reconnect=[0, 1])
    stage.run()
    for loss in (1, 2):
        stage.cut()
        stage.run(lambda loss=loss: client.count("on_connection_opened") == 1 + loss)
    assert connection.transport is not None and connection.transport.encrypted
    connection.close()
    stage.finish()


def test_a_locked_key_and_its_password_are_nowhere_to_be_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    stage = Secured(server_domain(verify=True))
    domain = client_domain()
    domain.set_credentials(file("client.pem"), file("client-locked.key"), "open sesame")
    connection, reason = stage.attempt(ssl_domain=domain)
    assert reason is None
    for thing in (domain, connection, connection.transport, connection.transport.ssl(), show(domain, "client")):
        assert "sesame" not in repr(thing)
    assert "sesame" not in caplog.text and "server" in caplog.text
