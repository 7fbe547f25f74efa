"""Teaches request and response as a call that returns the response.

    python -m handlers.broker                                    (in another terminal)
    python -m examples.server                                    (in a third one)
    python -m examples.sync_client "is anybody there?"

SyncRequestResponse has a reply address of its own, and tells the answers apart. client does the same with a handler.
"""

import argparse

from reactor import Message, ReactorException, environment_url
from reactor.utils import BlockingConnection, SyncRequestResponse

REQUESTS = ["is anybody there?", "say it louder", "thank you"]
DEFAULT = "amqp://127.0.0.1:5672/requests"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-a", "--address", help=f"broker and queue (default: that of AMQP_URL, or {DEFAULT})")
    parser.add_argument("-t", "--timeout", type=float, default=30, help="seconds to wait (default: %(default)s)")
    parser.add_argument("requests", nargs="*", metavar="request", default=REQUESTS, help="what to ask")
    options = parser.parse_args()
    url = environment_url(options.address, DEFAULT)
    try:
        with BlockingConnection(url, timeout=options.timeout) as connection:
            client = SyncRequestResponse(connection, url.path)
            for request in options.requests:
                response = client.call(Message(request))
                print(f"{request} => {response.body}", flush=True)
    except ReactorException as error:
        raise SystemExit(f"{error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # nobody answered


if __name__ == "__main__":
    main()
