"""The object that an application holds: the Container with its parts, and the settings of its calls.

The parts that most containers do without are imported when one needs them.
"""

from reactor.lazily import TYPE_CHECKING, members

if TYPE_CHECKING:
    from reactor.container.acceptor import Acceptor as Acceptor
    from reactor.container.frame_trace import trace_frames as trace_frames
    from reactor.container.frame_trace import trace_words as trace_words
    from reactor.container.observing import Observing as Observing
    from reactor.container.service_manager import ServiceManager as ServiceManager
    from reactor.container.signals import Signals as Signals
else:
    __getattr__ = members(
        __name__,
        Acceptor="reactor.container.acceptor",
        Observing="reactor.container.observing",
        ServiceManager="reactor.container.service_manager",
        Signals="reactor.container.signals",
        trace_frames="reactor.container.frame_trace",
        trace_words="reactor.container.frame_trace",
    )
