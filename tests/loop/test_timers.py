"""Timers: order, cancelling, and what a hundred thousand time-outs that never happen leave behind."""

from __future__ import annotations

import gc

import pytest

from reactor.loop.timers import Timer, Timers


@pytest.fixture
def timers():
    return Timers()


def test_the_earliest_comes_first_and_equals_in_order(timers):
    seen = []
    for at, name in [(3.0, "c"), (1.0, "a"), (3.0, "d"), (2.0, "b")]:
        timers.schedule(at, lambda name=name: seen.append(name))
    assert timers.run(3.0) == 4
    assert seen == ["a", "b", "c", "d"]


def test_only_what_is_due_happens(timers):
    seen = []
    timers.schedule(1.0, lambda: seen.append(1))
    timers.schedule(2.0, lambda: seen.append(2))
    assert timers.run(0.999) == 0
    assert timers.run(1.0) == 1
    assert seen == [1]
    assert timers.deadline() == 2.0
    assert len(timers) == 1


def test_nothing_planned(timers):
    assert timers.deadline() is None
    assert timers.run(1e9) == 0
    assert len(timers) == 0


def test_a_cancelled_task_does_not_happen(timers):
    seen = []
    first = timers.schedule(1.0, lambda: seen.append(1))
    timers.schedule(2.0, lambda: seen.append(2))
    assert first.pending
    first.cancel()
    first.cancel()
    assert not first.pending
    assert (len(timers), timers.deadline()) == (1, 2.0)
    timers.run(5.0)
    assert seen == [2]


def test_cancelling_what_has_happened_is_harmless(timers):
    timer = timers.schedule(1.0, lambda: None)
    timers.run(1.0)
    timer.cancel()
    assert len(timers) == 0
    timers.schedule(2.0, lambda: None)
    assert len(timers) == 1


def test_a_task_may_cancel_one_that_is_due_with_it(timers):
    seen = []
    tasks = {}
    tasks["a"] = timers.schedule(1.0, lambda: tasks["b"].cancel())
    tasks["b"] = timers.schedule(1.0, lambda: seen.append("b"))
    assert timers.run(1.0) == 1
    assert seen == []
    assert len(timers) == 0


def test_a_task_may_cancel_itself(timers):
    tasks = []
    tasks.append(timers.schedule(1.0, lambda: tasks[0].cancel()))
    assert timers.run(1.0) == 1
    assert len(timers) == 0


def test_a_task_that_schedules_itself_does_not_starve_the_network(timers):
    count = []

    def again():
        count.append(1)
        timers.schedule(1.0, again)

    again()
    assert timers.run(1.0) == 1
    assert timers.run(1.0) == 1
    assert len(count) == 3


def test_what_stands_behind_a_task_that_raises_is_still_due(timers):
    seen = []

    def fail():
        raise ZeroDivisionError

    timers.schedule(1.0, fail)
    timers.schedule(1.0, lambda: seen.append(1))
    with pytest.raises(ZeroDivisionError):
        timers.run(1.0)
    assert timers.run(1.0) == 1
    assert seen == [1]


def test_a_hundred_thousand_cancelled_tasks_leave_nothing_behind(timers):
    def there() -> int:
        return sum(isinstance(thing, Timer) for thing in gc.get_objects())

    keeper = timers.schedule(1e6, lambda: None)
    before = there()  # what other tests have left for the collector is not counted
    for number in range(100_000):
        timers.schedule(1000.0 + number, lambda: None).cancel()
    assert there() - before < 200
    assert (len(timers), timers.deadline()) == (1, 1e6)
    assert keeper.pending


def test_cancelling_many_at_once_keeps_the_others_in_order(timers):
    seen = []
    tasks = [timers.schedule(float(at), lambda at=at: seen.append(at)) for at in range(1000, 0, -1)]
    for timer in tasks:
        if timer.at % 10:
            timer.cancel()
    assert len(timers) == 100
    timers.run(1000.0)
    assert seen == list(range(10, 1001, 10))


def test_clear_cancels_everything(timers):
    tasks = [timers.schedule(float(at), lambda: None) for at in range(200)]
    timers.clear()
    assert not any(timer.pending for timer in tasks)
    assert (len(timers), timers.deadline(), timers.run(1e9)) == (0, None, 0)


def test_a_task_shows_its_time(timers):
    timer = timers.schedule(1.5, lambda: None)
    assert repr(timer) == "<Timer at 1.500>"
    timer.cancel()
    assert repr(timer) == "<Timer at 1.500, over>"
