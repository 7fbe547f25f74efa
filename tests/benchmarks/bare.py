"""The floor of a message of any size: one process sends its bytes, another one reads them into a buffer and makes one
object of them, with sockets alone.

    python -m tests.benchmarks.bare SIZE COUNT

The buffer is the same for all messages, and only the object is new: so much memory each application asks for that keeps
a message. Above 32 MB the system gives it page by page.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys

from tests.benchmarks.span import Span

PIECE = 256 * 1024  #: bytes of one call into the system, as in a driver


def send(port: int, size: int, count: int) -> None:
    """The far end."""
    data = memoryview(b"x" * size)
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.recv(1)
        for _ in range(count):
            for at in range(0, size, PIECE):
                sock.sendall(data[at : at + PIECE])
        sock.recv(1)


def take(size: int, count: int) -> None:
    """The near end: prints what it measured."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "tests.benchmarks.bare", "--to", str(port), str(size), str(count)]
        far = subprocess.Popen(command)
        sock, _ = listener.accept()
    buffer = memoryview(bytearray(size))
    body = b""
    span = Span()
    with sock:
        span.start()
        sock.send(b"g")
        for _ in range(count):
            at = 0
            while at < size:
                at += sock.recv_into(buffer[at : at + PIECE])
            body = bytes(buffer)
        span.stop()
        assert len(body) == size
    far.wait()
    print(json.dumps({**span.report(), "rate": count / (span.last - span.first)}))


if __name__ == "__main__":
    if sys.argv[1] == "--to":
        send(*map(int, sys.argv[2:5]))
    else:
        take(int(sys.argv[1]), int(sys.argv[2]))
