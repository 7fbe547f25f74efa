"""TLS with the original: both ways, who the client is, what is resumed, and what fails on both sides alike."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from reactor import SSL
from tests.interop.original import Direction
from tests.interop.roles import Players, receiving, role, sending
from tests.support.libraries import OURS
from tests.support.processes import unused_port
from tests.support.tls import ALICE, VERSIONS, file

SIZES = [0, 1, 100, 16384, 70_000, 300_000]


def domain(
    api: SimpleNamespace, server: bool, certificate: str = "", verify: bool = False, unsecured: bool = False
) -> Any:
    """An SSLDomain of either library that trusts the authority of the tests."""
    made = api.SSLDomain(api.SSLDomain.MODE_SERVER if server else api.SSLDomain.MODE_CLIENT)
    made.set_trusted_ca_db(file("authority.pem"))
    if certificate:
        made.set_credentials(file(certificate + ".pem"), file(certificate + ".key"), None)
    if verify:
        made.set_peer_authentication(made.VERIFY_PEER, file("authority.pem"))
    if unsecured:
        made.allow_unsecured_client()
    return made


def secured(base: Any, its_domain: Any) -> Any:
    """A role that uses these settings, whether it listens or connects, and remembers what became of it."""

    class Secured(base):  # type: ignore[misc,valid-type]
        seen: Any = None
        failure = ""

        def on_start(self, event: Any) -> None:
            if self.listen:
                event.container.ssl.server = its_domain
            else:
                self.connect_options["ssl_domain"] = its_domain
            super().on_start(event)

        def on_connection_opened(self, event: Any) -> None:
            transport = event.connection.transport
            self.seen = (bool(transport.encrypted), transport.user)
            if not self.listen and not hasattr(self, "messages"):
                event.connection.close()

        def on_transport_error(self, event: Any) -> None:
            self.failure = event.transport.condition.description or "?"

        def on_transport_closed(self, event: Any) -> None:
            self.finish()  # the original tells a server nothing else of a client that was never open

    return Secured


def url(scheme: str = "amqps") -> str:
    return f"{scheme}://localhost:{unused_port()}"


@pytest.mark.parametrize("version", VERSIONS)
def test_messages_of_all_sizes(direction: Direction, sender_listens: bool, version: str) -> None:
    domains = {}
    for api, listens in zip(direction, (sender_listens, not sender_listens)):
        domains[api.library] = domain(api, listens, "server" if listens else "")
        if api.library == OURS:
            context = domains[OURS].context
            context.minimum_version = context.maximum_version = VERSIONS[version]
    sender_api, receiver_api = direction
    address = url()
    sender = secured(sending(sender_api), domains[sender_api.library])(address, sender_listens)
    receiver = secured(receiving(receiver_api), domains[receiver_api.library])(address, not sender_listens)
    bodies = [bytes(index % 251 for index in range(size)) for size in SIZES]
    sender.messages = [sender_api.Message(body) for body in bodies]
    Players(sender, receiver).run()
    assert (sender.failure, receiver.failure) == ("", "")
    assert [bytes(message.body) for message in receiver.messages] == bodies
    assert [outcome["state"] for outcome in sender.outcomes] == [0x24] * len(bodies)
    assert sender.seen[0] and receiver.seen[0]


def play(direction: Direction, client_domain: Any, server_domain: Any, **options: Any) -> tuple[Any, Any]:
    """A client that connects and closes, and a server, either with its settings; None stands for no TLS."""
    client_api, server_api = direction
    address = url()
    plain = address.replace("amqps", "amqp")
    client = secured(role(client_api), client_domain)(address if client_domain else plain, **options)
    server = secured(role(server_api), server_domain)(address if server_domain else plain, listen=True)
    Players(client, server).run()
    return client, server


def test_a_client_certificate_is_the_same_user_on_both(direction: Direction) -> None:
    client_api, server_api = direction
    client, server = play(
        direction, domain(client_api, False, "client"), domain(server_api, True, "server", verify=True)
    )
    assert (client.failure, server.failure) == ("", "")
    assert server.seen == (True, ALICE)


def test_a_client_without_tls_is_let_in_where_it_may(direction: Direction) -> None:
    client, server = play(direction, None, domain(direction[1], True, "server", unsecured=True))
    assert (client.failure, server.failure) == ("", "")
    assert client.seen[0] is server.seen[0] is False


def test_and_with_tls_it_is_let_in_there_too(direction: Direction) -> None:
    client, server = play(
        direction, domain(direction[0], False), domain(direction[1], True, "server", unsecured=True)
    )
    assert (client.failure, server.failure) == ("", "")
    assert client.seen[0] is server.seen[0] is True


@pytest.mark.parametrize("certificate", ["expired", "elsewhere", "stranger", "self-signed"])
def test_a_server_that_is_not_believed_fails_on_both(direction: Direction, certificate: str) -> None:
    client, server = play(direction, domain(direction[0], False), domain(direction[1], True, certificate))
    assert client.failure.startswith("SSL Failure: ") and server.failure.startswith("SSL Failure: ")
    assert client.seen is server.seen is None


def test_a_client_that_shows_no_certificate_fails_on_both(direction: Direction) -> None:
    client, server = play(direction, domain(direction[0], False), domain(direction[1], True, "server", verify=True))
    assert client.failure.startswith("SSL Failure: ") and server.failure.startswith("SSL Failure: ")


@pytest.mark.parametrize("server_has_it", [True, False])
def test_tls_on_one_side_alone_fails_and_does_not_hang(direction: Direction, server_has_it: bool) -> None:
    client_api, server_api = direction
    client, server = play(
        direction,
        None if server_has_it else domain(client_api, False),
        domain(server_api, True, "server") if server_has_it else None,
    )
    assert client.failure
    if client_api.library == OURS:
        assert "amqp" in client.failure and "TLS" in client.failure
    if server_has_it:
        assert server.failure


# -- transport by transport ------------------------------------------------------------------------------------


class Side:
    """A transport of either library, driven by hand."""

    def __init__(self, api: SimpleNamespace, server: bool, its_domain: Any, details: Any = None) -> None:
        self.transport = api.Transport(api.Transport.SERVER if server else api.Transport.CLIENT)
        self.tls = self.transport.ssl(its_domain, details)
        if not server:
            self.tls.peer_hostname = "localhost"
        self.connection = api.Connection()
        self.connection.container = "c"
        self.collector = api.Collector()
        self.connection.collect(self.collector)
        self.transport.bind(self.connection)
        self.connection.open()

    def give(self, other: Side, piece: int) -> bool:
        size = self.transport.pending()
        if size < 0:
            if other.transport.capacity() >= 0:
                other.transport.close_tail()
                return True
            return False
        data = self.transport.peek(min(size, piece)) if size else b""
        if not data:
            return False
        self.transport.pop(len(data))
        while data and other.transport.capacity() >= 0:  # who has heard the close listens to nothing more
            room = min(other.transport.capacity(), len(data))
            assert room > 0
            other.transport.push(data[:room])
            data = data[room:]
        return True


def exchange(one: Side, other: Side, piece: int = 65536) -> None:
    """Open, and close again, to the end."""
    for step in ("open", "close"):
        if step == "close":
            one.connection.close()
            other.connection.close()
        for _ in range(20000):
            forth = one.give(other, piece)
            if not other.give(one, piece) and not forth:
                break
        else:
            raise AssertionError("they do not come to rest")
    assert one.transport.condition is None and other.transport.condition is None
    assert one.transport.closed and other.transport.closed


@pytest.mark.parametrize("piece", [1, 7, 65536])
def test_byte_by_byte(direction: Direction, piece: int) -> None:
    client = Side(direction[0], False, domain(direction[0], False))
    server = Side(direction[1], True, domain(direction[1], True, "server"))
    exchange(client, server, piece)
    assert client.tls.remote_subject == "CN=localhost"
    assert client.tls.protocol_name() == server.tls.protocol_name() == "TLSv1.3"
    assert client.tls.cipher_name() == server.tls.cipher_name()


def test_a_session_is_resumed(direction: Direction) -> None:
    client_domain, server_domain = domain(direction[0], False), domain(direction[1], True, "server")
    details = direction[0].SSLSessionDetails("session")
    seen = []
    for _ in range(3):
        client = Side(direction[0], False, client_domain, details)
        server = Side(direction[1], True, server_domain)
        exchange(client, server)
        seen.append((client.tls.resume_status(), server.tls.resume_status()))
    assert seen == [(SSL.RESUME_NEW,) * 2, (SSL.RESUME_REUSED,) * 2, (SSL.RESUME_REUSED,) * 2]


def test_all_that_is_known_of_a_certificate_is_the_same(ours: SimpleNamespace, theirs: SimpleNamespace) -> None:
    answers = []
    for client_api, server_api in ((ours, theirs), (theirs, ours)):
        client = Side(client_api, False, domain(client_api, False, "client"))
        server = Side(server_api, True, domain(server_api, True, "server", verify=True))
        exchange(client, server)
        tls = server.tls
        asked = [name for name in dir(SSL) if name.startswith("get_cert") and name not in NEED_ARGUMENTS]
        answers.append({name: getattr(tls, name)() for name in asked})
        answers[-1]["subject"] = tls.remote_subject
        for field in range(7):
            answers[-1]["field %d" % field] = tls.get_cert_subject_subfield(field)
        for length, digest in ((33, 3), (32, 3), (41, 0), (65, 1), (129, 2), (128, 2), (200, 9)):
            answers[-1]["print %d %d" % (length, digest)] = tls.get_cert_fingerprint(length, digest)
    assert answers[0] == answers[1]
    assert answers[0]["subject"] == ALICE


NEED_ARGUMENTS = ("get_cert_fingerprint", "get_cert_subject_subfield")
