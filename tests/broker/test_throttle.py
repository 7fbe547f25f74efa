"""Log-ins that fail: how often they may, what is forgotten, and that no work is done for those that are too many."""

from __future__ import annotations

import logging

import pytest

from handlers.broker.access import throttle as room
from handlers.broker.access.failures import MOST_ADDRESSES, OF_ADDRESS, OF_ALL, OF_USER, WHILE, Failures
from handlers.broker.access.throttle import AT_ONCE, NEWS, PAUSE, PER_SECOND, Throttle, network
from reactor import ScramSecret
from tests.support.brokers import BrokerWorld

USERS = {"alice": "s3cret", "bob": "other"}
HERE = "10.0.0.1:5000"


@pytest.mark.parametrize("address, counts", [
    ("10.0.0.1:5000", "10.0.0.1"), ("[::ffff:10.0.0.1]:5000", "10.0.0.1"), ("[2001:db8::1]:5000", "2001:db8::/64"),
    ("[2001:db8::ffff:1%eth0]:7", "2001:db8::/64"), ("broker:5672", "broker"), ("", ""), (None, ""), ("odd", ""),
])  # fmt: skip
def test_what_counts_of_an_address(address, counts):
    assert network(address) == counts


def test_a_user_may_fail_so_often_at_once_and_then_now_and_then():
    throttle = Throttle(3)
    for _ in range(3):
        assert not throttle.is_shut(HERE, "alice", 0.0)
        throttle.failed(HERE, "alice", 0.0)
    assert throttle.is_shut(HERE, "alice", PAUSE - 0.1)
    assert throttle.is_shut("10.0.0.1:6000", "alice", 0.0), "another port is the same address"
    assert not throttle.is_shut(HERE, "bob", 0.0) and not throttle.is_shut("10.0.0.2:5000", "alice", 0.0)
    assert not throttle.is_shut(HERE, "alice", PAUSE)
    throttle.failed(HERE, "alice", PAUSE)
    assert throttle.is_shut(HERE, "alice", PAUSE) and not throttle.is_shut(HERE, "alice", 2 * PAUSE)
    for _ in range(100):  # those that are not looked at do not count
        throttle.failed(HERE, "alice", PAUSE)
    assert not throttle.is_shut(HERE, "alice", 2 * PAUSE)


def test_all_users_of_one_address_together_are_bounded():
    throttle = Throttle(3)
    for number in range(AT_ONCE):
        assert not throttle.is_shut(HERE, f"user-{number}", 0.0)
        throttle.failed(HERE, f"user-{number}", 0.0)
    assert throttle.is_shut(HERE, "alice", 0.0) and not throttle.is_shut("10.0.0.2:1", "alice", 0.0)
    assert not throttle.is_shut(HERE, "alice", 1 / PER_SECOND)


def test_without_a_bound_nothing_is_remembered():
    throttle = Throttle(0)
    for _ in range(AT_ONCE + 1):
        throttle.failed(HERE, "alice", 0.0)
    assert not throttle.is_shut(HERE, "alice", 0.0) and not len(throttle._users)


def test_the_oldest_failures_are_forgotten(monkeypatch):
    monkeypatch.setattr(room, "REMEMBERED", 5)
    throttle = Throttle(1)
    for number in range(10):
        throttle.failed(f"10.0.0.{number}:1", "alice", 0.0)
    assert len(throttle._users) == len(throttle._places) == 5
    assert throttle.is_shut("10.0.0.9:1", "alice", 0.0) and not throttle.is_shut("10.0.0.1:1", "alice", 0.0)
    throttle.failed("10.0.0.10:1", "x" * 100_000, 0.0)
    assert max(len(user) for _, user in throttle._users._levels) == room.LONGEST_USER


@pytest.fixture
def derived(monkeypatch):
    """The passwords for which the broker does the work."""
    seen = []
    matches = ScramSecret.matches

    def watched(self, password):
        seen.append(password)
        return matches(self, password)

    monkeypatch.setattr(ScramSecret, "matches", watched)
    return seen


def errors(world, mechanism, password, user="alice"):
    client = world.client(user=user, password=password, allowed_mechs=mechanism, allow_insecure_mechs=True)
    return client.errors


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_a_client_that_guesses_is_not_looked_at(mechanism, derived, monkeypatch, caplog):
    world = BrokerWorld(users=USERS, max_failed_logins=3)
    for acceptor in world.broker.acceptors:  # that of a network in memory has no PLAIN
        acceptor.allowed_mechs = [mechanism]
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            assert errors(world, mechanism, f"guess {number}") == ["amqp:unauthorized-access"]
    assert errors(world, mechanism, "s3cret") == ["amqp:unauthorized-access"], "nor is the right one"
    assert errors(world, mechanism, "other", "bob") == []
    tried = [f"guess {number}" for number in range(3)] if mechanism == "PLAIN" else []
    assert [password for password in derived if password.startswith("guess") or password == "s3cret"] == tried
    told = [record.getMessage() for record in caplog.records if "failed too often" in record.getMessage()]
    assert len(told) == 1 and "user 'alice'" in told[0]
    world.pass_time(PAUSE)
    assert errors(world, mechanism, "s3cret") == []
    assert errors(world, mechanism, "s3cret") == [], "log-ins that succeed do not count"


def test_without_users_nothing_is_counted():
    world = BrokerWorld(max_failed_logins=1)
    for _ in range(3):
        assert world.client().errors == []


# -- lines of the log


def lines(caplog, text):
    return [record.getMessage() for record in caplog.records if text in record.getMessage()]


def test_a_flood_of_log_ins_that_fail_has_a_few_lines_and_their_number(caplog):
    caplog.set_level(logging.INFO)
    world = BrokerWorld(users=USERS, max_failed_logins=3)
    for number in range(40):
        assert errors(world, "SCRAM-SHA-256", f"guess {number}") == ["amqp:unauthorized-access"]
    assert errors(world, "SCRAM-SHA-256", "guess", "bob") == ["amqp:unauthorized-access"]
    assert len(lines(caplog, "wrong user or password for 'alice'")) == OF_USER
    assert len(lines(caplog, "wrong user or password for 'bob'")) == 1, "another user has a line"
    assert not lines(caplog, "more log-ins")
    world.pass_time(WHILE)
    assert lines(caplog, "more log-ins") == [
        "35 more log-ins have failed within 60 s, each without a line: 35 from 127.0.0.1"
    ]
    world.pass_time(10 * WHILE)
    assert len(lines(caplog, "more log-ins")) == 1
    errors(world, "SCRAM-SHA-256", "guess")
    assert len(lines(caplog, "wrong user or password for 'alice'")) == OF_USER + 1


def test_a_broker_that_ends_says_how_many_were_left_out(caplog):
    world = BrokerWorld(users=USERS)
    for number in range(OF_USER + 2):
        errors(world, "SCRAM-SHA-256", f"guess {number}")
    world.broker.shut_down()
    assert len(lines(caplog, "2 more log-ins have failed")) == 1


class Clock:
    """A time that the test sets, and the timers."""

    def __init__(self):
        self.now = 1000.0
        self.timers = []

    def later(self, action, delay):
        self.timers.append((self.now + delay, action))
        return self

    def cancel(self):
        self.timers.clear()


def test_users_that_change_and_addresses_that_change_are_bounded_too(caplog):
    clock = Clock()
    failures = Failures(lambda: clock.now, clock.later)
    assert sum(failures.admits(HERE, f"user-{number}") for number in range(100)) == OF_ADDRESS
    others = sum(failures.admits(f"10.1.{n // 250}.{n % 250}:1", "alice") for n in range(2 * MOST_ADDRESSES))
    assert others == OF_ALL - OF_ADDRESS
    assert len(failures._left_out) == MOST_ADDRESSES + 1 and len(failures._lines) <= 2 * OF_ALL + 1
    assert [when for when, _ in clock.timers] == [1000.0 + WHILE], "one timer, however many there are"
    clock.timers[0][1]()
    total = 100 + 2 * MOST_ADDRESSES - OF_ALL
    [line] = lines(caplog, "more log-ins")
    assert line.startswith(f"{total} more log-ins have failed within 60 s, each without a line: 80 from 10.0.0.1, 1 ")
    assert line.endswith(" from others") and line.count("from") == 4 and not clock.timers


def test_a_new_while_begins_with_the_number_of_the_last_one(caplog):
    clock = Clock()
    failures = Failures(lambda: clock.now, clock.later)
    for _ in range(OF_USER + 1):
        failures.admits(HERE, "alice")
    clock.now += WHILE  # its timer is late
    assert failures.admits(HERE, "alice")
    assert len(lines(caplog, "1 more log-ins have failed")) == 1 and not clock.timers


def test_an_address_that_stays_shut_has_a_line_a_minute(caplog):
    throttle = Throttle(1)
    for second in range(int(NEWS) * 2):
        throttle.failed(HERE, f"user-{second}", float(second))
    assert len(lines(caplog, "failed too often")) == 2
