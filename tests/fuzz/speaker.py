"""A peer whose frames are right in form and mostly in order, with odd values in them: modes that there are none of, ids
where they wrap, sizes at a limit, a frame too early or too late. It knows what it has begun and attached, and what it
has heard, so that it gets far.
"""

from __future__ import annotations

from random import Random
from typing import Any, Optional

from reactor.codec.definitions import BY_NAME
from reactor.codec.encode import encode_value
from reactor.codec.performatives import encode_composite
from reactor.codec.types import Described, symbol, ubyte, uint, ulong
from reactor.errors import DataException
from tests.support.frames import AMQP, Frame, error, raw, read

TOP = 0xFFFFFFFF
#: Where numbers wrap, and where they do not.
STARTS = (0, 0, 0, 1, 0x7FFFFFFF, 0x80000000, TOP - 1, TOP)
NAMES = ("a", "b", "c", "d", "a" * 300, "\u00e9")
ADDRESSES = ("q", "q", "q", "t", "other", None, "", "x" * 600, "q" * 1100)
SIZES = (512, 512, 513, 600, 4096, 65536, TOP, None)
HANDLES = (None, None, 0, 1, 255, TOP)


def section(code: int, value: Any) -> bytes:
    return encode_value(Described(ulong(code), value))


BODY = section(0x77, "x")
#: Messages that are none, that are odd, and that are right.
MESSAGES = (
    BODY,
    BODY,
    section(0x75, bytes(400)),
    section(0x75, bytes(3000)),
    b"",
    b"\x40",
    b"no message",
    section(0x70, [True, ubyte(9), uint(1), True, uint(TOP)]) + BODY,
    section(0x70, [None, None, uint(0), None, uint(TOP - 1)]) + BODY,
    section(0x70, [None] * 40) + BODY,
    section(0x72, {symbol("x-opt-a"): [1, {symbol("b"): None}]}) + BODY,
    b"\x00\x53\x72\x45" + BODY,  # annotations that are a list
    b"\x00\x53\x72\xc1\x03\x02\x40\x41" + BODY,  # whose key is null
    section(0x71, {ulong(5): 5}) + BODY,
    section(0x73, [None, b"me", "q", "s", "q", ulong(7)]) + section(0x74, {"k": 1, "l": "v"}) + BODY,
    BODY + section(0x78, {symbol("x-opt-f"): b"f"}),
    section(0x78, {symbol("x-opt-f"): b"f"}) + section(0x76, [1]) + section(0x76, [2]),
    BODY[:-1],
)


class Link:
    """One of its links: handle, name, whether it sends, and how many messages it has sent."""

    def __init__(self, handle: int, name: str, sends: bool) -> None:
        self.handle, self.name, self.sends = handle, name, sends
        self.half = False  # a message is begun


class Channel:
    """One of its sessions."""

    def __init__(self, number: int, dice: Random) -> None:
        self.number = number
        self.links: dict[int, Link] = {}
        self.next_id = dice.choice(STARTS)  # of deliveries
        self.next_outgoing = dice.choice(STARTS)
        self.incoming: Optional[int] = None  # the other side's next-outgoing-id, when that is known
        self.heard: list[int] = []  # delivery-ids


class Speaker:
    """Says one frame after the other. serves: whether it answers the begins and attaches that it hears.

    odd: how likely a value is an odd one.
    """

    def __init__(self, dice: Random, serves: bool) -> None:
        self.dice = dice
        self.serves = serves
        self.odd = dice.choice((0.01, 0.05, 0.2))
        self.channels: dict[int, Channel] = {}
        self.theirs: dict[int, Channel] = {}  # by the other side's channel
        self.answers: list[bytes] = []
        self.unread = b""

    # -- heard -------------------------------------------------------------------------------------------

    def hear(self, data: bytes) -> None:
        """Learn from what the other side has said; the end may be incomplete."""
        data = self.unread + data
        whole = 0
        while len(data) - whole >= 8:
            size = 8 if data[whole : whole + 4] == b"AMQP" else int.from_bytes(data[whole : whole + 4], "big")
            if whole + size > len(data):
                break
            whole += size
        self.unread = data[whole:]
        for one in read(data[:whole]):
            self.learn(one)

    def learn(self, one: Frame) -> None:
        if one.name == "begin":
            channel = self.channels.get(one.remote_channel) if one.remote_channel is not None else None
            if channel is None and self.serves:
                channel = self.new_channel()
                if channel is not None:
                    self.answers.append(self.begin(channel, one.channel))
            if channel is not None:
                self.theirs[one.channel] = channel
                channel.incoming = one.next_outgoing_id
            return
        channel = self.theirs.get(one.channel)
        if channel is None:
            return
        if one.name == "attach" and self.serves and self.dice.random() < 0.95:
            handle = self.dice.choice([at for at in range(20) if at not in channel.links] or [0])
            self.answers.append(self.attach(channel, Link(handle, one.fields["name"], one.role), one))
            if one.role is False:
                self.answers.append(self.flow(channel, channel.links.get(handle)))
        elif one.name == "transfer" and one.delivery_id is not None:
            channel.heard.append(one.delivery_id)
            channel.incoming = ((channel.incoming or 0) + 1) & TOP

    # -- said --------------------------------------------------------------------------------------------

    def opening(self) -> bytes:
        """The header and an open."""
        dice = self.dice
        fields: dict[str, Any] = {"container_id": dice.choice(("odd", "odd", "", "o" * 200))}
        fields["max_frame_size"] = dice.choice(SIZES)
        fields["channel_max"] = dice.choice((None, 0, 1, 65535))
        fields["idle_time_out"] = dice.choice((None, None, 0, 1000, TOP))
        return AMQP + self.frame("open", 0, fields)

    def next(self) -> bytes:
        """The next frame."""
        if self.answers and self.dice.random() < 0.9:
            return self.answers.pop(0)
        dice = self.dice
        if dice.random() < 0.02:
            return raw(channel=dice.choice((0, 1, 9)))
        channel = dice.choice(list(self.channels.values())) if self.channels else None
        if channel is None or dice.random() < 0.03:
            fresh = self.new_channel()
            if fresh is not None and (not self.serves or dice.random() < 0.2):
                return self.begin(fresh, None)
            if channel is None:
                return self.frame("flow", 0, self.windows(Channel(0, dice)))
        senders = [link for link in channel.links.values() if link.sends]
        link = dice.choice(list(channel.links.values())) if channel.links else None
        what = dice.random()
        if link is None or what < 0.08:
            handle = dice.choice([at for at in range(5) if at not in channel.links] or [0])
            if self.is_odd():
                handle = dice.choice((0, 1, 255, TOP))
            return self.attach(channel, Link(handle, dice.choice(NAMES), dice.random() < 0.5))
        if what < 0.35:
            return self.flow(channel, link if dice.random() < 0.8 else None)
        if what < 0.65 and senders:
            return self.transfer(channel, dice.choice(senders))
        if what < 0.93:
            return self.disposition(channel)
        if what < 0.97:
            return self.detach(channel, link)
        if what < 0.985:
            self.channels.pop(channel.number, None)
            return self.frame("end", channel.number, {"error": self.maybe(error("amqp:x", "y"))})
        if what < 0.99 and self.is_odd():
            return self.frame("close", 0, {"error": self.maybe(error("amqp:x", "z" * 600))})
        return self.transfer(channel, link)

    def is_odd(self) -> bool:
        return self.dice.random() < self.odd

    def maybe(self, value: Any, likely: float = 0.5) -> Any:
        return value if self.dice.random() < likely else None

    def frame(self, name: str, channel: int, fields: dict[str, Any], payload: bytes = b"") -> bytes:
        places = [field.name.replace("-", "_") for field in BY_NAME[name].fields]
        values: list[Any] = [fields.get(place) for place in places]
        if self.dice.random() < self.odd / 20:
            values[self.dice.randrange(len(values))] = None
        try:
            body = encode_composite(BY_NAME[name].code, values)
        except DataException:
            return raw()
        return raw(body + payload, channel)

    def new_channel(self) -> Optional[Channel]:
        free = [number for number in range(3) if number not in self.channels]
        if not free:
            return None
        channel = Channel(self.dice.choice(free), self.dice)
        self.channels[channel.number] = channel
        return channel

    def begin(self, channel: Channel, answers: Optional[int]) -> bytes:
        fields = {
            "remote_channel": answers,
            "next_outgoing_id": channel.next_outgoing,
            "incoming_window": self.dice.choice((0, 1, 2, 100, 100, 0x7FFFFFFF, TOP)),
            "outgoing_window": self.dice.choice((0, 100, TOP)),
            "handle_max": self.dice.choice(HANDLES),
        }
        return self.frame("begin", channel.number, fields)

    def windows(self, channel: Channel) -> dict[str, Any]:
        off = self.dice.choice((-2, 1, 5, 0x7FFFFFFF, 0x80000000)) if self.is_odd() else 0
        return {
            "next_incoming_id": None if channel.incoming is None else (channel.incoming + off) & TOP,
            "incoming_window": self.dice.choice((0, 1, 2, 100, 100, 100, 0x7FFFFFFF, TOP)),
            "next_outgoing_id": channel.next_outgoing,
            "outgoing_window": self.dice.choice((0, 100, TOP)),
        }

    def flow(self, channel: Channel, link: Optional[Link]) -> bytes:
        dice = self.dice
        fields = self.windows(channel)
        fields["echo"] = self.maybe(True, 0.2)
        if link is not None:
            fields["handle"] = link.handle
            fields["link_credit"] = dice.choice((0, 1, 2, 10, 100, TOP, 0x80000000, None))
            fields["delivery_count"] = dice.choice((None, 0, 1, 2, TOP, 0x80000000))
            fields["drain"] = self.maybe(True, 0.2)
            fields["available"] = dice.choice((None, None, 0, 5, TOP))
        if self.is_odd():
            fields["properties"] = {symbol("k"): [1]}
        return self.frame("flow", channel.number, fields)

    def terminus(self, code: int, address: Optional[str]) -> Optional[Described]:
        dice = self.dice
        if dice.random() < 0.03:
            return None
        if dice.random() < 0.02:
            return Described(ulong(0x30), [symbol("amqp:local-transactions")])
        dynamic = True if dice.random() < 0.08 else None
        fields: list[Any] = [None if dynamic else address, dice.choice((None, None, uint(0), uint(2), uint(9)))]
        fields.append(dice.choice((None, None, symbol("never"), symbol("link-detach"), symbol("sometimes"))))
        fields += [dice.choice((None, uint(0), uint(TOP))), dynamic, None]
        if code == 0x28 and dice.random() < 0.4:
            fields.append(dice.choice((symbol("copy"), symbol("move"), symbol("both"), None)))
            filters = {symbol("f"): Described(symbol("x:f"), "1 = 1")}
            fields.append(dice.choice((None, {}, filters, {symbol("g"): None})))
            fields.append(dice.choice((None, Described(ulong(0x27), [True]), Described(ulong(0x24), []))))
            fields.append(dice.choice((None, symbol("amqp:accepted:list"), symbol("amqp:modified:list"))))
        return Described(ulong(code), fields[: dice.randrange(1, len(fields) + 1)] if self.is_odd() else fields)

    def attach(self, channel: Channel, link: Link, answers: Optional[Frame] = None) -> bytes:
        dice = self.dice
        address = dice.choice(ADDRESSES)
        fields: dict[str, Any] = {
            "name": link.name,
            "handle": link.handle,
            "role": not link.sends,
            "snd_settle_mode": dice.choice((3, 255) if self.is_odd() else (None, 0, 1, 2)),
            "rcv_settle_mode": dice.choice((2, 9) if self.is_odd() else (None, 0, 0, 1)),
            "source": self.terminus(0x28, address),
            "target": self.terminus(0x29, address),
            "max_message_size": dice.choice((None, None, 0, 1, 400, ulong(2**64 - 1))),
            "initial_delivery_count": dice.choice(STARTS) if link.sends and not self.is_odd() else None,
        }
        if answers is not None and dice.random() < 0.8:
            fields["source"], fields["target"] = answers.source, answers.target
        if self.is_odd():
            fields["unsettled"] = {b"1": None, b"2": Described(ulong(0x24), [])}
            fields["properties"] = dice.choice(({}, {symbol("k"): [1]}, {symbol("shared-connection-ids"): None}))
            fields["offered_capabilities"] = [symbol("queue")]
        channel.links[link.handle] = link
        return self.frame("attach", channel.number, fields)

    def transfer(self, channel: Channel, link: Link) -> bytes:
        dice = self.dice
        fields: dict[str, Any] = {"handle": link.handle, "more": self.maybe(True, 0.15)}
        if not link.half or self.is_odd():
            fields["delivery_id"] = channel.next_id
            fields["delivery_tag"] = dice.choice((b"%d" % channel.next_id, b"", bytes(32), bytes(33), b"same"))
            fields["message_format"] = dice.choice((0, 0, 0, None, 1, TOP))
            fields["settled"] = self.maybe(True, 0.3)
            if not self.is_odd():
                channel.next_id = (channel.next_id + 1) & TOP
        fields["aborted"] = self.maybe(True, 0.05)
        if self.is_odd():
            fields["rcv_settle_mode"] = dice.choice((0, 1, 2))
            fields["state"] = self.state()
            fields["resume"] = True
            fields["batchable"] = True
        link.half = bool(fields["more"]) and not fields["aborted"]
        channel.next_outgoing = (channel.next_outgoing + 1) & TOP
        return self.frame("transfer", channel.number, fields, dice.choice(MESSAGES))

    def state(self) -> Optional[Described]:
        dice = self.dice
        annotations = dice.choice((None, {symbol("x-opt-k"): "v"}, {symbol("x-opt-k"): [1] * 50}, {}))
        return dice.choice((
            Described(ulong(0x24), []),
            Described(ulong(0x24), []),
            Described(ulong(0x25), [error("amqp:x", "w" * dice.choice((1, 700)))]),
            Described(ulong(0x25), []),
            Described(ulong(0x26), []),
            Described(ulong(0x27), [self.maybe(True), self.maybe(True), annotations]),
            Described(ulong(0x27), [True, None, annotations]),
            Described(ulong(0x23), [uint(0), ulong(dice.choice((0, 5, 2**64 - 1)))]),
            Described(ulong(0x34), [b"txn", Described(ulong(0x24), [])]),
            Described(ulong(0x33), [b"txn"]),
            Described(symbol("x:y"), [1]),
            None,
        ))

    def disposition(self, channel: Channel) -> bytes:
        dice = self.dice
        first = dice.choice(channel.heard[-20:]) if channel.heard and not self.is_odd() else dice.choice((0, 1, TOP))
        last = dice.choice((None, None, first, first + 2, first + 50, first - 1, first + 0x7FFFFFFE))
        fields = {
            "role": dice.random() > self.odd,
            "first": first,
            "last": None if last is None else last & TOP,
            "settled": self.maybe(True, 0.6),
            "state": self.state(),
            "batchable": self.maybe(True, 0.1),
        }
        return self.frame("disposition", channel.number, fields)

    def detach(self, channel: Channel, link: Link) -> bytes:
        if not self.is_odd():
            channel.links.pop(link.handle, None)
        why = self.maybe(error("amqp:link:detach-forced", "d" * self.dice.choice((0, 600))), 0.3)
        return self.frame("detach", channel.number, {"handle": link.handle, "closed": self.maybe(True), "error": why})
