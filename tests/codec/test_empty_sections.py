"""Sections that say nothing are left out, as in the next release of the original; a ttl may be infinite."""

from __future__ import annotations

import math

import pytest

from reactor import Message, MessageException, symbol

PLAIN = Message(body="x").encode()


@pytest.mark.parametrize("name", ["properties", "annotations", "instructions", "footer"])
def test_an_empty_map_is_left_out_and_another_is_not(name: str) -> None:
    message = Message(body="x")
    setattr(message, name, {})
    assert message.encode() == PLAIN
    setattr(message, name, {symbol("x-opt-a") if name != "properties" else "a": 1})
    assert len(message.encode()) > len(PLAIN)


@pytest.mark.parametrize("name", ["properties", "annotations", "instructions", "footer"])
def test_an_empty_section_of_a_peer_is_passed_on_as_it_came(name: str) -> None:
    codes = {"properties": 0x74, "annotations": 0x72, "instructions": 0x71, "footer": 0x78}
    section = bytes([0, 0x53, codes[name], 0xC1, 1, 0])
    body = b"\x00\x53\x77\xa1\x01x"
    payload = body + section if name == "footer" else section + body
    message = Message.from_bytes(payload)
    assert getattr(message, name) == {} and message.encode() == payload


@pytest.mark.parametrize("forever", [None, 0, math.inf])
def test_a_ttl_without_an_end_is_none_on_the_wire(forever: float) -> None:
    message = Message(body="x", ttl=5)
    message.ttl = forever
    assert message.ttl == 0.0 and message.header_fields == [None] * 5


@pytest.mark.parametrize("wrong", [math.nan, -math.inf, -1, 2**32 / 1000])
def test_another_ttl_is_refused(wrong: float) -> None:
    with pytest.raises(MessageException, match=r"Message\.ttl cannot be"):
        Message(ttl=wrong)
