"""Properties: rules that every run must keep, under all faults.

    lost = NothingLost("broker")
    with World(seed) as world:
        world.watch(CreditNeverNegative(), SettledOnce(), EverySendEndsOnce(), lost)
        ...

Tests enter. A World shows them every frame. Each refuses a frame that breaks it at that frame, so that the history
ends there; a rule that only the end of a run decides is checked by `check()`, which the end of the `with` statement
calls. The library keeps them by itself; an application keeps them if it is right.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from typing import Any, Callable, Optional

from reactor.codec.message import Message
from reactor.engine.endpoints.delivery import SETTLED_HERE, SETTLED_NOW, STATE_CHANGED, Delivery
from reactor.engine.endpoints.disposition import ACCEPTED, TERMINAL
from reactor.engine.endpoints.sender import Sender
from reactor.simulation.network.wire import MemoryWire
from reactor.simulation.wiretap.conversation import Property, WireDelivery, WireEnd, WireLink
from reactor.simulation.wiretap.events import Observer, Seen
from reactor.simulation.wiretap.frames import Frame, hint

_SHOWN = 10  # of those that break a property

Key = Callable[[bytes], Any]


class PropertyViolated(AssertionError):
    """A run broke a property. The text names the property, the program and the fact."""


def message_key(payload: bytes) -> Any:
    """The identity of a message: its id, or else its body."""
    message = Message.from_bytes(payload)
    key = message.body if message.id is None else message.id
    return key if isinstance(key, (str, bytes, int)) else repr(key)


class CreditNeverNegative(Property):
    """No sender sends more than it was granted, as far as it had heard [2.6.7].

    checked: how many deliveries were looked at.
    """

    def __init__(self) -> None:
        self.checked = 0

    def credit_used(self, end: WireEnd, link: WireLink) -> None:
        self.checked += 1
        if link.credit is None or link.credit < 0:
            raise PropertyViolated(f"credit never negative: {end}, link {link.name!r} has {link.credit} left")


class SettledOnce(Property):
    """No end settles a delivery twice, or has a disposition for a foreign or a presettled one [2.6.12].

    checked: how many deliveries were settled.
    """

    def __init__(self) -> None:
        self.checked = 0

    def disposed(self, end: WireEnd, delivery: WireDelivery, said: bool, state: Optional[int], settled: bool) -> None:
        if not said:
            return
        if delivery.settled_here:
            how = "sent settled" if delivery.presettled else "settled already"
            raise PropertyViolated(f"settled once: {end}, disposition of delivery {delivery.number}, which was {how}")
        self.checked += settled

    def disposed_unknown(self, end: WireEnd, number: int) -> None:
        raise PropertyViolated(f"settled once: {end}, disposition of delivery {number}, which does not exist")


class NothingLost(Property):
    """All messages that a broker has accepted from its producers have been accepted by its consumers.

    To be checked when all has been consumed. broker: the name of its program. key: the identity of a message, from its
    bytes. accepted, consumed: the keys of the messages, in order, and how often.
    """

    def __init__(self, broker: str, key: Key = message_key) -> None:
        self.broker = broker
        self.key = key
        self.accepted: Counter[Any] = Counter()
        self.consumed: Counter[Any] = Counter()
        self._seen: dict[str, None] = {}  # the programs that took part

    def turned(self, program: str, container: Any) -> None:
        self._seen[program] = None

    def wrote(self, wire: MemoryWire, frame: Frame) -> None:
        self._seen[wire.node.name] = None

    def received(self, end: WireEnd, delivery: WireDelivery) -> None:
        if end.peer == self.broker and delivery.presettled:
            self.consumed[self.key(delivery.payload)] += 1

    def disposed(self, end: WireEnd, delivery: WireDelivery, said: bool, state: Optional[int], settled: bool) -> None:
        if end.peer == self.broker and state == ACCEPTED and said is not delivery.outgoing:
            (self.accepted if delivery.outgoing else self.consumed)[self.key(delivery.payload)] += 1

    @property
    def lost(self) -> list[Any]:
        """The keys of messages that were accepted and not consumed so far."""
        return [key for key in self.accepted if key not in self.consumed]

    def check(self) -> None:
        if self._seen and self.broker not in self._seen:
            meant = hint(self.broker, self._seen)
            raise PropertyViolated(f"no accepted message lost: no program is called {self.broker!r}{meant}")
        _refuse("no accepted message lost", [f"{key!r} was accepted, and no consumer got it" for key in self.lost])


class AtMostOnce(Property):
    """A presettled message is never sent again, and comes to one consumer at most, once.

    For queues only: a message to a topic comes to each of its consumers.

    key: as in NothingLost. checked: how many such deliveries came.
    """

    def __init__(self, key: Key = message_key) -> None:
        self.key = key
        self.checked = 0
        self._sent: set[Any] = set()
        self._received: set[Any] = set()

    def sent(self, end: WireEnd, delivery: WireDelivery) -> None:
        if delivery.presettled:
            key = self.key(delivery.payload)
            self._look(end, (end.program, key), self._sent, f"sends {key!r} again")

    def received(self, end: WireEnd, delivery: WireDelivery) -> None:
        if delivery.presettled:
            self.checked += 1
            key = self.key(delivery.payload)
            self._look(end, (end.peer, key), self._received, f"gets {key!r}, which it has sent before")

    def _look(self, end: WireEnd, key: Any, known: set[Any], what: str) -> None:
        if key in known:
            raise PropertyViolated(f"no duplicate at most once: {end}, {what}")
        known.add(key)


class EverySendEndsOnce(Property):
    """Each message that a program sends ends exactly once: with an outcome, or in doubt.

    Deliveries that the application itself settles or aborts, and those of a program that crashed, have no outcome.
    Messages that are sent settled have none either, but are in doubt when they could not leave. To be checked when
    nothing is on its way.

    checked: how many sends have ended so far. doubtful: how many of them in doubt.
    """

    def __init__(self) -> None:
        self.checked = 0
        self.doubtful = 0
        self._senders: dict[str, dict[Sender, None]] = {}
        self._told: dict[Delivery, list[str]] = {}
        self._owners: dict[Delivery, str] = {}
        self._recent: list[Delivery] = []  # of the present turn
        self._taken: set[Delivery] = set()  # seen by the handlers, so that `changes` begins anew

    def happened(self, seen: Seen) -> None:
        context = seen.context
        if seen.method == "on_delivery" and context.link.is_sender:
            if context.changes & STATE_CHANGED and context.remote_state in TERMINAL:
                self._tell_state(seen.program, context)
            elif context.changes & SETTLED_NOW and context.remote_state not in TERMINAL:
                self._tell(seen.program, context, "settled without an outcome")
        elif seen.method == "on_delivery_in_doubt":
            self.doubtful += 1
            self._tell(seen.program, context, "in doubt")
        elif seen.method == "on_link_local_open" and context.is_sender:
            self._senders.setdefault(seen.program, {})[context] = None

    def turned(self, program: str, container: Any) -> None:
        self._taken.update(delivery for delivery in self._recent if not delivery.changes)
        self._recent.clear()
        for sender in self._senders.get(program, ()):
            if sender.unsettled or sender.queued:
                for delivery in sender.unsettled_deliveries:
                    self._know(program, delivery)

    def gone(self, program: str) -> None:
        self._senders.pop(program, None)
        for delivery in [delivery for delivery, owner in self._owners.items() if owner == program]:
            del self._owners[delivery], self._told[delivery]

    def check(self) -> None:
        never = [delivery for delivery, told in self._told.items() if not told and not _given_up(delivery)]
        wrong = [f"{self._owners[one]}: {one!r} has no outcome" for one in never]
        _refuse("every send ends once", wrong, " (had all arrived? World.settle() lets it)")

    def _know(self, program: str, delivery: Delivery) -> list[str]:
        self._owners[delivery] = program
        return self._told.setdefault(delivery, [])

    def _tell_state(self, program: str, delivery: Delivery) -> None:
        """Not every handler takes note of a change: then the next event about the delivery shows it again."""
        state = str(delivery.remote_state)
        if state not in self._told.get(delivery, ()) or delivery in self._taken:
            self._recent.append(delivery)
            self._tell(program, delivery, state)

    def _tell(self, program: str, delivery: Delivery, what: str) -> None:
        told = self._know(program, delivery)
        told.append(what)
        self.checked += 1
        if len(told) > 1:
            ends = " and ".join(told)
            raise PropertyViolated(f"every send ends once: {program}: {delivery!r} ended more than once: {ends}")


def _given_up(delivery: Delivery) -> bool:
    """Whether its application wants to hear no more of it."""
    return delivery.aborted or delivery.fate == SETTLED_HERE


class MemoryReturns(Observer):
    """After many rounds of the same the memory is where it was: no object of this library more, and no more of
    anything else than `slack` allows.

    Call `begin()` after some rounds, when everything is there that stays; at that point of a later round `check()`
    compares. The World should keep little of its history.

    slack: how many blocks of Python's memory may be added. Not all Pythons count them.
    """

    def __init__(self, slack: int = 1000) -> None:
        self.slack = slack
        self._before: Optional[tuple[Counter[str], int]] = None

    def begin(self) -> None:
        """Take stock."""
        self._before = _stock()

    def check(self) -> None:
        if self._before is None:
            raise RuntimeError("begin() comes before check()")
        before, blocks = self._before
        after, more = _stock()
        grown = [f"{count - before[kind]} more of {kind}" for kind, count in after.items() if count > before[kind]]
        _refuse("memory returns", grown)
        if more - blocks > self.slack:
            raise PropertyViolated(f"memory returns: {more - blocks} more blocks of memory, {self.slack} are allowed")


def _stock() -> tuple[Counter[str], int]:
    """The objects of this library that there are, by class; and all blocks of memory."""
    gc.collect()
    counts: Counter[str] = Counter()
    for one in gc.get_objects():
        kind = type(one)
        if kind.__module__.partition(".")[0] in ("reactor", "handlers"):
            counts[f"{kind.__module__}.{kind.__qualname__}"] += 1
    return counts, getattr(sys, "getallocatedblocks", int)()


def _refuse(name: str, wrong: list[str], advice: str = "") -> None:
    """Raise PropertyViolated when anything is wrong."""
    if wrong:
        more = f", and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise PropertyViolated(f"{name}: {'; '.join(wrong[:_SHOWN])}{more}{advice}")
