"""Texts of peers, as they may be shown: in one line of a log, in the text of an exception, in a `repr`.

Floor 0: open to every module, and it imports none. A peer chooses its names, addresses, conditions and descriptions.
Shown raw they could forge lines of a log, or drive the terminal of its reader.
"""

from __future__ import annotations

from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

#: Characters of one text that are shown by default. It is for people.
LONGEST = 500


def shown(said: Any, size: int = LONGEST) -> str:
    """The text of a peer, fit for one line: the one place that decides its form.

    Control characters, line ends and other characters without a shape (those that turn the direction of writing,
    halves of characters) are written as Python writes them (``\\n``, ``\\x1b``), and so is the backslash itself;
    letters of all languages stay. Of more than `size` characters the beginning is shown, and three dots.
    Other values are shown as their `repr`; bytes as the text that they are, or as ``\\xff`` where they are none.
    """
    if isinstance(said, str):
        text = said
    elif isinstance(said, (bytes, bytearray)):
        text = bytes(said[: 4 * size + 4]).decode("utf-8", "surrogateescape")
    else:
        text = repr(said)
        if text.isprintable():
            return text if len(text) <= size else text[:size] + "..."
    rest = ""
    if len(text) > size:
        text, rest = text[:size], "..."
    if not text.isprintable() or "\\" in text:
        text = "".join(sign if sign.isprintable() and sign != "\\" else _written(sign) for sign in text)
    return text + rest


def quoted(said: Any, size: int = 60) -> str:
    """The same between quotation marks, as Python writes a text: for names that may be empty or have spaces."""
    text = said if isinstance(said, str) else shown(said, size)
    return repr(text if len(text) <= size else text[:size] + "...")


def _written(sign: str) -> str:
    byte = ord(sign) - 0xDC00
    return "\\x%02x" % byte if 0x80 <= byte <= 0xFF else repr(sign)[1:-1]
