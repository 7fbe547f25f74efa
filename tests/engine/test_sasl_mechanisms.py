"""All mechanisms alike: that each lets in, which is taken, and which are offered."""

from __future__ import annotations

import pytest

from reactor.codec.definitions import SASL_INIT
from reactor.codec.types import symbol
from reactor.engine.sasl.exchange import ClientIdentity, MechanismError
from reactor.engine.sasl.layer import SASL
from reactor.engine.sasl.mechanisms import MECHANISMS, OPEN_MECHANISMS, TOKEN_MECHANISMS, choose
from reactor.errors import RemoteProtocolError
from tests.support.sasl import BINDINGS, Dice, both, client, directory, frame, heard, mechanisms, server, talk

NAMES = [row.name for row in MECHANISMS]
each_mechanism = pytest.mark.parametrize("mech", NAMES)


@each_mechanism
@pytest.mark.parametrize("step", [1 << 20, 1, 3])
def test_each_mechanism_lets_in(mech, step):
    left, right = talk(*both(mech), step)
    assert (left.error, right.error) == (None, None)
    assert (left.sasl.mech, left.sasl.outcome, right.sasl.outcome) == (mech, SASL.OK, SASL.OK)
    assert right.sasl.user == ("anonymous" if mech == "ANONYMOUS" else "ann")


# -- the choice ------------------------------------------------------------------------------------------
def chosen(offered, allowed=None, insecure=False, **attributes):
    given = dict(user="ann", password="s3cret", nonce=Dice(), named=allowed is not None, offered=offered)
    return choose(allowed, ClientIdentity(**{**given, **attributes}), insecure).name


def test_the_strongest_first():
    """As each is struck off the offer, the next is taken."""
    everything = dict(token="T=", external="ann", bindings=BINDINGS, secure=True)
    order, offered = [], list(reversed(NAMES))
    while offered:
        order.append(chosen(offered, NAMES, **everything))
        offered.remove(order[-1])
    assert order == NAMES == [
        "EXTERNAL",
        "SCRAM-SHA-512-PLUS",
        "SCRAM-SHA-256-PLUS",
        "SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-512",
        "SCRAM-SHA-256",
        "SCRAM-SHA-1",
        "OAUTHBEARER",
        "XOAUTH2",
        "DIGEST-MD5",
        "CRAM-MD5",
        "PLAIN",
        "ANONYMOUS",
    ]  # fmt: skip


QPIDD = ["ANONYMOUS", "PLAIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"]
RABBITMQ = ["ANONYMOUS", "PLAIN"]


@pytest.mark.parametrize(
    "offered, given, mech",
    [
        (QPIDD, dict(), "SCRAM-SHA-256"),
        (QPIDD, dict(user=None, password=None), "ANONYMOUS"),
        (QPIDD, dict(password=None), "ANONYMOUS"),
        (QPIDD, dict(allowed=["PLAIN"], insecure=True), "PLAIN"),
        (QPIDD, dict(allowed=["CRAM-MD5", "PLAIN"]), "CRAM-MD5"),
        (QPIDD, dict(password="tab\t", secure=True), "PLAIN"),
        (QPIDD, dict(nonce=None, secure=True), "PLAIN"),
        (RABBITMQ, dict(secure=True), "PLAIN"),
        (RABBITMQ, dict(insecure=True), "PLAIN"),
        (RABBITMQ, dict(user=None, password=None), "ANONYMOUS"),
        ([*RABBITMQ, "EXTERNAL"], dict(external="ann"), "EXTERNAL"),
        ([*RABBITMQ, "XOAUTH2"], dict(token="T=", secure=True), "XOAUTH2"),
    ],
)
def test_what_is_taken_of_what_brokers_offer(offered, given, mech):
    assert chosen(offered, **given) == mech


@pytest.mark.parametrize(
    "offered, given, text",
    [
        (RABBITMQ, dict(), "PLAIN would show the password to eavesdroppers on the network"),
        (QPIDD, dict(nonce=None), "PLAIN would show the password"),
        (RABBITMQ, dict(token="T=", user=None, allowed=["XOAUTH2"]), "ANONYMOUS are not among the allowed ones"),
        (["XOAUTH2"], dict(token="T="), "XOAUTH2 would show the token"),
        (["GSSAPI"], dict(), "the server offers GSSAPI, this client would use SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1"),
        (["SCRAM-SHA-1-PLUS"], dict(), "SCRAM-SHA-1-PLUS needs a channel binding, which only TLS gives"),
        (["SCRAM-SHA-1", "PLAIN"], dict(user=None), "SCRAM-SHA-1 PLAIN need a user and a password"),
        ([], dict(), "the server offers , this client"),
    ],
)
def test_what_is_missing_is_said(offered, given, text):
    with pytest.raises(MechanismError) as caught:
        chosen(offered, **given)
    assert text in str(caught.value) and "s3cret" not in str(caught.value)


def test_those_that_carry_a_token():
    assert TOKEN_MECHANISMS == {row.name for row in MECHANISMS if row.client.shows == "the token"}


def test_those_that_show_no_secret():
    assert OPEN_MECHANISMS == {row.name for row in MECHANISMS if not row.client.secret}


@pytest.mark.parametrize(
    "given, offer",
    [
        (dict(), ["ANONYMOUS"]),
        (dict(credentials=directory), ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]),
        (dict(credentials=directory, nonce=None), ["PLAIN"]),
        (dict(credentials=directory, mechs="CRAM-MD5 SCRAM-SHA-256"), ["SCRAM-SHA-256", "CRAM-MD5"]),
        (
            dict(credentials=directory, channel_bindings=BINDINGS, mechs="SCRAM-SHA-256 SCRAM-SHA-256-PLUS"),
            ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"],
        ),
        (dict(channel_bindings=BINDINGS, authenticator=lambda *_: True), ["PLAIN"]),
        (dict(token_owner=lambda *_: None), ["OAUTHBEARER", "XOAUTH2"]),
        (dict(external="ann", mechs=NAMES), ["EXTERNAL", "ANONYMOUS"]),
    ],
)
def test_a_server_offers_what_can_let_somebody_in(given, offer):
    sasl = server(**given)
    sasl.start()
    assert sasl.output == mechanisms(*offer)


def test_who_asks_for_passwords_lets_nobody_in_without_unless_he_says_so():
    def offered(allowed=None, **settings):
        sasl = SASL(server=True)
        for name, value in settings.items():
            setattr(sasl, name, value)
        if allowed:
            sasl.allowed_mechs(allowed)
        sasl.start()
        return bytes(sasl.output)

    assert b"ANONYMOUS" in offered()
    assert b"ANONYMOUS" not in offered(authenticator=lambda *_: True)
    assert b"ANONYMOUS" not in offered(credentials=lambda *_: None)
    assert b"ANONYMOUS" in offered("PLAIN ANONYMOUS", authenticator=lambda *_: True)


# -- PLAIN and who knows the passwords -------------------------------------------------------------------
@pytest.mark.parametrize("user, password, right", [
    ("ann", "s3cret", True), ("ann", "wrong", False), ("ann", "s3cre", False), ("ann", "s3crett", False),
    ("ann", "", False), ("bob", "s3cret", False), ("bob", "", False), ("bob", "None", False),
])  # fmt: skip
def test_plain_lets_in_whoever_has_the_password_of_the_credentials(user, password, right):
    sasl = server("PLAIN", credentials=directory)
    sasl.start()
    init = frame(SASL_INIT, symbol("PLAIN"), b"\0" + user.encode() + b"\0" + password.encode())
    if right:
        sasl.receive(init, 0, len(init))
        assert (sasl.outcome, sasl.user) == (SASL.OK, "ann")
        return
    with pytest.raises(RemoteProtocolError, match="wrong user or password"):
        sasl.receive(init, 0, len(init))
    assert (sasl.outcome, sasl.user) == (SASL.AUTH, None)


@pytest.mark.parametrize(("given", "asked"), [
    ("e\u0301\u00adva", "\u00e9va"),  # as SCRAM stores it
    ("e\u0301\U0001f984", "\u00e9\U0001f984"),  # with a character that is younger than the tables
    ("bell\x07", "bell\x07"),  # which RFC 4013 prohibits: no name is stored so
])  # fmt: skip
def test_a_directory_is_asked_for_the_name_that_it_has_stored_and_an_authenticator_for_the_one_that_came(given, asked):
    for key in ("credentials", "authenticator"):
        heard = []
        sasl = server("PLAIN", **{key: lambda *told, heard=heard: heard.append(told[1])})
        sasl.start()
        init = frame(SASL_INIT, symbol("PLAIN"), b"\0" + given.encode() + b"\0s3cret")
        with pytest.raises(RemoteProtocolError, match="wrong user or password"):
            sasl.receive(init, 0, len(init))
        assert (heard, sasl.outcome) == ([asked if key == "credentials" else given], SASL.AUTH)


@pytest.mark.parametrize("says", [True, False])
def test_where_there_is_an_authenticator_too_it_decides_alone(says):
    sasl = server("PLAIN", credentials=directory, authenticator=lambda mech, user, password: says)
    sasl.start()
    init = frame(SASL_INIT, symbol("PLAIN"), b"\0ann\0" + (b"wrong" if says else b"s3cret"))
    if says:
        sasl.receive(init, 0, len(init))
    else:
        with pytest.raises(RemoteProtocolError, match="wrong user or password"):
            sasl.receive(init, 0, len(init))
    assert sasl.outcome == (SASL.OK if says else SASL.AUTH)


@pytest.mark.parametrize("number", [0, 1, 2, 11, 12, 13, 50])
def test_a_dozen_names_of_a_peer_are_named(number):
    names = [f"X-{index}" for index in range(number)]
    error = heard(client("ann", "s3cret", secure=True), mechanisms(*names)).description
    told = " ".join(names[:12]) + (" ..." if number > 12 else "")
    assert f"the server offers {told}, this client would use" in error


@pytest.mark.parametrize("offered, words", [
    (["OAUTHBEARER"], "; OAUTHBEARER needs a token"),
    (["OAUTHBEARER", "XOAUTH2"], "; XOAUTH2 OAUTHBEARER need a token"),
    (["EXTERNAL"], "; EXTERNAL needs a client certificate"),
])  # fmt: skip
def test_what_is_missing_is_said_of_one_or_of_several(offered, words):
    error = heard(client("ann", "s3cret", secure=True), mechanisms(*offered)).description
    assert words in error or words.replace("XOAUTH2 OAUTHBEARER", "OAUTHBEARER XOAUTH2") in error


@pytest.mark.parametrize("offered, words", [
    (["PLAIN"], "PLAIN is not among the allowed ones"), (["PLAIN", "ANONYMOUS"], "are not among the allowed ones"),
])  # fmt: skip
def test_what_is_not_allowed_is_said_of_one_or_of_several(offered, words):
    error = heard(client("ann", "s3cret", "EXTERNAL", secure=True), mechanisms(*offered)).description
    assert words in error
