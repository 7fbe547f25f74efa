"""Telemetry: the numbers of containers, by the conventions of OpenTelemetry, as an observer counts them.

Names, units, bounds and attributes of the first four are those of the semantic conventions for messaging clients
(opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics, in development there); the others are our own, in the
same style, under `amqp.client`. It knows links and deliveries to look at, and no format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Optional
from weakref import WeakKeyDictionary, WeakSet, ref

from reactor import errors
from reactor.engine.endpoints.disposition import ACCEPTED
from reactor.engine.endpoints.endpoint import LOCAL_ACTIVE
from reactor.engine.public import Transport
from reactor.telemetry.exposition import exposition
from reactor.telemetry.series import Attributes, Count, Counter, Gauge, Histogram, Instrument, Spread, attributes
from reactor.tracing.observer import Observer
from reactor.url import Url

SYSTEM = "amqp"

#: Seconds; of the conventions.
DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)

#: Addresses with series of their own; a name of its own for each request would be a series that a monitoring system
#: keeps for ever.
MOST_ADDRESSES = 200

#: The name of all others, and of errors with a name that a peer has made up.
OTHER = "_OTHER"

#: Names of conditions that are shown as they are.
_KNOWN = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, str)}


class Telemetry(Observer):
    """Counts all that happens in containers: ``Container(handler, observers=[telemetry])``.

    most_addresses: addresses with numbers of their own; the others have one name together.
    process: whether the time of each `on_message` is taken.

    One object may look on at several containers: their numbers are added up.
    """

    def __init__(self, most_addresses: int = MOST_ADDRESSES, process: bool = True) -> None:
        self.most_addresses = most_addresses
        self._process = process
        self._addresses: set[str] = set()
        self._places: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
        self._links: dict[ref[Any], None] = {}  # a WeakSet cannot be walked through while another thread adds
        self.up: dict[Any, None] = {}  # the connections that are open
        # -- of the conventions
        self.sent_messages = Counter(
            "messaging.client.sent.messages", "{message}", "Messages that were sent, by when their outcome is known."
        )
        self.consumed_messages = Counter(
            "messaging.client.consumed.messages", "{message}", "Messages that came, and were handed to the application."
        )
        self.operation_duration = Histogram(
            "messaging.client.operation.duration", "s", "From the sending of a message to its outcome.", DURATIONS
        )
        self.process_duration = Histogram(
            "messaging.process.duration", "s", "The time that on_message took, with decoding and outcome.", DURATIONS
        )
        # -- our own
        self.outcomes = Counter("amqp.client.outcomes", "{message}", "Outcomes, of messages sent and received.")
        self.connects = Counter("amqp.client.connects", "{connection}", "Connections that a peer has opened.")
        self.reconnects = Counter("amqp.client.reconnects", "{connection}", "The same, after a loss.")
        self.losses = Counter("amqp.client.losses", "{connection}", "Connections that were lost, by their reason.")
        self.attempts = Counter("amqp.client.failed_attempts", "{attempt}", "Attempts to connect that have failed.")
        self.lag = Histogram(
            "amqp.client.loop.lag", "s", "Times for which handlers have held the loop, of 10 ms and more.", DURATIONS
        )
        self.gauges = (
            Gauge("amqp.client.connections", "{connection}", "Connections that are open.", self._read_connections),
            Gauge("amqp.client.credit", "{message}", "Messages that links may send now, or get.", self._of("credit")),
            Gauge("amqp.client.unsettled", "{message}", "Deliveries that are not settled.", self._of("unsettled")),
            Gauge("amqp.client.queued", "{message}", "Messages that wait for credit, or a wire.", self._of("queued")),
        )
        self.instruments: tuple[Instrument, ...] = (
            self.sent_messages,
            self.consumed_messages,
            self.operation_duration,
            self.process_duration,
            self.outcomes,
            self.connects,
            self.reconnects,
            self.losses,
            self.attempts,
            self.lag,
            *self.gauges,
        )

    def observer(self, container: Any) -> _Meter:
        """The part of one container."""
        return _TimingMeter(self, container) if self._process else _Meter(self, container)

    def know(self, link: Any) -> None:
        """The link counts in the gauges, as long as it is open."""
        links = self._links
        links[ref(link, lambda gone: links.pop(gone, None))] = None

    def prometheus(self) -> str:
        """All numbers, as Prometheus reads them (CONTENT_TYPE). From any thread: each number is right by itself."""
        return "".join(exposition(self.instruments))

    # -- attributes --------------------------------------------------------------------------------------

    def address(self, link: Any) -> str:
        """The address of a link as an attribute: "" for a node that is dynamic, or of no name."""
        name = address_of(link)
        if name and name not in self._addresses:
            if len(self._addresses) >= self.most_addresses:
                return OTHER
            self._addresses.add(name)
        return name

    def place(self, connection: Any) -> dict[str, Any]:
        """The peer of a connection that this side has made, as far as it is known; nothing for one that a client has
        made: it has a port of chance."""
        transport = connection.transport
        if transport is None:
            return self._places.get(connection, {})
        place: dict[str, Any] = {}
        if connection.connected_address and transport.mode != Transport.SERVER:
            url = Url(connection.describe(), defaults=False)  # without a user, of which the password is hidden
            place = {"server__address": url.host, "server__port": None if url.port is None else int(url.port)}
        self._places[connection] = place
        return place

    # -- gauges ------------------------------------------------------------------------------------------

    def _read_connections(self) -> Iterator[tuple[Attributes, float]]:
        sums: dict[Attributes, float] = {}
        for connection in list(self.up):
            key = attributes(**self.place(connection))
            sums[key] = sums.get(key, 0) + 1
        return iter(sums.items())

    def _of(self, name: str) -> Any:
        """Reads an attribute of all links, added up by address."""

        def read() -> Iterable[tuple[Attributes, float]]:
            sums: dict[Attributes, float] = {}
            for link in [known() for known in list(self._links)]:
                if link is None or not link.state & link.session.state & link.connection.state & LOCAL_ACTIVE:
                    continue
                role = "sender" if link.is_sender else "receiver"
                key = attributes(amqp__link__role=role, messaging__destination__name=self.address(link))
                sums[key] = sums.get(key, 0) + max(0, getattr(link, name))
            return sums.items()

        return read


class _Series:
    """The series of one link, found once. names: the attributes that all have."""

    __slots__ = ("consumed", "duration", "names", "outcomes", "process", "sent", "usual")

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.sent: dict[str, Count] = {}  # by error, "" for none
        self.outcomes: dict[int, Count] = {}  # by state
        self.duration: dict[str, Spread] = {}
        self.consumed: Optional[Count] = None
        self.process: Optional[Spread] = None
        self.usual: Optional[tuple[Count, Count, Spread]] = None  # of messages that are accepted


class _Meter(Observer):
    """Counts for one container."""

    #: Seconds: shorter holds of the loop are no lag.
    held_limit = 0.01

    def __init__(self, telemetry: Telemetry, container: Any) -> None:
        self._telemetry = telemetry
        self._now = container.mark
        self._begun: dict[Any, float] = {}  # deliveries without an outcome: when they were sent
        self._series: WeakKeyDictionary[Any, _Series] = WeakKeyDictionary()
        self._last: Any = None  # the link of the last delivery, and its series
        self._of_last: Any = None
        self._known: WeakSet[Any] = WeakSet()  # connections that were open once

    def _of(self, link: Any) -> _Series:
        series = self._series.get(link)
        if series is None:
            telemetry = self._telemetry
            operation = "send" if link.is_sender else "receive"
            place = telemetry.place(link.connection)
            series = _Series(
                {
                    "messaging__destination__name": telemetry.address(link),
                    "messaging__operation__name": operation,
                    "messaging__operation__type": operation,
                    "messaging__system": SYSTEM,
                    **place,
                }
            )
            telemetry.know(link)
            if link.connection.transport is None:
                return series  # the peer is not known yet: of the next attempt, the names are complete
            self._series[link] = series
        self._last, self._of_last = link, series
        return series

    # -- messages ----------------------------------------------------------------------------------------

    def sent(self, delivery: Any) -> None:
        """See Observer."""
        if delivery.fate:  # sent settled: no outcome will come
            self._count_sent(self._of(delivery.link), "")
        else:
            self._begun[delivery] = self._now()

    def received(self, delivery: Any) -> None:
        """See Observer."""
        link = delivery.link
        series: _Series = self._of_last if link is self._last else self._of(link)
        if series.consumed is None:
            series.consumed = self._telemetry.consumed_messages.of(attributes(**series.names))
        series.consumed.value += 1

    def settled(self, delivery: Any) -> None:
        """See Observer."""
        link = delivery.link
        series: _Series = self._of_last if link is self._last else self._of(link)
        if not link.is_sender:
            self._count_outcome(series, delivery.local_state, "received")
            return
        state = delivery.remote_state
        if series.usual is not None and state == ACCEPTED:
            outcomes, messages, usual = series.usual
            outcomes.value += 1
            messages.value += 1
            begun = self._begun.pop(delivery, None)
            if begun is not None:
                usual.add(self._now() - begun)
            return
        error = "" if state == ACCEPTED else error_of(delivery, state)
        self._count_outcome(series, state, "sent")
        self._count_sent(series, error)
        begun = self._begun.pop(delivery, None)
        if begun is None:
            return
        spread = series.duration.get(error)
        if spread is None:
            key = attributes(**series.names, error__type=error)
            spread = series.duration[error] = self._telemetry.operation_duration.of(key)
        spread.add(self._now() - begun)
        if state == ACCEPTED:
            series.usual = (series.outcomes[state], series.sent[error], spread)

    def _count_sent(self, series: _Series, error: str) -> None:
        count = series.sent.get(error)
        if count is None:
            key = attributes(**series.names, error__type=error)
            count = series.sent[error] = self._telemetry.sent_messages.of(key)
        count.value += 1

    def _count_outcome(self, series: _Series, state: int, direction: str) -> None:
        count = series.outcomes.get(state)
        if count is None:
            names = {
                "amqp__outcome": outcome_name(state),
                "amqp__direction": direction,
                "messaging__destination__name": series.names["messaging__destination__name"],
            }
            count = series.outcomes[state] = self._telemetry.outcomes.of(attributes(**names))
        count.value += 1

    def credit(self, link: Any) -> None:
        """See Observer: the link is known from now on."""
        self._of(link)

    # -- connections -------------------------------------------------------------------------------------

    def connected(self, connection: Any) -> None:
        """See Observer."""
        telemetry = self._telemetry
        telemetry.up[connection] = None
        key = attributes(**telemetry.place(connection))
        telemetry.connects.of(key).value += 1
        if connection in self._known:
            telemetry.reconnects.of(key).value += 1
        else:
            self._known.add(connection)
            telemetry.reconnects.of(key)  # 0 is a number, too

    def closed(self, connection: Any) -> None:
        """See Observer."""
        self._telemetry.up.pop(connection, None)

    def lost(self, connection: Any, condition: Any) -> None:
        """See Observer."""
        telemetry = self._telemetry
        telemetry.up.pop(connection, None)
        key = attributes(**telemetry.place(connection), error__type=condition_name(condition))
        telemetry.losses.of(key).value += 1

    def failed(self, connection: Any, condition: Any) -> None:
        """See Observer."""
        telemetry = self._telemetry
        key = attributes(**telemetry.place(connection), error__type=condition_name(condition))
        telemetry.attempts.of(key).value += 1

    # -- the loop ----------------------------------------------------------------------------------------

    def held(self, text: str, seconds: float) -> None:
        """See Observer."""
        self._telemetry.lag.of(()).add(seconds)


class _TimingMeter(_Meter):
    """The same, with the time of each `on_message`."""

    def called(self, handler: Any, method: str, event: Any, seconds: float) -> None:
        """See Observer."""
        if method != "on_message":
            return
        link = event.link
        series: _Series = self._of_last if link is self._last else self._of(link)
        if series.process is None:
            names = {**series.names, "messaging__operation__name": "process", "messaging__operation__type": "process"}
            series.process = self._telemetry.process_duration.of(attributes(**names))
        series.process.add(seconds)


def address_of(link: Any) -> str:
    """The address that messages of a link go to, or come from; "" for a node that is dynamic, or of no name."""
    ends = (link.target, link.remote_target, link.source, link.remote_source)
    if not link.is_sender:
        ends = ends[2:] + ends[:2]  # those of a link that a client has opened to us are at its target
    if any(end.dynamic for end in ends):
        return ""
    return next((end.address for end in ends if end.address), "") or ""


def outcome_name(state: int) -> str:
    """The outcome as an attribute: "accepted", "rejected" ..., "none" without one, OTHER for one of a peer's own."""
    name = str(state).lower()
    return OTHER if name.isdecimal() else "none" if name == "empty" else name


def condition_name(condition: Any) -> str:
    """A reason as an attribute: its name where that is known, else OTHER: a peer can make up names without end."""
    name = "" if condition is None else str(condition.name)
    return name if name in _KNOWN else OTHER


def error_of(delivery: Any, state: int) -> str:
    """Why a message was not accepted, as an attribute; "" where its outcome is that of a transaction."""
    if state == delivery.REJECTED:
        condition = delivery.remote.condition
        return "rejected" if condition is None else condition_name(condition)
    name = outcome_name(state)
    if name == "none":
        return "in-doubt" if delivery.doubt is not None else ""
    return "" if name in ("transactional_state", "transaction_declared") else name
