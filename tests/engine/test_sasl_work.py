"""What a server does for somebody who has not logged in: 64 KiB of the worst that is known, for each mechanism."""

from __future__ import annotations

import time

import pytest

from reactor.codec.definitions import SASL_INIT, SASL_RESPONSE
from reactor.codec.types import symbol
from reactor.engine.sasl.credentials import ScramSecret
from reactor.errors import RemoteProtocolError
from tests.support.sasl import BINDINGS, frame, server

SIZE = 65000

#: What is repeated: marks out of their order, signs that separate, escapes, whatever tables are looked through for.
FILLINGS = ["a", "\u0316\u0301", "\u00e9", ",", "=", "=2C", "=3D", "\0", "\x01", '"', "\\", " ", "\u0627", "\U0001f600"]
FILLINGS += ["a=b,", ",=", 'a="', '\\"', "\u00ad", "\ufdfa", "\u0344"]

#: name -> the responses, with {} for what is repeated.
SHAPES = [
    ("PLAIN", ["\0{}\0p"]),
    ("PLAIN", ["\0u\0{}"]),
    ("PLAIN", ["{}\0u\0p"]),
    ("PLAIN", ["{}"]),
    *(
        ("SCRAM-SHA-256", responses)
        for responses in (
            ["n,,n={},r=abc"],
            ["n,,n=u,r={}"],
            ["n,a={},n=u,r=abc"],
            ["n,,{}"],
            ["{}"],
            ["n,,n=u,r=abc", "{}"],
            ["n,,n=u,r=abc", "c={},r=abc,p=abc"],
        )
    ),
    ("SCRAM-SHA-256-PLUS", ["p={},,n=u,r=abc"]),
    ("OAUTHBEARER", ["n,a={},\x01auth=Bearer x\x01\x01"]),
    ("OAUTHBEARER", ["n,,\x01auth=Bearer {}\x01\x01"]),
    ("OAUTHBEARER", ["n,,{}"]),
    ("XOAUTH2", ["user={}\x01auth=Bearer x\x01\x01"]),
    ("XOAUTH2", ["user=u\x01auth=Bearer{}\x01\x01"]),
    ("CRAM-MD5", ["", "{} 00112233445566778899aabbccddeeff"]),
    ("DIGEST-MD5", ["", "{}"]),
    ("DIGEST-MD5", ["", 'username="{}"']),
    ("EXTERNAL", ["{}"]),
    ("ANONYMOUS", ["{}"]),
]


@pytest.mark.parametrize("secret", ["s3cr\u00e9t", ScramSecret.derive("SCRAM-SHA-256", "x", b"salt")])
@pytest.mark.parametrize("name, responses", SHAPES)
def test_a_long_input_costs_little(name, responses, secret):
    for filling in FILLINGS:
        many = filling * (SIZE // len(filling.encode()))
        layer = server(
            name,
            credentials=lambda mechanism, user: secret,
            token_owner=lambda mechanism, token: None,
            external="ann",
            channel_bindings=BINDINGS,
        )
        layer.start()
        said = [response.replace("{}", many).encode() for response in responses]
        frames = [frame(SASL_INIT, symbol(name), said[0]), *(frame(SASL_RESPONSE, one) for one in said[1:])]
        before = time.process_time()
        try:
            for one in frames:
                layer.receive(one, 0, len(one))
        except RemoteProtocolError as error:
            assert len(str(error)) < 400, "and is not quoted at length"
        assert time.process_time() - before < 0.5, "it is a hundredth of that"
