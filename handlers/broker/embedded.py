"""A broker in this process: for notebooks, tests and programs that need one for themselves.

    with EmbeddedBroker() as broker:
        ...  # connect to broker.url from this thread, another one or another process
        assert broker.queue("jobs").depth == 3

It runs a Container of its own in a thread of its own; from other threads only the names of this class may be
used. The broker meets threads here, in the command line, and in web/bridge.py.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Optional

from handlers.broker.broker import Broker
from handlers.broker.nodes.statistics import BrokerStatistics, NodeStatistics
from reactor import ApplicationEvent, Container, EventInjector, ReactorException


class EmbeddedBroker:
    """A broker on a port of its own on the loopback, as long as the `with` block lasts.

    url: where to listen; with port 0 the system chooses one, which `url` and `port` then have. None (default): on the
        loopback with such a port; with TLS where the options have an `ssl_domain`.
    observers: look on at its container, such as a `reactor.tracing.Recorder`; none by default.
    options: those of `Broker`.

    An exception in its thread is raised by `stop()`, or at the end of the `with` block.
    """

    def __init__(self, url: Optional[str] = None, observers: Iterable[object] = (), **options: Any) -> None:
        if url is None:
            url = "amqp://127.0.0.1:0" if options.get("ssl_domain") is None else "amqps://127.0.0.1:0"
        self.url = url
        self.port = 0
        self._started = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._error: Optional[BaseException] = None
        self._broker = Broker(url, on_listening=self._listening, **options)
        self._injector = EventInjector()
        self._container = Container(self._broker, observers=observers)
        self._container.selectable(self._injector)

    def start(self) -> EmbeddedBroker:
        """Listen; returns when clients can connect. Raises the cause if it cannot: OSError for a port in use."""
        if self._thread is not None:
            raise RuntimeError("an EmbeddedBroker can be started once; make another one")
        self._thread = threading.Thread(target=self._run, name="amqp-broker", daemon=True)
        try:
            self._thread.start()
        except BaseException:  # RuntimeError: the system has no more threads
            self._container.close()
            self._broker.close()
            raise
        self._started.wait()
        if self._error is not None:
            self.stop()
        return self

    def stop(self) -> None:
        """Close every connection and the port, and wait for the thread. Harmless when repeated."""
        thread = self._thread
        if thread is not None and thread.is_alive():
            with suppress(ReactorException):  # closed: the thread has failed, and is about to end by itself
                self._injector.trigger(ApplicationEvent("shutdown"))
            thread.join()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def queue(self, name: str) -> NodeStatistics:
        """The queue or topic `name` at this moment: `.depth`, `.waiting`, `.acquired`, `.consumers` ...

        All numbers of a node that is not there are 0: `names()` shows whether it is.
        """
        return self._broker.statistics(name)

    topic = queue

    def overview(self) -> BrokerStatistics:
        """The whole broker at this moment: `.connections`, `.bytes`, `.internal_errors` ..."""
        return self._broker.overview()

    def names(self) -> list[str]:
        """The queues and topics that there are."""
        return self._broker.names()

    @property
    def web_url(self) -> str:
        """Where its web page is, with the option `web`; else ""."""
        return self._broker.web_url

    def __enter__(self) -> EmbeddedBroker:
        return self.start()

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        try:
            self.stop()
        except BaseException as mine:
            if error is None:
                raise
            raise mine from error  # both are shown: the broker's failure is often the cause of the other

    def __repr__(self) -> str:
        running = self._thread is not None and self._thread.is_alive()
        return f"<EmbeddedBroker {self.url} {'running' if running else 'not running'}>"

    # -- in the broker's thread

    def _listening(self, url: str, acceptor: Any) -> None:
        self.port = acceptor.port
        self.url = acceptor.url
        self._started.set()

    def _run(self) -> None:
        try:
            self._container.run()
        except BaseException as error:  # raised by stop()
            self._error = error
            self._container.close()  # no thread shall wait for a broker that is no more
        finally:
            self._broker.close()
            self._injector.close()
            self._started.set()
