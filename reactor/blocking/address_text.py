"""The text of an address with options, as in qpid.messaging (row Q5): ``name/subject; {key: value, ...}``.

It reads text into strings, numbers, dicts and lists. The options themselves are those of addresses.py.
"""

from __future__ import annotations

import re
from typing import Any

from reactor.errors import MalformedAddress

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<sign>[{}\[\]:,])
    | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    | (?P<number>[+-]?\d+(?:\.\d+)?(?![\w.-]))
    | (?P<word>[A-Za-z_][\w.-]*)
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_QUOTED = re.compile(r""" "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | . """, re.VERBOSE | re.DOTALL)

_WORDS = {"true": True, "false": False, "none": None}

DEEPEST = 20
"""Levels of dicts and lists in one another."""


def has_options(text: str) -> bool:
    """Whether `text` is more than the address of a node."""
    return ";" in text and len(_parts(text, ";")) > 1


def read_address(text: str) -> tuple[str, str, dict[str, Any]]:
    """The name, the subject ("" for none) and the options of an address. MalformedAddress, with the place of it, where
    it is none."""
    before, *after = _parts(text, ";")
    name, *subject = _parts(before, "/")
    if len(after) > 1 or len(subject) > 1:
        raise MalformedAddress("%r: more than one %r; quote what is no sign" % (text, ";" if len(after) > 1 else "/"))
    name, topic = _unquoted(name), _unquoted(subject[0]) if subject else ""
    if not name:
        raise MalformedAddress("%r: no name before the options; one that begins with a slash is quoted" % text)
    options = _Reader(text, len(before) + 1).read() if after and after[0].strip() else {}
    return name, topic, options


def _parts(text: str, sign: str) -> list[str]:
    """`text`, cut at each `sign` that is in no quotes and in no braces."""
    parts, depth = [""], 0
    for match in _QUOTED.finditer(text):
        piece = match.group()
        depth += (piece in "{[") - (piece in "}]")
        if piece == sign and not depth:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


class _Reader:
    """Reads the options, from `at` on."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def read(self) -> dict[str, Any]:
        value = self._value(0)
        if not isinstance(value, dict):
            raise self._error(self.at, "options are in braces: {create: always}")
        start = self.at
        if self._next()[0] != "end":
            raise self._error(start, "nothing stands behind the options")
        return value

    def _next(self) -> tuple[str, str]:
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            raise self._error(self.at, "a word, a number, a string in quotes, or a sign stands there")
        self.at = match.end()
        return str(match.lastgroup), match.group(str(match.lastgroup))

    def _value(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise self._error(self.at, "at most %d levels stand in one another" % DEEPEST)
        start = self.at
        kind, token = self._next()
        if kind == "string":
            return _unquoted(token)
        if kind == "number":
            return float(token) if "." in token else int(token)
        if kind == "word":
            return _WORDS.get(token.lower(), token)
        if token == "{":
            return self._dict(depth)
        if token == "[":
            return self._list(depth)
        raise self._error(start, "a value stands there")

    def _dict(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._ends("}"):
            return found
        while True:
            start = self.at
            kind, token = self._next()
            if kind not in ("word", "string"):
                raise self._error(start, "the name of an option stands there")
            key = _unquoted(token)
            if key in found:
                raise self._error(start, "%r is there twice" % key)
            start = self.at
            if self._next()[1] != ":":
                raise self._error(start, "a colon stands behind %r" % key)
            found[key] = self._value(depth + 1)
            if not self._goes_on("}"):
                return found

    def _list(self, depth: int) -> list[Any]:
        found: list[Any] = []
        if self._ends("]"):
            return found
        while True:
            found.append(self._value(depth + 1))
            if not self._goes_on("]"):
                return found

    def _ends(self, sign: str) -> bool:
        start = self.at
        if self._next()[1] == sign:
            return True
        self.at = start
        return False

    def _goes_on(self, last: str) -> bool:
        start = self.at
        token = self._next()[1]
        if token == last:
            return False
        if token != ",":
            raise self._error(start, "a comma or %r stands there" % last)
        return not self._ends(last)  # a comma may stand behind the last one

    def _error(self, at: int, text: str) -> MalformedAddress:
        there = self.text[at:].lstrip()
        where = "at %r" % there[:20] if there else "at its end"
        return MalformedAddress("%r, %s: %s" % (self.text, where, text))
