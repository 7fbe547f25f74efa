"""The real clock."""

import time

from reactor.loop.clock import MonotonicClock


def test_time_never_goes_back():
    clock = MonotonicClock()
    readings = [clock.now() for _ in range(1000)]
    assert readings == sorted(readings)
    assert isinstance(readings[0], float)


def test_the_date_is_that_of_the_system():
    before = time.time()
    assert before <= MonotonicClock().today() <= time.time()
