"""CRAM-MD5 and DIGEST-MD5: the RFCs' examples, only where they are named, and what may come instead."""

from __future__ import annotations

import pytest

from reactor.engine.sasl import digest
from reactor.engine.sasl.credentials import ScramSecret
from reactor.engine.sasl.digest import (
    MAX_MESSAGE,
    CramMd5Client,
    CramMd5Server,
    DigestMd5Client,
    DigestMd5Server,
)
from reactor.engine.sasl.exchange import Challenge, ClientIdentity, Done, Fail, MechanismError, ServerPolicy
from reactor.engine.sasl.layer import SASL
from tests.support.sasl import Dice, Side, client, mechanisms, server, talk, whole_and_bytewise

PASSWORDS = {
    "ann": "s3cret",
    "j\u00f6rg": "p\u00df",
    "zo\u00eb \u20ac": "p\u20acx",
    'b"c\\d': 'pa "ss"\\',
    "chris": "secret",
}
NAMES = ["DIGEST-MD5", "CRAM-MD5"]
each_name = pytest.mark.parametrize("mech", NAMES)


def clear(mech, user):
    assert mech in NAMES
    return PASSWORDS.get(user)


# -- the RFCs' examples ----------------------------------------------------------------------------------
def test_the_example_of_rfc_2195():
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    mechanism = CramMd5Client("CRAM-MD5", ClientIdentity("tim", "tanstaaftanstaaf", named=True))
    assert mechanism.start() is None
    assert mechanism.respond(challenge) == b"tim b913a602c7eda7a495b4e6e7334d3890"
    mechanism.finish(None)


EXAMPLES = {
    "imap": (  # RFC 2831 section 4
        'realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8',
        "OA6MHXh6VqTrRk",
        "d388dad90d4bbd760a152321f2143af7",
        "ea40f60335c427b5527b84dbabcdfffd",
    ),
    "acap": (
        'realm="elwood.innosoft.com",nonce="OA9BSXrbuRhWay",qop="auth",algorithm=md5-sess,charset=utf-8',
        "OA9BSuZWMSpW8m",
        "6084c6db3fede7352c551284490fd0fc",
        "2f0b3d7c3c2e486600ef710726aa2eae",
    ),
}
each_example = pytest.mark.parametrize("service", EXAMPLES)


def chris(service, monkeypatch):
    """The client of an example, which has heard the challenge; and what it said."""
    challenge, cnonce, _, _ = EXAMPLES[service]
    monkeypatch.setattr(DigestMd5Client, "service", service)
    monkeypatch.setattr(digest.base64, "b64encode", lambda data: data)  # their nonces are none in base64
    identity = ClientIdentity("chris", "secret", named=True, nonce=lambda: cnonce.encode())
    mechanism = DigestMd5Client("DIGEST-MD5", identity)
    assert mechanism.start() is None
    return mechanism, mechanism.respond(challenge.encode())


@each_example
def test_the_examples_of_rfc_2831(service, monkeypatch):
    _, cnonce, response, rspauth = EXAMPLES[service]
    mechanism, said = chris(service, monkeypatch)
    assert f"response={response}".encode() in said and f'cnonce="{cnonce}"'.encode() in said
    assert f'digest-uri="{service}/elwood.innosoft.com"'.encode() in said
    assert mechanism.respond(b"rspauth=" + rspauth.encode()) == b""
    mechanism.finish(None)


@each_example
def test_the_examples_on_the_server(service, monkeypatch):
    challenge, _, _, rspauth = EXAMPLES[service]
    _, said = chris(service, monkeypatch)
    nonce = challenge.partition('nonce="')[2].partition('"')[0]
    policy = ServerPolicy(credentials=clear, nonce=lambda: nonce.encode(), hostname="elwood.innosoft.com")
    mechanism = DigestMd5Server("DIGEST-MD5", policy)
    told = mechanism.receive(None).data
    assert sorted(told.decode().split(",")) == sorted(challenge.split(","))
    assert mechanism.receive(said) == Challenge(f"rspauth={rspauth}".encode())
    assert mechanism.receive(b"") == Done("chris", "chris")


# -- who gets in -----------------------------------------------------------------------------------------
@whole_and_bytewise
@each_name
@pytest.mark.parametrize("user", PASSWORDS)
def test_both_sides_by_their_bytes(mech, user, step):
    left, right = talk(client(user, PASSWORDS[user], mech), server(mech, credentials=clear), step)
    assert (left.error, right.error) == (None, None)
    assert (left.sasl.outcome, right.sasl.outcome, right.sasl.user) == (SASL.OK, SASL.OK, user)


def test_names_and_hosts_with_other_characters():
    left, right = talk(
        client("ann", "s3cret", "DIGEST-MD5", authorization="r\u00f6ot", hostname="b\u00fcro"),
        server("DIGEST-MD5", credentials=clear, authorizer=lambda *_: True, hostname='the "b\u00fcro"'),
    )
    assert (left.error, right.sasl.authorization) == (None, "r\u00f6ot")


@pytest.mark.parametrize(
    "mechs, mech",
    [("PLAIN CRAM-MD5", "CRAM-MD5"), ("CRAM-MD5 DIGEST-MD5", "DIGEST-MD5"), ("CRAM-MD5 SCRAM-SHA-1", "SCRAM-SHA-1")],
)
def test_the_stronger_of_those_that_are_named(mechs, mech):
    left, _ = talk(client("ann", "s3cret", mechs), server(mechs, credentials=lambda mech, user: "s3cret"))
    assert (left.sasl.mech, left.sasl.outcome) == (mech, SASL.OK)


# -- who does not ----------------------------------------------------------------------------------------
def test_they_are_used_only_when_named():
    side = Side(client("ann", "s3cret", secure=True), 1 << 20)
    side.hear(mechanisms(*NAMES))
    assert "DIGEST-MD5 CRAM-MD5 need to be named in allowed_mechs" in side.error.description
    sasl = server(credentials=clear)
    sasl.start()
    assert b"MD5" not in sasl.output


@each_name
def test_where_md5_is_forbidden_they_are_not_there(mech, monkeypatch):
    monkeypatch.setattr(digest, "md5_is_there", lambda: False)
    side = Side(client("ann", "s3cret", mech), 1 << 20)
    side.hear(mechanisms(mech))
    assert f"{mech} needs MD5, which this system forbids" in side.error.description
    sasl = server(f"{mech} ANONYMOUS", credentials=clear)
    sasl.start()
    assert b"MD5" not in sasl.output


def test_a_system_that_forbids_md5_is_noticed(monkeypatch):
    def forbidden(*_):
        raise ValueError("disabled for FIPS")

    assert digest.md5_is_there()
    monkeypatch.setattr(digest.hmac, "new", forbidden)
    assert not digest.md5_is_there()


@whole_and_bytewise
@each_name
@pytest.mark.parametrize("user, password", [("ann", "wrong"), ("ann", ""), ("nobody", "s3cret"), ("nobody", "")])
def test_a_wrong_password_and_an_unknown_user_are_refused_alike(mech, user, password, step):
    left, right = talk(client(user, password, mech), server(mech, credentials=clear), step)
    assert (left.sasl.outcome, right.sasl.outcome) == (SASL.AUTH, SASL.AUTH)
    assert right.sasl.reason == f"wrong user or password for {user!r}"
    assert left.sasl.reason == f"the server refused user {user!r} or the password"


@each_name
def test_a_hashed_directory_is_of_no_use(mech):
    secret = ScramSecret.derive("SCRAM-SHA-1", "s3cret", b"salt")
    left, _ = talk(client("ann", "s3cret", mech), server(mech, credentials=lambda mech, user: secret))
    assert left.sasl.outcome == SASL.AUTH


@pytest.mark.parametrize(
    "attributes, lacks",
    [
        (dict(), "a user and a password"),
        (dict(user="ann"), "a password"),
        (dict(user="ann", password="s3cret", authorization="root", mechs="CRAM-MD5"), "an authorization that is empty"),
        (dict(user="ann", password="s3cret", nonce=None, mechs="DIGEST-MD5"), "a source of random bytes"),
    ],
)
def test_what_is_missing_is_said(attributes, lacks):
    side = Side(client(**{"mechs": "CRAM-MD5 DIGEST-MD5", **attributes}), 1 << 20)
    side.hear(mechanisms("CRAM-MD5", "DIGEST-MD5"))
    assert f" {lacks}" in side.error.description


@each_name
def test_what_cannot_be_sent_is_not_quoted(mech):
    left, _ = talk(client("ann", "s3cret\ud800", mech), server(mech, credentials=clear))
    assert left.sasl.outcome == SASL.AUTH and "s3c" not in left.error.description


# -- CRAM-MD5 --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("response", [b"", b"ann", b" 0123", b"\xff 0123", b"ann 0123", b"ann \xff"])
def test_a_response_that_is_not_cram(response):
    mechanism = CramMd5Server("CRAM-MD5", ServerPolicy(credentials=clear, nonce=Dice()))
    assert mechanism.receive(None).data.endswith(b"@localhost>")
    assert isinstance(mechanism.receive(response), Fail)


def test_a_client_that_speaks_first_is_refused():
    mechanism = CramMd5Server("CRAM-MD5", ServerPolicy(credentials=clear, nonce=Dice()))
    assert "spoke first" in mechanism.receive(b"ann 0123").reason


def test_a_server_that_does_not_ask_or_asks_twice_is_refused():
    mechanism = CramMd5Client("CRAM-MD5", ClientIdentity("ann", "s3cret", named=True))
    with pytest.raises(MechanismError, match="before it has sent a challenge"):
        mechanism.finish(None)
    mechanism.respond(b"<1@x>")
    with pytest.raises(MechanismError, match="goes on"):
        mechanism.respond(b"<2@x>")


def test_challenges_are_not_repeated():
    policy = ServerPolicy(credentials=clear, nonce=Dice())
    assert CramMd5Server("CRAM-MD5", policy).receive(None) != CramMd5Server("CRAM-MD5", policy).receive(None)


# -- DIGEST-MD5 ------------------------------------------------------------------------------------------
def asked(challenge, **identity):
    mechanism = DigestMd5Client("DIGEST-MD5", ClientIdentity("ann", "s3cret", nonce=Dice(), named=True, **identity))
    return mechanism, mechanism.respond(challenge)


@pytest.mark.parametrize(
    "challenge, reason",
    [
        (b"", "no nonce"),
        (b'nonce="x"', "no nonce, or another algorithm"),
        (b'nonce="x",algorithm=md5', "another algorithm"),
        (b"algorithm=md5-sess", "no nonce"),
        (b'nonce="x",nonce="y",algorithm=md5-sess', "nonce comes twice"),
        (b'nonce="x",algorithm=md5-sess,algorithm=md5-sess', "algorithm comes twice"),
        (b'nonce="x,algorithm=md5-sess', "it has no directive at position"),
        (b'nonce="x"algorithm=md5-sess', "it has no directive at position 0"),
        (b"rubbish", "it has no directive at position 0"),
        (b'nonce="x",algorithm=md5-sess,qop="auth-int,auth-conf"', "use TLS"),
        (b'nonce="\xff",algorithm=md5-sess,charset=utf-8', "not UTF-8"),
        (b'nonce="x",algorithm=md5-sess,' + b"x" * MAX_MESSAGE, "too long"),
    ],
)
def test_a_challenge_that_is_none(challenge, reason):
    with pytest.raises(MechanismError, match=reason):
        asked(challenge)


def test_a_challenge_in_every_dress():
    challenge = b' ,NONCE="a\\"b" , Algorithm = md5-sess ,, realm="one",realm="two",x-new=1,qop="auth-conf, auth", '
    _, said = asked(challenge)
    assert b'nonce="a\\"b"' in said and b'realm="one"' in said and b"qop=auth" in said
    assert b"charset" not in said and b'digest-uri="amqp/one"' in said
    _, said = asked(b'nonce="x",algorithm=md5-sess', hostname="broker")
    assert b"realm" not in said and b'digest-uri="amqp/broker"' in said


def test_characters_that_an_old_server_cannot_read():
    mechanism = DigestMd5Client("DIGEST-MD5", ClientIdentity("\u20ac", "s3cret", nonce=Dice()))
    with pytest.raises(MechanismError, match="characters that the server cannot read"):
        mechanism.respond(b'nonce="x",algorithm=md5-sess')


@pytest.mark.parametrize("message", [b"", b"rspauth=0123", b'rspauth="', b"rspauth=\xff", b"rspauth=" + b"0" * 32])
def test_a_server_that_does_not_know_the_password_is_refused(message):
    for give in ("respond", "finish"):
        mechanism, _ = asked(b'nonce="x",algorithm=md5-sess')
        with pytest.raises(MechanismError, match=r"password|understood"):
            getattr(mechanism, give)(message)
    with pytest.raises(MechanismError, match="without a proof"):
        DigestMd5Client("DIGEST-MD5", ClientIdentity("ann", "s3cret", nonce=Dice())).finish(message)


def test_a_server_that_goes_on_after_the_end_is_refused(monkeypatch):
    mechanism, _ = chris("imap", monkeypatch)
    last = b"rspauth=" + EXAMPLES["imap"][3].encode()
    mechanism.respond(last)
    with pytest.raises(MechanismError, match="goes on"):
        mechanism.respond(last)


def proof(**changes):
    """A server's answer to a good response in which some directives are others; None leaves one out."""
    mechanism = DigestMd5Server("DIGEST-MD5", ServerPolicy(credentials=clear, nonce=Dice(9), hostname="h"))
    said = asked(mechanism.receive(b"who comes back may speak first").data)[1].decode()
    parts = dict(part.split("=", 1) for part in said.split(","))
    parts.update(changes)
    text = ",".join(f"{key}={value}" for key, value in parts.items() if value is not None)
    return mechanism.receive(text.encode())


def test_the_good_response():
    assert proof().data.startswith(b"rspauth=")
    assert isinstance(proof(qop=None), Challenge)


@pytest.mark.parametrize(
    "changes, reason",
    [
        (dict(nonce='"other"'), "nonce is not that of this exchange"),
        (dict(nc="00000002"), "nonce is not that of this exchange"),
        (dict(qop="auth-int"), "not offered"),
        (dict(realm='"other"'), "not offered"),
        (dict(realm=None), "wrong user or password"),
        (dict(username='"bob"'), "wrong user or password for 'bob'"),
        (dict(response="0" * 32), "wrong user or password"),
        (dict(response="\u20ac"), "wrong user or password"),
        (dict(cnonce='"x"'), "wrong user or password"),
        (dict(authzid='"root"'), "wrong user or password"),
        (dict(charset="x"), "wrong user or password"),
        (dict(response=None), "response is missing"),
        (dict(username=None), "username is missing"),
        (dict(username='"'), "no directive"),
        ({"digest-uri": None}, "digest-uri is missing"),
        ({"digest-uri": '"x/y"'}, "wrong user or password"),
    ],
)
def test_a_response_that_is_not_right(changes, reason):
    if "charset" in changes:
        changes = {**changes, "username": '"j\u00f6rg"'}
    step = proof(**changes)
    assert isinstance(step, Fail) and reason in step.reason


def test_a_password_that_the_clients_charset_cannot_hold():
    policy = ServerPolicy(credentials=lambda *_: "\u20ac", nonce=Dice(9), hostname="h")
    mechanism = DigestMd5Server("DIGEST-MD5", policy)
    said = asked(mechanism.receive(None).data)[1].replace(b"charset=utf-8,", b"")
    assert "its charset" in mechanism.receive(said).reason


@each_name
def test_no_repr_no_trace_and_no_error_shows_the_password(mech):
    for password in ("s3cret", "s3cret-but-wrong"):
        seen = []
        hook = dict(frame_tracer=lambda *frame, seen=seen: seen.append(repr(frame)))
        left, right = talk(client("ann", password, mech, **hook), server(mech, credentials=clear, **hook))
        seen += map(repr, (left.sasl, right.sasl, left.error, right.error, left.mechanism, right.mechanism))
        assert "bytes hidden" in "".join(seen)
        assert "s3cret" not in "".join(seen) and "response=" not in "".join(seen)
