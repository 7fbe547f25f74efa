"""The floor of a round trip: two processes hand a few bytes to and fro, with sockets and `selectors` alone.

    python -m tests.benchmarks.floor COUNT [WORK]

What a library adds to this is what it costs. WORK: seconds for which each of them computes before it answers, as a
library does: what is left of a round trip is its sleeping and waking.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time

from tests.benchmarks.span import Span

SIZE = 150  #: bytes of a transfer with a body of 100, and the outcome of the one before


def hand_over(sock: socket.socket) -> tuple[selectors.BaseSelector, socket.socket]:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(sock, selectors.EVENT_READ)
    return selector, sock


def compute(work: float) -> None:
    until = time.perf_counter() + work
    while time.perf_counter() < until:
        pass


def answer(port: int, work: float) -> None:
    """The far end: gives back what it gets."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        selector, _ = hand_over(sock)
        with selector:
            while True:
                selector.select()
                data = sock.recv(65536)
                if not data:
                    return
                compute(work)
                sock.send(data)


def ask(count: int, work: float) -> None:
    """The near end: prints the times as a row takes them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        far = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.floor", "--to", str(port), str(work)])
        sock, _ = listener.accept()
    span, times, data = Span(), [], bytes(SIZE)
    with sock:
        selector, _ = hand_over(sock)
        with selector:
            span.start()
            for _ in range(count):
                asked = time.perf_counter()
                sock.send(data)
                selector.select()
                sock.recv(65536)
                compute(work)
                times.append(time.perf_counter() - asked)
            span.stop()
    far.wait()
    times.sort()
    figures = {"p50": times[count // 2], "p99": times[count * 99 // 100], "rate": count / (span.last - span.first)}
    print(json.dumps({**span.report(), **figures}))


if __name__ == "__main__":
    if sys.argv[1] == "--to":
        answer(int(sys.argv[2]), float(sys.argv[3]))
    else:
        ask(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
