"""A link of which little is set is not written down to see whether it can be: what cannot is refused all the same."""

from __future__ import annotations

import pytest

from reactor import Connection, Terminus
from reactor.codec.types import symbol
from reactor.engine.endpoints import link as room
from reactor.errors import DataException


@pytest.fixture
def written(monkeypatch):
    """The composites that were encoded for a check."""
    calls = []
    encode = room.encode_composite
    monkeypatch.setattr(room, "encode_composite", lambda *given: calls.append(given) or encode(*given))
    return calls


def sender():
    return Connection().session().sender("link")


def test_a_link_with_addresses_alone_is_not_encoded_for_its_check(written):
    link = sender()
    link.source.address, link.target.address = "from", "to"
    link.open()
    assert not written


@pytest.mark.parametrize(
    "change",
    [
        lambda link: link.source.filter.put_dict({symbol("a"): 1}),
        lambda link: link.target.capabilities.put_object(symbol("queue")),
        lambda link: setattr(link.target, "address", "\N{EURO SIGN}"),
        lambda link: setattr(link, "properties", {}),
        lambda link: setattr(link, "desired_capabilities", "x"),
        lambda link: setattr(link, "max_message_size", 1),
        lambda link: setattr(link.source, "type", Terminus.COORDINATOR),
    ],
)
def test_any_other_is(written, change):
    link = sender()
    change(link)
    link.open()
    assert len(written) == 1


@pytest.mark.parametrize(
    "field, end, value",
    [
        ("snd_settle_mode", None, 3),
        ("snd_settle_mode", None, True),
        ("rcv_settle_mode", None, "first"),
        ("max_message_size", None, -1),
        ("properties", None, [1]),
        ("offered_capabilities", None, 7),
        ("durability", "source", False),
        ("durability", "target", 3),
        ("timeout", "target", 0.0),
        ("timeout", "source", "long"),
        ("expiry_policy", "source", True),
        ("expiry_policy", "target", 9),
        ("distribution_mode", "source", False),
        ("default_outcome", "source", 5),
    ],
)
def test_what_cannot_be_written_is_refused_when_the_link_is_opened(field, end, value):
    link = sender()
    setattr(link if end is None else getattr(link, end), field, value)
    with pytest.raises(DataException):
        link.open()


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_a_text_that_utf_8_cannot_hold_is_refused(text):
    link = sender()
    link.target.address = text
    with pytest.raises(DataException):
        link.open()
