"""SASLprep (RFC 4013): names and passwords in the one form in which both sides hash and compare them.

The mechanisms enter. Texts that look the same to a person (an accent written as one character or as two, a hard
space) become the same, and characters that cannot be typed are refused. Unicode is that of version 3.2, as the RFC
prescribes, so that old and new peers agree; younger characters pass only where `stored` is off.
"""

from __future__ import annotations

from reactor.lazily import TYPE_CHECKING, Lazily

if TYPE_CHECKING:
    import stringprep
    import unicodedata
else:
    stringprep = Lazily("stringprep")
    unicodedata = Lazily("unicodedata")

_PROHIBITED = (
    "in_table_c12",  # spaces other than " "; those that the mapping left
    "in_table_c21_c22",  # control characters
    "in_table_c3",  # private use
    "in_table_c4",  # no characters at all
    "in_table_c5",  # surrogates
    "in_table_c6",  # unfit for plain text
    "in_table_c7",  # unfit for canonical representation
    "in_table_c8",  # change how the text is displayed, or deprecated
    "in_table_c9",  # tagging
)


#: Characters of a name or a password. A peer chooses this amount of work before it has logged in.
LONGEST = 1024
#: Marks on one letter. No language has more [Unicode, UAX 15, section 13]; to sort them takes quadratic time.
MOST_MARKS = 30


def saslprep(text: str, stored: bool = True) -> str:
    """`text` prepared.

    stored: refuse characters that Unicode 3.2 did not have: a later version may normalise them, and a
        password that was stored would no longer match [RFC 3454 section 7].

    The time it takes is linear, and bounded by LONGEST: a longer text is refused before anything is done with it.

    Raises ValueError; its text does not quote `text`.
    """
    if len(text) > LONGEST:
        raise ValueError("it is longer than %d characters" % LONGEST)
    if text.isascii() and text.isprintable():
        return text  # nothing in the tables touches these
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in text if not stringprep.in_table_b1(char)
    )
    marks = 0
    for char in mapped:
        marks = marks + 1 if unicodedata.ucd_3_2_0.combining(char) else 0
        if marks > MOST_MARKS:
            raise ValueError("it has a letter with more than %d marks" % MOST_MARKS)
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    for char in prepared:
        if any(getattr(stringprep, table)(char) for table in _PROHIBITED):
            raise ValueError("it has a character that RFC 4013 prohibits, such as a control character")
        if stored and stringprep.in_table_a1(char):
            raise ValueError("it has a character that RFC 4013 does not know: it is younger than Unicode 3.2")
    _check_directions(prepared)
    return prepared


def _check_directions(text: str) -> None:
    """Letters written from the right do not stand with others, and stand at both ends [RFC 3454 section 6]."""
    if not any(map(stringprep.in_table_d1, text)):
        return
    at_the_ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    if any(map(stringprep.in_table_d2, text)) or not at_the_ends:
        raise ValueError("it mixes writing from the right with writing from the left, which RFC 4013 prohibits")
