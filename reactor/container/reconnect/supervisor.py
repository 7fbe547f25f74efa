"""ConnectionSupervisor: when an outgoing connection is tried, made again, and given up.

A Connection lives through all its wires; its supervisor decides whether there will be another one, and the connector
makes it. The system handler calls it when something has happened, after the handlers. It knows no frame.
"""

from __future__ import annotations

from reactor.container.reconnect.attempts import Attempts, Step
from reactor.container.reconnect.comeback import Comeback
from reactor.container.reconnect.connector import Connector
from reactor.container.reconnect.link_redirects import LinkRedirects
from reactor.container.reconnect.redirects import Followed, where_to
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.events import Event
from reactor.engine.public import Connection, Link, Transport
from reactor.engine.sasl.layer import SASL
from reactor.errors import CONNECTION_REDIRECT, IO_ERROR, TIMED_OUT, ConnectionException
from reactor.lazily import TYPE_CHECKING
from reactor.loop.loggers import is_wanted, log_fields, logger
from reactor.loop.wires import ConnectError
from reactor.reasons import UNTRUSTED, passes

if TYPE_CHECKING:
    from typing import Any, Optional

    from reactor.container.interface import ConnectionHost, Family, TokensAtWork
    from reactor.container.settings.connect import ConnectSettings
    from reactor.loop.driver import Driver
    from reactor.loop.timers import Timer

log = logger(__name__)


class ConnectionSupervisor:
    """Keeps one connection.

    settings: as the application has asked for it.
    host: the connections of the container.
    family: of the connection that this one is made for, because a peer has redirected a link; None: of its own.

    attempts: the places and times of its attempts. connector: makes its wires.
    comeback: its sessions and links that the peer has ended. redirects: its links that peers send elsewhere.
    failures: how many attempts and wires in a row have failed: 0 while it is open.
    tried_at: when the present attempt was begun, in seconds of the clock.
    due: the time of the next attempt, in seconds of the clock; None while there is none to wait for.
    replaced: whether the application has connected anew since the present wire has failed.
    """

    def __init__(
        self, connection: Connection, settings: ConnectSettings, host: ConnectionHost, family: Optional[Family] = None
    ) -> None:
        self.connection = connection
        self.settings = settings
        self.attempts = Attempts(settings.addresses, settings.delays, host.random, settings.redirected)
        self.tokens: Optional[TokensAtWork] = None
        if settings.tokens is not None:
            self.tokens = settings.tokens.begin(connection, host, settings.allow_insecure_mechs)
        self.connector = Connector(connection, settings, host, self.tokens)
        connection.comes_back = self.will_reconnect
        self.comeback = Comeback(connection, self.attempts, host, connection.comes_back)
        family = [] if family is None else family
        family.append((settings, connection))
        self.redirects = LinkRedirects(connection, settings, self.connector, host, family)
        self.failures = 0
        self.replaced = False
        self.due: Optional[float] = None
        self.tried_at = 0.0
        self._host = host
        self._opened_at: Optional[float] = None  # on the present wire
        self._was_open = False
        self._followed = Followed()
        self._driver: Optional[Driver] = None  # of the present wire
        self._alarms: list[Timer] = []  # the deadlines of the attempt that is being made, or its beginning
        self._recovering: dict[Endpoint, None] = {}  # not answered by the peer since the wire was replaced

    @property
    def reconnects(self) -> bool:
        """Whether a connection that is lost is made again."""
        return self.settings.delays is not None

    @property
    def is_failing(self) -> bool:
        """Whether the present wire has failed, or the peer has closed it and said why."""
        transport = self.connection.transport
        broken = transport is not None and transport.condition is not None
        return broken or self.connection.remote_condition is not None

    @property
    def found_no_peer(self) -> bool:
        """Whether the address of the present wire has refused it, or has not answered in time. Not when the name of the
        peer could not be looked up, nor where a proxy lies between."""
        driver = self._driver
        if driver is None or driver.connected or not driver.closed or self.connector.proxy is not None:
            return False
        return not isinstance(driver.error, ConnectError) or not driver.error.unresolved

    # -- attempts ----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The application has opened the connection."""
        self.attempts.begin(self._host.loop.now)
        self._try_next()

    def _try_next(self) -> None:
        step = self.attempts.take()
        self.connection.lasting = self.attempts.upcoming is not None
        if step is None or not self.connection.state & Endpoint.LOCAL_ACTIVE:
            self.connection.end()
            self._host.forget(self.connection)
        elif step.delay > 0:
            fields = log_fields(self.connection, delay=step.delay, attempt=self.failures + 1)
            log.info("trying %s in %.3g s", step.url.redacted, step.delay, extra=fields)
            self._host.will_try(self.connection, self.failures, step.delay)
            self._alarms = [self._host.loop.schedule(step.delay, lambda: self._connect(step))]
            self.due = self._alarms[0].at
        else:
            self._connect(step)

    def _connect(self, step: Step) -> None:
        self._alarms = []
        self.due = None
        self.tried_at = self._host.loop.now
        self.replaced = False
        driver = self._driver = self.connector.connect(step.url, step.hostname, step.redirected)
        if is_wanted(log):
            proxy = self.connector.proxy
            way = "" if proxy is None else " through the proxy " + proxy.name
            fields = log_fields(self.connection, attempt=self.failures + 1)
            log.info("connecting to %s%s", step.url.redacted, way, extra=fields)
        schedule = self._host.loop.schedule
        if self.settings.connect_timeout is not None:
            self._alarms.append(schedule(self.settings.connect_timeout, lambda: self._not_connected(driver)))
        if self.settings.open_timeout is not None:
            self._alarms.append(schedule(self.settings.open_timeout, lambda: self._not_opened(driver)))

    def _not_connected(self, driver: Driver) -> None:
        seconds = self.settings.connect_timeout or 0
        transport = self.connection.transport
        if not driver.connected:
            where = driver.wire.remote_address
            driver.fail(IO_ERROR, "cannot connect to %s: timed out after %g s" % (where, seconds))
        elif transport is not None and transport.layers.waits_for_proxy:
            driver.fail(IO_ERROR, "it has not answered within %g s" % seconds)

    def _not_opened(self, driver: Driver) -> None:
        if not self.connection.state & Endpoint.REMOTE_UNINIT:
            return  # it has come, and its event is next
        seconds = self.settings.open_timeout or 0
        transport, proxy = self.connection.transport, self.connector.proxy
        if transport is not None and transport.layers.waits_for_proxy:
            driver.fail(TIMED_OUT, "it has not answered within %g s" % seconds)
            return
        where = driver.wire.remote_address
        if proxy is not None:
            where = "%s, through the proxy %s," % (self.connection.connected_address, proxy.name)
        text = "%s has not opened the connection within %g s" % (where, seconds)
        sasl = None if transport is None else transport.layers.sasl
        if sasl is not None and sasl.mech is not None and sasl.outcome is None:
            # RabbitMQ takes 3 s over a wrong password, lest a client should try many.
            text += ", nor answered the log-in by %s; some take seconds to refuse a password" % sasl.mech
        driver.fail(TIMED_OUT, text)

    def _stop_waiting(self) -> None:
        for alarm in self._alarms:
            alarm.cancel()
        self._alarms = []
        self.due = None

    def stop(self) -> None:
        """Make no attempt any more."""
        self._stop_waiting()
        self.comeback.clear()
        self.attempts.upcoming = None

    def forgotten(self) -> None:
        """Nothing more is done for the connection."""
        if self.tokens is not None:
            self.tokens.ended()

    # -- events ------------------------------------------------------------------------------------------

    def opened(self) -> None:
        """The peer has opened the connection; from now on to lose it is another matter."""
        self._stop_waiting()
        connection = self.connection
        self.failures = 0
        self._opened_at = self._host.loop.now
        if self.tokens is not None:
            self.tokens.opened()
        self.attempts.opened()
        connection.lasting = self.attempts.upcoming is not None
        if is_wanted(log):
            log.info("connected to %s", connection.connected_address, extra=log_fields(connection))
        if self._was_open:
            unanswered = (*connection.sessions(0), *connection.links(0))
            self._recovering = dict.fromkeys(one for one in unanswered if is_unanswered(one))
            self.answered(connection)
        self._was_open = True

    def answered(self, endpoint: Any) -> None:
        """The peer has answered for a session or a link, or it was closed here."""
        if self._opened_at is None or (endpoint is not self.connection and endpoint not in self._recovering):
            return
        self._recovering = {one: None for one in self._recovering if is_unanswered(one)}
        if not self._recovering:
            self.connection.emit(Event.CONNECTION_RECONNECTED, self.connection)

    def failed(self) -> None:
        """The present wire has failed, or could not be had."""
        self.failures += 1

    def closed(self) -> None:
        """The application has closed the connection. Without a wire that is the end of it."""
        transport = self.connection.transport
        if self.redirects.is_first or not self.connection.state & Endpoint.REMOTE_CLOSED:
            for _, connection in self.redirects.family:
                connection.close()
        if transport is None:
            self._stop_waiting()
            self.connection.end()
            self._host.forget(self.connection)
            self._host.deadlines.disconnected(self.connection)
            return
        seconds = self.settings.close_timeout
        if seconds is not None and not self.connection.state & Endpoint.REMOTE_CLOSED:
            self._alarms.append(self._host.loop.schedule(seconds, lambda: self._not_closed(transport)))

    def _not_closed(self, transport: Transport) -> None:
        if self.connection.state & Endpoint.REMOTE_CLOSED:
            return
        text = "the peer has not closed the connection within %g s" % (self.settings.close_timeout or 0)
        self.connection.fail(Condition(TIMED_OUT, text))
        self._host.drop(transport)

    def will_reconnect(self) -> bool:
        """Whether another attempt is made when the present wire has ended, as things stand."""
        connection = self.connection
        if not connection.state & Endpoint.LOCAL_ACTIVE:
            return False
        if connection.state & Endpoint.REMOTE_CLOSED:
            condition = connection.remote_condition
            if condition is None or not self.reconnects:
                return False
            if condition.name == CONNECTION_REDIRECT:
                return self._followed.may_follow(self._host.loop.now) and self._redirection() is not None
            return passes(condition, self._was_open) and self.attempts.upcoming is not None
        transport = connection.transport
        if transport is not None and transport.condition is not None and transport.condition.name in UNTRUSTED:
            sasl = transport.layers.sasl
            if sasl is None or sasl.outcome not in (SASL.SYS, SASL.TEMP):  # which may go away by themselves
                return False
        if self._opened_at is not None:
            return self.attempts.upcoming is not None
        return self.attempts.in_time(self._host.loop.now)

    def ended(self, transport: Transport) -> None:
        """The transport is closed, and its handlers know: try again, or give the connection up."""
        self._stop_waiting()
        if self.tokens is not None:
            self.tokens.lost()
        connection, now = self.connection, self._host.loop.now
        again = self.will_reconnect()
        sent_away = bool(connection.state & Endpoint.REMOTE_CLOSED)
        redirection = self._redirection() if again and sent_away else None
        if self._opened_at is not None:
            self.attempts.lost(now, now - self._opened_at)
        if redirection is not None:
            self._followed.follow(now)
            self.attempts.redirect(redirection)
        self._opened_at = None
        self._driver = None
        self._recovering.clear()
        self.comeback.clear()
        connection.lasting = again
        transport.unbind()
        if again:
            self._try_next()
        elif not connection.state & Endpoint.LOCAL_ACTIVE:
            if is_wanted(log):
                log.info("disconnected from %s", connection.connected_address, extra=log_fields(connection))
            connection.end()
            self._host.forget(connection)
        else:
            fields = log_fields(connection, transport.condition or connection.remote_condition)
            log.info("disconnected from %s, for good", connection.connected_address, extra=fields)
            if not sent_away and transport.condition is not None:
                text = "%s lost: %s" if self._was_open else "no connection to %s: %s"
                text %= (connection.connected_address, transport.condition.text)
                self._host.note_failure(connection, ConnectionException(text))
                if self.reconnects:
                    connection.fail(self._given_up(transport.condition))
            connection.close()
            self._host.forget(connection)

    def _given_up(self, condition: Condition) -> Condition:
        attempts = "1 attempt" if self.failures == 1 else "%d attempts" % self.failures
        text = "given up after %s: %s" % (attempts, condition.description)
        return Condition(condition.name, text, condition.info)

    def _redirection(self) -> Optional[Step]:
        """Where the peer sends the connection instead; None when it does not."""
        condition = self.connection.remote_condition
        if condition is None or condition.name != CONNECTION_REDIRECT:
            return None
        return where_to(condition, self.connector.url)


def is_unanswered(endpoint: Any) -> bool:
    """Whether a session or link is open here, and the peer has yet to answer."""
    if not endpoint.state & Endpoint.LOCAL_ACTIVE or not endpoint.state & Endpoint.REMOTE_UNINIT:
        return False
    return not isinstance(endpoint, Link) or not endpoint.session.state & Endpoint.REMOTE_CLOSED
