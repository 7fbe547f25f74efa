"""A message is moved from one queue to another in a transaction, and everything is cut after each of its frames."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from handlers.broker.store.memory import MemoryStore
from handlers.broker.store.sqlite import SqliteStore
from reactor.simulation import World
from tests.support import movers
from tests.support.clients import Bystander
from tests.support.scenarios import URL


@pytest.fixture(autouse=True)
def quiet_logs() -> Any:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def cut(world: World, what: str, broker: Any, mover: Any) -> None:
    if what == "the wire":
        world.cut()
    else:
        program = broker if what == "the broker" else mover
        program.crash()
        world.after(0.2, program.restart)


@pytest.mark.parametrize("what", ["the wire", "the broker", "the client"])
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_transfer_is_whole_whatever_frame_was_the_last(what: str, seed: int) -> None:
    frames = 0
    while frames < 200:
        ledger, store = movers.Ledger(), MemoryStore()
        with World(seed=seed) as world:
            movers.fill(store, 3)
            broker = world.start(Bystander, URL, store=store, name="broker")
            mover = world.start(movers.Mover, URL, world.source("m"), ledger, name="mover")
            for _ in range(frames):
                world.step_frame()
            before = set(ledger.committed)
            cut(world, what, broker, mover)
            world.run_for(6.0)
            mover.handler.rest()
            world.run_for(4.0)
            movers.check(store, ledger, 3)
            assert len(movers.read(store)[movers.TO]) > 0, "it goes on after the cut"
            assert broker.handler.internal_errors == 0
        if sum(ledger.sizes[work] for work in before) == 3:
            break  # all were moved before the cut
        frames += 1
    assert 20 < frames < 200


def test_the_same_with_a_file_that_is_opened_again(tmp_path: Any) -> None:
    for frames in range(15, 50, 5):
        path, ledger = tmp_path / str(frames), movers.Ledger()
        with World(seed=3) as world:
            store = SqliteStore(path)
            movers.fill(store, 3)
            store.close()

            class Fresh(Bystander):
                """Opens the file with each start."""

                def __init__(self, url: str, path: Any) -> None:
                    super().__init__(url, store=SqliteStore(path))

            broker = world.start(Fresh, URL, path, name="broker")
            mover = world.start(movers.Mover, URL, world.source("m"), ledger, name="mover")
            for _ in range(frames):
                world.step_frame()
            broker.crash()
            broker.handler.close()
            world.after(0.2, broker.restart)
            world.run_for(6.0)
            mover.handler.rest()
            world.run_for(4.0)
            broker.handler.close()
        store = SqliteStore(path)
        movers.check(store, ledger, 3)
        store.close()
