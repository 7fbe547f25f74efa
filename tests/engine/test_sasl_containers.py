"""Logging in, as an application sees it: containers on both sides, a server with users or with tokens."""

from __future__ import annotations

import random
from typing import Any, Optional, Union

import pytest

from reactor import SASL, Connection, Container, Message, ScramSecret, Transport
from reactor.codec.frames import AMQP_HEADER, SASL_HEADER
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.sasl.scram import ScramClient
from reactor.errors import FRAMING_ERROR, UNAUTHORIZED_ACCESS
from tests.support.sasl import directory
from tests.support.stage import Stage, Witness
from tests.support.tls import client_domain, server_domain

SECRET = ScramSecret.derive("SCRAM-SHA-256", "s3cret", b"0123456789abcdef")


class Locked(Stage):
    """A stage whose server lets in only who can say why."""

    def __init__(self, mechs: Optional[str] = None, chunk: Optional[int] = None) -> None:
        super().__init__(chunk=chunk)
        self.acceptor.close()
        self.acceptor = self.host.listen(
            self.url,
            credentials=self.credentials,
            token_owner=lambda mech, token: "ann" if token == "T=" else None,
            allowed_mechs=mechs,
        )

    def credentials(self, mech: str, user: str) -> Union[None, str, ScramSecret]:
        if user == "hashed":
            return SECRET
        return {"ann": "s3cret"}.get(user)

    def login(self, **options: Any) -> tuple[SASL, list[str], Any]:
        """A client's SASL layer when all has calmed down, why it failed, and its connection."""
        reasons: list[str] = []
        client = Witness(on_transport_error=lambda event: reasons.append(event.transport.condition))
        layers: list[SASL] = []
        client.on_connection_bound = lambda event: layers.append(event.transport.sasl())  # type: ignore[attr-defined]
        connection = self.container(client).connect(**{"url": self.url, **options})
        self.run()
        return layers[0], reasons, connection


@pytest.mark.parametrize("chunk", [None, 1])
@pytest.mark.parametrize(
    "options, mechs, mech, user",
    [
        (dict(user="ann", password="s3cret"), None, "SCRAM-SHA-512", "ann"),
        (dict(url="amqp://ann:s3cret@server"), None, "SCRAM-SHA-512", "ann"),
        (dict(user="hashed", password="s3cret"), "SCRAM-SHA-256", "SCRAM-SHA-256", "hashed"),
        (dict(user="ann", password="s3cret", allowed_mechs="DIGEST-MD5"), "DIGEST-MD5", "DIGEST-MD5", "ann"),
        (dict(user="ann", password="s3cret", allowed_mechs=["CRAM-MD5"]), "CRAM-MD5", "CRAM-MD5", "ann"),
        (dict(user="ann", password="T=", allowed_mechs="XOAUTH2", allow_insecure_mechs=True), None, "XOAUTH2", "ann"),
        (
            dict(user="ann", password="T=", allowed_mechs="OAUTHBEARER XOAUTH2", allow_insecure_mechs=True),
            None,
            "OAUTHBEARER",
            "ann",
        ),
        (dict(), "SCRAM-SHA-256 ANONYMOUS", "ANONYMOUS", "anonymous"),
    ],
)
def test_who_is_let_in(options: Any, mechs: Optional[str], mech: str, user: str, chunk: Optional[int]) -> None:
    stage = Locked(mechs, chunk)
    sasl, reasons, connection = stage.login(**options)
    assert (reasons, sasl.mech, sasl.outcome) == ([], mech, SASL.OK)
    assert connection.state & Endpoint.REMOTE_ACTIVE
    assert stage.server.last("on_connection_opened").transport.user == user


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(user="ann", password="wrong"), "[mech=SCRAM-SHA-512]: the server refused user 'ann' or the password"),
        (dict(user="bob", password="s3cret"), "[mech=SCRAM-SHA-512]: the server refused user 'bob' or the password"),
        (dict(user="ann", password="T=", allowed_mechs="XOAUTH2"), "XOAUTH2 would show the token to eavesdroppers"),
        (
            dict(user="ann", password="old", allowed_mechs="XOAUTH2", allow_insecure_mechs=True),
            "the server refused user 'ann' or the token (401)",
        ),
    ],
)
def test_who_is_not_and_is_told_why(options: Any, words: str) -> None:
    sasl, (reason,), connection = Locked().login(**options)
    assert reason.name == UNAUTHORIZED_ACCESS and words in reason.description
    assert "s3cret" not in reason.description and "T=" not in reason.description
    assert connection.state & Endpoint.LOCAL_CLOSED and sasl.outcome != SASL.OK


def test_the_salt_of_a_user_that_is_not_stays_the_same_from_connection_to_connection(monkeypatch: Any) -> None:
    heard: list[bytes] = []
    respond = ScramClient.respond
    monkeypatch.setattr(ScramClient, "respond", lambda self, data: heard.append(data) or respond(self, data))
    stage = Locked()
    for user in ("bob", "bob", "zed"):
        stage.login(user=user, password="s3cret")
    bob, again, zed = (dict(part.split(b"=", 1) for part in challenge.split(b",")) for challenge in heard)
    assert bob[b"s"] == again[b"s"] != zed[b"s"] and bob[b"r"] != again[b"r"]


def test_what_nobody_may_guess_comes_from_the_system_unless_a_test_says_otherwise() -> None:
    system = Container().random
    assert isinstance(system, random.SystemRandom) and 1 <= system.randint(1, 2) <= 2
    assert all(0 <= system.random() < 1 for _ in range(100))
    assert [max(system.getrandbits(bits) for _ in range(200)).bit_length() for bits in (1, 3, 8)] == [1, 3, 8]
    assert len(system.randbytes(18)) == 18 and system.randbytes(18) != system.randbytes(18)
    seeded = random.Random(7)
    assert Container(random=seeded).random is seeded


def test_each_connection_has_random_bytes_of_its_own() -> None:
    stage = Locked()
    one, other = (stage.login(user="ann", password="s3cret")[0] for _ in range(2))
    assert one.nonce is not None and other.nonce is not None
    assert len({one.nonce(), one.nonce(), other.nonce()}) == 3
    assert len(one.nonce()) == 18
    assert (one.hostname, one.port) == ("server", 5672)


def test_no_secret_is_traced_or_logged(caplog: Any, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("PN_TRACE_FRM", "1")
    caplog.set_level("DEBUG")
    Locked().login(url="amqp://ann:s3cret@server")
    Locked().login(user="ann", password="T=", allowed_mechs="XOAUTH2", allow_insecure_mechs=True)
    out, err = capsys.readouterr()
    told = caplog.text + out + err
    assert "SCRAM-SHA-512" in told and "XOAUTH2" in told
    assert "s3cret" not in told and "T=" not in told and "p=" not in told


# -- who leaves SASL out -----------------------------------------------------------------------------------------

NOBODY = ("SCRAM-SHA-256", "SCRAM-SHA-256 PLAIN", "EXTERNAL", "XOAUTH2", "SCRAM-SHA-512-PLUS")


@pytest.mark.parametrize("secured", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize(
    "asked",
    [
        dict(credentials=lambda mech, user: None),
        dict(authenticator=lambda mech, user, password: False),
        dict(token_owner=lambda mech, token: None),
        dict(credentials=lambda mech, user: None, allowed_mechs="SCRAM-SHA-256"),
        *(dict(allowed_mechs=mechs) for mechs in NOBODY),
        dict(allowed_mechs=["PLAIN"]),
    ],
    ids=lambda asked: " ".join(str(value) if name == "allowed_mechs" else name for name, value in asked.items()),
)
def test_who_is_asked_to_log_in_cannot_leave_that_out(asked: Any, secured: bool) -> None:
    stage = Stage(server := Witness())
    url = "amqps://server" if secured else "amqp://server:1"
    stage.host.listen(url, ssl_domain=server_domain() if secured else None, **asked)
    domain = client_domain("client") if secured else None
    client = Witness()
    container = stage.container(client)
    connection = container.connect(url, sasl_enabled=False, ssl_domain=domain, reconnect=False)
    container.create_sender(connection, "q").send(Message("let me in"))
    stage.run()
    assert server.count("on_connection_opened") == server.count("on_message") == 0
    assert server.last("on_transport_error").transport.condition.name == FRAMING_ERROR
    assert "log in" in server.last("on_transport_error").transport.condition.description
    assert "sasl_enabled=False" in client.last("on_transport_error").transport.condition.description
    assert server.count("on_transport_closed") == client.count("on_transport_closed") == 1


@pytest.mark.parametrize(
    "asked",
    [
        dict(),
        dict(allowed_mechs="ANONYMOUS"),
        dict(allowed_mechs="PLAIN ANONYMOUS", authenticator=lambda mech, user, password: True),
        dict(allowed_mechs=["anonymous"], credentials=lambda mech, user: None),
    ],
)
def test_where_everybody_may_come_sasl_can_be_left_out(asked: Any) -> None:
    stage = Stage()
    stage.host.listen("amqp://server:1", **asked)
    stage.container().connect("amqp://server:1", sasl_enabled=False)
    stage.run()
    transport = stage.server.last("on_connection_opened").transport
    assert (transport.authenticated, transport.user) == (False, None)


@pytest.mark.parametrize(
    "asked, enters",
    [
        (dict(), True),
        (dict(allowed_mechs="EXTERNAL"), True),
        (dict(allowed_mechs="EXTERNAL SCRAM-SHA-256"), True),
        (dict(allowed_mechs="SCRAM-SHA-256"), False),
        (dict(credentials=lambda mech, user: None), False),
        (dict(credentials=lambda mech, user: None, allowed_mechs="EXTERNAL SCRAM-SHA-256"), False),
    ],
)
@pytest.mark.parametrize("verify", [True, False])
def test_a_certificate_is_enough_where_a_certificate_was_asked_for(asked: Any, enters: bool, verify: bool) -> None:
    stage = Stage()
    stage.host.listen("amqps://server", ssl_domain=server_domain(verify=verify), **asked)
    domain = client_domain("client")
    stage.container().connect("amqps://server", sasl_enabled=False, ssl_domain=domain, reconnect=False)
    stage.run()
    # A certificate that nobody looks at proves nothing.
    assert stage.server.count("on_connection_opened") == (enters if verify or not asked else 0)


@pytest.mark.parametrize(
    "tell", [lambda sasl: sasl.allowed_mechs("PLAIN"), lambda sasl: setattr(sasl, "credentials", directory)]
)
def test_a_transport_of_ones_own_asks_as_well(tell: Any) -> None:
    for required in (None, True, False):
        transport = Transport(Transport.SERVER)
        tell(transport.sasl())
        if required is not None:
            transport.require_auth(required)
        transport.bind(Connection())
        transport.push(AMQP_HEADER)
        if required is False:  # he has said so
            assert transport.condition is None
        else:
            assert transport.condition.name == FRAMING_ERROR
            assert transport.peek(transport.pending()) == SASL_HEADER, "what would have been right [2.2]"
            transport.pop(8)
            assert transport.pending() < 0 and transport.capacity() < 0


def test_a_listener_that_names_no_mechanism_is_refused() -> None:
    for nothing in ("", [], " "):
        with pytest.raises(ValueError, match="allowed_mechs names no mechanism"):
            Stage().host.listen("amqp://server:1", allowed_mechs=nothing)


# -- a client with a password does not come without an identity --------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        dict(user="ann", password="s3cret"),
        dict(url="amqp://ann:s3cret@server"),
        dict(password="s3cret"),
        dict(user="ann", password="s3cret", allow_insecure_mechs=True),
    ],
)
def test_who_gave_a_password_is_not_let_in_as_nobody(options: Any) -> None:
    stage = Stage()
    stage.acceptor.close()
    stage.acceptor = stage.host.listen(stage.url)
    client = Witness()
    stage.container(client).connect(**{"url": stage.url, "reconnect": False, **options})
    stage.run()
    reason = client.last("on_transport_error").transport.condition.description
    assert "the server offers ANONYMOUS" in reason and "ANONYMOUS needs to be named in allowed_mechs" in reason
    assert stage.server.count("on_connection_opened") == client.count("on_connection_opened") == 0


@pytest.mark.parametrize(
    "options", [dict(), dict(user="ann"), dict(user="ann", password="s3cret", allowed_mechs="PLAIN ANONYMOUS")]
)
def test_who_gave_none_or_says_so_comes_as_nobody(options: Any) -> None:
    stage = Stage()
    stage.container().connect(stage.url, reconnect=False, **options)
    stage.run()
    assert stage.server.last("on_connection_opened").transport.user == "anonymous"
