"""`amqp-broker serve`: the broker as a program."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Callable, Optional

from handlers.broker.access.doors import AccessError
from handlers.broker.broker import PRODUCT, Broker
from handlers.broker.commands.configuration import READERS, page
from handlers.broker.commands.options import ConfigError, Options
from handlers.broker.commands.sizes import PLACE, label, limit, size, tls, url
from handlers.broker.store.interface import StoreError
from reactor import (
    ApplicationEvent,
    Container,
    EventInjector,
    Handler,
    Limits,
    SSLException,
    TransportException,
    __version__,
    environment_secret,
)
from reactor.system import HERE

log = logging.getLogger("handlers.broker")

DESCRIPTION = """\
An AMQP 1.0 broker with queues and topics, in one process.

Queues are made with the first sender or receiver that names them. Messages stay until a receiver has
accepted them, or until the broker ends; with --store, durable messages in queues and in durable subscriptions
survive that, and are accepted when they are on disk. Any AMQP 1.0 client can connect. On this machine it
needs no user; for others to connect, give --users, or certificates, or say --anonymous.
"""

EXAMPLES = """\
examples:
  amqp-broker
      listens on amqp://127.0.0.1:5672, reachable from this machine alone
  amqp-broker user add alice --file users
  amqp-broker --listen amqp://0.0.0.0 --listen 'amqp://[::]' --users users
      reachable from the network, for users with a password (SCRAM alone: it does not travel)
  amqp-broker --listen amqps://0.0.0.0 --tls-cert broker.pem --tls-key broker.key --users users
      with TLS
  amqp-broker --listen amqp://0.0.0.0:5672 --anonymous
      for every client that can reach it
  amqp-broker --listen amqp://127.0.0.1 --listen amqpws://127.0.0.1:8080/amqp
      and through WebSocket
  amqp-broker --listen amqp://127.0.0.1:0 --port-file port.txt
      a free port, written to a file: for scripts and tests
  amqp-broker --topic-prefix topic/ --topic news
      messages to news, or to topic/anything, go to every receiver that listens
  amqp-broker --no-auto-create --queue jobs --queue results
      these two addresses and no others
  amqp-broker --store jobs.store
      durable messages are kept in this file, and are there again after a restart
  amqp-broker --web 127.0.0.1:8080
      a web page of the queues, and metrics at /metrics
  amqp-broker --max-queue-bytes 64M
      producers wait while their queue holds more
  amqp-broker --config broker.json --check-config
      shows what would be served by the options of a file: {"queues": {"jobs": {"max_length": 1000}}, ...}

Without --users and --anonymous, AMQP_USER and AMQP_PASSWORD, or the files that AMQP_USER_FILE and
AMQP_PASSWORD_FILE name, are the one user that may log in

SIGTERM and Ctrl-C end it in good order (--stop-timeout); at SIGHUP it reads users and permissions again

exit status: 0 when it has ended as it was asked to; 1 if it could not listen or open its store, or a second
signal has ended it; 2 for options or a configuration that cannot be used

try it, in a checkout of the project, which has the examples:
  python -m handlers.broker &
  python -m examples.send amqp://127.0.0.1 jobs hello
  python -m examples.receive amqp://127.0.0.1 jobs 1
"""

PRODUCT_HELP = "the name and the version that clients are shown; those of RabbitMQ want 'RabbitMQ 4.1.0'"

IDLE_HELP = "how long a connection may be silent before it counts as lost (60; 0: for ever)"


WEB_HELP = "a web page of the queues, and /metrics for Prometheus, on this machine alone (without an address: on a \
free port)"

METRICS_HELP = "how many queues and topics have numbers of their own at /metrics, which counts the others (1000)"

STOP_HELP = "at SIGTERM or Ctrl-C, how long messages under way may take to get their outcomes (10); a second signal \
ends it at once"

LIMIT_HELP = "how much is taken of one client, such as max_sessions=10, max_links=100, max_unsettled=1000 or \
max_buffered_connection_bytes=64M; may be repeated. The names are those of reactor.Limits"


def run(arguments: Sequence[str], commands: str) -> int:
    """Run the broker until it is interrupted; returns the exit status. commands: lists the others, for the help."""
    known = parser(commands)
    try:
        options = known.parse(arguments)
    except ConfigError as error:
        known.exit(2, f"amqp-broker: {error}\n")
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    announcement = _Announcement(options.port_file)
    try:
        broker = Broker(
            options.listen,
            queues=options.queues,
            topics=options.topics,
            policies=options.policies,
            auto_create=not options.no_auto_create,
            topic_prefixes=options.topic_prefix,
            max_queue_bytes=options.max_queue_bytes,
            max_message_size=options.max_message_size,
            max_total_bytes=options.max_total_bytes,
            max_partial_bytes=options.max_partial_bytes,
            max_connections=options.max_connections,
            max_nodes=options.max_nodes,
            max_nodes_per_connection=options.max_nodes_per_connection,
            max_failed_logins=options.max_failed_logins,
            max_connections_per_user=options.max_connections_per_user,
            idle_timeout=options.idle_timeout,
            stop_timeout=options.stop_timeout,
            product=options.product,
            open_timeout=options.open_timeout,
            write_timeout=options.write_timeout,
            limits=Limits(**dict(options.limits)),
            transaction_timeout=options.transaction_timeout,
            max_transactions=options.max_transactions,
            max_transaction_bytes=options.max_transaction_bytes,
            users=_users(options),
            permissions=options.permissions,
            anonymous=options.anonymous,
            ssl_domain=tls(
                options.listen, options.tls_cert, options.tls_key, options.tls_ca, options.tls_require_client_cert
            ),
            store=None if options.check_config else options.store,
            web=options.web,
            metrics_nodes=options.metrics_nodes,
            on_listening=announcement,
        )
        if options.check_config:
            print(*page(options, known.settings, broker), sep="\n")
            return 0
    except (ValueError, SSLException) as error:  # settings that do not go together, or files that are no good
        known.exit(2, f"amqp-broker: {error}\n")
    except StoreError as error:
        return _fail(error)
    announcement.broker = broker
    container = Container(broker)
    if options.name:
        container.container_id = options.name
    interrupts = _Interrupts(container, partial(_reload, known, arguments, broker))
    try:
        container.run()
    except (OSError, TransportException, StoreError, AccessError) as error:  # no port, no TLS, no store
        return _fail(error)
    except KeyboardInterrupt:
        return 1
    finally:
        broker.close()
        interrupts.close()
    return 0 if interrupts.count < 2 else 1


def _users(options: argparse.Namespace) -> Any:
    """The users of --users; else the one of AMQP_USER and AMQP_PASSWORD, by which container images are set up; None:
    there are none. ValueError for one without a password."""
    if options.users is not None or options.anonymous:
        return options.users
    user, password = environment_secret("AMQP_USER"), environment_secret("AMQP_PASSWORD")
    if user is None:
        return None
    if password is None:
        raise ValueError("AMQP_USER has no password: set AMQP_PASSWORD, or AMQP_PASSWORD_FILE; or give --users FILE")
    return {user: password}


def _reload(known: Options, arguments: Sequence[str], broker: Broker) -> None:
    """SIGHUP: read users and permissions again."""
    try:
        options = known.parse(arguments)
        told = broker.doors.reload(_users(options), options.permissions)
    except ValueError as error:  # ConfigError, UsersError, AccessError ...
        log.error("SIGHUP: %s; all stays as it was", error)
        return
    text = "read again: %s; clients that are connected stay" if told else "there are %s to be read again"
    log.warning("SIGHUP: " + text, " and ".join(told) or "neither users nor permissions")


def _fail(error: Exception) -> int:
    print(f"amqp-broker: {error}", file=sys.stderr)
    return 1


class _Interrupts:
    """Ctrl-C and SIGTERM: the first has the broker end in good order, the second at once; the third ends the program.

    A signal may come in the midst of anything, another signal included, and an exception would be raised there.

    reload: called for SIGHUP, by which servers are asked to read their settings again, between two turns. Where it is
    ignored, as below nohup, it stays so.
    """

    def __init__(self, container: Container, reload: Callable[[], None]) -> None:
        self.injector = EventInjector()
        self.count = 0
        container.selectable(self.injector)
        self._reload = reload
        self._hung_up = False
        self.bell = _Bell(self.consider)
        container.selectable(self.bell)
        for number in HERE.ending_signals:
            signal.signal(number, self.interrupt)
        hang_up = HERE.hang_up
        if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
            signal.signal(hang_up, self.hang_up)

    def hang_up(self, number: int, frame: Any) -> None:
        """The handler of SIGHUP. The bell rings, too."""
        self._hung_up = True

    def consider(self) -> None:
        """A signal has come, and its handler was called."""
        if self._hung_up:
            self._hung_up = False
            self._reload()

    def interrupt(self, number: int, frame: Any) -> None:
        """The handler of the signals."""
        self.count += 1
        if self.count > 2:
            raise KeyboardInterrupt
        # Not by `print`: a stream that is at work already would raise an error.
        with suppress(OSError):  # no reader is left
            os.write(1, b"Shutting down\n" if self.count == 1 else b"Ending at once\n")
        self.injector.trigger(ApplicationEvent("shutdown" if self.count == 1 else "abandon"))

    def close(self) -> None:
        """The container has stopped."""
        self.bell.close()


class _Bell(Handler):
    """Ends the wait of the container for a signal: Python writes to it when one comes, in whatever thread.

    A signal that comes in the moment before the wait, or to a thread of the web page, is else noticed after it.
    """

    def __init__(self, rung: Callable[[], None] = lambda: None) -> None:
        self._rung = rung
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        signal.set_wakeup_fd(self._far.fileno(), warn_on_full_buffer=False)

    def fileno(self) -> int:
        """The descriptor that the container watches."""
        return self._near.fileno()

    def on_selectable_init(self, event: Any) -> None:
        """It is watched from now on."""
        event.context.reading = True
        event.context.update()

    def on_selectable_readable(self, event: Any) -> None:
        """A signal has come: its handler has been called by now."""
        with suppress(BlockingIOError):
            self._near.recv(1024)
        self._rung()

    def close(self) -> None:
        """No signal is waited for."""
        signal.set_wakeup_fd(-1)
        self._near.close()
        self._far.close()


class _Announcement:
    """Prints the addresses where the broker listens, as soon as it does."""

    def __init__(self, port_file: Optional[str]) -> None:
        self.port_file = port_file
        self.broker: Optional[Broker] = None
        self.shown = False  # the web page

    def __call__(self, url: str, acceptor: Any) -> None:
        if self.port_file is not None:
            # A program that waits for the file shall find all of it, and be right to connect.
            written = Path(f"{self.port_file}.new")
            written.write_text(f"{acceptor.port}\n", encoding="ascii")
            written.replace(self.port_file)
            self.port_file = None  # that of the first
        broker = self.broker
        if broker is not None:
            if broker.web_url and not self.shown:
                print(f"The web page is at {broker.web_url}", flush=True)
                self.shown = True
            text = broker.doors.describe(acceptor.allowed_mechs)
            print(text[0].upper() + text[1:], flush=True)
        scheme = acceptor.url.partition("://")[0]  # its host would be a loopback one where all addresses are meant
        print(f"Listening on {scheme}://{acceptor.address}", flush=True)


def parser(commands: str) -> Options:
    """The options of the command. commands: lists the others, for the help."""
    known = Options(
        READERS,
        allow_abbrev=False,  # `--port 5673` is no `--port-file`
        prog="amqp-broker",
        usage="amqp-broker [COMMAND] [OPTION ...]",
        description=f"{DESCRIPTION}\n{commands}",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = known.add_argument
    add("--config", metavar="FILE", help="take options from this file, in JSON; those of the command line win")
    add("--check-config", action="store_true", help="show what would be served, and end")
    add("--listen", metavar="URL", action="append", type=url, default=[PLACE], help=f"where to listen ({PLACE})")
    for name, dest, help in (
        ("--queue", "queues", "a queue that is there from the beginning"),
        ("--topic", "topics", "a topic that is there from the beginning"),
        ("--topic-prefix", "topic_prefix", "addresses that begin so, or fit it (*.events), are topics"),
    ):
        help += "; may be repeated, as --listen"
        add(name, metavar="NAME", action="append", dest=dest, default=[], help=help)
    add("--store", metavar="FILE", help="keep durable messages in this file (none: all is in memory)")
    add("--users", metavar="FILE", help="clients log in as one of these users; see amqp-broker user --help")
    add("--anonymous", action="store_true", default=None, help="let clients in that do not log in")
    for name, help in (
        ("--tls-cert", "the certificate of this broker, for --listen amqps://...; PEM, with the authorities between"),
        ("--tls-key", "its private key (none: it is in the file of the certificate)"),
        ("--tls-ca", "the authorities that sign certificates of clients; PEM"),
    ):
        add(name, metavar="FILE", help=help)
    text = "take only clients with a certificate; its subject is the user"
    add("--tls-require-client-cert", action="store_true", help=text)
    add("--web", metavar="HOST:PORT", nargs="?", const=True, help=WEB_HELP)
    add("--metrics-nodes", metavar="NUMBER", type=size, default="1000", help=METRICS_HELP)
    add("--no-auto-create", action="store_true", help="refuse addresses that are not there: amqp:not-found")
    for name, most, help in (
        ("--max-queue-bytes", "256M", "bytes that a queue holds before its producers have to wait"),
        ("--max-message-size", "100M", "the largest message that is taken"),
        ("--max-total-bytes", "1G", "bytes that all queues hold together before all producers have to wait"),
        ("--max-partial-bytes", "256M", "messages that have come in part, of all connections"),
        ("--max-connections", "2000", "how many clients are let in"),
        ("--max-connections-per-user", "0", "how many of one user"),
        ("--max-nodes", "20000", "how many queues and topics there may be"),
        ("--max-nodes-per-connection", "0", "how many of them one connection has made on demand"),
        ("--max-failed-logins", "10", "log-ins of one user that may fail at once from one address"),
        ("--max-transactions", "1000", "how many transactions there may be"),
        ("--max-transaction-bytes", "256M", "messages in transactions"),
    ):
        kind = "SIZE" if "M" in most or "G" in most else "NUMBER"
        bound = "no bound" if most == "0" else f"{most}; 0: no bound"
        add(name, metavar=kind, type=size, default=most, help=f"{help} ({bound})")
    add("--product", metavar="TEXT", type=label, default=PRODUCT, help=PRODUCT_HELP)
    add("--idle-timeout", metavar="SECONDS", type=float, default=60.0, help=IDLE_HELP)
    add("--stop-timeout", metavar="SECONDS", type=float, default=10.0, help=STOP_HELP)
    add("--open-timeout", metavar="SECONDS", type=float, help="how long a client may take to open its connection (30)")
    add("--write-timeout", metavar="SECONDS", type=float, help="how long a client may leave waiting bytes unread (60)")
    text = "how long a transaction may last before it is rolled back (300; 0: for ever)"
    add("--transaction-timeout", metavar="SECONDS", type=float, default=300.0, help=text)
    add("--limit", metavar="NAME=NUMBER", action="append", dest="limits", type=limit, default=[], help=LIMIT_HELP)
    add("--name", metavar="NAME", type=label, help="the container id that clients see (a UUID)")
    add("--port-file", metavar="FILE", help="write the port of the first --listen to this file")
    add("--verbose", action="store_true", help="log connections, links and nodes as they come and go")
    add("--version", action="version", version=f"amqp-broker {__version__}")
    return known
