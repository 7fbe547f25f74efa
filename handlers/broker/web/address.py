"""Where the web page listens, and by which names a browser may call it.

The page has no encryption, so it listens on this machine alone; and a browser on this machine also shows pages of
strangers: their scripts must not reach it. So a request has to name this machine in its Host: a name of a stranger's
that leads to 127.0.0.1 (DNS rebinding) is refused.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Union
from urllib.parse import urlsplit

HOST = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z.-]+)(:[0-9]{1,5})?", re.I | re.A)
"""The Host of a request [RFC 9110, 7.2]: a name or an address, and a port."""

FREE_PORT = "127.0.0.1:0"

REFUSED = "the web page listens on this machine alone (127.0.0.1, ::1, localhost), not on %r: it has no encryption; \
have ssh -L or a proxy that asks for passwords lead to it"


def parse_address(web: Union[str, bool]) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, a host or a port alone, or True for any free port of 127.0.0.1. ValueError for one
    that others could reach, or that is no address."""
    text = FREE_PORT if web is True else str(web)
    if text.isdigit():
        text = f":{text}"
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "127.0.0.1", parts.port or 0
        whole = parts.netloc == text and "@" not in text
    except ValueError:
        whole = False
    if not whole:
        raise ValueError(f"no address of a web page: {text!r}; give HOST:PORT, such as 127.0.0.1:8080, or a port")
    if not is_this_machine(host):
        raise ValueError(REFUSED % host)
    return ("127.0.0.1" if host == "localhost" else host), port


def is_this_machine(host: str) -> bool:
    """Whether `host` is `localhost` or a loopback address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_own_host(header: str) -> bool:
    """Whether the Host of a request names this machine, with any port: a tunnel has another one."""
    found = HOST.fullmatch(header)
    return found is not None and is_this_machine(found.group(1).strip("[]"))
