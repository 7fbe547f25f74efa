"""Composites: written by their definition, and held against it when they are read."""

from __future__ import annotations

from uuid import UUID

import pytest

from reactor.codec.decode import ACCEPTED_STATE
from reactor.codec.definitions import (
    ACCEPTED,
    ATTACH,
    BEGIN,
    BY_CODE,
    CLOSE,
    COORDINATOR,
    DECLARED,
    DISPOSITION,
    ERROR,
    FLOW,
    MODIFIED,
    OPEN,
    PROPERTIES,
    RECEIVED,
    REJECTED,
    SASL_INIT,
    SASL_MECHANISMS,
    SOURCE,
    TARGET,
    TRANSACTIONAL_STATE,
    TRANSFER,
)
from reactor.codec.dicts import SymbolList
from reactor.codec.encode import encode_value
from reactor.codec.performatives import decode_composite, encode_composite
from reactor.codec.types import UNDESCRIBED, Array, Data, Described, symbol, timestamp, ubyte, uint, ulong
from reactor.errors import DECODE_ERROR, DataException, RemoteProtocolError

EVERYTHING = [
    (OPEN, ["me", "host", 512, 255, 1000, ["en"], ["en", "de"], "a", ["a", "b"], {symbol("k"): "v"}]),
    (BEGIN, [None, 0, 2048, 2**32 - 1, 7, None, None, {}]),
    (ATTACH, [
        "link", 0, True, 2, 1,
        Described(SOURCE, [
            "q", 2, "never", 30, True, {symbol("lifetime-policy"): Described(ulong(0x2B), [])}, "move",
            {symbol("selector"): Described(symbol("apache.org:selector-filter:string"), "a = 1")},
            Described(MODIFIED, [True, False, {}]), ["amqp:accepted:list", "amqp:rejected:list"], "queue",
        ]),
        Described(TARGET, ["q", 1, "link-detach", 0, False, {}, ["queue"]]),
        {b"tag": Described(ulong(ACCEPTED), [])}, True, 0, 2**64 - 1, None, None, {symbol("k"): 1},
    ]),
    (ATTACH, ["txn", 1, False, None, None, None, Described(COORDINATOR, ["amqp:local-transactions"])]),
    (FLOW, [0, 1, 2, 3, 4, 5, 6, 7, True, False, {}]),
    (TRANSFER, [0, 1, b"tag", 0, False, True, 1, Described(RECEIVED, [1, 2**40]), True, False, True]),
    (DISPOSITION, [True, 5, 600, True, Described(ACCEPTED, []), False]),
    (DISPOSITION, [True, 5, 5, True, Described(REJECTED, [Described(ERROR, ["amqp:not-found", "no", {}])])]),
    (DISPOSITION, [True, 0, None, False, Described(TRANSACTIONAL_STATE, [b"t", Described(ACCEPTED, [])])]),
    (DISPOSITION, [False, 0, None, True, Described(DECLARED, [b"t"])]),
    (DISPOSITION, [False, 0, None, True, Described(symbol("own:state"), [1, "x"])]),
    (DISPOSITION, [False, 0, None, True, Described(uint(TRANSFER), True)]),  # the number of no composite
    (CLOSE, [Described(ERROR, ["amqp:connection:forced", "shutting down"])]),
    (CLOSE, []),
    (SASL_INIT, ["PLAIN", b"\0user\0password", "host"]),
    (PROPERTIES, [
        UUID(int=5), b"user", "to", "subject", "reply", "corr", "text/plain", "gzip", timestamp(1), timestamp(2),
        "group", 5, "reply-group",
    ]),
]  # fmt: skip


@pytest.mark.parametrize("code, values", EVERYTHING, ids=lambda v: BY_CODE[v].name if type(v) is int else "")
def test_a_composite_comes_back(code, values):
    encoded = encode_composite(code, values)
    got, fields, end = decode_composite(encoded, 0, len(encoded))
    assert (got, end) == (code, len(encoded))
    assert encode_composite(code, fields) == encoded
    for value, field in zip(values, fields):
        if not isinstance(value, (list, Described)):
            assert field == value


def test_a_list_is_small_when_it_fits_and_trailing_nulls_are_not_written():
    assert encode_composite(CLOSE, []).hex() == "00531845"
    assert encode_composite(CLOSE, [None]).hex() == "00531845"
    assert encode_composite(BEGIN, [None, 0, 1, 2, None, None]).hex() == "005311c007044043" + "52015202"
    big = encode_composite(OPEN, ["x" * 300])
    assert big[3] == 0xD0
    edge = encode_composite(OPEN, ["x" * 252])
    assert edge[3:6] == b"\xc0\xff\x01"
    assert encode_composite(OPEN, ["x" * 253])[3] == 0xD0


@pytest.mark.parametrize(
    "given, written",
    [
        (None, "40"),
        ([], "40"),
        ("a", "a30161"),
        (symbol("a"), "a30161"),
        (["a"], encode_value(Array(UNDESCRIBED, Data.SYMBOL, "a")).hex()),
        (("a",), encode_value(Array(UNDESCRIBED, Data.SYMBOL, "a")).hex()),
        (SymbolList(["a"]), encode_value(Array(UNDESCRIBED, Data.SYMBOL, "a")).hex()),
        (["a", "b"], encode_value(Array(UNDESCRIBED, Data.SYMBOL, "a", "b")).hex()),
        (SymbolList(["a", "b"]), encode_value(Array(UNDESCRIBED, Data.SYMBOL, "a", "b")).hex()),
        (Array(UNDESCRIBED, Data.SYMBOL, "a"), encode_value(Array(UNDESCRIBED, Data.SYMBOL, "a")).hex()),
    ],
    ids=repr,
)
def test_fields_of_several_symbols(given, written):
    encoded = encode_composite(TARGET, [None] * 6 + [given]).hex()
    assert encoded in ("00532945", "005329c0%02x07404040404040%s" % (len(written) // 2 + 7, written))
    assert (encoded == "00532945") == (given is None)


@pytest.mark.parametrize(
    "code, values, complaint",
    [
        (OPEN, [5], "open.container-id cannot be 5"),
        (OPEN, ["a", None, -1], "open.max-frame-size cannot be -1"),
        (OPEN, ["a", None, 2**32], "open.max-frame-size cannot be 4294967296"),
        (OPEN, ["a", None, "x"], "open.max-frame-size cannot be 'x'"),
        (OPEN, ["a", None, None, 65536], "open.channel-max cannot be 65536"),
        (OPEN, ["a"] + [None] * 6 + [[1]], "open.offered-capabilities cannot be .*only names"),
        (OPEN, ["a"] + [None] * 6 + [5], "open.offered-capabilities cannot be 5"),
        (OPEN, ["a"] + [None] * 8 + [{1.5: 1}], "open.properties cannot be .*the key 1.5"),
        (OPEN, ["a"] + [None] * 8 + [{"a": object()}], "open.properties cannot be .*no AMQP type"),
        (ATTACH, ["a", 0, True, 256], "attach.snd-settle-mode cannot be 256"),
        (ATTACH, ["a", 0, True, None, None, 5], "attach.source cannot be 5: a Described was expected"),
        (ATTACH, ["a", 0, True, None, None, Described(SOURCE, [None, "x"])],
         "attach.source cannot be .*source.durable cannot be 'x'"),
        (ATTACH, ["a", 0, True] + [None] * 7 + [2**64], "attach.max-message-size cannot be 18446744073709551616"),
        (TRANSFER, [0, 1, "tag"], "transfer.delivery-tag cannot be 'tag'"),
        (CLOSE, [Described(ERROR, ["ä"])], "close.error cannot be .*error.condition cannot be 'ä'"),
        (CLOSE, [None, 1], "close has 1 fields, not 2"),
        (SASL_INIT, ["PLAIN", "secret"], "sasl-init.initial-response cannot be str: it is not bytes but str"),
        (0x99, [], "0x99 is not the code of a composite"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_its_composite_and_field(code, values, complaint):
    with pytest.raises(DataException, match="(?s)" + complaint):
        encode_composite(code, values)


def described(code: int, *values) -> bytes:
    """A composite whose fields are written as whatever type they are, right or wrong."""
    return encode_value(Described(ulong(code), list(values)))


def decoded(encoded: bytes):
    return decode_composite(encoded, 0, len(encoded))[1]


@pytest.mark.parametrize("encoded", [
    described(OPEN),
    described(OPEN, 5),
    described(OPEN, None),
    described(OPEN, "a", 5),
    described(OPEN, "a", None, "x"),
    described(OPEN, "a", None, True),
    described(OPEN, "a", None, ulong(2**32)),
    described(OPEN, "a", None, -1),
    described(OPEN, "a", None, None, uint(65536)),
    described(OPEN, "a", *[None] * 6, [symbol("a")]),
    described(OPEN, "a", *[None] * 6, Array(UNDESCRIBED, Data.STRING, "a")),
    described(OPEN, "a", *[None] * 6, Array(symbol("d"), Data.SYMBOL, "a")),
    described(OPEN, "a", *[None] * 8, []),
    described(OPEN, "a", *[None] * 8, {}, 1),
    described(BEGIN, None, None, uint(1), uint(1)),
    described(ATTACH, "a", uint(0)),
    described(ATTACH, "a", uint(0), uint(1)),
    described(ATTACH, "a", uint(0), True, uint(256)),
    described(ATTACH, "a", uint(0), True, None, None, []),
    described(ATTACH, "a", uint(0), True, None, None, Described(ulong(TARGET), [])),
    described(ATTACH, "a", uint(0), True, None, None, None, Described(ulong(SOURCE), [])),
    described(ATTACH, "a", uint(0), True, None, None, Described(ulong(SOURCE), [5])),
    described(ATTACH, "a", uint(0), True, None, None, Described(ulong(SOURCE), [None, "x"])),
    described(TRANSFER),
    described(TRANSFER, "x"),
    described(TRANSFER, True),
    described(TRANSFER, uint(0), uint(1), "tag"),
    described(TRANSFER, uint(0), uint(1), b"", uint(0), uint(1)),
    described(TRANSFER, uint(0), uint(1), b"", uint(0), True, True, None, 5),
    described(TRANSFER, uint(0), uint(1), b"", uint(0), True, True, None, Described(ulong(REJECTED), [5])),
    described(FLOW, uint(0)),
    described(FLOW, uint(0), uint(0), uint(0), uint(0), uint(0), True),
    described(DISPOSITION, True),
    described(DISPOSITION, uint(1), uint(1)),
    described(DISPOSITION, True, uint(1), None, True, {}),
    described(DISPOSITION, True, uint(1), None, True, Described(ulong(REJECTED), [Described(ulong(ERROR), [])])),
    described(DISPOSITION, True, uint(1), None, True, Described(ulong(DECLARED), ["not binary"])),
    described(CLOSE, Described(ulong(REJECTED), [])),
    described(CLOSE, Described(symbol("x"), [])),
    described(CLOSE, "x"),
    described(SASL_MECHANISMS),
    described(0x99),
    encode_value(Described(symbol("amqp:nothing:list"), [])),
    encode_value(Described("open", [])),
    encode_value(Described(OPEN, ["a"])),
    encode_value(Described(ulong(OPEN), {})),
    encode_value([]),
    b"", b"\0", b"\0\x53", b"\0\x53\x10", b"\0\x53\x10\xc0",
], ids=lambda v: v.hex()[:50])  # fmt: skip
def test_what_does_not_keep_to_its_definition_is_malformed(encoded):
    for _ in range(2):  # what was met before must not be let through because of that
        with pytest.raises(RemoteProtocolError) as failed:
            decode_composite(encoded, 0, len(encoded))
        assert failed.value.condition == DECODE_ERROR


def test_the_error_names_composite_and_field():
    with pytest.raises(RemoteProtocolError, match=r"open\.max-frame-size cannot be .x."):
        decoded(described(OPEN, "a", None, "x"))
    with pytest.raises(RemoteProtocolError, match=r"begin without its mandatory field incoming-window"):
        decoded(described(BEGIN, None, uint(0)))
    with pytest.raises(RemoteProtocolError, match="close with 2 fields; it has 1"):
        decoded(described(CLOSE, None, 1))


def test_what_belongs_to_a_log_in_is_in_no_error_message():
    with pytest.raises(RemoteProtocolError) as failed:
        decoded(described(SASL_INIT, symbol("PLAIN"), "secret"))
    assert "secret" not in str(failed.value)
    with pytest.raises(DataException) as refused:
        encode_composite(SASL_INIT, ["PLAIN", "secret"])
    assert "secret" not in str(refused.value)


def test_numbers_and_names_of_a_neighbouring_type_are_taken_if_they_fit():
    fields = decoded(described(OPEN, symbol("a"), None, ulong(512), uint(255), 1000))
    assert fields == ["a", None, 512, 255, 1000]
    assert [type(f) for f in fields] == [str, type(None), int, int, int]
    (error,) = decoded(described(CLOSE, Described(ulong(ERROR), ["amqp:not-found"])))
    assert type(error.value[0]) is symbol
    assert decoded(described(ATTACH, "a", ubyte(0), True, *[None] * 7, uint(5)))[10] == ulong(5)


def test_nulls_behind_the_last_field_are_nothing():
    assert decoded(described(CLOSE, None, None, None)) == [None]


def test_descriptors_may_be_written_as_symbols_or_in_full():
    accepted = Described(symbol("amqp:accepted:list"), [])
    assert decoded(described(DISPOSITION, True, uint(1), None, None, accepted))[4] is ACCEPTED_STATE
    name = b"amqp:close:list".hex()
    for descriptor in ("00 80 0000000000000018", "00 a3 0f" + name, "00 b3 0000000f" + name):
        encoded = bytes.fromhex(descriptor) + b"\x45"
        assert decode_composite(encoded, 0, len(encoded)) == (CLOSE, [], len(encoded))


def test_a_composite_ends_where_its_list_ends():
    encoded = described(TRANSFER, uint(0), uint(1), b"t", uint(0)) + b"payload"
    code, fields, end = decode_composite(encoded, 0, len(encoded))
    assert (code, fields, encoded[end:]) == (TRANSFER, [0, 1, b"t", 0], b"payload")
