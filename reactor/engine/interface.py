"""Interface: what the rooms of the engine see of one another where both need each other."""

from __future__ import annotations

from typing import Any, Protocol

# -- layers ----------------------------------------------------------------------------------------------


class SASLCarrier(Protocol):
    """What SASL is put on: a Transport."""

    def sasl(self) -> Any:
        """The SASL layer, which is put in by the first call."""


class TLSCarrier(Protocol):
    """What TLS is put on: a Transport."""

    SERVER: int
    mode: int

    @property
    def tls(self) -> Any:
        """The SSL that was put in, or None."""

    def secure(self, layer: Any) -> None:
        """Have this SSL between the transport and the wire. SSLException when it is too late."""
