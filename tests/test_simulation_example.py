"""What a user writes to test his handler's reconnect: the example of the README, as it stands there."""

from __future__ import annotations

import logging

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor.simulation import World, explore


class Worker(MessagingHandler):
    """The handler to be tested."""

    def on_start(self, event):
        event.container.create_receiver("amqp://broker/jobs")


def comes_back(world: World) -> None:
    broker = world.start(Broker, "amqp://broker")
    world.start(Worker)
    world.run_until(lambda: broker.handler.statistics("jobs").consumers)
    broker.crash()
    world.run_for(5.0)
    broker.restart()
    world.run_until(lambda: broker.handler.statistics("jobs").consumers, limit=60)


def test_the_worker_comes_back_after_a_restart_of_its_broker():
    logging.disable(logging.ERROR)
    try:
        assert explore(comes_back, range(50)) == 50
    finally:
        logging.disable(logging.NOTSET)
