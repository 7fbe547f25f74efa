"""What a server keeps of its users: secrets made, stored, read back and held against passwords; and PLAIN."""

from __future__ import annotations

import hashlib

import pytest

from reactor.engine.sasl import credentials
from reactor.engine.sasl.credentials import HASHES, Decoy, ScramSecret
from reactor.engine.sasl.layer import SASL
from tests.support.sasl import client, server, talk

#: GNU SASL 2.2.0: gsasl --mkpasswd --mechanism NAME --password pencil --salt c2FsdA== --iteration-count 4096
STORED = {
    "SCRAM-SHA-1": "SCRAM-SHA-1$4096:c2FsdA==$xU8UjN0qtPTIhLHhi4y1OZJ6+I0=:MC2czw1Fo9mpGOb18T4Ipa68N60=",
    "SCRAM-SHA-256": "SCRAM-SHA-256$4096:c2FsdA==$u+iLs9qG4xpz8n4iBFJlze/fVOjP2jhqQIXx/NAiFSQ=:"
    "elQh4wT48epeZpwXBxlihIdim+BEkjp3sUAFd/ICyyI=",
}


@pytest.mark.parametrize("mech", STORED)
def test_secrets_are_those_of_others(mech):
    secret = ScramSecret.derive(mech, "pencil", b"salt")
    assert secret.export() == STORED[mech]


@pytest.mark.parametrize("mech", HASHES)
def test_what_is_stored_is_read_back(mech):
    secret = ScramSecret.derive(mech, "pa\u00dfword", b"salt", 77)
    again = ScramSecret.parse(secret.export())
    assert (again.mechanism, again.salt, again.iterations) == (mech, b"salt", 77)
    assert (again.stored_key, again.server_key) == (secret.stored_key, secret.server_key)
    assert again.matches("pa\u00dfword") and not again.matches("password") and not again.matches("\x07")
    assert "hidden" in repr(secret) and "salt" not in repr(secret)


GOOD = ScramSecret.derive("SCRAM-SHA-1", "x", b"salt", 1).export()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s3cret",
        GOOD + ":",
        GOOD.replace("SHA-1", "SHA-256"),
        GOOD.replace("SHA-1", "SHA-2"),
        GOOD.replace("$1:", "$0:"),
        GOOD.replace("$1:", "$x:"),
        GOOD.replace("$1:", "$1:!"),
        GOOD[:-3],
        GOOD.replace("SCRAM", "scram"),
    ],
)
def test_what_is_no_secret_is_refused_and_not_quoted(text):
    with pytest.raises(ValueError, match="a stored ScramSecret reads") as caught:
        ScramSecret.parse(text)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("arguments", [(b"", 1, 20, 20), (b"s", 0, 20, 20), (b"s", 1, 21, 21), (b"s", 1, 20, 32)])
def test_keys_of_the_wrong_shape_are_refused(arguments):
    salt, iterations, one, other = arguments
    with pytest.raises(ValueError, match="ScramSecret"):
        ScramSecret(salt, iterations, bytes(one), bytes(other))


def test_what_cannot_be_derived():
    with pytest.raises(KeyError):
        ScramSecret.derive("SCRAM-SHA-1-PLUS", "x", b"salt")
    with pytest.raises(ValueError, match="RFC 4013"):
        ScramSecret.derive("SCRAM-SHA-1", "\x07", b"salt")


# -- PLAIN from the same directory -----------------------------------------------------------------------
DIRECTORIES = {
    "clear": lambda mech, user: {"ann": "s3cret", "tab": "a\tb", "IX": "\u2168"}.get(user),
    "hashed": lambda mech, user: ScramSecret.derive("SCRAM-SHA-512", "s3cret", b"salt") if user == "ann" else None,
}


@pytest.mark.parametrize("kind", DIRECTORIES)
@pytest.mark.parametrize(
    "user, password, outcome",
    [("ann", "s3cret", SASL.OK), ("ann", "wrong", SASL.AUTH), ("ann", "", SASL.AUTH), ("bob", "s3cret", SASL.AUTH)],
)
def test_plain_asks_the_same_directory(kind, user, password, outcome):
    left, right = talk(client(user, password, "PLAIN", secure=True), server(credentials=DIRECTORIES[kind]))
    assert (left.sasl.outcome, right.sasl.outcome, right.sasl.mech) == (outcome, outcome, "PLAIN")
    if outcome == SASL.AUTH:
        assert right.sasl.reason == f"wrong user or password for {user!r}"


def test_plain_compares_what_looks_the_same_and_takes_the_rest_as_it_is():
    for user, password in [("tab", "a\tb"), ("IX", "IX")]:
        left, _ = talk(client(user, password, "PLAIN", secure=True), server(credentials=DIRECTORIES["clear"]))
        assert left.sasl.outcome == SASL.OK


@pytest.mark.parametrize("asks", ["PLAIN", "SCRAM-SHA-256"])
@pytest.mark.parametrize("user, stored", [("\u2168", "IX"), ("a\u00adnn", "ann"), ("e\u0301", "\u00e9")])
def test_names_are_looked_for_in_the_form_in_which_they_are_stored(asks, user, stored):
    assert ScramSecret.prepared(user) == stored
    known = {stored: "s3cret"}
    left, right = talk(client(user, "s3cret", asks, secure=True, authorization=user if asks == "PLAIN" else None),
                       server(credentials=lambda mech, name: known.get(name)))  # fmt: skip
    assert (left.sasl.outcome, right.sasl.user, right.sasl.authorization) == (SASL.OK, stored, stored)


def test_an_authenticator_gets_the_name_as_it_came():
    sasl = server(authenticator=lambda mech, user, password: user == "\u2168")
    talk(client("\u2168", "s3cret", "PLAIN", secure=True), sasl)
    assert sasl.user == "\u2168"


@pytest.mark.parametrize("name", ["", "\u00ad", "a\nb", "\u0378", "x" * 1025])
def test_a_name_that_cannot_be_stored(name):
    with pytest.raises(ValueError, match="it "):
        ScramSecret.prepared(name)


def test_a_name_that_is_nothing_once_prepared_is_refused():
    known = {"": "s3cret", "\u00ad": "s3cret"}
    left, right = talk(client("\u00ad", "s3cret", "PLAIN", secure=True), server(credentials=lambda m, u: known.get(u)))
    assert (left.sasl.outcome, right.sasl.reason) == (SASL.AUTH, "the user's name is empty")


def test_an_authenticator_goes_before_the_directory_for_passwords_in_clear():
    asked = []
    sasl = server(credentials=lambda mech, user: "x", authenticator=lambda *given: asked.append(given) or True)
    left, _ = talk(client("ann", "s3cret", "PLAIN", secure=True), sasl)
    assert (left.sasl.outcome, asked) == (SASL.OK, [("PLAIN", "ann", "s3cret")])


def test_a_password_in_clear_costs_as_much_for_users_that_are_not(monkeypatch):
    stored = ScramSecret.derive("SCRAM-SHA-256", "s3cret", b"salt", 5000)
    work = []
    real = hashlib.pbkdf2_hmac

    def note(*args):
        work.append((args[0], args[3]))
        return real(*args)

    monkeypatch.setattr(credentials.hashlib, "pbkdf2_hmac", note)
    decoy = Decoy(b"key")
    for found in (stored, None):
        for password in ("s3cret", "\x07"):
            decoy.check(found, password)
    assert work == [("sha256", 5000)] * 2
    decoy.check("clear", "s3cret")
    del work[:]
    assert not decoy.check(None, "s3cret")
    assert work == []


def test_made_up_salts_have_any_length_and_are_the_same_again():
    decoy = Decoy(b"key")
    decoy.learn(ScramSecret(bytes(100), 1, bytes(20), bytes(20)))
    salt = decoy.salt("SCRAM-SHA-1", "bob")
    assert len(salt) == 100 and len({salt[:32], salt[32:64], salt[64:96]}) == 3
    assert salt == decoy.salt("SCRAM-SHA-1", "bob") != Decoy(b"other").salt("SCRAM-SHA-1", "bob")
    assert repr(decoy) == "<Decoy>"
