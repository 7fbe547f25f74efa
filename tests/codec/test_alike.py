"""Composites that are alike on many connections are remembered as a whole: nothing may show it."""

from __future__ import annotations

import pytest

from reactor.codec import performatives
from reactor.codec.definitions import BEGIN, CLOSE, OPEN, SASL_INIT, SASL_OUTCOME
from reactor.codec.performatives import ALIKE, decode_composite, encode_composite
from reactor.codec.types import Described, symbol
from reactor.errors import DataException, RemoteProtocolError


@pytest.fixture(autouse=True)
def nothing_known():
    performatives._encoded.clear()
    performatives._decoded.clear()


def known():
    return len(performatives._encoded), len(performatives._decoded)


@pytest.mark.parametrize(
    "code, values",
    [
        (OPEN, ["container", "host", 65536, 255]),
        (BEGIN, [None, 0, 2048, 2048, 4095]),
        (CLOSE, [None]),
        (SASL_OUTCOME, [0]),
    ],
)
def test_the_second_one_is_as_the_first(code, values):
    first = encode_composite(code, values)
    assert encode_composite(code, values) == first
    read = decode_composite(first, 0, len(first))
    read[1].append("changed")
    again = decode_composite(b"xx" + first + b"yy", 2, 2 + len(first))
    assert again == (code, [value for value in values if value is not None or code == BEGIN], 2 + len(first))
    assert known() == (1, 1)


def test_values_that_are_equal_and_of_other_types_are_not_taken_for_one_another():
    numbers = encode_composite(BEGIN, [None, 1, 1, 1])
    with pytest.raises(DataException, match="cannot be"):
        encode_composite(BEGIN, [None, 1.0, 1, 1])
    assert encode_composite(BEGIN, [None, 1, 1, 1]) == numbers


@pytest.mark.parametrize("values", [["c", None, None, None, None, None, None, None, None, {symbol("key"): "value"}]])
def test_values_that_can_change_are_not_kept(values):
    data = encode_composite(OPEN, values)
    assert decode_composite(data, 0, len(data))[1] == values
    assert known() == (0, 0)
    values[9][symbol("key")] = "another"
    assert encode_composite(OPEN, values) != data


def test_reasons_and_log_ins_are_not_kept():
    error = Described(0x1D, [symbol("amqp:internal-error"), "the password is s3cret"])
    data = encode_composite(CLOSE, [error])
    assert decode_composite(data, 0, len(data))[1] == [error]
    init = encode_composite(SASL_INIT, [symbol("PLAIN"), b"\0ann\0s3cret"])
    decode_composite(init, 0, len(init))
    assert SASL_INIT not in ALIKE and known() == (0, 0)


def test_a_peer_that_invents_new_ones_finds_a_bound():
    for number in range(1000):
        data = encode_composite(OPEN, ["container %d" % number])
        assert decode_composite(data, 0, len(data))[1] == ["container %d" % number]
    assert max(known()) <= performatives._MOST_ALIKE
    before = known()[1]
    data = encode_composite(OPEN, ["x" * 1000])
    decode_composite(data, 0, len(data))
    assert known()[1] == before, "a long one is not kept"


def test_bytes_behind_it_and_faults_are_found_each_time():
    data = encode_composite(BEGIN, [None, 1, 1, 1])
    for _ in range(2):
        assert decode_composite(data + b"\x40", 0, len(data) + 1)[2] == len(data)
        with pytest.raises(RemoteProtocolError):
            decode_composite(data[:-1], 0, len(data) - 1)
        with pytest.raises(RemoteProtocolError, match="mandatory"):
            decode_composite(b"\0\x53\x11\x45", 0, 4)
