"""Limits for programs of students, in a process of their own: memory, and time of the processor.

A limit that the system does not have is not set: Windows has neither, and the parent's patience is all there.
"""

import contextlib
import pkgutil
import signal
import traceback

#: Bytes, and seconds of the processor for one world.
MEMORY = 2 << 30
SECONDS = 10.0


class TooLong(BaseException):
    """It computed for too long. Not an Exception, so that `except Exception` lets it through."""


def limit_memory(most=MEMORY):
    """From now on this process has no more memory than that, where the system can see to it."""
    try:
        resource = pkgutil.resolve_name("resource")
    except ImportError:  # not on this system
        return
    with contextlib.suppress(ValueError, OSError):  # a bound of the system's is lower already
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


@contextlib.contextmanager
def computing(seconds=SECONDS):
    """In this block TooLong is raised after so many seconds of the processor, and again each second."""
    if hasattr(signal, "setitimer"):
        before = signal.signal(signal.SIGVTALRM, _stop)
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 1.0)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
            signal.signal(signal.SIGVTALRM, before)
    else:
        yield


def _stop(number, frame):
    raise TooLong


def explain(error, name, seconds):
    """The line at which a program was stopped."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    if not frames:
        return f"It computed for {seconds:g} s without an end; there is a loop between its methods and the library."
    place = f"{name}, line {frames[-1].lineno}, in {frames[-1].name}: {frames[-1].line}"
    return (
        f"{place}\nIt computed for {seconds:g} s without an end. While a method runs nothing else does: no message, no "
        "timer, no answer. A method has to return; what is to be done later is another event, such as a timer."
    )
