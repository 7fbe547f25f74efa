"""CRAM-MD5 (RFC 2195) and DIGEST-MD5 (RFC 2831): for old brokers, and only when they are named.

Both are historic (RFC 6331): they rest on MD5, and the server has to keep every password in clear. CRAM-MD5 does
not prove the server to the client. Where either side may choose, SCRAM is there.

`mechanisms` enters. Of DIGEST-MD5 there is the first authentication with quality of protection "auth": no layer
of its own encryption, which broke long ago, and no subsequent authentication.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Optional

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
from reactor.shown import quoted

if TYPE_CHECKING:
    import base64
    import hashlib
    import hmac

    from reactor.engine.sasl.exchange import Step
else:
    hashlib = Lazily("hashlib")
    hmac = Lazily("hmac")
    base64 = Lazily("base64")

# Checked in this order: tokens, and strings in which a backslash quotes the next character [RFC 2831, 7.1].
_DIRECTIVE = pattern(
    r"""[,\s]* ([A-Za-z-]+) \s*=\s* (?: "((?:[^"\\]|\\.)*)" | ([^\s,"]+) ) \s* (?=,|$)""", re.VERBOSE | re.DOTALL
)
_TRAILER = pattern(r"[,\s]*")
_QUOTED_PAIR = pattern(r"\\(.)", re.DOTALL)
#: Bytes of a challenge or a response [RFC 2831, 2.1.1 and 2.1.2].
MAX_MESSAGE = 4096
#: The directives that may come once only.
_SINGLE = frozenset(
    """algorithm charset maxbuf nonce cnonce nc qop response digest-uri username authzid rspauth stale""".split()
)


class _Malformed(Exception):
    """A message breaks the form that the RFC prescribes; the text names the fault."""


def md5_is_there() -> bool:
    """Some systems forbid it by policy (FIPS 140)."""
    try:
        hmac.new(b"", b"", "md5")
        hashlib.md5(b"")
    except ValueError:
        return False
    return True


class _OldClient(ClientMechanism):
    """The common part of the two on the client's side."""

    secret: ClassVar[bool] = True  # an answer and its challenge are enough to try passwords on
    shows: ClassVar[str] = "the password"

    @classmethod
    def lacks(cls, name: str, identity: ClientIdentity) -> Optional[str]:
        if not identity.named:
            return "to be named in allowed_mechs, for it is outdated"
        if not md5_is_there():
            return "MD5, which this system forbids"
        if not identity.user:
            return "a user and a password"
        return "a password" if identity.password is None else None


class _OldServer(ServerMechanism):
    """The common part of the two on the server's side."""

    @classmethod
    def offered(cls, name: str, policy: ServerPolicy) -> bool:
        return policy.named and policy.credentials is not None and policy.nonce is not None and md5_is_there()

    def _password(self, user: str) -> Optional[str]:
        credentials = self.policy.credentials
        found = None if credentials is None else credentials(self.name, user)
        return found if isinstance(found, str) else None  # a ScramSecret is of no use here

    def _fresh(self) -> str:
        assert self.policy.nonce is not None
        return base64.b64encode(self.policy.nonce()).decode("ascii")


# -- CRAM-MD5, RFC 2195 ----------------------------------------------------------------------------------
class CramMd5Client(_OldClient):
    """The server's challenge, hashed with the password."""

    @classmethod
    def lacks(cls, name: str, identity: ClientIdentity) -> Optional[str]:
        lacks = super().lacks(name, identity)
        if lacks is None and identity.authorization not in (None, "", identity.user):
            return "an authorization that is empty or the user's own"  # it has no place for another name
        return lacks

    def __init__(self, name: str, identity: ClientIdentity) -> None:
        super().__init__(name, identity)
        self._answered = False

    def start(self) -> None:
        return None

    def respond(self, challenge: bytes) -> bytes:
        if self._answered:
            raise MechanismError("the server goes on after the end of the exchange")
        self._answered = True
        user, password = _encoded(self.identity.user), _encoded(self.identity.password)
        return user + b" " + hmac.new(password, challenge, "md5").hexdigest().encode("ascii")

    def finish(self, data: Optional[bytes]) -> None:
        if not self._answered:
            raise MechanismError("the server reports success before it has sent a challenge")


class CramMd5Server(_OldServer):
    """Sends a challenge that is never sent again."""

    def __init__(self, name: str, policy: ServerPolicy) -> None:
        super().__init__(name, policy)
        self._challenge: Optional[bytes] = None

    def receive(self, response: Optional[bytes]) -> Step:
        if self._challenge is None:
            if response:
                return Fail("the client spoke first, which CRAM-MD5 does not allow")
            text = f"<{self._fresh()}@{self.policy.hostname or 'localhost'}>"
            self._challenge = text.encode("utf-8", "replace")
            return Challenge(self._challenge)
        name, _, digest = (response or b"").rpartition(b" ")
        try:
            user = name.decode("utf-8")
        except UnicodeDecodeError:
            user = ""
        if not user:
            return Fail("the response does not have the form that CRAM-MD5 prescribes")
        password = self._password(user)
        right = hmac.new(_encoded(password or ""), self._challenge, "md5").hexdigest().encode("ascii")
        if not hmac.compare_digest(digest.lower(), right) or password is None:
            return Fail(f"wrong user or password for {quoted(user)}")
        return self.policy.admit(user, "")


# -- DIGEST-MD5, RFC 2831 --------------------------------------------------------------------------------
class _Account(NamedTuple):
    """All that the two hashes are made of."""

    user: str
    realm: str
    password: str
    authorization: str
    nonce: str
    cnonce: str
    uri: str
    utf8: bool

    def digest(self, method: str) -> str:
        """The client's response ("AUTHENTICATE") or the server's ("") [RFC 2831, 2.1.2.1]."""
        names = (self.user, self.realm, self.password)
        secret = _md5(b":".join(_oldest(name, self.utf8) for name in names))
        a1 = [secret, self.nonce.encode("utf-8"), self.cnonce.encode("utf-8")]
        if self.authorization:
            a1.append(self.authorization.encode("utf-8"))
        parts = [_md5(b":".join(a1)).hex(), self.nonce, "00000001", self.cnonce, "auth"]
        parts.append(_md5(f"{method}:{self.uri}".encode()).hex())
        return _md5(":".join(parts).encode("utf-8")).hex()


class DigestMd5Client(_OldClient):
    """Name, realm, password and both nonces, hashed; the server answers with the same in its own words."""

    service: ClassVar[str] = "amqp"

    def __init__(self, name: str, identity: ClientIdentity) -> None:
        super().__init__(name, identity)
        self._account: Optional[_Account] = None
        self._verified = False

    @classmethod
    def lacks(cls, name: str, identity: ClientIdentity) -> Optional[str]:
        return super().lacks(name, identity) or ("a source of random bytes" if identity.nonce is None else None)

    def start(self) -> None:
        return None

    def respond(self, challenge: bytes) -> bytes:
        if self._verified:
            raise MechanismError("the server goes on after the end of the exchange")
        try:
            if self._account is None:
                return self._answer(_directives(challenge))
            self._verify(challenge)
        except _Malformed as error:
            raise MechanismError(f"the server's DIGEST-MD5 message is not understood: {error}") from None
        return b""

    def _answer(self, told: dict[str, list[str]]) -> bytes:
        identity = self.identity
        if told.get("algorithm") != ["md5-sess"] or "nonce" not in told:
            raise _Malformed("it has no nonce, or another algorithm than md5-sess")
        qualities = ",".join(told.get("qop", ["auth"])).replace(" ", "").split(",")
        if "auth" not in qualities:
            raise MechanismError("the server wants a security layer of DIGEST-MD5, which is broken: use TLS")
        assert identity.nonce is not None
        realm = told["realm"][0] if "realm" in told else ""
        utf8 = told.get("charset") == ["utf-8"]
        host = identity.hostname or realm or "localhost"
        self._account = account = _Account(
            identity.user or "",
            realm,
            identity.password or "",
            identity.authorization or "",
            told["nonce"][0],
            base64.b64encode(identity.nonce()).decode("ascii"),
            f"{self.service}/{host}",
            utf8,
        )
        try:
            said = [f'username="{_quote(account.user)}"']
            if "realm" in told:
                said.append(f'realm="{_quote(realm)}"')
            said += [f'nonce="{_quote(account.nonce)}"', f'cnonce="{account.cnonce}"', "nc=00000001", "qop=auth"]
            said += [f'digest-uri="{_quote(account.uri)}"', f"response={account.digest('AUTHENTICATE')}"]
            if utf8:
                said.insert(0, "charset=utf-8")
            if account.authorization:
                said.append(f'authzid="{_quote(account.authorization)}"')
            return ",".join(said).encode("utf-8" if utf8 else "latin-1")
        except UnicodeEncodeError:  # which would quote the password
            raise MechanismError("the user's name or the password has characters that the server cannot read") from None

    def _verify(self, message: bytes) -> None:
        assert self._account is not None
        told = _directives(message).get("rspauth", [""])[0]
        if not hmac.compare_digest(told.encode("utf-8"), self._account.digest("").encode("ascii")):
            raise MechanismError("the server's answer is wrong: it does not know the password")
        self._verified = True

    def finish(self, data: Optional[bytes]) -> None:
        if data and self._account is not None and not self._verified:
            try:
                self._verify(data)
            except _Malformed as error:
                raise MechanismError(f"the server's DIGEST-MD5 message is not understood: {error}") from None
        if not self._verified:
            raise MechanismError("the server reports success without a proof that it knows the password")


class DigestMd5Server(_OldServer):
    """Its realm is the server's host name; the client may as well name none."""

    def __init__(self, name: str, policy: ServerPolicy) -> None:
        super().__init__(name, policy)
        self._realm = policy.hostname or "localhost"
        self._nonce = ""
        self._admitted: Optional[Step] = None

    def receive(self, response: Optional[bytes]) -> Step:
        if not self._nonce:
            # A client that comes back may speak first; it is asked as if it had not [RFC 2831, 2.2.2].
            self._nonce = self._fresh()
            realm = _quote(self._realm)
            text = f'realm="{realm}",nonce="{self._nonce}",qop="auth",charset=utf-8,algorithm=md5-sess'
            return Challenge(text.encode("utf-8", "replace"))
        if self._admitted is not None:
            return self._admitted
        try:
            return self._check(_directives(response or b""))
        except (_Malformed, UnicodeEncodeError) as error:
            reason = error if isinstance(error, _Malformed) else "its characters are not those of its charset"
            return Fail(f"the client's DIGEST-MD5 message is not understood: {reason}")

    def _check(self, said: dict[str, list[str]]) -> Step:
        missing = {"username", "nonce", "cnonce", "nc", "digest-uri", "response"} - said.keys()
        if missing:
            raise _Malformed(f"{min(missing)} is missing")
        user, realm = said["username"][0], said.get("realm", [""])[0]
        authorization = said.get("authzid", [""])[0]
        if said["nonce"] != [self._nonce] or said["nc"] != ["00000001"]:
            return Fail("the client's nonce is not that of this exchange")
        if realm not in ("", self._realm) or said.get("qop", ["auth"]) != ["auth"]:
            return Fail("the client asks for a realm or a layer that was not offered")
        password = self._password(user)
        account = _Account(
            user,
            realm,
            password or "",
            authorization,
            self._nonce,
            said["cnonce"][0],
            said["digest-uri"][0],
            said.get("charset") == ["utf-8"],
        )
        right = account.digest("AUTHENTICATE").encode("ascii")
        if not hmac.compare_digest(said["response"][0].encode("utf-8"), right) or password is None:
            return Fail(f"wrong user or password for {quoted(user)}")
        self._admitted = self.policy.admit(user, authorization)
        return Challenge(f"rspauth={account.digest('')}".encode("ascii"))


def _directives(data: bytes) -> dict[str, list[str]]:
    """``key=token, key="text"`` taken apart: all values of each key, in order."""
    if len(data) > MAX_MESSAGE:
        raise _Malformed("it is too long")
    encoding = "utf-8" if b"charset=utf-8" in data else "latin-1"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise _Malformed("it is not UTF-8") from None
    found: dict[str, list[str]] = {}
    pos = 0
    while pos < len(text):
        match = _DIRECTIVE.match(text, pos)
        if match is None:
            if _TRAILER.fullmatch(text, pos):
                break
            raise _Malformed(f"it has no directive at position {pos}")
        key, quoted, token = match.groups()
        value = token if quoted is None else _QUOTED_PAIR.sub(r"\1", quoted)
        values = found.setdefault(key.lower(), [])
        if values and key.lower() in _SINGLE:
            raise _Malformed(f"{key.lower()} comes twice")
        values.append(value)
        pos = match.end()
    return found


def _quote(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _oldest(text: str, utf8: bool) -> bytes:
    """ISO 8859-1 wherever it can hold the text: hashes from before UTF-8 stay valid."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        if not utf8:
            raise
        return text.encode("utf-8")


def _encoded(text: Optional[str]) -> bytes:
    try:
        return (text or "").encode("utf-8")
    except UnicodeEncodeError:
        raise MechanismError("the user's name or the password is not text that UTF-8 can hold") from None


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data).digest()
