"""A transfer from one queue to another (examples/tx_move.py) is killed at every step, or its broker is: no message is
lost, and none is there twice.

Here with processes, sockets and a store on the disk; and with a crash at each frame in a simulated world, where every
order of things can be had.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from examples.tx_move import TxMove
from handlers.broker.store.memory import MemoryStore
from handlers.broker.store.sqlite import SqliteStore
from reactor import Backoff
from reactor.simulation import World
from tests.support import movers
from tests.support.clients import Bystander
from tests.support.processes import CHECKOUT, run
from tests.support.recovery import BrokerProcess
from tests.support.scenarios import URL

LIFE = 600.0  #: seconds; a slow test is long for a machine with much to do


def transfer(broker: BrokerProcess, step: int, victim: int) -> tuple[int, str]:
    """(exit status, output) of the program when `victim` is killed at this step; 0: the program itself."""
    command = [sys.executable, "-m", "tests.support.mortal", str(step), str(victim), "examples.tx_move"]
    status, out, _ = run([*command, "-a", broker.url, "-f", movers.FROM, "-t", movers.TO, "-b", "2"], CHECKOUT)
    return status, out


def check(path: Path, total: int) -> None:
    """Each message was moved once."""
    store = SqliteStore(path)
    try:
        found = movers.read(store)
    finally:
        store.close()
    assert sorted(message.body for message in found[movers.TO]) == list(range(total)) and not found[movers.FROM]


#: All steps, in parts: each test has its time.
PARTS = [range(first, first + 10) for first in range(0, 60, 10)]


@pytest.mark.parametrize(
    ("steps", "total"),
    [([24], 10), *(pytest.param(part, 200, marks=pytest.mark.slow) for part in PARTS)],
    ids=["once", *(f"from step {part[0]} on" for part in PARTS)],
)
@pytest.mark.parametrize("killed", ["the program", pytest.param("the broker", marks=pytest.mark.slow)])
def test_a_transfer_is_killed_and_no_message_is_lost_or_doubled(
    tmp_path: Path, killed: str, steps: Any, total: int
) -> None:
    path = tmp_path / "jobs.store"
    store = SqliteStore(path)
    movers.fill(store, total)
    store.close()
    with BrokerProcess(tmp_path, "--store", str(path), life=LIFE) as broker:
        for step in steps:
            victim = 0 if killed == "the program" else broker.script.process.pid
            status, _ = transfer(broker, step, victim)
            assert status != 0, f"it has come to its end before step {step}"
            if victim:
                broker.kill()
                broker.start()
        out = ""
        while out != "There are no more\n":
            status, out = transfer(broker, sys.maxsize, 0)
            assert status == 0
    check(path, total)


class Restless(TxMove):
    """Looks for more messages when there are none; brokers that crash are its business."""

    def __init__(self, url: str) -> None:
        super().__init__(url, movers.FROM, movers.TO, 2, Backoff(initial=0.1, max_delay=1.0))

    def on_link_error(self, event: Any) -> None:
        """As a loss."""

    on_session_error = on_connection_error = on_transport_error = on_link_error


@pytest.mark.parametrize("what", ["the wire", "the broker", "the program"])
def test_the_same_with_a_crash_at_each_frame(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    frames = 16  # those before are of the handshake
    while frames < 120:
        store = MemoryStore()
        with World(seed=5) as world:
            movers.fill(store, 5)
            broker = world.start(Bystander, URL, store=store, name="broker")
            program = world.start(Restless, URL, name="program")
            for _ in range(frames):
                world.step_frame()
            was_done = program.handler.done
            if what == "the wire":
                world.cut()
            else:
                victim = broker if what == "the broker" else program
                victim.crash()
                world.after(0.2, victim.restart)
            world.run_for(20.0)
            found = movers.read(store)
            assert sorted(message.body for message in found[movers.TO]) == list(range(5)) and not found[movers.FROM]
            assert broker.handler.internal_errors == 0
        if was_done:
            break
        frames += 1
    assert 40 < frames < 120
