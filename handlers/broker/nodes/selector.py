"""Selectors: conditions on messages, in the language of JMS 2.0 (section 3.8.1).

    colour = 'green' AND (weight BETWEEN 2 AND 5 OR urgent) AND note NOT LIKE 'x!_%' ESCAPE '!'

A selector is compiled once, into functions of a row (conditions.py): a look-up from identifiers to values. Links enter;
nothing here knows a queue or a message. Logic has three values, as in SQL: a property that is missing makes a
comparison unknown (None here), and a message is selected by a condition that is true.

The text comes from a peer. So its length and its nesting are bounded, and no operator costs more than the length of
the property times the length of the text.

Beyond JMS: an identifier may hold dots, or stand in double quotes, for the property names of other languages; IN takes
numbers, too.
"""

from __future__ import annotations

import re
from typing import Any, Callable, NamedTuple, Optional, Union

from handlers.broker.nodes import conditions
from handlers.broker.nodes.conditions import Row, Value

LONGEST = 4096
"""Characters of a selector."""

DEEPEST = 40
"""Levels of parentheses, of NOT and of signs."""

# The kinds of value that the text alone shows. ANY is for identifiers.
STRING, NUMBER, BOOLEAN, ANY = "a string", "a number", "a condition", "any"

WORDS = frozenset("NULL TRUE FALSE NOT AND OR BETWEEN LIKE IN IS ESCAPE".split())

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:0[xX][0-9a-fA-F]+[lL]? | (?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?[fFdDlL]?)(?![\w.$]))
    | (?P<string>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<name>[^\W\d][\w$]*(?:\.[\w$]+)*|\$[\w$]*)
    | (?P<sign><>|<=|>=|[=<>()+\-*/,])
    )""",
    re.VERBOSE,
)


class SelectorError(ValueError):
    """The text is no selector. position: of the character where it stops to be one, from 0."""

    def __init__(self, why: str, text: str, position: int) -> None:
        super().__init__(f"selector: {why}, at character {position + 1}: {_excerpt(text, position)}")
        self.position = position


def _excerpt(text: str, position: int) -> str:
    """The text around `position`, with a mark before it."""
    start = max(0, position - 20)
    before, after = text[start:position], text[position : position + 20]
    return ("..." if start else "") + before + ">>>" + after + ("..." if position + 20 < len(text) else "")


class Selector:
    """A compiled selector. names: the identifiers that it asks for. Raises SelectorError."""

    __slots__ = ("text", "names", "_condition")

    def __init__(self, text: str) -> None:
        self.text = text
        self._condition, self.names = _Parser(text).parse()

    def selects(self, row: Row) -> bool:
        """Whether the condition is true. row: gives the value of an identifier, None for one that is missing."""
        return self._condition(row) is True


class _Token(NamedTuple):
    """kind: a group of _TOKEN, "word" or "end". text: keywords in capitals. position: of its first character."""

    kind: str
    text: str
    position: int


class _Part(NamedTuple):
    """A parsed expression. kind: of its value. value: the function of a row. name: of a lone identifier."""

    kind: str
    value: Value
    position: int
    name: Optional[str] = None


def _tokens(text: str) -> list[_Token]:
    found = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            raise SelectorError(_why_not(text[start]), text, start)
        kind = match.lastgroup or ""
        word = match.group(kind)
        if kind == "name" and word.upper() in WORDS:
            kind, word = "word", word.upper()
        found.append(_Token(kind, word, match.start(match.lastgroup or 0)))
        position = match.end()
    found.append(_Token("end", "", end))
    return found


def _why_not(character: str) -> str:
    if character == "'":
        return "the string has no closing quote (a quote inside is written twice)"
    if character == '"':
        return "the quoted identifier has no closing quote"
    if character == "!":
        return "'!' is no operator (not equal is <>, negation is NOT)"
    if character.isdigit():
        return "this is no number"
    return f"{character!r} has no meaning here"


class _Parser:
    """One pass from left to right: each method takes one level of precedence, from OR down to a lone value."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise SelectorError(f"longer than {LONGEST} characters", text, LONGEST)
        self.text = text
        self.tokens = _tokens(text)
        self.at = 0
        self.depth = 0
        self.names: set[str] = set()

    def parse(self) -> tuple[Value, frozenset[str]]:
        """The condition, and the identifiers in it. An empty text selects everything, as in JMS."""
        if self.next.kind == "end":
            return (lambda row: True), frozenset()
        part = self.disjunction()
        if self.next.kind != "end":
            raise self.unexpected("the end, AND or OR")
        self.condition(part)
        return part.value, frozenset(self.names)

    # -- tokens

    @property
    def next(self) -> _Token:
        """The token that has its turn."""
        return self.tokens[self.at]

    def took(self, *texts: str) -> Optional[str]:
        """Go past a sign or keyword, if it is one of these."""
        token = self.next
        if token.kind in ("word", "sign") and token.text in texts:
            self.at += 1
            return token.text
        return None

    def take(self, text: str) -> None:
        """Go past this sign or keyword, which has to be here."""
        if not self.took(text):
            raise self.unexpected(text)

    def unexpected(self, wanted: str) -> SelectorError:
        """Another token was needed here."""
        token = self.next
        there = "the end" if token.kind == "end" else repr(token.text)
        return SelectorError(f"expected {wanted}, found {there}", self.text, token.position)

    def deeper(self, position: int) -> None:
        """One level further in."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise SelectorError(f"nested more than {DEEPEST} levels deep", self.text, position)

    def needs(self, part: _Part, *kinds: str) -> None:
        """`part` has to be, or may turn out to be, of one of these kinds."""
        if part.kind != ANY and part.kind not in kinds:
            raise SelectorError(f"expected {' or '.join(kinds)}, found {part.kind}", self.text, part.position)

    def condition(self, part: _Part) -> _Part:
        """`part` as an operand of AND, OR, NOT, or as the whole."""
        self.needs(part, BOOLEAN)
        return part

    # -- logic

    def disjunction(self) -> _Part:
        """a OR b OR ..."""
        first = self.conjunction()
        if self.next.text != "OR" or self.next.kind != "word":
            return first
        parts = [self.condition(first)]
        while self.took("OR"):
            parts.append(self.condition(self.conjunction()))
        return _Part(BOOLEAN, conditions.any_of([part.value for part in parts]), first.position)

    def conjunction(self) -> _Part:
        """a AND b AND ..."""
        first = self.negation()
        if self.next.text != "AND" or self.next.kind != "word":
            return first
        parts = [self.condition(first)]
        while self.took("AND"):
            parts.append(self.condition(self.negation()))
        return _Part(BOOLEAN, conditions.all_of([part.value for part in parts]), first.position)

    def negation(self) -> _Part:
        """NOT a"""
        position = self.next.position
        if not self.took("NOT"):
            return self.comparison()
        self.deeper(position)
        part = self.condition(self.negation())
        self.depth -= 1
        return _Part(BOOLEAN, conditions.negated(part.value), position)

    # -- comparisons

    def comparison(self) -> _Part:
        """a = b, a BETWEEN b AND c, a LIKE p, a IN (...), a IS NULL, or a alone"""
        left = self.sum()
        sign = self.took("=", "<>", "<", "<=", ">", ">=")
        if sign:
            return self.compared(left, sign)
        if self.took("IS"):
            wanted = not self.took("NOT")
            self.take("NULL")
            self.identifier(left, "IS NULL")
            return _Part(BOOLEAN, conditions.is_null(left.value, wanted), left.position)
        denied = bool(self.took("NOT"))
        value: Value
        if self.took("BETWEEN"):
            value = self.between(left)
        elif self.took("LIKE"):
            value = self.like(left)
        elif self.took("IN"):
            value = self.member(left)
        elif denied:
            raise self.unexpected("BETWEEN, LIKE or IN")
        else:
            return left
        return _Part(BOOLEAN, conditions.negated(value) if denied else value, left.position)

    def compared(self, left: _Part, sign: str) -> _Part:
        """a = b and the like, which do not chain."""
        right = self.sum()
        if sign not in ("=", "<>"):
            self.needs(left, NUMBER)
            self.needs(right, NUMBER)
        elif ANY not in (left.kind, right.kind):
            self.needs(right, left.kind)
        if self.next.kind == "sign" and self.next.text in ("=", "<>", "<", "<=", ">", ">="):
            raise SelectorError("comparisons do not chain: join them by AND", self.text, self.next.position)
        return _Part(BOOLEAN, conditions.compared(left.value, sign, right.value), left.position)

    def between(self, left: _Part) -> Value:
        """... BETWEEN low AND high"""
        self.needs(left, NUMBER)
        low = self.sum()
        self.needs(low, NUMBER)
        self.take("AND")
        high = self.sum()
        self.needs(high, NUMBER)
        least = conditions.compared(left.value, ">=", low.value)
        return conditions.all_of([least, conditions.compared(left.value, "<=", high.value)])

    def like(self, left: _Part) -> Value:
        """... LIKE pattern ESCAPE character"""
        self.identifier(left, "LIKE")
        position = self.next.position
        pattern = self.string("a pattern in quotes")
        escape = ""
        if self.took("ESCAPE"):
            where = self.next.position
            escape = self.string("a character in quotes")
            if len(escape) != 1:
                raise SelectorError("ESCAPE takes one character", self.text, where)
        try:
            return conditions.like(left.value, conditions.segments_of(pattern, escape))
        except ValueError as error:
            raise SelectorError(str(error), self.text, position) from None

    def member(self, left: _Part) -> Value:
        """... IN (value, value, ...)"""
        self.identifier(left, "IN")
        self.take("(")
        values: list[Any] = []
        while True:
            negative = self.took("+", "-") == "-"
            token = self.next
            if token.kind == "string" and not negative:
                values.append(_unquoted(token.text))
            elif token.kind == "number":
                number = self.number(token)
                values.append(-number if negative else number)
            else:
                raise self.unexpected("a string or a number")
            self.at += 1
            if not self.took(","):
                break
        self.take(")")
        return conditions.member(left.value, values)

    def identifier(self, part: _Part, what: str) -> None:
        """`part` has to be an identifier."""
        if part.name is None:
            raise SelectorError(f"the left of {what} is an identifier", self.text, part.position)

    def string(self, wanted: str) -> str:
        """A string literal, which has to be here."""
        token = self.next
        if token.kind != "string":
            raise self.unexpected(wanted)
        self.at += 1
        return _unquoted(token.text)

    # -- arithmetic

    def sum(self) -> _Part:
        """a + b - c ..."""
        return self.chain(self.product, "+", "-")

    def product(self) -> _Part:
        """a * b / c ..."""
        return self.chain(self.signed, "*", "/")

    def chain(self, operand: Callable[[], _Part], *signs: str) -> _Part:
        """Operators of one precedence, from left to right."""
        first = operand()
        steps = []
        while True:
            sign = self.took(*signs)
            if sign is None:
                break
            self.needs(first, NUMBER)
            part = operand()
            self.needs(part, NUMBER)
            steps.append((conditions.ARITHMETIC[sign], part.value))
        if not steps:
            return first
        return _Part(NUMBER, conditions.calculated(first.value, steps), first.position)

    def signed(self) -> _Part:
        """-a, +a"""
        position = self.next.position
        sign = self.took("+", "-")
        if sign is None:
            return self.single()
        self.deeper(position)
        part = self.signed()
        self.depth -= 1
        self.needs(part, NUMBER)
        step = conditions.ARITHMETIC[sign], part.value
        return _Part(NUMBER, conditions.calculated(conditions.constant(0), [step]), position)

    def single(self) -> _Part:
        """A literal, an identifier, or something in parentheses."""
        token = self.next
        self.at += 1
        if token.kind == "string":
            return _Part(STRING, conditions.constant(_unquoted(token.text)), token.position)
        if token.kind == "number":
            return _Part(NUMBER, conditions.constant(self.number(token)), token.position)
        if token.kind in ("name", "quoted"):
            name = token.text if token.kind == "name" else token.text[1:-1].replace('""', '"')
            self.names.add(name)
            return _Part(ANY, conditions.looked_up(name), token.position, name)
        if token.kind == "word" and token.text in ("TRUE", "FALSE"):
            return _Part(BOOLEAN, conditions.constant(token.text == "TRUE"), token.position)
        if token.text == "(" and token.kind == "sign":
            self.deeper(token.position)
            part = self.disjunction()
            self.take(")")
            self.depth -= 1
            return _Part(part.kind, part.value, token.position)
        self.at -= 1
        raise self.unexpected("a value")

    def number(self, token: _Token) -> Union[int, float]:
        """The value of a number literal: Java's forms, octal and hexadecimal among them."""
        text = token.text.lower()
        if text.startswith("0x"):
            return int(text.rstrip("l"), 16)
        exact = text.rstrip("l")
        if exact.isdigit():
            if exact.startswith("0") and len(exact) > 1:
                try:
                    return int(exact, 8)
                except ValueError:
                    raise SelectorError("a number that begins with 0 is octal", self.text, token.position) from None
            return int(exact)
        if text.endswith("l"):
            raise SelectorError("only an integer ends with L", self.text, token.position)
        return float(text.rstrip("fd"))


def _unquoted(literal: str) -> str:
    return literal[1:-1].replace("''", "'")
