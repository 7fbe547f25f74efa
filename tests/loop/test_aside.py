"""Calls away from the loop's thread: their outcomes, their bound, their end."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from reactor.loop.aside import Aside, outcome_of
from reactor.loop.sockets import SocketNetwork
from tests.support.processes import DEADLINE


class Answers:
    """The outcomes of calls, as they come; `wait` waits for so many."""

    def __init__(self) -> None:
        self.come: list[Any] = []
        self._there = threading.Semaphore(0)

    def __call__(self, outcome: Any) -> None:
        self.come.append(outcome)
        self._there.release()

    def wait(self, count: int) -> None:
        for _ in range(count):
            assert self._there.acquire(timeout=DEADLINE)


def test_the_outcome_of_a_call() -> None:
    error = OSError("no route")

    def fail() -> None:
        raise error

    async def later() -> int:
        return 7

    async def fail_later() -> None:
        raise error

    assert outcome_of(lambda: 7) == (7, None) and outcome_of(later) == (7, None)
    assert outcome_of(fail) == (None, error) and outcome_of(fail_later) == (None, error)


def test_a_call_is_made_in_another_thread() -> None:
    answers = Answers()
    network = SocketNetwork()
    network.call_aside(threading.get_ident, answers)
    answers.wait(1)
    assert answers.come[0][0] != threading.get_ident() and answers.come[0][1] is None
    network.close()


def test_calls_beyond_the_limit_wait_in_line() -> None:
    aside, answers, gate = Aside("test", limit=2), Answers(), threading.Event()
    running: list[int] = []

    def call(number: int) -> int:
        running.append(number)
        assert gate.wait(DEADLINE)
        return number

    for number in range(5):
        aside.call(lambda number=number: call(number), answers)  # type: ignore[misc]
    aside.call(lambda: 5, answers)
    gate.set()
    answers.wait(6)
    assert sorted(outcome[0] for outcome in answers.come) == list(range(6))
    assert len(running) == 5


@pytest.mark.parametrize("kind", [SystemExit, asyncio.CancelledError])
def test_a_call_that_raises_what_ends_a_thread_gives_its_place_back(kind: type[BaseException]) -> None:
    def leave() -> None:
        raise kind

    aside, answers = Aside("test", limit=1), Answers()
    aside.call(leave, answers)
    aside.call(lambda: 7, answers)
    answers.wait(2)
    (value, error), last = answers.come
    assert value is None and type(error) is kind
    assert last == (7, None)


def test_an_answer_that_cannot_be_taken_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[Any] = []
    seen = threading.Event()

    def note(hook: Any) -> None:
        failed.append(hook.exc_value)
        seen.set()

    def refuse(outcome: Any) -> None:
        raise ValueError("not wanted")

    monkeypatch.setattr(threading, "excepthook", note)
    aside, answers, gate = Aside("test", limit=1), Answers(), threading.Event()
    aside.call(lambda: gate.wait(DEADLINE), refuse)
    aside.call(lambda: 7, answers)  # it waits behind the other one
    gate.set()
    answers.wait(1)
    aside.call(lambda: 8, answers)
    answers.wait(1)
    assert answers.come == [(7, None), (8, None)]
    assert seen.wait(DEADLINE) and [str(error) for error in failed] == ["not wanted"], "and it is no secret"


class Starts:
    """threading.Thread.start in steps of the test: each call of it runs the next of these first, and then fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *before: Any) -> None:
        self.before = list(before)
        monkeypatch.setattr(threading.Thread, "start", lambda thread: self.fail())

    def fail(self) -> None:
        if self.before:
            self.before.pop(0)()
        raise RuntimeError("can't start new thread")


def test_without_a_thread_no_call_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    aside, first, second = Aside("test"), Answers(), Answers()
    Starts(monkeypatch, lambda: aside.call(lambda: 2, second))  # two at once, and both have none
    aside.call(lambda: 1, first)
    assert [len(answers.come) for answers in (first, second)] == [1, 1]
    monkeypatch.undo()
    aside.call(lambda: 3, first)
    first.wait(2)
    assert first.come[1] == (3, None), "the places are free again"


def test_a_call_that_another_thread_has_taken_is_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    aside, first, second = Aside("test"), Answers(), Answers()
    start = threading.Thread.start

    def another() -> None:
        monkeypatch.setattr(threading.Thread, "start", start)
        aside.call(lambda: 2, second)
        first.wait(1)
        second.wait(1)
        for thread in threading.enumerate():
            if thread.name == "test":
                thread.join(DEADLINE)

    Starts(monkeypatch, another)
    aside.call(lambda: 1, first)
    assert first.come == [(1, None)] and second.come == [(2, None)]


def test_an_answer_that_cannot_be_taken_where_there_is_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(outcome: Any) -> None:
        raise ValueError("not wanted")

    aside, answers = Aside("test", limit=1), Answers()
    Starts(monkeypatch)
    with pytest.raises(ValueError, match="not wanted"):
        aside.call(lambda: 1, refuse)
    monkeypatch.undo()
    aside.call(lambda: 2, answers)
    answers.wait(1)
    assert answers.come == [(2, None)]


def test_an_interrupt_is_no_outcome() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outcome_of(interrupt)


def test_calls_that_have_not_begun_are_forgotten_with_the_network() -> None:
    aside, answers, gate = Aside("test", limit=1), Answers(), threading.Event()
    begun = threading.Event()

    def call() -> int:
        begun.set()
        assert gate.wait(DEADLINE)
        return 1

    aside.call(call, answers)
    assert begun.wait(DEADLINE)
    aside.call(lambda: 2, answers)
    aside.close()
    gate.set()
    answers.wait(1)
    assert answers.come == [(1, None)]


def test_without_a_thread_the_call_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    answers = Answers()
    aside = Aside("test")
    aside.call(lambda: 7, answers)
    ((value, error),) = answers.come
    assert value is None and "can't start new thread" in str(error)
