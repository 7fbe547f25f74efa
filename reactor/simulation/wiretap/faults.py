"""Faults of frames: of the nth attach, of every flow, after the third transfer.

A World makes them (`world.when`). They stand where a frame is written to a wire, before the network has it: its
sender believes that it has left. Frames are recognised by performative and fields, so this sees through TCP
but not through TLS. It knows frames and pipes, and no engine.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

from reactor.codec.definitions import BY_NAME
from reactor.simulation.network.wire import WirePipe
from reactor.simulation.wiretap.frames import (
    EMPTY,
    HEADER,
    Frame,
    check_names,
    composite,
    differences,
    make_frame,
    show,
)

Action = Callable[[WirePipe, Frame], object]


class Fault:
    """A fault of a frame that is yet to come. The methods below choose it; several may be combined.

    performative, nth, count, sender, receiver, fields: which frames are meant, see `World.when`.
    happened: how often it did, so far.
    """

    def __init__(
        self,
        faults: Faults,
        performative: Optional[str],
        nth: int,
        count: Optional[int],
        sender: Optional[str],
        receiver: Optional[str],
        fields: dict[str, Any],
    ) -> None:
        if performative is not None:
            check_names(performative, fields)
        elif fields:
            raise TypeError("to name fields, name the performative that has them")
        if nth < 1 or (count is not None and count < 1):
            raise ValueError("frames are counted from 1")
        self.performative = performative
        self.nth = nth
        self.count = count
        self.sender = sender
        self.receiver = receiver
        self.fields = fields
        self.happened = 0
        self._faults = faults
        self._seen = 0
        self._held: list[tuple[WirePipe, bytes]] = []
        self._keeps: Optional[Action] = None  # called with the frame instead of sending it
        self._then: list[Action] = []
        self._names: list[str] = []  # of its actions, for the history

    # -- actions -----------------------------------------------------------------------------------------

    def drop(self) -> Fault:
        """The frame is lost, and neither end sees it."""
        return self._instead("dropped", lambda pipe, frame: None)

    def delay(self, seconds: float) -> Fault:
        """The frame leaves so much later; frames that are written meanwhile overtake it."""
        faults = self._faults

        def later(pipe: WirePipe, frame: Frame) -> None:
            clock = pipe.source.node.network.clock
            faults.schedule(clock.now() + seconds, lambda: pipe.put(frame.raw))

        return self._instead(f"delayed by {seconds:g} s", later)

    def hold(self) -> Fault:
        """The frame is held back until `release()`, and so are all that follow and are meant, whatever `count`."""
        self.count = None
        return self._instead("held back", lambda pipe, frame: self._held.append((pipe, frame.raw)))

    def release(self) -> None:
        """Send the frames that were held back, in their order, and hold back no more."""
        self.cancel()
        held, self._held = self._held, []
        for pipe, part in held:
            pipe.put(part)

    def cut(self, lost: bool = False) -> Fault:
        """Behind the frame the wire is cut: both ends find it reset. lost: the frame does not arrive either."""
        if lost:
            self.drop()
            return self._afterwards("the wire is cut", lambda pipe, frame: pipe.source.reset())
        return self._afterwards("the wire is cut behind it", lambda pipe, frame: pipe.break_off())

    def half_close(self) -> Fault:
        """Behind the frame its direction ends, as if the sender had finished; the other one stays open."""
        return self._afterwards("its direction ends", lambda pipe, frame: pipe.source.finish())

    def close(self, condition: str, description: Optional[str] = None) -> Fault:
        """Behind the frame its receiver gets a close with that error; later frames of its sender do not get
        there."""
        body = make_frame("close", error=composite("error", condition=condition, description=description))

        def close(pipe: WirePipe, frame: Frame) -> None:
            pipe.put(body)
            pipe.muted = True

        return self._afterwards(f"close with {condition}", close)

    def stop_reading(self) -> Fault:
        """Its receiver reads nothing more from this wire: neither this frame nor later ones."""

        def stop(pipe: WirePipe, frame: Frame) -> None:
            pipe.sink.deaf = True

        return self._afterwards("the receiver reads no more", stop)

    def then(self, action: Callable[[], object]) -> Fault:
        """`action` is called, such as `broker.crash`. Later frames of the sender in the same turn still
        leave, unless it is the sender that goes."""
        name = getattr(action, "__qualname__", repr(action))
        return self._afterwards(name, lambda pipe, frame: action())

    def cancel(self) -> None:
        """It shall not happen (again). Frames that are held back stay so."""
        self._faults.forget(self)

    # -- for the World -----------------------------------------------------------------------------------

    def meets(self, pipe: WirePipe, frame: Frame) -> bool:
        """Whether this is one of the frames that are meant, and it is to happen now."""
        if self.sender is not None and pipe.source.node.name != self.sender:
            return False
        if self.receiver is not None and pipe.sink.node.name != self.receiver:
            return False
        if self.fields and differences(self.fields, frame):
            return False
        self._seen += 1
        if self._seen < self.nth:
            return False
        if self.count is not None and self._seen >= self.nth + self.count - 1:
            self.cancel()
        self.happened += 1
        return True

    def take(self, pipe: WirePipe, frame: Frame) -> bool:
        """Act on the frame itself. Returns whether it goes on."""
        if self._keeps is None:
            return True
        self._keeps(pipe, frame)
        return False

    def follow(self, pipe: WirePipe, frame: Frame) -> None:
        """Act behind it."""
        for action in self._then:
            action(pipe, frame)

    def _instead(self, name: str, action: Action) -> Fault:
        if self._keeps is not None:
            raise ValueError(f"a frame has one fault only; it is {self._names[0]} already")
        self._keeps = action
        self._names.insert(0, name)
        return self

    def _afterwards(self, name: str, action: Action) -> Fault:
        self._then.append(action)
        self._names.append(name)
        return self

    def __str__(self) -> str:
        frames = "any frame" if self.performative is None else show(self.performative, self.fields)
        ends = [f" {word} {name}" for word, name in (("of", self.sender), ("to", self.receiver)) if name]
        return f"{frames}{''.join(ends)}: {', '.join(self._names) or 'nothing'}"

    def __repr__(self) -> str:
        return f"<Fault of number {self.nth}, {self}>"


class Faults:
    """All that is to happen to frames on one network.

    schedule: `MemoryNetwork.schedule`. note: takes a line for the history.
    injected: how many faults have happened.
    """

    def __init__(self, schedule: Callable[[float, Callable[[], object]], object], note: Callable[[str], None]) -> None:
        self.schedule = schedule
        self.note = note
        self.injected = 0
        self._waiting: dict[Optional[int], list[Fault]] = {}  # by the performative's code; None: any frame

    def add(self, fault: Fault) -> Fault:
        """Have it wait for its frame."""
        self._waiting.setdefault(_key(fault.performative), []).append(fault)
        return fault

    def forget(self, fault: Fault) -> None:
        """It shall wait no more."""
        waiting = self._waiting.get(_key(fault.performative), [])
        if fault in waiting:
            waiting.remove(fault)

    @property
    def waiting(self) -> list[Fault]:
        """Those that wait for a frame."""
        return [fault for faults in self._waiting.values() for fault in faults]

    def pass_on(self, pipe: WirePipe, frame: Frame) -> None:
        """A frame is written: send it on its way, or let its faults act."""
        if pipe.muted or pipe.source.node.dying:
            return
        waiting = self._waiting
        if not waiting:
            pipe.put(frame.raw)
            return
        kind: Optional[int] = frame.descriptor
        if kind == -1:
            kind = _key(frame.performative)
        met = [fault for fault in (*waiting.get(kind, ()), *waiting.get(None, ())) if fault.meets(pipe, frame)]
        goes_on = True
        for fault in met:
            self.injected += 1
            self.note(f"fault at {pipe.source.node.name}, wire {pipe.source.number}: {fault}")
            goes_on = fault.take(pipe, frame) and goes_on
        if goes_on:
            pipe.put(frame.raw)
        for fault in met:
            fault.follow(pipe, frame)


def _key(performative: Optional[str]) -> Optional[int]:
    """A number for the kind of a frame: the code of the performative, and others for frames without one."""
    if performative is None:
        return None
    if performative in BY_NAME:
        return BY_NAME[performative].code
    return {HEADER: -2, EMPTY: -3}.get(performative, -4)
