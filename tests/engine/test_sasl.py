"""SASL: two sides joined by their bytes, whole and byte by byte, and whatever a peer may send instead."""

from __future__ import annotations

import pytest

from reactor import errors
from reactor.codec.definitions import (
    OPEN,
    SASL_CHALLENGE,
    SASL_INIT,
    SASL_MECHANISMS,
    SASL_OUTCOME,
    SASL_RESPONSE,
)
from reactor.codec.types import symbol
from reactor.engine.limits import USUAL, Limits
from reactor.engine.sasl.exchange import Challenge, MechanismError
from reactor.engine.sasl.layer import SASL
from reactor.engine.sasl.mechanisms import MECHANISMS, AnonymousClient, PlainClient, PlainServer
from reactor.errors import RemoteProtocolError, SASLException
from tests.support.sasl import Side, client, directory, frame, heard, make, mechanisms, server, talk, whole_and_bytewise

PASSWORDS = {"ann": "s3cret", "jörg": "p:a\tß€", "root": "toor"}


def knows(mech, user, password):
    """An authenticator with a list of its own."""
    return PASSWORDS.get(user) == password


# -- who gets in -----------------------------------------------------------------------------------------
@whole_and_bytewise
@pytest.mark.parametrize(
    "one, other, mech, user, authorization",
    [
        (dict(), dict(), "ANONYMOUS", "anonymous", "anonymous"),
        (dict(user="ann"), dict(), "ANONYMOUS", "anonymous", "anonymous"),
        (dict(user="ann", password="s3cret", mechs="ANONYMOUS"), dict(), "ANONYMOUS", "anonymous", "anonymous"),
        (dict(), dict(authenticator=knows, mechs="PLAIN ANONYMOUS"), "ANONYMOUS", "anonymous", "anonymous"),
        (dict(user="ann", password="s3cret", secure=True), dict(authenticator=knows), "PLAIN", "ann", "ann"),
        (
            dict(user="ann", password="s3cret", allow_insecure_mechs=True, mechs=["plain"]),
            dict(authenticator=knows, mechs="PLAIN GSSAPI"),
            "PLAIN",
            "ann",
            "ann",
        ),
        (
            dict(user="jörg", password="p:a\tß€", secure=True),
            dict(authenticator=knows),
            "PLAIN",
            "jörg",
            "jörg",
        ),
        (
            dict(user="ann", password="s3cret", secure=True, authorization="ann"),
            dict(authenticator=knows),
            "PLAIN",
            "ann",
            "ann",
        ),
        (
            dict(user="root", password="toor", secure=True, authorization="ann"),
            dict(authenticator=knows, authorizer=lambda user, who: (user, who) == ("root", "ann")),
            "PLAIN",
            "root",
            "ann",
        ),
        (dict(external="CN=ann"), dict(external="CN=ann"), "EXTERNAL", "CN=ann", "CN=ann"),
        (dict(mechs="EXTERNAL"), dict(external="CN=ann"), "EXTERNAL", "CN=ann", "CN=ann"),
        (dict(), dict(external="CN=ann"), "ANONYMOUS", "anonymous", "anonymous"),
        (
            dict(user="ann", password="s3cret", external="CN=ann", secure=True),
            dict(external="CN=ann", authenticator=knows),
            "EXTERNAL",
            "CN=ann",
            "CN=ann",
        ),
    ],
)
def test_the_strongest_common_mechanism_lets_in(one, other, mech, user, authorization, step):
    left, right = talk(client(**one), server(**other), step)
    assert (left.error, right.error) == (None, None)
    assert (left.sasl.mech, right.sasl.mech) == (mech, mech)
    assert (left.sasl.outcome, right.sasl.outcome) == (SASL.OK, SASL.OK)
    assert (right.sasl.user, right.sasl.authorization) == (user, authorization)
    assert left.sasl.user == one.get("user")
    assert left.sasl.finished and right.sasl.finished


@whole_and_bytewise
def test_what_follows_the_outcome_is_left_for_the_next_layer(step):
    left, right = Side(client(), step), Side(server(), step)
    right.sasl.start()
    left.hear(right.say())
    right.hear(left.say() + b"AMQP\x00\x01\x00\x00")
    assert right.waiting == b"AMQP\x00\x01\x00\x00"
    left.hear(right.say() + b"AMQP\x00\x01\x00\x00 and more")
    assert left.waiting == b"AMQP\x00\x01\x00\x00 and more"


def test_the_frames_are_those_of_the_original():
    left, right = client(), server()
    right.start()
    # A single name as a plain symbol is what peers send too; both were seen from real ones.
    offer = b"\x00\x00\x00\x1c\x02\x01\x00\x00\x00S@\xc0\x0f\x01\xe0\x0c\x01\xa3\tANONYMOUS"
    assert left.receive(offer, 0, len(offer)) == len(offer)
    assert left.output == b"\x00\x00\x00$\x02\x01\x00\x00\x00SA\xc0\x17\x02\xa3\tANONYMOUS\xa0\tanonymous"
    right.output.clear()
    right.receive(bytes(left.output), 0, len(left.output))
    assert right.output == b"\x00\x00\x00\x10\x02\x01\x00\x00\x00SD\xc0\x03\x01P\x00"


def test_a_single_mechanism_may_come_without_an_array():
    sasl = client()
    offer = frame(SASL_MECHANISMS, symbol("ANONYMOUS"))
    sasl.receive(offer, 0, len(offer))
    assert sasl.mech == "ANONYMOUS"


def test_the_host_is_told_when_it_is_known():
    seen = []
    left, right = client(hostname="vhost"), server(frame_tracer=lambda *frame: seen.append(frame))
    talk(left, right)
    assert ("<-", SASL_INIT, ["ANONYMOUS", b"anonymous", "vhost"]) in seen


@pytest.mark.parametrize("mech, response", [("PLAIN", b"\0ann\0s3cret"), ("EXTERNAL", b"")])
def test_a_client_may_wait_to_be_asked(mech, response):
    sasl = server(authenticator=knows, external="ann")
    sasl.start()
    sasl.output.clear()
    init = frame(SASL_INIT, symbol(mech))
    sasl.receive(init, 0, len(init))
    assert sasl.output == frame(SASL_CHALLENGE, b"")
    answer = frame(SASL_RESPONSE, response)
    sasl.receive(answer, 0, len(answer))
    assert (sasl.outcome, sasl.user) == (SASL.OK, "ann")


# -- who does not ----------------------------------------------------------------------------------------
@whole_and_bytewise
@pytest.mark.parametrize(
    "one, other, reason",
    [
        (dict(user="ann", password="wrong"), dict(authenticator=knows), "wrong user or password for 'ann'"),
        (dict(user="bob", password="s3cret"), dict(authenticator=knows), "wrong user or password for 'bob'"),
        (dict(user="ann", password=""), dict(authenticator=knows), "wrong user or password for 'ann'"),
        (
            dict(user="ann", password="s3cret", authorization="root"),
            dict(authenticator=knows),
            "user 'ann' may not act as 'root'",
        ),
        (
            dict(user="ann", password="s3cret", authorization="root"),
            dict(authenticator=knows, authorizer=lambda user, who: False),
            "user 'ann' may not act as 'root'",
        ),
        (
            dict(mechs="EXTERNAL", authorization="root"),
            dict(external="ann"),
            "user 'ann' may not act as 'root'",
        ),
    ],
)
def test_a_refusal_is_heard_on_both_sides(one, other, reason, step):
    left, right = talk(client(secure=True, **one), server(**other), step)
    assert (left.sasl.outcome, right.sasl.outcome) == (SASL.AUTH, SASL.AUTH)
    for side in (left, right):
        assert side.error.condition == errors.UNAUTHORIZED_ACCESS
        assert side.error.description.startswith(f"Authentication failed [mech={right.sasl.mech}]: ")
        assert side.sasl.finished
    assert right.sasl.reason == reason
    if left.sasl.mech == "PLAIN":
        assert left.sasl.reason == f"the server refused user {one['user']!r} or the password"
    assert right.sasl.user is None and right.sasl.authorization is None


@whole_and_bytewise
@pytest.mark.parametrize(
    "one, other, reason",
    [
        (dict(mechs="PLAIN"), dict(), "offers ANONYMOUS, this client would use PLAIN; ANONYMOUS is"),
        (dict(mechs="PLAIN"), dict(authenticator=knows), "PLAIN needs a user and a password"),
        (dict(mechs="PLAIN", user="ann"), dict(authenticator=knows), "PLAIN needs a password"),
        (dict(), dict(external="ann", mechs="EXTERNAL"), "EXTERNAL needs a client certificate, or"),
        (dict(mechs="GSSAPI"), dict(), "this client would use nothing"),
        (dict(mechs=[]), dict(), "this client would use nothing"),
    ],
)
def test_nothing_in_common_is_explained(one, other, reason, step):
    left, right = talk(client(secure=True, **one), server(**other), step)
    assert left.sasl.outcome == SASL.PERM
    assert left.error.condition == errors.UNAUTHORIZED_ACCESS
    assert left.error.description.startswith("Authentication failed [mech=none]: no mechanism in common: ")
    assert reason in left.error.description
    assert left.sasl.mech is None and not left.sasl.output
    assert right.sasl.outcome is None and not right.sasl.finished  # it waits; the transport will end that


def test_unknown_offers_are_named_but_bounded():
    error = heard(client(), mechanisms("SCRAM-SHA-256", "evil\x1b[0m", "X" * 200, *["Y"] * 50))
    assert "SCRAM-SHA-256" in error.description and "no mechanism in common" in error.description
    assert "\x1b" not in error.description and len(error.description) < 400


def test_a_password_is_not_shown_to_the_network():
    left, _ = talk(client("ann", "s3cret"), server(authenticator=knows))
    assert left.sasl.outcome == SASL.PERM and not left.sasl.output
    assert "PLAIN would show the password" in left.error.description
    assert "amqps://" in left.error.description and "allow_insecure_mechs=True" in left.error.description


@pytest.mark.parametrize("user, password", [("a\0b", "s3cret"), ("ann", "s3c\0ret"), ("ann", "s3cret\ud800")])
def test_what_plain_cannot_carry_is_said_before_anything_is_sent(user, password):
    left, _ = talk(client(user, password, secure=True), server(authenticator=knows))
    assert left.sasl.outcome == SASL.PERM and not left.sasl.output
    assert left.error.condition == errors.UNAUTHORIZED_ACCESS
    assert "s3c" not in left.error.description


@pytest.mark.parametrize(
    "response",
    [b"", b"ann", b"ann\0s3cret", b"\0ann\0s3cret\0", b"\0\0s3cret", b"\0ann\xff\0s3cret", b"\0" * 500],
)
def test_a_response_that_is_not_plain_is_refused(response):
    sasl = server(authenticator=knows)
    error = heard(sasl, frame(SASL_INIT, symbol("PLAIN"), response))
    assert (error.condition, sasl.outcome) == (errors.UNAUTHORIZED_ACCESS, SASL.AUTH)
    assert "s3cret" not in str(error)
    assert sasl.output.endswith(frame(SASL_OUTCOME, SASL.AUTH))


def test_a_response_that_is_not_external_is_refused():
    error = heard(server(external="ann"), frame(SASL_INIT, symbol("EXTERNAL"), b"\xff"))
    assert "does not have the form that EXTERNAL prescribes" in error.description


def test_a_server_that_does_not_prove_itself_is_refused(monkeypatch):
    # What a mechanism with a server's signature will do: the server's yes alone is not enough.
    def unproved(self, data):
        raise MechanismError(f"the server's signature is wrong: {data!r}")

    monkeypatch.setattr(AnonymousClient, "finish", unproved)
    sasl = client()
    error = heard(sasl, mechanisms("ANONYMOUS") + frame(SASL_OUTCOME, SASL.OK, b"v=x"))
    assert "signature is wrong: b'v=x'" in error.description
    assert (error.condition, sasl.outcome) == (errors.UNAUTHORIZED_ACCESS, SASL.AUTH)


@pytest.mark.parametrize("mech", ["PLAIN", "EXTERNAL", "SCRAM-SHA-256", "anonymous", "X" * 300])
def test_a_mechanism_that_was_not_offered_is_refused(mech):
    sasl = server()
    error = heard(sasl, frame(SASL_INIT, symbol(mech), b"\0ann\0s3cret"))
    assert (error.condition, sasl.outcome) == (errors.UNAUTHORIZED_ACCESS, SASL.AUTH)
    assert "not offered" in error.description and len(error.description) < 200
    assert sasl.output.endswith(frame(SASL_OUTCOME, SASL.AUTH))


def test_a_server_with_nothing_to_offer_says_so():
    sasl = server(mechs="PLAIN")
    with pytest.raises(RemoteProtocolError, match="PLAIN needs an authenticator") as caught:
        sasl.start()
    assert caught.value.condition == errors.UNAUTHORIZED_ACCESS and not sasl.output


@pytest.mark.parametrize(
    "code, words",
    [(SASL.AUTH, "refused"), (SASL.SYS, "system"), (SASL.PERM, "not go away"), (SASL.TEMP, "try again")],
)
def test_each_outcome_says_what_it_means(code, words):
    sasl = client()
    error = heard(sasl, mechanisms("ANONYMOUS") + frame(SASL_OUTCOME, code))
    assert (error.condition, sasl.outcome) == (errors.UNAUTHORIZED_ACCESS, code)
    assert words in error.description


def test_an_authenticator_that_fails_is_not_silent_on_either_side():
    def broken(mech, user, password):
        raise RuntimeError("the directory is down")

    sasl = server(authenticator=broken)
    sasl.start()
    sasl.output.clear()
    init = frame(SASL_INIT, symbol("PLAIN"), b"\0ann\0s3cret")
    with pytest.raises(RuntimeError, match="directory"):
        sasl.receive(init, 0, len(init))
    assert sasl.outcome == SASL.SYS and sasl.output == frame(SASL_OUTCOME, SASL.SYS)


# -- the server's own decision ---------------------------------------------------------------------------
def test_done_before_the_choice_answers_the_choice():
    sasl = server()
    sasl.done(SASL.OK)
    left, right = talk(client(), sasl)
    assert (left.sasl.outcome, right.sasl.outcome) == (SASL.OK, SASL.OK)
    sasl = server()
    sasl.done(SASL.TEMP)
    left, right = talk(client(), sasl)
    assert (left.sasl.outcome, right.sasl.outcome) == (SASL.TEMP, SASL.TEMP)
    assert "the application called SASL.done" in right.error.description


def test_done_between_challenge_and_response():
    sasl = server(authenticator=knows)
    sasl.start()
    init = frame(SASL_INIT, symbol("PLAIN"))
    sasl.receive(init, 0, len(init))
    sasl.done(SASL.SYS)
    assert sasl.output.endswith(frame(SASL_OUTCOME, SASL.SYS)) and sasl.finished
    with pytest.raises(RemoteProtocolError, match=r"the application called SASL\.done\(\)") as caught:
        sasl.receive(b"AMQP\x00\x01\x00\x00", 0, 8)  # the client goes on as if it had been let in
    assert caught.value.condition == errors.UNAUTHORIZED_ACCESS
    sasl.done(SASL.SYS)
    with pytest.raises(SASLException, match="already ended with outcome 2"):
        sasl.done(SASL.OK)


def test_done_is_for_servers_and_for_outcomes():
    with pytest.raises(SASLException, match=r"done\(\) is for servers"):
        client().done(SASL.OK)
    with pytest.raises(SASLException, match="7 is no SASL outcome"):
        server().done(7)


def test_names_of_the_original_that_do_nothing():
    sasl = client()
    sasl.config_name("x")
    sasl.config_path("/x")
    assert SASL.extended() is True
    assert (SASL.OK, SASL.AUTH, SASL.SYS, SASL.PERM, SASL.TEMP) == (0, 1, 2, 3, 4)


# -- what a peer may send instead ------------------------------------------------------------------------
GARBAGE = {
    "frame shorter than its header": (b"\x00\x00\x00\x07\x02\x01\x00\x00", errors.FRAMING_ERROR),
    "size of nothing": (b"\x00\x00\x00\x00", errors.FRAMING_ERROR),
    "frame of 4 GiB": (b"\xff\xff\xff\xff\x02\x01\x00\x00", errors.FRAMING_ERROR),
    "frame over the limit": ((65537).to_bytes(4, "big"), errors.FRAMING_ERROR),
    "protocol header": (b"AMQP\x00\x01\x00\x00", errors.FRAMING_ERROR),
    "http": (b"HTTP/1.1 400 Bad Request\r\n", errors.FRAMING_ERROR),
    "AMQP frame": (frame(OPEN, "id", kind=0), errors.FRAMING_ERROR),
    "data offset inside the header": (b"\x00\x00\x00\x10\x01\x01\x00\x00" + bytes(8), errors.FRAMING_ERROR),
    "data offset behind the frame": (b"\x00\x00\x00\x10\x05\x01\x00\x00" + bytes(8), errors.FRAMING_ERROR),
    "empty frame": (b"\x00\x00\x00\x08\x02\x01\x00\x00", errors.FRAMING_ERROR),
    "no composite": (b"\x00\x00\x00\x09\x02\x01\x00\x00\x40", errors.DECODE_ERROR),
    "unknown descriptor": (b"\x00\x00\x00\x0c\x02\x01\x00\x00\x00\x53\x99\x45", errors.DECODE_ERROR),
    "performative of AMQP": (frame(OPEN, "id"), errors.NOT_ALLOWED),
    "cut short inside": (b"\x00\x00\x00\x0d\x02\x01\x00\x00\x00\x53\x40\xc0\x20", errors.DECODE_ERROR),
}


@whole_and_bytewise
@pytest.mark.parametrize("what", GARBAGE)
@pytest.mark.parametrize("make", [client, server])
def test_garbage_ends_with_the_right_condition(make, what, step):
    data, condition = GARBAGE[what]
    side = Side(make(), step)
    side.sasl.start()
    side.hear(data)
    assert side.error is not None and side.error.condition == condition
    assert side.error.scope == "connection"


@pytest.mark.parametrize(
    "make, data, condition",
    [
        (client, frame(SASL_INIT, symbol("ANONYMOUS")), errors.NOT_ALLOWED),
        (client, frame(SASL_OUTCOME, 0), errors.NOT_ALLOWED),
        (client, frame(SASL_CHALLENGE, b"x"), errors.NOT_ALLOWED),
        (client, mechanisms("ANONYMOUS") * 2, errors.NOT_ALLOWED),
        (client, mechanisms("ANONYMOUS") + frame(SASL_RESPONSE, b""), errors.NOT_ALLOWED),
        (client, mechanisms("ANONYMOUS") + frame(SASL_CHALLENGE, b"x"), errors.UNAUTHORIZED_ACCESS),
        (client, mechanisms("ANONYMOUS") + frame(SASL_OUTCOME, 5), errors.DECODE_ERROR),
        (client, mechanisms(), errors.UNAUTHORIZED_ACCESS),
        (client, mechanisms("ANONYMOUS")[:-9] + b"\xff" * 9, errors.DECODE_ERROR),
        (client, frame(SASL_MECHANISMS, symbol("ANONYMOUS"), extra=b"\x40"), errors.DECODE_ERROR),
        (client, b"\x00\x00\x00\x0c\x02\x01\x00\x00\x00\x53\x40\x45", errors.DECODE_ERROR),
        (client, b"\x00\x00\x00\x10\x02\x01\x00\x00\x00\x53\x40\xc0\x03\x01\x50\x01", errors.DECODE_ERROR),
        (server, mechanisms("ANONYMOUS"), errors.NOT_ALLOWED),
        (server, frame(SASL_OUTCOME, 0), errors.NOT_ALLOWED),
        (server, frame(SASL_RESPONSE, b""), errors.NOT_ALLOWED),
        (server, b"\x00\x00\x00\x0c\x02\x01\x00\x00\x00\x53\x41\x45", errors.DECODE_ERROR),
    ],
)
def test_frames_out_of_order_or_out_of_shape(make, data, condition):
    sasl = make()
    assert heard(sasl, data).condition == condition
    assert sasl.outcome != SASL.OK


def test_nothing_is_taken_after_the_end():
    sasl = server()
    sasl.start()
    init = frame(SASL_INIT, symbol("ANONYMOUS"))
    assert sasl.receive(init * 2, 0, 2 * len(init)) == len(init)
    assert sasl.receive(init, 0, len(init)) == 0


def test_an_extended_header_is_skipped():
    sasl = server()
    sasl.start()
    init = frame(SASL_INIT, symbol("ANONYMOUS"), offset=4)
    assert sasl.receive(init, 0, len(init)) == len(init)
    assert sasl.outcome == SASL.OK


def test_the_frame_limit_is_an_option():
    sasl = client(max_frame_size=16)
    assert "at most 16" in heard(sasl, mechanisms("ANONYMOUS")).description


def test_the_bytes_before_and_behind_are_not_looked_at():
    sasl = client()
    offer = mechanisms("ANONYMOUS")
    assert sasl.receive(b"\xff" * 7 + offer + b"\xff" * 9, 7, 7 + len(offer)) == 7 + len(offer)
    assert sasl.mech == "ANONYMOUS"


@pytest.mark.parametrize("is_server", [True, False])
def test_an_exchange_without_end_is_ended(is_server, monkeypatch):
    # No mechanism here asks twice, but the ones to come do: let these two be never content.
    monkeypatch.setattr(PlainServer, "receive", lambda self, response: Challenge(b"more"))
    monkeypatch.setattr(PlainClient, "respond", lambda self, challenge: b"more")
    sasl = make(is_server, user="ann", password="s3cret", secure=True, authenticator=knows)
    sasl.start()
    first = frame(SASL_INIT, symbol("PLAIN")) if is_server else mechanisms("PLAIN")
    again = frame(SASL_RESPONSE if is_server else SASL_CHALLENGE, b"more")
    data = first + USUAL.max_sasl_rounds * again
    assert sasl.receive(data, 0, len(data)) == len(data)
    with pytest.raises(RemoteProtocolError, match="rounds") as caught:
        sasl.receive(again, 0, len(again))
    assert caught.value.condition == errors.RESOURCE_LIMIT_EXCEEDED


# -- bounds, from both sides -----------------------------------------------------------------------------
@pytest.mark.parametrize("size", [*range(8), 8, 15, 16, 17, 65536, 65537])
def test_a_frame_has_a_least_and_a_largest_size(size):
    """Known from its first four bytes, and told."""
    sasl = client(max_frame_size=16 if size < 20 else 65536)
    begun = size.to_bytes(4, "big")
    if size < 8:
        assert heard(sasl, begun).description == f"a SASL frame of {size} bytes, which is less than its header"
    elif size > sasl.max_frame_size:
        assert f"a SASL frame of {size} bytes; at most {sasl.max_frame_size} are" in heard(sasl, begun).description
    else:
        assert sasl.receive(begun, 0, 4) == 0
        assert sasl.receive(begun + b"\x02\x01\x00\x00", 0, 8) == 0 if size > 8 else True


@pytest.mark.parametrize("before", [0, 1, 3, 4, 8, 100])
@pytest.mark.parametrize("what, words", [
    (b"AMQP\x00\x01\x00\x00", "a protocol header within the SASL exchange"),
    (b"HTTP/1.1", "a SASL frame of 1213486160 bytes; at most 65536 are accepted"),
    (b"AMQO\x00\x01\x00\x00", "a SASL frame of 1095586127 bytes; at most 65536 are accepted"),
])  # fmt: skip
def test_what_comes_instead_of_a_frame_is_named(what, words, before):
    data = b"\x00" * before + what
    with pytest.raises(RemoteProtocolError) as caught:
        client().receive(data, before, len(data))
    assert caught.value.description == words
    sasl, offer = client(), mechanisms("ANONYMOUS")
    assert heard(sasl, offer + what).description == words and sasl.mech == "ANONYMOUS"


@pytest.mark.parametrize("before", [0, 7, 64, 255])
def test_frames_that_are_not_whole_yet_wait_wherever_they_are_cut(before):
    offer, challenge = mechanisms("PLAIN"), frame(SASL_CHALLENGE, b"")
    for cut in range(len(offer) + len(challenge)):
        sasl = client("ann", "s3cret", secure=True)
        data = b"\xff" * before + (offer + challenge)[:cut] + b"\x00" * 100
        taken = sasl.receive(data, before, before + cut)
        assert taken - before == (len(offer) if cut >= len(offer) else 0)
        assert (sasl.mech == "PLAIN") is (cut >= len(offer)) and not sasl.finished


@pytest.mark.parametrize("before", [0, 5])
@pytest.mark.parametrize("extra", [1, 2, 9])
def test_bytes_behind_a_frame_s_fields_are_counted(extra, before):
    data = b"\x00" * before + frame(SASL_MECHANISMS, symbol("ANONYMOUS"), extra=b"\x40" * extra)
    with pytest.raises(RemoteProtocolError) as caught:
        client().receive(data, before, len(data))
    assert caught.value.description == f"{extra} bytes behind the sasl-mechanisms"


@pytest.mark.parametrize("offset", range(6))
def test_a_data_offset_is_within_its_frame(offset):
    sasl = server()
    init = frame(SASL_INIT, symbol("ANONYMOUS"), offset=3)
    init = init[:4] + bytes([offset]) + init[5:]
    nothing_more = b"\x00\x00\x00\x0c" + bytes([offset]) + b"\x01\x00\x00" + b"\x00" * 4
    error = heard(server(), nothing_more).description
    assert ("data offset" in error) is (offset < 2 or offset > 3) and ("an empty SASL frame" == error) is (offset == 3)
    sasl.start()
    if offset == 3:
        assert sasl.receive(init, 0, len(init)) == len(init) and sasl.outcome == SASL.OK
        return
    with pytest.raises(RemoteProtocolError) as caught:
        sasl.receive(init, 0, len(init))
    assert (caught.value.condition == errors.FRAMING_ERROR) is (offset < 2 or offset * 4 > len(init))
    assert sasl.outcome is None


@whole_and_bytewise
@pytest.mark.parametrize("room", [-1, 0, 1])
@pytest.mark.parametrize("rounds", [1, 2])
def test_all_of_an_exchange_is_bounded_to_the_byte(rounds, room, step):
    response = b"\0ann\0" + b"s3cret" * 100
    data = frame(SASL_INIT, symbol("PLAIN"), response)
    if rounds > 1:
        data = frame(SASL_INIT, symbol("PLAIN")) + frame(SASL_RESPONSE, response)
    limits = Limits(max_sasl_size=len(data) + room)
    side = Side(server(authenticator=lambda mech, user, password: True, limits=limits), step)
    side.sasl.start()
    side.hear(data)
    if room < 0:
        assert side.error.condition == errors.RESOURCE_LIMIT_EXCEEDED and side.sasl.outcome is None
        assert side.error.description == f"a SASL exchange of more than {len(data) + room} bytes"
    else:
        assert side.error is None and side.sasl.outcome == SASL.OK


def test_no_bound_of_an_exchange_is_none():
    sasl = server(authenticator=knows, limits=Limits(max_sasl_size=0))
    sasl.start()
    init = frame(SASL_INIT, symbol("PLAIN"), b"\0ann\0s3cret")
    assert sasl.receive(init, 0, len(init)) == len(init) and sasl.outcome == SASL.OK


@pytest.mark.parametrize("first", range(5))
@pytest.mark.parametrize("then", range(5))
def test_an_outcome_stands_whatever_done_says_later(first, then):
    sasl = server(authenticator=knows)
    sasl.start()
    init = frame(SASL_INIT, symbol("PLAIN"))
    sasl.receive(init, 0, len(init))
    sasl.done(first)
    said = bytes(sasl.output)
    if first == then:
        sasl.done(then)
    else:
        with pytest.raises(SASLException, match=f"already ended with outcome {first}"):
            sasl.done(then)
    assert (sasl.outcome, bytes(sasl.output)) == (first, said)


@pytest.mark.parametrize("outcome", range(5))
def test_what_done_says_before_the_choice_is_said_once(outcome):
    sasl = server()
    for other in (4, 0, outcome):
        sasl.done(other)  # the last word counts: nothing was told yet
    sasl.start()
    sasl.output.clear()
    init = frame(SASL_INIT, symbol("GSSAPI"))
    if outcome == SASL.OK:
        assert sasl.receive(init, 0, len(init)) == len(init)
    else:
        with pytest.raises(RemoteProtocolError, match=r"\[mech=none\]: the application called SASL\.done"):
            sasl.receive(init, 0, len(init))
    assert sasl.output == frame(SASL_OUTCOME, outcome) and (sasl.outcome, sasl.finished) == (outcome, True)


@pytest.mark.parametrize("code", [*range(1, 5), 5, 255])
def test_only_the_outcome_ok_lets_a_client_go_on(code):
    sasl = client()
    error = heard(sasl, mechanisms("ANONYMOUS") + frame(SASL_OUTCOME, code))
    assert (error.condition == errors.DECODE_ERROR) is (code > 4)
    assert sasl.outcome == (code if code < 5 else None)
    assert sasl.finished is (code < 5)


# -- secrets ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("password, outcome", [("s3cret", SASL.OK), ("s3cret-but-wrong", SASL.AUTH)])
def test_no_repr_no_trace_and_no_error_shows_the_password(password, outcome):
    seen = []
    hook = dict(frame_tracer=lambda *frame: seen.append(repr(frame)))
    left, right = talk(client("ann", password, secure=True, **hook), server(authenticator=knows, **hook))
    assert left.sasl.outcome == outcome
    told = [*seen, *map(repr, (left.sasl, right.sasl, left.mechanism, left.mechanism.identity))]
    told += [str(side.error) for side in (left, right)]
    assert len(seen) == 6 and "bytes hidden" in "".join(seen)
    assert "s3cret" not in "".join(told)


def test_when_both_have_agreed_neither_keeps_its_mechanism_with_the_credentials():
    left, right = talk(client("ann", "s3cret", secure=True), server(authenticator=knows))
    assert left.sasl.outcome == right.sasl.outcome == SASL.OK
    assert left.sasl._mechanism is None and right.sasl._mechanism is None
    assert (left.sasl.mech, right.sasl.mech, right.sasl.user) == ("PLAIN", "PLAIN", "ann")


def test_a_password_in_the_wrong_place_is_not_quoted_back():
    sasl = server(authenticator=knows)
    text = b"\xa1\x0b\x00ann\x00s3cret"  # a string where binary belongs
    body = b"\x00\x53\x41\xc0" + bytes((len(text) + 8, 2)) + b"\xa3\x05PLAIN" + text
    error = heard(sasl, (8 + len(body)).to_bytes(4, "big") + b"\x02\x01\x00\x00" + body)
    assert error.condition == errors.DECODE_ERROR
    assert "s3cret" not in str(error)


@pytest.mark.parametrize("given", [dict(token="T="), dict(user="ann", token="T="), dict(password="x")])
def test_who_has_something_to_prove_is_not_let_in_as_nobody(given):
    left, right = talk(client(**given), server())
    assert "ANONYMOUS needs to be named in allowed_mechs" in str(left.error) and right.sasl.outcome is None
    left, right = talk(client(mechs="ANONYMOUS", **given), server())
    assert left.error is None and right.sasl.outcome == SASL.OK


def test_what_is_allowed_cannot_be_said_when_it_was_offered_or_chosen():
    for one, other in ((client(), server()), (client("ann", "s3cret"), server(credentials=directory))):
        other.start()
        with pytest.raises(SASLException, match="too late"):
            other.allowed_mechs("PLAIN")
        assert other.allowed is None
        one.allowed_mechs("ANONYMOUS SCRAM-SHA-256")
        one.receive(bytes(other.output), 0, len(other.output))
        with pytest.raises(SASLException, match="too late"):
            one.allowed_mechs("PLAIN")


@pytest.mark.parametrize("mechs", [None, "ANONYMOUS"])
def test_a_server_that_asks_for_nothing_offers_that_alone(mechs):
    sasl = server(mechs)
    sasl.start()
    policy = sasl.policy(())
    offered = [row.name for row in MECHANISMS if sasl.allows(row.name) and row.server.offered(row.name, policy)]
    assert list(sasl._offered) == offered == ["ANONYMOUS"]
