"""The SASL mechanisms in one table, strongest first; the choice among them; and those that fit on a page.

`layer` and `settings` enter. A mechanism knows the identities it is given and the bytes of its own exchange;
it knows no frame, no transport and no clock. The common part of all is in `exchange`. A further one is a class
for each side and a row in MECHANISMS.
"""

from __future__ import annotations

from reactor.engine import sasl
from reactor.engine.sasl.exchange import (
    Challenge,
    ClientIdentity,
    ClientMechanism,
    Done,
    Fail,
    MechanismError,
    ServerMechanism,
    ServerPolicy,
)
from reactor.engine.sasl.saslprep import saslprep
from reactor.lazily import TYPE_CHECKING
from reactor.shown import quoted, shown


# -- ANONYMOUS, RFC 4505 ---------------------------------------------------------------------------------
class AnonymousClient(ClientMechanism):
    """No identity; the user's name, if there is one, travels as trace information."""

    @classmethod
    def lacks(cls, name: str, identity: ClientIdentity) -> Optional[str]:
        # A client with a password means to be that user, and would not learn that it is anonymous.
        if identity.named or (identity.password is None and identity.token is None):
            return None
        return "to be named in allowed_mechs where a password or a token was given: it proves no identity"

    def start(self) -> bytes:
        return (self.identity.user or "anonymous").encode("utf-8")


class AnonymousServer(ServerMechanism):
    """Every client is admitted, as "anonymous": the name that it sends proves nothing and is ignored."""

    @classmethod
    def offered(cls, name: str, policy: ServerPolicy) -> bool:
        return policy.named or not policy.asks  # a server that asks admits others only if it is named

    def receive(self, response: Optional[bytes]) -> Step:
        return Done("anonymous", "anonymous")


# -- PLAIN, RFC 4616 -------------------------------------------------------------------------------------
class PlainClient(ClientMechanism):
    """User and password as they are. Safe only on a wire without eavesdroppers."""

    secret: ClassVar[bool] = True
    shows: ClassVar[str] = "the password"

    @classmethod
    def lacks(cls, name: str, identity: ClientIdentity) -> Optional[str]:
        if not identity.user:
            return "a user and a password"
        return "a password" if identity.password is None else None

    @classmethod
    def exposes(cls, identity: ClientIdentity) -> str:
        return "" if identity.secure else "the password"

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
    def offered(cls, name: str, policy: ServerPolicy) -> bool:
        return policy.authenticator is not None or policy.credentials is not None

    def receive(self, response: Optional[bytes]) -> Step:
        if response is None:
            return Challenge(b"")  # the client waited to be asked, which RFC 4422 section 3 allows
        try:
            authorization, user, password = response.decode("utf-8").split("\0")
        except ValueError:  # also UnicodeDecodeError; either would quote the password
            return Fail("the response does not have the form that PLAIN prescribes")
        given = user
        if self.policy.authenticator is None:
            user = _prepared(user)  # as in SCRAM: stored names have this form
        if not user:
            return Fail("the user's name is empty")
        if not self._is_right(user, password):
            return Fail(f"wrong user or password for {quoted(user)}")
        return self.policy.admit(user, "" if authorization == given else authorization)

    def _is_right(self, user: str, password: str) -> bool:
        policy = self.policy
        if policy.authenticator is not None:
            return policy.authenticator(self.name, user, password)
        return policy.credentials is not None and policy.decoy.check(policy.credentials(self.name, user), password)


def _prepared(user: str) -> str:
    """A name as it is looked for [RFC 4616 section 2]; one that RFC 4013 prohibits is taken as it is."""
    try:
        return saslprep(user, stored=False)
    except ValueError:
        return user


# -- EXTERNAL, RFC 4422 appendix A -----------------------------------------------------------------------
class ExternalClient(ClientMechanism):
    """The wire below has proved the identity: only the authorization is sent."""

    @classmethod
    def lacks(cls, name: str, identity: ClientIdentity) -> Optional[str]:
        # The server may know the client by means unknown here (an address, a tunnel): so by name, too.
        if identity.external is None and not identity.named:
            return "a client certificate, or to be named in allowed_mechs"
        return None

    def start(self) -> bytes:
        return (self.identity.authorization or "").encode("utf-8")


class ExternalServer(ServerMechanism):
    """Believes the wire below."""

    @classmethod
    def offered(cls, name: str, policy: ServerPolicy) -> bool:
        return policy.external is not None

    def receive(self, response: Optional[bytes]) -> Step:
        if response is None:
            return Challenge(b"")
        external = self.policy.external
        if external is None:
            return Fail("the wire does not prove the client's identity")
        try:
            authorization = response.decode("utf-8")
        except UnicodeDecodeError:
            return Fail("the response does not have the form that EXTERNAL prescribes")
        return self.policy.admit(external, authorization)


# -- all of them -----------------------------------------------------------------------------------------
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Callable, ClassVar, Optional

    from reactor.engine.sasl.exchange import Step

    Sides = tuple[type[ClientMechanism], type[ServerMechanism]]


class Mechanism:
    """One row: the registered name, and a function that returns the class for each side. It is called when the
    mechanism is looked at: most programs need none of those that are not in this room."""

    __slots__ = ("name", "sides")

    def __init__(self, name: str, sides: Callable[[], Sides]) -> None:
        self.name = name
        self.sides = sides

    @property
    def client(self) -> type[ClientMechanism]:
        """The class for the client's side."""
        return self.sides()[0]

    @property
    def server(self) -> type[ServerMechanism]:
        """The class for the server's side."""
        return self.sides()[1]


def _scram() -> Sides:
    return sasl.ScramClient, sasl.ScramServer


#: Strongest first: a client takes the first that the server offers and that it can use itself. A password that
#: is proved goes before a token that is shown, and that before a password that is shown. A mechanism bound to TLS
#: goes first, for any hash: RFC 5802 section 6 wants it taken where both sides have it.
MECHANISMS: Sequence[Mechanism] = (
    Mechanism("EXTERNAL", lambda: (ExternalClient, ExternalServer)),
    Mechanism("SCRAM-SHA-512-PLUS", _scram),
    Mechanism("SCRAM-SHA-256-PLUS", _scram),
    Mechanism("SCRAM-SHA-1-PLUS", _scram),
    Mechanism("SCRAM-SHA-512", _scram),
    Mechanism("SCRAM-SHA-256", _scram),
    Mechanism("SCRAM-SHA-1", _scram),
    Mechanism("OAUTHBEARER", lambda: (sasl.OAuthBearerClient, sasl.OAuthBearerServer)),
    Mechanism("XOAUTH2", lambda: (sasl.XOAuth2Client, sasl.XOAuth2Server)),
    Mechanism("DIGEST-MD5", lambda: (sasl.DigestMd5Client, sasl.DigestMd5Server)),
    Mechanism("CRAM-MD5", lambda: (sasl.CramMd5Client, sasl.CramMd5Server)),
    Mechanism("PLAIN", lambda: (PlainClient, PlainServer)),
    Mechanism("ANONYMOUS", lambda: (AnonymousClient, AnonymousServer)),
)

BY_NAME = {row.name: row for row in MECHANISMS}

#: Those that carry a token and no password.
TOKEN_MECHANISMS = frozenset(("OAUTHBEARER", "XOAUTH2"))
#: Those that show nothing that others must not see.
OPEN_MECHANISMS = frozenset(("EXTERNAL", "ANONYMOUS"))


def choose(allowed: Optional[Sequence[str]], identity: ClientIdentity, insecure: bool) -> Mechanism:
    """The strongest mechanism that the server offers and this client can use.

    allowed: the names that may be used, None for all. insecure: secrets may be shown to eavesdroppers.
    Raises MechanismError, which names the missing parts, when there is none.
    """
    missing: dict[str, list[str]] = {}
    offered = frozenset(identity.offered).intersection(BY_NAME)
    for row in [BY_NAME[one] for one in offered] if len(offered) < 2 else MECHANISMS:
        if row.name not in offered:
            continue
        if allowed is not None and row.name not in allowed:
            missing.setdefault("", []).append(row.name)
            continue
        lacks = row.client.lacks(row.name, identity)
        if lacks:
            missing.setdefault(lacks, []).append(row.name)
            continue
        exposed = row.client.exposes(identity)
        if exposed and not insecure:
            # No weaker one is tried: a client with a password would come in as another user, and not learn it.
            raise MechanismError(
                f"{row.name} would show {exposed} to eavesdroppers on the network: use amqps://, or "
                "allow_insecure_mechs=True where every machine on the way is trusted"
            )
        return row
    usable = [
        row.name
        for row in MECHANISMS
        if (row.client.lacks(row.name, identity) is None if allowed is None else row.name in allowed)
    ]
    text = f"the server offers {listed(identity.offered)}, this client would use {' '.join(usable) or 'nothing'}"
    for lacks, names in missing.items():
        verb = ("is", "needs") if len(names) == 1 else ("are", "need")
        what = f"{verb[1]} {lacks}" if lacks else f"{verb[0]} not among the allowed ones"
        text += f"; {' '.join(names)} {what}"
    raise MechanismError(f"no mechanism in common: {text}")


def listed(names: Sequence[str]) -> str:
    """Names from a peer, ready for one line of text: few, short and printable."""
    return " ".join(shown(str(name), 40) for name in names[:12]) + (" ..." if len(names) > 12 else "")
