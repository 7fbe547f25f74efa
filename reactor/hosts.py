"""Hosts: which of them are this machine.

Floor 0: open to every module, and it imports none. Nothing is looked up: a name does not show where it leads. A
decision over passwords or redirects by the beginning of a name (``127.example.com``) would be its owner's.
"""

from __future__ import annotations

from reactor.lazily import TYPE_CHECKING, Lazily, pattern

if TYPE_CHECKING:
    import ipaddress
    from typing import Union
else:
    ipaddress = Lazily("ipaddress")

#: Addresses that systems accept in other forms than four numbers with dots between: 127.1, 0x7f000001, 017700000001.
_NUMERIC = pattern(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine beyond doubt: ``localhost``, or a literal loopback address (127.0.0.0/8, ::1).

    The one place that decides which peers may get a password in clear without being allowed to by a setting.
    """
    if host == "127.0.0.1" or host.lower() == "localhost":
        return True  # without ipaddress
    address = _address(host)
    return address is not None and address.is_loopback


def may_be_this_machine(host: str) -> bool:
    """Whether a host may be this machine, as far as its name shows without a look-up: the inverse of `is_loopback`,
    for callers that keep others away from this machine."""
    name = _looked_up(host).lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761
        return True
    address = _address(name)
    if address is None:
        return not name or _NUMERIC.fullmatch(name) is not None
    return address.is_loopback or address.is_unspecified


def _looked_up(host: str) -> str:
    """A host as a look-up takes it [RFC 3490]: there a circled or full-width figure, and other dots, are plain ones."""
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:  # nothing that can be looked up
        return host


def _address(host: str) -> Union[None, ipaddress.IPv4Address, ipaddress.IPv6Address]:
    """The literal address that a host is; None for a name."""
    if not host[:1].isdecimal() and ":" not in host:
        return None  # no need of ipaddress for most
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
