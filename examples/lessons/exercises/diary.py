"""Diary: all that happened to each order, as it was seen on the wires of one program."""

from reactor import Message
from reactor.simulation import Property

#: By the codes of the specification [3.4].
OUTCOMES = {0x24: "accepted", 0x25: "rejected", 0x26: "released", 0x27: "modified"}


class Diary(Property):
    """Of one program: its name is `program`.

    entries: by the body of the message, rows of time, event and id. Events: "sent settled" (to it), "came",
    "came settled", "left", an outcome that the program gave, and an outcome that it got ("got accepted").
    kills: when it was killed. most: how many it had in hand at once; most_at, most_of: when, and which.
    """

    def __init__(self, world, program):
        self.world, self.program = world, program
        self.entries = {}
        self.kills = []
        self.most, self.most_at, self.most_of = 0, 0.0, []
        self._hand = {}  # by wire: the deliveries that came and are not settled

    def times(self, key, event):
        """When that happened to it."""
        return [time for time, what, _ in self.entries.get(key, ()) if what == event]

    def ids(self, key, event):
        return [name for _, what, name in self.entries.get(key, ()) if what == event]

    def received(self, end, delivery):
        if end.program != self.program:
            return
        body = self._note(delivery, "came settled" if delivery.presettled else "came")
        if not delivery.presettled:
            hand = self._hand.setdefault(end.wire, {})
            hand[delivery.number] = body
            if len(hand) > self.most:
                self.most, self.most_at, self.most_of = len(hand), self.world.now, list(hand.values())

    def sent(self, end, delivery):
        if end.program == self.program:
            self._note(delivery, "left")
        elif end.peer == self.program and delivery.presettled:
            self._note(delivery, "sent settled")

    def disposed(self, end, delivery, said, state, settled):
        if end.program != self.program:
            return
        if delivery.outgoing and not said and state in OUTCOMES:
            self._note(delivery, "got " + OUTCOMES[state])
        elif not delivery.outgoing and said:
            self._hand.get(end.wire, {}).pop(delivery.number, None)
            self._note(delivery, OUTCOMES.get(state, "settled"))

    def gone(self, program):
        if program == self.program:
            self.kills.append(self.world.now)
            self._hand.clear()

    def _note(self, delivery, event):
        message = Message.from_bytes(delivery.payload)
        body = message.body
        self.entries.setdefault(body, []).append((self.world.now, event, message.id))
        return body
