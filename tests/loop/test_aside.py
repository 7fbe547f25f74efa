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
