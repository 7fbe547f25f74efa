"""Does this broker take me, and how? ``python -m reactor.check URL [ADDRESS]``.

It connects, sends one message to itself, and says how long each step took, and what the peer offers. The exit status is
for health probes: 0 when all steps went well, 1 when one did not, 2 for a mistake in the options.

Without ADDRESS the message goes by way of a dynamic node, which the peer makes for this and deletes afterwards; a peer
that makes none is not at fault. With ADDRESS it goes to that queue, and expires within the timeout. Messages
of others that come from it meanwhile are released: give it a queue of its own.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, Optional

from reactor.blocking.connection import BlockingConnection
from reactor.blocking.sender import BlockingSender
from reactor.codec.message import Message
from reactor.container.settings.ssl_config import SSLConfig
from reactor.engine.endpoints.disposition import ACCEPTED, RELEASED
from reactor.errors import LinkDetached, ReactorException, Timeout
from reactor.loop.clock import MonotonicClock
from reactor.url import Url

PRODUCT_PROPERTIES = ("product", "version", "platform")

SUBJECT = "amqp-reactor check"

CLOCK = MonotonicClock()


class StepFailed(Exception):
    """A step has not gone well. The text says which, and why."""


class Check:
    """One check. timeout: seconds for each step. report: what was found, as it is printed with --json.

    show: called with the name of each step, its seconds, and what was found in it, as soon as it is over.
    """

    def __init__(self, timeout: float, show: Any) -> None:
        self.timeout = timeout
        self.report: dict[str, Any] = {"steps": {}}
        self._show = show

    @contextmanager
    def _step(self, name: str) -> Iterator[list[str]]:
        began = CLOCK.now()
        facts: list[str] = []
        try:
            yield facts
        except (ReactorException, OSError) as error:
            self.report["failed"] = {"step": name, "reason": str(error)}
            raise StepFailed("%s: %s" % (name, error)) from error
        seconds = CLOCK.now() - began
        self.report["steps"][name] = round(seconds, 6)
        self._show(name, seconds, facts)

    def run(self, url: Optional[str], address: Optional[str], **settings: Any) -> None:
        """All steps. url: None: the one of connect.json. Raises StepFailed at the first that does not go well."""
        if url is not None and not settings.get("proxy"):  # which would have looked the name up, and called
            self._reach(Url(url))
        with self._step("open") as facts:
            connection = BlockingConnection(url, timeout=self.timeout, reconnect=False, **settings)
            facts += self._peer(connection.conn)
        try:
            self._send_to_itself(connection, address)
        finally:
            with self._step("close"):
                connection.close()

    def _reach(self, url: Url) -> None:
        """Name and port, tried apart: a host with several addresses may answer at some of them alone."""
        with self._step("name") as facts:
            found = socket.getaddrinfo(url.host, int(url.port or 0), type=socket.SOCK_STREAM)
            places: list[Any] = list(dict.fromkeys(place[:2] for *_, place in found))
            facts += ["%s port %s" % place for place in places]
        with self._step("reach") as facts:
            errors: list[OSError] = []
            for place in places:
                try:
                    socket.create_connection(place, self.timeout).close()
                    facts.append("%s answers" % (place[0],))
                except OSError as error:
                    facts.append("%s: %s" % (place[0], error.strerror or error))
                    errors.append(error)
            if len(errors) == len(places):
                raise OSError("; ".join(facts))

    def _peer(self, connection: Any) -> Iterator[str]:
        """What the peer says of itself."""
        transport = connection.transport
        properties = {str(name): value for name, value in (connection.remote_properties or {}).items()}
        peer = self.report["peer"] = {
            "container": connection.remote_container,
            **{name: properties[name] for name in PRODUCT_PROPERTIES if name in properties},
            "capabilities": [str(name) for name in connection.remote_offered_capabilities or ()],
            "max_frame_size": transport.remote_max_frame_size,
            "channel_max": transport.remote_channel_max,
            "idle_timeout": transport.remote_idle_timeout,
        }
        product = " ".join(str(peer[name]) for name in PRODUCT_PROPERTIES if name in peer)
        yield "%s, container %r" % (product or "a peer that names no product", peer["container"])
        if Url(connection.connected_address).uses_tls:
            peer["tls"] = "%s %s" % (transport.ssl().protocol_name(), transport.ssl().cipher_name())
        yield "TLS: %s" % peer.get("tls", "none, all is in the clear")
        sasl = transport.sasl()
        peer["mechanism"], peer["user"] = sasl.mech, sasl.user
        yield "SASL: %s" % ("none" if not sasl.mech else sasl.mech + (" as %s" % sasl.user if sasl.user else ""))
        yield "capabilities: %s" % (", ".join(peer["capabilities"]) or "none")
        idle = "wants to hear of us every %g s" % peer["idle_timeout"] if peer["idle_timeout"] else "lets us be silent"
        yield "frames of up to %d bytes, %d sessions; %s" % (peer["max_frame_size"], peer["channel_max"] + 1, idle)

    def _send_to_itself(self, connection: BlockingConnection, address: Optional[str]) -> None:
        try:
            with self._step("receiver") as facts:
                receiver = connection.create_receiver(address, credit=0, dynamic=address is None)
                facts.append("from %r" % (receiver.address,))
        except StepFailed as failed:
            if address is None and isinstance(failed.__cause__, LinkDetached):
                self.report["dynamic"] = self.report.pop("failed")["reason"]
                self._show("no dynamic node", 0.0, [str(failed.__cause__), "name an ADDRESS to have a message sent"])
                return
            raise
        with self._step("sender") as facts:
            sender = connection.create_sender(receiver.address)
            facts += self._offer(connection, sender)
        identity = "check %s" % connection.conn.container  # a random UUID
        message = Message("is all well?", id=identity, subject=SUBJECT, ttl=self.timeout)
        with self._step("send") as facts:
            delivery = sender.send(message, error_states=[])
            outcome, condition = delivery.remote_state, delivery.remote.condition
            facts.append("outcome: %s" % (outcome,))
            self.report["outcome"] = str(outcome)
            if outcome != ACCEPTED:
                why = "" if condition is None else ": " + condition.text
                raise ReactorException("the outcome is %s, not ACCEPTED%s" % (outcome, why))
        with self._step("receive") as facts:
            deadline, others = CLOCK.now() + self.timeout, []
            try:
                while True:
                    left = deadline - CLOCK.now()
                    if left <= 0:
                        raise Timeout("our message has not come back")
                    came = receiver.receive(timeout=left)
                    if came.id == identity:
                        break
                    others.append(came)
                came.acknowledge()
            except Timeout:
                text = "our message has not come back within %g s" % self.timeout
                if others:
                    text += "; %d other messages came, and were released: it stands behind them" % len(others)
                raise Timeout(text) from None
            finally:
                for other in others:
                    other.acknowledge(RELEASED)
            facts.append("the message is back")

    def _offer(self, connection: BlockingConnection, sender: BlockingSender) -> Iterator[str]:
        connection.wait(lambda: sender.link.credit > 0, msg="no credit for the sender came")
        largest = sender.link.remote_max_message_size
        self.report["sender"] = {"credit": sender.link.credit, "max_message_size": largest}
        yield "credit for %d messages" % sender.link.credit
        yield "of up to %d bytes" % largest if largest else "of any size"


def _print(name: str, seconds: float, facts: Sequence[str]) -> None:
    first, *others = facts or [""]
    print("%-16s %9.1f ms   %s" % (name, seconds * 1000, first))
    for fact in others:
        print("%32s%s" % ("", fact))


def _silent(name: str, seconds: float, facts: Sequence[str]) -> None:
    pass


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("a number of seconds above 0, not %r" % (text,))
    return seconds


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    known = argparse.ArgumentParser(
        prog="python -m reactor.check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known.add_argument("url", nargs="?", help="amqp[s]://[user[:password]@]host[:port]; none: that of connect.json")
    known.add_argument("address", nargs="?", help="a queue to which the message goes (none: a dynamic node)")
    known.add_argument("--timeout", type=_seconds, default=10.0, metavar="SECONDS", help="for each step (10)")
    known.add_argument("--user", help="a user; the password is then that of --password-file")
    known.add_argument("--password-file", metavar="FILE", type=Path, help="a file with the password in its first line")
    known.add_argument("--ca", metavar="FILE", help="the authorities that sign the peer's certificate; PEM")
    known.add_argument(
        "--proxy",
        metavar="URL",
        help="the HTTP proxy on the way, http://[user[:password]@]host:port; or `environment`: that of HTTPS_PROXY",
    )
    how = known.add_mutually_exclusive_group()
    how.add_argument("--quiet", action="store_true", help="print nothing unless it fails")
    how.add_argument("--json", action="store_true", help="print what was found as JSON")
    return known


def _settings(options: argparse.Namespace, fail: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if options.url is None and (options.user or options.password_file or options.ca or options.proxy):
        fail("user, password, authorities and proxy are in connect.json, where there is no URL")
    if options.proxy:
        settings["proxy"] = True if options.proxy == "environment" else options.proxy
    if options.user:
        settings["user"] = options.user
    if options.password_file is not None:
        try:
            settings["password"] = options.password_file.read_text(encoding="utf-8").split("\n", 1)[0]
        except (OSError, UnicodeDecodeError) as error:
            fail("the password cannot be read: %s" % error)
    if options.ca:
        domain = SSLConfig().client
        try:
            domain.set_trusted_ca_db(options.ca)
        except ReactorException as error:
            fail(str(error))
        settings["ssl_domain"] = domain
    return settings


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run a check; returns the exit status."""
    known = parser()
    options = known.parse_args(arguments)

    def fail(text: str) -> NoReturn:
        known.exit(2, "reactor.check: %s\n" % text)

    check = Check(options.timeout, _silent if options.quiet or options.json else _print)
    try:
        settings = _settings(options, fail)
        check.run(options.url, options.address, **settings)
    except StepFailed as error:
        if not options.json:
            print("FAILED at %s" % error, file=sys.stderr)
    except (ValueError, TypeError) as error:
        fail(str(error))
    if options.json:
        print(json.dumps(check.report, indent=2, default=str))
    return 1 if "failed" in check.report else 0


if __name__ == "__main__":
    sys.exit(main())
