"""The clock that stands still."""

import pytest

from reactor.simulation import VirtualClock


def test_time_stands_still_until_it_is_moved():
    clock = VirtualClock(5.0)
    assert clock.now() == clock.now() == 5.0
    clock.advance(0.25)
    assert clock.now() == 5.25
    clock.advance_to(7.0)
    assert clock.now() == 7.0
    assert repr(clock) == "<VirtualClock 7.000000>"


def test_the_date_goes_on_with_the_time():
    clock = VirtualClock()
    before = clock.today()
    clock.advance(86400.0)
    assert clock.today() - before == 86400.0 and before > 1e9


def test_time_does_not_go_back():
    clock = VirtualClock(5.0)
    clock.advance_to(4.0)
    assert clock.now() == 5.0
    with pytest.raises(ValueError, match="time does not go back"):
        clock.advance(-0.1)


def test_it_does_not_start_at_zero_which_means_never():
    assert VirtualClock().now() > 0
