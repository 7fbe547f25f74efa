"""SASLprep: the examples of RFC 4013, and what each table of it does."""

from __future__ import annotations

from unicodedata import ucd_3_2_0

import pytest

from reactor.engine.sasl.saslprep import saslprep


@pytest.mark.parametrize(
    "text, prepared",
    [
        ("I\u00adX", "IX"),  # RFC 4013 section 3: the soft hyphen is mapped to nothing
        ("user", "user"),
        ("USER", "USER"),  # case is kept
        ("\u00aa", "a"),  # NFKC
        ("\u2168", "IX"),
        ("", ""),
        (" p w ", " p w "),
        ("hard\u00a0space", "hard space"),
        ("e\u0301", "\u00e9"),  # composed
        ("\u0627\u0031\u0628", "\u0627\u0031\u0628"),  # from the right, a digit within
        ("\u0627", "\u0627"),
    ],
)
def test_what_looks_the_same_becomes_the_same(text, prepared):
    assert saslprep(text) == prepared
    assert saslprep(prepared) == prepared


@pytest.mark.parametrize(
    "text",
    [
        "\u0007",  # RFC 4013 section 3: prohibited
        "\u0627\u0031",  # RFC 4013 section 3: from the right, with a digit at the end
        "tab\t",
        "nul\0",
        "\u0080",
        "\ue000",  # private use
        "\ufdd0",  # no character
        "\ud800",  # half a character
        "\ufff9",
        "\u2ff0",
        "\u200e",  # turns the direction
        "\U000e0001",  # tagging
        "\u0627a\u0628",  # from both sides
        "1\u0627",
    ],
)
def test_what_nobody_can_type_is_refused_and_not_quoted(text):
    for stored in (True, False):
        with pytest.raises(ValueError, match="RFC 4013") as caught:
            saslprep("pass" + text if text != "\u0627\u0031" else text, stored)
        assert "pass" not in str(caught.value)


def test_characters_younger_than_the_rfc_are_for_names_only():
    assert saslprep("\U0001f600", stored=False) == "\U0001f600"
    with pytest.raises(ValueError, match=r"younger than Unicode 3\.2"):
        saslprep("\U0001f600")


# -- how much work it is -----------------------------------------------------------------------------------------


def test_what_is_too_long_is_refused_before_it_is_prepared(monkeypatch):
    assert saslprep("a" * 1024) == "a" * 1024
    assert saslprep("\u00e9" * 1024) == "\u00e9" * 1024
    monkeypatch.setattr("reactor.engine.sasl.saslprep.unicodedata", None)
    monkeypatch.setattr("reactor.engine.sasl.saslprep.stringprep", None)
    for text in ("a" * 1025, "\u0301" * 1025, "\u00ad" * 1025):
        with pytest.raises(ValueError, match="longer than 1024 characters"):
            saslprep(text)


def test_a_letter_with_endless_marks_is_refused_before_they_are_sorted(monkeypatch):
    marks = "\u0316\u0301"  # below and above: out of order
    assert len(saslprep("a" + marks * 15)) == 30, "one of them has become part of the letter"
    monkeypatch.setattr("reactor.engine.sasl.saslprep.unicodedata.ucd_3_2_0", Counting())
    with pytest.raises(ValueError, match="more than 30 marks"):
        saslprep("a" + marks * 15 + "\u0301")
    with pytest.raises(ValueError, match="more than 30 marks"):
        saslprep("\u00ad".join("a" + marks * 16))  # what is mapped to nothing parts nobody


class Counting:
    """Knows marks, and normalises nothing."""

    combining = staticmethod(ucd_3_2_0.combining)
