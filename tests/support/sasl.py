"""Two SASL layers joined by their bytes, and the frames that a peer may send instead."""

from __future__ import annotations

import pytest

from reactor.codec.definitions import SASL_MECHANISMS
from reactor.codec.performatives import encode_composite
from reactor.codec.types import UNDESCRIBED, Array, Data, symbol
from reactor.engine.limits import USUAL
from reactor.engine.sasl.layer import SASL
from reactor.errors import RemoteProtocolError

whole_and_bytewise = pytest.mark.parametrize("step", [1 << 20, 1], ids=["whole", "bytewise"])


#: What ties an exchange to a TLS that is not there.
BINDINGS = {"tls-unique": b"finished"}


class Dice:
    """A source of random bytes that is none: each throw is another, and every run the same."""

    def __init__(self, start=0):
        self.thrown = start

    def __call__(self):
        self.thrown += 1
        return bytes((7 * self.thrown + i) % 256 for i in range(18))


def client(user=None, password=None, mechs=None, **attributes):
    return make(False, mechs, user=user, password=password, **attributes)


def server(mechs=None, **attributes):
    return make(True, mechs, **attributes)


def make(is_server, mechs=None, **attributes):
    """A layer with these attributes; it has a source of "random" bytes, as those of containers have."""
    sasl = SASL(server=is_server)
    sasl.nonce = Dice(100 if is_server else 0)
    for name, value in attributes.items():
        assert hasattr(sasl, name), name
        setattr(sasl, name, value)
    if mechs is not None:
        sasl.allowed_mechs(mechs)
    return sasl


def directory(mech, user):
    """The one user of `both`."""
    return {"ann": "s3cret"}.get(user)


def both(mech):
    """A client and a server that have nothing but this mechanism, and let each other in by it."""
    shared = dict(channel_bindings=BINDINGS, external="ann", mechs=mech)
    left = client("ann", "s3cret", token="T=", secure=True, **shared)
    owners = {"T=": "ann"}
    return left, server(credentials=directory, token_owner=lambda mech, token: owners.get(token), **shared)


class Side:
    """One SASL layer, what has come for it, how it ended, and its mechanism, which it does not keep."""

    def __init__(self, sasl, step):
        self.sasl = sasl
        self.step = step
        self.waiting = b""
        self.error = self.mechanism = None

    def hear(self, data):
        """Feed `data`, `step` bytes at a time, as the transport does; what is not taken waits."""
        for at in range(0, len(data), self.step):
            if self.error is not None:
                return
            self.waiting += data[at : at + self.step]
            try:
                pos = self.sasl.receive(self.waiting, 0, len(self.waiting))
            except RemoteProtocolError as error:
                self.error = error
                return
            self.mechanism = self.sasl._mechanism or self.mechanism
            self.waiting = self.waiting[pos:]

    def say(self):
        data = bytes(self.sasl.output)
        self.sasl.output.clear()
        return data


def talk(one, other, step=1 << 20):
    """Let client and server talk until neither has more to say; returns both sides."""
    left, right = Side(one, step), Side(other, step)
    for side in (left, right):
        try:
            side.sasl.start()
        except RemoteProtocolError as error:
            side.error = error
    for _ in range(3 * USUAL.max_sasl_rounds):
        said = left.say(), right.say()
        if not any(said):
            break
        right.hear(said[0])
        left.hear(said[1])
    return left, right


def frame(code, *fields, offset=2, kind=1, extra=b""):
    body = encode_composite(code, fields) + extra
    size = offset * 4 + len(body)
    return size.to_bytes(4, "big") + bytes((offset, kind, 0, 0)) + bytes(offset * 4 - 8) + body


def mechanisms(*names):
    return frame(SASL_MECHANISMS, Array(UNDESCRIBED, Data.SYMBOL, *map(symbol, names)))


def heard(sasl, data):
    """Start `sasl`, feed it `data` at once; returns the error."""
    sasl.start()
    with pytest.raises(RemoteProtocolError) as caught:
        sasl.receive(data, 0, len(data))
    return caught.value
