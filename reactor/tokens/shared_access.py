"""SharedAccessKey: tokens made from the name of a shared access policy, and its key.

The string to sign is the percent-encoded resource, a line feed, and the end of the token's time in seconds; it is
signed by HMAC-SHA256 with the key, as it is written, in UTF-8, and the token is
``SharedAccessSignature sr=RESOURCE&sig=SIGNATURE&se=END&skn=NAME`` [1].

[1] https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-sas, "Shared Access Signature token"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactor.lazily import Lazily
from reactor.loop.clock import MonotonicClock
from reactor.tokens.provider import SAS, Token

if TYPE_CHECKING:
    import base64
    import hashlib
    import hmac
    from urllib import parse
else:
    base64 = Lazily("base64")
    hashlib = Lazily("hashlib")
    hmac = Lazily("hmac")
    parse = Lazily("urllib.parse")


#: Seconds for which a token is good: an hour, as those that are made elsewhere.
LIFETIME = 3600.0


class SharedAccessKey:
    """Makes tokens from the name of a shared access policy and its key.

    name, key: as the portal shows them (the key is not decoded). lifetime: seconds for which each token is good.

    Raises TypeError or ValueError, without the key, for what is no name, key or time.
    """

    __slots__ = ("name", "lifetime", "_key")

    def __init__(self, name: str, key: str, lifetime: float = LIFETIME) -> None:
        for what, value in (("name", name), ("key", key)):
            if not isinstance(value, str):
                raise TypeError("SharedAccessKey(): the %s is a str, not %s" % (what, type(value).__name__))
            if not value:
                raise ValueError("SharedAccessKey(): the %s is empty" % what)
        if not lifetime >= 10:
            raise ValueError("SharedAccessKey(): lifetime is a number of seconds, 10 or more, not %r" % (lifetime,))
        self.name = name
        self.lifetime = float(lifetime)
        self._key = key.encode("utf-8")

    @classmethod
    def from_connection_string(cls, text: str, lifetime: float = LIFETIME) -> SharedAccessKey:
        """The key in a connection string, ``Endpoint=sb://...;SharedAccessKeyName=...;SharedAccessKey=...``.
        ValueError, without the text, where it has none."""
        fields = connection_fields(text)
        if "sharedaccesskeyname" not in fields or "sharedaccesskey" not in fields:
            raise ValueError("the connection string has no SharedAccessKeyName and SharedAccessKey")
        return cls(fields["sharedaccesskeyname"], fields["sharedaccesskey"], lifetime)

    def get_token(self, *scopes: str, **unused: Any) -> Token:
        """A token for the resource that the first scope names, such as ``sb://HOST/QUEUE``, from now on."""
        return self.token_at(MonotonicClock.today(), *scopes)

    def token_at(self, today: float, *scopes: str) -> Token:
        """The same, made at this date, in seconds since 1970-01-01 UTC: containers have a clock of their own."""
        if not scopes:
            raise ValueError("SharedAccessKey.get_token(): name the resource, as in get_token('sb://HOST/QUEUE')")
        end = int(today + self.lifetime)
        resource = parse.quote(scopes[0], safe="")
        digest = hmac.new(self._key, ("%s\n%d" % (resource, end)).encode("utf-8"), hashlib.sha256).digest()
        signature = parse.quote(base64.b64encode(digest).decode("ascii"), safe="")
        name = parse.quote(self.name, safe="")
        text = "SharedAccessSignature sr=%s&sig=%s&se=%d&skn=%s" % (resource, signature, end, name)
        return Token(text, end, SAS)

    def __repr__(self) -> str:
        return "SharedAccessKey(%r, key not shown)" % self.name


def connection_fields(text: str) -> dict[str, str]:
    """The fields of a connection string by their names in small letters. ValueError, without the text."""
    fields: dict[str, str] = {}
    for number, part in enumerate(filter(None, text.strip().split(";")), 1):
        name, found, value = part.partition("=")
        if not found or not name.strip():
            raise ValueError("a connection string is NAME=VALUE;NAME=VALUE; its part %d has no =" % number)
        fields[name.strip().lower()] = value.strip()
    return fields
