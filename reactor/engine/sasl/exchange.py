"""One SASL exchange: the input of a mechanism, and the answers of its two sides.

The rooms of the mechanisms enter, and `layer`, which runs them. Nothing is known here of any single mechanism,
of frames, of transports and of clocks. A failure on the client's side is a MechanismError; its text is
fit for a person and never holds a secret. On the server's side it is a Fail; its reason is for the server's
own log.

A mechanism of the client has three doors:

    start()             the initial response, or None when the server must speak first
    respond(challenge)  the answer to a challenge
    finish(data)        the server reports success; its additional data is checked, for mechanisms where the server,
                        too, proves its identity

and one of the server a single one, `receive(response)`, that returns a Challenge, Done or Fail.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from reactor import engine
from reactor.lazily import TYPE_CHECKING
from reactor.shown import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Callable, ClassVar, Optional, Union

    from reactor.engine.sasl.credentials import Credentials, Decoy

    #: Asked by a server: (mechanism, user, password) -> is this the user's password?
    Authenticator = Callable[[str, str, str], bool]
    #: Asked by a server: (user, authorization) -> may this user act as that other one?
    Authorizer = Callable[[str, str], bool]
    #: Asked by a server: (mechanism, token) -> the name of the user that owns the token; None: it is not valid.
    TokenOwner = Callable[[str, str], Optional[str]]
    #: Gives NONCE_SIZE random bytes, others each time. The engine has no randomness of its own.
    Nonce = Callable[[], bytes]

#: Bytes: 144 bits, and 24 characters in base64 without a rest.
NONCE_SIZE = 18

#: Below this an eavesdropper guesses passwords too cheaply: RFC 5802 section 5.1, RFC 7677 section 4.
MIN_ITERATIONS = 4096
#: A server chooses how much work its client does, at once and before it has proved anything. A million
#: iterations are half a second with SHA-256 and more than one with SHA-512; no known server asks for more.
MAX_ITERATIONS = 1_000_000


NO_BINDINGS: Mapping[str, bytes] = {}  # nothing to tie the exchange to: no TLS


class MechanismError(Exception):
    """The exchange cannot go on; the text gives the reason and holds no secret."""


class ClientIdentity:
    """The credentials of a client, and the properties of its wire.

    user, password: None when not given. token: for OAUTHBEARER and XOAUTH2.
    authorization: on whose behalf to act; None or "" means the user's own.
    external: this client's identity as the wire below proved it (its TLS certificate), else None.
    secure: no eavesdropper can read the wire: TLS, or it does not leave the machine.
    hostname, port: the server as the client looked for it; None when not known.
    bindings: channel bindings: the bytes that tie the exchange to the TLS below, by the registered name of their kind.
    nonce: the source of random bytes; None rules out the mechanisms that need it.
    min_iterations, max_iterations: how much work a server may ask for, in iterations of PBKDF2.
    named: the application named the mechanisms that it wants. offered: the mechanisms of the server.
    """

    __slots__ = (
        "user",
        "password",
        "token",
        "authorization",
        "external",
        "secure",
        "hostname",
        "port",
        "bindings",
        "nonce",
        "min_iterations",
        "max_iterations",
        "named",
        "offered",
    )

    def __init__(
        self,
        user: Optional[str] = None,
        password: Optional[str] = None,
        token: Optional[str] = None,
        authorization: Optional[str] = None,
        external: Optional[str] = None,
        secure: bool = False,
        hostname: Optional[str] = None,
        port: Optional[int] = None,
        bindings: Mapping[str, bytes] = NO_BINDINGS,
        nonce: Optional[Nonce] = None,
        min_iterations: int = MIN_ITERATIONS,
        max_iterations: int = MAX_ITERATIONS,
        named: bool = False,
        offered: Sequence[str] = (),
    ) -> None:
        self.user = user
        self.password = password
        self.token = token
        self.authorization = authorization
        self.external = external
        self.secure = secure
        self.hostname = hostname
        self.port = port
        self.bindings = bindings
        self.nonce = nonce
        self.min_iterations = min_iterations
        self.max_iterations = max_iterations
        self.named = named
        self.offered = offered

    def __repr__(self) -> str:
        """Without password and token: a repr lands in logs."""
        return "<ClientIdentity of %s>" % (self.user or self.external or "anonymous")


class ServerPolicy:
    """The demands of a server on a client, and the means to check them.

    authenticator: decides about passwords in clear; None leaves that to `credentials`.
    credentials: gives the password of a user, or its ScramSecret; None knows no user.
    token_owner: decides about tokens; None refuses every token.
    authorizer: decides which user may act as another; None: no user may.
    external: the client's identity as the wire below proved it, or None.
    hostname: this server's own name, or None.
    bindings, nonce: as for the client. decoy: how users that do not exist are answered.
    named: the application named the mechanisms that it wants. offered: those that the client was offered.
    """

    def __init__(
        self,
        authenticator: Optional[Authenticator] = None,
        credentials: Optional[Credentials] = None,
        token_owner: Optional[TokenOwner] = None,
        authorizer: Optional[Authorizer] = None,
        external: Optional[str] = None,
        hostname: Optional[str] = None,
        bindings: Mapping[str, bytes] = NO_BINDINGS,
        nonce: Optional[Nonce] = None,
        decoy: Optional[Decoy] = None,
        named: bool = False,
        offered: Sequence[str] = (),
    ) -> None:
        self.authenticator = authenticator
        self.credentials = credentials
        self.token_owner = token_owner
        self.authorizer = authorizer
        self.external = external
        self.hostname = hostname
        self.bindings = bindings
        self.nonce = nonce
        self.decoy = engine.Decoy() if decoy is None else decoy
        self.named = named
        self.offered = offered

    @property
    def asks(self) -> bool:
        """Whether it asks for a password or a token: a server that does cannot mean to let clients in without."""
        return not (self.authenticator is None and self.credentials is None and self.token_owner is None)

    def admit(self, user: str, authorization: str) -> Union[Done, Fail]:
        """The client proved to be `user`; may it also act as `authorization` ("": the same user)?"""
        if authorization in ("", user):
            return Done(user, user)
        # RFC 4616 leaves the rule to the server. Without a rule the answer has to be no: a client that
        # could act as any user would need the password of one alone.
        if self.authorizer is not None and self.authorizer(user, authorization):
            return Done(user, authorization)
        return Fail(f"user {quoted(user)} may not act as {quoted(authorization)}")


class _Answer:
    """The base of a server's answers, which are equal when their parts are."""

    __slots__: tuple[str, ...] = ()

    def _parts(self) -> list[object]:
        return [getattr(self, name) for name in self.__slots__]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self._parts() == other._parts()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "%s(%s)" % (type(self).__name__, ", ".join(map(repr, self._parts())))


class Challenge(_Answer):
    """The server asks for a response."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class Done(_Answer):
    """The server is satisfied: the user that was authenticated, and the one that the client acts as.

    data goes to the client with the outcome, for mechanisms where the server proves itself.
    """

    __slots__ = ("user", "authorization", "data")

    def __init__(self, user: str, authorization: str, data: Optional[bytes] = None) -> None:
        self.user = user
        self.authorization = authorization
        self.data = data


class Fail(_Answer):
    """The server refuses. The reason is for the server's own log: the client hears only that it failed."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


if TYPE_CHECKING:
    Step = Union[Challenge, Done, Fail]


class ClientMechanism(ABC):
    """The common part of the client's mechanisms. The defaults are those of one that needs no challenge."""

    #: whether its responses hold a secret, which a trace must not show
    secret: ClassVar[bool] = False
    #: the credential to blame when the server refuses, as the end of "the server refused user 'ann' or ..."
    shows: ClassVar[str] = ""

    def __init__(self, name: str, identity: ClientIdentity) -> None:
        self.name = name
        self.identity = identity
        #: a further explanation of a refusal, such as the server's own reason
        self.hint = ""

    @classmethod
    def lacks(cls, name: str, identity: ClientIdentity) -> Optional[str]:
        """The part of `identity` that the mechanism `name` misses, as the end of the sentence 'PLAIN needs ...'; or
        None."""
        return None

    @classmethod
    def exposes(cls, identity: ClientIdentity) -> str:
        """The secret that it would show to an eavesdropper on this wire ("the password"); "" for none."""
        return ""

    @abstractmethod
    def start(self) -> Optional[bytes]:
        """The initial response."""

    def respond(self, challenge: bytes) -> bytes:
        """The answer to `challenge`."""
        raise MechanismError(f"the server sent a challenge, which {self.name} does not have")

    def finish(self, data: Optional[bytes]) -> None:  # most mechanisms have nothing to check here
        """The server reports success, with `data`; raise MechanismError if it did not prove itself."""
        return None  # most have nothing to prove


class ServerMechanism(ABC):
    """The common part of the server's mechanisms."""

    def __init__(self, name: str, policy: ServerPolicy) -> None:
        self.name = name
        self.policy = policy

    @classmethod
    def offered(cls, name: str, policy: ServerPolicy) -> bool:
        """Whether a server with this policy can let a client in by the mechanism `name`."""
        return True

    @abstractmethod
    def receive(self, response: Optional[bytes]) -> Step:
        """The initial response (None when there was none) or the answer to the last challenge."""
