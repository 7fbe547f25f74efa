"""A scripted peer: it expects this performative with these fields, answers with that one, and knows nothing else.

    peer = world.peer("peer:5672")
    peer.open().begin()
    peer.expect("attach", role=False, target=composite("target", address="jobs"))
    peer.answer("attach", name=lambda seen: seen.name, handle=0, role=True)
    peer.say("detach", handle=0, closed=True, error=composite("error", condition="amqp:not-found"))
    world.run_until(lambda: peer.done)

It does the things that our engine would never do: bad input, and the habits of other implementations. The
world steps it like a program. It trusts the codec, and has neither state nor opinion of its own: a frame that is
not the one that is expected ends the run, with both of them beside each other.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from typing import Any, Callable, NamedTuple, Optional

from reactor.codec.frames import AMQP_HEADER, SASL_HEADER
from reactor.loop.wires import READ, WRITE, ConnectError
from reactor.simulation.network.node import MemoryNode
from reactor.simulation.network.wire import MemoryListener, MemoryWire
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
from reactor.tracing.splitter import Splitter
from reactor.tracing.text import format_bytes

_SHOWN = 20  # lines of the conversation that a failure shows
_WINDOW = 2048


class ScriptFailed(AssertionError):
    """The other side did something else than the script expects. The text shows both."""


class _Step(NamedTuple):
    """One line of a script. run: does it, and returns whether it is done."""

    text: str
    where: str
    run: Callable[[], bool]


class ScriptedPeer:
    """Follows a script over one connection, or over several after each other. `World.peer` makes it.

    The methods that write the script return the peer, so that they can be chained. In the fields that it sends, a
    function stands for its result for the frame that was expected last; the values that can be expected are those of
    `differences` in frames.py.

    automatic: whether protocol headers and SASL (ANONYMOUS) are answered by themselves (True), or expected and
        sent like all other frames: ``expect("header", layer="SASL")``, ``expect("sasl-init", ...)``.
    done: whether the script has come to its end. Later frames of the other side mean nothing.
    seen: the frame that was expected last.
    heard: all frames and headers that have come, in order.
    """

    def __init__(self, node: MemoryNode, address: str, connect: bool) -> None:
        host, _, port = address.rpartition(":")
        self.node = node
        self.address = address
        self.automatic = True
        self.seen: Optional[Frame] = None
        self.heard: list[Frame] = []
        self.timeout: Optional[float] = None
        self._script: list[_Step] = []
        self._at = 0
        self._target = (host, int(port)) if connect else None
        self._listener: Optional[MemoryListener] = None if connect else node.listen(host, int(port))
        self._wire: Optional[MemoryWire] = None
        self._greeted = False
        self._over = ""  # why nothing more will come
        self._splitter = Splitter()
        self._inbox: deque[Frame] = deque()
        self._output = bytearray()
        self._ignored = {EMPTY}
        self._wake_at: Optional[float] = None
        self._conversation: deque[str] = deque(maxlen=_SHOWN)

    # -- the script: expectations --------------------------------------------------------------------------

    def expect(self, name: str, /, channel: Optional[int] = None, payload: Any = None, **fields: Any) -> ScriptedPeer:
        """The next frame is this one. name: of its performative, or "header", or "empty" for a heartbeat.

        channel, payload: None for any; payload may be bytes, or a function that answers whether it is right.
        fields: those that matter, with underscores.
        """
        check_names(name, fields)
        return self._add(show(name, fields), lambda: self._hear(name, channel, payload, fields))

    def ignore(self, *names: str) -> ScriptedPeer:
        """From here on frames of these names are passed over where they are not expected. Heartbeats always are."""

        def ignore() -> bool:
            self._ignored.update(names)
            return True

        return self._add(f"ignore {', '.join(names)}", ignore)

    def expect_end(self) -> ScriptedPeer:
        """The other side finishes, or is lost."""
        return self._add("the end of the wire", self._hear_end)

    def connection(self) -> ScriptedPeer:
        """The next steps are about another connection; the one before is given up, if it is still there."""

        def next_one() -> bool:
            self._let_go()
            return True

        return self._add("another connection", next_one)

    # -- the script: answers -------------------------------------------------------------------------------

    def say(self, name: str, /, channel: Optional[int] = None, payload: bytes = b"", **fields: Any) -> ScriptedPeer:
        """Send a frame. channel: None for that of the frame that was seen last."""
        check_names(name, fields)
        if name == HEADER:
            return self.say_bytes({"SASL": SASL_HEADER}.get(fields.get("layer", ""), AMQP_HEADER))

        def say() -> bool:
            values = {key: value(self.seen) if callable(value) else value for key, value in fields.items()}
            number = channel if channel is not None else self.seen.channel if self.seen is not None else 0
            self._write(make_frame(name, channel=number, payload=payload, **values))
            return True

        return self._add(f"say {show(name, fields)}", say)

    answer = say

    def say_bytes(self, data: bytes) -> ScriptedPeer:
        """Send any bytes."""

        def say() -> bool:
            self._write(data)
            return True

        return self._add(f"say {format_bytes(data)}", say)

    def finish(self) -> ScriptedPeer:
        """Send no more, and go on reading."""
        return self._with_wire("finish", lambda wire: wire.finish())

    def hang_up(self) -> ScriptedPeer:
        """Close the wire. The next steps are about another connection."""
        return self._with_wire("hang up", lambda wire: self._let_go())

    def cut(self) -> ScriptedPeer:
        """Reset the wire. The next steps are about another connection."""

        def cut(wire: MemoryWire) -> None:
            wire.reset()
            self._let_go()

        return self._with_wire("cut", cut)

    def pause(self, seconds: float) -> ScriptedPeer:
        """Do nothing for so long."""

        def pause() -> bool:
            now = self.node.network.clock.now()
            if self._wake_at is None:
                self._wake_at = now + seconds
            if now < self._wake_at:
                return False
            self._wake_at = None
            return True

        return self._add(f"pause for {seconds:g} s", pause)

    def then(self, action: Callable[[], object]) -> ScriptedPeer:
        """Call `action`."""

        def act() -> bool:
            action()
            return True

        return self._add(f"call {getattr(action, '__qualname__', action)}", act)

    # -- the script: usual exchanges -----------------------------------------------------------------------

    def open(self, **fields: Any) -> ScriptedPeer:
        """Expect open, and answer it. fields: of the answer, as in those below."""
        return self.expect("open").answer("open", **{"container_id": "peer", **fields})

    def begin(self, **fields: Any) -> ScriptedPeer:
        """Expect begin, and answer it on the same channel."""
        known: dict[str, Any] = {"remote_channel": _channel, "next_outgoing_id": 0}
        known.update(incoming_window=_WINDOW, outgoing_window=_WINDOW)
        return self.expect("begin").answer("begin", **{**known, **fields})

    def attach(self, credit: int = 0, **fields: Any) -> ScriptedPeer:
        """Expect attach, and answer it as it came, for the other role and on the same handle. credit: granted
        to a sender."""
        known: dict[str, Any] = {"name": _field("name"), "handle": _field("handle"), "role": lambda seen: not seen.role}
        known.update(source=_field("source"), target=_field("target"), initial_delivery_count=_first_count)
        self.expect("attach").answer("attach", **{**known, **fields})
        if credit:
            grant: dict[str, Any] = {"handle": _field("handle"), "delivery_count": 0, "link_credit": credit}
            grant.update(next_incoming_id=0, incoming_window=_WINDOW, next_outgoing_id=0, outgoing_window=_WINDOW)
            self.answer("flow", **grant)
        return self

    def close(self, **error: Any) -> ScriptedPeer:
        """Expect close, answer it, and hang up. error: fields of an error to give as the reason."""
        fields: dict[str, Any] = {"error": composite("error", **error)} if error else {}
        return self.expect("close").answer("close", **fields).hang_up()

    # -- how it goes ---------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """See the class."""
        return self._at >= len(self._script)

    def start(self) -> None:
        """The world's call: it takes part from now on."""

    def process(self) -> bool:
        """The world's call: one turn. Never over: a script may be continued."""
        wake_at = self._wake_at
        timeout = self.timeout if wake_at is None else max(0.0, wake_at - self.node.network.clock.now())
        self.node.wait(timeout)
        while self._read() or self._act():
            pass
        self._send()
        return True

    def ready(self, mask: int) -> None:
        """Not needed: it looks by itself."""

    def _act(self) -> bool:
        """The next step of the script, if it can be done. Returns whether anything was done."""
        if self._inbox and self.automatic and self._answered(self._inbox[0]):
            self._inbox.popleft()
            return True
        if self.done or self._script[self._at].run() is False:
            return False
        self._at += 1
        return True

    def _hear(self, name: str, channel: Optional[int], payload: Any, fields: dict[str, Any]) -> bool:
        while self._inbox:
            frame = self._inbox.popleft()
            wrong = self._differences(frame, name, channel, payload, fields)
            if wrong and frame.performative != name and frame.performative in self._ignored:
                continue
            if wrong:
                self._fail(frame.text, wrong)
            self.seen = frame
            return True
        if self._over:
            self._fail(self._over, [])
        return False

    def _differences(
        self, frame: Frame, name: str, channel: Optional[int], payload: Any, fields: dict[str, Any]
    ) -> list[str]:
        if frame.performative != name:
            return [f"a frame of {name} is expected, {frame.performative} is seen"]
        wrong = differences(fields, frame)
        if channel is not None and frame.channel != channel:
            wrong.append(f"channel: expected {channel}, seen {frame.channel}")
        if payload is not None and not (payload(frame.payload) if callable(payload) else payload == frame.payload):
            expected = getattr(payload, "__name__", None) or format_bytes(payload)
            wrong.append(f"payload: expected {expected}, seen {format_bytes(frame.payload)}")
        return wrong

    def _hear_end(self) -> bool:
        while self._inbox:
            frame = self._inbox.popleft()
            if frame.performative not in self._ignored:
                self._fail(frame.text, [])
        return bool(self._over)

    def _answered(self, frame: Frame) -> bool:
        """Frames that are answered without a script: headers, and SASL."""
        if frame.performative == HEADER and frame.layer == "SASL":
            self._write(SASL_HEADER + make_frame("sasl-mechanisms", sasl_server_mechanisms=["ANONYMOUS"]))
        elif frame.performative == HEADER and frame.layer == "AMQP":
            if not self._greeted:
                self._write(AMQP_HEADER)
        elif frame.performative == "sasl-init":
            self._write(make_frame("sasl-outcome", code=0))
        else:
            return False
        self._greeted = frame.performative == HEADER and frame.layer == "AMQP"
        return True

    def _fail(self, seen: str, wrong: list[str]) -> None:
        step = self._script[self._at]
        lines = [f"{self!r}, {step.where}:", f"  expected: {step.text}", f"  seen:     {seen}"]
        lines += [f"  {line}" for line in wrong]
        lines += ["frames sent (->) and received (<-) before:", *(f"  {line}" for line in self._conversation)]
        raise ScriptFailed("\n".join(lines))

    # -- the wire ------------------------------------------------------------------------------------------

    def _read(self) -> bool:
        """Read the wire. Returns whether anything has come."""
        if self._wire is None and not self._find_wire():
            return False
        wire = self._wire
        assert wire is not None
        if self._over:
            return False
        try:
            if not wire.connected():
                return False
            data = wire.read(65536)
        except ConnectError as error:
            self._over = str(error)
            return True
        except OSError:
            self._over = "the wire is lost"
            return True
        if data is None:
            return False
        if not data:
            self._over = "the end of the wire"
        for part in self._splitter.feed(data):
            frame = Frame(part)
            self.heard.append(frame)
            self._conversation.append(f"<- {frame.text}")
            self._inbox.append(frame)
        return True

    def _find_wire(self) -> bool:
        if self._listener is not None:
            self.node.watch(self._listener, READ, self)
            self._wire = self._listener.accept()
        elif not self.done and self._target is not None:
            self._wire = self.node.connect(*self._target)
            if self.automatic:
                self._greeted = True
                self._output += AMQP_HEADER
        if self._wire is not None:
            self.node.watch(self._wire, READ | WRITE, self)
            if self._listener is not None:
                self.node.unwatch(self._listener)  # the next client has to wait
        return self._wire is not None

    def _with_wire(self, text: str, action: Callable[[MemoryWire], object]) -> ScriptedPeer:
        """A step that needs a connection."""

        def act() -> bool:
            if self._wire is None:
                return False
            self._send()
            if self._output and not self._over:
                return False
            action(self._wire)
            return True

        return self._add(text, act)

    def _write(self, data: bytes) -> None:
        for part in Splitter().feed(data):
            self._conversation.append(f"-> {Frame(part).text}")
        self._output += data

    def _send(self) -> None:
        wire = self._wire
        if wire is None:
            return
        waits = False
        try:
            if not wire.connected():
                waits = True
            elif self._output:
                del self._output[: wire.write(self._output)]
                waits = bool(self._output)
        except OSError:  # it is lost, or was never had: reading shows which
            self._output.clear()
        self.node.watch(wire, (0 if self._over else READ) | (WRITE if waits else 0), self)

    def _let_go(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = None
        self._greeted = False
        self._over = ""
        self._splitter = Splitter()
        self._inbox.clear()
        self._output.clear()

    def _add(self, text: str, run: Callable[[], bool]) -> ScriptedPeer:
        frame = sys._getframe(1)
        while frame.f_back is not None and frame.f_globals is globals():
            frame = frame.f_back  # to the line of the script
        self._script.append(_Step(text, f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}", run))
        self.node.wake()
        return self

    def __repr__(self) -> str:
        at = "the script is over"
        if not self.done:
            at = f"step {self._at + 1} of {len(self._script)}: {self._script[self._at].text}"
        return f"<peer at {self.address}, {at}>"


def _channel(seen: Any) -> int:
    return seen.channel if seen is not None else 0


def _field(name: str) -> Callable[[Any], Any]:
    return lambda seen: getattr(seen, name)


def _first_count(seen: Any) -> Optional[int]:
    """Only a sender has an initial-delivery-count [2.7.3]: that is us where the other one receives."""
    return 0 if seen.role else None
