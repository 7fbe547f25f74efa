"""SCRAM (RFC 5802, RFC 7677): a password is proved on both sides, and shown on neither.

    client                                            server
    gs2 header, name, nonce          ->
                                     <-   both nonces, salt, iterations
    channel binding, nonces, proof   ->
                                     <-   signature

An eavesdropper gets nothing to log in with, and can only guess. The server proves that it knows the password,
too: an outcome without its signature is refused. Where TLS is below, the -PLUS variants tie the exchange to it, so
that no adversary stands between. The gs2 header names the channel binding that the client supports, and is signed:
so an adversary that removes the -PLUS mechanisms from the server's offer is detected.

`mechanisms` enters. The bytes of the channel binding and the random ones come from ClientIdentity and ServerPolicy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple, Optional, Union

from reactor.engine.sasl.credentials import HASHES, ScramSecret, salted_password
from reactor.engine.sasl.exchange import (
    Challenge,
    ClientIdentity,
    ClientMechanism,
    Fail,
    MechanismError,
    ServerMechanism,
    ServerPolicy,
)
from reactor.engine.sasl.saslprep import saslprep
from reactor.lazily import Lazily, pattern
from reactor.shown import quoted, shown

if TYPE_CHECKING:
    import base64
    import hashlib
    import hmac

    from reactor.engine.sasl.exchange import Nonce, Step
else:
    hashlib = Lazily("hashlib")
    hmac = Lazily("hmac")
    base64 = Lazily("base64")

#: Kinds of channel binding, the best first: RFC 9266 (TLS 1.3), RFC 5929 (TLS 1.2), and the server's
#: certificate, which a terminator of TLS before the server still has.
BINDINGS = ("tls-exporter", "tls-unique", "tls-server-end-point")

_PLUS = "-PLUS"
# A nonce: printable ASCII without the comma.
_NONCE = pattern(r"[\x21-\x2b\x2d-\x7e]+")
_GS2 = pattern(r"(n|y|p=([A-Za-z0-9.-]+)),(?:a=([^,]*))?,")
_ITERATIONS = pattern(r"[1-9][0-9]{0,9}")


class _Malformed(Exception):
    """A message breaks the form that the RFC prescribes; the text names the fault."""


class ScramClient(ClientMechanism):
    """All of SCRAM-SHA-1, -256 and -512, with -PLUS and without: the name decides which."""

    secret: ClassVar[bool] = True  # a proof and its challenge are enough to try passwords on
    shows: ClassVar[str] = "the password"

    def __init__(self, name: str, identity: ClientIdentity) -> None:
        super().__init__(name, identity)
        self._hash = HASHES[name[: -len(_PLUS)] if name.endswith(_PLUS) else name]
        self._header = b""
        self._binding = b""
        self._nonce = ""
        self._first = ""
        self._signature: Optional[bytes] = None  # the server's, to be verified; known with its challenge
        self._verified = False

    @classmethod
    def lacks(cls, name: str, identity: ClientIdentity) -> Optional[str]:
        if name.endswith(_PLUS) and _best_binding(identity) is None:
            return "a channel binding, which only TLS gives"
        if not identity.user:
            return "a user and a password"
        if not identity.password:
            return "a password"
        try:
            fit = saslprep(identity.user, stored=False) and saslprep(identity.password)
        except ValueError:
            fit = ""
        if not fit:
            return "a user and a password of characters that RFC 4013 allows"
        return "a source of random bytes" if identity.nonce is None else None

    def start(self) -> bytes:
        identity = self.identity
        name = saslprep(identity.user or "", stored=False)
        self._nonce = _fresh(identity.nonce)
        self._first = f"n={_escape(name)},r={self._nonce}"
        try:
            self._header = f"{self._flag()},{_authzid(identity.authorization)},".encode()
            return self._header + self._first.encode()
        except UnicodeEncodeError:
            raise MechanismError("the name to act as is not text that UTF-8 can hold") from None

    def _flag(self) -> str:
        """The gs2 flag: our side of channel binding [RFC 5802 section 6]."""
        kind = _best_binding(self.identity)
        if kind is None:
            return "n"
        if self.name.endswith(_PLUS):
            self._binding = self.identity.bindings[kind]
            self.hint = f"bound to TLS by {kind}, which the server has to know"
            return f"p={kind}"
        # "We could, but you did not offer it": signed, so a server that did offer it knows of an adversary
        # between. Where it did, and the application's list kept us from taking it, we could not.
        return "n" if any(name.endswith(_PLUS) for name in self.identity.offered) else "y"

    def respond(self, challenge: bytes) -> bytes:
        if self._verified:
            raise MechanismError("the server goes on after the end of the exchange")
        try:
            if self._signature is None:
                return self._prove(challenge)
            self._verify(challenge)
        except _Malformed as error:
            raise MechanismError(f"the server's {self.name} message is not understood: {error}") from None
        return b""

    def _prove(self, challenge: bytes) -> bytes:
        """The proof that we know the password; the expected signature of the server is computed with it."""
        message, fields = _server_fields(challenge, "rsi")
        nonce, salt = fields["r"], _unbase64(fields["s"])
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce) or not _NONCE.fullmatch(nonce):
            raise MechanismError("the server's answer does not belong to this exchange: its nonce is another")
        if not salt:
            raise _Malformed("the salt is empty")
        iterations = self._affordable(fields["i"])
        final = f"c={_base64(self._header + self._binding)},r={nonce}"
        signed = f"{self._first},{message},{final}".encode()
        salted = salted_password(self._hash, saslprep(self.identity.password or ""), salt, iterations)
        client_key = hmac.digest(salted, b"Client Key", self._hash)
        stored_key = hashlib.new(self._hash, client_key).digest()
        proof = _xor(client_key, hmac.digest(stored_key, signed, self._hash))
        server_key = hmac.digest(salted, b"Server Key", self._hash)
        self._signature = hmac.digest(server_key, signed, self._hash)
        return f"{final},p={_base64(proof)}".encode()

    def _affordable(self, text: str) -> int:
        """The iterations that the server asks for, if they are neither too few to be safe nor a burden."""
        if not _ITERATIONS.fullmatch(text):
            raise _Malformed("the iteration count is no number")
        iterations = int(text)
        least, most = self.identity.min_iterations, self.identity.max_iterations
        if iterations < least:
            raise MechanismError(
                f"the server asks for only {iterations} iterations, with which an eavesdropper could guess the "
                f"password; {least} is the least that is done (sasl.min_iterations)"
            )
        if iterations > most:
            raise MechanismError(
                f"the server asks for {iterations} iterations, which would keep this client busy; "
                f"{most} is the most that is done (sasl.max_iterations)"
            )
        return iterations

    def _verify(self, message: bytes) -> None:
        """The server's last message: its signature, or why it refuses."""
        _, fields = _server_fields(message, "v")
        assert self._signature is not None
        if not hmac.compare_digest(_unbase64(fields["v"]), self._signature):
            raise MechanismError(
                "the server's signature is wrong: it does not know the password, or an adversary stands between"
            )
        self._verified = True

    def finish(self, data: Optional[bytes]) -> None:
        # In a last challenge or beside the outcome: both are in use. An empty one beside the outcome is none.
        if data and self._signature is not None:
            try:
                self._verify(data)
            except _Malformed as error:
                raise MechanismError(f"the server's {self.name} message is not understood: {error}") from None
        if not self._verified:
            raise MechanismError("the server reports success without its signature: it may not know the password")


class ScramServer(ServerMechanism):
    """All of SCRAM-SHA-1, -256 and -512, with -PLUS and without.

    The signature goes out in a last challenge, which every client can read, and not beside the outcome.
    """

    def __init__(self, name: str, policy: ServerPolicy) -> None:
        super().__init__(name, policy)
        self._base = name[: -len(_PLUS)] if name.endswith(_PLUS) else name
        self._hash = HASHES[self._base]
        self._next = self._greet
        self._user = ""
        self._authorization = ""
        self._bound = b""  # the value that "c=" has to have
        self._nonce = ""
        self._signed = ""  # the first two messages
        self._found: Union[None, str, ScramSecret] = None
        self._salt = b""
        self._iterations = 0

    @classmethod
    def offered(cls, name: str, policy: ServerPolicy) -> bool:
        if policy.credentials is None or policy.nonce is None:
            return False
        return not name.endswith(_PLUS) or bool(policy.bindings)

    def receive(self, response: Optional[bytes]) -> Step:
        try:
            return self._next(b"" if response is None else response)
        except _Malformed as error:
            return Fail(f"the client's {self.name} message is not understood: {error}")

    def _greet(self, response: bytes) -> Step:
        """The first message; the answer to it does not reveal whether there is such a user."""
        if not response:
            return Challenge(b"")  # the client waited to be asked, which RFC 4422 section 3 allows
        match = _GS2.match(_text(response))
        if match is None:
            raise _Malformed("the gs2 header is malformed")
        flag, kind, authorization = match.groups()
        header, bare = response[: match.end()], response[match.end() :]
        refusal = self._mismatch(flag, kind)
        if refusal:
            return Fail(refusal)
        if kind:
            self._bound = self.policy.bindings[kind]
        self._bound = header + self._bound
        first, fields = _fields(bare, "nr")
        self._authorization = _unescape(authorization or "")
        try:
            self._user = saslprep(_unescape(fields["n"]), stored=False)
        except ValueError as error:
            raise _Malformed(f"the user's name is not allowed: {error}") from None
        if not self._user or not _NONCE.fullmatch(fields["r"]):
            raise _Malformed("the user's name is empty" if not self._user else "the nonce is malformed")
        self._look_up()
        self._nonce = fields["r"] + _fresh(self.policy.nonce)
        answer = f"r={self._nonce},s={_base64(self._salt)},i={self._iterations}"
        self._signed = f"{first},{answer}"
        self._next = self._check
        return Challenge(answer.encode())

    def _mismatch(self, flag: str, kind: Optional[str]) -> str:
        """Why the client's word on channel binding cannot stand [RFC 5802 section 6]; "" if it can."""
        plus = self.name.endswith(_PLUS)
        if plus and kind not in self.policy.bindings:
            if kind:
                return f"the client binds to {shown(kind, 60)}, which this server does not have"
            return f"the client chose {self.name} and binds to nothing"
        if not plus and kind:
            return f"the client binds to the channel, which {self.name} does not"
        if flag == "y" and any(name.endswith(_PLUS) for name in self.policy.offered):
            return "the client did not see the -PLUS mechanisms that were offered: an adversary may have removed them"
        return ""

    def _look_up(self) -> None:
        """Salt and iterations of the user: the stored ones, or as if they were."""
        policy = self.policy
        found = None if policy.credentials is None else policy.credentials(self._base, self._user)
        if isinstance(found, ScramSecret) and found.mechanism != self._base:
            found = None  # stored for another mechanism: that one should be allowed alone
        policy.decoy.learn(found)
        self._found = found
        if isinstance(found, ScramSecret):
            self._salt, self._iterations = found.salt, found.iterations
        else:
            self._salt = policy.decoy.salt(self._base, self._user)
            self._iterations = policy.decoy.shape.iterations

    def _check(self, response: bytes) -> Step:
        """The proof. A user that does not exist fails only here, and takes as long."""
        message, fields = _fields(response, "crp")
        without_proof = message.rpartition(",p=")[0]
        if not hmac.compare_digest(fields["r"].encode(), self._nonce.encode()):
            return Fail("the client's nonce is not that of this exchange")
        if not hmac.compare_digest(_unbase64(fields["c"]), self._bound):
            return Fail("the client is bound to another channel: an adversary may stand between")
        proof = _unbase64(fields["p"])
        secret = self._secret()
        signed = f"{self._signed},{without_proof}".encode()
        signature = hmac.digest(secret.stored_key, signed, self._hash)
        if len(proof) != len(signature):
            raise _Malformed("the proof has the wrong size")
        client_key = hashlib.new(self._hash, _xor(proof, signature)).digest()
        if not hmac.compare_digest(client_key, secret.stored_key) or self._found is None:
            return Fail(f"wrong user or password for {quoted(self._user)}")
        self._next = self._end
        return Challenge(b"v=" + _base64(hmac.digest(secret.server_key, signed, self._hash)).encode())

    def _secret(self) -> ScramSecret:
        """The secret that the proof is checked against; for an unknown user, one that no proof fits."""
        found = self._found
        if isinstance(found, ScramSecret):
            return found
        if found is None and not self.policy.decoy.shape.clear:
            size = hashlib.new(self._hash).digest_size
            return ScramSecret(self._salt, self._iterations, bytes(size), bytes(size))
        try:
            password = "nobody" if found is None else found
            return ScramSecret.derive(self._base, password, self._salt, self._iterations)
        except ValueError as error:
            raise _Malformed(f"the password of {quoted(self._user)} cannot be used: {error}") from None

    def _end(self, response: bytes) -> Step:
        """The client has seen the signature, and has nothing to add."""
        if response:
            raise _Malformed("the exchange is over")
        return self.policy.admit(self._user, self._authorization)


# -- the text of the messages ----------------------------------------------------------------------------
class _Message(NamedTuple):
    text: str
    fields: dict[str, str]


def _server_fields(data: bytes, keys: str) -> _Message:
    """The fields of a server's message. MechanismError if it is an error, with the server's reason."""
    if data.startswith(b"e="):
        raise MechanismError(f"the server refuses: {shown(data[2:], 60)}")
    return _fields(data, keys)


def _fields(data: bytes, keys: str) -> _Message:
    """A message ``k=value,k=value``: those of `keys` in their order, then extensions, which are ignored; a
    proof stands behind them."""
    text = _text(data)
    parts = text.split(",")
    if parts[0].startswith("m="):
        raise _Malformed("it demands an extension that is not known")
    if len(parts) < len(keys):
        raise _Malformed("a part is missing")
    if keys.endswith("p"):
        parts.insert(len(keys) - 1, parts.pop())
    fields = {}
    for key, part in zip(keys, parts):
        if part[:2] != f"{key}=":
            raise _Malformed(f"{key}= is missing")
        fields[key] = part[2:]
    return _Message(text, fields)


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _Malformed("it is not UTF-8") from None
    if "\0" in text:
        raise _Malformed("it has a NUL character")
    return text


def _fresh(nonce: Optional[Nonce]) -> str:
    """A nonce of ours, in characters that a message can hold."""
    assert nonce is not None
    return _base64(nonce())


def _best_binding(identity: ClientIdentity) -> Optional[str]:
    return next((kind for kind in BINDINGS if kind in identity.bindings), None)


def _authzid(name: Optional[str]) -> str:
    if name and "\0" in name:
        raise MechanismError("the name to act as has a NUL character")
    return f"a={_escape(name)}" if name else ""


def _escape(name: str) -> str:
    return name.replace("=", "=3D").replace(",", "=2C")


def _unescape(text: str) -> str:
    name = text.replace("=2C", ",").replace("=3D", "\0")
    if "=" in name:
        raise _Malformed("a name has an = outside =2C and =3D")
    return name.replace("\0", "=")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:  # also binascii.Error and UnicodeEncodeError
        raise _Malformed("it has a value that is not base64") from None


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other))
