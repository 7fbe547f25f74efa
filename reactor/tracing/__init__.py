"""Listeners to an engine, which never speak: the wire trace, recorders and their recordings, and models of these.

    from reactor.tracing import Recorder, Recording

`Recorder` keeps all that happens in containers, `Recording` and `Record` are what it keeps, and `Observer` is the base
of objects that look on at containers themselves. Each is imported when it is asked for: no program pays for them that
does not use them.
"""

from reactor.lazily import TYPE_CHECKING, members

if TYPE_CHECKING:
    from reactor.tracing.observer import Observer as Observer
    from reactor.tracing.recorder import Recorder as Recorder
    from reactor.tracing.recording import Record as Record
    from reactor.tracing.recording import Recording as Recording
    from reactor.tracing.recording import RecordingError as RecordingError
    from reactor.tracing.text import TextTrace as TextTrace
    from reactor.tracing.words import WordTrace as WordTrace
else:
    __getattr__ = members(
        __name__,
        Observer="reactor.tracing.observer",
        Record="reactor.tracing.record",
        Recorder="reactor.tracing.recorder",
        Recording="reactor.tracing.recording",
        RecordingError="reactor.tracing.record",
        TextTrace="reactor.tracing.text",
        WordTrace="reactor.tracing.words",
    )

__all__ = ["Observer", "Record", "Recorder", "Recording", "RecordingError"]
