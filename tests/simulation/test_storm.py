"""Storms: everything that can happen does, as often as it was asked for, and then all is well."""

from __future__ import annotations

import logging

import pytest

from handlers import MessagingHandler
from reactor.simulation import World
from reactor.simulation.world.storm import KINDS
from tests.support.clients import Bystander, Client
from tests.support.scenarios import URL


@pytest.fixture(autouse=True)
def quiet_logs():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Steady(Client):
    opened = 0

    def attach(self):
        self.losses = 1
        self.container.create_sender(self.connection, "jobs")

    def on_connection_opened(self, event):
        self.opened += 1


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_happens_and_passes(kind):
    world = World(3, latency=0.01)
    world.start(Bystander, URL, name="broker")
    client = world.start(Steady, URL)
    world.run_until(lambda: client.handler.opened)
    storm = world.storm(20.0, [kind], every=1.0, crashing=[client])
    world.run_until(lambda: storm.over)
    assert list(storm.happened) == [kind.replace(" ", "_").replace("-", "_")]
    assert 3 <= sum(storm.happened.values()) <= 60
    if kind != "cut behind":
        assert world.faults >= sum(storm.happened.values())
    assert client.running
    before = client.handler.opened
    world.cut()
    world.run_until(lambda: client.handler.opened > before, limit=60)


def test_all_kinds_but_crashes_where_nobody_may_crash():
    world = World(4, latency=0.01)
    world.start(Bystander, URL, name="broker")
    world.start(Steady, URL)
    storm = world.storm(200.0, every=0.5)
    assert not storm.over
    world.run_until(lambda: storm.over)
    assert len(storm.happened) == len(KINDS) - 2
    count = sum(storm.happened.values())
    world.run_for(100.0)
    assert sum(storm.happened.values()) == count


def test_where_nothing_is_nothing_happens():
    world = World(4)
    storm = world.storm(50.0)
    world.run_until(lambda: storm.over)
    assert set(storm.happened) <= {"cut_behind"}


def test_who_listens_nowhere_cannot_be_hidden():
    world = World(4)
    world.start(MessagingHandler())
    storm = world.storm(50.0, ["refuse", "lookup"])
    world.run_until(lambda: storm.over)
    assert storm.happened == {}


def test_kinds_that_there_are_not():
    with pytest.raises(ValueError, match="there is no fault 'flood'; there are cut, cut behind, "):
        World(4).storm(5.0, ["flood"])
