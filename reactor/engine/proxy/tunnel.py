"""Tunnel: the HTTP request by which a client asks a proxy for a tunnel, and its answer [RFC 9110, 9.3.6; RFC 7617].

The layer enters, and the connector, which makes a Tunnel. It knows no AMQP, no TLS and no socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from reactor.engine.http import END, read_head, tokens
from reactor.errors import FRAMING_ERROR, IO_ERROR, POLICY_ERROR, UNAUTHORIZED_ACCESS
from reactor.lazily import Lazily

if TYPE_CHECKING:
    import base64
else:
    base64 = Lazily("base64")

#: The probable cause of these answers.
_HINTS = {
    "400": "it may be no proxy, or not for tunnels",
    "404": "it seems to be a web server, and no proxy",
    "405": "it allows no CONNECT, and seems to be no proxy",
    "500": "most do so where they cannot reach the peer",
    "501": "it knows no CONNECT, and seems to be no proxy",
    "502": "it cannot reach the peer",
    "503": "it cannot reach the peer, or is busy",
    "504": "the peer did not answer it in time",
}


class TunnelRefused(Exception):
    """The proxy opens no tunnel. condition: the name of the reason, by which it is known whether that may pass."""

    def __init__(self, condition: str, text: str) -> None:
        super().__init__(text)
        self.condition = condition


class Tunnel:
    """A tunnel, as a proxy is asked for it.

    proxy: its name for people, without a password. host, port: of the peer; the proxy looks its name up.
    user, password: for the proxy; None where it wants none.
    """

    __slots__ = ("proxy", "target", "_user", "_token")

    def __init__(
        self, proxy: str, host: str, port: int, user: Optional[str] = None, password: Optional[str] = None
    ) -> None:
        self.proxy = proxy
        name = host.partition("%")[0]  # a zone means something on this machine only [RFC 6874]
        if not name.isascii():
            name = name.encode("idna").decode("ascii")
        self.target = "%s:%d" % ("[%s]" % name if ":" in name else name, port)
        self._user = user
        secret = "%s:%s" % (user or "", password or "")
        self._token = "" if user is None else base64.b64encode(secret.encode()).decode()

    def __repr__(self) -> str:
        return "<Tunnel through %s to %s>" % (self.proxy, self.target)

    def explain(self, text: str) -> str:
        """`text` with the proxy, and the peer that lies behind it."""
        return "no tunnel through the proxy %s to %s: %s" % (self.proxy, self.target, text)

    def write_request(self) -> bytes:
        """The request."""
        lines = ["CONNECT %s HTTP/1.1" % self.target, "Host: %s" % self.target]
        if self._token:
            lines.append("Proxy-Authorization: Basic %s" % self._token)
        return "\r\n".join(lines).encode("ascii") + END

    def read_answer(self, head: bytes) -> bool:
        """Whether the tunnel is open; False: this was an answer for the meantime, and another will follow [15.2].
        TunnelRefused for any other. Fields of a length mean nothing in an answer that opens one [9.3.6]."""
        status_line, fields = read_head(head)
        version, _, rest = status_line.partition(" ")
        number, _, reason = rest.partition(" ")
        if not version.startswith("HTTP/1.") or len(number) != 3 or not number.isdecimal():
            raise TunnelRefused(FRAMING_ERROR, "its answer is no HTTP: '%s'" % self._brief(status_line, 40))
        if number.startswith("2"):
            return True
        if number.startswith("1") and number != "101":
            return False
        answer = "it answers %s" % self._brief(("%s %s" % (number, reason)).strip(), 100)
        if number in ("407", "401"):  # tinyproxy: the latter, for a wrong password
            raise TunnelRefused(UNAUTHORIZED_ACCESS, "%s: %s" % (answer, self._wants(fields)))
        if number == "403":
            raise TunnelRefused(POLICY_ERROR, "%s: it does not let this client there; ask its administrator" % answer)
        hint = _HINTS.get(number, "")
        if number.startswith("3"):
            place = self._brief(fields.get("location", "?"), 200)
            hint = "it sends us to %s, where a proxy may want us to log in" % place
        raise TunnelRefused(IO_ERROR, answer + (": " + hint if hint else ""))

    def _wants(self, fields: dict[str, str]) -> str:
        """The wish of a proxy that answers 407."""
        words = [token.split()[0] for token in tokens(fields.get("proxy-authenticate", "")) if token]
        schemes = [word for word in words if "=" not in word]
        if schemes and "basic" not in map(str.lower, schemes):
            return "it wants %s, and this side knows Basic" % self._brief(", ".join(schemes), 100)
        if self._token:
            return "it refuses the password of %r, or the user" % self._user
        return "it wants a user and a password, as in proxy='http://user:password@proxy:3128'"

    def _brief(self, said: str, size: int) -> str:
        """The beginning of a text of the proxy, without our secret, if it repeats it."""
        return (said.replace(self._token, "***") if self._token else said)[:size]
