"""SSLDomain: the settings of TLS: the authorities that this side trusts, its own certificate, the demands on the peer.

Applications make domains and hand them to a container, an acceptor or a transport; TLS (layer.py) asks them
for a context. Files are read when they are named, so that a wrong one is an error of the call that named it. A
domain knows no transport, and goes with any number of them.
"""

from __future__ import annotations

from reactor.engine import tls
from reactor.errors import SSLException
from reactor.lazily import TYPE_CHECKING, Lazily
from reactor.shown import shown

if TYPE_CHECKING:
    import pathlib
    import ssl
    from typing import Optional
else:
    pathlib = Lazily("pathlib")
    ssl = Lazily("ssl")

#: Sessions that a domain keeps for being resumed.
MAX_SESSIONS = 64

_SYSTEM, _OTHERS = "the system's authorities", "others"
# ssl.VERIFY_X509_PARTIAL_CHAIN, which Python has a name for from 3.10 on.
_PARTIAL_CHAIN = 0x80000
# SSL_OP_NO_RENEGOTIATION, since OpenSSL 1.1.1.
_NO_RENEGOTIATION = 0x40000000

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class SSLDomain:
    """The TLS settings of any number of connections.

    mode: MODE_CLIENT or MODE_SERVER. SSLException for anything else.

    A client verifies by default that the server's certificate is signed by an authority that this system trusts,
    and made out for the name that it was asked for. A server asks clients for no certificate, and has to be given
    one of its own. TLS is of version 1.2 or later. A setting holds for TLS that begins later.

    The setters return 0, and raise SSLException, which names the file and its fault.
    """

    MODE_CLIENT, MODE_SERVER = 1, 2
    VERIFY_PEER, ANONYMOUS_PEER, VERIFY_PEER_NAME = 1, 2, 3

    def __init__(self, mode: int) -> None:
        if mode not in (self.MODE_CLIENT, self.MODE_SERVER):
            raise SSLException("the mode is SSLDomain.MODE_CLIENT or SSLDomain.MODE_SERVER, not %r" % (mode,))
        self._mode = mode
        self._verify_mode = self.VERIFY_PEER_NAME if mode == self.MODE_CLIENT else self.ANONYMOUS_PEER
        self.takes_unsecured = False
        self.certificate: Optional[tls.Certificate] = None  #: this side's own
        self._credentials: Optional[tuple[str, Optional[str], Optional[str]]] = None
        self._made: Optional[ssl.SSLContext] = None
        self._trusts: Optional[str] = None  # the authorities of the context: _OTHERS, _SYSTEM, or none yet
        self._sessions: dict[tuple[str, str], ssl.SSLSession] = {}

    def set_credentials(
        self, cert_file: str, key_file: Optional[str] = None, password: Optional[str] = None
    ) -> int:
        """Show this certificate to peers.

        cert_file: a PEM file with the certificate, and those of the authorities between it and the root.
        key_file: a PEM file with its private key; None: it is in `cert_file`, too.
        password: the one that unlocks the key; None: it is not locked.
        """
        certificate = _read_certificate(cert_file)
        _load_credentials(self._bare_context(), cert_file, key_file, password)  # a refused file changes nothing
        _load_credentials(self._context, cert_file, key_file, password)
        self.certificate = certificate
        self._credentials = (cert_file, key_file, password)
        self._sessions.clear()
        return 0

    def set_trusted_ca_db(self, certificate_db: str) -> int:
        """Trust the authorities of this PEM file, or of this directory as OpenSSL's `rehash` makes it; and those
        of earlier calls, but no longer those of the system."""
        _load_trusted(self._bare_context(), certificate_db)
        if self._trusts == _SYSTEM:
            # It has been used, and no context forgets its authorities.
            self._made = None
            if self._credentials is not None:
                _load_credentials(self._context, *self._credentials)
        _load_trusted(self._context, certificate_db)
        self._trusts = _OTHERS
        self._sessions.clear()
        return 0

    def set_peer_authentication(self, verify_mode: int, trusted_CAs: Optional[str] = None) -> int:
        """How to look at the peer's certificate.

        verify_mode: VERIFY_PEER_NAME: signed by an authority that is trusted, and for the name of the peer; the
            default of clients. A server takes it for VERIFY_PEER: signed by an authority that is trusted.
            ANONYMOUS_PEER: any certificate, or none; the default of servers. A client with this mode is open to an
            adversary between it and the server.
        trusted_CAs: a file with the authorities that the original's server names to its clients. It has to be
            there, and is not used: clients are asked for any certificate. The authorities are set by
            `set_trusted_ca_db`.

        SSLException on a server without credentials that is to verify.
        """
        if verify_mode not in (self.VERIFY_PEER, self.ANONYMOUS_PEER, self.VERIFY_PEER_NAME):
            raise SSLException(
                "the mode is SSLDomain.VERIFY_PEER, VERIFY_PEER_NAME or ANONYMOUS_PEER, not %r" % (verify_mode,)
            )
        if verify_mode != self.ANONYMOUS_PEER and self.mode == self.MODE_SERVER and self._credentials is None:
            raise SSLException("a server that verifies its clients needs a certificate itself: set_credentials() first")
        if trusted_CAs is not None:
            _load_trusted(self._bare_context(), trusted_CAs)
        self._verify_mode = verify_mode
        self._apply_mode(self._context)
        self._sessions.clear()
        return 0

    def allow_unsecured_client(self) -> int:
        """Let clients in that do not begin with TLS: their first bytes show it. SSLException on a client's domain."""
        if self.mode != self.MODE_SERVER:
            raise SSLException("only a server can take clients without TLS")
        self.takes_unsecured = True
        return 0

    @property
    def mode(self) -> int:
        """MODE_CLIENT or MODE_SERVER."""
        return self._mode

    @property
    def verify_mode(self) -> int:
        """The mode of `set_peer_authentication`, or the default."""
        return self._verify_mode

    # -- for TLS -----------------------------------------------------------------------------------------

    @property
    def verifies(self) -> bool:
        """Whether a peer that gets through has shown a certificate that is trusted."""
        return self.verify_mode != self.ANONYMOUS_PEER

    @property
    def context(self) -> ssl.SSLContext:
        """The settings as `ssl` has them, for those that this class does not know, such as ciphers."""
        context = self._context
        if self.verifies and self._trusts is None:
            server = self.mode == self.MODE_SERVER
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH if server else ssl.Purpose.SERVER_AUTH)
            self._trusts = _SYSTEM
        return context

    def session(self, session_id: str, host: str) -> Optional[ssl.SSLSession]:
        """The session to resume with that host under that id."""
        return self._sessions.get((session_id, host))

    def keep_session(self, session_id: str, host: str, session: ssl.SSLSession) -> None:
        """Remember a session for the next connection with that id to that host, and to no other: a client that resumes
        does not look at the certificate again."""
        self._sessions.pop((session_id, host), None)
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[session_id, host] = session

    @property
    def _context(self) -> ssl.SSLContext:
        """The context that the setters change; made when it is needed, as most containers have no TLS."""
        if self._made is None:
            context = self._bare_context()
            self._apply_mode(context)
            self._made = context
        return self._made

    def _bare_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if self.mode == self.MODE_CLIENT else ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A renegotiation is needless work at the peer's wish; very old versions of OpenSSL cannot leave it out. The ssl
        # of PyPy has no name for it.
        known = ssl.OPENSSL_VERSION_INFO >= (1, 1, 1)
        context.options |= getattr(ssl, "OP_NO_RENEGOTIATION", _NO_RENEGOTIATION if known else 0)
        return context

    def _apply_mode(self, context: ssl.SSLContext) -> None:
        named = self.mode == self.MODE_CLIENT and self.verify_mode == self.VERIFY_PEER_NAME
        if not named:
            context.check_hostname = False  # first, as a name cannot be checked without the certificate
        context.verify_mode = ssl.CERT_REQUIRED if self.verifies else ssl.CERT_NONE
        # Trust in an intermediate authority alone is meant: the chain may end there.
        context.verify_flags |= _PARTIAL_CHAIN
        if named:
            context.check_hostname = True

    def __repr__(self) -> str:
        mode = "client" if self.mode == self.MODE_CLIENT else "server"
        verifies = {1: "verifies peers", 2: "verifies nobody", 3: "verifies peers and their names"}
        whose = "" if self.certificate is None else ", as %s" % shown(self.certificate.subject or "nobody")
        return "<SSLDomain of a %s, %s%s>" % (mode, verifies[self.verify_mode], whose)


class SSLSessionDetails:
    """The name under which the TLS session of a client is kept, to be resumed by a later connection.

    session_id: any text. Connections that give the same one, the same SSLDomain and the same host share it.
    """

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id

    def get_session_id(self) -> str:
        """The name."""
        return self._session_id

    def __repr__(self) -> str:
        return "SSLSessionDetails(%r)" % self._session_id


# -- files -----------------------------------------------------------------------------------------------


def _read_certificate(path: str) -> tls.Certificate:
    """The first certificate of a PEM file."""
    try:
        text = pathlib.Path(path).read_bytes().decode("latin-1")
    except (OSError, ValueError) as error:  # ValueError: such as a NUL in the name
        raise SSLException("the certificate %s cannot be read: %s" % (path, _why(error, path))) from None
    start, stop = text.find(_BEGIN), text.find(_END)
    try:
        if not 0 <= start < stop:
            raise ValueError
        return tls.Certificate(ssl.PEM_cert_to_DER_cert(text[start : stop + len(_END)]))
    except ValueError:
        raise SSLException("%s holds no certificate in PEM form (%s)" % (path, _BEGIN)) from None


def _load_credentials(
    context: ssl.SSLContext, cert_file: str, key_file: Optional[str], password: Optional[str]
) -> None:
    asked = []

    def tell() -> str:
        asked.append(True)
        return password or ""  # without an answer of ours OpenSSL would ask at the terminal

    key = key_file or cert_file
    try:
        context.load_cert_chain(cert_file, key_file, tell)
    except ssl.SSLError as error:
        # From None, all of them: nothing here may quote the password.
        if error.reason == "KEY_VALUES_MISMATCH":
            text = "the key in %s does not belong to the certificate in %s" % (key, cert_file)
        elif asked:
            how = "none was given" if password is None else "the one that was given does not open it"
            text = "the key in %s is locked with a password, and %s" % (key, how)
        elif error.reason:
            text = "the certificate %s with the key %s: %s" % (cert_file, key, error.reason.replace("_", " ").lower())
        else:
            text = "%s holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)" % key
        raise SSLException(text) from None
    except (OSError, ValueError) as error:
        raise SSLException("the key %s cannot be read: %s" % (key, _why(error, key))) from None


def _load_trusted(context: ssl.SSLContext, path: str) -> None:
    place = pathlib.Path(path)
    try:
        if place.is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise SSLException("%s holds no certificate in PEM form (%s)" % (path, _BEGIN)) from None
    except (OSError, ValueError) as error:
        raise SSLException("the authorities %s cannot be read: %s" % (path, _why(error, path))) from None


def _why(error: Exception, path: str) -> str:
    """The system's reason. The errors of PyPy's ssl have none: there the file is opened once more to get it."""
    if isinstance(error, OSError) and not error.strerror:
        try:
            pathlib.Path(path).open("rb").close()
        except (OSError, ValueError) as again:
            error = again
    return getattr(error, "strerror", None) or str(error)
