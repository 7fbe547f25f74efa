"""The SASL mechanisms, client and server: who somebody is, said in bytes.

`sasl` enters, nobody else. A mechanism knows the identities it is given and the bytes of its own exchange;
it knows no frame, no transport and no clock. A further one is a class for each side and a row in MECHANISMS.

A mechanism of the client has three doors:

    start()             the initial response, or None when the server must speak first
    respond(challenge)  the answer to a challenge
    finish(data)        the server said yes; what came with it is checked, for mechanisms where the server,
                        too, proves who it is

and one of the server a single one, `receive(response)`, that returns a Challenge, Done or Fail. What goes
wrong on the client's side is a MechanismError, whose text is fit for a person and never holds a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, ClassVar, NamedTuple, Optional, Union

#: Asked by a server: (mechanism, user, password) -> is this the user's password?
Authenticator = Callable[[str, str, str], bool]
#: Asked by a server: (user, authorization) -> may this user act as that other one?
Authorizer = Callable[[str, str], bool]


class MechanismError(Exception):
    """The exchange cannot go on; the text says why and holds no secret."""


class Identity:
    """What a client has to show.

    user, password: for PLAIN; None when not given.
    authorization: on whose behalf to act; None or "" means the user's own.
    external: who the wire below already proved this client to be (its TLS certificate), else None.
    secure: nobody can listen on the wire: TLS, or it does not leave the machine.
    """

    __slots__ = ("authorization", "external", "password", "secure", "user")

    def __init__(
        self,
        user: Optional[str] = None,
        password: Optional[str] = None,
        authorization: Optional[str] = None,
        external: Optional[str] = None,
        secure: bool = False,
    ) -> None:
        self.user = user
        self.password = password
        self.authorization = authorization
        self.external = external
        self.secure = secure

    def __repr__(self) -> str:
        shown = "None" if self.password is None else "<hidden>"
        return f"Identity(user={self.user!r}, password={shown}, authorization={self.authorization!r})"


class Guard:
    """What a server asks before it lets somebody in.

    authenticator: decides about passwords; None refuses every password.
    authorizer: decides who may act as somebody else; None lets nobody.
    external: who the wire below proved the client to be, or None.
    """

    __slots__ = ("authenticator", "authorizer", "external")

    def __init__(
        self,
        authenticator: Optional[Authenticator] = None,
        authorizer: Optional[Authorizer] = None,
        external: Optional[str] = None,
    ) -> None:
        self.authenticator = authenticator
        self.authorizer = authorizer
        self.external = external

    def admit(self, user: str, authorization: str) -> Union[Done, Fail]:
        """Somebody proved to be `user`; may he also act as `authorization` ("" is himself)?"""
        if authorization in ("", user):
            return Done(user, user)
        # RFC 4616 leaves the rule to the server. Without a rule the answer has to be no: who could name any
        # other user for himself would not need a password for that one.
        if self.authorizer is not None and self.authorizer(user, authorization):
            return Done(user, authorization)
        return Fail(f"user {user!r} may not act as {authorization!r}")


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


class ClientMechanism:
    """What every mechanism of the client shares. The defaults are those of one that needs no challenge."""

    #: whether its responses hold something that a trace must not show
    secret: ClassVar[bool] = False

    def __init__(self, name: str, identity: Identity) -> None:
        self.name = name
        self.identity = identity

    @classmethod
    def lacks(cls, identity: Identity, named: bool) -> Optional[str]:
        """What `identity` misses for this mechanism, as the end of the sentence 'PLAIN needs ...', or None.

        named: the application asked for this mechanism by its name.
        """
        return None

    @classmethod
    def exposes(cls, identity: Identity) -> bool:
        """Whether using it on this wire would show a secret to whoever listens."""
        return False

    def start(self) -> Optional[bytes]:
        """The initial response."""
        raise NotImplementedError

    def respond(self, challenge: bytes) -> bytes:
        """The answer to `challenge`."""
        raise MechanismError(f"the server sent a challenge, which {self.name} does not have")

    def finish(self, data: Optional[bytes]) -> None:
        """The server said yes and sent `data` with it; raise MechanismError if it did not prove itself."""


class ServerMechanism:
    """What every mechanism of the server shares."""

    def __init__(self, name: str, guard: Guard) -> None:
        self.name = name
        self.guard = guard

    @classmethod
    def offered(cls, guard: Guard) -> bool:
        """Whether a server with this guard can let anybody in by this mechanism."""
        return True

    def receive(self, response: Optional[bytes]) -> Step:
        """The initial response (None when there was none) or the answer to the last challenge."""
        raise NotImplementedError


# -- ANONYMOUS, RFC 4505 ---------------------------------------------------------------------------------
class AnonymousClient(ClientMechanism):
    """Come as nobody; the user's name, if there is one, travels as trace information."""

    def start(self) -> bytes:
        return (self.identity.user or "anonymous").encode("utf-8")


class AnonymousServer(ServerMechanism):
    """Everybody is welcome, as "anonymous": what the client calls itself proves nothing and is ignored."""

    def receive(self, response: Optional[bytes]) -> Step:
        return Done("anonymous", "anonymous")


# -- PLAIN, RFC 4616 -------------------------------------------------------------------------------------
class PlainClient(ClientMechanism):
    """User and password as they are. Safe only where nobody listens."""

    secret = True

    @classmethod
    def lacks(cls, identity: Identity, named: bool) -> Optional[str]:
        if not identity.user:
            return "a user and a password"
        return "a password" if identity.password is None else None

    @classmethod
    def exposes(cls, identity: Identity) -> bool:
        return not identity.secure

    def start(self) -> bytes:
        identity = self.identity
        parts = (identity.authorization or "", identity.user or "", identity.password or "")
        if any("\0" in part for part in parts):
            raise MechanismError("PLAIN cannot carry a NUL character in a user's name or password")
        try:
            return "\0".join(parts).encode("utf-8")
        except UnicodeEncodeError:
            # From None: the original exception holds the whole string, password included.
            raise MechanismError("the user's name or the password is not text that UTF-8 can hold") from None


class PlainServer(ServerMechanism):
    """Takes the three strings apart and asks the authenticator."""

    @classmethod
    def offered(cls, guard: Guard) -> bool:
        return guard.authenticator is not None

    def receive(self, response: Optional[bytes]) -> Step:
        if response is None:
            return Challenge(b"")  # the client waited to be asked, which RFC 4422 section 3 allows
        try:
            authorization, user, password = response.decode("utf-8").split("\0")
        except ValueError:  # also UnicodeDecodeError; either would quote the password
            return Fail("the response is not what PLAIN prescribes")
        if not user:
            return Fail("the user's name is empty")
        authenticator = self.guard.authenticator
        if authenticator is None or not authenticator(self.name, user, password):
            return Fail(f"wrong user or password for {user!r}")
        return self.guard.admit(user, authorization)


# -- EXTERNAL, RFC 4422 appendix A -----------------------------------------------------------------------
class ExternalClient(ClientMechanism):
    """The wire below has proved who this is: nothing to add but on whose behalf."""

    @classmethod
    def lacks(cls, identity: Identity, named: bool) -> Optional[str]:
        # The server may know the client by what nobody told us of (an address, a tunnel): so by name, too.
        if identity.external is None and not named:
            return "a client certificate, or to be named in allowed_mechs"
        return None

    def start(self) -> bytes:
        return (self.identity.authorization or "").encode("utf-8")


class ExternalServer(ServerMechanism):
    """Believes the wire below."""

    @classmethod
    def offered(cls, guard: Guard) -> bool:
        return guard.external is not None

    def receive(self, response: Optional[bytes]) -> Step:
        if response is None:
            return Challenge(b"")
        external = self.guard.external
        if external is None:
            return Fail("the wire does not tell who the client is")
        try:
            authorization = response.decode("utf-8")
        except UnicodeDecodeError:
            return Fail("the response is not what EXTERNAL prescribes")
        return self.guard.admit(external, authorization)


class Mechanism(NamedTuple):
    """One row: the registered name and the class for each side."""

    name: str
    client: type[ClientMechanism]
    server: type[ServerMechanism]


#: Strongest first: a client takes the first that the server offers and that it can use itself.
MECHANISMS: Sequence[Mechanism] = (
    Mechanism("EXTERNAL", ExternalClient, ExternalServer),
    Mechanism("PLAIN", PlainClient, PlainServer),
    Mechanism("ANONYMOUS", AnonymousClient, AnonymousServer),
)
