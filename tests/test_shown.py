"""What others said is shown in one line, and cannot be taken for what nobody said."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.shown import quoted, shown


@pytest.mark.parametrize(
    "said, line",
    [
        ("jobs", "jobs"),
        ("", ""),
        ("Žluťoučký kůň 日本 '\"", "Žluťoučký kůň 日本 '\""),
        ("a\nERROR:root:forged", "a\\nERROR:root:forged"),
        ("\x1b[2J\x07\r\t\0\x7f\x9b", "\\x1b[2J\\x07\\r\\t\\x00\\x7f\\x9b"),
        ("a\\nb", "a\\\\nb"),
        ("\u202eabc\u2066\u200b\u2028\u2029\ufeff", "\\u202eabc\\u2066\\u200b\\u2028\\u2029\\ufeff"),
        ("\ud800\U000e0001", "\\ud800\\U000e0001"),
        (b"caf\xc3\xa9\xff\n\\", "café\\xff\\n\\\\"),
        (bytearray(b"\x80"), "\\x80"),
        (None, "None"),
        (7, "7"),
        ({"a\n": "\x1b"}, "{'a\\n': '\\x1b'}"),
        ("x" * 500, "x" * 500),
        ("x" * 501, "x" * 500 + "..."),
        ("\n" * 501, "\\n" * 500 + "..."),
        (b"x" * 5000, "x" * 500 + "..."),
        (["x" * 900], "['" + "x" * 498 + "..."),
    ],
)
def test_what_others_said_is_one_line(said: Any, line: str) -> None:
    assert shown(said) == line and shown(said).isprintable()


def test_a_repr_of_its_own_is_shown_the_same_way() -> None:
    class Loud:
        def __repr__(self) -> str:
            return "<\n\x1b>"

    assert shown(Loud()) == "<\\n\\x1b>"
    assert shown("abcdef", 3) == "abc..."


def test_names_stand_between_quotation_marks() -> None:
    names = ["j\u00f6rg\n", "", "it's", None, "x" * 61]
    assert [quoted(name) for name in names] == ["'j\u00f6rg\\n'", "''", '"it\'s"', "'None'", "'" + "x" * 60 + "...'"]
