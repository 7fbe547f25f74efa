"""Addresses: the texts that name a peer or a place to listen, and lists of them.

`connect`, `listen` and the calls that make links enter. It knows urls.
"""

from __future__ import annotations

import re

from reactor.lazily import TYPE_CHECKING
from reactor.shown import shown
from reactor.url import Url

if TYPE_CHECKING:
    from typing import Union

    Address = Union[str, Url]


def read_address(address: Address) -> Url:
    """An address to connect to, or to listen at. ValueError or TypeError when it is none, or has more than an address
    can have: a setting behind a question mark would have no effect, without a word."""
    url = Url(address, defaults=False)
    if url.rest:
        names = re.findall(r"[?&;]([^=&;#?]+)", url.rest) or [url.rest[0]]  # no values: they may be secrets
        url.rest = ""
        raise ValueError(
            "%s goes with settings in its text (%s), which mean nothing here: give them as keywords of the call, "
            "such as heartbeat=5" % (url.redacted, ", ".join(map(shown, names)))
        )
    return url


def split_addresses(text: str) -> list[str]:
    """The addresses in a text that lists them with commas in between. One without a scheme has that of the one
    before it. A comma within a password or a path, where one is allowed, does not part addresses."""
    if "," not in text:
        return [text.strip()]  # as most
    addresses: list[str] = []
    scheme = ""
    for part in re.split(r",(?=\s*amqp(?:s|wss?)?://)", text):
        for piece in part.split(",") if _is_list(part) else (part,):
            piece = piece.strip()
            if "://" in piece:
                scheme = piece.partition("://")[0] + "://"
            else:
                piece = scheme + piece
            addresses.append(piece)
    return addresses


def _is_list(text: str) -> bool:
    try:
        return "," in (Url(text, defaults=False).host or "")
    except ValueError:
        return True
