"""TLS between two engines: what passes, what is seen of the peer, how it ends, and what goes wrong in words.

Every scenario runs with all bytes at once, byte by byte, and in pieces of seven.
"""

from __future__ import annotations

import hashlib
import random
import ssl
from typing import Any

import pytest

from reactor import SASL, SSL, Connection, Event, Message, SSLDomain, SSLException, SSLSessionDetails, Transport
from reactor.engine.tls import layer as tls_layer
from reactor.errors import FRAMING_ERROR, POLICY_ERROR, UNAUTHORIZED_ACCESS
from reactor.tracing.text import TextTrace
from tests.support.pair import PIECES, Pair, bodies, received
from tests.support.tls import ALICE, VERSIONS, client_domain, server_domain, tls_pair

in_pieces = pytest.mark.parametrize("piece", PIECES, ids=["whole", "bytewise", "sevens"])
each_version = pytest.mark.parametrize("version", VERSIONS)


def only(domain: SSLDomain, version: str) -> SSLDomain:
    """`domain`, with this version of TLS and no other."""
    domain.context.maximum_version = domain.context.minimum_version = VERSIONS[version]
    return domain


def finish(pair: Pair) -> None:
    """Both sides close, and the wire ends without a complaint of anybody."""
    pair.client.connection.close()
    pair.pump()
    for side in (pair.client, pair.server):
        assert side.transport.condition is None
        assert side.transport.closed


def conditions(pair: Pair) -> tuple[Any, Any]:
    return pair.client.transport.condition, pair.server.transport.condition


# -- what passes -------------------------------------------------------------------------------------------


@in_pieces
@each_version
def test_messages_pass_both_ways_and_the_wire_shows_none(version, piece):
    pair = tls_pair(only(client_domain(), version), piece=piece)
    for forth in (True, False):
        sender, receiver = pair.way(forth, credit=10)
        for body in ("plain words", "more of them"):
            sender.send(Message(body))
        pair.pump()
        assert bodies(receiver) == ["plain words", "more of them"]
    for name in ("client", "server"):
        assert b"words" not in pair.sent[name] and b"AMQP" not in pair.sent[name]
    for side in (pair.client, pair.server):
        assert side.transport.encrypted
        assert side.transport.ssl().protocol_name() == version.replace("TLS ", "TLSv")
    finish(pair)


def test_much_passes():
    pair = tls_pair()
    sender, receiver = pair.way(True, credit=3)
    data = random.Random(1).randbytes(1_000_000)
    for _ in range(3):
        sender.send(Message(data))
    pair.pump()
    assert [len(payload) > 1_000_000 for _, payload in received(receiver)] == [True] * 3
    finish(pair)


def test_nothing_is_said_before_the_handshake_is_done():
    pair = tls_pair()
    pair.client.connection.open()
    transport = pair.client.transport
    assert transport.pending() > 0
    assert transport.output[:2] == b"\x16\x03"
    assert not transport.encrypted
    size = transport.pending()
    assert transport.pending() == size, "asking again says nothing twice"
    assert b"AMQP" not in transport.output
    pair.pump()
    assert transport.encrypted


def test_a_trace_shows_what_is_meant_and_not_what_is_sent():
    lines: list[str] = []
    pair = tls_pair()
    pair.client.transport.recorder = TextTrace(lines.append)
    pair.client.transport.sasl()
    pair.client.connection.user, pair.client.connection.password = "kim", "very secret"
    pair.server.transport.sasl().authenticator = lambda mechanism, user, password: password == "very secret"
    pair.open()
    assert pair.server.transport.user == "kim"
    text = "\n".join(lines)
    assert lines[0].endswith("-> SASL 1.0.0") and lines[1].endswith("<- SASL 1.0.0")
    assert "-> @open" in text and "<- @open" in text
    assert "secret" not in text and "malformed" not in text
    finish(pair)


def test_heartbeats_go_through_it():
    pair = tls_pair()
    pair.client.transport.idle_timeout = 10.0
    pair.open()
    before = pair.client.transport.frames_input
    pair.server.transport.tick(100.0)
    assert pair.server.transport.tick(106.0) > 106.0
    pair.pump()
    assert pair.client.transport.frames_input == before + 1
    finish(pair)


def test_a_peer_that_never_ends_the_handshake_is_given_up_as_a_silent_one():
    pair = tls_pair()
    transport = pair.client.transport
    transport.idle_timeout = 10.0
    assert transport.pending() > 0
    assert transport.tick(1.0) == 11.0
    transport.tick(11.0)
    assert "10 seconds" in transport.condition.description
    transport.pop(transport.pending())
    assert transport.pending() == -1


@in_pieces
def test_without_sasl(piece):
    pair = tls_pair(piece=piece)
    pair.server.transport.require_encryption(True)
    pair.open()
    assert not pair.client.transport.authenticated
    finish(pair)


def test_the_server_hears_the_name_that_it_is_asked_for():
    names: list[Any] = []
    server = server_domain()
    server.context.sni_callback = lambda tls, name, context: names.append(name)
    finish(tls_pair(server=server, host="localhost").open())
    finish(tls_pair(server=server, host="127.0.0.1").open())
    assert names == ["localhost", None], "an address is no name"


# -- who the peer is ---------------------------------------------------------------------------------------


def test_what_is_known_of_the_peer():
    pair = tls_pair(client_domain("client"), server_domain(verify=True))
    unknown = pair.server.transport.ssl()
    assert unknown.remote_subject is None and unknown.get_cert_common_name() is None
    assert unknown.get_cert_fingerprint_sha1() is None
    assert unknown.cipher_name() is None and unknown.protocol_name() is None
    assert unknown.resume_status() == SSL.RESUME_UNKNOWN
    assert repr(unknown) == "<SSL, not established>"
    pair.open()
    tls = pair.server.transport.ssl()
    assert tls.remote_subject == tls.get_cert_subject() == ALICE
    assert tls.get_cert_common_name() == "alice"
    assert tls.get_cert_organization() == "amqp-reactor tests"
    assert tls.get_cert_organization_unit() == "Unit"
    assert tls.get_cert_locality_or_city() == "Brno"
    assert tls.get_cert_state_or_province() == "Moravia"
    assert tls.get_cert_country() == "CZ"
    assert tls.get_cert_subject_subfield(SSL.CERT_COMMON_NAME) == "alice"
    assert tls.get_cert_subject_subfield(99) is None
    der = client_domain("client").certificate.der
    for digest, name in ((SSL.SHA1, "sha1"), (SSL.SHA256, "sha256"), (SSL.SHA512, "sha512"), (SSL.MD5, "md5")):
        expected = hashlib.new(name, der, usedforsecurity=False).hexdigest()
        assert getattr(tls, "get_cert_fingerprint_" + name)() == expected
        assert tls.get_cert_fingerprint(len(expected) + 1, digest) == expected
        assert tls.get_cert_fingerprint(len(expected), digest) is None
    assert tls.get_cert_fingerprint(1000, 9) is None
    assert tls.cipher_name() in repr(tls) and ALICE in repr(tls)
    assert SSL.present()
    client = pair.client.transport.ssl()
    assert client.remote_subject == "CN=localhost" and client.peer_hostname == "localhost"
    finish(pair)


@each_version
def test_a_client_certificate_is_the_identity_of_external(version):
    pair = tls_pair(only(client_domain("client"), version), server_domain(verify=True))
    pair.client.transport.sasl()
    pair.open()
    assert pair.client.transport.sasl().mech == "EXTERNAL"
    assert pair.server.transport.user == ALICE
    assert pair.server.transport.authenticated
    finish(pair)


def test_a_certificate_that_nobody_verifies_proves_nothing():
    pair = tls_pair(client_domain("client"), server_domain())
    sasl = pair.client.transport.sasl()
    pair.open()
    assert sasl.mech == "ANONYMOUS"
    assert pair.server.transport.sasl().external is None
    finish(pair)


def test_a_password_may_go_where_nobody_listens():
    pair = tls_pair()
    sasl = pair.client.transport.sasl()
    sasl.user, sasl.password = "kim", "secret"
    assert not sasl.allow_insecure_mechs
    pair.server.transport.sasl().authenticator = lambda *given: given == ("PLAIN", "kim", "secret")
    pair.open()
    assert (sasl.outcome, pair.server.transport.user) == (SASL.OK, "kim")
    finish(pair)


@each_version
def test_both_sides_know_what_binds_sasl_to_this_tls(version):
    pair = tls_pair(only(client_domain(), version))
    pair.client.transport.sasl()
    pair.open()
    near, far = (dict(side.transport.sasl().channel_bindings) for side in (pair.client, pair.server))
    assert near == far
    assert sorted(near) == ["tls-server-end-point"] + ["tls-unique"] * (version == "TLS 1.2")
    assert near["tls-server-end-point"] == hashlib.sha256(server_domain().certificate.der).digest()
    assert pair.client.transport.sasl().secure and pair.server.transport.sasl().secure
    finish(pair)


def test_what_the_wire_proves_is_told_to_a_sasl_layer_that_comes_late():
    pair = tls_pair(client_domain("client"), server_domain(verify=True)).open()
    sasl = pair.server.transport.sasl()
    assert sasl.external == ALICE and sasl.secure


# -- a session that goes on ----------------------------------------------------------------------------------


def statuses(pair: Pair) -> tuple[int, int]:
    return pair.client.transport.ssl().resume_status(), pair.server.transport.ssl().resume_status()


@each_version
def test_a_session_is_resumed_by_its_name(version):
    client, server, details = only(client_domain("client"), version), server_domain(verify=True), SSLSessionDetails("s")
    for expected in (SSL.RESUME_NEW, SSL.RESUME_REUSED, SSL.RESUME_REUSED):
        pair = tls_pair(client, server, details=details)
        pair.client.transport.sasl()
        pair.open()
        assert statuses(pair) == (expected, expected)
        assert pair.server.transport.user == ALICE
        assert pair.client.transport.ssl().remote_subject == "CN=localhost"
        finish(pair)


def test_a_session_can_be_resumed_while_it_goes_on():
    client, server = client_domain(), server_domain()
    details = SSLSessionDetails("s")
    first, second = tls_pair(client, server, details=details).open(), tls_pair(client, server, details=details).open()
    assert statuses(second) == (SSL.RESUME_REUSED, SSL.RESUME_REUSED)
    finish(first)
    finish(second)


def test_sessions_are_not_resumed_under_another_name_or_with_another_host_or_other_settings():
    client, server = client_domain(), server_domain()
    finish(tls_pair(client, server, details=SSLSessionDetails("s")).open())
    s, t = SSLSessionDetails("s"), SSLSessionDetails("t")
    for details, host in ((t, "localhost"), (s, "127.0.0.1"), (None, "localhost")):
        pair = tls_pair(client, server, details=details, host=host).open()
        assert statuses(pair) == (SSL.RESUME_NEW, SSL.RESUME_NEW)
    client.set_peer_authentication(SSLDomain.VERIFY_PEER)
    pair = tls_pair(client, server, details=SSLSessionDetails("s")).open()
    assert statuses(pair) == (SSL.RESUME_NEW, SSL.RESUME_NEW)


# -- without TLS ---------------------------------------------------------------------------------------------


def half_pair(piece: Any, client: Any = None, server: Any = None) -> Pair:
    """A pair of which only one side was told of TLS."""
    pair = Pair(piece, bind=False)
    if client is not None:
        pair.client.transport.ssl(client).peer_hostname = "localhost"
    if server is not None:
        pair.server.transport.ssl(server)
    pair.client.bind()
    pair.server.bind()
    return pair


@in_pieces
@pytest.mark.parametrize("sasl", [True, False], ids=["sasl", "no sasl"])
def test_a_server_that_allows_it_takes_clients_without_tls(piece, sasl):
    pair = half_pair(piece, server=server_domain(unsecured=True))
    lines: list[str] = []
    pair.server.transport.recorder = TextTrace(lines.append)
    if sasl:
        pair.client.transport.sasl()
    sender, receiver = pair.way(True, credit=1)
    sender.send(Message("in the clear"))
    pair.pump()
    assert bodies(receiver) == ["in the clear"]
    assert not pair.server.transport.encrypted
    tls = pair.server.transport.ssl()
    assert tls.cipher_name() is None and repr(tls) == "<SSL, not used>"
    finish(pair)
    assert lines[-1].startswith("[0x0]: AMQP:FRAME:0 -> @close") and "malformed" not in "".join(lines)


@in_pieces
def test_and_clients_with_tls_just_as_well(piece):
    pair = tls_pair(server=server_domain(unsecured=True), piece=piece).open()
    assert pair.server.transport.encrypted
    finish(pair)


@in_pieces
def test_a_server_that_does_not_allow_it_says_so_and_the_client_hears_it(piece):
    pair = half_pair(piece, server=server_domain())
    pair.open()
    near, far = conditions(pair)
    assert far.name == POLICY_ERROR and "without TLS" in far.description and "amqps://" in far.description
    assert near.name == FRAMING_ERROR and "speaks TLS" in near.description and "amqps://" in near.description
    assert pair.client.transport.closed and pair.server.transport.closed


@in_pieces
def test_a_client_with_tls_at_a_server_without(piece):
    pair = half_pair(piece, client=client_domain())
    pair.open()
    near, far = conditions(pair)
    assert near.name == far.name == FRAMING_ERROR
    assert "without TLS" in near.description and "amqp://" in near.description
    assert "TLS" in far.description and "ssl_domain=" in far.description
    assert pair.client.transport.closed and pair.server.transport.closed


@in_pieces
@pytest.mark.parametrize("allowed", [True, False])
def test_a_server_that_requires_encryption_refuses_who_has_none(piece, allowed):
    pair = half_pair(piece, server=server_domain(unsecured=True) if allowed else None)
    pair.server.transport.require_encryption(True)
    pair.open()
    assert conditions(pair)[1].name == POLICY_ERROR and "amqps://" in conditions(pair)[1].description
    assert conditions(pair)[0] is not None


def test_a_client_that_requires_encryption_says_nothing_without():
    pair = half_pair(None)
    pair.client.transport.require_encryption(True)
    pair.open()
    assert conditions(pair)[0].name == POLICY_ERROR and "transport.ssl()" in conditions(pair)[0].description
    assert pair.sent["client"] == b""


# -- certificates that are not believed ----------------------------------------------------------------------

#: The server's certificate -> what the client says of it, and what the server is told.
DISTRUSTED = {
    "expired": ("localhost has expired", "has expired"),
    "elsewhere": ("not for the name 'localhost'", "another name"),
    "stranger": ("authority that is not known here", "does not know the authority"),
    "self-signed": ("signed by itself", "does not know the authority"),
}


@in_pieces
@each_version
@pytest.mark.parametrize("certificate", DISTRUSTED)
def test_a_server_that_is_not_believed_is_left_with_the_reason(certificate, version, piece):
    pair = tls_pair(only(client_domain(), version), server_domain(certificate), piece)
    sasl = pair.client.transport.sasl()
    sasl.user, sasl.password = "kim", "secret"
    pair.open()
    near, far = conditions(pair)
    told, heard = DISTRUSTED[certificate]
    assert near.name == far.name == UNAUTHORIZED_ACCESS
    assert near.description.startswith("SSL Failure: ") and told in near.description
    assert heard in far.description
    assert not pair.client.transport.encrypted and sasl.outcome is None
    assert pair.client.count(Event.TRANSPORT_ERROR) == pair.server.count(Event.TRANSPORT_ERROR) == 1
    assert pair.client.transport.closed and pair.server.transport.closed


def test_another_address_is_another_name():
    near, _ = conditions(tls_pair(host="127.0.0.9").open())
    assert near.name == UNAUTHORIZED_ACCESS and "'127.0.0.9'" in near.description


@pytest.mark.parametrize(
    ("verify", "certificates"),
    [
        (SSLDomain.VERIFY_PEER, ["server", "elsewhere"]),
        (SSLDomain.ANONYMOUS_PEER, ["server", *DISTRUSTED]),
    ],
)
def test_who_says_so_believes_more(verify, certificates):
    accepted = []
    for certificate in ("server", *DISTRUSTED):
        pair = tls_pair(client_domain(verify=verify), server_domain(certificate)).open()
        if pair.client.transport.condition is None:
            assert pair.client.transport.ssl().remote_subject == server_domain(certificate).certificate.subject
            accepted.append(certificate)
            finish(pair)
    assert accepted == certificates


@pytest.mark.parametrize("trusted", ["intermediate", "below"])
def test_a_chain_may_end_at_whatever_is_trusted(trusted):
    """An authority below another one, or the server's own certificate: the authority above them is not at hand."""
    finish(tls_pair(client_domain(trust=trusted), server_domain("below")).open())


def test_a_certificate_that_signs_itself_can_be_trusted():
    finish(tls_pair(client_domain(trust="self-signed"), server_domain("self-signed")).open())


@each_version
def test_a_server_that_demands_a_certificate(version):
    pair = tls_pair(only(client_domain(), version), server_domain(verify=True)).open()
    near, far = conditions(pair)
    assert "demand" in near.description and "SSLDomain.set_credentials()" in near.description
    assert "the client has shown no certificate" in far.description
    assert not pair.server.transport.encrypted


@each_version
@pytest.mark.parametrize("certificate", ["stranger", "expired"])
def test_a_client_that_is_not_believed(certificate, version):
    pair = tls_pair(only(client_domain(certificate), version), server_domain(verify=True)).open()
    near, far = conditions(pair)
    assert near.name == far.name == UNAUTHORIZED_ACCESS
    assert "this client's certificate" in near.description
    assert "the client's certificate" in far.description


def test_a_name_to_verify_is_needed():
    near, _ = conditions(tls_pair(host=None).open())
    assert near.name == FRAMING_ERROR and "ssl.peer_hostname" in near.description
    finish(tls_pair(client_domain(verify=SSLDomain.VERIFY_PEER), host=None).open())


@pytest.mark.parametrize("host", [".localhost", "a\0b", "x" * 300, "\udcff"])
def test_a_name_that_cannot_be_asked_for(host):
    near, _ = conditions(tls_pair(host=host).open())
    assert near.name == FRAMING_ERROR and near.description.startswith("SSL Failure: ")


# -- handshakes that come to nothing --------------------------------------------------------------------------


def test_a_server_without_a_certificate():
    near, far = conditions(tls_pair(server=server_domain(None)).open())
    assert near.name == far.name == FRAMING_ERROR
    assert "no certificate itself" in near.description
    assert "this server has no certificate" in far.description


def test_no_version_in_common():
    pair = tls_pair(only(client_domain(), "TLS 1.2"), only(server_domain(), "TLS 1.3")).open()
    assert [one.description for one in conditions(pair)] == [
        "SSL Failure: no version of TLS in common: this side takes 1.2 and later"
    ] * 2


def test_a_name_that_the_server_does_not_go_by():
    server = server_domain()
    server.context.sni_callback = lambda tls, name, context: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    near, _ = conditions(tls_pair(server=server).open())
    assert "does not go by the name" in near.description and "sni=" in near.description


def engine(mode: int) -> Transport:
    """One side, with TLS; the client has said its hello."""
    transport = Transport(mode)
    if mode == Transport.CLIENT:
        transport.ssl(client_domain()).peer_hostname = "localhost"
    else:
        transport.ssl(server_domain())
    transport.pop(transport.pending())
    return transport


def feed(transport: Transport, data: bytes, piece: Any) -> None:
    step = piece or len(data)
    for start in range(0, len(data), step):
        transport.receive(data[start : start + step])
        transport.pending()


#: First bytes that are no TLS -> what a client says of them, and a server.
OPENINGS = {
    "AMQP": (b"AMQP\x00\x01\x00\x00", "speaks AMQP 1.0 without SASL without TLS; use amqp://", "AMQP 1.0"),
    "SASL": (b"AMQP\x03\x01\x00\x00", "speaks AMQP 1.0 with SASL without TLS; use amqp://", "AMQP 1.0 with SASL"),
    "AMQP 0-9-1": (b"AMQP\x00\x00\x09\x01", "AMQP 0-9-1", "AMQP 0-9-1"),
    "HTTP answer": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP", "HTTP"),
    "HTTP request": (b"GET / HTTP/1.1\r\n\r\n", "HTTP", "HTTP"),
    "garbage": (b"\xffgarbage", "not TLS", "not TLS"),
}


@in_pieces
@pytest.mark.parametrize("opening", OPENINGS)
def test_a_peer_that_begins_with_something_else(opening, piece):
    data, client_says, server_says = OPENINGS[opening]
    for mode, says in ((Transport.CLIENT, client_says), (Transport.SERVER, server_says)):
        transport = engine(mode)
        feed(transport, data, piece)
        assert transport.condition is not None and says in transport.condition.description
        if mode == Transport.SERVER:
            assert bytes(transport.output) == b"\x15\x03\x01\x00\x02\x02\x46", "an alert, for who understands it"
            transport.pop(7)
        assert transport.pending() == -1 and transport.closed


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "instead of beginning TLS"),
        (b"AMQ", "not TLS"),
        (b"AMQP", "without TLS"),
        (b"\x16\x03\x03\x00\x50", "it may demand a certificate"),
    ],
)
def test_a_server_that_hangs_up(data, told):
    transport = engine(Transport.CLIENT)
    transport.receive(data)
    transport.close_tail()
    assert transport.condition.name == FRAMING_ERROR
    assert transport.condition.description.startswith("SSL Failure: ") and told in transport.condition.description
    assert transport.pending() == -1 and transport.closed


def test_a_client_that_hangs_up():
    for data in (b"", b"\x16\x03\x01"):
        transport = engine(Transport.SERVER)
        transport.receive(data)
        transport.close_tail()
        assert "the client hung up during the TLS handshake" in transport.condition.description


def test_a_handshake_that_does_not_end(monkeypatch):
    monkeypatch.setattr(tls_layer, "MAX_HANDSHAKE", 1000)
    transport = engine(Transport.SERVER)
    feed(transport, b"\x16\x03\x01\x3f\x00\x01\x00\x3e\xfc" + bytes(500), 100)
    assert transport.condition is None
    feed(transport, bytes(600), 100)
    assert "within 1000 bytes" in transport.condition.description


def test_mutated_handshakes_are_errors_and_nothing_else():
    source = random.Random(5)
    pair = tls_pair()
    pair.open()
    hello = {Transport.SERVER: bytes(pair.sent["client"][:1500]), Transport.CLIENT: bytes(pair.sent["server"][:1500])}
    for _ in range(400):
        for mode, recorded in hello.items():
            data = bytearray(recorded)
            for _ in range(source.randint(1, 5)):
                data[source.randrange(len(data))] = source.randrange(256)
            transport = engine(mode)
            feed(transport, bytes(data[: source.randint(1, len(data))]), source.choice((None, 100)))
            transport.close_tail()
            assert transport.condition.name in (FRAMING_ERROR, POLICY_ERROR, UNAUTHORIZED_ACCESS)
            while transport.pending() > 0:
                transport.pop(transport.pending())
            assert transport.closed


# -- how it ends ---------------------------------------------------------------------------------------------


def hold(pair: Pair, name: str) -> bytes:
    """What one side has to say now, taken off and kept from the other."""
    transport = pair.client.transport if name == "client" else pair.server.transport
    data = b""
    while transport.pending() > 0:
        data += bytes(transport.output)
        transport.pop(len(transport.output))
    return data


def records(data: bytes) -> list[bytes]:
    """TLS's records, each by itself."""
    found = []
    while data:
        size = 5 + int.from_bytes(data[3:5], "big")
        found.append(data[:size])
        data = data[size:]
    return found


@each_version
def test_it_ends_with_words_of_tls_on_both_sides(version):
    pair = tls_pair(only(client_domain(), version)).open()
    said: dict[str, list[bytes]] = {"client": [], "server": []}
    pair.client.connection.close()
    while not (pair.client.transport.closed and pair.server.transport.closed):
        for side, other, name in ((pair.client, pair.server, "client"), (pair.server, pair.client, "server")):
            data = hold(pair, name)
            said[name] += records(data)
            other.transport.receive(data)
            other.take()
            if side.transport.pending() < 0:
                other.transport.close_tail()
    for name in ("client", "server"):
        close, notify = said[name]
        assert len(notify) < len(close), "the close frame, and a record with an alert in it"
    assert conditions(pair) == (None, None)


@each_version
@in_pieces
@pytest.mark.parametrize("patient", [True, False])
def test_what_the_peer_says_after_our_last_word_is_still_heard(version, piece, patient):
    """The client has closed, or even said goodbye to TLS; messages of the server that were under way come then."""
    pair = tls_pair(only(client_domain(), version), piece=piece)
    sender, _ = pair.way(False, credit=5)
    sender.send(Message("late"))
    late = hold(pair, "server")
    pair.client.connection.close()
    last = hold(pair, "client")
    if not patient:
        pair.client.transport.tick(pair.client.transport.tick(1.0))
        last += hold(pair, "client")
        assert pair.client.transport.pending() == -1
    before = pair.client.transport.frames_input
    feed(pair.client.transport, late, piece)
    assert pair.client.transport.frames_input == before + 1
    assert pair.client.transport.condition is None
    feed(pair.server.transport, last, piece)
    assert pair.server.count(Event.CONNECTION_REMOTE_CLOSE) == 1
    finish(pair)


def test_tls_ends_when_the_peer_has_closed_too_or_does_not_for_a_while():
    """A peer that hears the end of TLS does not answer any more, so that its close has to come first."""
    for answers in (True, False):
        pair = tls_pair().open()
        transport = pair.client.transport
        assert transport.tick(100.0) == 0.0
        pair.client.connection.close()
        close = hold(pair, "client")
        assert len(records(close)) == 1
        assert transport.pending() == 0 and not transport.closed
        assert transport.tick(100.0) == transport.tick(105.0) == 110.0
        if answers:
            pair.server.transport.receive(close)
            pair.server.take()
            transport.receive(hold(pair, "server"))
        else:
            assert transport.tick(110.0) == 0.0
        assert len(records(hold(pair, "client"))) == 1
        assert transport.pending() == -1 and transport.tick(111.0) == 0.0


def test_a_wire_that_is_cut_after_the_close_is_no_error():
    """No close_notify came: whether the peer said all is for AMQP to say, and it did."""
    pair = tls_pair().open()
    pair.server.polite = False
    pair.client.connection.close()
    pair.pump()
    server = pair.server.transport
    pair.server.connection.close()
    data = hold(pair, "server")
    close, _ = records(data)
    pair.client.transport.receive(close)
    pair.client.transport.close_tail()
    assert pair.client.transport.condition is None and server.condition is None
    assert pair.client.connection.state & pair.client.connection.REMOTE_CLOSED


@pytest.mark.parametrize("notified", [True, False])
def test_an_end_without_a_close_is_a_loss(notified):
    pair = tls_pair().open()
    if notified:
        goodbye = bytearray()
        pair.server.transport.ssl().seal(bytearray(), goodbye, True)
        pair.client.transport.receive(bytes(goodbye))
    else:
        pair.client.transport.close_tail()
    assert pair.client.transport.condition.name == FRAMING_ERROR
    assert "without a close" in pair.client.transport.condition.description
    assert pair.client.transport.pending() == -1, "half a record must not be followed by another"
    assert pair.client.transport.closed


def test_a_record_that_was_forged_ends_it():
    pair = tls_pair()
    sender, _ = pair.way(True, credit=5)
    sender.send(Message("x" * 100))
    data = bytearray(hold(pair, "client"))
    data[50] ^= 1
    pair.server.transport.receive(bytes(data))
    assert pair.server.transport.condition.name == FRAMING_ERROR
    assert pair.server.transport.condition.description.startswith("SSL Failure: ")
    assert pair.server.connection.transport is pair.server.transport
    pair.pump()
    assert pair.client.transport.condition is not None
    assert pair.client.transport.closed and pair.server.transport.closed


def test_what_came_before_a_forged_record_is_heard():
    pair = tls_pair()
    sender, receiver = pair.way(True, credit=5)
    sender.send(Message("true"))
    data = hold(pair, "client")
    pair.server.transport.receive(data + b"\x17\x03\x03\x00\x20" + bytes(32))
    assert bodies(receiver) == ["true"]
    assert pair.server.transport.condition.name == FRAMING_ERROR


def test_an_error_of_amqp_is_told_through_it():
    pair = tls_pair().open()
    pair.server.polite = False
    pair.client.transport.layers.plain += b"\x00\x00\x00\x08\x00\x00\x00\x00"
    pair.client.transport.wake()
    pair.pump()
    assert pair.server.transport.condition.name == FRAMING_ERROR
    assert pair.client.connection.remote_condition.name == FRAMING_ERROR


def test_an_error_of_the_driver_ends_it_at_once():
    pair = tls_pair()
    sender, _ = pair.way(True, credit=5)
    sender.send(Message("x"))
    assert pair.client.transport.pending() > 0
    pair.client.transport.fail("proton.pythonio", "it broke")
    assert pair.client.transport.pending() == -1
    assert pair.client.transport.condition.description == "it broke"


# -- the object ------------------------------------------------------------------------------------------------


def test_there_is_one_object_for_each_transport():
    transport = Transport()
    domain = client_domain()
    tls = transport.ssl(domain)
    assert isinstance(tls, SSL) and transport.tls is tls
    assert transport.ssl() is transport.ssl(tls.domain) is SSL(transport) is tls
    assert tls.domain is domain
    other = Transport(Transport.SERVER)
    assert SSL(other, server_domain()) is other.ssl()


def test_without_settings_it_is_what_the_side_does_by_default():
    for mode in (Transport.CLIENT, Transport.SERVER):
        transport = Transport(mode)
        assert transport.ssl().domain.mode == mode
        assert transport.ssl().domain.verifies is (mode == Transport.CLIENT)


def test_the_settings_of_the_other_side_are_refused():
    for mode, domain in ((Transport.CLIENT, server_domain()), (Transport.SERVER, client_domain())):
        transport = Transport(mode)
        with pytest.raises(SSLException, match="of no use here"):
            transport.ssl(domain)
        assert transport.tls is None and transport.ssl()


def test_the_peer_s_name():
    tls = Transport().ssl()
    assert tls.peer_hostname == ""
    tls.peer_hostname = "broker.example"
    assert tls.peer_hostname == "broker.example"
    tls.peer_hostname = None
    assert tls.peer_hostname == ""


def test_it_can_come_too_late():
    transport = Transport()
    pair = Pair()
    pair.open()
    for one in (pair.client.transport, pair.server.transport):
        with pytest.raises(SSLException, match="too late"):
            one.ssl()
    assert transport.ssl()


# -- put in by the constructor, as programs for the original do ------------------------------------------------


def test_the_constructor_puts_tls_in() -> None:
    transport = Transport()
    domain, details = client_domain(), SSLSessionDetails("one")
    layer = SSL(transport, domain, details)
    layer.peer_hostname = "localhost"
    transport.bind(Connection())
    assert transport.peek(transport.pending())[:2] == b"\x16\x03", "a TLS hello"
    assert transport.ssl() is layer is SSL(transport, domain, details) is SSL(transport, None) is transport.tls
    for other in ((client_domain(), None), (None, SSLSessionDetails("one")), (client_domain(), details)):
        with pytest.raises(SSLException, match="cannot be changed"):
            SSL(transport, *other)


def test_a_connection_over_layers_of_the_constructor() -> None:
    pair = Pair()
    SSL(pair.client.transport, client_domain()).peer_hostname = "localhost"
    SSL(pair.server.transport, server_domain())
    SASL(pair.client.transport).allowed_mechs("PLAIN")
    SASL(pair.client.transport).user, SASL(pair.client.transport).password = "kim", "secret"
    server = SASL(pair.server.transport)
    server.authenticator = lambda *given: given == ("PLAIN", "kim", "secret")
    finish(pair.open())
    assert pair.server.transport.encrypted and pair.server.transport.user == "kim"
    assert server is pair.server.transport.sasl() and server.mech == "PLAIN"


def test_it_is_too_late_for_the_constructor_as_for_the_method() -> None:
    for put_in in (SSL, Transport.ssl):
        transport = Transport()
        transport.bind(Connection())
        assert transport.pending() > 0
        with pytest.raises(SSLException, match="too late"):
            put_in(transport, client_domain())
        assert transport.tls is None and transport.peek(8).startswith(b"AMQP")


def test_sasl_is_made_on_a_transport() -> None:
    for wrong in (True, "server", Connection()):
        with pytest.raises(TypeError, match="on a Transport"):
            SASL(wrong)
    transport = Transport(Transport.SERVER)
    layer = SASL(transport)
    layer.allowed_mechs("ANONYMOUS")
    assert SASL(transport) is layer is transport.sasl() and layer.server and layer.allowed == ["ANONYMOUS"]


def test_an_output_that_was_closed_has_no_more_to_say():
    """TLS would, and nobody takes it: a driver that polls would never come to an end."""
    pair = tls_pair()
    pair.open()
    for transport in (pair.client.transport, pair.server.transport):
        transport.close_head()
        for _ in range(3):
            assert transport.pending() == -1 and transport.peek(10) is None
