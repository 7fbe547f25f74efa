"""OAUTHBEARER and XOAUTH2: the examples, tokens that are good and tokens that are not, and where they may go."""

from __future__ import annotations

import base64
import json

import pytest

from reactor import errors
from reactor.codec.definitions import SASL_CHALLENGE, SASL_INIT, SASL_OUTCOME, SASL_RESPONSE
from reactor.codec.types import symbol
from reactor.engine.sasl.exchange import Challenge, ClientIdentity, Done, Fail, MechanismError, ServerPolicy
from reactor.engine.sasl.layer import SASL
from reactor.engine.sasl.oauth import OAuthBearerClient, OAuthBearerServer, XOAuth2Client, XOAuth2Server
from tests.support.sasl import Side, client, frame, mechanisms, server, talk, whole_and_bytewise

NAMES = ["OAUTHBEARER", "XOAUTH2"]
each_name = pytest.mark.parametrize("mech", NAMES)
TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="

#: RFC 7628 section 4.1, as it stands there.
RFC = base64.b64decode(
    "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI"
    "HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
)
#: RFC 7628 section 4.3.
RFC_ERROR = (
    b'{"status":"invalid_token","scope":"example_scope",'
    b'"openid-configuration":"https://example.com/.well-known/openid-configuration"}'
)
#: From the documentation of the provider that made it.
XOAUTH2 = base64.b64decode(
    "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
)


def owner(mech, token):
    """Whose token it is."""
    assert mech in NAMES
    return {TOKEN: "user@example.com", "T=": "ann", "o": "a=b,c"}.get(token)


# -- the examples ----------------------------------------------------------------------------------------
def test_the_example_of_rfc_7628():
    identity = ClientIdentity("user@example.com", token=TOKEN, hostname="server.example.com", port=143)
    mechanism = OAuthBearerClient("OAUTHBEARER", identity)
    assert mechanism.start() == RFC
    mechanism.finish(None)
    server = OAuthBearerServer("OAUTHBEARER", ServerPolicy(token_owner=owner))
    assert server.receive(RFC) == Done(*["user@example.com"] * 2)


def test_the_refusal_of_rfc_7628():
    sasl = client("user@example.com", token=TOKEN, secure=True)
    offer = mechanisms("OAUTHBEARER")
    sasl.receive(offer, 0, len(offer))
    sasl.output.clear()
    challenge = frame(SASL_CHALLENGE, RFC_ERROR)
    sasl.receive(challenge, 0, len(challenge))
    assert sasl.output == frame(SASL_RESPONSE, b"\x01")  # "AQ==" there
    outcome = frame(SASL_OUTCOME, SASL.AUTH)
    with pytest.raises(errors.RemoteProtocolError) as caught:
        sasl.receive(outcome, 0, len(outcome))
    assert "refused user 'user@example.com' or the token (invalid_token)" in caught.value.description


def test_the_example_of_xoauth2():
    token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"
    mechanism = XOAuth2Client("XOAUTH2", ClientIdentity("someuser@example.com", token=token))
    assert mechanism.start() == XOAUTH2
    policy = ServerPolicy(token_owner=lambda mech, given: given == token and "someuser@example.com")
    server = XOAuth2Server("XOAUTH2", policy)
    assert server.receive(XOAUTH2) == Done(*["someuser@example.com"] * 2)


def test_the_refusal_of_xoauth2():
    mechanism = XOAuth2Client("XOAUTH2", ClientIdentity("ann", token="T"))
    assert mechanism.respond(b'{"status":"401","schemes":"bearer","scope":"mail"}') == b""
    assert mechanism.hint == "401"


# -- who gets in -----------------------------------------------------------------------------------------
@whole_and_bytewise
@each_name
@pytest.mark.parametrize("user, token", [("ann", "T="), ("user@example.com", TOKEN), ("a=b,c", "o")])
def test_both_sides_by_their_bytes(mech, user, token, step):
    left, right = talk(client(user, token=token, secure=True, mechs=mech), server(token_owner=owner), step)
    assert (left.error, right.error) == (None, None)
    assert (left.sasl.outcome, right.sasl.user, right.sasl.mech) == (SASL.OK, user, mech)


def test_the_token_alone_may_tell_who_it_is():
    left, right = talk(client(token="T=", secure=True), server(token_owner=owner))
    assert (left.sasl.mech, right.sasl.user, right.sasl.authorization) == ("OAUTHBEARER", "ann", "ann")
    left, _ = talk(client(token="T=", secure=True, mechs="XOAUTH2"), server(token_owner=owner))
    assert "XOAUTH2 needs a user" in left.error.description


@each_name
def test_acting_as_somebody_else(mech):
    given = dict(token="T=", secure=True, mechs=mech, authorization="root")
    rules = dict(token_owner=owner, authorizer=lambda *who: who == ("ann", "root"))
    left, right = talk(client("ann", **given), server(**rules))
    assert (left.error, right.sasl.user, right.sasl.authorization) == (None, "ann", "root")
    left, right = talk(client("ann", **given), server(token_owner=owner))
    assert right.sasl.reason == "user 'ann' may not act as 'root'"


@each_name
def test_where_only_tokens_are_allowed_the_password_is_one(mech):
    left, _ = talk(client("ann", "T=", secure=True, mechs=mech), server(token_owner=owner))
    assert (left.sasl.mech, left.sasl.outcome) == (mech, SASL.OK)
    left, _ = talk(client("ann", "T=", secure=True, mechs=f"{mech} PLAIN"), server(token_owner=owner))
    assert left.sasl.outcome == SASL.PERM and f"{mech} needs a token" in left.error.description


@each_name
def test_the_client_may_wait_to_be_asked(mech):
    sasl = server(token_owner=owner)
    sasl.start()
    sasl.output.clear()
    hello = b"n,,\x01auth=bearer T=\x01\x01" if mech == "OAUTHBEARER" else b"user=ann\x01auth=BEARER  T=\x01\x01"
    init = frame(SASL_INIT, symbol(mech)) + frame(SASL_RESPONSE, hello)
    sasl.receive(init, 0, len(init))
    assert sasl.output == frame(SASL_CHALLENGE, b"") + frame(SASL_OUTCOME, 0)


# -- who does not ----------------------------------------------------------------------------------------
@whole_and_bytewise
@each_name
def test_a_bad_token_is_refused_with_a_reason(mech, step):
    left, right = talk(client("ann", token="expired", secure=True, mechs=mech), server(token_owner=owner), step)
    assert (left.sasl.outcome, right.sasl.outcome) == (SASL.AUTH, SASL.AUTH)
    status = "invalid_token" if mech == "OAUTHBEARER" else "401"
    assert left.sasl.reason == f"the server refused user 'ann' or the token ({status})"
    assert right.sasl.reason == "a token that is not valid, for 'ann'"
    assert right.sasl.user is None


@each_name
def test_a_token_is_not_shown_to_the_network(mech):
    left, _ = talk(client("ann", token="T=", mechs=mech), server(token_owner=owner))
    assert left.sasl.outcome == SASL.PERM and not left.sasl.output
    assert f"{mech} would show the token to eavesdroppers" in left.error.description
    left, _ = talk(client("ann", token="T=", mechs=mech, allow_insecure_mechs=True), server(token_owner=owner))
    assert left.sasl.outcome == SASL.OK


def test_who_decides_about_no_token_offers_none():
    sasl = server()
    sasl.start()
    assert sasl.output == mechanisms("ANONYMOUS")
    step = OAuthBearerServer("OAUTHBEARER", ServerPolicy()).receive(RFC)
    assert json.loads(step.data) == {"status": "invalid_token"}


@pytest.mark.parametrize("token", ["", "a b", "a\x01b", "t\u00f6ken", "a\n"])
def test_what_is_no_token_is_not_sent_and_not_quoted(token):
    side = Side(client("ann", token=token, secure=True), 1 << 20)
    side.hear(mechanisms(*NAMES))
    assert "need a token of printable ASCII characters" in side.error.description


@each_name
@pytest.mark.parametrize("user", ["a\x01b", "\ud800"])
def test_a_name_that_cannot_be_sent(mech, user):
    side = Side(client(user, token="T", secure=True, mechs=mech), 1 << 20)
    side.hear(mechanisms(mech))
    assert side.sasl.outcome == SASL.PERM and "user's name" in side.error.description


@pytest.mark.parametrize(
    "hello",
    [
        b"x",
        b"n,,",
        b"n,,\x01\x01",
        b"n,,\x01auth=Bearer T=\x01",
        b"n,,\x01auth=Bearer T=",
        b"n,,auth=Bearer T=\x01\x01",
        b"n,a=ann\x01auth=Bearer T=\x01\x01",
        b"p=tls-unique,,\x01auth=Bearer T=\x01\x01",
        b"n,,\x01auth=Basic T=\x01\x01",
        b"n,,\x01auth=Bearer\x01\x01",
        b"n,,\x01auth=Bearer T=\x01auth=Bearer T=\x01\x01",
        b"n,,\x01auth=Bearer T=\xff\x01\x01",
        b"n,,\x01auth=Bearer T\xc3\xb6\x01\x01",
        b"user=\x01auth=Bearer T=\x01\x01",
        b"user=ann\x01auth=Bearer T=\x01",
        b"user=ann\x01auth=T=\x01\x01",
        b"usr=ann\x01auth=Bearer T=\x01\x01",
    ],
)
@pytest.mark.parametrize("make", [OAuthBearerServer, XOAuth2Server])
def test_a_message_that_is_none_is_refused_and_not_quoted(make, hello):
    mechanism = make("NAME", ServerPolicy(token_owner=lambda *_: pytest.fail("asked")))
    step = mechanism.receive(hello)
    assert isinstance(step, Challenge) and json.loads(step.data)["status"] in ("invalid_request", "400")
    step = mechanism.receive(b"\x01")
    assert isinstance(step, Fail) and "T=" not in step.reason


@pytest.mark.parametrize(
    "challenge, hint",
    [
        (b'{"status": "400"}', "400"),
        (b'{"status": "evil\\u001b[0m"}', "evil\\x1b[0m"),
        (b'{"status": "' + b"x" * 500 + b'"}', "x" * 60 + "..."),
        (b'{"status": "who knows T=?"}', "who knows (token not shown)?"),
        (b'{"status": ""}', "without a reason"),
        (b'{"status": 400}', "without a reason"),
        (b"[]", "without a reason"),
        (b"", "without a reason"),
        (b"\xff", "without a reason"),
        (b"[" * 60000, "without a reason"),
        (b"1" * 60000, "without a reason"),
    ],
)
@pytest.mark.parametrize("make", [OAuthBearerClient, XOAuth2Client])
def test_reasons_are_read_with_care(make, challenge, hint):
    mechanism = make("NAME", ClientIdentity("ann", token="T="))
    assert mechanism.respond(challenge) == make.sorry
    assert mechanism.hint == hint
    with pytest.raises(MechanismError, match="goes on"):
        mechanism.respond(challenge)
    with pytest.raises(MechanismError, match="reports success after it has refused"):
        mechanism.finish(None)


@each_name
def test_no_repr_no_trace_and_no_error_shows_the_token(mech):
    for token in ("T=", "T=-but-expired"):
        seen = []
        hook = dict(frame_tracer=lambda *frame, seen=seen: seen.append(repr(frame)))
        one = client("ann", token=token, secure=True, mechs=mech, **hook)
        left, right = talk(one, server(token_owner=owner, **hook))
        seen += map(repr, (one, right.sasl, left.error, right.error, left.mechanism, left.mechanism.identity))
        assert "bytes hidden" in "".join(seen)
        assert "T=" not in "".join(seen)
