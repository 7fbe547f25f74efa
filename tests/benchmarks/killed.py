"""A broker with a store, killed (-9) again and again under a sender and a receiver.

    python -m tests.benchmarks.killed [--kills N] [--every MESSAGES] [--seed SEED]

The sender sends durable messages, a hundred at a time, and those in doubt once more; the receiver accepts what comes.
The broker is killed after so many accepted messages each time, more or less, and started again on the same file. In the
end each message that was confirmed has to have come at least once. Those that came more often are counted: the contract
allows that where a confirmation or an outcome was under way, and no more than that can be under way at one kill. The
status is 1 when a message is lost, or more than these are doubled.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Optional

from reactor import Backoff, Container
from tests.benchmarks.process import machine
from tests.support.recovery import BrokerProcess, Faithful

#: Seconds after which a broker that hangs is ended.
LIMIT = 3600.0
#: Always the same short delay: no connection lives long here, and delays that grow would be most of the time.
AT_ONCE = Backoff(initial=0.02, factor=1, max_delay=0.02, jitter=0)
#: Messages without a confirmation, and those that the receiver may hold.
UNDER_WAY = 100 + 50


class Killer(Faithful):
    """A carrier that kills only a broker that it has work with, and so often that it is connected again between."""

    done = 0

    def may_kill(self) -> bool:
        if self.told["reconnected"] < self.done:
            return False
        self.done += 1
        return True


def main(arguments: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.benchmarks.killed")
    parser.add_argument("--kills", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--every", type=int, default=200, help="accepted messages between them (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the chance in that (default: %(default)s)")
    options = parser.parse_args(arguments)
    chance = random.Random(options.seed)
    total = (options.kills + 1) * options.every
    kills = sorted(chance.sample(range(1, options.kills * options.every + 1), options.kills))
    logging.disable()  # each kill is in the log
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        with BrokerProcess(Path(place), "--store", "killed.store", life=LIMIT) as broker:
            client = Killer(broker, "jobs", total, kills, True, AT_ONCE)
            Container(client).run()
    confirmed = client.told["accepted"]
    received = len(client.received)
    lost = total - received
    doubled = sum(1 for times in client.received.values() if times > 1)
    print(machine())
    print(f"{client.done} kills in {time.monotonic() - began:.0f} s: ", end="")
    print(f"{total} sent, {confirmed} confirmed, {received} received, {doubled} of them doubled, {lost} lost")
    return 1 if lost or confirmed < total or doubled > client.done * UNDER_WAY else 0


if __name__ == "__main__":
    sys.exit(main())
