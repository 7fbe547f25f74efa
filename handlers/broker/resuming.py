"""Resuming: links that go on where they were when their connection, or the broker, was lost [2.6.13].

A link gets this that asks for the settle mode second of receivers, and for a terminus that stays: with the expiry
policy never, or with a timeout. Its deliveries are in a ledger of the library's, which stays here while no link is
attached. A producer's message is known by its tag until the producer has settled it: it is not put in twice. A
consumer's message is held for it until it comes back with the outcome.

With a store, and for a terminus that is durable, the store knows the tags of durable messages that came, in one group
with the message, and the durable messages that are held, before they are sent. Both are ids of a node of the store.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Optional

from handlers.broker.arrivals import Done
from handlers.broker.interface import BrokerView, DurabilityView
from handlers.broker.links import Intake
from handlers.broker.net import BrokerTimer
from handlers.broker.nodes.consumer import Consumer
from handlers.broker.nodes.directory import Record, Refused
from handlers.broker.nodes.entry import Entry
from handlers.broker.nodes.node import Queue
from handlers.broker.outlets import LateOutlet
from handlers.broker.store.interface import AddMessage, AddNode, ForgetId, RememberId, StoreError
from reactor import ACCEPTED, Described, Link, LocalProtocolError, Terminus

log = logging.getLogger("handlers.broker")

KIND = "terminus"
"""Of the nodes of the store."""

MOST_UNSETTLED = 1000
"""Deliveries of a link with an outcome that its producer has not settled: the map of their tags fits a frame."""

HELD = b"m%d"
"""The tag of a message of the store, by its number there."""


class Stay:
    """The end of a link that stays. It is the journal of its ledger, too.

    identity: container, name of the link, and whether messages go out by it. address: of its node.
    queue: of a consumer: that its messages are held in.
    ledger: None until it is attached, after a restart. held: the messages of a consumer that is not attached.
    name, number, keeper: of its node in the store; as of a Queue.
    ids: the numbers of ids in the store, by tags.
    key: as of a journal.
    """

    attached = True  # as the ledger asks: it is
    key = ""

    def __init__(self, resuming: Resuming, key: tuple[str, str, bool], address: str) -> None:
        self.resuming = resuming
        self.identity = key
        self.address = address
        self.queue: Optional[Queue] = None
        self.ledger: Any = None
        self.held: dict[Any, Entry] = {}
        self.name = f"{'from' if key[2] else 'to'} {key[0]} {key[1]}"
        self.number = 0
        self.keeper: Any = None
        self.ids: dict[bytes, int] = {}
        self.expiry = Terminus.EXPIRE_NEVER
        self.timeout = 0.0
        self.timer: Any = None
        self.ended = False
        self.restored = False  # it was there before a restart

    @property
    def settings(self) -> dict[str, Any]:
        """As JSON can hold it."""
        container, name, sends = self.identity
        terms = {"expiry": self.expiry, "timeout": self.timeout}
        return {"container": container, "name": name, "sends": sends, "address": self.address, **terms}

    def met(self) -> None:
        """As of a journal."""

    def sent(self, tag: bytes, payload: bytes, counted: int) -> None:
        """As of a journal: `ResumedOutlet.deliver` has said it."""

    def taken(self, tag: bytes, state: Any) -> None:
        """As of a journal: it was said with the message."""

    def settled(self, tag: bytes) -> None:
        """As of a journal: the tag is forgotten."""
        number = self.ids.pop(tag, 0)
        durability = self.resuming.broker.durability
        if number and durability is not None:
            durability.together([ForgetId(number)], (), _done)

    def commit(self) -> None:
        """As of a journal: the broker commits by itself."""

    def new_number(self) -> int:
        """For an id. Refused, if the store cannot give one."""
        durability = self.resuming.broker.durability
        try:
            return 0 if durability is None else durability.store.new_number()
        except StoreError as error:
            raise Refused("amqp:internal-error", str(error)) from error


class Resuming:
    """The links of a broker that stay."""

    def __init__(self, broker: BrokerView) -> None:
        self.broker = broker
        self._stays: dict[tuple[str, str, bool], Stay] = {}
        self._stored: dict[int, Stay] = {}  # from the store, by number
        self._holders: list[tuple[Queue, _Holder]] = []

    @property
    def count(self) -> int:
        """How many links stay, attached or not."""
        return len(self._stays)

    def stay_for(self, link: Any) -> Optional[Stay]:
        """That of a link which is to be attached: the one before, or a new one. None for a link that asks for none, or
        could not be found again. Raises Refused."""
        wanted = link.remote_source if link.is_sender else link.remote_target
        container = self.broker.doors.identity(link.connection)
        key = container, link.name, link.is_sender
        if link.is_sender and link.remote_incomplete:
            # Nothing new may be sent to it [2.7.3], and what is not in its map may have an outcome there.
            text = "the map of unsettled deliveries is incomplete: attach with larger frames, or settle some first"
            raise Refused("amqp:not-implemented", text)
        before = self._stays.get(key)
        modes = link.remote_rcv_settle_mode == Link.RCV_SECOND and link.remote_snd_settle_mode != Link.SND_SETTLED
        lasts = wanted.expiry_policy == Terminus.EXPIRE_NEVER or wanted.timeout > 0
        copies = link.is_sender and wanted.distribution_mode == Terminus.DIST_MODE_COPY
        fits = modes and lasts and container and not wanted.dynamic and wanted.address and not copies
        if before is not None and (not fits or before.address != wanted.address or link.remote_unsettled is None):
            self.end(before)  # the peer begins anew
            before = None
        if not fits:
            return None
        stay = before
        if stay is None:
            if len(self._stays) >= self.broker.directory.most > 0:
                raise Refused("amqp:resource-limit-exceeded", "no link more can stay here while it is not attached")
            stay = Stay(self, key, wanted.address)
        stay.expiry, stay.timeout = wanted.expiry_policy, wanted.timeout
        durability = self.broker.durability
        if durability is not None and wanted.durability:
            durability.keep(stay, KIND, stay.settings)  # before the peer hears of it
        self._stays[key] = stay
        return stay

    def attach(self, stay: Stay, link: Any, kept: Iterable[tuple[bytes, Any]] = ()) -> None:
        """`link` goes on with it, and answers so. kept: of the time before a restart, as of `Link.keep`."""
        if stay.timer is not None:
            stay.timer.cancel()
            stay.timer = None
        ours = link.source if link.is_sender else link.target
        ours.expiry_policy, ours.timeout = stay.expiry, stay.timeout
        ours.durability = Terminus.DELIVERIES if stay.number else Terminus.NONDURABLE
        link.snd_settle_mode, link.rcv_settle_mode = Link.SND_UNSETTLED, Link.RCV_SECOND
        restored = stay.ledger is None and stay.restored
        stay.ledger = link.keep(stay.ledger, stay, True, kept)
        if restored:
            stay.ledger.fresh = False

    def part(self, stay: Stay, link: Any, closed: bool) -> None:
        """`link` has gone. closed: the peer wants its end to go, too."""
        if link.ledger is not None:
            link.ledger.part()
        if closed:
            self.end(stay)
        elif not stay.ended:
            self._begin_expiry(stay)

    def _begin_expiry(self, stay: Stay) -> None:
        if stay.expiry != Terminus.EXPIRE_NEVER:
            timer = BrokerTimer(f"expiry of {stay.name!r}", lambda: self.end(stay))
            stay.timer = self.broker.call(timer, stay.timeout)

    def end(self, stay: Stay) -> None:
        """It is no more: messages that were held for it go to other consumers, as tried."""
        if stay.ended:
            return
        stay.ended = True
        if self._stays.get(stay.identity) is stay:
            del self._stays[stay.identity]
        if stay.timer is not None:
            stay.timer.cancel()
        if stay.number and self.broker.durability is not None:
            self.broker.durability.closed(stay)
            stay.ids.clear()
        held, stay.held = stay.held, {}
        for entry in held.values():
            if stay.queue is not None and not stay.queue.deleted:
                stay.queue.release(entry, True)
        log.info("the link %r stays no longer", stay.name)

    # -- the store

    def restore(self, stored: AddNode) -> None:
        """A link from the store. ValueError, TypeError or LookupError if it cannot be read."""
        settings = stored.settings
        key = settings["container"], settings["name"], settings["sends"]
        stay = Stay(self, key, settings["address"])
        stay.number, stay.keeper, stay.restored = stored.number, self.broker.durability, True
        stay.expiry, stay.timeout = settings["expiry"], settings["timeout"]
        self._stays[key] = self._stored[stored.number] = stay

    def begin_restore(self, ids: Iterable[RememberId], queues: Iterable[Queue]) -> None:
        """The links are there, and the messages come next: those that are held go to no other consumer."""
        held: dict[int, Stay] = {}
        for number, owner, key in ids:
            stay = self._stored.get(owner)
            if stay is not None and stay.identity[2]:
                held[int(key)] = stay
                stay.ids[HELD % int(key)] = number
            elif stay is not None:
                stay.ids[key] = number
        for queue in queues if held else ():
            holder = _Holder(held)
            queue.join(holder)
            queue.grant(holder, len(held))
            self._holders.append((queue, holder))

    def end_restore(self) -> None:
        """The messages are there."""
        for queue, holder in self._holders:
            for entry in holder.held:
                stay = holder.numbers[entry.number]
                stay.queue = queue
                stay.held[HELD % entry.number] = entry
            holder.held = {}
            queue.leave(holder)
        self._holders = []
        for stay in self._stored.values():
            for tag in set(stay.ids) - set(stay.held) if stay.identity[2] else ():
                stay.settled(tag)  # its message has gone, or is not durable any more
            self._begin_expiry(stay)

    def knows(self, id: RememberId) -> bool:
        """Whether it is one of these, and not of a queue."""
        return id.queue in self._stored

    def node_ended(self, node: Any) -> None:
        """A queue or subscription is no more, nor are the links that hold its messages."""
        for stay in [one for one in self._stays.values() if one.queue is node]:
            stay.held.clear()
            self.end(stay)


def _done(refused: Optional[Refused]) -> None:
    """Nothing waits for it: an id that is not forgotten is so when the link is attached again."""


class _Tagged:
    """Durability, for one message: its tag is in the store with it. The part that `Intake.put_later` asks for."""

    def __init__(self, durability: DurabilityView, stay: Stay, tag: bytes) -> None:
        self.durability = durability
        self.stay = stay
        self.tag = tag

    def put(
        self, node: Any, envelope: Any, body: bytes, expires: float, done: Done, replaces: int = 0, due: float = 0.0
    ) -> None:
        """As DurabilityView.put."""
        durability, stay, tag = self.durability, self.stay, self.tag
        changes, arrival = durability.prepare(node, envelope, body, expires, done, due=due)
        if stay.number and any(isinstance(change, AddMessage) for change in changes):
            stay.ids[tag] = number = stay.new_number()
            changes.append(RememberId(number, stay.number, tag))

        def refuse(refused: Optional[Refused]) -> None:
            if refused is not None:
                stay.ids.pop(tag, None)
                done(refused)

        durability.together(changes, [arrival], refuse)


class ResumedIntake(Intake):
    """An Intake with a link that stays."""

    tagged = True

    def __init__(self, broker: BrokerView, link: Any, record: Record, stay: Stay) -> None:
        super().__init__(broker, link, record)
        self.stay = stay

    def begin(self) -> None:
        """As BrokerLink.begin."""
        stay = self.stay
        self.link.max_unsettled = MOST_UNSETTLED
        kept = [(tag, Described(ACCEPTED, [])) for tag in stay.ids] if stay.ledger is None else ()
        self.broker.resuming.attach(stay, self.link, kept)

    def on_delivery(self, event: Any) -> None:
        """As Intake.on_delivery. A message that comes when the link was ended here is not known, and comes again."""
        delivery = event.context
        if not self.attached and delivery.payload is not None and not delivery.partial:
            delivery.take()
            self.stay.ledger.lose(delivery)
            return
        if self.stay.ledger.incomplete and delivery.payload is not None and not delivery.partial:
            text = "a message that is not resumed, though our map of unsettled deliveries was incomplete [2.7.3]"
            self.evict("amqp:not-allowed", text)
            delivery.take()
            self.stay.ledger.lose(delivery)
            return
        super().on_delivery(event)

    def put_later(self, durability: Any, delivery: Any, node: Any, *message: Any) -> None:
        """As Intake.put_later."""
        tagged: Any = _Tagged(durability, self.stay, delivery.tag_bytes)
        super().put_later(tagged, delivery, node, *message)

    def let_go(self) -> None:
        """As BrokerLink.let_go."""
        super().let_go()
        self.broker.resuming.part(self.stay, self.link, self.closed)


class ResumedOutlet(LateOutlet):
    """An Outlet with a link that stays: a durable message is sent when the store knows that it is held for it."""

    def __init__(
        self, broker: BrokerView, link: Any, record: Record, queue: Queue, selection: Any, stay: Stay
    ) -> None:
        super().__init__(broker, link, record, queue, selection)
        self.stay = stay
        stay.queue = queue

    def begin(self) -> None:
        """As BrokerLink.begin."""
        stay = self.stay
        held, stay.held = stay.held, {}
        if stay.ledger is None:
            kept = [(tag, bytes(self.payload(entry))) for tag, entry in held.items()]
            self.broker.resuming.attach(stay, self.link, kept)
            self.held = {self.link.ledger.deliveries[tag]: entry for tag, entry in held.items()}
        else:
            self.held = held
            self.broker.resuming.attach(stay, self.link)

    def deliver(self, entry: Entry) -> None:
        """As Outlet.deliver."""
        durability, stay = self.broker.durability, self.stay
        kept = stay.number and entry.number
        if durability is None or not (kept or self.pending):
            super().deliver(entry)
            return
        self.held[entry] = entry
        self.pending += 1
        tag, changes = None, []
        if kept:
            tag = HELD % entry.number
            stay.ids[tag] = number = stay.new_number()
            changes = [RememberId(number, stay.number, b"%d" % entry.number)]
        durability.together(changes, (), lambda refused: self._send(entry, tag, refused))

    def _send(self, entry: Entry, tag: Optional[bytes], refused: Optional[Refused]) -> None:
        self.pending -= 1
        if self.held.pop(entry, None) is None or refused is not None:
            if tag is not None:
                self.stay.settled(tag)  # it waits for another consumer by now
            if refused is not None and self.attached:
                self.queue.release(entry)
        else:
            try:
                delivery = self.link.transmit(self.payload(entry), tag)
                if entry.envelope.format:
                    delivery.in_format(entry.envelope.format)
                self.held[delivery] = entry
            except LocalProtocolError as error:
                self.held[entry] = entry  # the peer has just closed the link
                self.close_for(error)
            except Exception as error:  # not the fault of the others that wait for the commit
                self.held[entry] = entry
                self.broker.net.strike(self, error)
        self.go_on()

    def let_go(self) -> None:
        """As BrokerLink.let_go. Messages that have left stay with the link."""
        stay, ledger = self.stay, self.link.ledger
        if ledger is not None:
            ledger.part()
            for delivery, entry in list(self.held.items()):
                if delivery is entry:
                    continue
                if getattr(delivery, "left", False) and not (self.closed or stay.ended):
                    stay.held[delivery] = self.held.pop(delivery)
                else:
                    ledger.drop(delivery)
        super().let_go()
        self.broker.resuming.part(stay, self.link, self.closed)


class _Holder(Consumer):
    """Takes the messages of a queue, as they come back from the store, that are held for links."""

    def __init__(self, numbers: Mapping[int, Stay]) -> None:
        super().__init__()
        self.numbers = numbers
        self.selection = self

    text = "held"

    def selects(self, entry: Entry) -> bool:
        """As of a selection."""
        return entry.number in self.numbers

    def deliver(self, entry: Entry) -> None:
        """As Consumer.deliver."""
        self.held[entry] = entry

    def rest(self) -> None:
        """It reads nothing in vain: it is there before the messages."""
