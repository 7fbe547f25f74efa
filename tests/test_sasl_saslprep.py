"""SASLprep: the examples of RFC 4013, and what each table of it does."""

from __future__ import annotations

import pytest

from reactor.engine.saslprep import saslprep


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
