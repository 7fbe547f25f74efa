"""The table "On purpose otherwise" of handlers/README.md, line by line, on the names of the alias."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import Any

import pytest

from reactor import LocalProtocolError, Pairs
from reactor.as_proton.modules import make
from reactor.container.reconnect.backoff import read_delays
from tests.support.pair import Pair
from tests.support.stage import Stage

MODULES = make()
proton: Any = MODULES["proton"]
handlers: Any = MODULES["proton.handlers"]
reactor: Any = MODULES["proton.reactor"]


def test_an_outcome_that_was_given_is_not_overridden() -> None:
    class Choosy(handlers.MessagingHandler):  # type: ignore[misc]  # a module made at run time
        def on_message(self, event: Any) -> None:
            event.delivery.update(proton.Delivery.RELEASED)

    stage = Stage()
    client = stage.container(Choosy())
    connection = client.connect(stage.url)
    client.create_receiver(connection, "q")
    stage.run()
    sender = stage.server.last("on_link_opened").link
    delivery = sender.send(proton.Message("x"))
    stage.run()
    assert delivery.remote_state == proton.Delivery.RELEASED


def test_a_tag_of_an_unsettled_delivery_is_refused() -> None:
    pair = Pair()
    pair.open()
    link, _ = pair.link("l", True)
    link.delivery("tag")
    link.send(b"x")
    link.advance()
    with pytest.raises(LocalProtocolError, match="tag"):
        link.delivery("tag")


def test_the_window_of_a_session_is_bounded() -> None:
    pair = Pair()
    pair.open()
    link, _ = pair.link("l", True)
    assert 0 < link.session.channel.incoming.incoming_window < 2**31 - 1


def test_delays_are_shortened_by_chance() -> None:
    assert len({tuple(islice(read_delays(reactor.Backoff(), Random(seed)), 8)) for seed in range(9)}) == 9
    assert list(islice(read_delays(reactor.Backoff(jitter=0), Random(1)), 4)) == [0, 0.1, 0.2, 0.4]


def test_anonymous_ciphers_are_refused() -> None:
    server = proton.SSLDomain(proton.SSLDomain.MODE_SERVER)
    client = proton.SSLDomain(proton.SSLDomain.MODE_CLIENT)
    client.set_peer_authentication(proton.SSLDomain.ANONYMOUS_PEER)
    ends = proton.Transport(proton.Transport.CLIENT), proton.Transport(proton.Transport.SERVER)
    for end, domain in zip(ends, (client, server)):
        proton.SSL(end, domain)
        end.bind(proton.Connection())
    for _ in range(10):
        for here, there in (ends, ends[::-1]):
            if here.pending() > 0 and there.capacity() > 0:
                answer = here.peek(there.capacity())
                there.push(answer)
                here.pop(len(answer))
    assert not any(end.encrypted for end in ends) and ends[1].condition is not None


def test_a_message_without_a_content_type_has_none() -> None:
    received = proton.Message()
    received.decode(proton.Message("x", subject="s").encode())
    assert received.content_type is None and received.content_encoding is None


@pytest.mark.parametrize("field", ["id", "correlation_id"])
@pytest.mark.parametrize("value", [1764374400.5, (1, 2), True, -1])
def test_an_id_of_another_type_is_refused_at_the_call(field: str, value: Any) -> None:
    message = proton.Message("x")
    with pytest.raises(proton.MessageException, match=r"cannot be .*: it takes a str, a UUID, bytes, an int"):
        setattr(message, field, value)
    assert getattr(proton.Message.from_bytes(message.encode()), field) is None


def test_keys_that_python_finds_equal_stay_apart() -> None:
    received = proton.Message()
    received.decode(proton.Message(Pairs([(proton.symbol("a"), 1), ("a", 2)])).encode())
    assert received.body.entries == ((proton.symbol("a"), 1), ("a", 2))
    assert [type(key) for key, _ in received.body] == [proton.symbol, str]


def test_a_decimal_of_128_bits_has_16_bytes() -> None:
    with pytest.raises(proton.DataException):
        proton.decimal128(b"1")
    assert proton.decimal128(b"1".ljust(16, b"\0")) == b"1" + bytes(15)


def test_a_prefetch_of_one_goes_on_after_the_first_message() -> None:
    class Counting(handlers.MessagingHandler):  # type: ignore[misc]  # a module made at run time
        count = 0

        def on_message(self, event: Any) -> None:
            self.count += 1

    counting = Counting(prefetch=1)
    stage = Stage()
    client = stage.container(counting)
    client.create_receiver(client.connect(stage.url), "q")
    stage.run()
    sender = stage.server.last("on_link_opened").link
    for _ in range(3):
        sender.send(proton.Message("x"))
    stage.run()
    assert counting.count == 3
