"""Container: the one object that an application holds. Its calls go to the parts that it owns: the loop and its turns
(turns.py), connections (connections.py), links (links.py). The settings of a call are checked in settings/.

The clock, the network and the random source come as arguments, so that the same container runs in the real world and
in a simulated one. It knows the engine from outside, and no handler class: handlers are any objects.
"""

from __future__ import annotations

import weakref

from reactor import container as rooms
from reactor.container import sources
from reactor.container.connections import Connections
from reactor.container.explain.explainer import PATIENCE, Explainer
from reactor.container.links import LinkMaker, random_uuid
from reactor.container.running import Running
from reactor.container.settings.connect import ConnectSettings
from reactor.container.settings.defaults import Defaults
from reactor.container.settings.keywords import check_delay, check_keywords, explained_by
from reactor.container.settings.links import ReceiverSettings, SenderSettings, SessionSettings
from reactor.container.settings.listen import ListenSettings
from reactor.container.sources.selectable import Selectable
from reactor.container.sources.task import Task
from reactor.container.system_handler import SystemHandler
from reactor.container.threads import LoopThread, OwningThread
from reactor.container.transactions.control import Transactions
from reactor.container.turns import NO_GLOBAL_HANDLER, Turns
from reactor.container.waiting import sentences
from reactor.engine.events import Event, EventBase
from reactor.engine.handler import Handler, check_handler
from reactor.lazily import TYPE_CHECKING
from reactor.loop.busy_poll import BUSY_POLL
from reactor.loop.clock import system_random
from reactor.loop.loop import Loop

if TYPE_CHECKING:
    import random as random_module
    from collections.abc import Iterable
    from typing import Callable, NoReturn, Optional, TypeVar, Union, overload

    from reactor.codec.types import AnyValue
    from reactor.container.acceptor import Acceptor
    from reactor.container.draining import Leftover
    from reactor.container.explain.questions import Questions
    from reactor.container.explain.sentences import Explanation
    from reactor.container.interface import Tokens
    from reactor.container.links import Context
    from reactor.container.reconnect.backoff import Reconnect
    from reactor.container.settings.addresses import Address
    from reactor.container.settings.keywords import Mechanisms
    from reactor.container.settings.links import Tags
    from reactor.container.settings.options import Options
    from reactor.container.settings.proxy import ProxyOption
    from reactor.container.sources.injector import EventInjector
    from reactor.container.transactions.control import Scope
    from reactor.container.transactions.transaction import Transaction
    from reactor.engine.endpoints.fields import Names
    from reactor.engine.limits import Limits
    from reactor.engine.modes import Mode
    from reactor.engine.public import Connection, Link, Receiver, Sender, Session
    from reactor.engine.sasl.credentials import Credentials
    from reactor.engine.sasl.exchange import Authenticator, TokenOwner
    from reactor.engine.tls.domain import SSLDomain
    from reactor.loop.interface import Clock, Network

    Self = TypeVar("Self", bound="Container")


class Container(Defaults):
    """Connections, listeners, timers and the loop that runs them.

    handlers: get the events of everything that has no handler of its own, in this order.
    container_id: the name by which peers know this container; a random UUID by default.
    clock, network, random: the world: a `reactor.loop.interface.Clock`, a Network, and a `random.Random`. The
        real ones by default; simulations give their own. Nonces and names that have to be unguessable are drawn from
        `random`, too: a seeded one is for tests.
    busy_poll: seconds to look again for input, with the processor left to others, before the container sleeps; 0 for
        not at all; default 0.0001. It does so while waits are short, and on systems that have `os.sched_yield`.
    resend: the default of `connect`: whether senders send messages without an outcome again after a loss (False).
    proxy: the default of `connect`: the HTTP proxy of outgoing connections, as ``"http://user:password@proxy:3128"``;
        True for that of the environment; None, the default, for none.
    observers: objects with some of the methods of `reactor.tracing.observer.Observer`, such as a Recorder; none.
    raise_errors: whether `run()` raises `ended_by` when a connection could not be kept (False).

    `ended_by` is the reason why `run()` has returned: None when nothing was left to do, or after `stop()`; else an
    exception: the one that left it, or a ConnectionException, SessionException or LinkException when a connection of
    `connect` was given up for an error: by the peer, when attempts are used up, or by the default of an `on_..._error`.
    An application that connects anew after that has dealt with it: None again.

    Its attributes, such as `user` and `limits`, are the defaults of its calls: see Defaults.

    All of it belongs to one thread, the one that runs it; a call from another one raises RuntimeError. Other threads
    may use `call_soon_threadsafe`, `stop` and `wakeup`, and trigger an EventInjector.
    """

    runs_coroutines = False  # methods of handlers may be coroutines: those of an AsyncContainer may

    def __init__(
        self,
        *handlers: object,
        container_id: Optional[str] = None,
        clock: Optional[Clock] = None, network: Optional[Network] = None, random: Optional[random_module.Random] = None,
        raise_errors: bool = False, busy_poll: float = BUSY_POLL, resend: bool = False, proxy: ProxyOption = None,
        observers: Iterable[object] = (), **unknown: NoReturn,
    ) -> None:
        given = dict(unknown=unknown, raise_errors=raise_errors, busy_poll=busy_poll, resend=resend, proxy=proxy)
        check_keywords("Container()", Container.__init__, given)
        super().__init__()
        self.random = system_random() if random is None else random
        self.container_id = random_uuid(self.random) if container_id is None else container_id
        self.raise_errors = bool(raise_errors)
        self.resend = bool(resend)
        self.proxy = proxy
        self.owner = LoopThread() if self.runs_coroutines else OwningThread()
        self.loop = Loop(clock, network, busy_poll)
        if network is None:
            weakref.finalize(self, self.loop.network.close)  # no application has to close a container
        self._turns = Turns(self, self.loop, self.owner, handlers)
        self.collector = self._turns.collector
        self._connections = Connections(self._turns, self.random)
        self._connections.transactions = self._transactions = Transactions(self)
        self._tasks: weakref.WeakSet[Task] = weakref.WeakSet()  # those of `schedule` that are not forgotten
        self._explainer = self._connections.explainer = Explainer(self._turns, self._connections, self._tasks)
        self.running = Running(self._turns, self._connections, self._explainer, self)
        system = SystemHandler(self._connections, self._explainer)
        self._turns.obey(system, self._connections.parted, self.running.close_all)
        self._links = LinkMaker(self, self._connections.deadlines)
        self.running.observe(observers, self)

    # -- connections -------------------------------------------------------------------------------------

    @explained_by(ConnectSettings)
    def connect(
        self,
        url: Optional[Address] = None, urls: Optional[Iterable[Address]] = None,
        address: Union[None, Address, Iterable[Address]] = None,
        handler: Optional[object] = None, reconnect: Reconnect = None,
        heartbeat: Optional[float] = None, ssl_domain: Optional[SSLDomain] = None,
        *,
        sasl_enabled: Optional[bool] = None,
        allowed_mechs: Mechanisms = None, allow_insecure_mechs: Optional[bool] = None,
        user: Optional[str] = None, password: Optional[str] = None, virtual_host: Optional[str] = None,
        offered_capabilities: Names = None, desired_capabilities: Names = None,
        properties: Optional[dict[AnyValue, AnyValue]] = None,
        sni: Optional[str] = None, max_frame_size: Optional[int] = None, container_id: Optional[str] = None,
        connect_timeout: Optional[float] = None, open_timeout: Optional[float] = None,
        write_timeout: Optional[float] = None, close_timeout: Optional[float] = None,
        limits: Optional[Limits] = None, resend: Optional[bool] = None, tokens: Optional[Tokens] = None,
        proxy: ProxyOption = None, **unknown: NoReturn,
    ) -> Connection:
        """Begin to connect to a peer, and return the Connection at once: it is opened as soon as the container runs.

        Raises TypeError for an unknown keyword, suggesting the nearest, and for a value of the wrong kind, naming the
        keyword; ValueError for an address, a number or a connect.json that is wrong; SSLException for the SSLDomain of
        a server; DataException, naming the field, for a value that cannot be sent.
        """
        given = dict(locals())  # the arguments: no other local is there yet
        check_keywords("connect()", Container.connect, given)
        self.owner.check()
        return self._connections.connect(ConnectSettings(given, self), self.container_id)

    @explained_by(ListenSettings)
    def listen(
        self,
        url: Address,
        ssl_domain: Optional[SSLDomain] = None, handler: Optional[object] = None,
        authenticator: Optional[Authenticator] = None, allowed_mechs: Mechanisms = None,
        *,
        credentials: Optional[Credentials] = None, token_owner: Optional[TokenOwner] = None,
        open_timeout: Optional[float] = None, write_timeout: Optional[float] = None,
        limits: Optional[Limits] = None, origins: Optional[Iterable[str]] = None,
    ) -> Acceptor:
        """Listen for peers, and return the Acceptor: its `close()` ends that.

        Raises ValueError for a wrong number, and for an empty `allowed_mechs`; OSError, naming the address, when it is
        in use or not to be had; SSLException for TLS without a certificate, or for the SSLDomain of a client.
        """
        given = dict(locals())
        check_keywords("listen()", Container.listen, given)
        self.owner.check()
        check_handler(handler, self.runs_coroutines)
        return rooms.Acceptor(self, ListenSettings(given, self), self._turns.drive)

    def connection(self, handler: Optional[object] = None) -> Connection:
        """A new Connection of this container, with its events for `handler`, or for its own handlers. It has no
        transport; applications want `connect` and `listen`."""
        self.owner.check()
        connection = self._connections.connection(handler)
        connection.container = self.container_id
        return connection

    def connections(self) -> list[Connection]:
        """Those that have a wire, or will have one."""
        return self._connections.all()

    # -- links -------------------------------------------------------------------------------------------

    @explained_by(SessionSettings)
    def create_session(
        self, context: Context, acknowledge_mode: Mode = None,
        prefetch: Optional[int] = None, max_unsettled: Optional[int] = None, **unknown: NoReturn,
    ) -> Session:
        """A new session, opened, of a connection or of a new connection to a url. LocalProtocolError on a connection
        that was closed; ValueError or TypeError for a keyword that is wrong.
        """
        given = dict(locals())
        check_keywords("create_session()", Container.create_session, given)
        return self._links.session(context, SessionSettings(given))

    @explained_by(SenderSettings)
    def create_sender(
        self,
        context: Context,
        target: Optional[str] = None, source: Optional[str] = None, name: Optional[str] = None,
        handler: Optional[object] = None, tags: Tags = None, options: Options = None,
        resend: Optional[bool] = None, send_timeout: Optional[float] = None,
        attach_timeout: Optional[float] = None, close_timeout: Optional[float] = None,
        strict: bool = False, **unknown: NoReturn,
    ) -> Sender:
        """Open a link to send over, and return the Sender: it can be used when `on_sendable` is called for it.

        Raises LocalProtocolError on a connection or session that was closed here, or that has an open sender of this
        name [2.6.1]; TypeError, ValueError or DataException, naming it, for a value that is of no use. Nothing is made
        then.
        """
        given = dict(locals())
        check_keywords("create_sender()", Container.create_sender, given)
        check_handler(handler, self.runs_coroutines)
        return self._links.sender(context, SenderSettings(given, self))

    @explained_by(ReceiverSettings)
    def create_receiver(
        self,
        context: Context,
        source: Optional[str] = None, target: Optional[str] = None, name: Optional[str] = None,
        dynamic: bool = False, handler: Optional[object] = None, options: Options = None,
        auto_accept: Optional[bool] = None, prefetch: Optional[int] = None, max_unsettled: Optional[int] = None,
        acknowledge_mode: Mode = None, attach_timeout: Optional[float] = None, close_timeout: Optional[float] = None,
        strict: bool = False, **unknown: NoReturn,
    ) -> Receiver:
        """Open a link to receive from, and return the Receiver. Raises as `create_sender` does."""
        given = dict(locals())
        check_keywords("create_receiver()", Container.create_receiver, given)
        check_handler(handler, self.runs_coroutines)
        return self._links.receiver(context, ReceiverSettings(given, self))

    def declare_transaction(
        self, context: Scope, handler: Optional[object] = None, settle_before_discharge: bool = False
    ) -> Transaction:
        """Ask the peer for a transaction over links of a connection (its first session), or of a session: it is there
        when `on_transaction_declared` of `handler`, or of the handlers of `context` when None, is called.
        settle_before_discharge: whether received messages are settled when `Transaction.accept` is called (False).
        """
        self.owner.check()
        check_handler(handler, self.runs_coroutines)
        return self._transactions.declare(context, handler, settle_before_discharge)

    # -- timers, descriptors and events of the application's own -----------------------------------------

    def schedule(self, delay: float, handler: Optional[object]) -> Task:
        """Call `on_timer_task` of `handler` (of the container's own handlers when None) in `delay` seconds; at once,
        in its turn, when that is not above 0. ValueError for a delay that is no number, TypeError for a handler that
        is none."""
        self.owner.check()
        check_delay("delay", delay)
        check_handler(handler, self.runs_coroutines)
        task = Task(self, handler)
        self._tasks.add(task)
        task.timer = self.loop.schedule(delay, lambda: self.post(Event(Event.TIMER_TASK, task), handler))
        return task

    if TYPE_CHECKING:

        @overload
        def selectable(self, handler: EventInjector, delegate: object = None) -> EventInjector: ...  # type: ignore[overload-overlap]
        @overload
        def selectable(self, handler: object = None, delegate: object = None) -> Selectable: ...

    def selectable(self, handler: object = None, delegate: object = None) -> Union[EventInjector, Selectable]:
        """Watch a descriptor of the application's own, or take in an EventInjector.

        handler: gets the events, see Selectable; it has the descriptor (`fileno()`) unless `delegate` has it. Returns
        the Selectable, or the injector.
        """
        self.owner.check()
        if isinstance(handler, sources.EventInjector):
            self._turns.injectors.append(handler)
            handler.attach(self)
            return handler
        return Selectable(handler if delegate is None else delegate, self, handler)

    def update(self, selectable: Selectable) -> None:
        """`selectable.update()`, under its older name."""
        selectable.update()

    def post(self, event: EventBase, handler: Optional[object] = None) -> None:
        """Dispatch `event` in this turn or the next: to `handler`, or to the container's own ones."""
        self.owner.check()
        self._turns.post(event, handler)

    def call_soon_threadsafe(self, function: Callable[..., object], *arguments: object) -> None:
        """Have the container call `function(*arguments)` on its own thread, in this turn or the next. From any thread.

        Calls are made in the order in which they were handed over; an exception of one leaves `run()`. They wait for a
        container that does not run yet, and are forgotten by one that is stopped. They do not keep it running: while
        one is to come there has to be something else that does, such as a connection.
        """
        if not callable(function):
            raise TypeError("call_soon_threadsafe() takes a function, not %r" % (function,))
        self._turns.call_soon(function, arguments)

    # -- running -----------------------------------------------------------------------------------------

    @property
    def handler(self) -> object:
        """The handler of everything that has none of its own; the container's handlers are its children. Another one
        takes its place, and theirs, from the next event on. TypeError for a handler that is none."""
        return self._turns.handler

    @handler.setter
    def handler(self, handler: object) -> None:
        self.owner.check()
        self._turns.handler = handler

    @property
    def global_handler(self) -> Handler:
        """Sees every event, after the handlers: `add` handlers to it. The container reads and writes by itself."""
        return self._turns.everything

    @global_handler.setter
    def global_handler(self, handler: object) -> None:
        raise AttributeError(NO_GLOBAL_HANDLER)

    @property
    def now(self) -> float:
        """The time of this turn, by the container's clock."""
        return self.loop.now

    def mark(self) -> float:
        """The time now, in seconds of the container's clock."""
        return self.loop.clock.now()

    def today(self) -> float:
        """The date, in seconds since 1970-01-01 UTC, by the container's clock."""
        return self.loop.clock.today()

    @property
    def ended_by(self) -> Optional[BaseException]:
        """Why `run()` has returned; see Container."""
        return self._connections.failure

    def run(self, signals: bool = False, drain: float = 10.0, notify: bool = False) -> None:
        """Run until nothing is left to do: no connection, no listener, no timer, nothing that is watched;
        or until `stop()`. It may be called again.

        signals: whether SIGTERM and SIGINT (Ctrl-C) end it: the first one as `stop(drain)`, a second one as `stop()`,
            at once, and a third one as KeyboardInterrupt. For the main thread; in another one RuntimeError. False, the
            default: they are the program's own.
        drain: seconds, for `signals`.
        notify: whether the service manager that has started the process hears when it is ready, that it lives, and when
            it stops, as systemd wants it: `NOTIFY_SOCKET`, `WATCHDOG_USEC` (False).

        An exception of a handler leaves it, with all written that was to be written. Connections and listeners are
        closed on its way out, so that nothing is received which no handler would process; timers stay, for another
        `run()`. Ctrl-C gives everything up, after it has printed the events that the container was waiting for.

        `ended_by` is then the reason why it returned; with `raise_errors` that is raised. Until it returns the
        container belongs to the thread that called it.
        """
        process = self.running.notifying(self.do_work) if notify else self.process
        if signals:
            self.running.run_with_signals(process, drain)
        else:
            self.running.run(process)
        if self.raise_errors and self.ended_by is not None:
            raise self.ended_by

    @property
    def exit_status(self) -> int:
        """For `sys.exit()` after `run()`: 0 when it came to its end, or a signal ended it with nothing left undone; 1
        when `ended_by` has a reason; 128 and the number of the signal when work was left undone, as a shell has it."""
        return self.running.exit_status

    def start(self) -> None:
        """Announce to the handlers that the container begins to run. Once; `run` and `process` see to it."""
        self._turns.start()

    def process(self) -> bool:
        """One turn: dispatch, write, wait, and dispatch and write again. Returns whether anything is left
        to do.

        The container belongs to the thread that did this last."""
        return self._turns.process()

    def do_work(self, timeout: Optional[float] = None) -> bool:
        """One turn, as `process()`, that waits for at most `timeout` seconds; None leaves that to `self.timeout`."""
        before, self.timeout = self.timeout, self.timeout if timeout is None else timeout
        try:
            return self.process()
        finally:
            self.timeout = before

    def wakeup(self) -> None:
        """End the wait of the container, if it waits. From any thread."""
        self.loop.wake()

    @property
    def quiesced(self) -> bool:
        """Whether nothing waits to be dispatched."""
        return not self._turns.is_waiting

    def waiting_for(self) -> list[str]:
        """The events that the container waits for, in sentences for a person, without the reasons that `explain()`
        gives. Empty when there is nothing left to wait for. Ctrl-C prints it."""
        self.owner.check()
        return sentences(self._turns, self._connections, self._tasks)

    def explain(self, patience: float = PATIENCE) -> Explanation:
        """Why nothing moves, in sentences; see `reactor.explain`."""
        return self._explainer.ask(self._explainer.container, patience)

    def explain_both_ends(self, then: Callable[[Explanation], None], patience: float = PATIENCE) -> None:
        """Call `then` with that and the views of peers that are brokers of ours, `patience` seconds later at most."""
        self.owner.check()
        self._explainer.with_peers(then, patience)

    def listen_for_questions(
        self, place: Optional[str] = None, *, token: Optional[str] = None, by_signal: bool = False
    ) -> Questions:
        """Answer other processes, until the end of `run()` or of what this returns: ``python -m reactor.explain PID``.

        place: the path of a Unix socket; None, the default, for one that is found by the number of the process; or
            ``"127.0.0.1:0"``, loopback, where an asker needs the token. token: None draws it.
        by_signal: whether SIGUSR1 prints the answer to stderr, too (False).

        OSError where that cannot be: FileExistsError for a file that is no socket, PermissionError.
        """
        return sources.Questions.of(self._explainer, self.container_id, place, token, by_signal)

    # -- stopping ----------------------------------------------------------------------------------------

    def stop(self, drain: Optional[float] = None) -> Leftover:
        """End `run()`: after this turn, or when all that is in flight has ended. From any thread.

        drain: None, the default: connections are closed, listeners, timers and descriptors given up, at once. A number
            of seconds: no peer is let in any more, receivers take back the credit they have given, and deliveries in
            flight go on to their end: messages that came until they are settled, messages that were sent until they
            have an outcome. Then the connections are closed; when they are, or when so many seconds have passed, it
            stops as without `drain`.

        Returns the work that was left undone, which is known when `run()` has returned.
        """
        return self.running.stop(drain)

    def close(self) -> None:
        """Close every connection politely, and give up listeners, timers and descriptors, at once. Harmless when
        repeated; in a handler it is `stop()`. ``with Container(...) as container:`` does it at the end of the block."""
        self.owner.check()
        if self.owner.busy:
            self._turns.end()
        else:
            self.running.close_all()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def will_reconnect(self, connection: Connection) -> bool:
        """Whether another attempt is made when the present wire of `connection` has ended, as things stand."""
        return self._connections.will_reconnect(connection)

    def will_redirect(self, link: Link) -> bool:
        """Whether a link that the peer has detached is attached where the peer sends it."""
        return self._connections.will_redirect(link)

    def will_retry(self, endpoint: Union[Session, Link]) -> bool:
        """Whether a session or link that the peer has ended is asked for again: the peer's reason passes."""
        return self._connections.will_retry(endpoint)

    def next_attempt(self, connection: Connection) -> Optional[float]:
        """In how many seconds `connection` is tried again after its wire has failed; None when it is not."""
        return self._connections.next_attempt(connection)

    def found_no_peer(self, connection: Connection) -> bool:
        """Whether the address of `connection` has refused the present wire, or has not answered in time."""
        return self._connections.found_no_peer(connection)

    def failures(self, connection: Connection) -> int:
        """How many attempts and wires of `connection` in a row have failed before this time; 0 while it is open."""
        return self._connections.failures(connection)

    def note_failure(self, connection: Optional[Connection], error: BaseException) -> None:
        """`connection` ends because of `error`: that is why `run()` ends, unless the connection came in."""
        self._connections.note_failure(connection, error)

    def __repr__(self) -> str:
        return "<Container %s>" % self.container_id
