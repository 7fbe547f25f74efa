"""Turns of the loop, in both worlds; and what only the real one has: threads, signals, descriptors of others."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

import pytest

from reactor.loop.loop import Loop
from reactor.loop.wires import READ, WRITE
from reactor.simulation import MemoryNetwork, VirtualClock
from tests.support.worlds import WORLDS, SocketWorld


class Recorder:
    """A watcher that notes what it is told, and does something about it if it was given something to do."""

    def __init__(self, act=lambda mask: None) -> None:
        self.masks = []
        self.act = act

    def ready(self, mask):
        self.masks.append(mask)
        self.act(mask)


@pytest.fixture(params=WORLDS, ids=lambda world: world.kind)
def world(request):
    world = request.param()
    yield world
    world.close()


@pytest.fixture
def real():
    """A loop as applications have it: real clock, real sockets."""
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def descriptors():
    near, far = socket.socketpair()
    near.setblocking(False)
    yield near, far
    near.close()
    far.close()


# -- time -------------------------------------------------------------------------------------------------------


def test_a_task_happens_when_its_time_has_come(world):
    loop = world.loop()
    seen = []
    loop.schedule(2.0, lambda: seen.append(loop.now))
    assert not loop.turn(0)
    world.clock.advance(1.999)
    assert not loop.turn(0)
    world.clock.advance(0.001)
    assert loop.turn(0)
    assert seen == [1002.0]
    assert not loop.turn(0)


def test_a_task_for_now_happens_in_the_next_turn(world):
    loop = world.loop()
    seen = []

    def first():
        seen.append("first")
        loop.schedule(0, lambda: seen.append("second"))

    loop.schedule(-1.0, first)
    assert loop.turn(None)
    assert seen == ["first"]
    assert loop.turn(None)
    assert seen == ["first", "second"]


def test_a_deadline_ends_the_wait():
    clock = VirtualClock()
    loop = Loop(clock, MemoryNetwork(clock).node())
    seen = []
    loop.schedule(60.0, lambda: seen.append(clock.now()))
    assert not loop.turn(10.0)
    assert clock.now() == 1010.0
    assert loop.turn(None)
    assert seen == [1060.0]


def test_a_deadline_ends_a_real_wait(real):
    seen = []
    real.schedule(0.01, lambda: seen.append(1))
    while not seen:
        real.turn(30.0)


def test_busy_is_who_has_something_left_to_do(world):
    loop = world.loop()
    assert not loop.busy
    timer = loop.schedule(1.0, lambda: None)
    assert loop.busy
    timer.cancel()
    assert not loop.busy


# -- waking up --------------------------------------------------------------------------------------------------


def test_a_wake_before_the_wait_ends_it(world):
    loop = world.loop()
    loop.wake()
    loop.wake()
    loop.turn(None)


def test_a_wake_from_another_thread_ends_the_wait(real):
    thread = threading.Thread(target=real.wake)
    thread.start()
    real.turn(None)
    thread.join()


def test_ten_thousand_wakes_that_nobody_waits_for_do_not_block(real):
    for _ in range(10_000):
        real.wake()
    real.turn(None)


def test_waking_what_is_closed_is_harmless(world):
    loop = world.loop()
    loop.close()
    loop.wake()
    loop.close()


@pytest.mark.skipif(sys.platform == "win32", reason="signals go to threads on POSIX only")
def test_ctrl_c_leaves_the_wait_and_everything_can_go_on(real):
    main = threading.main_thread().ident
    listener = real.network.listen("127.0.0.1", 0)
    wire = real.network.connect("127.0.0.1", listener.port)
    watcher = Recorder(lambda mask: real.unwatch(wire))
    arm = threading.Thread(target=signal.pthread_kill, args=(main, signal.SIGINT))
    real.schedule(0, arm.start)
    with pytest.raises(KeyboardInterrupt):
        while True:
            real.turn(None)
    arm.join()
    real.watch(wire, WRITE, watcher)
    while not watcher.masks:
        real.turn(30.0)
    assert wire.connected()
    wire.close()


# -- descriptors of others --------------------------------------------------------------------------------------


def test_a_descriptor_is_reported_as_long_as_it_is_ready(real, descriptors):
    near, far = descriptors
    watcher = Recorder()
    real.watch(near, READ, watcher)
    assert not real.turn(0)
    far.send(b"x")
    real.turn(None)
    real.turn(None)
    assert watcher.masks == [READ, READ]
    near.recv(1)
    assert not real.turn(0)


def test_interest_is_replaced_and_ended(real, descriptors):
    near, far = descriptors
    first, second = Recorder(), Recorder()
    far.send(b"x")
    real.watch(near, READ, first)
    real.watch(near, READ | WRITE, second)
    real.turn(None)
    assert (first.masks, second.masks) == ([], [READ | WRITE])
    real.watch(near, WRITE, second)
    real.turn(None)
    assert second.masks[-1] == WRITE
    real.watch(near, 0, second)
    assert not real.turn(0)
    real.unwatch(near)
    real.watch(near, READ, first)
    real.turn(None)
    assert first.masks == [READ]
    real.unwatch(near)
    assert not real.turn(0)


def test_a_descriptor_that_was_closed_while_watched_and_came_again(real, descriptors):
    near, far = descriptors
    lost = Recorder()
    real.watch(near, READ, lost)
    far.send(b"x")
    number = near.fileno()
    other_near, other_far = socket.socketpair()
    os.dup2(other_near.fileno(), number)  # the same number for another thing, behind the selector's back

    class Thing:
        def fileno(self):
            return number

    thing = Thing()
    watcher = Recorder()
    real.watch(thing, READ, watcher)
    other_far.send(b"y")
    real.turn(None)
    assert (lost.masks, watcher.masks) == ([], [READ])
    real.unwatch(thing)
    other_near.close()
    other_far.close()


def test_closing_the_loop_leaves_descriptors_of_others_open(descriptors):
    near, far = descriptors
    loop = Loop()
    loop.watch(near, READ, Recorder())
    loop.close()
    far.send(b"x")
    assert near.recv(1) == b"x"


def test_an_exception_of_one_owner_is_not_the_loss_of_another(real, descriptors):
    near, far = descriptors
    third, fourth = socket.socketpair()

    def fail(mask):
        real.unwatch(near)
        raise ZeroDivisionError

    bad, good = Recorder(fail), Recorder(lambda mask: real.unwatch(third))
    real.watch(near, READ, bad)
    real.watch(third, READ, good)
    far.send(b"x")
    fourth.send(b"x")
    with pytest.raises(ZeroDivisionError):
        real.turn(None)
        real.turn(None)
    while not good.masks:
        real.turn(30.0)
    assert len(bad.masks) == 1
    third.close()
    fourth.close()


def test_loops_do_not_share_anything():
    world = SocketWorld()
    first, second = world.loop(), world.loop()
    second.wake()
    first.schedule(0, lambda: None)
    assert first.turn(0)
    assert second.turn(0)
    world.close()
