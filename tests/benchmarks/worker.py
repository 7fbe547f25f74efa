"""One process of a benchmark: `python -m tests.benchmarks.worker '{"library": ..., "role": ..., ...}'`.

It talks to whoever started it in lines: JSON out, words in. A line {"started": true} says that it listens, or
that its link is open; {"report": {...}} is what it measured. The word "measure" asks for CPU time and memory
now; the end of its input ends it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from typing import Any

from tests.benchmarks.blocking import BLOCKING
from tests.benchmarks.process import allow_many_files
from tests.benchmarks.roles import ROLES, settled_memory
from tests.support.libraries import load, load_blocking
from tests.support.processes import CHECKOUT

KEYS = CHECKOUT / "tests" / "data" / "tls"


def say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


def serve_requests() -> None:
    """Answer "measure" until the input ends, then end the process."""
    for line in sys.stdin:
        if line.strip() == "measure":
            say(cpu=time.process_time(), memory=settled_memory(), now=time.monotonic())
    os._exit(0)


def run_role(library: str, role: str, url: str, options: dict[str, Any]) -> None:
    api = load(library)
    threading.Thread(target=serve_requests, daemon=True).start()
    settings = {"busy_poll": options.pop("busy_poll")} if "busy_poll" in options else {}
    container = api.Container(ROLES[role](api, url, say, **options), **settings)
    if url.startswith("amqps:"):
        container.ssl.set_credentials(str(KEYS / "server.pem"), str(KEYS / "server.key"), None)
        container.ssl.set_trusted_ca_db(str(KEYS / "authority.pem"))
    container.run()


def run_embedded_broker(url: str, durable: bool) -> None:
    from handlers.broker import EmbeddedBroker

    with tempfile.TemporaryDirectory() as place:
        options = {"store": f"{place}/store"} if durable else {}
        with EmbeddedBroker(url, **options):
            say(started=True)
            serve_requests()


def run_blocking(library: str, role: str, url: str, options: dict[str, Any]) -> None:
    threading.Thread(target=serve_requests, daemon=True).start()
    BLOCKING[role](load_blocking(library), url, say, **options)


def main() -> None:
    allow_many_files()
    task = json.loads(sys.argv[1])
    library, role, url = task.pop("library"), task.pop("role"), task.pop("url")
    if role in ("embedded_broker", "durable_broker"):
        run_embedded_broker(url, role == "durable_broker")
    elif role in BLOCKING:
        run_blocking(library, role, url, task)
    else:
        run_role(library, role, url, task)


if __name__ == "__main__":
    main()
