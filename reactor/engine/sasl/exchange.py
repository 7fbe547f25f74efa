"""One SASL exchange: what a mechanism is given, and what its two sides answer with.

The rooms of the mechanisms enter, and `sasl`, which runs them. Nothing is known here of any single mechanism,
of frames, of transports and of clocks. What goes wrong on the client's side is a MechanismError, whose text is
fit for a person and never holds a secret; on the server's side it is a Fail, whose reason is for the server's
own log.

A mechanism of the client has three doors:

    start()             the initial response, or None when the server must speak first
    respond(challenge)  the answer to a challenge
    finish(data)        the server said yes; what came with it is checked, for mechanisms where the server,
                        too, proves who it is

and one of the server a single one, `receive(response)`, that returns a Challenge, Done or Fail.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Callable, ClassVar, NamedTuple, Optional, Union

from reactor.engine.sasl.credentials import Credentials, Decoy
from reactor.shown import quoted

#: Asked by a server: (mechanism, user, password) -> is this the user's password?
Authenticator = Callable[[str, str, str], bool]
#: Asked by a server: (user, authorization) -> may this user act as that other one?
Authorizer = Callable[[str, str], bool]
#: Asked by a server: (mechanism, token) -> the name of the user whose token this is; None when it is no good.
TokenOwner = Callable[[str, str], Optional[str]]
#: Gives NONCE_SIZE random bytes, others each time. The engine has no randomness of its own.
Nonce = Callable[[], bytes]
#: Bytes: 144 bits, and 24 characters in base64 without a rest.
NONCE_SIZE = 18

#: Below this an eavesdropper guesses passwords too cheaply: RFC 5802 section 5.1, RFC 7677 section 4.
MIN_ITERATIONS = 4096
#: A server chooses how much work its client does, at once and before it has proved anything. A million
#: iterations are half a second with SHA-256 and more than one with SHA-512; nobody asks for more.
MAX_ITERATIONS = 1_000_000


NO_BINDINGS: Mapping[str, bytes] = {}  # nothing to tie the exchange to: no TLS


class MechanismError(Exception):
    """The exchange cannot go on; the text says why and holds no secret."""


class ClientIdentity(NamedTuple):
    """What a client has to show, and what it knows of the wire.

    user, password: None when not given. token: for OAUTHBEARER and XOAUTH2.
    authorization: on whose behalf to act; None or "" means the user's own.
    external: who the wire below already proved this client to be (its TLS certificate), else None.
    secure: nobody can listen on the wire: TLS, or it does not leave the machine.
    hostname, port: the server as the client looked for it; None when not known.
    bindings: what ties the exchange to the TLS below, by the registered name of its kind.
    nonce: the source of random bytes; None rules out the mechanisms that need it.
    min_iterations, max_iterations: how much work a server may ask for, in iterations of PBKDF2.
    named: the application said which mechanisms it wants. offered: what the server has.
    """

    user: Optional[str] = None
    password: Optional[str] = None
    token: Optional[str] = None
    authorization: Optional[str] = None
    external: Optional[str] = None
    secure: bool = False
    hostname: Optional[str] = None
    port: Optional[int] = None
    bindings: Mapping[str, bytes] = NO_BINDINGS
    nonce: Optional[Nonce] = None
    min_iterations: int = MIN_ITERATIONS
    max_iterations: int = MAX_ITERATIONS
    named: bool = False
    offered: Sequence[str] = ()

    def __repr__(self) -> str:
        """Without what is nobody else's business."""
        return "<ClientIdentity of %s>" % (self.user or self.external or "anonymous")


class ServerPolicy:
    """What a server asks before it lets somebody in.

    authenticator: decides about passwords in clear; None leaves that to `credentials`.
    credentials: gives the password of a user, or what SCRAM needs in its place; None knows nobody.
    token_owner: decides about tokens; None refuses every token.
    authorizer: decides who may act as somebody else; None lets nobody.
    external: who the wire below proved the client to be, or None.
    hostname: what this server calls itself, or None.
    bindings, nonce: as for the client. decoy: how users that do not exist are answered.
    named: the application said which mechanisms it wants. offered: what was offered to the client.
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
        self.decoy = Decoy() if decoy is None else decoy
        self.named = named
        self.offered = offered

    @property
    def asks(self) -> bool:
        """Whether it asks for a password or a token: nobody who asks means to let everybody in without."""
        return not (self.authenticator is None and self.credentials is None and self.token_owner is None)

    def admit(self, user: str, authorization: str) -> Union[Done, Fail]:
        """Somebody proved to be `user`; may he also act as `authorization` ("" is himself)?"""
        if authorization in ("", user):
            return Done(user, user)
        # RFC 4616 leaves the rule to the server. Without a rule the answer has to be no: who could name any
        # other user for himself would not need a password for that one.
        if self.authorizer is not None and self.authorizer(user, authorization):
            return Done(user, authorization)
        return Fail(f"user {quoted(user)} may not act as {quoted(authorization)}")


class Challenge(NamedTuple):
    """The server wants to hear more."""

    data: bytes


class Done(NamedTuple):
    """The server is satisfied: who was authenticated, and as whom he acts.

    data goes to the client with the outcome, for mechanisms where the server proves itself.
    """

    user: str
    authorization: str
    data: Optional[bytes] = None


class Fail(NamedTuple):
    """The server refuses. The reason is for the server's own log: the client hears only that it failed."""

    reason: str


Step = Union[Challenge, Done, Fail]


class ClientMechanism(ABC):
    """What every mechanism of the client shares. The defaults are those of one that needs no challenge."""

    #: whether its responses hold something that a trace must not show
    secret: ClassVar[bool] = False
    #: what is to blame when the server says no, as the end of "the server refused user 'ann' or ..."
    shows: ClassVar[str] = ""

    def __init__(self, name: str, identity: ClientIdentity) -> None:
        self.name = name
        self.identity = identity
        #: what else may explain a refusal, such as what the server said about it before
        self.hint = ""

    @classmethod
    def lacks(cls, name: str, identity: ClientIdentity) -> Optional[str]:
        """What `identity` misses for the mechanism `name`, as the end of the sentence 'PLAIN needs ...'; or
        None."""
        return None

    @classmethod
    def exposes(cls, identity: ClientIdentity) -> str:
        """What using it on this wire would show to whoever listens ("the password"); "" for nothing."""
        return ""

    @abstractmethod
    def start(self) -> Optional[bytes]:
        """The initial response."""

    def respond(self, challenge: bytes) -> bytes:
        """The answer to `challenge`."""
        raise MechanismError(f"the server sent a challenge, which {self.name} does not have")

    def finish(self, data: Optional[bytes]) -> None:  # most mechanisms have nothing to check here
        """The server said yes and sent `data` with it; raise MechanismError if it did not prove itself."""
        return None  # most have nothing to prove


class ServerMechanism(ABC):
    """What every mechanism of the server shares."""

    def __init__(self, name: str, policy: ServerPolicy) -> None:
        self.name = name
        self.policy = policy

    @classmethod
    def offered(cls, name: str, policy: ServerPolicy) -> bool:
        """Whether a server with this policy can let anybody in by the mechanism `name`."""
        return True

    @abstractmethod
    def receive(self, response: Optional[bytes]) -> Step:
        """The initial response (None when there was none) or the answer to the last challenge."""
