"""SCRAM: the RFCs' examples, both sides by their bytes, and everybody who stands between or pretends."""

from __future__ import annotations

import base64
import hashlib

import pytest

from reactor import errors
from reactor.codec.definitions import SASL_CHALLENGE, SASL_INIT, SASL_OUTCOME, SASL_RESPONSE
from reactor.codec.types import symbol
from reactor.engine.sasl import credentials, scram
from reactor.engine.sasl.credentials import Decoy, ScramSecret
from reactor.engine.sasl.exchange import Challenge, ClientIdentity, Done, Fail, MechanismError, ServerPolicy
from reactor.engine.sasl.layer import SASL
from reactor.engine.sasl.scram import ScramClient, ScramServer
from tests.support.sasl import Dice, Side, client, frame, mechanisms, server, talk, whole_and_bytewise

PASSWORDS = {"ann": "s3cret", "a=b,c": "x", "jörg": "pß", "IX": "\u2168"}
BINDINGS = {"tls-unique": b"finished", "tls-server-end-point": b"certificate"}
NAMES = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"]


def clear(mech, user):
    """A directory that has the passwords themselves."""
    assert mech in (*NAMES, "PLAIN")
    return PASSWORDS.get(user)


def hashed(mech, user):
    """A directory that has what can be checked, and no password."""
    if user not in PASSWORDS:
        return None
    return ScramSecret.derive(mech if mech in NAMES else "SCRAM-SHA-256", PASSWORDS[user], user.encode() * 3, 5000)


either_directory = pytest.mark.parametrize("directory", [clear, hashed])
each_name = pytest.mark.parametrize("mech", NAMES)

# -- the RFCs' examples ----------------------------------------------------------------------------------
EXAMPLES = {
    "SCRAM-SHA-1": (  # RFC 5802 section 5
        "fyko+d2lbbFgONRv9qkxdawL",
        "3rfcNHYJY1ZVvWVs7j",
        "QSXCR+Q6sek8bf92",
        "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    "SCRAM-SHA-256": (  # RFC 7677 section 3
        "rOprNGfwEbeRWgbNEkqO",
        "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        "W22ZaJ0SNY7soEsUEjb6gQ==",
        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
}


class Example:
    """The four messages of an RFC's example."""

    def __init__(self, mech):
        self.mech = mech
        self.cnonce, self.snonce, self.salt, proof, signature = EXAMPLES[mech]
        nonce = self.cnonce + self.snonce
        self.hello = f"n,,n=user,r={self.cnonce}".encode()
        self.challenge = f"r={nonce},s={self.salt},i=4096".encode()
        self.final = f"c=biws,r={nonce},p={proof}".encode()
        self.signature = f"v={signature}".encode()

    def client(self):
        """The layer of the client, which has heard what the server offers."""
        sasl = client("user", "pencil", self.mech, nonce=lambda: base64.b64decode(self.cnonce))
        offer = mechanisms(self.mech)
        sasl.receive(offer, 0, len(offer))
        return sasl


each_example = pytest.mark.parametrize("mech", EXAMPLES)


def hear(sasl, *frames):
    """Feed the frames, and return what is said to them."""
    sasl.output.clear()
    data = b"".join(frames)
    assert sasl.receive(data, 0, len(data)) == len(data)
    return bytes(sasl.output)


@each_example
def test_the_example_with_the_signature_in_a_last_challenge(mech):
    # As Cyrus does it (qpidd, qdrouterd): the challenge wants an empty response, the outcome is bare.
    example = Example(mech)
    sasl = example.client()
    assert sasl.output == frame(SASL_INIT, symbol(mech), example.hello)
    assert hear(sasl, frame(SASL_CHALLENGE, example.challenge)) == frame(SASL_RESPONSE, example.final)
    assert hear(sasl, frame(SASL_CHALLENGE, example.signature)) == frame(SASL_RESPONSE, b"")
    assert hear(sasl, frame(SASL_OUTCOME, 0)) == b""
    assert (sasl.outcome, sasl.mech) == (SASL.OK, mech)


@each_example
def test_the_example_with_the_signature_beside_the_outcome(mech):
    # As Broker-J does it.
    example = Example(mech)
    sasl = example.client()
    assert hear(sasl, frame(SASL_CHALLENGE, example.challenge)) == frame(SASL_RESPONSE, example.final)
    assert hear(sasl, frame(SASL_OUTCOME, 0, example.signature)) == b""
    assert sasl.outcome == SASL.OK


@each_example
def test_the_example_on_the_server(mech, monkeypatch):
    example = Example(mech)
    monkeypatch.setattr(scram, "_fresh", lambda nonce: example.snonce)
    secret = ScramSecret.derive(mech, "pencil", base64.b64decode(example.salt))
    sasl = server(mech, credentials=lambda mech, user: secret if user == "user" else None)
    sasl.start()
    assert sasl.output == mechanisms(mech)
    assert hear(sasl, frame(SASL_INIT, symbol(mech), example.hello)) == frame(SASL_CHALLENGE, example.challenge)
    assert hear(sasl, frame(SASL_RESPONSE, example.final)) == frame(SASL_CHALLENGE, example.signature)
    assert hear(sasl, frame(SASL_RESPONSE, b"")) == frame(SASL_OUTCOME, 0)
    assert (sasl.outcome, sasl.user) == (SASL.OK, "user")


# -- who gets in -----------------------------------------------------------------------------------------
@whole_and_bytewise
@either_directory
@each_name
@pytest.mark.parametrize("user", PASSWORDS)
def test_both_sides_by_their_bytes(mech, user, directory, step):
    left, right = talk(client(user, PASSWORDS[user], mech), server(credentials=directory), step)
    assert (left.error, right.error) == (None, None)
    assert (left.sasl.outcome, right.sasl.outcome, right.sasl.user) == (SASL.OK, SASL.OK, user)
    assert right.sasl.authorization == user and right.sasl.mech == mech


def test_a_name_in_two_spellings_is_one():
    for name, password in [("I\u00adX", "IX"), ("\u2168", "I\u00adX")]:  # RFC 4013: all of them are "IX"
        left, right = talk(client(name, password), server(credentials=clear))
        assert (left.sasl.outcome, right.sasl.user) == (SASL.OK, "IX")


@either_directory
def test_the_strongest_is_taken_and_no_secret_is_shown_on_an_open_wire(directory):
    left, right = talk(client("ann", "s3cret"), server(credentials=directory, authenticator=lambda *_: True))
    assert (left.sasl.mech, left.sasl.outcome, right.sasl.user) == ("SCRAM-SHA-512", SASL.OK, "ann")


def test_the_client_may_wait_to_be_asked():
    policy = ServerPolicy(credentials=clear, nonce=Dice())
    mechanism = ScramServer("SCRAM-SHA-1", policy)
    assert mechanism.receive(None) == Challenge(b"")
    assert isinstance(mechanism.receive(b"n,,n=ann,r=abc"), Challenge)


def test_acting_as_somebody_else():
    allowed = dict(credentials=clear, authorizer=lambda user, who: (user, who) == ("ann", "r=o,t"))
    left, right = talk(client("ann", "s3cret", authorization="r=o,t"), server(**allowed))
    assert (left.error, right.sasl.user, right.sasl.authorization) == (None, "ann", "r=o,t")
    left, right = talk(client("ann", "s3cret", authorization="root"), server(**allowed))
    assert right.sasl.reason == "user 'ann' may not act as 'root'" and left.sasl.outcome == SASL.AUTH


# -- who does not ----------------------------------------------------------------------------------------
@whole_and_bytewise
@either_directory
@each_name
@pytest.mark.parametrize("user, password", [("ann", "wrong"), ("nobody", "s3cret"), ("nobody", "nobody")])
def test_a_wrong_password_and_an_unknown_user_are_refused_alike(mech, user, password, directory, step):
    left, right = talk(client(user, password, mech), server(credentials=directory), step)
    assert (left.sasl.outcome, right.sasl.outcome) == (SASL.AUTH, SASL.AUTH)
    assert left.error.condition == right.error.condition == errors.UNAUTHORIZED_ACCESS
    assert left.sasl.reason == f"the server refused user {user!r} or the password"
    assert right.sasl.reason == f"wrong user or password for {user!r}"
    assert right.sasl.user is None


@either_directory
def test_nobody_finds_out_which_users_there_are(directory):
    """The same user gets the same salt each time, known or not; all salts and counts look alike."""
    decoy = Decoy(b"secret of this server")

    def probe(user):
        mechanism = ScramServer("SCRAM-SHA-256", ServerPolicy(credentials=directory, nonce=Dice(), decoy=decoy))
        challenge = mechanism.receive(f"n,,n={user},r=abc".encode()).data.decode()
        fields = dict(part.split("=", 1) for part in challenge.split(","))
        assert isinstance(mechanism.receive(f"c=biws,r={fields['r']},p={'A' * 43}=".encode()), Fail)
        return fields["s"], fields["i"]

    known, unknown = probe("ann"), probe("bob")
    assert (known, unknown) == (probe("ann"), probe("bob"))
    assert known[1] == unknown[1] and len(known[0]) == len(unknown[0]) and known[0] != unknown[0]
    assert probe("zed")[0] != unknown[0]


def test_an_unknown_user_costs_as_much_work(monkeypatch):
    work = []
    real = hashlib.pbkdf2_hmac
    monkeypatch.setattr(credentials.hashlib, "pbkdf2_hmac", lambda *args: work.append(args[3]) or real(*args))
    decoy = Decoy(b"key")

    def cost(user, directory, mech="SCRAM-SHA-256"):
        del work[:]
        mechanism = ScramServer(mech, ServerPolicy(credentials=directory, nonce=Dice(), decoy=decoy))
        challenge = mechanism.receive(f"n,,n={user},r=abc".encode()).data.decode()
        mechanism.receive(f"c=biws,{challenge.split(',')[0]},p={'A' * 43}=".encode())
        return list(work)

    assert cost("ann", clear) == cost("bob", clear) == [4096]
    stored = {"ann": hashed("SCRAM-SHA-256", "ann")}
    for user in ("ann", "bob"):
        assert cost(user, lambda mech, user: stored.get(user)) == []


def test_secrets_for_another_hash_are_of_no_use_and_do_not_betray_the_user():
    stored = hashed("SCRAM-SHA-1", "ann")
    left, _ = talk(client("ann", "s3cret"), server(credentials=lambda mech, user: stored))
    assert (left.sasl.mech, left.sasl.outcome) == ("SCRAM-SHA-512", SASL.AUTH)
    left, _ = talk(client("ann", "s3cret"), server("SCRAM-SHA-1", credentials=lambda mech, user: stored))
    assert left.sasl.outcome == SASL.OK


@pytest.mark.parametrize(
    "user, password, lacks",
    [
        (None, None, "a user and a password"),
        ("ann", None, "a password"),
        ("ann", "", "a password"),
        ("ann", "bell\x07", "a user and a password of characters that RFC 4013 allows"),
        ("ann", "\ud800", "a user and a password of characters that RFC 4013 allows"),
        ("ann", "\u00ad", "a user and a password of characters that RFC 4013 allows"),
        ("a\0b", "s3cret", "a user and a password of characters that RFC 4013 allows"),
    ],
)
def test_what_scram_cannot_carry_is_said(user, password, lacks):
    left, _ = talk(client(user, password, "SCRAM-SHA-1"), server(credentials=clear))
    assert left.sasl.outcome == SASL.PERM and f"SCRAM-SHA-1 needs {lacks}" in left.error.description
    assert "bell" not in left.error.description


@pytest.mark.parametrize("authorization", ["a\0b", "\ud800"])
def test_a_name_to_act_as_that_cannot_be_sent(authorization):
    left, _ = talk(client("ann", "s3cret", authorization=authorization), server(credentials=clear))
    assert left.sasl.outcome == SASL.PERM and "the name to act as" in left.error.description


def test_without_a_source_of_random_bytes_there_is_no_scram():
    left, _ = talk(client("ann", "s3cret", "SCRAM-SHA-1", nonce=None), server(credentials=clear))
    assert "SCRAM-SHA-1 needs a source of random bytes" in left.error.description
    sasl = server(credentials=clear, nonce=None)
    sasl.start()
    assert sasl.output == mechanisms("PLAIN")


def test_a_directory_that_fails_is_not_silent_on_either_side():
    def broken(mech, user):
        raise RuntimeError("the directory is down")

    sasl = server(credentials=broken)
    sasl.start()
    init = frame(SASL_INIT, symbol("SCRAM-SHA-1"), b"n,,n=ann,r=abc")
    with pytest.raises(RuntimeError, match="directory"):
        sasl.receive(init, 0, len(init))
    assert sasl.outcome == SASL.SYS and sasl.output.endswith(frame(SASL_OUTCOME, SASL.SYS))


# -- channel binding -------------------------------------------------------------------------------------
def first_word(**attributes):
    """What the client says first to a server that offers what the test says; its mechanism and message."""
    offer = mechanisms(*attributes.pop("offer"))
    sasl = client("ann", "s3cret", **attributes)
    sasl.receive(offer, 0, len(offer))
    return sasl.mech, sasl._mechanism._header


@pytest.mark.parametrize(
    "bindings, offer, mechs, mech, header",
    [
        ({}, NAMES, None, "SCRAM-SHA-512", b"n,,"),
        ({}, ["SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"], None, "SCRAM-SHA-1", b"n,,"),
        (BINDINGS, NAMES, None, "SCRAM-SHA-512", b"y,,"),
        (BINDINGS, ["SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"], None, "SCRAM-SHA-1-PLUS", b"p=tls-unique,,"),
        (BINDINGS, ["SCRAM-SHA-1-PLUS", *NAMES], None, "SCRAM-SHA-1-PLUS", b"p=tls-unique,,"),
        ({"tls-exporter": b"x", **BINDINGS}, ["SCRAM-SHA-1-PLUS"], None, "SCRAM-SHA-1-PLUS", b"p=tls-exporter,,"),
        ({"tls-server-end-point": b"x"}, ["SCRAM-SHA-1-PLUS"], None, "SCRAM-SHA-1-PLUS", b"p=tls-server-end-point,,"),
        (BINDINGS, ["SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"], "SCRAM-SHA-1", "SCRAM-SHA-1", b"n,,"),
        (BINDINGS, ["SCRAM-SHA-1", "SCRAM-SHA3-512-PLUS"], None, "SCRAM-SHA-1", b"n,,"),
        ({"of-the-future": b"x"}, ["SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"], None, "SCRAM-SHA-1", b"n,,"),
    ],
)
def test_what_the_client_says_of_channel_binding(bindings, offer, mechs, mech, header):
    assert first_word(channel_bindings=bindings, offer=offer, mechs=mechs) == (mech, header)


@whole_and_bytewise
@each_name
@pytest.mark.parametrize("kind", BINDINGS)
def test_both_sides_bound_to_the_same_channel(mech, kind, step):
    one = client("ann", "s3cret", f"{mech}-PLUS", channel_bindings={kind: BINDINGS[kind]})
    left, right = talk(one, server(credentials=clear, channel_bindings=BINDINGS), step)
    assert (left.sasl.mech, left.sasl.outcome, right.sasl.user) == (f"{mech}-PLUS", SASL.OK, "ann")


def test_with_tls_the_plus_is_taken():
    bound = dict(channel_bindings=BINDINGS)
    left, right = talk(client("ann", "s3cret", **bound), server(credentials=clear, **bound))
    assert (left.sasl.mech, right.sasl.outcome) == ("SCRAM-SHA-512-PLUS", SASL.OK)


def test_who_stands_between_two_channels_is_found_out():
    one, other = ({"tls-unique": data} for data in (b"to the thief", b"from the thief"))
    left, right = talk(client("ann", "s3cret", channel_bindings=one), server(credentials=clear, channel_bindings=other))
    assert left.sasl.outcome == SASL.AUTH
    assert "(bound to TLS by tls-unique, which the server has to know)" in left.sasl.reason
    assert right.sasl.reason == "the client is bound to another channel: an adversary may stand between"


def test_who_strikes_the_plus_off_the_offer_is_found_out():
    bound = dict(channel_bindings=BINDINGS)
    right = Side(server(credentials=clear, **bound), 1 << 20)
    right.sasl.start()
    right.say()
    left = Side(client("ann", "s3cret", **bound), 1 << 20)
    left.hear(mechanisms("SCRAM-SHA-256", "PLAIN"))
    right.hear(left.say())
    assert right.sasl.outcome == SASL.AUTH
    assert "an adversary may have removed them" in right.sasl.reason


@pytest.mark.parametrize(
    "mech, header, reason",
    [
        ("SCRAM-SHA-1-PLUS", b"n,,", "binds to nothing"),
        ("SCRAM-SHA-1-PLUS", b"y,,", "binds to nothing"),
        ("SCRAM-SHA-1-PLUS", b"p=tls-exporter,,", "binds to tls-exporter, which this server does not have"),
        ("SCRAM-SHA-1", b"p=tls-unique,,", "SCRAM-SHA-1 does not"),
        ("SCRAM-SHA-1", b"y,,", "an adversary may have removed them"),
    ],
)
def test_a_word_on_channel_binding_that_cannot_stand(mech, header, reason):
    offered = ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"]
    policy = ServerPolicy(credentials=clear, nonce=Dice(), bindings=BINDINGS, offered=offered)
    step = ScramServer(mech, policy).receive(header + b"n=ann,r=abc")
    assert isinstance(step, Fail) and reason in step.reason


def test_a_flag_that_was_changed_on_the_way_is_found_out():
    policy = ServerPolicy(credentials=clear, nonce=Dice())
    mechanism = ScramServer("SCRAM-SHA-1", policy)
    identity = ClientIdentity("ann", "s3cret", nonce=Dice(), bindings=BINDINGS, offered=["SCRAM-SHA-1"])
    sent = ScramClient("SCRAM-SHA-1", identity)
    hello = sent.start()
    assert hello.startswith(b"y,,")
    challenge = mechanism.receive(b"n" + hello[1:]).data
    assert "another channel" in mechanism.receive(sent.respond(challenge)).reason


# -- tampering -------------------------------------------------------------------------------------------
class Pair:
    """One exchange between two mechanisms; a test may change any message on its way."""

    def __init__(self, mech="SCRAM-SHA-256", password="s3cret", directory=clear, **limits):
        self.client = ScramClient(mech, ClientIdentity("ann", password, nonce=Dice(), offered=[mech], **limits))
        self.server = ScramServer(mech, ServerPolicy(credentials=directory, nonce=Dice(50)))

    def run(self, **changes):
        """Returns what the server says last; `changes` maps a message's name to what is done to it."""
        step = self.server.receive(changes.get("hello", bytes)(self.client.start()))
        for name in ("challenge", "signature"):
            if isinstance(step, Fail):
                return step
            answer = self.client.respond(changes.get(name, bytes)(step.data))
            step = self.server.receive(changes.get({"challenge": "final", "signature": "end"}[name], bytes)(answer))
        if isinstance(step, Done):
            self.client.finish(step.data)
        return step


def flip(key):
    """Another first character of the value of `key`."""

    def change(message):
        at = message.index(key.encode() + b"=") + 2
        return message[:at] + (b"A" if message[at : at + 1] != b"A" else b"B") + message[at + 1 :]

    return change


def test_the_pair_without_tampering():
    assert Pair().run() == Done("ann", "ann")


@pytest.mark.parametrize(
    "message, key, reason",
    [
        ("final", "p", "wrong user or password for 'ann'"),
        ("final", "r", "the client's nonce is not that of this exchange"),
        ("final", "c", "the client is bound to another channel"),
        ("hello", "n", "wrong user or password"),
        ("end", None, "the exchange is over"),
    ],
)
def test_what_is_changed_on_the_way_to_the_server_is_refused(message, key, reason):
    change = (lambda data: b"x") if key is None else flip(key)
    step = Pair().run(**{message: change})
    assert isinstance(step, Fail) and reason in step.reason


@pytest.mark.parametrize(
    "message, change, reason",
    [
        ("hello", flip("r"), "its nonce is another"),
        ("challenge", flip("r"), "its nonce is another"),
        ("signature", flip("v"), "signature is wrong"),
        ("signature", lambda _: b"v=", "signature is wrong"),
        ("signature", lambda _: b"", "v= is missing"),
        ("signature", lambda _: b"e=other-error", "the server refuses: other-error"),
        ("signature", lambda _: b"v=!!!!", "it has a value that is not base64"),
        ("challenge", lambda _: b"e=unknown-user", "the server refuses: unknown-user"),
        ("challenge", lambda data: b"m=new," + data, "an extension that is not known"),
        ("challenge", lambda data: data.rpartition(b",")[0], "a part is missing"),
        ("challenge", lambda data: data.replace(b",s=", b",z="), "s= is missing"),
        ("challenge", lambda data: b"s=QUJD," + data, "r= is missing"),
        ("challenge", lambda data: data + b"\xff", "not UTF-8"),
        ("challenge", lambda data: data + b"\0", "a NUL character"),
        ("challenge", lambda data: data[: data.index(b",s=")] + b",s=,i=4096", "the salt is empty"),
        ("challenge", lambda data: data[: data.index(b",s=")] + b",s=x,i=4096", "is not base64"),
        ("challenge", lambda data: data[: data.index(b",s=")] + b",s=\xc3\xb6,i=4096", "is not base64"),
        ("challenge", lambda data: data.replace(b",s=", b"\x7f,s="), "its nonce is another"),
    ],
)
def test_what_is_changed_on_the_way_to_the_client_is_refused(message, change, reason):
    with pytest.raises(MechanismError, match=reason):
        Pair().run(**{message: change})


def test_a_server_that_adds_nothing_to_the_nonce_is_refused():
    mechanism = ScramClient("SCRAM-SHA-1", ClientIdentity("ann", "s3cret", nonce=Dice()))
    nonce = mechanism.start().rpartition(b"r=")[2]
    with pytest.raises(MechanismError, match="nonce"):
        mechanism.respond(b"r=" + nonce + b",s=QUJD,i=4096")


def test_a_salt_that_was_changed_makes_a_proof_that_fits_nothing():
    step = Pair().run(challenge=flip("s"))
    assert isinstance(step, Fail) and "wrong user or password" in step.reason


def test_extensions_are_ignored_as_the_rfc_says():
    def extended(data):
        return data + b",x=new,y=newer"

    pair = Pair()
    signature = []
    step = pair.run(challenge=extended, final=lambda data: signature.append(data) or data)
    # The proof covers what was seen; the server did not send it, so it is tampering after all...
    assert isinstance(step, Fail)
    # ...but the client took no offence.
    assert signature


@pytest.mark.parametrize(
    "hello",
    [
        b"",
        b"n",
        b"n,",
        b"x,,n=ann,r=abc",
        b"n,b=root,n=ann,r=abc",
        b"p=,,n=ann,r=abc",
        b"n,a=a=b,n=ann,r=abc",
        b"n,,m=new,n=ann,r=abc",
        b"n,,r=abc,n=ann",
        b"n,,n=ann",
        b"n,,n=,r=abc",
        b"n,,n=a=2Dn,r=abc",
        b"n,,n=a\x07n,r=abc",
        b"n,,n=ann,r=",
        b"n,,n=ann,r=a b",
        b"n,,n=ann,r=\xc3\xb6",
        b"n,,n=\xff,r=abc",
        b"n,,n=ann\0,r=abc",
        b"\0ann\0s3cret",
    ],
)
def test_a_first_message_that_is_none(hello):
    step = ScramServer("SCRAM-SHA-256", ServerPolicy(credentials=clear, nonce=Dice())).receive(hello)
    if hello:
        assert isinstance(step, Fail) and "s3cret" not in step.reason
    else:
        assert step == Challenge(b"")


@pytest.mark.parametrize(
    "final",
    [
        "",
        "c=biws",
        "c=biws,r={r}",
        "r={r},c=biws,p=AAAA",
        "c=biws,r={r},p=AAAA",
        "c=biws,r={r},p=",
        "c=biws,r={r},p=!",
        "c=!,r={r},p=AAAA",
        "c=biws,r={r},p=AAAA,x=1",
        "c=biws,r={r}x,p=AAAA",
        "c=biws,r=\u00f6,p=AAAA",
    ],
)
def test_a_final_message_that_is_none(final):
    mechanism = ScramServer("SCRAM-SHA-256", ServerPolicy(credentials=clear, nonce=Dice()))
    nonce = mechanism.receive(b"n,,n=ann,r=abc").data.decode().split(",")[0][2:]
    assert isinstance(mechanism.receive(final.format(r=nonce).encode()), Fail)


def test_a_password_of_the_server_that_cannot_be_used_is_a_refusal():
    left, right = talk(client("ann", "bell"), server(credentials=lambda mech, user: "bell\x07"))
    assert left.sasl.outcome == SASL.AUTH
    assert "cannot be used" in right.sasl.reason and "bell" not in right.sasl.reason


# -- a server that proves nothing, or asks too much ------------------------------------------------------
@pytest.mark.parametrize(
    "frames",
    [
        lambda e: [frame(SASL_OUTCOME, 0)],
        lambda e: [frame(SASL_OUTCOME, 0, e.signature)],
        lambda e: [frame(SASL_CHALLENGE, e.challenge), frame(SASL_OUTCOME, 0)],
        lambda e: [frame(SASL_CHALLENGE, e.challenge), frame(SASL_OUTCOME, 0, b"")],
        lambda e: [frame(SASL_CHALLENGE, e.challenge), frame(SASL_OUTCOME, 0, b"v=AAAA")],
        lambda e: [frame(SASL_CHALLENGE, e.challenge), frame(SASL_OUTCOME, 0, b"\xff")],
        lambda e: [frame(SASL_CHALLENGE, e.challenge), frame(SASL_CHALLENGE, e.challenge)],
        lambda e: [frame(SASL_CHALLENGE, e.challenge), *[frame(SASL_CHALLENGE, e.signature)] * 2],
        lambda e: [
            frame(SASL_CHALLENGE, e.challenge),
            frame(SASL_CHALLENGE, e.signature),
            frame(SASL_OUTCOME, 0, b"v=AAAA"),
        ],
    ],
)
def test_a_yes_without_the_right_signature_is_refused(frames):
    example = Example("SCRAM-SHA-256")
    sasl = example.client()
    data = b"".join(frames(example))
    with pytest.raises(errors.RemoteProtocolError) as caught:
        sasl.receive(data, 0, len(data))
    assert caught.value.condition == errors.UNAUTHORIZED_ACCESS
    assert sasl.outcome == SASL.AUTH and "server" in sasl.reason


def test_the_signature_may_come_twice():
    example = Example("SCRAM-SHA-1")
    sasl = example.client()
    hear(sasl, frame(SASL_CHALLENGE, example.challenge), frame(SASL_CHALLENGE, example.signature))
    hear(sasl, frame(SASL_OUTCOME, 0, example.signature))
    assert sasl.outcome == SASL.OK


@pytest.mark.parametrize(
    "count, reason",
    [
        ("1", "only 1 iterations"),
        ("4095", "only 4095 iterations"),
        ("1000001", "1000001 iterations, which would keep this client busy"),
        ("9999999999", "which would keep this client busy"),
        ("99999999999", "the iteration count is no number"),
        ("0", "the iteration count is no number"),
        ("-4096", "the iteration count is no number"),
        ("04096", "the iteration count is no number"),
        ("4096.0", "the iteration count is no number"),
        ("\u0664\u0660\u0669\u0666", "the iteration count is no number"),
        ("", "the iteration count is no number"),
    ],
)
def test_too_few_and_too_many_iterations_are_refused(count, reason, monkeypatch):
    monkeypatch.setattr(credentials.hashlib, "pbkdf2_hmac", lambda *args: pytest.fail("the work was done"))
    example = Example("SCRAM-SHA-256")
    sasl = example.client()
    challenge = frame(SASL_CHALLENGE, example.challenge.replace(b"i=4096", b"i=" + count.encode()))
    with pytest.raises(errors.RemoteProtocolError) as caught:
        sasl.receive(challenge, 0, len(challenge))
    assert reason in caught.value.description


def test_the_limits_of_iterations_are_options():
    def weak(mech, user):
        return ScramSecret.derive(mech, PASSWORDS[user], b"salt", 100)

    left, _ = talk(client("ann", "s3cret", min_iterations=100), server(credentials=weak))
    assert left.sasl.outcome == SASL.OK
    left, _ = talk(client("ann", "s3cret", min_iterations=1, max_iterations=99), server(credentials=weak))
    assert "99 is the most that is done (sasl.max_iterations)" in left.error.description


# -- secrets ---------------------------------------------------------------------------------------------
@either_directory
def test_no_repr_no_trace_and_no_error_shows_a_secret(directory):
    for password in ("s3cret", "s3cret-but-wrong"):
        seen = []
        hook = dict(frame_tracer=lambda *frame, seen=seen: seen.append(repr(frame)))
        left, right = talk(client("ann", password, **hook), server(credentials=directory, **hook))
        for side in (left, right):
            mechanism = side.mechanism
            given = getattr(mechanism, "identity", None) or mechanism.policy
            seen += map(repr, (side.sasl, mechanism, given, side.error))
        seen.append(repr(hashed("SCRAM-SHA-1", "ann")))
        assert "bytes hidden" in "".join(seen)
        for secret in ("s3cret", ",p=", "v="):
            assert secret not in "".join(seen)
