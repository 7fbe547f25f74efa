"""Limits: how much of a peer one connection takes in, at most.

Transports enter, and their parts; the maker of a transport hands the limits over. They bound the memory that a peer
can make us keep; the bounds in time are the transport's (`open_timeout`, `write_timeout`, `idle_timeout`). A ground
room: it knows the numbers, and nothing that is counted.
"""

from __future__ import annotations

from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


KIBIBYTE, MEBIBYTE = 1024, 1024 * 1024
UNLIMITED = 0xFFFFFFFF  #: the largest max-frame-size of an open [2.7.1]


class Limits:
    """The bounds of one connection on its peer. A limit in bytes may be 0: no limit. The object cannot be changed.

    max_frame_size: bytes of one frame, sent in open; 512 or more, which every peer may send [2.3.1]. Default 65,536.
    max_open_size: bytes of one frame before the peer's open has come, and so of the open itself; 512 or more. The
        specification allows 512 [2.4.1], and its own open can have more in it than that. Default 16,384.
    max_sasl_size: bytes of all SASL frames of the peer together. Default 131,072. max_sasl_rounds: challenges in one
        exchange. Default 16.
    max_sessions: sessions at the same time, 1 to 65,536; sent in open, as channel-max. Default 256.
    max_links: links at the same time, in all sessions together; sent in begin, as handle-max. Links that were
        made here count, and so do links with a detach that is not answered yet. Default 4,096.
    max_endpoint_bytes: bytes of the begins and attaches of all existing sessions and links: names, addresses,
        filters, properties. Default 2 MiB.
    max_unsettled: deliveries of one session that are not settled, each way. At the bound the session
        sends no more until some are settled, or `prefetch` gives no more credit. Default 65,536.
    max_buffered_delivery_bytes: bytes of one delivery that is not complete and was not read. Default 100 MiB.
    max_buffered_session_bytes, max_buffered_connection_bytes: the same of all such deliveries of a session, and of
        the connection. The former bounds the session's incoming window, too, which
        holds back deliveries that are complete and were not read. Default 128 MiB and 256 MiB.

    ValueError, which names the limit, for any other value.
    """

    __slots__ = (
        "max_frame_size",
        "max_open_size",
        "max_sasl_size",
        "max_sasl_rounds",
        "max_sessions",
        "max_links",
        "max_endpoint_bytes",
        "max_unsettled",
        "max_buffered_delivery_bytes",
        "max_buffered_session_bytes",
        "max_buffered_connection_bytes",
    )

    max_frame_size: int
    max_open_size: int
    max_sasl_size: int
    max_sasl_rounds: int
    max_sessions: int
    max_links: int
    max_endpoint_bytes: int
    max_unsettled: int
    max_buffered_delivery_bytes: int
    max_buffered_session_bytes: int
    max_buffered_connection_bytes: int

    def __init__(
        self,
        *,
        max_frame_size: int = 64 * KIBIBYTE,
        max_open_size: int = 16 * KIBIBYTE,
        max_sasl_size: int = 128 * KIBIBYTE,
        max_sasl_rounds: int = 16,
        max_sessions: int = 256,
        max_links: int = 4096,
        max_endpoint_bytes: int = 2 * MEBIBYTE,
        max_unsettled: int = 65536,
        max_buffered_delivery_bytes: int = 100 * MEBIBYTE,
        max_buffered_session_bytes: int = 128 * MEBIBYTE,
        max_buffered_connection_bytes: int = 256 * MEBIBYTE,
    ) -> None:
        self._set("max_frame_size", max_frame_size, 512, UNLIMITED, True)
        self._set("max_open_size", max_open_size, 512, UNLIMITED, True)
        self._set("max_sasl_size", max_sasl_size, 512, UNLIMITED, True)
        self._set("max_sasl_rounds", max_sasl_rounds, 1, UNLIMITED)
        self._set("max_sessions", max_sessions, 1, 65536)
        self._set("max_links", max_links, 1, UNLIMITED)
        self._set("max_endpoint_bytes", max_endpoint_bytes, 512, None, True)
        self._set("max_unsettled", max_unsettled, 1, UNLIMITED)
        self._set("max_buffered_delivery_bytes", max_buffered_delivery_bytes, 1, None, True)
        self._set("max_buffered_session_bytes", max_buffered_session_bytes, 1, None, True)
        self._set("max_buffered_connection_bytes", max_buffered_connection_bytes, 1, None, True)

    def _set(self, name: str, value: Any, least: int, most: Any, none: bool = False) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < least or (most and value > most):
            if not (none and value == 0 and not isinstance(value, bool)):
                bounds = "from %d on" % least if most is None else "from %d to %d" % (least, most)
                zero = ", or 0 for no limit" if none else ""
                raise ValueError("%s is a number %s%s, not %r" % (name, bounds, zero, value))
        object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("limits cannot be changed: make others by limits.replace(%s=...)" % name)

    if TYPE_CHECKING:  # one keyword for each limit

        def replace(
            self,
            *,
            max_frame_size: int = ...,
            max_open_size: int = ...,
            max_sasl_size: int = ...,
            max_sasl_rounds: int = ...,
            max_sessions: int = ...,
            max_links: int = ...,
            max_endpoint_bytes: int = ...,
            max_unsettled: int = ...,
            max_buffered_delivery_bytes: int = ...,
            max_buffered_session_bytes: int = ...,
            max_buffered_connection_bytes: int = ...,
        ) -> Limits: ...

    else:

        def replace(self, **changes: int) -> Limits:
            """The same limits but for these. TypeError for an unknown name."""
            return Limits(**{**{name: getattr(self, name) for name in self.__slots__}, **changes})

    def __repr__(self) -> str:
        unusual = [name for name in self.__slots__ if getattr(self, name) != getattr(USUAL, name)]
        return "Limits(%s)" % ", ".join("%s=%d" % (name, getattr(self, name)) for name in unusual)


#: The default limits.
USUAL = Limits()
