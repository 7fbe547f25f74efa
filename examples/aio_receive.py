"""Teaches receiving on asyncio: async for, a bound on the time, and work on several messages at once.

    python -m handlers.broker                                    (in another terminal)
    python -m examples.aio_send --messages 100
    python -m examples.aio_receive --messages 100 --workers 4

Each worker takes a message, works on it, and accepts it. A message that no worker has accepted comes again.
"""

import argparse
import asyncio

from reactor import ReactorException, environment_url
from reactor.aio import connect

DEFAULT = "amqp://127.0.0.1:5672/examples"


async def work(receiver, seen, total):
    async for message in receiver:
        await asyncio.sleep(0)  # the work would be here
        await message.accept()
        if message.id not in seen:
            seen.add(message.id)
            print(f"Message {message.id}: {message.body}", flush=True)
        if len(seen) >= total:
            await receiver.close()  # ends the loops of the other workers, too


async def run(url, total, workers, timeout):
    async with connect(url) as connection, connection.receiver(url.path) as receiver:
        seen = set()
        await asyncio.wait_for(asyncio.gather(*(work(receiver, seen, total) for _ in range(workers))), timeout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-a", "--address", help=f"broker and queue (default: that of AMQP_URL, or {DEFAULT})")
    parser.add_argument("-m", "--messages", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("-w", "--workers", type=int, default=4, help="(default: %(default)s)")
    parser.add_argument("-t", "--timeout", type=float, help="seconds for all of it (default: no end)")
    options = parser.parse_args()
    url = environment_url(options.address, DEFAULT)
    try:
        asyncio.run(run(url, options.messages, options.workers, options.timeout))
    except asyncio.TimeoutError:
        raise SystemExit(f"not all messages came within {options.timeout:g} s") from None
    except ReactorException as error:
        raise SystemExit(f"{error}") from None
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
