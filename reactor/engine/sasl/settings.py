"""The settings of a SASL exchange: the identity, the mechanisms that may be used, and the checks.

The application enters and the container for it, by the attributes of `transport.sasl()`, which are these; and
`layer`, which hands them on to a mechanism. Nothing happens here.
"""

from __future__ import annotations

from reactor import engine
from reactor.engine.limits import USUAL
from reactor.engine.sasl.exchange import MAX_ITERATIONS, MIN_ITERATIONS, NO_BINDINGS, ClientIdentity, ServerPolicy
from reactor.engine.sasl.mechanisms import TOKEN_MECHANISMS
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Callable, Optional, Union

    from reactor.engine.sasl.credentials import Credentials, Decoy
    from reactor.engine.sasl.exchange import Authenticator, Authorizer, Nonce, TokenOwner

    #: Called with "->" (sent) or "<-" (received), the code of the frame and its fields, secrets hidden.
    FrameTracer = Callable[[str, int, list[Any]], None]

#: The specification allows 512 bytes [5.3.1]; tokens of real identity providers are longer than that.
MAX_SASL_FRAME_SIZE = 65536


class SASLSettings:
    """The settings of SASL.

    The application (or the container for it) sets these before the exchange begins:

    user, password  the client's. Afterwards `user` on the server is the one that was authenticated.
    token           the client's, for OAUTHBEARER and XOAUTH2. Where only these are allowed, and no token is set,
                    the password is taken for it.
    authorization   on the client: the user to act as, None for `user`. Afterwards, on the server: the user
                    that the client acts as (`user`, unless `authorizer` allowed another name).
    allow_insecure_mechs
                    let the client send a password over a wire that may have eavesdroppers; default False.
    min_iterations, max_iterations
                    of SCRAM: how much work a server may ask of the client; default 4,096 and 1,000,000. The
                    work is done at once, and holds up everything else in the loop: a million iterations take
                    half a second with SHA-256, more than one with SHA-512.
    authenticator   on the server: called with (mechanism, user, password), returns whether that is right. It
                    lets PLAIN be offered. None, the default, leaves PLAIN to `credentials`.
    credentials     on the server: called with (mechanism, user), returns the user's password, or better a
                    ScramSecret, or None for a user that there is not. (Of a password the secret is made anew at
                    each log-in, which takes milliseconds.) It lets SCRAM and PLAIN be offered; where they are
                    named, CRAM-MD5 and DIGEST-MD5, too, which need the password. None, the default, knows no user.
                    Where secrets for one kind of SCRAM are stored, allow that one only.
    token_owner     on the server: called with (mechanism, token), returns the name of the user that owns it,
                    or None for one that is not valid. None, the default, refuses every token.
    authorizer      on the server: called with (user, authorization), returns whether that user may act as
                    that other one. None, the default: no user may act as another.
    decoy           on the server: the answers for users that do not exist, so that a client does not find out which
                    do. One for all connections of a server; None, the default, makes one for this.
    limits          bounds the peer's frames together, and the number of challenges.
    max_frame_size  bytes; a larger SASL frame ends the exchange. Default 65,536.
    frame_tracer    called for each frame, with secrets already hidden; default None.

    The owner of the wire sets these:

    secure          no eavesdropper can read this wire: TLS, or loopback.
    external        the client's identity as the wire proves it (a certificate), for EXTERNAL; default None.
    channel_bindings
                    the bytes that tie the exchange to the TLS below, by the registered name ("tls-exporter",
                    "tls-unique" up to TLS 1.2, "tls-server-end-point"). Empty by default: no -PLUS.
    hostname, port  the server as the client looked for it; or as it calls itself, which is then the realm of
                    DIGEST-MD5. The client sends the name along when set.
    nonce           called for some 18 random bytes, others each time. None, the default, leaves out the mechanisms
                    that need them: SCRAM, CRAM-MD5 on a server, DIGEST-MD5.
    """

    # Each connection has one, for all of its life, and a dict of so many names takes 1,200 bytes.
    __slots__ = (
        "_insecure",
        "allowed",
        "authenticator",
        "authorization",
        "authorizer",
        "channel_bindings",
        "credentials",
        "decoy",
        "external",
        "frame_tracer",
        "hostname",
        "limits",
        "max_frame_size",
        "max_iterations",
        "min_iterations",
        "nonce",
        "password",
        "port",
        "secure",
        "token",
        "token_owner",
        "user",
    )

    def __init__(self) -> None:
        self.user: Optional[str] = None
        self.password: Optional[str] = None
        self.token: Optional[str] = None
        self.authorization: Optional[str] = None
        self._insecure = False
        self.min_iterations = MIN_ITERATIONS
        self.max_iterations = MAX_ITERATIONS
        self.authenticator: Optional[Authenticator] = None
        self.credentials: Optional[Credentials] = None
        self.token_owner: Optional[TokenOwner] = None
        self.authorizer: Optional[Authorizer] = None
        self.decoy: Optional[Decoy] = None
        self.limits = USUAL
        self.max_frame_size = MAX_SASL_FRAME_SIZE
        self.frame_tracer: Optional[FrameTracer] = None

        self.secure = False
        self.external: Optional[str] = None
        self.channel_bindings: Mapping[str, bytes] = NO_BINDINGS
        self.hostname: Optional[str] = None
        self.port: Optional[int] = None
        self.nonce: Optional[Nonce] = None

        self.allowed: Optional[list[str]] = None  #: the names of `allowed_mechs`

    @property
    def allow_insecure_mechs(self) -> bool:
        """See the class. TypeError for a value that is no bool: a text such as "no" would be true."""
        return self._insecure

    @allow_insecure_mechs.setter
    def allow_insecure_mechs(self, allow: bool) -> None:
        if not isinstance(allow, bool):
            raise TypeError("allow_insecure_mechs is True or False, not %r" % (allow,))
        self._insecure = allow

    def allowed_mechs(self, mechs: Union[str, Sequence[str]]) -> None:
        """Use, or offer, only these: names with spaces between, or a list. Unknown names do no harm."""
        names = mechs.split() if isinstance(mechs, str) else list(mechs)
        self.allowed = [str(name).upper() for name in names]

    def allows(self, name: str) -> bool:
        """Whether the mechanism of that name may be used, or offered."""
        return self.allowed is None or name in self.allowed

    @property
    def asks(self) -> bool:
        """Whether a server asks for a password or a token."""
        return not (self.authenticator is None and self.credentials is None and self.token_owner is None)

    @property
    def demanded(self) -> bool:
        """Whether a client that leaves SASL out is refused, where no setting decides it: the one place for this rule.

        It is as soon as a server asks for anything: a password, a token, or mechanisms of which ANONYMOUS is none.
        Only where nothing but a certificate is asked for, one that TLS has verified does without SASL.
        """
        if self.allowed is None:
            return self.asks
        if "ANONYMOUS" in self.allowed:
            return False
        return self.asks or self.external is None or "EXTERNAL" not in self.allowed

    def identity(self, offered: Sequence[str]) -> ClientIdentity:
        """The credentials of a client, for a server that offers these mechanisms."""
        token = self.token
        if token is None and self.allowed and TOKEN_MECHANISMS.issuperset(self.allowed):
            token = self.password  # the way of programs written for the original
        return ClientIdentity(
            user=self.user,
            password=self.password,
            token=token,
            authorization=self.authorization,
            external=self.external,
            secure=self.secure,
            hostname=self.hostname,
            port=self.port,
            bindings=self.channel_bindings,
            nonce=self.nonce,
            min_iterations=self.min_iterations,
            max_iterations=self.max_iterations,
            named=self.allowed is not None,
            offered=offered,
        )

    def policy(self, offered: Sequence[str]) -> ServerPolicy:
        """The demands of a server that offers these mechanisms."""
        if self.decoy is None:
            self.decoy = engine.Decoy(b"" if self.nonce is None or self.credentials is None else self.nonce())
        return ServerPolicy(
            authenticator=self.authenticator,
            credentials=self.credentials,
            token_owner=self.token_owner,
            authorizer=self.authorizer,
            external=self.external,
            hostname=self.hostname,
            bindings=self.channel_bindings,
            nonce=self.nonce,
            decoy=self.decoy,
            named=self.allowed is not None,
            offered=offered,
        )
