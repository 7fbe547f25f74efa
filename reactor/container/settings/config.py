"""connect.json: where to connect to, and as which user, kept in a file [Proton's connect-config].

`Container.connect()` enters when it is given no address. The only room that looks into the file system for settings. It
knows the keywords of `connect`, and no connection.

    {
        "scheme": "amqps",           // default; or "amqp"
        "host": "broker.example",    // default "localhost"
        "port": 5671,                // number, text or "amqp" or "amqps"; default that of the scheme
        "user": "me",
        "password": "secret",
        "proxy": "http://proxy:3128", // an HTTP proxy, or true for that of the environment; default: none
        "sasl": {
            "enable": true,          // default; "enabled" is the same
            "mechanisms": ["PLAIN"], // or "PLAIN ANONYMOUS"; default: all
            "allow_insecure": false  // whether a password may go over a network in the clear
        },
        "tls": {
            "cert": "me.pem",        // this side's own certificate, and its key
            "key": "me.key",         // default: it is in the same file
            "ca": "authority.pem",   // to be trusted; default: those that the system trusts
            "verify": true           // default; false trusts any certificate
        }
    }

Comments are as in JavaScript. Names of files are relative to the working directory. null is as if the key was
not there. Whatever is wrong is a ValueError that names the file, the line and the key, and quotes no value.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Optional, Union

from reactor.container.settings.proxy import read_proxy
from reactor.engine.tls.domain import SSLDomain
from reactor.errors import SSLException
from reactor.lazily import Lazily, pattern
from reactor.system import HERE
from reactor.url import Url

if TYPE_CHECKING:
    import difflib
    import json
    import pathlib

    from reactor.container.settings.proxy import ProxyOption
else:
    difflib = Lazily("difflib")
    json = Lazily("json")
    pathlib = Lazily("pathlib")

VARIABLE = "MESSAGING_CONNECT_FILE"
FILE = "connect.json"

_KEYS = {
    "": ("scheme", "host", "port", "user", "password", "proxy", "sasl", "tls"),
    "sasl.": ("enable", "enabled", "mechanisms", "allow_insecure"),
    "tls.": ("cert", "key", "ca", "verify"),
}
_NOT_CODE = pattern(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?(?:\*/|\Z)', re.S)
_BLANKS = pattern(r"\s*")


class ConnectConfig(NamedTuple):
    """The settings in a file. None is for one that is not there.

    url: where to connect to. The others are as in `Container.connect`; ssl_domain is made of the section "tls".
    """

    url: Url
    user: Optional[str] = None
    password: Optional[str] = None
    sasl_enabled: Optional[bool] = None
    allowed_mechs: Union[None, str, list[str]] = None
    allow_insecure_mechs: Optional[bool] = None
    ssl_domain: Optional[SSLDomain] = None
    proxy: ProxyOption = None

    def __repr__(self) -> str:
        return "<ConnectConfig of %s>" % self.url.redacted


def find_config() -> ConnectConfig:
    """The settings in the first file that there is. ValueError when there is none, or something is wrong with it."""
    named = os.environ.get(VARIABLE)
    places = [pathlib.Path(named)] if named else _places()
    for place in places:
        if named or place.is_file():
            return read_config(place)
    raise ValueError(
        "connect() needs to know where to: give a url, or urls, or write %s (looked for %s; %s would name another)"
        % (FILE, ", ".join(map(str, places)), VARIABLE)
    )


def _places() -> list[pathlib.Path]:
    return [pathlib.Path(FILE), *(pathlib.Path(folder) / FILE for folder in HERE.settings_folders())]


def read_config(path: pathlib.Path) -> ConnectConfig:
    """The settings in the file at `path`. ValueError naming it when one is wrong, or it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError("%s cannot be read: %s" % (path, error.strerror or error)) from None
    except UnicodeDecodeError:
        raise ValueError("%s is not in UTF-8" % path) from None
    return parse_config(path, text)


def parse_config(path: pathlib.Path, text: str) -> ConnectConfig:
    """The settings in `text`, of the file at `path`. ValueError naming that when one is wrong."""
    return _Settings(path, text).config()


class _Settings:
    """The settings of a file by name, such as ``tls.ca``, and the line that each of them stands in."""

    def __init__(self, path: pathlib.Path, text: str) -> None:
        self.path = path
        self.text = _NOT_CODE.sub(self._blank, text)
        self.values: dict[str, Any] = {}
        self.lines: dict[str, int] = {}
        pos = self._skip(0)
        if not self.text.startswith("{", pos):
            self._refuse(pos, "an object is expected: {...}")
        pos = self._read_object(pos + 1, "")
        if pos < len(self.text):
            self._refuse(pos, "something follows the end of the settings")

    # -- reading: JSON with comments, which remembers its lines ------------------------------------------

    def _blank(self, match: re.Match[str]) -> str:
        """A comment becomes blanks, so that everything else stays where it is; a text stays."""
        found = match.group()
        if found.startswith('"'):
            return found
        if found.startswith("/*") and not (found.endswith("*/") and len(found) > 3):
            self.text = match.string
            self._refuse(match.start(), "this comment does not end")
        return re.sub(r"[^\n]", " ", found)

    def _read_object(self, pos: int, prefix: str) -> int:
        """From behind the brace to behind its other one."""
        pos = self._skip(pos)
        while not self.text.startswith("}", pos):
            start = pos
            if not self.text.startswith('"', pos):
                self._refuse(pos, 'a key is expected, as in "host"')
            key, pos = self._read_value(pos)
            name = prefix + key
            self._know(start, name, key, prefix)
            pos = self._expect(self._skip(pos), ":", name)
            self.lines[name] = self._line(start)
            if name + "." in _KEYS and self.text.startswith("{", pos):
                self.values[name] = {}
                pos = self._read_object(pos + 1, name + ".")
            else:
                self.values[name], pos = self._read_value(pos)
                pos = self._skip(pos)
            if not self.text.startswith("}", pos):
                comma = pos
                pos = self._expect(pos, ",", name)
                if self.text.startswith("}", pos):
                    self._refuse(comma, "a comma with nothing behind it", name)
        return self._skip(pos + 1)

    def _read_value(self, pos: int) -> tuple[Any, int]:
        try:
            return json.JSONDecoder().raw_decode(self.text, pos)
        except json.JSONDecodeError as error:
            self._refuse(error.pos, "this is no JSON: %s" % error.msg)
        except (ValueError, RecursionError):
            self._refuse(pos, "this value cannot be read")

    def _know(self, pos: int, name: str, key: str, prefix: str) -> None:
        if name in self.lines:
            self._refuse(pos, "it stands in line %d already" % self.lines[name], name)
        known = _KEYS[prefix]
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.6)
            hint = "did you mean %s%s?" % (prefix, near[0]) if near else "known are %s" % ", ".join(known)
            self._refuse(pos, "this key is not known; %s" % hint, name)

    def _expect(self, pos: int, sign: str, name: str) -> int:
        if not self.text.startswith(sign, pos):
            self._refuse(pos, "'%s' is expected" % sign, name)
        return self._skip(pos + 1)

    def _skip(self, pos: int) -> int:
        found = _BLANKS.match(self.text, pos)
        return found.end() if found else pos

    def _line(self, pos: int) -> int:
        return self.text.count("\n", 0, pos) + 1

    def _refuse(self, pos: int, text: str, name: str = "") -> NoReturn:
        raise ValueError(self._at(self._line(pos), name) + text)

    def _at(self, line: int, name: str) -> str:
        return "%s, line %d: %s" % (self.path, line, name and ascii(name)[1:-1] + ": ")

    # -- asking ------------------------------------------------------------------------------------------

    def wrong(self, name: str, text: str) -> ValueError:
        """The error for the setting of that name."""
        return ValueError(self._at(self.lines[name], name) + text)

    def get(self, name: str, kind: Any, expected: str) -> Any:
        """The value of a setting, None when it is not there. kind: the class that it has to be an instance of."""
        value = self.values.get(name)
        # To Python true is a number, too.
        if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
            raise self.wrong(name, "%s is expected" % expected)
        return value

    def text_of(self, name: str) -> Optional[str]:
        value: Optional[str] = self.get(name, str, "a text")
        return value

    def switch(self, *names: str) -> Optional[bool]:
        """A switch that may go by several names."""
        said: dict[str, bool] = {}
        for name in names:
            value = self.get(name, bool, "true or false")
            if value is not None:
                said[name] = value
        if len(set(said.values())) > 1:
            raise self.wrong(list(said)[-1], "it contradicts %s" % next(iter(said)))
        return next(iter(said.values()), None)

    def config(self) -> ConnectConfig:
        """All of it."""
        for section in ("sasl", "tls"):
            self.get(section, dict, "an object, {...},")
        return ConnectConfig(
            self._url(),
            self.text_of("user"),
            self.text_of("password"),
            self.switch("sasl.enable", "sasl.enabled"),
            self._mechanisms(),
            self.switch("sasl.allow_insecure"),
            self._domain(),
            self._proxy(),
        )

    def _url(self) -> Url:
        scheme = self.text_of("scheme") or Url.AMQPS
        if scheme not in (Url.AMQP, Url.AMQPS):
            raise self.wrong("scheme", '"amqp" or "amqps" is expected')
        host = self.text_of("host") or "localhost"
        port = self.get("port", (int, str), _PORT)
        try:
            url = Url(scheme=scheme, host=host)
        except ValueError as error:
            raise self.wrong("host", str(error)) from None
        try:
            return Url(url, port=port if port != "" else None)
        except ValueError:
            raise self.wrong("port", "%s is expected" % _PORT) from None

    def _proxy(self) -> ProxyOption:
        value: ProxyOption = self.values.get("proxy")
        if value is not None and not isinstance(value, (str, bool)):
            raise self.wrong("proxy", '"http://user:password@proxy:3128", true or false is expected')
        if isinstance(value, str):
            try:
                read_proxy("this value", value)
            except ValueError as error:
                raise self.wrong("proxy", str(error)) from None
        return value

    def _mechanisms(self) -> Union[None, str, list[str]]:
        value: Union[None, str, list[str]] = self.get("sasl.mechanisms", (str, list), _LIST)
        if isinstance(value, list) and not all(isinstance(one, str) for one in value):
            raise self.wrong("sasl.mechanisms", "%s is expected" % _LIST)
        return value

    def _domain(self) -> Optional[SSLDomain]:
        if self.values.get("tls") is None:
            return None
        if self.values.get("scheme") == Url.AMQP:
            raise self.wrong("tls", 'the scheme is "amqp", which is without TLS: use "amqps", or leave this out')
        domain = SSLDomain(SSLDomain.MODE_CLIENT)
        certificate, key, authorities = map(self.text_of, ("tls.cert", "tls.key", "tls.ca"))
        if key is not None and certificate is None:
            raise self.wrong("tls.key", "a key is of no use without tls.cert")
        name = "tls"
        try:
            if certificate is not None:
                name = "tls.cert"
                domain.set_credentials(certificate, key, None)
            if authorities is not None:
                name = "tls.ca"
                domain.set_trusted_ca_db(authorities)
        except SSLException as error:
            raise self.wrong(name, str(error)) from None
        if self.switch("tls.verify") is False:
            domain.set_peer_authentication(SSLDomain.ANONYMOUS_PEER)
        return domain


_PORT = 'a number from 0 to 65535, "amqp" or "amqps"'
_LIST = 'names of mechanisms, as "PLAIN ANONYMOUS" or ["PLAIN", "ANONYMOUS"],'
