"""Sources of events beside connections: timers, sockets, other threads, questions of other processes.

Those of other threads and processes are imported when a container has one.
"""

from reactor.lazily import TYPE_CHECKING, members

if TYPE_CHECKING:
    from reactor.container.explain.questions import Questions as Questions
    from reactor.container.sources.injector import EventInjector as EventInjector
else:
    __getattr__ = members(
        __name__,
        EventInjector="reactor.container.sources.injector",
        Questions="reactor.container.explain.questions",
    )
