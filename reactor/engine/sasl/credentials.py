"""The credentials that a server stores: passwords, or the secrets by which SCRAM checks them.

A server's application enters, which makes ScramSecrets and gives them out by its `credentials`; and the
mechanisms, which check with them. Nothing here knows an exchange. A thief of ScramSecrets can
neither log in with them nor read a password; he has to guess, at the price of `iterations` for each try.
"""

from __future__ import annotations

from reactor.engine.sasl.saslprep import saslprep
from reactor.lazily import TYPE_CHECKING, Lazily, pattern

if TYPE_CHECKING:
    import base64
    import hashlib
    import hmac
    from typing import Callable, Union
else:
    hashlib = Lazily("hashlib")
    hmac = Lazily("hmac")
    base64 = Lazily("base64")

#: The mechanisms of the family, strongest first, and the hash of each.
HASHES = {"SCRAM-SHA-512": "sha512", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}
#: Of a password that the server has in clear and salts itself. Each log-in costs that, on both sides.
DEFAULT_ITERATIONS = 4096
#: Bytes.
SALT_SIZE = 16

_BY_SIZE = {64: "SCRAM-SHA-512", 32: "SCRAM-SHA-256", 20: "SCRAM-SHA-1"}  # of a digest, in bytes
_TEXT = pattern(r"(SCRAM-SHA-[0-9]+)\$([0-9]{1,10}):([^$:]+)\$([^$:]+):([^$:]+)")


class ScramSecret:
    """The stored secret of a user, for SCRAM, in place of a password [RFC 5802 section 3].

    salt: random bytes, others for each user. iterations: of PBKDF2, at least 4096.
    stored_key: checks the client's proof. server_key: proves the server to the client. Their size implies the
    mechanism: 20 bytes SCRAM-SHA-1, 32 bytes SCRAM-SHA-256, 64 bytes SCRAM-SHA-512.

    Raises ValueError for keys of any other size, an empty salt and less than one iteration.
    """

    __slots__ = ("iterations", "salt", "server_key", "stored_key")

    def __init__(self, salt: bytes, iterations: int, stored_key: bytes, server_key: bytes) -> None:
        if len(stored_key) not in _BY_SIZE or len(server_key) != len(stored_key):
            raise ValueError("the keys of a ScramSecret are both of 20, 32 or 64 bytes")
        if not salt or iterations < 1:
            raise ValueError("a ScramSecret needs a salt and at least one iteration")
        self.salt = salt
        self.iterations = iterations
        self.stored_key = stored_key
        self.server_key = server_key

    @classmethod
    def derive(
        cls, mechanism: str, password: str, salt: bytes, iterations: int = DEFAULT_ITERATIONS
    ) -> ScramSecret:
        """The secret of a password: once, when it is set. Slow on purpose: it takes `iterations` steps.

        mechanism: "SCRAM-SHA-512", "SCRAM-SHA-256" or "SCRAM-SHA-1". salt: such as 16 bytes of `os.urandom`.
        Raises KeyError for another mechanism, ValueError for a password that RFC 4013 does not allow.
        """
        hash_name = HASHES[mechanism]
        salted = salted_password(hash_name, saslprep(password), salt, iterations)
        stored_key = hashlib.new(hash_name, hmac.digest(salted, b"Client Key", hash_name)).digest()
        return cls(salt, iterations, stored_key, hmac.digest(salted, b"Server Key", hash_name))

    @staticmethod
    def prepared(name: str) -> str:
        """The name of a user in the form in which servers look for it (RFC 4013): to be stored so. Raises ValueError,
        which does not quote it, for a name with characters that are not allowed there, and for an empty one."""
        prepared = saslprep(name)
        if not prepared:
            raise ValueError("it is empty")
        return prepared

    @property
    def mechanism(self) -> str:
        """The mechanism that it is for, such as "SCRAM-SHA-256"."""
        return _BY_SIZE[len(self.stored_key)]

    def matches(self, password: str) -> bool:
        """Whether this is the password; as slow as `derive`."""
        try:
            other = self.derive(self.mechanism, password, self.salt, self.iterations)
        except ValueError:
            return False
        return hmac.compare_digest(other.stored_key, self.stored_key)

    def export(self) -> str:
        """It as text, to be stored: ``SCRAM-SHA-256$4096:salt$stored:server`` [RFC 5803], as PostgreSQL does,
        too."""
        parts = (self.salt, self.stored_key, self.server_key)
        salt, stored, server = (base64.b64encode(part).decode("ascii") for part in parts)
        return f"{self.mechanism}${self.iterations}:{salt}${stored}:{server}"

    @classmethod
    def parse(cls, text: str) -> ScramSecret:
        """The secret of a text that `export` wrote. Raises ValueError, which does not quote the text."""
        match = _TEXT.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            name, iterations, *parts = match.groups()
            salt, stored, server = (base64.b64decode(part, validate=True) for part in parts)
            secret = cls(salt, int(iterations), stored, server)
            if secret.mechanism != name:
                raise ValueError
        except ValueError:
            raise ValueError("a stored ScramSecret reads SCRAM-SHA-256$4096:salt$stored:server") from None
        return secret

    def __repr__(self) -> str:
        return f"ScramSecret({self.mechanism}, iterations={self.iterations}, keys hidden)"


if TYPE_CHECKING:
    #: Asked by a server: (mechanism, user) -> the password, a ScramSecret, or None for a user that it does not
    #: know. The mechanism is named without "-PLUS".
    Credentials = Callable[[str, str], Union[None, str, ScramSecret]]


def salted_password(hash_name: str, prepared: str, salt: bytes, iterations: int) -> bytes:
    """SaltedPassword of RFC 5802: PBKDF2 with one block. `prepared` has been through SASLprep."""
    return hashlib.pbkdf2_hmac(hash_name, prepared.encode("utf-8"), salt, iterations)


class Shape:
    """The properties of a stored user that a client can observe.

    clear: the server has the password itself, and salts it at each log-in.
    """

    __slots__ = ("salt_size", "iterations", "key_size", "clear")

    def __init__(
        self,
        salt_size: int = SALT_SIZE,
        iterations: int = DEFAULT_ITERATIONS,
        key_size: int = 32,
        clear: bool = True,
    ) -> None:
        self.salt_size = salt_size
        self.iterations = iterations
        self.key_size = key_size
        self.clear = clear


class Decoy:
    """How a user that does not exist is answered: as one that does, to the last message and its time.

    key: keeps the made-up salts the same from one attempt to the next, which those of stored users are, too;
        so one decoy serves all connections of a server.

    It takes the shape of the user that was looked up last. A client can distinguish users that are stored in
    different ways, decoy or not: store all of them in one.
    """

    __slots__ = ("key", "shape")

    def __init__(self, key: bytes = b"") -> None:
        self.key = key
        self.shape = Shape()

    def learn(self, found: Union[None, str, ScramSecret]) -> None:
        """Take the shape of this stored user."""
        if isinstance(found, ScramSecret):
            self.shape = Shape(len(found.salt), found.iterations, len(found.stored_key), clear=False)
        elif found is not None:
            self.shape = Shape()

    def salt(self, mechanism: str, user: str) -> bytes:
        """The salt of a user that has none stored."""
        whole = b""
        while len(whole) < self.shape.salt_size:
            text = f"{len(whole)} {mechanism} {user}"
            whole += hmac.digest(self.key, text.encode("utf-8", "surrogatepass"), "sha256")
        return whole[: self.shape.salt_size]

    def check(self, found: Union[None, str, ScramSecret], password: str) -> bool:
        """Whether a password that came in clear is the right one; no faster for users that are not."""
        self.learn(found)
        if isinstance(found, str):
            return hmac.compare_digest(_plain(password), _plain(found))
        if isinstance(found, ScramSecret):
            return found.matches(password)
        shape = self.shape
        if not shape.clear:
            key = bytes(shape.key_size)
            ScramSecret(bytes(shape.salt_size), shape.iterations, key, key).matches(password)
        return False

    def __repr__(self) -> str:
        return "<Decoy>"


def _plain(password: str) -> bytes:
    """A password as it is compared where nothing is hashed; one that RFC 4013 prohibits is taken as it is."""
    try:
        password = saslprep(password)
    except ValueError:
        pass  # it is compared as it is
    return password.encode("utf-8", "surrogatepass")
