"""The pollers: what is ready, and what becomes of descriptors that were closed."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from reactor.loop import poller as pollers
from reactor.loop.wires import READ, WRITE

KINDS = [pollers.SelectorPoller] + ([pollers.EpollPoller] if sys.platform == "linux" else [])


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def poller(request):
    poller = request.param()
    yield poller
    poller.close()


@pytest.fixture
def pair():
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


def test_the_best_one_of_this_system():
    best = pollers.make_poller()
    assert type(best) is KINDS[-1]
    best.close()


def test_nothing_is_ready(poller, pair):
    poller.watch(pair[0], READ, "reader")
    assert poller.wait(0) == []


def test_room_and_bytes(poller, pair):
    near, far = pair
    poller.watch(near, READ | WRITE, "both")
    assert poller.wait(5) == [("both", WRITE)]
    far.send(b"x")
    assert poller.wait(5) == [("both", READ | WRITE)]
    poller.watch(near, READ, "reader")
    assert poller.wait(5) == [("reader", READ)]
    poller.watch(near.fileno(), WRITE, "number")
    assert poller.wait(5) == [("number", WRITE)]
    assert poller.watched() == [near.fileno()]


@pytest.mark.parametrize("interest", [READ, WRITE])
def test_the_end_is_reported_to_whom_it_may_concern(poller, pair, interest):
    near, far = pair
    poller.watch(near, interest, "one")
    far.close()
    [(watcher, mask)] = poller.wait(5)
    assert watcher == "one" and mask & interest


def test_what_is_watched_no_more(poller, pair):
    near, far = pair
    far.send(b"x")
    poller.watch(near, READ, "reader")
    poller.unwatch(near)
    poller.unwatch(near)
    assert poller.wait(0) == poller.watched() == []


def test_closed_while_it_was_watched(poller, pair):
    near, _ = pair
    poller.watch(near, READ, "reader")
    near.close()
    poller.unwatch(near)
    assert poller.watched() == []
    with pytest.raises(ValueError):
        poller.watch(near, READ, "reader")


def test_a_number_that_means_another_thing_now(poller, pair):
    near, _ = pair
    poller.watch(near, READ, "old")
    number = near.fileno()
    again, other = socket.socketpair()
    os.dup2(again.fileno(), number)  # behind the poller's back

    class Thing:
        def fileno(self):
            return number

    thing = Thing()
    poller.watch(thing, READ, "new")
    other.send(b"x")
    assert poller.wait(5) == [("new", READ)]
    assert poller.watched() == [thing]
    poller.unwatch(thing)
    again.close()
    other.close()


def test_closing_twice_leaves_what_was_watched(poller, pair):
    near, far = pair
    poller.watch(near, READ, "reader")
    poller.close()
    poller.close()
    poller.unwatch(near)
    assert poller.watched() == []
    far.send(b"x")
    assert near.recv(1) == b"x"


@pytest.mark.skipif(sys.platform != "linux", reason="the poller of Linux")
def test_of_many_that_are_ready_some_are_reported_and_all_have_their_turns(monkeypatch):
    most = 20
    monkeypatch.setattr(pollers, "MOST_AT_ONCE", most)
    pairs = [socket.socketpair() for _ in range(3 * most)]
    poller = pollers.EpollPoller()
    try:
        for number, (near, far) in enumerate(pairs):
            poller.watch(near, READ, number)
            far.send(b"x")
        for _ in range(3):  # nothing is read: all of them stay ready
            reports = [poller.wait(0) for _ in range(3)]
            assert {len(report) for report in reports} == {most}
            assert sorted(number for report in reports for number, _ in report) == list(range(3 * most))
    finally:
        poller.close()
        for near, far in pairs:
            near.close()
            far.close()
