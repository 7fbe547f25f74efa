"""SASL: the layer in which both sides agree on the identity of the client, before AMQP proper begins [5.3].

The transport enters, which exchanges the protocol headers, hands over the bytes that arrive and sends those of
`output`; and the application, which sets the mechanisms and reads the outcome. Here live the frames, and the
order in which they are legal. The choice of the mechanism is the business of `mechanisms`, its settings are that of
`settings`; no clock, socket or connection is known.

    client                                        server
                                <-  mechanisms    start()
    choose, init  ->
                                <-  challenge     as often as the mechanism wants, within limits
    response      ->
                                <-  outcome       both sides are finished
"""

from __future__ import annotations

from struct import Struct

from reactor.codec.definitions import SASL_CHALLENGE, SASL_INIT, SASL_MECHANISMS, SASL_OUTCOME, SASL_RESPONSE
from reactor.codec.performatives import decode_composite, encode_composite
from reactor.codec.types import UNDESCRIBED, Array, Data, symbol
from reactor.engine.sasl.exchange import Challenge, ClientMechanism, Done, Fail, MechanismError, ServerMechanism
from reactor.engine.sasl.mechanisms import BY_NAME, MECHANISMS, OPEN_MECHANISMS, choose, listed
from reactor.engine.sasl.settings import SASLSettings
from reactor.errors import (
    DECODE_ERROR,
    FRAMING_ERROR,
    NOT_ALLOWED,
    RESOURCE_LIMIT_EXCEEDED,
    UNAUTHORIZED_ACCESS,
    RemoteProtocolError,
    SASLException,
)
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn, Optional, Union

    from reactor.codec.types import AnyValue
    from reactor.engine.interface import SASLCarrier

_HEADER = Struct(">IBBH")
_SASL_FRAME = 1

# Stages: which frame is expected next.
_WANT_MECHANISMS = "sasl-mechanisms"
_WANT_TOKEN = "no SASL frame, until this side has its token,"
_WANT_INIT = "sasl-init"
_WANT_CHALLENGE = "sasl-challenge or sasl-outcome"
_WANT_RESPONSE = "sasl-response"
_FINISHED = "no further SASL frame"


#: The offer of a server that asks a client for nothing, as that of most that listen for tests and on loopback.
_NOTHING_ASKED = ("ANONYMOUS",)


class _Row:
    """One kind of frame: its name, its handler, and the stage in which it is legal."""

    __slots__ = ("name", "handler", "stage")

    def __init__(self, name: str, handler: str, stage: str) -> None:
        self.name = name
        self.handler = handler
        self.stage = stage


_FRAMES = {
    SASL_MECHANISMS: _Row("sasl-mechanisms", "recv_mechanisms", _WANT_MECHANISMS),
    SASL_INIT: _Row("sasl-init", "recv_init", _WANT_INIT),
    SASL_CHALLENGE: _Row("sasl-challenge", "recv_challenge", _WANT_CHALLENGE),
    SASL_RESPONSE: _Row("sasl-response", "recv_response", _WANT_RESPONSE),
    SASL_OUTCOME: _Row("sasl-outcome", "recv_outcome", _WANT_CHALLENGE),
}


class SASL(SASLSettings):
    """SASL on one transport: `SASL(transport)` and `transport.sasl()` put it in, and give it however often they ask.

    transport: which one; its mode decides which side this is. None makes a layer without one: its bytes travel by
        another carrier, and server decides which side.

    SASLSettings lists the settings, made before the exchange begins. The results:

    mech            the mechanism's name, once it is chosen
    outcome         None while undecided, else OK, AUTH, SYS, PERM or TEMP [5.3.3.6]
    reason          why it failed, for a person, without any secret; None otherwise
    """

    __slots__ = (
        "_decided",
        "_mechanism",
        "_offer",
        "_offered",
        "_rounds",
        "_size",
        "_stage",
        "_token_due",
        "mech",
        "outcome",
        "output",
        "reason",
        "server",
        "__dict__",
        "__weakref__",
    )

    OK = 0  #: authenticated
    AUTH = 1  #: the credentials were refused
    SYS = 2  #: the server failed
    PERM = 3  #: the server failed, and will until it is repaired; or no mechanism is in common
    TEMP = 4  #: the server failed for now; trying again may help

    def __new__(cls, transport: Optional[SASLCarrier] = None, *, server: bool = False) -> SASL:
        if transport is not None and not hasattr(transport, "sasl"):
            raise TypeError(f"SASL is made on a Transport, not on {type(transport).__name__}")
        return object.__new__(cls) if transport is None else transport.sasl()

    def __init__(self, transport: Optional[SASLCarrier] = None, *, server: bool = False) -> None:
        if transport is not None:
            return  # it may be the object that was there before
        super().__init__()
        self.server = server
        self.mech: Optional[str] = None
        self.outcome: Optional[int] = None
        self.reason: Optional[str] = None
        self.output = bytearray()  #: whole SASL frames that are to be sent

        self._token_due = False  # no mechanism is chosen before the token is there
        self._offer: AnyValue = None  # of the server, which waits for that
        self._offered: Sequence[str] = ()
        self._mechanism: Union[ClientMechanism, ServerMechanism, None] = None
        self._stage = _WANT_INIT if server else _WANT_MECHANISMS
        self._rounds = 0
        self._size = 0  # bytes of the frames that have come
        self._decided: Optional[int] = None

    def __repr__(self) -> str:
        side = "server" if self.server else "client"
        return f"SASL({side}, mech={self.mech}, user={self.user!r}, outcome={self.outcome})"

    # -- for the application -----------------------------------------------------------------------------
    @staticmethod
    def extended() -> bool:
        """Whether mechanisms beyond ANONYMOUS and EXTERNAL are there: always."""
        return True

    def allowed_mechs(self, mechs: Union[str, Sequence[str]]) -> None:
        """Use, or offer, only these: names with spaces between, or a list. Unknown names do no harm. SASLException when
        the mechanism has been chosen, or the offer has been made."""
        if self._offered or self._stage not in (_WANT_INIT, _WANT_MECHANISMS):
            raise SASLException("too late for allowed_mechs(): the exchange has begun; call it in on_connection_bound")
        super().allowed_mechs(mechs)

    def config_name(self, name: str) -> None:
        """Accepted for programs written for the original; without effect: there is no Cyrus to configure."""

    def config_path(self, path: str) -> None:
        """Accepted for programs written for the original; without effect: there is no Cyrus to configure."""

    def done(self, outcome: int) -> None:
        """The server decides by itself: OK, AUTH, SYS, PERM or TEMP, in place of the mechanism.

        Called before the client chose a mechanism, it is the answer to that choice. Raises SASLException on a
        client, for a value that is no outcome, and after the exchange has ended with another one.
        """
        if not self.server:
            raise SASLException("done() is for servers: a client receives the outcome")
        if outcome not in _MEANING:
            raise SASLException(f"{outcome!r} is no SASL outcome: use SASL.OK, AUTH, SYS, PERM or TEMP")
        if self.outcome is not None:
            if self.outcome != outcome:
                raise SASLException(f"the exchange has already ended with outcome {self.outcome}")
        elif self._stage == _WANT_INIT:
            self._decided = outcome
        else:
            self._send_outcome(outcome)

    # -- for the transport -------------------------------------------------------------------------------
    @property
    def finished(self) -> bool:
        """Whether the exchange is over: `receive` takes nothing more, `output` is the last that will come."""
        return self._stage == _FINISHED

    def start(self) -> None:
        """The protocol headers were exchanged: a server offers its mechanisms, a client waits for them.

        Raises RemoteProtocolError (amqp:unauthorized-access) on a server that has nothing to offer: an empty
        list is not legal [5.3.3.1], and the client should hear of it at once and not by a time-out.
        """
        if not self.server:
            return
        if self.allowed is None and self.external is None and not self.asks:
            self._offered = _NOTHING_ASKED
        else:
            policy = self.policy(())
            allowed = [row for row in MECHANISMS if self.allows(row.name)]
            self._offered = [row.name for row in allowed if row.server.offered(row.name, policy)]
        if not self._offered:
            self._fail(
                self.SYS,
                "this server has no mechanism to offer: PLAIN needs an authenticator, SCRAM credentials and a source "
                "of random bytes, EXTERNAL a wire that proves the client's identity, and allowed_mechs is "
                + (" ".join(self.allowed or ()) or "empty"),
            )
        # An array even for a single name: the form that every client knows.
        self._send(SASL_MECHANISMS, [Array(UNDESCRIBED, Data.SYMBOL, *map(symbol, self._offered))])

    def receive(self, buf: bytes, pos: int, end: int) -> int:
        """Take the whole SASL frames in buf[pos:end]; returns where the first byte stands that was not taken.

        Stops right behind the frame that ends the exchange: the bytes behind it are no longer SASL. Raises
        RemoteProtocolError when the peer erred (amqp:connection:framing-error, amqp:decode-error,
        amqp:not-allowed) or when the authentication failed (amqp:unauthorized-access); `output`
        is still to be sent then.
        """
        if self._stage == _FINISHED and self.outcome != self.OK:
            # Refused, such as by done(), and the client goes on without the outcome: its bytes are not for us.
            raise self._refused()
        while self._stage != _FINISHED and end - pos >= 4:
            size = int.from_bytes(buf[pos : pos + 4], "big")
            if size < 8 or size > self.max_frame_size:
                raise self._misframed(buf, pos, size)
            if 0 < self.limits.max_sasl_size < self._size + size:
                text = f"a SASL exchange of more than {self.limits.max_sasl_size} bytes"
                raise RemoteProtocolError(RESOURCE_LIMIT_EXCEEDED, text)
            if end - pos < 8:
                break
            _, offset, kind, _ = _HEADER.unpack_from(buf, pos)
            if kind != _SASL_FRAME:
                raise RemoteProtocolError(FRAMING_ERROR, f"a frame of type {kind} within the SASL exchange")
            if offset < 2 or offset * 4 > size:
                raise RemoteProtocolError(FRAMING_ERROR, f"a SASL frame whose data offset is {offset}")
            if end - pos < size:
                break
            self._receive_frame(buf, pos + offset * 4, pos + size)
            self._size += size
            pos += size
        return pos

    def _misframed(self, buf: bytes, pos: int, size: int) -> RemoteProtocolError:
        if buf[pos : pos + 4] == b"AMQP":
            text = "a protocol header within the SASL exchange"
        elif size < 8:
            text = f"a SASL frame of {size} bytes, which is less than its header"
        else:
            text = f"a SASL frame of {size} bytes; at most {self.max_frame_size} are accepted"
        return RemoteProtocolError(FRAMING_ERROR, text)

    def _receive_frame(self, buf: bytes, pos: int, end: int) -> None:
        if pos == end:
            raise RemoteProtocolError(FRAMING_ERROR, "an empty SASL frame")  # [5.3.1]
        try:
            code, fields, pos = decode_composite(buf, pos, end)
        except RemoteProtocolError as error:
            if not self.server:
                raise
            # From None, and without the text: it may quote the client's password.
            raise RemoteProtocolError(error.condition, "a SASL frame that cannot be decoded") from None
        row = _FRAMES.get(code)
        if row is None:
            raise RemoteProtocolError(NOT_ALLOWED, f"a frame with descriptor 0x{code:x} in the SASL exchange")
        if pos != end:
            raise RemoteProtocolError(DECODE_ERROR, f"{end - pos} bytes behind the {row.name}")
        if row.stage != self._stage:
            raise RemoteProtocolError(NOT_ALLOWED, f"{row.name} came where {self._stage} was expected")
        self._trace("<-", code, fields)
        getattr(self, row.handler)(*fields)

    # -- the client's side -------------------------------------------------------------------------------
    def wait_for_token(self) -> None:
        """A client: choose no mechanism before `bring_token`."""
        self._token_due = True

    def bring_token(self, token: str) -> None:
        """The token that the exchange waits for. RemoteProtocolError, as `receive` raises it, when the authentication
        has failed for want of a mechanism."""
        self.token, self._token_due = token, False
        if self._stage == _WANT_TOKEN:
            self.recv_mechanisms(self._offer)

    def recv_mechanisms(self, sasl_server_mechanisms: AnyValue) -> None:
        """The server's offer, one symbol or an array of them: choose, and begin."""
        if self._token_due:
            self._stage, self._offer = _WANT_TOKEN, sasl_server_mechanisms
            return
        names = sasl_server_mechanisms
        offered = [str(names)] if isinstance(names, str) else [str(name) for name in names]
        identity = self.identity(offered)
        try:
            row = choose(self.allowed, identity, self.allow_insecure_mechs)
            self.mech = row.name
            self._mechanism = mechanism = row.client(row.name, identity)
            response = mechanism.start()
        except MechanismError as error:
            self._fail(self.PERM, str(error))
        self._stage = _WANT_CHALLENGE
        fields: list[Any] = [symbol(row.name), response]
        if self.hostname:
            fields.append(self.hostname)
        self._send(SASL_INIT, fields)

    def recv_challenge(self, challenge: bytes) -> None:
        """The server asks for a response."""
        mechanism = self._mechanism
        assert isinstance(mechanism, ClientMechanism)
        self._count_round()
        try:
            response = mechanism.respond(challenge)
        except MechanismError as error:
            self._fail(self.AUTH, str(error))
        self._send(SASL_RESPONSE, [response])

    def recv_outcome(self, code: int, additional_data: Optional[bytes] = None) -> None:
        """The server has decided."""
        mechanism = self._mechanism
        assert isinstance(mechanism, ClientMechanism)
        if code not in _MEANING:
            raise RemoteProtocolError(DECODE_ERROR, f"a sasl-outcome with the code {code!r}")
        if code != self.OK:
            self._fail(code, self._refusal(code))
        try:
            mechanism.finish(additional_data)
        except MechanismError as error:
            self._fail(self.AUTH, str(error))
        self.outcome = self.OK
        self._stage = _FINISHED
        self._mechanism = None  # the connection may last for months, and it holds the credentials

    def _refusal(self, code: int) -> str:
        mechanism = self._mechanism
        assert isinstance(mechanism, ClientMechanism)
        text = _MEANING[code]
        if code == self.AUTH and mechanism.shows:
            text = f"the server refused user {self.user!r} or {mechanism.shows}"
        return f"{text} ({mechanism.hint})" if mechanism.hint else text

    # -- the server's side -------------------------------------------------------------------------------
    def recv_init(
        self, mechanism: str, initial_response: Optional[bytes] = None, hostname: Optional[str] = None
    ) -> None:
        """The client's choice, mostly with all that is needed to decide."""
        self.mech = str(mechanism)
        if self._decided is not None:
            self._conclude(self._decided, "the application called SASL.done()")
            return
        row = BY_NAME.get(mechanism) if mechanism in self._offered else None
        if row is None:  # [5.3.3.2] prescribes this outcome
            self._conclude(self.AUTH, f"the client chose a mechanism not offered: {listed([mechanism])}")
            return
        self._mechanism = row.server(row.name, self.policy(self._offered))
        self._step(initial_response)

    def recv_response(self, response: bytes) -> None:
        """The client's answer to a challenge."""
        self._count_round()
        self._step(response)

    def _step(self, response: Optional[bytes]) -> None:
        mechanism = self._mechanism
        assert isinstance(mechanism, ServerMechanism)
        try:
            step = mechanism.receive(response)
        except Exception:
            # The authenticator is the application's: its exceptions are its own to see, but the client must
            # not be left waiting.
            self._send_outcome(self.SYS)
            raise
        if isinstance(step, Challenge):
            self._stage = _WANT_RESPONSE
            self._send(SASL_CHALLENGE, [step.data])
        elif isinstance(step, Done):
            self.user, self.authorization = step.user, step.authorization
            self._conclude(self.OK, data=step.data)
        else:
            assert isinstance(step, Fail)
            self._conclude(self.AUTH, step.reason)

    def _conclude(self, outcome: int, reason: str = "", data: Optional[bytes] = None) -> None:
        """Send the outcome; a refusal also ends the transport, with the reason for the server's log."""
        self._send_outcome(outcome, data)
        if outcome != self.OK:
            self._fail(outcome, reason)

    def _send_outcome(self, outcome: int, data: Optional[bytes] = None) -> None:
        self._send(SASL_OUTCOME, [outcome] if data is None else [outcome, data])
        self.outcome = outcome
        self._stage = _FINISHED
        self._mechanism, self._offered = None, ()

    # -- shared ------------------------------------------------------------------------------------------
    def _count_round(self) -> None:
        self._rounds += 1
        most = self.limits.max_sasl_rounds
        if self._rounds > most:
            raise RemoteProtocolError(RESOURCE_LIMIT_EXCEEDED, f"more than {most} rounds in one SASL exchange")

    def _fail(self, outcome: int, reason: str) -> NoReturn:
        self.outcome = outcome
        self.reason = reason
        self._stage = _FINISHED
        raise self._refused()

    def _refused(self) -> RemoteProtocolError:
        mech = self.mech if self.mech in _KNOWN else "none"
        reason = self.reason or "the application called SASL.done()"
        return RemoteProtocolError(UNAUTHORIZED_ACCESS, f"Authentication failed [mech={mech}]: {reason}")

    def _send(self, code: int, fields: list[Any]) -> None:
        self._trace("->", code, fields)
        body = encode_composite(code, fields)
        self.output += _HEADER.pack(8 + len(body), 2, _SASL_FRAME, 0)
        self.output += body

    def _trace(self, direction: str, code: int, fields: list[Any]) -> None:
        if self.frame_tracer is None:
            return
        if code != SASL_MECHANISMS:
            name = fields[0] if code == SASL_INIT else self.mech
            if name not in OPEN_MECHANISMS:  # that of an unknown one might hold a secret
                fields = [_Hidden(len(field)) if isinstance(field, bytes) else field for field in fields]
        self.frame_tracer(direction, code, list(fields))


class _Hidden:
    """Stands in a trace where a secret was."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __repr__(self) -> str:
        return f"<{self.size} bytes hidden>"


_MEANING = {
    SASL.OK: "authenticated",
    SASL.AUTH: "the server refused the credentials",
    SASL.SYS: "the server had a system error",
    SASL.PERM: "the server has a system error that will not go away by itself",
    SASL.TEMP: "the server has a temporary system error; try again later",
}

_KNOWN = frozenset(row.name for row in MECHANISMS)
