"""Questions: a container answers other processes why nothing moves.

`Container.listen_for_questions` makes one. A thread of its own answers, so that there is an answer while a handler
holds the loop: it hands each question over to the container's thread, and looks at the stack of that when nothing
comes. Each second it has the links looked at, so that an answer can tell since when they stand.

An asker writes one line, ``{"question": "explain", "token": ...}``, and gets lines of JSON: a head, one for each
sentence, and an end. Any other line is answered by an error. So many askers are heard at once, each for so long.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import threading
from collections import deque

from reactor.container.explain.explainer import PATIENCE, Explainer
from reactor.container.explain.places import SocketFile, as_loopback, listen_at_port
from reactor.lazily import TYPE_CHECKING, Lazily
from reactor.loop.clock import MonotonicClock
from reactor.loop.loggers import logger
from reactor.system import HERE

if TYPE_CHECKING:
    import hmac
    import json
    import signal
    from typing import Any, Optional

    from reactor.container.explain.sentences import Explanation
else:
    hmac = Lazily("hmac")
    json = Lazily("json")
    signal = Lazily("signal")

log = logger(__name__)

#: Bytes of a question; askers at once; seconds for one to ask, and to take the answer.
LONGEST, MOST_ASKERS, SECONDS = 1024, 16, 5.0
#: Seconds from one look at all links to the next.
INTERVAL = 1.0

VERSION = 1


class _Asker:
    """One connection of an asker. answer: bytes that are to be written; None until it has asked. far: whether it wants
    the views of peers."""

    __slots__ = ("answer", "deadline", "far", "line", "wire")

    def __init__(self, wire: socket.socket, deadline: float) -> None:
        self.wire = wire
        self.deadline = deadline
        self.line = b""
        self.far = False
        self.answer: Optional[bytes] = None


class Questions:
    """A place where a container listens for questions.

    address: the path of the Unix socket, or ``host:port``. token: that an asker of the latter needs; None: none does.
    patience: seconds for the container's loop to answer, and for its peers; 1 by default, it can be set.
    `close()` ends it, and so does the end of the container's `run()`, or of a ``with`` statement.
    """

    def __init__(
        self, explainer: Explainer, name: str, place: Optional[str], token: Optional[str], by_signal: bool
    ) -> None:
        self._explainer = explainer
        self._name = name
        self.patience = PATIENCE
        self._clock = MonotonicClock()
        self._file: Optional[SocketFile] = None
        self.token: Optional[str] = None
        port = None if place is None else as_loopback(place)
        if token is not None and (port is None or len(token) < 16):
            raise ValueError("a token is a text of 16 characters or more, for an address such as 127.0.0.1:0")
        if port is None:
            self._file = SocketFile(None if place is None else os.fspath(place))
            self._listener, self.address = self._file.listener, self._file.path
        else:
            self._listener = listen_at_port(*port)
            host, number = self._listener.getsockname()[:2]
            self.address = ("[%s]:%d" if ":" in host else "%s:%d") % (host, number)
            self.token = explainer.draw_token() if token is None else token
        self._waker, self._woken = socket.socketpair()
        for one in (self._listener, self._waker, self._woken):
            one.setblocking(False)
        self._askers: dict[_Asker, None] = {}
        self._prints: deque[None] = deque()  # signals that wait for their answer
        self._closing = False
        self._before: Any = None
        self._thread = threading.Thread(target=self._serve, name="amqp-reactor questions", daemon=True)
        if by_signal:
            try:
                self._before = _catch_signal(self._signalled)
            except BaseException:
                self._release()
                raise
        try:
            self._thread.start()
        except BaseException:  # RuntimeError: the system has no more threads
            self._let_go_of_the_signal()
            self._release()
            raise

    @classmethod
    def of(
        cls, explainer: Explainer, name: str, place: Optional[str], token: Optional[str], by_signal: bool
    ) -> Questions:
        """A place for the questions to a container, which ends with its run. RuntimeError for a simulated one."""
        if explainer.is_simulated:
            raise RuntimeError("a container in a simulated world hears no other process: world.explain() asks it")
        questions = cls(explainer, name, place, token, by_signal)
        explainer.listening.append(questions)
        return questions

    def close(self) -> None:
        """Answer no question any more; the socket is gone when this returns. Harmless when repeated. Not for a thread
        that another one waits for."""
        if self._closing:
            return
        self._closing = True
        self._let_go_of_the_signal()
        self._wake()
        self._explainer.give_up()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> Questions:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<Questions at %s>" % self.address

    # -- signals -----------------------------------------------------------------------------------------

    def _signalled(self, number: int, frame: Any) -> None:
        """In the main thread, between two steps of whatever runs there: nothing is done but to wake the thread."""
        self._prints.append(None)
        self._wake()

    def _wake(self) -> None:
        try:
            self._waker.send(b".")
        except (BlockingIOError, OSError):  # it is awake, or gone
            return

    def _print(self) -> None:
        while self._prints:
            self._prints.clear()
            text = "why nothing moves in %s:\n%s" % (self._name, self._explain())
            sys.stderr.write(text.replace("\n", "\n  ") + "\n")
            sys.stderr.flush()

    # -- the thread --------------------------------------------------------------------------------------

    def _serve(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._listener, selectors.EVENT_READ)
        selector.register(self._woken, selectors.EVENT_READ)
        sample_at = 0.0
        try:
            while not self._closing:
                now = self._clock.now()
                if now >= sample_at:
                    sample_at = now + INTERVAL
                    self._explainer.sample_soon()
                deadlines = [asker.deadline for asker in self._askers]
                ready = selector.select(max(0.0, min([sample_at, *deadlines]) - now))
                for key, mask in ready:
                    if key.fileobj is self._listener:
                        self._admit(selector)
                    elif key.fileobj is self._woken:
                        self._woken.recv(4096)
                    elif mask & selectors.EVENT_READ:
                        self._hear(selector, key.data)
                    else:
                        self._tell(selector, key.data)
                self._print()
                self._answer(selector)
                now = self._clock.now()
                for asker in [asker for asker in self._askers if asker.deadline <= now]:
                    self._drop(selector, asker)
        finally:
            for asker in list(self._askers):
                self._drop(selector, asker)
            selector.close()
            self._release()

    def _let_go_of_the_signal(self) -> None:
        in_main = threading.current_thread() is threading.main_thread()
        asking = HERE.asking_signal
        if self._before is not None and in_main and asking is not None:
            signal.signal(asking, self._before)

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
        for one in (self._listener, self._waker, self._woken):
            one.close()

    def _admit(self, selector: selectors.BaseSelector) -> None:
        try:
            wire, _ = self._listener.accept()
        except OSError as error:
            log.debug("%s: cannot let an asker in: %s", self.address, error)
            return
        if len(self._askers) >= MOST_ASKERS:
            wire.close()
            return
        wire.setblocking(False)
        asker = _Asker(wire, self._clock.now() + SECONDS)
        self._askers[asker] = None
        selector.register(wire, selectors.EVENT_READ, asker)

    def _hear(self, selector: selectors.BaseSelector, asker: _Asker) -> None:
        try:
            data = asker.wire.recv(LONGEST + 1)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        asker.line += data
        if not data or len(asker.line) > LONGEST:
            self._drop(selector, asker)
        elif b"\n" in asker.line:
            asker.answer = self._refusal(asker)
            selector.modify(asker.wire, selectors.EVENT_WRITE, asker)

    def _refusal(self, asker: _Asker) -> bytes:
        """Why this question is not answered; b"" when it is."""
        try:
            question = json.loads(asker.line)
        except (ValueError, RecursionError):
            question = None
        if not isinstance(question, dict) or question.get("question") != "explain":
            return _line(error='a question is a line such as {"question": "explain"}')
        given = question.get("token")
        if self.token is not None:
            known = isinstance(given, str) and hmac.compare_digest(given.encode(), self.token.encode())
            if not known:
                log.warning("%s: a question without the right token", self.address)
                return _line(error="the token is wrong: it is the `token` of what listen_for_questions() returned")
        asker.far = question.get("far") is True
        return b""

    def _answer(self, selector: selectors.BaseSelector) -> None:
        """All that wait for an answer get the same one."""
        waiting = [asker for asker in self._askers if asker.answer == b""]
        if not waiting:
            return
        told = self._explain(any(asker.far for asker in waiting))
        facts = {"pid": os.getpid(), "container": self._name, "thread": self._explainer.thread_name}
        head = _line(**{"amqp-reactor": VERSION, **facts})
        body = b"".join(_line(kind=one.kind, stuck=one.stuck, text=str(one)) for one in told)
        for asker in waiting:
            asker.answer = head + body + _line(end=True)
            asker.deadline = self._clock.now() + SECONDS
            self._tell(selector, asker)

    def _explain(self, far: bool = False) -> Explanation:
        if far:
            return self._explainer.ask_with_peers(self.patience)
        return self._explainer.ask(self._explainer.container, self.patience)

    def _tell(self, selector: selectors.BaseSelector, asker: _Asker) -> None:
        if not asker.answer:
            return
        try:
            sent = asker.wire.send(asker.answer)
        except BlockingIOError:
            return
        except OSError:
            self._drop(selector, asker)
            return
        asker.answer = asker.answer[sent:]
        if not asker.answer:
            self._drop(selector, asker)

    def _drop(self, selector: selectors.BaseSelector, asker: _Asker) -> None:
        if self._askers.pop(asker, asker) is None:
            selector.unregister(asker.wire)
            asker.wire.close()


def _line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def _catch_signal(handler: Any) -> Any:
    """Have SIGUSR1 call `handler`, and return what it has called before."""
    asking = HERE.asking_signal
    if asking is None:
        raise ValueError("this system has no SIGUSR1")
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("by_signal=True is for the main thread, in which Python's signals are")
    before = signal.signal(asking, handler)
    return signal.SIG_DFL if before is None else before
