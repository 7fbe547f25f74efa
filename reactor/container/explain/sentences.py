"""Sentences: the kinds of them, and an explanation, which is a list of them.

All rooms of this wing enter. It knows no endpoint: the texts come from the rooms that look at the state.
"""

from __future__ import annotations

from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Optional

#: Obstacles: something has to change before messages move.
OBSTACLES = {
    "no credit": "a sender has none",
    "draining": "one side has asked for what is there, and wants nothing more",
    "window full": "the session's window of the peer is used up",
    "window shut": "our own is, because messages are not read",
    "bound on unsettled": "as many deliveries are not settled as may be",
    "unread": "messages have come, and are not taken",
    "nothing asked": "a receiver has given no credit",
    "no outcome": "messages have left, and the peer has given no outcome",
    "not complete": "a message of several parts stands in the middle",
    "awaits transaction": "messages wait for their transaction",
    "not attached": "the peer has not answered our attach",
    "not opened": "something was made and not opened",
    "refused": "the peer has closed it, with a reason",
    "ended": "it was closed, or detached",
    "closing": "the peer has not answered our close",
    "comes back": "it is asked for again",
    "not begun": "the peer has not answered our begin",
    "filter not applied": "the peer has left out a part of what was asked for",
    "reconnecting": "the connection is tried again",
    "connecting": "the wire is not there yet",
    "not open": "the peer has not opened the connection",
    "peer not reading": "bytes wait, and the peer takes none",
    "no links": "a connection without a link",
    "paused": "a receiver has taken its credit back",
    "stopping": "the container takes nothing in any more",
    "loop held": "a handler has the loop",
    "not running": "no loop runs",
    "in doubt": "a delivery without an outcome, which will have none",
    "more": "links beyond those that have sentences",
    "far end": "the peer's own view has an obstacle",
}  # fmt: skip

#: The usual waits of a program in good order.
USUAL = {
    "may receive": "a receiver has credit, and no message has come for it",
    "may send": "a sender has credit, and the application gives it nothing",
    "leaves": "with the end of this turn",
    "under way": "a moment ago: the peer may still answer",
    "not settled here": "messages have come, and wait for an outcome of this side",
    "timer": "a timer is to come",
    "only a timer": "and nothing else is",
    "listening": "for peers",
    "own sources": "descriptors and injectors of the application",
    "done": "of a delivery: it has its outcome",
    "peer": "a fact of the peer's own view",
    "far end unknown": "the peer's own view cannot be had",
    "was refused": "a link was, and others go on",
    "more of it": "the same, in good order",
    "well": "nothing stands in the way",
}  # fmt: skip


class Sentence(str):
    """One sentence.

    kind: one of OBSTACLES or USUAL. stuck: whether it is an obstacle.
    """

    kind: str

    def __new__(cls, kind: str, text: str) -> Sentence:
        sentence = super().__new__(cls, text)
        sentence.kind = kind
        return sentence

    @property
    def stuck(self) -> bool:
        """Whether something has to change before messages move."""
        return self.kind in OBSTACLES


class Explanation(tuple[Sentence, ...]):
    """Sentences, the obstacles first. Printed, it has a line for each."""

    __slots__ = ()

    @classmethod
    def of(cls, sentences: Iterable[Sentence]) -> Explanation:
        """With the obstacles before all others, and each sentence once. Where there is one, not all is well."""
        told = sorted(dict.fromkeys(sentences), key=_rank)
        return cls(sentence for sentence in told if sentence.kind != "well" or not told[0].stuck)

    @property
    def stuck(self) -> bool:
        """Whether there is an obstacle."""
        return any(sentence.stuck for sentence in self)

    @property
    def kinds(self) -> set[str]:
        """The kinds of its sentences."""
        return {sentence.kind for sentence in self}

    def __str__(self) -> str:
        return "\n".join(self)

    __repr__ = __str__


def _rank(sentence: Sentence) -> int:
    return 0 if sentence.stuck else 1 if sentence.kind == "well" else 2


def counted(number: int, one: str, many: Optional[str] = None) -> str:
    """`number` of something, with the word for it."""
    return "%d %s" % (number, one if number == 1 else many or one + "s")


def lasting(seconds: float) -> str:
    """A time in seconds, as a person reads it."""
    return "%.1f s" % seconds if seconds < 10 else "%d s" % seconds
