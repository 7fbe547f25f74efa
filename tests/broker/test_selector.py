"""Selectors: the language of JMS, what is not of it, and SQLite as a second opinion on three-valued logic."""

from __future__ import annotations

import random
import sqlite3
import uuid

import pytest

from handlers.broker.nodes.selection import Selection
from handlers.broker.nodes.selector import DEEPEST, LONGEST, Selector, SelectorError
from reactor import Message, symbol, timestamp, ubyte

ROW = {
    "colour": "green",
    "weight": 3,
    "ratio": 2.5,
    "urgent": True,
    "late": False,
    "note": "xy_z",
    "lines": "a\nb",
    "quote": "it's",
    "big": 2**62,
    "size": ubyte(7),
    "kind": symbol("green"),
    "blob": b"green",
    "x.y": 1,
    "odd-name": 1,
    "nan": float("nan"),
}

TRUE = """\
colour = 'green'
colour <> 'red'
'green' = colour
kind = 'green'
colour = kind
quote = 'it''s'
weight = 3
weight = 3.0
weight = 3.0e0
weight = 3L
weight = +3
weight = - -3
weight = 0x3
weight = 03
weight <> 3.5
size > 6 and size < 8
weight >= 3 AND weight <= 3
weight BETWEEN 3 AND 3
weight between 2.5 and 3.5
weight NOT BETWEEN 4 AND 5
ratio * 2 = 5
weight + 2 * 3 = 9
(weight + 2) * 3 = 15
weight - 1 - 1 = 1
12 / 2 / 3 = 2
7 / 2 = 3
-7 / 2 = -3
7.0 / 2 = 3.5
1.0 / 0 > 1e300
-1.0 / 0 < 0
-.5 < 0
5. = 5
1e2f = 100
colour IN ('red', 'green')
colour NOT IN ('red', 'blue')
weight IN (1, +3, -3)
weight NOT IN (-3)
kind in ('green')
note LIKE 'xy%'
note LIKE '%z'
note LIKE '%y%'
note LIKE 'xy_z'
note LIKE '____'
note LIKE '%'
note LIKE '%%'
note LIKE '%_z'
note LIKE 'xy!_z' ESCAPE '!'
note LIKE '%!_%' ESCAPE '!'
note NOT LIKE 'xy'
note NOT LIKE '_____'
note NOT LIKE 'XY%'
lines LIKE 'a_b'
lines LIKE '%b'
colour NOT LIKE 'green!%' ESCAPE '!'
urgent
urgent = TRUE
urgent = true AND late = FALSE
late <> urgent
NOT late
not (late or not urgent)
TRUE
urgent OR missing = 1
missing IS NULL
colour IS NOT NULL
"odd-name" = 1
x.y = 1
NOT weight = 4
NOT weight = 4 AND urgent
late AND late OR urgent
missing IS NULL AND NOT (missing IS NOT NULL)
weight NOT LIKE '3'
big + 1 > big
(colour) = ('green')
((urgent))
"""

FALSE = """\
FALSE
colour = 'Green'
weight = '3'
weight <> '3'
colour = 3
colour <> 3
urgent = 'TRUE'
urgent <> 1
urgent = 1
colour > weight
blob = 'green'
blob <> 'green'
weight LIKE '3'
late AND missing = 1
colour LIKE 'green_'
colour LIKE '%greens%'
colour LIKE ''
weight BETWEEN 4 AND 2
weight IN ('3')
nan = nan
"""

UNKNOWN = """\
missing = 1
missing <> 1
missing > 1
missing LIKE 'x'
missing NOT LIKE 'x'
missing IN ('x')
missing NOT IN ('x')
missing BETWEEN 1 AND 2
missing + 1 = 1
colour + 1 = 1
urgent + 1 = 2
weight / 0 = 1
missing
NOT missing
missing AND urgent
missing OR late
NOT (missing AND urgent)
weight
colour
NOT colour
big * 8 > 1
missing = missing
"""


@pytest.mark.parametrize("text", TRUE.splitlines())
def test_these_are_true(text: str) -> None:
    assert Selector(text).selects(ROW.get)
    assert not Selector(f"NOT ({text})").selects(ROW.get)


@pytest.mark.parametrize("text", FALSE.splitlines())
def test_these_are_false(text: str) -> None:
    assert not Selector(text).selects(ROW.get)
    assert Selector(f"NOT ({text})").selects(ROW.get)


@pytest.mark.parametrize("text", UNKNOWN.splitlines())
def test_these_are_unknown_and_so_is_their_opposite(text: str) -> None:
    assert not Selector(text).selects(ROW.get)
    assert not Selector(f"NOT ({text})").selects(ROW.get)
    assert Selector(f"({text}) OR urgent").selects(ROW.get)
    assert Selector(f"NOT (({text}) AND late)").selects(ROW.get)


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_an_empty_selector_selects_everything(text: str) -> None:
    assert Selector(text).selects({}.get)


@pytest.mark.parametrize(
    ("text", "position", "why"),
    [
        ("colour =", 8, "expected a value, found the end"),
        ("= 1", 0, "expected a value, found '='"),
        ("a = 'x", 4, "the string has no closing quote"),
        ('"a = 1', 0, "the quoted identifier has no closing quote"),
        ("a != 1", 2, "not equal is <>"),
        ("a == 1", 3, "expected a value, found '='"),
        ("a = 1 && b = 2", 6, "'&' has no meaning here"),
        ("a > 'x'", 4, "expected a number, found a string"),
        ("'x' < a", 0, "expected a number, found a string"),
        ("TRUE > a", 0, "expected a number, found a condition"),
        ("a = 1 = 2", 6, "comparisons do not chain"),
        ("a < b < c", 6, "comparisons do not chain"),
        ("1", 0, "expected a condition, found a number"),
        ("'x'", 0, "expected a condition, found a string"),
        ("a + 1", 0, "expected a condition, found a number"),
        ("a AND 1", 6, "expected a condition, found a number"),
        ("NOT 1", 4, "expected a condition, found a number"),
        ("'a' + 1 = 2", 0, "expected a number, found a string"),
        ("-'a' = 1", 1, "expected a number, found a string"),
        ("1 = 'a'", 4, "expected a number, found a string"),
        ("'a' BETWEEN 1 AND 2", 0, "expected a number, found a string"),
        ("a BETWEEN 1", 11, "expected AND, found the end"),
        ("a BETWEEN 'x' AND 'y'", 10, "expected a number, found a string"),
        ("a NOT 5", 6, "expected BETWEEN, LIKE or IN, found '5'"),
        ("a LIKE b", 7, "expected a pattern in quotes, found 'b'"),
        ("5 LIKE 'a'", 0, "the left of LIKE is an identifier"),
        ("a LIKE 'x' ESCAPE 'xx'", 18, "ESCAPE takes one character"),
        ("a LIKE 'x!a' ESCAPE '!'", 7, "'!' stands before %, _ or itself"),
        ("a LIKE 'x!' ESCAPE '!'", 7, "'!' stands before %, _ or itself"),
        ("'a' IN ('a')", 0, "the left of IN is an identifier"),
        ("a IN ()", 6, "expected a string or a number, found ')'"),
        ("a IN ('x',)", 10, "expected a string or a number, found ')'"),
        ("a IN (-'x')", 7, "expected a string or a number"),
        ("a IN 'x'", 5, "expected (, found \"'x'\""),
        ("(a) IS 5", 7, "expected NULL, found '5'"),
        ("1 IS NULL", 0, "the left of IS NULL is an identifier"),
        ("(a = 1", 6, "expected ), found the end"),
        ("a = 1)", 5, "expected the end, AND or OR, found ')'"),
        ("a b", 2, "expected the end, AND or OR, found 'b'"),
        ("a = 09", 4, "a number that begins with 0 is octal"),
        ("a = 1.5L", 4, "only an integer ends with L"),
        ("a = 3x", 4, "this is no number"),
        ("a = 1 AND", 9, "expected a value, found the end"),
        ("NULL = 1", 0, "expected a value, found 'NULL'"),
        ("a = 1; b", 5, "';' has no meaning here"),
    ],
)
def test_an_error_says_what_is_wrong_and_where(text: str, position: int, why: str) -> None:
    with pytest.raises(SelectorError) as caught:
        Selector(text)
    assert why in str(caught.value)
    assert f"at character {position + 1}: " in str(caught.value)
    assert caught.value.position == position


def test_length_and_nesting_are_bounded() -> None:
    assert Selector("(" * DEEPEST + "a" + ")" * DEEPEST).selects({"a": True}.get)
    for opening, closing in (("(", ")"), ("NOT ", ""), ("- ", " = 1")):
        with pytest.raises(SelectorError, match="nested more than 40 levels"):
            Selector(opening * (DEEPEST + 1) + "a" + closing * (DEEPEST + 1 if closing == ")" else 1))
    exactly = "a = '" + "x" * (LONGEST - 6) + "'"
    assert Selector(exactly).names == {"a"}
    with pytest.raises(SelectorError, match="longer than 4096 characters"):
        Selector(exactly + " ")


def test_long_rows_of_one_operator_are_no_deep_nesting() -> None:
    for text in (" AND ".join(["a"] * 680), " OR ".join(["a"] * 800), "+".join(["1"] * 2000) + " = 2000"):
        assert Selector(text).selects({"a": True}.get)


def test_the_worst_pattern_costs_no_more_than_its_length_times_that_of_the_text() -> None:
    """A regular expression for the whole pattern would try every place for every %, and never come to an end."""
    worst = Selector("a LIKE '" + "%x_" * 1000 + "%y'")
    assert not worst.selects({"a": "x" * 65536}.get)
    assert worst.selects({"a": "x" * 65536 + "y"}.get)


def test_the_names_are_those_that_the_text_asks_for() -> None:
    text = "a = 1 AND \"b c\" LIKE 'x' OR d.e IS NULL AND NULL_ = $f"
    assert Selector(text).names == {"a", "b c", "d.e", "NULL_", "$f"}


# -- a second opinion ------------------------------------------------------------------------------------------


class _Writer:
    """Random conditions over columns of one type each: what SQLite and JMS both know."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def condition(self, depth: int) -> str:
        pick = self.random.choice
        kind = self.random.randrange(9 if depth else 6)
        if kind == 0:
            return f"{self.number(2)} {pick(['=', '<>', '<', '<=', '>', '>='])} {self.number(2)}"
        if kind == 1:
            return f"{pick('st')} {pick(['=', '<>'])} {pick(['s', 't', self.string()])}"
        if kind == 2:
            pattern = "".join(pick("ab%_!") for _ in range(self.random.randrange(5))).replace("!", "!%")
            return f"{pick('st')} {pick(['', 'NOT '])}LIKE '{pattern}' ESCAPE '!'"
        if kind == 3:
            return f"{pick('st')} {pick(['', 'NOT '])}IN ({', '.join(self.string() for _ in range(3))})"
        if kind == 4:
            return f"{self.number(1)} {pick(['', 'NOT '])}BETWEEN {self.number(1)} AND {self.number(1)}"
        if kind == 5:
            return f"{pick('ijst')} IS {pick(['', 'NOT '])}NULL"
        if kind == 6:
            return f"NOT ({self.condition(depth - 1)})"
        return f"({self.condition(depth - 1)} {'AND' if kind == 7 else 'OR'} {self.condition(depth - 1)})"

    def number(self, depth: int) -> str:
        if depth and self.random.random() < 0.4:
            return f"({self.number(depth - 1)} {self.random.choice('+-*/')} {self.number(depth - 1)})"
        return self.random.choice(["i", "j", "0", "1", "2", "7", "- 3"])

    def string(self) -> str:
        return "'" + "".join(self.random.choice("ab") for _ in range(self.random.randrange(3))) + "'"

    def row(self) -> dict[str, object]:
        strings = [None, "", "a", "b", "ab", "ba", "a%b", "aab"]
        numbers = [None, 0, 1, 2, -3, 7]
        choice = self.random.choice
        return {"i": choice(numbers), "j": choice(numbers), "s": choice(strings), "t": choice(strings)}


def test_sqlite_comes_to_the_same_result() -> None:
    base = sqlite3.connect(":memory:")
    base.execute("PRAGMA case_sensitive_like = ON")
    writer = _Writer(1)
    results = {True: 0, False: 0}
    for _ in range(3000):
        text, row = writer.condition(3), writer.row()
        query = f"SELECT {text} FROM (SELECT :i AS i, :j AS j, :s AS s, :t AS t)"
        (wanted,) = base.execute(query, row).fetchone()
        got = Selector(text).selects(row.get)
        assert got is bool(wanted), (text, row)
        results[got] += 1
        opposite = Selector(f"NOT ({text})").selects(row.get)
        assert opposite is (wanted == 0), (text, row)
    base.close()
    assert min(results.values()) > 500


# -- what a selector can ask of a message ----------------------------------------------------------------------


def received(**attributes: object) -> Message:
    return Message.from_bytes(bytes(Message(**attributes).encode()))


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("colour = 'green' AND weight = 2", {"properties": {"colour": "green", "weight": 2}}),
        ("\"odd-name\" = 'x'", {"properties": {"odd-name": "x"}}),
        ("at = 5", {"properties": {"at": timestamp(5)}}),
        ("JMSDeliveryMode = 'PERSISTENT'", {"durable": True}),
        ("JMSDeliveryMode = 'NON_PERSISTENT'", {"durable": False}),
        ("JMSPriority >= 7", {"priority": 7}),
        ("JMSPriority = 4", {}),
        ("JMSMessageID = 'ID:7'", {"id": "ID:7"}),
        ("JMSMessageID = 'ID:AMQP_NO_PREFIX:seven'", {"id": "seven"}),
        ("JMSMessageID = 'ID:AMQP_ULONG:7'", {"id": 7}),
        ("JMSMessageID LIKE 'ID:AMQP_UUID:%-%'", {"id": uuid.UUID(int=7)}),
        ("JMSMessageID = 'ID:AMQP_BINARY:0AFF'", {"id": b"\x0a\xff"}),
        ("JMSCorrelationID = 'job 1'", {"correlation_id": "job 1"}),
        ("JMSTimestamp = 1500", {"creation_time": 1.5}),
        ("JMSType = 'order'", {"subject": "order"}),
        ("JMSXGroupID = 'g' AND JMSXGroupSeq = 3", {"group_id": "g", "group_sequence": 3}),
        ("JMSXGroupSeq IS NULL AND JMSXGroupID IS NULL", {}),
        ("JMSXUserID = 'guest'", {"user_id": b"guest"}),
        ("JMSXDeliveryCount = 3", {"delivery_count": 2}),
        ("amqp.durable AND amqp.first_acquirer", {"durable": True, "first_acquirer": True}),
        ("amqp.ttl = 1500 AND amqp.priority = 4 AND amqp.delivery_count = 0", {"ttl": 1.5}),
        ("amqp.ttl IS NULL AND amqp.creation_time IS NULL AND amqp.user_id IS NULL", {}),
        ("amqp.message_id = 'seven'", {"id": "seven"}),
        ("amqp.message_id = 7", {"id": 7}),
        (f"amqp.correlation_id = '{uuid.UUID(int=7)}'", {"correlation_id": uuid.UUID(int=7)}),
        ("amqp.to = 'jobs' AND amqp.reply_to = 'answers'", {"address": "jobs", "reply_to": "answers"}),
        ("amqp.subject LIKE 'or%'", {"subject": "order"}),
        (
            "amqp.content_type = 'text/plain' AND amqp.content_encoding = 'gzip'",
            {"content_type": "text/plain", "content_encoding": "gzip"},
        ),
        ("amqp.absolute_expiry_time = 1500 AND amqp.creation_time = 500", {"expiry_time": 1.5, "creation_time": 0.5}),
        ("amqp.group_id = 'g' AND amqp.group_sequence = 0 AND amqp.reply_to_group_id = 'r'",
         {"group_id": "g", "reply_to_group_id": "r"}),
    ],
)  # fmt: skip
def test_a_message_has_these_fields(text: str, attributes: dict[str, object]) -> None:
    assert Selection(text).fits(received(**attributes))


@pytest.mark.parametrize(
    ("text", "position", "why"),
    [
        ("a = 1 AND amqp.size = 2", 10, "'amqp.size' is no field; there are amqp.absolute_expiry_time, "),
        ("JMSDestination = 'x'", 0, "amqp.to is its AMQP name"),
        ("JMSReplyTo = 'x'", 0, "amqp.reply_to is its AMQP name"),
        ("JMSExpiration > 1", 0, "amqp.absolute_expiry_time is its AMQP name"),
        ("JMSRedelivered", 0, "amqp.first_acquirer is its AMQP name"),
    ],
)
def test_fields_that_there_are_not_are_refused(text: str, position: int, why: str) -> None:
    with pytest.raises(SelectorError) as caught:
        Selection(text)
    assert why in str(caught.value)
    assert caught.value.position == position


def test_what_cannot_be_decoded_is_not_selected() -> None:
    broken = Message.from_bytes(b"\x00\x53\x74\xc1\x05\x02\xa1\x01a\xff")
    assert not Selection("a IS NULL").fits(broken)
