"""Teaches at-least-once sending on asyncio: each send is awaited for its outcome, and many are under way at once.

    python -m handlers.broker                                    (in another terminal)
    python -m examples.aio_send --messages 100

simple_send does the same with a handler. aio_receive is the other half.
"""

import argparse
import asyncio

from reactor import Message, ReactorException, SendException, environment_url
from reactor.aio import connect

DEFAULT = "amqp://127.0.0.1:5672/examples"


async def send(sender, number):
    try:
        await sender.send(Message(id=number, body={"sequence": number}))
    except SendException as error:
        print(f"Message {number}: {error}", flush=True)
        return False
    return True


async def run(url, total):
    async with connect(url) as connection, connection.sender(url.path) as sender:
        accepted = await asyncio.gather(*(send(sender, number) for number in range(1, total + 1)))
    print(f"{sum(accepted)} of {total} messages were accepted", flush=True)
    return all(accepted)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-a", "--address", help=f"broker and queue (default: that of AMQP_URL, or {DEFAULT})")
    parser.add_argument("-m", "--messages", type=int, default=100, help="(default: %(default)s)")
    options = parser.parse_args()
    url = environment_url(options.address, DEFAULT)
    try:
        return 0 if asyncio.run(run(url, options.messages)) else 1
    except ReactorException as error:
        raise SystemExit(f"{error}") from None
    except KeyboardInterrupt:
        return 130  # the broker gave no credit, or no outcome


if __name__ == "__main__":
    raise SystemExit(main())
