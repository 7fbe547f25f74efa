"""A peer made by hand that talks to the engine under test: frames by name and field, and what is answered.

In the role of a client the engine begins sessions and attaches links and this peer answers; in that of a server it is
the other way round. `session`, `sender` and `receiver` do either, so that most rows need not know which.
"""

from __future__ import annotations

from typing import Any, Optional

from reactor.codec.definitions import BY_NAME
from reactor.codec.types import Described, ulong
from tests.conformance.engine import MESSAGE, Engine
from tests.support.frames import AMQP, SASL, TLS, Frame, error, frame, raw, read, source, split, target

#: Roles: what the engine under test is.
CLIENT, SERVER = "client", "server"

FRAMING = "amqp:connection:framing-error"


class Arrival:
    """A message that the application of the engine has got."""

    def __init__(self, delivery: Any, payload: bytes) -> None:
        self.delivery = delivery
        self.payload = payload


class Talk:
    """An engine, and what is said to it and heard of it.

    polite: whether the engine's application opens and closes whatever this peer opens and closes.
    mine: options for links that it opens so. capacity: the same for sessions, bytes that they take unread; 0: usual.
    reads: whether the application takes messages out of the engine as soon as they are complete.
    """

    def __init__(self, engine: type[Engine], role: str) -> None:
        self.engine = engine(role == SERVER)
        self.role = role
        self.polite = True
        self.mine: dict[str, Any] = {}
        self._probe: Any = None
        self.capacity = 0
        self.reads = True
        self.output = bytearray()  # all that was heard
        self._asked = 0  # up to where `heard` has told it
        self.seen: list[tuple[str, Any]] = []  # all events
        self.arrived: list[Arrival] = []
        self.aborted: list[Any] = []
        self.sessions: list[Any] = []
        self.links: list[Any] = []

    @property
    def is_client(self) -> bool:
        """Whether the engine is the client."""
        return self.role == CLIENT

    # -- said --------------------------------------------------------------------------------------------

    def bytes(self, data: bytes) -> Talk:
        """Say any bytes."""
        self.engine.receive(data)
        self.turn()
        return self

    def say(self, name: str, /, channel: int = 0, payload: bytes = b"", **fields: Any) -> Talk:
        """Say a performative."""
        return self.bytes(frame(name, channel, payload, **fields))

    def header(self) -> Talk:
        """Say AMQP's protocol header."""
        return self.bytes(AMQP)

    def hang_up(self) -> Talk:
        """Say nothing more, for ever."""
        self.engine.hang_up()
        self.turn()
        return self

    def begin(self, channel: int = 0, **fields: Any) -> Talk:
        usual = {"next_outgoing_id": 0, "incoming_window": 1000, "outgoing_window": 1000}
        return self.say("begin", channel, **{**usual, **fields})

    def attach(self, name: str = "link", handle: int = 0, role: bool = True, channel: int = 0, **fields: Any) -> Talk:
        """`role` as on the wire: true when this peer is the receiver."""
        usual: dict[str, Any] = {"source": source("q"), "target": target("q")}
        if not role:
            usual["initial_delivery_count"] = 0
        return self.say("attach", channel, name=name, handle=handle, role=role, **{**usual, **fields})

    def flow(
        self, credit: Optional[int] = None, handle: Optional[int] = None, channel: int = 0, **fields: Any
    ) -> Talk:
        """A flow of the session, or of a link when credit or handle is told."""
        usual: dict[str, Any] = {
            "next_incoming_id": self.first_id,
            "incoming_window": 1000,
            "next_outgoing_id": 0,
            "outgoing_window": 1000,
        }
        if credit is not None:
            usual.update(handle=handle or 0, link_credit=credit, delivery_count=self.first_count)
        elif handle is not None:
            usual["handle"] = handle
        return self.say("flow", channel, **{**usual, **fields})

    def transfer(
        self,
        payload: bytes = MESSAGE,
        number: Optional[int] = 0,
        handle: int = 0,
        channel: int = 0,
        **fields: Any,
    ) -> Talk:
        """A transfer with this delivery-id; None for one that goes on with a delivery."""
        if number is not None:
            fields = {"delivery_id": number, "delivery_tag": b"%d" % number, "message_format": 0, **fields}
        return self.say("transfer", channel, payload, handle=handle, **fields)

    def disposition(self, first: int, last: Optional[int] = None, role: bool = True, **fields: Any) -> Talk:
        """`role` as on the wire: true when this peer is the receiver of these deliveries."""
        return self.say("disposition", role=role, first=first, last=last, **fields)

    @staticmethod
    def outcome(name: str, *fields: Any) -> Described:
        """A delivery state by its name."""
        return Described(ulong(BY_NAME[name].code), list(fields))

    # -- heard -------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """One turn of the engine's driver: what is to be sent is taken, what has happened is dealt with."""
        for _ in range(20):
            data = self.engine.take()
            self.output += data
            events = self.engine.events()
            self.seen += events
            for name, context in events:
                self._deal_with(name, context)
            if not data and not events:
                return

    def _deal_with(self, name: str, context: Any) -> None:
        if name == "delivery":
            self._read(context)
        elif name == "session_remote_open":
            self.sessions.append(context)
        elif name == "link_remote_open":
            self.links.append(context)
        if not self.polite:
            return
        uninitialized = self.engine.library.Endpoint.LOCAL_UNINIT
        if name == "connection_remote_open" and context.state & uninitialized:
            context.open()
        elif name == "session_remote_open" and context.state & uninitialized:
            self.engine.begin(context, self.capacity)
        elif name == "link_remote_open" and context.state & uninitialized:
            context.source.copy(context.remote_source)
            context.target.copy(context.remote_target)
            mine = dict(self.mine)
            for key in ("source", "target"):
                if key not in mine:
                    mine[key] = {}
            self.engine.attach(context, **mine)
        elif name in ("connection_remote_close", "session_remote_close", "link_remote_close"):
            context.close()
        elif name == "link_remote_detach":
            context.detach()

    def _read(self, delivery: Any) -> None:
        link = delivery.link
        if not link.is_receiver or not self.reads:
            return
        if delivery.aborted:
            self.aborted.append(delivery)
            delivery.settle()
        elif delivery.readable and not delivery.partial:
            payload = bytes(link.recv(delivery.pending) or b"")
            self.arrived.append(Arrival(delivery, payload))
            link.advance()

    def heard(self, *names: str) -> list[Frame]:
        """The frames since this was last asked; only those of these names, if any are told."""
        self.turn()
        data, self._asked = bytes(self.output[self._asked :]), len(self.output)
        return [one for one in read(data) if not names or one.name in names]

    def one(self, name: str) -> Frame:
        """The only frame of that name since this was last asked."""
        found = self.heard(name)
        assert len(found) == 1, f"{len(found)} frames of {name}, not one"
        return found[0]

    def none(self, *names: str) -> None:
        """No frame of these names (of any name) since this was last asked."""
        found = self.heard(*names)
        assert not found, f"{[one.name for one in found]} was said"

    def all(self, *names: str) -> list[Frame]:
        """All frames of these names from the beginning."""
        self.turn()
        return [one for one in read(bytes(self.output)) if not names or one.name in names]

    def parts(self) -> list[bytes]:
        """Protocol headers and frames from the beginning, as they are."""
        self.turn()
        return split(bytes(self.output))

    def headers(self) -> list[bytes]:
        """The protocol headers from the beginning."""
        return [part for part in self.parts() if part[:4] == b"AMQP"]

    def happened(self, name: str) -> list[Any]:
        """What that event has happened to, from the beginning."""
        self.turn()
        return [context for event, context in self.seen if event == name]

    # -- judged ------------------------------------------------------------------------------------------

    def lives(self, *but: str) -> None:
        """Nothing was ended, apart from what is named, and the engine still answers."""
        self.turn()
        for one in self.all(*({"close", "end", "detach"} - set(but))):
            raise AssertionError(f"{one.name} {one.error}: {one.fields}")
        assert not self.engine.has_ended and not self.engine.has_stopped, "the connection has ended"

    def refused(self, scope: str, *conditions: str) -> Frame:
        """The peer was told by a close, end or detach, with one of these conditions (with any)."""
        self.turn()
        found = self.all(scope)
        if not found:
            others = [(one.name, one.error) for one in self.all("close", "end", "detach")]
            raise AssertionError(f"no {scope} was said" + (f", but {others}" if others else ""))
        assert found[0].error, f"{scope} without an error"
        assert not conditions or found[0].error in conditions, f"{scope} with {found[0].error}"
        return found[0]

    def refused_anyhow(self) -> Frame:
        """The peer was told by a detach, end or close, whichever."""
        found = [one for one in self.all("close", "end", "detach") if one.error]
        assert found, "no error was told"
        return found[0]

    # -- usual beginnings --------------------------------------------------------------------------------

    first_id = 0  # the engine's first next-outgoing-id
    first_count = 0  # the initial-delivery-count of the engine's last sender

    def open(self, mine: Optional[dict[str, Any]] = None, **fields: Any) -> Frame:
        """The connection is open on both sides; returns the engine's open."""
        self.engine.open(**(mine or {}))
        self.turn()
        self.header().say("open", **{"container_id": "peer", **fields})
        return self.one("open")

    def session(self, **fields: Any) -> Any:
        """A session is open on both sides, on channel 0 of this peer; returns it."""
        if not self.all("open"):
            self.open()
        channel = len(self.sessions)
        if self.is_client:
            session = self.engine.begin(None, self.capacity)
            self.begun = self.one("begin")
            self.begin(channel, remote_channel=self.begun.channel, **fields)
        else:
            self.begin(channel, **fields)
            session = self.sessions[-1]
            self.begun = self.one("begin")
        self.first_id = self.begun.next_outgoing_id
        return session

    def sender(self, credit: int = 0, name: str = "link", handle: int = 0, mine: Any = None, **fields: Any) -> Any:
        """A sending link of the engine's, attached by both sides, with credit; this peer has it as `handle`."""
        return self._link(True, credit, name, handle, mine, fields)

    def receiver(self, credit: int = 0, name: str = "link", handle: int = 0, mine: Any = None, **fields: Any) -> Any:
        """A receiving link of the engine's, attached by both sides, which has granted credit."""
        return self._link(False, credit, name, handle, mine, fields)

    def probe(self) -> Frame:
        """A flow of the engine's on the first session: it grants credit on a link that is there for nothing else."""
        if self._probe is None:
            self._probe = self.receiver(name="probe", handle=1000)
        self.heard()
        self.engine.credit(self._probe, 1)
        return self.heard("flow")[-1]

    def _link(self, sends: bool, credit: int, name: str, handle: int, mine: Any, fields: dict[str, Any]) -> Any:
        session = self.sessions[0] if self.sessions else self.session()
        self.heard()
        if self.is_client:
            make = self.engine.sender if sends else self.engine.receiver
            link = make(session, name, **(mine or {}))
            self.turn()
            self.attach(name, handle, sends, **fields)
        else:
            self.mine = mine or {}
            self.attach(name, handle, sends, **fields)
            link = self.links[-1]
        self.attached = self.one("attach")
        if sends:
            self.first_count = self.attached.initial_delivery_count or 0
            if credit:
                self.flow(credit, handle)
        elif credit:
            self.engine.credit(link, credit)
        self.heard()
        return link


__all__ = [
    "AMQP",
    "CLIENT",
    "FRAMING",
    "MESSAGE",
    "SASL",
    "SERVER",
    "TLS",
    "Frame",
    "Talk",
    "error",
    "frame",
    "raw",
    "source",
    "target",
]
