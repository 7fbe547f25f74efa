"""Types of arguments that several commands share: addresses, sizes, limits.

Each takes the text of a command line and raises argparse.ArgumentTypeError for one that it cannot read.
"""

from __future__ import annotations

import argparse

from reactor import Limits, Url


def url(text: str) -> str:
    """The address of a broker, as it was given."""
    try:
        Url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def size(text: str) -> int:
    """Bytes; K, M and G stand for the powers of 1024."""
    number, unit = text, 1
    if text[-1:].upper() in ("K", "M", "G"):
        number, unit = text[:-1], 1024 ** ("KMG".index(text[-1].upper()) + 1)
    try:
        read = int(number) * unit
    except ValueError:
        read = -1
    if read < 0:
        raise argparse.ArgumentTypeError(f"not a size: {text!r} (a number of bytes, or 64K, 256M, 1G)")
    return read


def limit(text: str) -> tuple[str, int]:
    """A name of Limits, and its value."""
    name, _, number = text.partition("=")
    if name not in Limits.__slots__:
        raise argparse.ArgumentTypeError(f"no limit {name!r}; there are {', '.join(Limits.__slots__)}")
    return name, size(number)
