"""Asking: a question to a container of another process, and a look at a node of a broker.

The command enters. An answer of another process is read with bounds: it may be anything.
"""

from __future__ import annotations

import json
import socket
from typing import Any, Optional

from reactor.container.container import Container
from reactor.container.explain import places
from reactor.container.explain.far import FarView, unknown
from reactor.container.explain.sentences import Explanation, Sentence
from reactor.errors import ReactorException
from reactor.loop.clock import MonotonicClock
from reactor.shown import shown
from reactor.system import HERE
from reactor.url import Url

#: Bytes of an answer.
LONGEST = 1 << 20


class NoAnswer(Exception):
    """There is none. Its text has the reason, and a remedy."""


def ask(place: str, token: Optional[str], far: bool, timeout: float) -> tuple[str, Explanation]:
    """The answer of the container that listens at a path, or at ``host:port``: its name, and its sentences. NoAnswer
    where there is none."""
    port = places.as_loopback(place)
    question = {"question": "explain", "far": far, **({} if token is None else {"token": token})}
    clock = MonotonicClock()
    deadline = clock.now() + timeout
    data = b""
    try:
        with _connected(place, port, timeout) as asker:
            asker.sendall(json.dumps(question).encode() + b"\n")
            while len(data) <= LONGEST:
                asker.settimeout(max(0.001, deadline - clock.now()))
                piece = asker.recv(65536)
                if not piece:
                    break
                data += piece
    except socket.timeout:
        raise NoAnswer("%s: no answer in %g s" % (place, timeout)) from None
    except OSError as error:
        raise NoAnswer("%s: %s" % (place, error.strerror or error)) from None
    return _read(place, data)


def _connected(place: str, port: Optional[tuple[str, int]], timeout: float) -> socket.socket:
    if port is not None:
        return socket.create_connection(port, timeout)
    asker = HERE.unix_socket()
    if asker is None:
        raise NoAnswer(places.NO_UNIX_SOCKETS)
    try:
        asker.settimeout(timeout)
        asker.connect(place)
    except BaseException:
        asker.close()
        raise
    return asker


def _read(place: str, data: bytes) -> tuple[str, Explanation]:
    """The answer in these bytes. NoAnswer where they are none."""
    try:
        lines = [json.loads(line) for line in data.splitlines()]
        if lines and isinstance(lines[0].get("error"), str):
            raise NoAnswer("%s: %s" % (place, shown(lines[0]["error"])))
        head, *sentences = lines
        if head["amqp-reactor"] != 1 or sentences.pop() != {"end": True}:
            raise ValueError("not all of it has come")
        told = [Sentence(str(one["kind"]), shown(one["text"], 2000)) for one in sentences]
        facts = head["pid"], shown(head["thread"], 100), shown(head["container"], 100)
        return "process %d, thread %s, container %s" % facts, Explanation.of(told)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        what = shown(data[:200]) if data else "nothing"
        raise NoAnswer("%s: that is no answer of a container: %s (%s)" % (place, what, error)) from None


def of_process(pid: int) -> list[str]:
    """The sockets of a process. NoAnswer where it has none."""
    found = places.of_process(pid)
    if found:
        return found
    try:
        HERE.check_process(pid)
    except ProcessLookupError:
        raise NoAnswer("there is no process %d" % pid) from None
    except PermissionError:
        raise NoAnswer("process %d is another user's: ask as that user" % pid) from None
    raise NoAnswer(
        "process %d does not listen for questions, and cannot be made to now: a program that does calls "
        "container.listen_for_questions(), or is started with AMQP_REACTOR_QUESTIONS=1 in its environment" % pid
    )


def of_broker(url: str, timeout: float, **options: Any) -> Explanation:
    """How the broker sees the node that a url names. NoAnswer where the broker cannot be reached; ValueError for a url
    without a node."""
    node = Url(url).path
    if not node:
        raise ValueError("which queue? amqp://host/queue names one")
    notes = _Notes(node, timeout)
    container = Container(notes)
    notes.connection = container.connect(url, reconnect=False, connect_timeout=timeout, open_timeout=timeout, **options)
    try:
        container.run()
    except ReactorException as error:
        raise NoAnswer("%s: %s" % (Url(url).redacted, error)) from None
    if notes.told is None:
        raise NoAnswer("%s: %s" % (Url(url).redacted, container.ended_by or "the connection has ended"))
    return Explanation.of(notes.told)


class _Notes:
    """The handler of that connection."""

    def __init__(self, node: str, timeout: float) -> None:
        self.connection: Any = None
        self.told: Optional[list[Sentence]] = None
        self._node = node
        self._timeout = timeout

    def on_connection_remote_open(self, event: Any) -> None:
        why = unknown(event.connection)
        if why is not None:
            self._take([why])
        else:
            FarView(event.connection, event.container.loop, self._take, [self._node], self._timeout)

    def _take(self, told: list[Sentence]) -> None:
        self.told = told
        self.connection.close()

    def on_connection_remote_close(self, event: Any) -> None:
        event.connection.close()
