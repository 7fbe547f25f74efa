"""Clients that do whatever the specification lets them do, at random, to a broker in a simulated world.

They are made of frames by hand: what no engine of ours would do is done, too (odd contents, every mode and outcome,
small frames, links that are taken over, anything at any time). What they do is picked by numbers, so that both `random`
and hypothesis can make a history, and the latter can make it smaller. They keep the rules: ids, credit and windows are
right, and what the broker ends they end.
"""

from __future__ import annotations

from typing import Any, Optional

from reactor.codec.frames import AMQP_HEADER
from reactor.codec.types import Described, symbol, ubyte, uint, ulong
from tests.support.frames import Frame, frame, source, target
from tests.support.frames import read as read_frames

QUEUES = ["jobs", "work", "x" * 600, "topic/news"]
NAMES = ["mine", "yours", "\u20ac" * 80]
CONTAINERS = ["one", "two", "c" * 200]
FRAME_SIZES = [4096, 65536, 512]

_VALUE = b"\x00\x53\x77\xa1\x05hello"
PAYLOADS = [
    _VALUE,
    b"\x00\x53\x70\x45" + _VALUE,
    b"\x00\x53\x70\xc0\x0b\x05\x41\x50\x04\x40\x42\x70\xff\xff\xff\xff" + _VALUE,  # the highest delivery count
    b"\x00\x53\x70\xc0\x07\x03\x41\x40\x70\x00\x00\x00\x05" + _VALUE,  # a time to live
    b"\x00\x53\x71\xc1\x07\x02\xa3\x03hop\x41" + _VALUE,
    b"\x00\x53\x72\xc1\x07\x02\xa3\x03opt\x41" + _VALUE,
    b"\x00\x53\x72\xc0\x03\x02\x41\x42" + _VALUE,  # annotations that are a list
    _VALUE + b"\x00\x53\x78\xc1\x07\x02\xa3\x03sum\x41",
    b"\x00\x53\x78\xc1\x07\x02\xa3\x03sum\x41" + _VALUE,  # a footer before the body
    b"\x00\x53\x73\xc0\x08\x03\x40\x40\xa1\x03to1" + _VALUE,
    b"\x00\x53\x73\xc0\x09\x03\x40\x40\xa1\x04jobs" + _VALUE,
    b"\x00\x53\x75\xb0" + (3000).to_bytes(4, "big") + bytes(3000),
    b"no message at all",
    b"\x00\x53\x77\xff\xff",
    b"",
]
ANNOTATIONS: list[Any] = [None, {}, {symbol("x-opt"): "y" * 300}, {symbol("x-opt"): [1, {"a": None}]}, {ulong(7): 1}]
LIFETIMES = [None, *(Described(ulong(code), []) for code in range(0x2B, 0x2F))]


class Choices:
    """The numbers of a history; when they are used up, it has ended."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers[::-1]

    def __bool__(self) -> bool:
        return bool(self.numbers)

    def pick(self, options: Any) -> Any:
        """One of `options`, the first if nothing is left."""
        return options[self.numbers.pop() % len(options)] if self.numbers else options[0]

    def number(self, limit: int) -> int:
        return int(self.pick(range(limit)))


class WildLink:
    """One link of such a client."""

    def __init__(self, session: WildSession, handle: int, name: str, sends: bool) -> None:
        self.session, self.handle, self.name, self.sends = session, handle, name, sends
        self.credit = 0
        self.count = 0  # the delivery count: of what we sent, or of what came
        self.answered = False
        self.partial: Optional[int] = None  # the id of a delivery that we have begun
        self.settled = False
        self.mixed = True


class WildSession:
    """One session of such a client."""

    def __init__(self, channel: int) -> None:
        self.channel = channel
        self.links: dict[int, WildLink] = {}
        self.theirs: dict[int, WildLink] = {}
        self.next_out = 0  # the next transfer id, ours
        self.next_delivery = 0
        self.next_in = 0
        self.window = 0  # how many transfers the broker takes
        self.held: list[int] = []  # deliveries that came, and have no outcome
        self.handles = 0
        self.ending = False


class Wild:
    """One client on one connection."""

    def __init__(self, world: Any, choices: Choices) -> None:
        self.world, self.choices = world, choices
        self.node = world.network.node()
        self.wire = self.node.connect("broker", 5672)
        self.container = choices.pick(CONTAINERS)
        self.frame_size = choices.pick(FRAME_SIZES)
        self.sessions: dict[int, WildSession] = {}
        self.channels = 0
        self.names = 0
        self.closed = False
        self.rest = b""
        self.out = AMQP_HEADER + frame("open", container_id=self.container, max_frame_size=uint(self.frame_size))
        self.begin()

    # -- what it does

    def act(self) -> None:
        """Something that makes sense now."""
        sessions = [session for session in self.sessions.values() if not session.ending]
        if not sessions:
            self.begin()
            return
        session = self.choices.pick(sessions)
        actions = [self.send] * 4 + [self.flow] * 4 + [self.attach] * (4 if len(session.links) < 3 else 1)
        if session.held:
            actions += [self.settle] * 8
        actions += [self.detach, self.end, self.begin_another, self.window_flow]
        self.choices.pick(actions)(session)

    def begin(self) -> None:
        channel, self.channels = self.channels, self.channels + 1
        self.sessions[channel] = WildSession(channel)
        window = self.choices.pick([1000, 1000, 3, 1])
        self.say(frame("begin", channel, next_outgoing_id=0, incoming_window=window, outgoing_window=1000))

    def begin_another(self, session: WildSession) -> None:
        if len(self.sessions) < 3 and self.channels < 200:
            self.begin()

    def attach(self, session: WildSession) -> None:
        pick = self.choices.pick
        sends = pick([False, True])
        self.names += 1
        name = pick([*NAMES, f"link-{self.names}"])
        used = [link for other in self.sessions.values() for link in other.links.values() if link.name == name]
        if any(link.sends == sends for link in used) and pick([True, True, False]):
            name = f"link-{self.names}"  # seldom one's own name again: whoever may do that loses the old link
        if len(session.links) > 8:
            return
        handle, session.handles = session.handles, session.handles + 1
        link = session.links[handle] = WildLink(session, handle, name, sends)
        mode = pick([2, 0, 1])
        link.settled, link.mixed = mode == 1, mode == 2
        place = pick(["jobs"] * 8 + [*QUEUES, "dynamic", None])
        dynamic = place == "dynamic"
        properties = {symbol("lifetime-policy"): pick(LIFETIMES)} if dynamic and pick([False, True]) else None
        capabilities = symbol("topic") if self.choices.number(8) == 7 else None
        address = None if dynamic else place
        ours: dict[str, Any] = {"initial_delivery_count": 0} if sends else {}
        if sends:
            ends = {"source": source("me"), "target": target(address, None, None, None, dynamic or None, properties)}
        else:
            outcome = pick([None, None, Described(ulong(0x26), []), Described(ulong(0x27), [True])])
            more = [None, None, None, dynamic or None, properties, pick([None, symbol("copy"), symbol("move")])]
            more += [pick([None, {symbol("f"): Described(symbol("s"), "x")}]), outcome, None, capabilities]
            ends = {"source": source(address, *more), "target": target("me")}
        self.say(frame("attach", session.channel, name=name, handle=handle, role=not sends,
                       snd_settle_mode=ubyte(mode), rcv_settle_mode=ubyte(pick([0, 1])), **ends, **ours))  # fmt: skip

    def send(self, session: WildSession) -> None:
        links = [link for link in session.links.values() if link.sends and link.answered and link.credit > 0]
        if not links or session.window < 10:
            return
        pick = self.choices.pick
        link = pick(links)
        settled = link.settled or (link.mixed and pick([False, True]))
        if link.partial is None:
            number, session.next_delivery = session.next_delivery, session.next_delivery + 1
            fields: dict[str, Any] = {"delivery_id": number, "delivery_tag": b"%d" % number, "message_format": 0}
        else:
            fields = {"delivery_id": link.partial}
        state = pick([None] * 9 + [Described(ulong(0x34), [b"txn"])])
        payload = pick(PAYLOADS)
        ending = pick(["whole"] * 8 + ["begun", "aborted"])
        size = self.frame_size_there() - 100
        parts = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
        for number, part in enumerate(parts):
            more = ending == "begun" or number + 1 < len(parts)
            aborted = ending == "aborted" and not more
            self.say(frame("transfer", session.channel, b"" if aborted else part, handle=link.handle, settled=settled,
                           more=more and not aborted, aborted=aborted or None, state=state, **fields))  # fmt: skip
            session.next_out += 1
            session.window -= 1
        link.partial = fields["delivery_id"] if ending == "begun" else None
        if ending != "begun":
            link.credit -= 1
            link.count += 1

    def flow(self, session: WildSession) -> None:
        links = [link for link in session.links.values() if not link.sends and link.answered]
        if not links:
            return
        link = self.choices.pick(links)
        credit, drain = self.choices.pick([5, 100, 1, 0, 1_000_000]), self.choices.pick([False, False, True])
        said = {**self.where(session), "delivery_count": link.count & 0xFFFFFFFF, "link_credit": credit, "drain": drain}
        self.say(frame("flow", session.channel, handle=link.handle, echo=self.choices.pick([False, True]), **said))

    def window_flow(self, session: WildSession) -> None:
        if session.window:
            self.say(frame("flow", session.channel, **self.where(session)))

    def where(self, session: WildSession) -> dict[str, Any]:
        """What each flow says of its session."""
        begun = session.window > 0 or session.next_in > 0
        said = {"incoming_window": self.choices.pick([1000, 1000, 2]), "next_outgoing_id": session.next_out}
        return {**said, "outgoing_window": 1000, **({"next_incoming_id": session.next_in} if begun else {})}

    def settle(self, session: WildSession) -> None:
        held = session.held
        if not held:
            return
        pick = self.choices.pick
        first = pick(held)
        last = pick([number for number in held if number >= first])
        outcomes = [Described(ulong(0x24), []), Described(ulong(0x25), []), Described(ulong(0x26), []), None]
        outcomes += [Described(ulong(0x27), [pick([None, True]), pick([None, True]), pick(ANNOTATIONS)]) for _ in "abc"]
        outcomes += [Described(ulong(0x23), [uint(0), ulong(1)]), Described(ulong(0x34), [b"txn"])]
        outcomes += [Described(ulong(0x25), [Described(ulong(0x1D), [symbol("app:bad"), "no\x1b\nway" * 30, None])])]
        state, settled = pick(outcomes), pick([True, False])
        self.say(frame("disposition", session.channel, role=True, first=first, last=last, settled=settled, state=state))
        if settled:
            session.held = [number for number in held if not first <= number <= last]

    def detach(self, session: WildSession) -> None:
        if session.links and self.choices.pick([False, True]):
            link = self.choices.pick(list(session.links.values()))
            error = self.choices.pick([None, Described(ulong(0x1D), [symbol("app:done"), "why\r\n", None])])
            self.forget(session, link)
            closed = self.choices.pick([True, False])
            self.say(frame("detach", session.channel, handle=link.handle, closed=closed, error=error))

    def end(self, session: WildSession) -> None:
        if self.choices.number(6) == 5:
            session.ending = True
            self.say(frame("end", session.channel))

    def close(self) -> None:
        """Good-bye; the answer is not waited for."""
        if not self.closed:
            self.closed = True
            self.say(frame("close"))
            self.flush()
            self.hear()
            self.wire.finish()

    def vanish(self) -> None:
        """Without a good-bye."""
        self.closed = True
        self.wire.reset()

    # -- frames

    def frame_size_there(self) -> int:
        """No more than we take ourselves: small frames in both directions."""
        return min(self.frame_size, 4096)

    def say(self, data: bytes) -> None:
        self.out += data

    def flush(self) -> None:
        """Hand over what it has to say, in one piece."""
        if self.out and self.wire.connected():
            try:
                sent = self.wire.write(self.out)
            except OSError:
                self.closed = True
                return
            self.out = self.out[sent:]

    def hear(self) -> None:
        """Take in what was answered, and answer it where that has to be."""
        if not self.wire.connected():
            return
        while True:
            try:
                data = self.wire.read(1 << 16)
            except OSError:
                data = b""
            if data is None:
                return
            if not data:
                self.closed = True
                return
            self.rest += data
            self._take_frames()

    def _take_frames(self) -> None:
        while len(self.rest) >= 8:
            size = 8 if self.rest.startswith(b"AMQP") else int.from_bytes(self.rest[:4], "big")
            if len(self.rest) < size:
                return
            piece, self.rest = self.rest[:size], self.rest[size:]
            if not piece.startswith(b"AMQP"):
                assert size <= self.frame_size, f"a frame of {size} bytes where {self.frame_size} are taken"
                [told] = read_frames(piece)
                self._heard(told)

    def _heard(self, told: Frame) -> None:
        session = self.sessions.get(told.channel)
        if told.name == "close":
            if not self.closed:
                self.closed = True
                self.say(frame("close"))
                self.flush()
                self.wire.finish()
        elif session is not None:
            method = getattr(self, f"_heard_{told.name}", None)
            if method is not None:
                method(session, told)

    def _heard_begin(self, session: WildSession, told: Frame) -> None:
        session.window = told.incoming_window

    def _heard_attach(self, session: WildSession, told: Frame) -> None:
        mine = [link for link in session.links.values() if link.name == told.fields["name"] and not link.answered]
        mine = [link for link in mine if link.sends == bool(told.role)]
        if mine:
            mine[0].answered = True
            session.theirs[told.fields["handle"]] = mine[0]

    def _heard_detach(self, session: WildSession, told: Frame) -> None:
        link = session.theirs.pop(told.fields["handle"], None)
        if link is not None and session.links.get(link.handle) is link:
            self.forget(session, link)
            if not session.ending:
                self.say(frame("detach", session.channel, handle=link.handle, closed=told.closed))

    def _heard_end(self, session: WildSession, told: Frame) -> None:
        if not session.ending:
            self.say(frame("end", session.channel))
        del self.sessions[session.channel]

    def _heard_flow(self, session: WildSession, told: Frame) -> None:
        seen = told.next_incoming_id or 0
        session.window = max(0, seen + told.incoming_window - session.next_out)
        link = session.theirs.get(told.handle)
        if link is not None and link.sends:
            link.credit = (told.delivery_count or 0) + told.link_credit - link.count
        elif link is not None:
            link.count = told.delivery_count or 0

    def _heard_transfer(self, session: WildSession, told: Frame) -> None:
        session.next_in += 1
        link = session.theirs.get(told.handle)
        if told.delivery_id is not None and not told.settled and link is not None:
            if told.delivery_id not in session.held:
                session.held.append(told.delivery_id)
        if not told.more and link is not None:
            link.count += 1

    def _heard_disposition(self, session: WildSession, told: Frame) -> None:
        if not told.role and told.settled:
            last = told.first if told.last is None else told.last
            session.held = [number for number in session.held if not told.first <= number <= last]

    def forget(self, session: WildSession, link: WildLink) -> None:
        """It is detached. Its deliveries are, too: which they were we do not know, and need not."""
        session.links.pop(link.handle, None)


def run(world: Any, numbers: list[int]) -> int:
    """A history. Returns how many connections there were; all of them have gone at the end."""
    choices = Choices(numbers)
    clients: list[Wild] = []
    made = 0
    while choices:
        clients = [client for client in clients if not client.closed]
        action = choices.number(30)
        if len(clients) < 2 or (action == 0 and len(clients) < 5):
            clients.append(Wild(world, choices))
            made += 1
            world.quiet()
        client = choices.pick(clients)
        if action == 1:
            choices.pick([client.close, client.vanish])()
        elif action == 2:
            world.pass_time(choices.pick([0.5, 3.0]))
        else:
            for _ in range(choices.pick([1, 2, 4])):  # several in one piece, before anything is answered
                client.act()
        for one in clients:
            one.flush()
        world.quiet()
        for one in clients:
            one.hear()
            one.flush()
    for client in clients:
        choices.pick([client.close, client.vanish])()
    world.quiet()
    for client in clients:
        if not client.closed or not client.wire.closed:
            client.hear()
    world.quiet()
    return made
