"""Any bytes in any mechanism, on either side: nothing but the defined failure comes of them."""

from __future__ import annotations

import pytest

from reactor import errors
from reactor.codec.definitions import SASL_CHALLENGE, SASL_INIT, SASL_OUTCOME, SASL_RESPONSE
from reactor.codec.types import symbol
from reactor.engine.sasl.layer import SASL
from reactor.engine.sasl.mechanisms import MECHANISMS
from reactor.errors import RemoteProtocolError
from tests.support.properties import needs_hypothesis
from tests.support.sasl import Side, both, frame, mechanisms

hypothesis = needs_hypothesis()
given, settings, st = hypothesis.given, hypothesis.settings, hypothesis.strategies
quick = settings(max_examples=60, deadline=None, derandomize=True)

each_mechanism = pytest.mark.parametrize("mech", [row.name for row in MECHANISMS])

#: What messages are made of, so that some of the garbage comes further than the first byte.
WORDS = """n,, y,, p=tls-unique,, n=ann r= s=QUJD i=4096 c=biws p=QUJD v=QUJD e=x m=x , = =2C
    user=ann \x01 auth=Bearer T= {"status":"4"} \0ann\0s3cret ann 0123
    nonce="x" algorithm=md5-sess charset=utf-8 realm=" rspauth= response=0 username=ann"""
words = st.lists(st.sampled_from([*WORDS.encode().split(), b" ", b"\xff"]), max_size=9)
messages = st.one_of(st.binary(max_size=80), words.map(b",".join), words.map(b"".join))


def survives(sasl, data):
    """Feed `data`: nothing but the defined failure may come out."""
    try:
        sasl.receive(data, 0, len(data))
    except RemoteProtocolError as error:
        assert error.condition in (errors.UNAUTHORIZED_ACCESS, errors.NOT_ALLOWED, errors.DECODE_ERROR)
        assert len(str(error)) < 600
        return error
    return None


@each_mechanism
@quick
@given(st.lists(messages, max_size=4), messages)
def test_garbage_from_a_server(mech, challenges, data):
    sasl = both(mech)[0]
    frames = [mechanisms(mech), *[frame(SASL_CHALLENGE, challenge) for challenge in challenges]]
    survives(sasl, b"".join(frames) + frame(SASL_OUTCOME, SASL.OK, data))
    # A server that has to prove itself has not done so; one that has not may say yes.
    if mech not in ("EXTERNAL", "ANONYMOUS", "PLAIN", "CRAM-MD5", "OAUTHBEARER", "XOAUTH2"):
        assert sasl.outcome != SASL.OK


@each_mechanism
@quick
@given(st.none() | messages, st.lists(messages, max_size=4))
def test_garbage_from_a_client(mech, hello, responses):
    sasl = both(mech)[1]
    sasl.start()
    frames = [frame(SASL_INIT, symbol(mech), hello), *[frame(SASL_RESPONSE, response) for response in responses]]
    data = b"".join(frames)
    error = survives(sasl, data)
    if sasl.outcome == SASL.OK:
        assert mech in ("ANONYMOUS", "EXTERNAL", "PLAIN", "OAUTHBEARER", "XOAUTH2")
    elif error is not None and error.condition == errors.UNAUTHORIZED_ACCESS:
        assert sasl.output.endswith(frame(SASL_OUTCOME, SASL.AUTH))


@each_mechanism
@quick
@given(st.integers(0, 5), st.integers(0, 10**6), st.integers(1, 255))
def test_one_byte_that_is_another(mech, which, at, by):
    """One message of a good exchange, changed in one place: both sides end, and never with another's name."""
    left, right = (Side(sasl, 1 << 20) for sasl in both(mech))
    right.sasl.start()
    left.hear(right.say())
    for turn in range(6):
        one, other = (left, right) if turn % 2 == 0 else (right, left)
        said = bytearray(one.say())
        if not said:
            break
        if turn == which:
            said[at % len(said)] ^= by
        other.hear(bytes(said))
        for side in (left, right):
            assert side.error is None or isinstance(side.error, RemoteProtocolError)
    if right.sasl.outcome == SASL.OK:
        assert right.sasl.user in ("ann", "anonymous")
        assert right.sasl.authorization in ("ann", "anonymous")
