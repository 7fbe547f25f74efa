"""Teaches how to do slow work in threads: each message is handed to a pool, and settled when its work is done.

    python -m handlers.broker                                    (in another terminal)
    python -m examples.simple_send --messages 100
    python -m examples.thread_pool --messages 100

A container and all that belongs to it are for one thread only. A worker gets the body, not the delivery, and hands
its result back by call_soon_threadsafe. The receiver's max_unsettled bounds how many messages wait or are worked on.
"""

import argparse
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from handlers import MessagingHandler
from reactor import Container, ReactorException, Url, environment_url

DEFAULT = "amqp://127.0.0.1:5672/examples"


def work(body, seconds):
    """What takes long; runs in a thread of the pool, and knows nothing of messaging."""
    time.sleep(seconds)
    if body == "bad":
        raise ValueError("this cannot be done")
    return f"{body} was done by {threading.current_thread().name}"


class ThreadPool(MessagingHandler):
    """Hands each message to the pool, and takes in no more when as many as expected are settled; 0 is for ever."""

    def __init__(self, url, pool, waiting, seconds, expected):
        super().__init__(auto_accept=False)
        self.url = url
        self.pool = pool
        self.waiting = waiting
        self.seconds = seconds
        self.expected = expected
        self.settled = 0

    def on_start(self, event):
        self.container = event.container
        connection = event.container.connect(self.url, reconnect=False)
        address = Url(self.url).path
        event.container.create_receiver(connection, address, prefetch=self.waiting, max_unsettled=self.waiting)

    def on_message(self, event):
        delivery = event.delivery
        future = self.pool.submit(work, event.message.body, self.seconds)
        # Called by the worker, or by this thread if the work is done already.
        future.add_done_callback(lambda done: self.container.call_soon_threadsafe(self.on_done, delivery, done))

    def on_done(self, delivery, done):
        """The work for a message is done, or has failed; on the container's thread again."""
        if done.exception() is None:
            print(done.result(), flush=True)
            self.accept(delivery)
        else:
            print(f"{done.exception()}: somebody else may try", flush=True)
            self.release(delivery)
        self.settled += 1
        if self.settled == self.expected:
            # No more are taken in; those that are worked on are finished and settled, then the connection is closed.
            self.container.stop(drain=10)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-a", "--address", help=f"broker and queue (default: that of AMQP_URL, or {DEFAULT})")
    parser.add_argument("-m", "--messages", type=int, default=100, help="(default: %(default)s; 0: no end)")
    parser.add_argument("-t", "--threads", type=int, default=4, help="how many work at once (default: %(default)s)")
    parser.add_argument("-w", "--waiting", type=int, default=8, help="unsettled at most (default: %(default)s)")
    parser.add_argument("-s", "--seconds", type=float, default=0.1, help="that the work takes (default: %(default)s)")
    options = parser.parse_args()
    url = environment_url(options.address, DEFAULT)
    with ThreadPoolExecutor(options.threads, thread_name_prefix="worker") as pool:
        handler = ThreadPool(url, pool, options.waiting, options.seconds, options.messages)
        try:
            Container(handler, raise_errors=True).run()
        except ReactorException:
            raise SystemExit(1) from None  # the log has said what is wrong
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
