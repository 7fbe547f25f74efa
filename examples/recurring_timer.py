"""Teaches timers: the container calls you back after a while, and you ask again. No network is touched.

    python -m examples.recurring_timer --interval 0.5 --count 5

A task that was scheduled happens once and can be cancelled before. run() returns when no task is left.
"""

import argparse

from handlers import MessagingHandler
from reactor import Container


class Alarm:
    """Any object with a method on_timer_task can be told the time."""

    def on_timer_task(self, event):
        print("This is never printed", flush=True)


class Recurring(MessagingHandler):
    """Ticks, each tick asking for the next one."""

    def __init__(self, interval, count):
        super().__init__()
        self.interval = interval
        self.count = count
        self.ticks = 0

    def on_start(self, event):
        self.alarm = event.container.schedule(60.0, Alarm())
        event.container.schedule(self.interval, self)

    def on_timer_task(self, event):
        self.ticks += 1
        print(f"Tick {self.ticks}", flush=True)
        if self.ticks == self.count:
            self.alarm.cancel()
            print("Done: the alarm is cancelled, nothing is left to wait for", flush=True)
        else:
            event.container.schedule(self.interval, self)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-i", "--interval", type=float, default=1.0, help="seconds (default: %(default)s)")
    parser.add_argument("-c", "--count", type=int, default=5, help="ticks (default: %(default)s; 0: no end)")
    options = parser.parse_args()
    try:
        Container(Recurring(options.interval, options.count)).run()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
