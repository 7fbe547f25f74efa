"""Explainer: answers why nothing moves in a container, or at one of its connections, sessions, links and deliveries.

The container owns one; the system handler notes in it the links that peers have refused. It reads, on the container's
thread: in another one it hands the question over, and where the loop does not answer it looks at the stack of its
thread, and at nothing else.
"""

from __future__ import annotations

import threading
from collections import deque
from weakref import ref

from reactor.container import explain
from reactor.container.draining import Drain
from reactor.container.sources.selectable import Selectable
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.public import Connection, Delivery, Link, Session
from reactor.errors import ConnectionException, LinkException, SessionException
from reactor.lazily import TYPE_CHECKING
from reactor.loop.driver import ListenerDriver
from reactor.reasons import ended
from reactor.shown import shown

#: Connections that have sentences: a person reads it.
MOST_CONNECTIONS = 20
#: Refusals that are remembered.
MOST_REFUSALS = 8
#: Why connections are given up; all other errors have left `run()`.
_GIVEN_UP = (ConnectionException, SessionException, LinkException)
#: Peers that are asked for their view.
MOST_PEERS = 5
#: Seconds for the loop to answer another thread.
PATIENCE = 1.0

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Callable, Optional, Protocol

    from reactor.container.connections import Connections
    from reactor.container.explain.look import Look, Refusal
    from reactor.container.explain.samples import Samples
    from reactor.container.explain.sentences import Explanation, Sentence
    from reactor.container.sources.task import Task
    from reactor.container.turns import Turns

    #: Gets an answer.
    Then = Callable[[Explanation], None]

    class Closable(Protocol):
        """A place where the container listens for questions."""

        def close(self) -> None:
            """Listen no more."""
            ...


class Explainer:
    """Explains one container.

    tasks: those that it has scheduled.
    listening: for questions of other processes; closed by `end`.
    """

    def __init__(self, turns: Turns, connections: Connections, tasks: Iterable[Task]) -> None:
        self._turns = turns
        self._connections = connections
        self._tasks = tasks
        self._refused: deque[Refusal] = deque(maxlen=MOST_REFUSALS)
        self._samples: Optional[Samples] = None
        self._sampling = False  # a look is handed over to the container's thread
        self._holding: tuple[Any, float] = (None, 0.0)  # the frame that has not let the loop look, and since when
        self._asking: set[threading.Event] = set()  # threads that wait for an answer
        self.listening: list[Closable] = []

    @property
    def is_simulated(self) -> bool:
        """Whether the container runs in a simulated world, where no other process can reach it."""
        return type(self._turns.loop.clock).__module__.startswith("reactor.simulation")

    @property
    def thread_name(self) -> str:
        """Of the thread that runs the container; "" while none does."""
        ident = self._turns.owner.ident
        return next((thread.name for thread in threading.enumerate() if thread.ident == ident), "")

    def draw_token(self) -> str:
        """A token of 256 bits."""
        return "%064x" % self._connections.random.getrandbits(256)

    # -- on the container's thread -----------------------------------------------------------------------

    def refused(self, link: Any) -> None:
        """The peer has ended a link. With a reason it is remembered, as long as no other comes in its place."""
        if link.remote_condition is not None and not self._connections.will_retry(link):
            where = "%s: %s" % (link.connection.describe(), link.describe())
            words = "%s %s" % (where, ended(link)[1])
            self._refused.append((ref(link.connection), link.describe(), self._turns.loop.clock.now(), words))

    def sample(self) -> None:
        """Look at all links, so that a later look knows since when they stand as they are."""
        links = (link for connection in self._connections.all() for link in connection.links(0))
        self._looks.take(links, self._turns.loop.clock.now())

    def container(self) -> Explanation:
        """About the whole container."""
        look = self._look()
        told: list[Sentence] = []
        failure = self._connections.failure
        if failure is not None:
            ended_it = "a connection was given up" if isinstance(failure, _GIVEN_UP) else "run() was left by an error"
            told.append(explain.Sentence("refused", "%s: %s" % (ended_it, shown(str(failure) or repr(failure)))))
        if look.stopping:
            text = "the container is stopping, stop(drain=...): it takes nothing in, and waits for the outcomes of %s"
            told.append(explain.Sentence("stopping", text % self._under_way()))
        listed = self._connections.all()
        for connection in listed[:MOST_CONNECTIONS]:
            told += explain.of_connection(look, connection)
        if len(listed) > MOST_CONNECTIONS:
            told.append(_of_the_rest(look, listed[MOST_CONNECTIONS:]))
        told += self._other_sources(bool(told))
        self.sample()
        if not any(sentence.stuck or sentence.kind == "only a timer" for sentence in told):
            told.append(self._well(listed))
        return explain.Explanation.of(told)

    def of(self, thing: Any) -> Explanation:
        """About a connection, session, link or delivery of the container."""
        told = of_endpoint(self._look(), thing)
        self.sample()
        return told

    def with_peers(self, then: Callable[[Explanation], None], patience: float = PATIENCE) -> None:
        """Call `then` with the answer about the whole container and with the views of its peers, when these are there,
        at most `patience` seconds later."""
        told = list(self.container())
        waits: list[Connection] = []
        ready = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
        if self._drain is None:
            for connection in self._connections.all()[:MOST_PEERS]:
                if connection.state & ready == ready and self._connections.supervisor_of(connection) is not None:
                    why = explain.unknown(connection)
                    if why is None:
                        waits.append(connection)
                    else:
                        told.append(why)
        left = len(waits)

        def take(more: list[Sentence]) -> None:
            nonlocal left
            told.extend(more)
            left -= 1
            if not left:
                then(explain.Explanation.of(told))

        for connection in waits:
            explain.FarView(connection, self._turns.loop, take, patience=patience)
        if not waits:
            then(explain.Explanation.of(told))

    def _look(self) -> Look:
        return explain.Look(self._turns, self._connections, self._looks, list(self._refused), self._drain is not None)

    @property
    def _looks(self) -> Samples:
        if self._samples is None:
            self._samples = explain.Samples()
        return self._samples

    @property
    def _drain(self) -> Optional[Drain]:
        owner = getattr(self._turns.looking, "__self__", None)
        return owner if isinstance(owner, Drain) else None

    def _under_way(self) -> str:
        links = [link for connection in self._connections.all() for link in connection.links(0)]
        return explain.counted(sum(link.unsettled for link in links), "delivery", "deliveries")

    def _other_sources(self, has_connections: bool) -> list[Sentence]:
        """Timers, listeners, and sources of the application."""
        loop, told = self._turns.loop, []
        watchers = list(loop.watchers)
        for watcher in watchers:
            if isinstance(watcher, ListenerDriver):
                text = "waits for peers that connect to %s" % watcher.listener.address
                told.append(explain.Sentence("listening", text))
        others = len(self._turns.injectors) + sum(isinstance(watcher, Selectable) for watcher in watchers)
        if others:
            text = "waits for %s of the application's own"
            told.append(explain.Sentence("own sources", text % explain.counted(others, "descriptor or injector",
                                                               "descriptors or injectors")))  # fmt: skip
        now = loop.clock.now()
        due = [task.timer.at for task in self._tasks if task.timer is not None and task.timer.pending]
        if due:
            alone = not (told or has_connections)
            text = "waits %sfor %s, due in %s" if len(due) == 1 else "waits %sfor %s, the first due in %s"
            when = explain.lasting(max(0.0, min(due) - now))
            text %= ("only " if alone else "", explain.counted(len(due), "timer"), when)
            told.append(explain.Sentence("only a timer" if alone else "timer", text))
        if self._turns.owner.ident is None and not told and not has_connections:
            why = self._connections.failure
            text = "the container does not run: run() is not called, or has come to its end"
            text += "" if why is None else ", and ended_by has the reason"
            told.append(explain.Sentence("not running", text))
        return told

    @staticmethod
    def _well(listed: list[Connection]) -> Sentence:
        links = sum(1 for connection in listed for _ in connection.links(0))
        return explain.Sentence("well", "nothing stands in the way: %s with %s" % (
            explain.counted(len(listed), "connection"), explain.counted(links, "link"),
        ))  # fmt: skip

    # -- from any thread ---------------------------------------------------------------------------------

    def ask(self, question: Callable[[], Explanation], patience: float = PATIENCE) -> Explanation:
        """The answer to a question, which is asked on the container's thread.

        patience: seconds for its loop to answer. A loop that does not is held: then the answer is where it stands.
        """
        if self._turns.owner.ident in (None, threading.get_ident()):
            return question()
        return self._ask(lambda then: then(question()), patience)

    def ask_with_peers(self, patience: float = PATIENCE) -> Explanation:
        """The answer about the whole container, with the views of its peers; from another thread than its own.

        patience: seconds for its loop to answer; the peers have three times as many.
        """
        told = self.ask(self.container, patience)
        if "loop held" in told.kinds or self._turns.owner.ident is None:
            return told
        return self._ask(lambda then: self.with_peers(then, 3 * patience), 4 * patience)

    def _ask(self, question: Callable[[Then], None], patience: float) -> Explanation:
        came = threading.Event()
        self._asking.add(came)
        try:
            return self._wait(question, patience, came)
        finally:
            self._asking.discard(came)

    def _wait(self, question: Callable[[Then], None], patience: float, came: threading.Event) -> Explanation:
        owner = self._turns.owner
        answers: list[Explanation] = []
        errors: list[BaseException] = []

        def take(told: Explanation) -> None:
            answers.append(told)
            came.set()

        def answer() -> None:
            try:
                question(take)
            except Exception as error:  # is raised where it was asked
                errors.append(error)
                came.set()

        self._turns.call_soon(answer, ())
        came.wait(patience / 2)
        called, seen = (None, 0.0) if came.is_set() else self._hold(owner.ident)
        came.wait(patience / 2)
        if errors:
            raise errors[0]
        if answers:
            return answers[0]
        now = self._turns.loop.clock.now()
        return explain.Explanation.of([explain.held(owner.ident, now - self._turns.loop.now, called, now - seen)])

    def _hold(self, ident: Optional[int]) -> tuple[Any, float]:
        """The frame of the application that has the loop now, and since when it is known to."""
        called = explain.handler_frame(ident)
        if called is None or called is not self._holding[0]:
            self._holding = (called, self._turns.loop.clock.now())
        return self._holding

    def sample_soon(self) -> None:
        """Have the links looked at. Where the last look was not made yet a handler may hold the loop: which one is
        kept, and since when."""
        ident = self._turns.owner.ident
        if self._sampling:
            self._hold(ident)
        elif ident is not None:
            self._sampling = True
            self._turns.call_soon(self._sample_now, ())

    def _sample_now(self) -> None:
        self._sampling = False
        self._holding = (None, 0.0)
        self.sample()

    def give_up(self) -> None:
        """Threads that wait for an answer of the container's wait no longer. From any thread."""
        self._sampling = False
        for came in list(self._asking):
            came.set()

    def end(self) -> None:
        """The container's run has ended: no questions are listened for any more."""
        listening, self.listening = self.listening, []
        for one in listening:
            one.close()


def of_endpoint(look: Look, thing: Any) -> Explanation:
    """About a connection, session, link or delivery."""
    if isinstance(thing, Connection):
        told = explain.of_connection(look, thing)
    elif isinstance(thing, Session):
        told = explain.of_session(look, thing)
    elif isinstance(thing, Delivery):
        told = explain.of_delivery(look, thing)
    elif isinstance(thing, Link):
        told = explain.of_session(look, thing.session, links=False) if thing.may_go_on() and not thing.held else []
        if thing.state & Endpoint.REMOTE_CLOSED or not any(_stops_links(sentence) for sentence in told):
            told += explain.of_link(look, thing)
    else:
        raise TypeError("explain() takes a container, connection, session, link or delivery, not %r" % (thing,))
    if not any(sentence.stuck for sentence in told) and not any(sentence.kind == "done" for sentence in told):
        told.append(explain.Sentence("well", "nothing stands in the way"))
    return explain.Explanation.of(told)


def _stops_links(sentence: Sentence) -> bool:
    return sentence.stuck and sentence.kind != "peer not reading"


def _of_the_rest(look: Look, connections: list[Connection]) -> Sentence:
    each = (explain.of_connection(look, one, links=False) for one in connections)
    stuck = sum(any(sentence.stuck for sentence in told) for told in each)
    more = explain.counted(len(connections), "more connection")
    if stuck:
        return explain.Sentence("more", "%s, and %d of them cannot go on" % (more, stuck))
    return explain.Sentence("more of it", "%s, and nothing stands in the way of their wires" % more)
