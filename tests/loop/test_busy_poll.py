"""Busy polling, with a clock, a poller and a system call that a test holds in its hands."""

from __future__ import annotations

import math

import pytest

from reactor import Container
from reactor.loop import busy_poll, sockets
from reactor.loop.busy_poll import BusyPoller, busily
from reactor.loop.poller import make_poller

STEP = 2.0**-16  # seconds, so that sums are exact
LOOK = 8 * STEP


class Desk:
    """A poller whose descriptor is ready at times that the test names; each time others have the
    processor takes a STEP."""

    def __init__(self, *ready_after):
        self.time = 1024.0
        self.ready_after = list(ready_after)  # seconds from the beginning of each wait of the busy poller
        self.due = None
        self.asked = []
        self.gave_way = 0
        self.others_take = STEP
        self.busy = BusyPoller(self, LOOK, lambda: self.time, self.give_way)

    def give_way(self):
        self.gave_way += 1
        self.time += self.others_take

    def turn(self, timeout=60.0):
        """How the poller was asked in one wait: 0 for a look, else the longest time to sleep."""
        self.asked.clear()
        self.gave_way = 0
        self.due = self.time + self.ready_after.pop(0)
        ready = self.busy.wait(timeout)
        return ready, list(self.asked)

    # -- a Poller

    def fileno(self):
        return 7

    def wait(self, timeout):
        self.asked.append(timeout)
        if self.due - self.time > timeout:
            self.time += timeout
            return []
        self.time = max(self.time, self.due)
        return ["ready"]

    def watch(self, thing, interest, watcher): ...
    def unwatch(self, thing): ...
    def watched(self):
        return ["watched"]

    def close(self):
        self.asked.append("closed")


def test_after_a_long_wait_it_sleeps_at_once():
    desk = Desk(5.0, 5.0)
    assert desk.turn() == (["ready"], [60.0])
    assert desk.turn() == (["ready"], [60.0])
    assert desk.gave_way == 0


def test_after_a_short_wait_it_looks_and_leaves_the_processor_to_others_between():
    desk = Desk(LOOK, 5 * STEP)
    desk.turn()
    ready, asked = desk.turn()
    assert ready == ["ready"]
    assert set(asked) == {0} and len(asked) == desk.gave_way + 1 == 6


def test_what_is_there_at_once_costs_one_look():
    desk = Desk(LOOK, 0.0)
    desk.turn()
    assert desk.turn() == (["ready"], [0])
    assert desk.gave_way == 0


def test_it_looks_for_twice_so_long_and_then_sleeps_for_the_rest():
    desk = Desk(LOOK, 7.0)
    desk.turn()
    before = desk.time
    _, asked = desk.turn(60.0)
    assert asked[-1] == 60.0 - 2 * LOOK
    assert set(asked[:-1]) == {0} and len(asked) - 2 == desk.gave_way == 16
    assert desk.time - before == 7.0


def test_a_wait_that_is_to_end_sooner_does():
    desk = Desk(LOOK, 7.0)
    desk.turn()
    before = desk.time
    assert desk.turn(3 * STEP)[0] == []
    assert desk.time - before == 3 * STEP


def test_a_look_alone_stays_one():
    desk = Desk(LOOK, 1.0)
    desk.turn()
    assert desk.turn(0) == ([], [0])


def looks_in(desk, number):
    """In which of so many waits it looked."""
    return [desk.turn()[1][0] == 0 for _ in range(number)]


def test_answers_within_the_time_are_looked_for_always():
    desk = Desk(*[7 * STEP] * 1000)
    assert looks_in(desk, 1000) == [False] + [True] * 999


def test_answers_that_come_later_than_that_are_looked_for_now_and_then():
    """Each is in time for a look, which has cost more than it was worth."""
    desk = Desk(*[12 * STEP] * 1000)
    looked = looks_in(desk, 1000)
    at = [number for number, did in enumerate(looked) if did]
    earned_back = math.ceil(4 * STEP / 1e-6)  # waits without a look, for the four steps too many
    assert {later - sooner for sooner, later in zip(at, at[1:])} <= {earned_back, earned_back + 1}
    assert len(at) > 2


def test_a_peer_that_sleeps_is_waited_for_once_and_then_both_are_quick():
    """What a peer needs to wake up is more than the time; when both look, neither sleeps."""
    desk = Desk(LOOK, 14 * STEP, *[5 * STEP] * 300)
    looked = looks_in(desk, 302)
    assert looked[:2] == [False, True]
    assert looked.index(True, 2) < 100
    assert all(looked[looked.index(True, 2) :])


def test_late_answers_among_many_change_nothing():
    desk = Desk(*[5 * STEP] * 100, *[15 * STEP] * 10, *[5 * STEP] * 100, 7.0, LOOK, *[5 * STEP] * 10)
    assert looks_in(desk, 211) == [False] + [True] * 210
    # After a long wait there is nothing to look for, but the savings are there.
    assert looks_in(desk, 11) == [False] + [True] * 10


def test_what_is_saved_up_has_a_bound():
    desk = Desk(*[0.0] * 10_000, *[7.0, LOOK] * 20)
    looks_in(desk, 10_000)
    assert sum(looks_in(desk, 40)) == 6  # of twenty, ten times the time, at twice the time each; the last one in debt


def test_a_wait_that_ends_without_anything_earns_nothing():
    """A timer is due each time, after less than the time: looking for it would take all of the processor."""
    desk = Desk(*[60.0] * 1000)
    turns = [desk.turn(5 * STEP) for _ in range(1000)]
    assert all(ready == [] for ready, _ in turns)
    assert 2 <= sum(len(asked) > 1 for _, asked in turns) <= 1 + 1000 // int(5 * STEP / 1e-6)


def test_a_program_that_was_stopped_looks_again():
    """By a signal or a debugger, in the middle of a look: the hours do not count as what a look has cost."""
    desk = Desk(*[5 * STEP] * 20_000)
    desk.turn()
    desk.others_take = 7200.0
    assert desk.turn()[1][0] == 0
    desk.others_take = STEP
    # It owes forty times the time at most, and has found something in the end.
    assert looks_in(desk, 6000).index(True) == pytest.approx(39 * LOOK / 1e-6, abs=2)


def test_where_others_need_the_processor_it_does_not_look_for_long():
    desk = Desk(*[5 * STEP] * 20_000)
    desk.turn()
    desk.others_take = 200 * STEP
    assert desk.turn()[1][0] == 0
    desk.others_take = STEP
    # What the processor was away for has to be earned, a microsecond with each wait.
    assert looks_in(desk, 6000).index(True) == pytest.approx((200 * STEP - LOOK) / 1e-6, abs=2)


def test_the_rest_is_that_of_the_poller():
    desk = Desk()
    assert desk.busy.watched() == ["watched"]
    assert desk.busy.fileno() == 7
    desk.busy.close()
    assert desk.asked == ["closed"]


def test_off():
    poller = make_poller()
    assert busily(poller, 0.0, lambda: 0.0) is poller
    poller.close()


def test_a_system_without_the_call(monkeypatch):
    monkeypatch.setattr(busy_poll, "give_way", None)
    poller = make_poller()
    assert busily(poller, LOOK, lambda: 0.0) is poller
    poller.close()


@pytest.mark.skipif(busy_poll.give_way is None, reason="this system cannot leave the processor to others")
def test_containers_have_it_and_can_do_without():
    with Container() as usual, Container(busy_poll=0) as without:
        assert type(usual.loop.network.poller) is BusyPoller
        assert type(without.loop.network.poller) is type(make_poller_and_close())


def make_poller_and_close():
    poller = sockets.make_poller()
    poller.close()
    return poller


@pytest.mark.parametrize("wrong", [-1, "often", True])
def test_a_time_that_is_none(wrong):
    with pytest.raises(ValueError, match="busy_poll"):
        Container(busy_poll=wrong)
