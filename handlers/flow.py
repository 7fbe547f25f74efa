"""Credit for receivers: a window that is kept open.

The engine tops credit up by itself, once per turn, for every receiver that has a `prefetch`; this handler
sets it for those that have none of their own. So credit costs nothing per message.
"""

from __future__ import annotations

from reactor import Event, Handler
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class FlowController(Handler):
    """Gives receivers without a `prefetch` of their own the window `window`.

    window: how many messages the peer may send ahead of those that were handed to the application (1024).
    """

    def __init__(self, window: int = 1024) -> None:
        if type(window) is not int or window < 0:
            raise ValueError("prefetch is a number of messages, not %r" % (window,))
        self.window = window

    def on_link_local_open(self, event: Event) -> None:
        """We attached a receiver."""
        self._open_window(event.link)

    def on_link_remote_open(self, event: Event) -> None:
        """The peer attached a sender of its own."""
        self._open_window(event.link)

    def _open_window(self, link: Any) -> None:
        if link.is_receiver and link.prefetch is None:
            link.prefetch = self.window
