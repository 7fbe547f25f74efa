"""SCRAM bound to a real TLS below, and PLAIN let through by it."""

from __future__ import annotations

import pytest

from reactor import SASL, Message
from tests.support.pair import bodies
from tests.support.sasl import Dice, directory
from tests.support.tls import VERSIONS, client_domain, server_domain, tls_pair

each_version = pytest.mark.parametrize("version", VERSIONS)


def only(domain, version):
    """`domain`, with this version of TLS and no other."""
    domain.context.maximum_version = domain.context.minimum_version = VERSIONS[version]
    return domain


def login(pair, password="s3cret", mechs=None):
    """Both sides' SASL layers when "ann" has come by this pair."""
    left, right = pair.client.transport.sasl(), pair.server.transport.sasl()
    left.user, left.password, left.nonce = "ann", password, Dice()
    right.credentials, right.nonce = directory, Dice(50)
    if mechs is not None:
        left.allowed_mechs(mechs)
    pair.client.connection.open()
    pair.server.connection.open()
    pair.pump()
    return left, right


@each_version
@pytest.mark.parametrize("piece", [1 << 20, 7])
def test_scram_is_bound_to_the_tls_below(version, piece):
    pair = tls_pair(only(client_domain(), version), piece=piece)
    hints = []
    sasl = pair.client.transport.sasl()
    sasl.frame_tracer = lambda *frame: hints.append(getattr(sasl._mechanism, "hint", ""))
    left, right = login(pair)
    assert (left.mech, left.outcome, right.user) == ("SCRAM-SHA-512-PLUS", SASL.OK, "ann")
    kind = "tls-unique" if version == "TLS 1.2" else "tls-server-end-point"
    assert kind in hints[-1]
    sender, receiver = pair.way(True, credit=1)
    sender.send(Message("hello"))
    pair.pump()
    assert bodies(receiver) == ["hello"]


@each_version
@pytest.mark.parametrize("mech", ["SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "PLAIN"])
def test_the_rest_is_there_by_name(version, mech):
    left, right = login(tls_pair(only(client_domain(), version)), mechs=mech)
    assert (left.mech, left.outcome, right.user) == (mech, SASL.OK, "ann")


def test_a_wrong_password():
    left, right = login(tls_pair(client_domain(), server_domain()), password="wrong")
    assert (left.outcome, right.outcome) == (SASL.AUTH, SASL.AUTH)
