"""Running: one run of a container, from its first turn to its end, and the work that is left undone then.

The container owns it, and hands its calls on. It knows turns and connections, and no handlers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from reactor import container as rooms
from reactor.container.draining import Drain, Leftover
from reactor.container.settings.keywords import check_seconds
from reactor.container.waiting import print_interrupted
from reactor.engine.events import Event
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Callable, Optional

    from reactor.container.connections import Connections
    from reactor.container.explain.explainer import Explainer
    from reactor.container.interface import RunHost
    from reactor.container.service_manager import ServiceManager
    from reactor.container.turns import Turns

#: Observers of every container of this process that is made from now on: for tools that run the programs of others.
everywhere: list[object] = []


class Running:
    """Runs, and stops.

    turns, connections, explainer: of the container.
    exit_status: of a program that ends with the last run.
    """

    def __init__(
        self, turns: Turns, connections: Connections, explainer: Explainer, container: RunHost
    ) -> None:
        self._turns = turns
        self._connections = connections
        self._explainer = explainer
        self._container = container
        self._leftover = Leftover()  # of the next stop
        self._manager: Optional[ServiceManager] = None  # of this run
        self.exit_status = 0
        self._ended: Optional[Callable[[Optional[BaseException]], None]] = None  # of observers

    def observe(self, observers: Iterable[object], container: object) -> None:
        """Have observers look on at `container`, of which this is a part. Before anything happens."""
        if isinstance(observers, (str, bytes)) or not isinstance(observers, Iterable):
            raise TypeError("observers are a list of objects, not %r: observers=[...]" % (observers,))
        given = [*observers, *everywhere]
        if given:
            observing = rooms.Observing(given, container, self._turns.loop.clock)
            self._turns.observe(observing)
            self._ended = observing.ended
            if observing.held is not None and observing.held_limit is not None:
                self._connections.slow_handlers.observe(observing.held, observing.held_limit)

    def run(self, process: Callable[[], bool]) -> None:
        """Run to the end. process: one turn."""
        self._begin()
        try:
            self._ask_and_answer()
            while process():
                pass
            self._end()
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            self._leave()

    def steps(self, process: Callable[[], bool]) -> Iterator[None]:
        """The same, one turn for each step."""
        self._begin()
        self._turns.owner.busy = False  # between two turns
        try:
            self._ask_and_answer()
            while process():
                yield
            self._end()
        except GeneratorExit:
            raise  # the rest of its steps was let go of: there is nothing to close anything for
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            self._leave()

    def _begin(self) -> None:
        self._turns.owner.enter()
        self._connections.failure = None
        self.exit_status = 1  # unless it comes to a good end

    def _ask_and_answer(self) -> None:
        if os.environ.get("AMQP_REACTOR_QUESTIONS", "").lower() in ("1", "true", "yes", "on"):
            self._container.listen_for_questions()

    def _end(self) -> None:
        self._turns.announce(Event.REACTOR_FINAL)
        self._turns.advance()
        self._finish()
        if self._connections.failure is None:
            self.exit_status = 0

    def _fail(self, error: BaseException) -> None:
        self._connections.failure = error
        if isinstance(error, KeyboardInterrupt):
            print_interrupted(self._container.waiting_for())
            self.close_all()
        else:
            self._connections.close()

    def _leave(self) -> None:
        if self._ended is not None:
            self._ended(self._connections.failure)
        self._explainer.end()
        if self._manager is not None:
            self._manager.stopping()
            self._manager = None
        self._turns.owner.leave()

    def notifying(self, do_work: Callable[[Optional[float]], bool]) -> Callable[[], bool]:
        """Turns for `run`, of which the service manager hears. do_work: one turn, which waits for so long at most."""
        manager = self._manager = rooms.ServiceManager(self._turns.loop.clock, lambda: str(self._explainer.container()))
        started = False

        def process() -> bool:
            nonlocal started
            more = do_work(manager.wait if started else 0)
            if not started:
                started = True
                manager.ready()
            manager.alive()
            return more

        return process

    def run_with_signals(self, process: Callable[[], bool], drain: float) -> None:
        """As `run`; signals end it. drain: seconds."""
        check_seconds("drain", drain)
        left = self._leftover
        signals = rooms.Signals(self.stop, self._turns.call_soon, self._turns.loop.network.wake_descriptor, drain)
        with signals:
            self.run(process)
        self.exit_status = self.exit_status or signals.status(bool(left))

    def stop(self, drain: Optional[float]) -> Leftover:
        """See Container.stop."""
        left = self._leftover  # the container's own thread may have stopped, and have another one, when we return
        if drain is None:
            self._turns.end()
        else:
            check_seconds("drain", drain)
            self._turns.call_soon(Drain(self._turns, self._connections, left, drain).begin, ())
        return left

    def close_all(self) -> None:
        """Close connections as politely as can be done at once, then let go of everything."""
        self._connections.stop()
        for connection in self._connections.all():
            self._leftover.add(connection)
        self._connections.close()
        self._turns.clear()
        self._finish()

    def _finish(self) -> None:
        """Nothing is left to do: threads that wait for the end of `run()` go on."""
        left, self._leftover = self._leftover, Leftover()
        left.finish()
