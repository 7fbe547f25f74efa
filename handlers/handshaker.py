"""The passive side in a few lines: whatever the peer opens is opened, whatever it closes is closed."""

from __future__ import annotations

from typing import Any

from reactor import Endpoint, Event, Handler


class Handshaker(Handler):
    """Opens the endpoints that the peer opened, as it asked, and closes those that it closed.

    For handlers that are no MessagingHandler (which does the same, and reports it). A link is opened with
    the source and target that the peer asked for.
    """

    @staticmethod
    def on_connection_remote_open(event: Event) -> None:
        _open(event.connection)

    @staticmethod
    def on_session_remote_open(event: Event) -> None:
        _open(event.session)

    @staticmethod
    def on_link_remote_open(event: Event) -> None:
        link = event.link
        if link.state & Endpoint.LOCAL_UNINIT:
            link.source.copy(link.remote_source)
            link.target.copy(link.remote_target)
            link.open()

    @staticmethod
    def on_connection_remote_close(event: Event) -> None:
        _close(event.connection)

    @staticmethod
    def on_session_remote_close(event: Event) -> None:
        _close(event.session)

    @staticmethod
    def on_link_remote_close(event: Event) -> None:
        _close(event.link)


def _open(endpoint: Any) -> None:
    if endpoint.state & Endpoint.LOCAL_UNINIT:
        endpoint.open()


def _close(endpoint: Any) -> None:
    if not endpoint.state & Endpoint.LOCAL_CLOSED:
        endpoint.close()
