"""TLSLayer: TLS between the wire and one transport, over memory buffers.

The transport enters: bytes from the wire go in and come out in the clear, its own bytes are sealed for
the wire. Here live the handshake, the look at the first bytes, and the end. It knows the settings
(domain.py), and no frame, socket or clock; all cryptography is Python's `ssl`.

    sniffing       a server has heard nothing yet; a client has nothing to wait for
    shaking hands  nothing but TLS itself goes over the wire
    established    everything goes through it, in both directions
    ended          the peer has said that nothing follows, or `trouble` has
"""

from __future__ import annotations

from reactor.engine import tls
from reactor.engine.headers import is_unclear
from reactor.lazily import TYPE_CHECKING, Lazily, enter

if TYPE_CHECKING:
    import ssl
    from typing import Optional

    from reactor.engine.tls.domain import SSLDomain, SSLSessionDetails
    from reactor.errors import RemoteProtocolError
else:
    ssl = Lazily("ssl")

#: Bytes of a peer before its handshake must have come to an end: chains of certificates are long.
MAX_HANDSHAKE = 262144

_RECORD = 16384  # no record holds more [RFC 8446, 5.1]
_FIRST = (b"\x16", b"\x15")  # the kinds of records that TLS can begin with: handshake, alert

# "fatal: protocol version", as a record of its own: OpenSSL sends nothing to a client that does not speak TLS,
# other servers send this.
_NOT_WITHOUT_TLS = b"\x15\x03\x01\x00\x02\x02\x46"


class TLSLayer:
    """TLS on one wire.

    peer_hostname: the name by which the peer was looked for: a client asks for it (SNI), and verifies it. "" for
        none. To be set before anything is said.
    established: the handshake is done.
    absent: the peer does without, and may: there is nothing to unseal, and never will be.
    ended: the peer has said that nothing more will follow.
    details: under which name a client's session is kept, or None.
    trouble: why it cannot go on, to be answered after the bytes before it; or None.
    tls_object: Python's `ssl.SSLObject`, from the first bytes of the handshake on. remote_certificate: the peer's, from
        the end of it on.
    """

    def __init__(self, domain: SSLDomain, server: bool, details: Optional[SSLSessionDetails] = None) -> None:
        enter("reactor.engine.tls")
        self.domain = domain
        self.server = server
        self.established = False
        self.absent = False
        self.ended = False
        self.trouble: Optional[RemoteProtocolError] = None
        self._host = ""
        self.details = details
        self.tls_object: Optional[ssl.SSLObject] = None
        self.remote_certificate: Optional[tls.Certificate] = None
        self._own: Optional[tls.Certificate] = None
        self._verified = False
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._opening = b""  # the first bytes, while it is open whether this is TLS
        self._heard = 0  # bytes, until the handshake is done
        self._finished = False  # our output: the end is said, or nothing more can be
        self._kept = False

    @property
    def peer_hostname(self) -> str:
        """See the class."""
        return self._host

    @peer_hostname.setter
    def peer_hostname(self, name: Optional[str]) -> None:
        self._host = name or ""

    # -- input -------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the wire; returns their content, which may be empty. See `trouble` and `ended`."""
        if self.trouble is not None or self.ended:
            return b""
        if not self._heard:
            data = self._opening + data
            if not self._look_at(data):
                return data if self.absent else b""
        if self.tls_object is None:
            self._begin()
        self._incoming.write(data)
        if not self.established:
            self._heard += len(data)
            self._shake_hands()
        return self._unseal() if self.established and self.trouble is None else b""

    def _look_at(self, data: bytes) -> bool:
        """Whether these first bytes are TLS; if not, their kind."""
        if data[:1] in _FIRST:
            self._opening = b""
            return True
        if self.server and self.domain.takes_unsecured:
            self.absent = True
        elif is_unclear(data):
            self._opening = data
        else:
            self._turn_away(data)
        return False

    def _turn_away(self, opening: bytes) -> None:
        self._opening = b""
        if self.server:
            self._outgoing.write(_NOT_WITHOUT_TLS)
        self._give_up(tls.explain_opening(opening, self.server))

    def _unseal(self) -> bytes:
        """Everything that is complete."""
        assert self.tls_object is not None
        incoming, read, left = self._incoming, self.tls_object.read, self.tls_object.pending
        pieces = []
        try:
            while incoming.pending or left():
                piece = read(_RECORD)
                if not piece:
                    self.ended = True  # the peer's close_notify
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True  # the same, after ours
        except ssl.SSLError as error:
            self._fail(error)
        if pieces and not self._kept:
            self._keep_session()  # by now the ticket to resume has come, with TLS 1.3 too
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def hung_up(self) -> str:
        """The wire has ended. Returns why that is an error of TLS, or "" when it is none.

        Without a close_notify a third party might have cut it; but AMQP itself marks when it is
        complete, and its close frame cannot be forged.
        """
        self._keep_session()
        if self.established or self.absent:
            return ""
        if self._opening:
            return tls.explain_opening(self._opening, self.server).description
        return tls.explain_hangup(self._heard > 0, self.server)

    # -- output ------------------------------------------------------------------------------------------

    def seal(self, plain: bytearray, output: bytearray, last: bool) -> None:
        """Move bytes from `plain` to `output`, sealed; before the handshake is done they have to wait.

        last: nothing will follow. The peer hears that, unless TLS itself has failed.
        """
        if self.tls_object is None and not self.server and self.trouble is None:
            self._begin()
            self._shake_hands()
        if self._finished:
            plain.clear()
        elif self.established:
            if plain:
                self._write(plain)
            if last:
                self._say_goodbye()
        if self._outgoing.pending:
            output += self._outgoing.read()

    def _write(self, plain: bytearray) -> None:
        assert self.tls_object is not None
        try:
            while plain:
                written = self.tls_object.write(plain)
                del plain[:written]
        except ssl.SSLError as error:
            self._fail(error)
            plain.clear()

    def _say_goodbye(self) -> None:
        """Our close_notify. The peer may go on: its bytes are still read."""
        assert self.tls_object is not None
        self._keep_session()
        self._finished = True
        try:
            self.tls_object.unwrap()
        except ssl.SSLError:
            pass  # mostly that the peer's is not there yet; any other error comes too late to be of use

    def break_off(self) -> None:
        """Output that was sealed is not going to be sent: nothing after it can be, either."""
        self._finished = True
        self._outgoing.read()

    @property
    def has_to_say(self) -> bool:
        """Whether TLS itself has something to send: `seal` takes it along."""
        return self._outgoing.pending > 0

    # -- the handshake -----------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Now it is known that there will be TLS, and with which peer."""
        domain, host = self.domain, self._host or None
        self._own, self._verified = domain.certificate, domain.verifies
        try:
            if host is None and domain.context.check_hostname:
                raise ValueError("the server's name is to be verified, and is not known: set ssl.peer_hostname")
            wrap = domain.context.wrap_bio
            if self.server:
                self.tls_object = wrap(self._incoming, self._outgoing, server_side=True)
            else:
                session = None if self.details is None else domain.session(self.details.get_session_id(), self._host)
                self.tls_object = wrap(self._incoming, self._outgoing, server_hostname=host, session=session)
        except (ValueError, TypeError) as error:  # the name is none, such as ".example" or one with a NUL in it
            self._fail(error)
        except ssl.SSLError as error:
            self._fail(error)

    def _shake_hands(self) -> None:
        if self.tls_object is None or self.trouble is not None:
            return
        try:
            self.tls_object.do_handshake()
        except ssl.SSLWantReadError:
            if self._heard > MAX_HANDSHAKE:
                self._give_up(tls.failed("the handshake did not end within %d bytes" % MAX_HANDSHAKE))
            return
        except (ssl.SSLError, ValueError) as error:
            self._fail(error)
            return
        self.established = True
        der = self.tls_object.getpeercert(True)
        if der:
            try:
                self.remote_certificate = tls.Certificate(der)
            except ValueError:
                self._give_up(tls.failed("the peer's certificate cannot be read"))

    def _fail(self, error: Exception) -> None:
        self._give_up(tls.explain(error, self.server, self._host))

    def _give_up(self, trouble: RemoteProtocolError) -> None:
        if self.trouble is None:
            self.trouble = trouble
        self._finished = True  # but for an alert, which is in the buffer already

    # -- the agreement -----------------------------------------------------------------------------------

    def _keep_session(self) -> None:
        if self.details is None or self.server or self.tls_object is None or not self.established:
            return
        session = self.tls_object.session
        if session is not None:
            self._kept = True
            self.domain.keep_session(self.details.get_session_id(), self._host, session)

    @property
    def identity(self) -> Optional[str]:
        """The client's identity, as the wire proves it: on a server, the subject of the client's verified certificate;
        on a client, that of its own, for which the server may have asked. None without a certificate."""
        certificate = self.remote_certificate if self.server else self._own
        if certificate is None or (self.server and not self._verified):
            return None
        return certificate.subject or (None if self.server else "a certificate without a subject")

    @property
    def channel_bindings(self) -> dict[str, bytes]:
        """The channel bindings of this TLS, by registered name: with one, an exchange on top proves that it runs
        here."""
        assert self.tls_object is not None
        bindings = {}
        if self.tls_object.version() == "TLSv1.2":  # later ones have none that is unique [RFC 9266]
            unique = self.tls_object.get_channel_binding("tls-unique")
            if unique:
                bindings["tls-unique"] = unique
        certificate = self._own if self.server else self.remote_certificate
        end_point = certificate and certificate.end_point
        if end_point:
            bindings["tls-server-end-point"] = end_point
        return bindings
