"""OAUTHBEARER (RFC 7628) and XOAUTH2: an authorization server vouches for the user, by a token.

`mechanisms` enters. Here a token is only carried: the application knows its source and its owner. Its holder
is let in, so it travels only on a wire without eavesdroppers, and nothing shows it.

    client                                            server
    name, token                      ->
                                     <-   outcome; or why not, as JSON
    an empty answer                  ->               so that the exchange ends as every other
                                     <-   outcome
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Optional

from reactor.engine.sasl.exchange import (
    Challenge,
    ClientIdentity,
    ClientMechanism,
    Fail,
    MechanismError,
    ServerMechanism,
    ServerPolicy,
)
from reactor.lazily import Lazily, pattern
from reactor.shown import quoted, shown

if TYPE_CHECKING:
    import json

    from reactor.engine.sasl.exchange import Step
else:
    json = Lazily("json")

_TOKEN = pattern(r"[\x21-\x7e]+")
_BEARER = pattern(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([\x21-\x7e]+)")
_GS2 = pattern(r"(n|y|p=[A-Za-z0-9.-]+),(?:a=([^,\x01]*))?,")
_END = "\x01"


class OAuthClient(ClientMechanism):
    """The common part of the two: a token, and the server's answer when it refuses it."""

    secret: ClassVar[bool] = True
    shows: ClassVar[str] = "the token"
    #: the answer to the server's reasons
    sorry: ClassVar[bytes] = b""

    @classmethod
    def lacks(cls, name: str, identity: ClientIdentity) -> Optional[str]:
        if identity.token is None:
            return "a token"
        return None if _TOKEN.fullmatch(identity.token) else "a token of printable ASCII characters"

    @classmethod
    def exposes(cls, identity: ClientIdentity) -> str:
        return "" if identity.secure else "the token"

    def respond(self, challenge: bytes) -> bytes:
        if self.hint:
            raise MechanismError("the server goes on after the reason for its refusal")
        self.hint = _status(challenge, self.identity.token or "")
        return self.sorry

    def finish(self, data: Optional[bytes]) -> None:
        if self.hint:
            raise MechanismError(f"the server reports success after it has refused ({self.hint})")


class OAuthBearerClient(OAuthClient):
    """As the standard has it."""

    sorry = _END.encode()

    def start(self) -> bytes:
        identity = self.identity
        name = _account(identity).replace("=", "=3D").replace(",", "=2C")
        parts = [f"n,a={name}," if name else "n,,"]
        if identity.hostname:
            parts.append(f"host={identity.hostname}")
        if identity.port is not None:
            parts.append(f"port={identity.port}")
        parts += [f"auth=Bearer {identity.token}", _END]
        return _joined(parts)


class XOAuth2Client(OAuthClient):
    """As it was before the standard, and still is at the large providers of mail."""

    @classmethod
    def lacks(cls, name: str, identity: ClientIdentity) -> Optional[str]:
        return super().lacks(name, identity) or (None if _account(identity) else "a user")

    def start(self) -> bytes:
        return _joined([f"user={_account(self.identity)}", f"auth=Bearer {self.identity.token}", _END])


class OAuthServer(ServerMechanism):
    """The common part of the two: the owner of the token is asked for."""

    def __init__(self, name: str, policy: ServerPolicy) -> None:
        super().__init__(name, policy)
        self._refusal: Optional[Fail] = None

    @classmethod
    def offered(cls, name: str, policy: ServerPolicy) -> bool:
        return policy.token_owner is not None

    def receive(self, response: Optional[bytes]) -> Step:
        if self._refusal is not None:
            return self._refusal  # for any answer of the client
        if not response:
            return Challenge(b"")  # the client waited to be asked, which RFC 4422 section 3 allows
        try:
            authorization, token = self.read(response.decode("utf-8"))
        except ValueError:  # also UnicodeDecodeError; either would quote the token
            return self._refuse("invalid_request", f"the response does not have the form that {self.name} prescribes")
        token_owner = self.policy.token_owner
        owner = None if token_owner is None else token_owner(self.name, token)
        if not owner:
            return self._refuse("invalid_token", f"a token that is not valid, for {quoted(authorization)}")
        return self.policy.admit(owner, authorization)

    @abstractmethod
    def read(self, text: str) -> tuple[str, str]:
        """The name to act as ("" for none) and the token. Raises ValueError."""

    def _refuse(self, status: str, reason: str) -> Step:
        self._refusal = Fail(reason)
        return Challenge(json.dumps(self.explain(status)).encode("ascii"))

    def explain(self, status: str) -> dict[str, str]:
        """The refusal, as the client of the mechanism reads it."""
        return {"status": status}


class OAuthBearerServer(OAuthServer):
    """As the standard has it."""

    def read(self, text: str) -> tuple[str, str]:
        header, *pairs = text.split(_END)
        match = _GS2.fullmatch(header)
        # Nothing is bound to the channel here: a client that did so did not mean this mechanism.
        if match is None or match.group(1).startswith("p"):
            raise ValueError
        name = (match.group(2) or "").replace("=2C", ",").replace("=3D", "=")
        return name, _bearer(pairs)


class XOAuth2Server(OAuthServer):
    """As it was before the standard."""

    def read(self, text: str) -> tuple[str, str]:
        user, *pairs = text.split(_END)
        if not user.startswith("user=") or len(user) == 5:
            raise ValueError
        return user[5:], _bearer(pairs)

    def explain(self, status: str) -> dict[str, str]:
        return {"status": "401" if status == "invalid_token" else "400", "schemes": "bearer"}


def _account(identity: ClientIdentity) -> str:
    """The account that is asked for; the server knows the owner of the token from the token."""
    return identity.authorization or identity.user or ""


def _joined(parts: list[str]) -> bytes:
    """Parts of which only the last, the end, may have the character that separates them."""
    if any(_END in part for part in parts[:-1]):
        raise MechanismError("a user's name cannot have a control character here")
    try:
        return _END.join(parts).encode("utf-8")
    except UnicodeEncodeError:
        raise MechanismError("the user's name is not text that UTF-8 can hold") from None


def _bearer(pairs: list[str]) -> str:
    """The token among ``key=value`` pairs. Raises ValueError."""
    if pairs[-2:] != ["", ""]:
        raise ValueError
    found = [pair[5:] for pair in pairs if pair.startswith("auth=")]
    match = _BEARER.fullmatch(found[0]) if len(found) == 1 else None
    if match is None:
        raise ValueError
    return match.group(1)


def _status(challenge: bytes, token: str) -> str:
    """The reason in a server's JSON, as far as it is to be understood, without the token that it may quote."""
    try:
        told: Any = json.loads(challenge.decode("utf-8"))
    except (ValueError, RecursionError):
        told = None
    status = told.get("status") if isinstance(told, dict) else None
    if not isinstance(status, str) or not status:
        return "without a reason"
    return shown(status.replace(token, "(token not shown)") if token else status, 60)
