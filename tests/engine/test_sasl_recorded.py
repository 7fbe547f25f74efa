"""Exchanges recorded with other libraries, replayed against either side of ours.

`data/sasl-exchanges.jsonl`: one exchange a line, with Cyrus SASL 2.1.28 or GNU SASL 2.2.0, which was the client or
the server (`role`) beside these mechanisms. The random bytes on our side were those of `OURS`; the -PLUS variants
were bound to `BINDINGS`. Messages alternate, the client's first; null is none, as where the server speaks first.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import NamedTuple, Optional

import pytest

from reactor.engine.sasl.credentials import HASHES, ScramSecret
from reactor.engine.sasl.exchange import Challenge, ClientIdentity, Done, ServerPolicy
from reactor.engine.sasl.mechanisms import MECHANISMS

OURS = bytes(range(18))
BINDINGS = {"tls-unique": b"0123456789ab"}
ROWS = {row.name: row for row in MECHANISMS}


class Recorded(NamedTuple):
    peer: str
    role: str
    mechanism: str
    user: str
    password: str
    authorization: Optional[str]
    messages: list[Optional[bytes]]

    def __str__(self) -> str:
        return f"{self.peer}-{self.mechanism}-{self.user.encode('ascii', 'replace').decode()}"


def recorded(role):
    """All exchanges in which the other one was `role`."""
    found = []
    path = Path(__file__).parents[1] / "data" / "sasl-exchanges.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        fields["messages"] = [text if text is None else base64.b64decode(text) for text in fields["messages"]]
        if fields["role"] == role:
            found.append(Recorded(**fields))
    return found


@pytest.mark.parametrize("exchange", recorded("server"), ids=str)
def test_other_servers(exchange):
    name = exchange.mechanism
    identity = ClientIdentity(
        exchange.user,
        exchange.password,
        hostname="broker.example",
        bindings=BINDINGS if name.endswith("-PLUS") else {},
        nonce=lambda: OURS,
        named=True,
        offered=[name],
    )
    assert ROWS[name].client.lacks(name, identity) is None
    mechanism = ROWS[name].client(name, identity)
    first, *rest = exchange.messages
    assert mechanism.start() == first
    for challenge, response in zip(rest[::2], rest[1::2]):
        assert mechanism.respond(challenge) == response
    mechanism.finish(rest[-1] if len(rest) % 2 else None)


@pytest.mark.parametrize("exchange", recorded("client"), ids=str)
def test_other_clients(exchange):
    name = exchange.mechanism
    policy = ServerPolicy(
        credentials=lambda mech, user: found if user == exchange.user else None,
        authorizer=lambda user, who: (user, who) == (exchange.user, "root"),
        hostname="broker.example",
        bindings=BINDINGS if name.endswith("-PLUS") else {},
        nonce=lambda: OURS,
        named=True,
        offered=[name],
    )
    found = exchange.password
    base = name.replace("-PLUS", "")
    if base in HASHES:  # the salt was chosen then; so the secret is made with that one
        salt = base64.b64decode(exchange.messages[1].split(b",s=")[1].split(b",")[0])
        found = ScramSecret.derive(base, exchange.password, salt)
    assert ROWS[name].server.offered(name, policy)
    mechanism = ROWS[name].server(name, policy)
    for response, challenge in zip(exchange.messages[::2], exchange.messages[1::2]):
        assert mechanism.receive(response) == Challenge(challenge)
    assert mechanism.receive(exchange.messages[-1]) == Done(exchange.user, exchange.authorization or exchange.user)


def test_there_are_some_of_each():
    seen = {exchange[:3] for role in ("client", "server") for exchange in recorded(role)}
    assert {("cyrus", role, f"SCRAM-SHA-{size}") for role in ("client", "server") for size in (1, 256, 512)} <= seen
    assert {("gsasl", role, "SCRAM-SHA-256-PLUS") for role in ("client", "server")} <= seen
    assert {("cyrus", "server", "DIGEST-MD5"), ("cyrus", "server", "CRAM-MD5")} <= seen
