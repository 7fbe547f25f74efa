"""Task: one call of `on_timer_task` that a container has planned. It knows the container by its thread alone."""

from __future__ import annotations

from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Optional

    from reactor.container.interface import SourceHost
    from reactor.loop.timers import Timer


class Task:
    """A call that `Container.schedule` has planned: of `on_timer_task` of `handler`, with an event that has
    this object as its context."""

    __slots__ = ("container", "handler", "timer", "cancelled", "__weakref__")

    def __init__(self, container: SourceHost, handler: Optional[object]) -> None:
        self.container = container
        self.handler = handler
        self.timer: Optional[Timer] = None
        self.cancelled = False

    def cancel(self) -> None:
        """It will not happen. Harmless when it has happened, or was cancelled before."""
        self.container.owner.check()
        self.cancelled = True
        if self.timer is not None:
            self.timer.cancel()

    def __repr__(self) -> str:
        return "<Task of %r%s>" % (self.handler, ", cancelled" if self.cancelled else "")
