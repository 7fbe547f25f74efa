"""A broker with a store, killed (-9) again and again under a sender and a receiver.

    python -m tests.benchmarks.killed [--kills N] [--every MESSAGES]

The sender sends durable messages, and those in doubt once more; the receiver accepts what comes. The broker is killed
after so many accepted messages each time, and started again on the same file. In the end each message that was accepted
has to have come at least once; those that came more often are counted. The status is 1 when one is missing.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

from reactor import Container
from tests.benchmarks.process import machine
from tests.support.recovery import BrokerProcess, Faithful

#: Seconds after which a broker that hangs is ended.
LIMIT = 3600.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.benchmarks.killed")
    parser.add_argument("--kills", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--every", type=int, default=200, help="accepted messages between them (default: %(default)s)")
    options = parser.parse_args()
    total = (options.kills + 1) * options.every
    kills = [options.every * number for number in range(1, options.kills + 1)]
    logging.disable()  # each kill is in the log
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        with BrokerProcess(Path(place), "--store", "killed.store", life=LIMIT) as broker:
            client = Faithful(broker, "jobs", total, kills, True)
            Container(client).run()
    twice = sum(1 for times in client.received.values() if times > 1)
    missing = total - len(client.received)
    print(machine())
    print(
        f"{client.told['disconnected']} kills in {time.monotonic() - began:.0f} s: {client.told['accepted']} messages "
        f"accepted, {missing} of them missing, {twice} received more than once"
    )
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
