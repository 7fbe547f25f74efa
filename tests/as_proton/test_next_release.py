"""Names and ways of the release after 0.40 that are here already, on the names of the alias.

An outcome in a transaction as TransactionalDisposition is in test_engine.py. A header and properties without values are
still written: handlers/README.md has it in the table of differences.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from reactor import Limits, symbol
from reactor.as_proton.modules import make

MODULES = make()
proton: Any = MODULES["proton"]

NULL_BODY = b"\x00\x53\x77\x40"


@pytest.mark.parametrize("forever", [None, math.inf, 0])
def test_a_ttl_may_be_none_or_infinite(forever: Any) -> None:
    assert proton.Message("x", ttl=forever).encode() == proton.Message("x").encode()


def test_a_body_of_none_is_null() -> None:
    assert proton.Message().encode().endswith(NULL_BODY) and proton.Message(None).encode().endswith(NULL_BODY)
    received = proton.Message()
    received.decode(proton.Message(None).encode())
    assert received.body is None


@pytest.mark.parametrize("name", ["properties", "annotations", "instructions"])
def test_a_section_of_an_empty_map_is_left_out(name: str) -> None:
    assert proton.Message("x", **{name: {}}).encode() == proton.Message("x").encode()
    assert proton.Message("x", **{name: {symbol("x-opt-a"): 1}}).encode() != proton.Message("x").encode()


def test_a_header_and_properties_without_values_are_written_as_in_0_40() -> None:
    assert proton.Message("x").encode() == b"\x00\x53\x70\x45\x00\x53\x73\x45\x00\x53\x77\xa1\x01x"


def test_the_text_of_a_url_hides_its_password() -> None:
    assert "secret" not in str(proton.Url("amqp://user:secret@host"))


def test_the_bytes_that_are_kept_of_incomplete_messages_are_limited_by_connection() -> None:
    assert Limits().max_buffered_connection_bytes == 256 * 2**20
