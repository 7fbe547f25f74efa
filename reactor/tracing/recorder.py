"""Recorder: an observer of containers that keeps all that happens, as a Recording.

    recorder = Recorder()
    Container(Worker(), observers=[recorder]).run()
    recorder.recording.write("run.jsonl")

It is bounded: the newest records are kept, in memory, or the first ones, in a file; the others are counted. It never
asks for the time itself: that is the container's.
"""

from __future__ import annotations

import re
import weakref
from collections import deque
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Optional, Union

from reactor.tracing.lines import header_line, record_line
from reactor.tracing.program import FramesOfProgram, Label, ProgramRecorder, SummariesOfProgram
from reactor.tracing.record import Record, RecordingError
from reactor.tracing.recording import Recording

#: Records that are kept in memory, bytes that are kept of a frame, and bytes of a file, unless it is asked for others.
RING, FRAME_BYTES, FILE_BYTES = 10_000, 4096, 1 << 30

LEVELS: dict[str, type[ProgramRecorder]] = {"frames": FramesOfProgram, "summary": SummariesOfProgram}

_UNNAMED = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # a container-id that nobody has chosen


class Recorder:
    """Records all containers that have it among their `observers`.

    level: "frames" (default): every frame, which method of a handler ran and for how long, timers, connections and
        their ends. "summary": no frames and no calls, but each `interval` the counters of the links that were used: for
        programs in production.
    ring: the number of records that are kept in memory: the newest; None: all. Default 10,000, and 0 with a file.
    file: a file of JSON lines (`.jsonl`) to which all is written; one that is there is replaced. It is written at the
        end of a turn, at most once in `interval` seconds, and when a container comes to its end: of a program that is
        killed the last second is missing. None (default): none.
    file_bytes: the size at which the file is full (1 GiB): what comes later is counted as dropped.
    frame_bytes: bytes that are kept of a frame (4096): of a larger one its beginning, and its size; None: all.
    interval: seconds, 1 by default. held: seconds for which handlers have to hold the loop to be recorded, 0.1.
    title: of the recording.

    Passwords and tokens are hidden, as in the wire trace; messages are recorded with their bodies. The records of a
    container are told apart by its `container_id`, or by the class of its handler where it was given none.

    ValueError for a level that there is not, or a bound below 0; RecordingError for a file with another ending;
    OSError for one that cannot be written.
    """

    def __init__(
        self,
        level: str = "frames",
        ring: Optional[int] = -1,
        file: Union[str, Path, None] = None,
        file_bytes: int = FILE_BYTES,
        frame_bytes: Optional[int] = FRAME_BYTES,
        interval: float = 1.0,
        held: float = 0.1,
        title: str = "",
    ) -> None:
        if level not in LEVELS:
            raise ValueError("the level of a recorder is %s, not %r" % (" or ".join(map(repr, LEVELS)), level))
        if ring == -1:
            ring = RING if file is None else 0
        bounds: dict[str, Any] = {"ring": ring, "file_bytes": file_bytes, "frame_bytes": frame_bytes}
        for name, value in bounds.items():
            if value is not None and (not isinstance(value, int) or value < 0):
                raise ValueError("%s is a number that is not below 0, or None, and not %r" % (name, value))
        self.level = level
        self.interval = interval
        self.held_limit = held
        self.frame_bytes = frame_bytes
        self.header: dict[str, Any] = {"clock": "real", "began": None, "title": title}
        self.zero: Optional[float] = None
        self._ring: deque[Record] = deque(maxlen=ring)
        self._numbers = count()  # its `next` is one step, also where several threads record
        self._recorded = -1
        self._programs: list[ProgramRecorder] = []
        self._file = None if file is None else _File(file, file_bytes)
        if self._file is not None:
            weakref.finalize(self, self._file.flush)

    # -- for applications --------------------------------------------------------------------------------------

    @property
    def dropped(self) -> int:
        """How many records there was no room for."""
        return self._recorded + 1 - len(self._ring) if self._file is None else self._file.dropped

    @property
    def recording(self) -> Recording:
        """All that is kept, at this moment; of counters those up to the last interval. From any thread."""
        if self._file is not None and not self._ring:
            self._file.flush()
            return Recording.read(self._file.path)
        while True:
            try:
                records = list(self._ring)
                break
            except RuntimeError:  # another thread has recorded meanwhile
                continue
        records.sort(key=_at)
        return Recording({**self.header, "dropped": self._recorded + 1 - len(records)}, records)

    def write(self, path: Union[str, Path]) -> None:
        """Write the recording to a file; see `Recording.write`."""
        self.recording.write(path)

    def note(self, text: str, **values: Any) -> None:
        """A record of one's own, at the time of the last one. values: JSON's."""
        last = self._ring[-1].at if self._ring else 0.0
        self.add(Record(last, "note", text=text, values=values))

    def flush(self) -> None:
        """Record what is summed up, and write all to the file, if there is one. On the container's thread."""
        for program in list(self._programs):
            program.flush()
        if self._file is not None:
            self._file.flush()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.flush()

    def __repr__(self) -> str:
        where = "" if self._file is None else " to %s" % self._file.path
        return "<Recorder of %s%s: %d records, %d dropped>" % (self.level, where, self._recorded + 1, self.dropped)

    # -- for containers and worlds ---------------------------------------------------------------------------

    def observer(self, container: Any) -> ProgramRecorder:
        """The container's call: the part of this recorder that looks on at it."""
        handlers = [type(one).__name__ for one in getattr(container.handler, "handlers", ())]
        name = str(container.container_id)
        if _UNNAMED.fullmatch(name):
            name = handlers[0].lower() if handlers else "container"
        program = self.program(name, container.mark, container.today())
        program.began(str(container.container_id), ", ".join(handlers))
        return program

    def program(
        self, name: str, clock: Callable[[], float], today: float, label: Optional[Label] = None
    ) -> ProgramRecorder:
        """The recorder of one program.

        clock: its time, in seconds. today: the date, in seconds since 1970. label: called with a wire, returns its
        name, and that of its other end where that is known; None: they are counted.
        """
        if self.zero is None:
            self.zero = clock()
            self.header["began"] = today
            if self._file is not None:
                self._file.begin(self.header)
        taken = {program.name for program in self._programs}
        if label is None and name in taken:
            name = next(other for other in ("%s %d" % (name, number) for number in count(2)) if other not in taken)
        program = LEVELS[self.level](self, name, clock, label)
        self._programs.append(program)
        return program

    def add(self, record: Record) -> None:
        """Keep a record."""
        self._recorded = next(self._numbers)
        self._ring.append(record)
        if self._file is not None:
            self._file.add(record)


class _File:
    """Lines that are on their way to a file. It is opened for each batch: nothing is left open, whatever becomes of the
    recorder."""

    def __init__(self, path: Union[str, Path], most: int) -> None:
        if Path(path).suffix.lower() != ".jsonl":
            raise RecordingError("%s: a recorder writes files with names that end in .jsonl" % path)
        self.path = path
        self.dropped = 0
        self._most = most
        self._lines: deque[str] = deque()
        self._size = 0
        self._told = 0
        self._last = 0.0
        open(path, "w").close()  # an error is raised here, and not in the middle of the run

    def begin(self, header: dict[str, Any]) -> None:
        self._append(header_line(header))

    def add(self, record: Record) -> None:
        self._last = record.at
        line = record_line(record)
        if self._size + len(line) >= self._most:
            self.dropped += 1
        else:
            self._append(line)

    def _append(self, line: str) -> None:
        self._size += len(line) + 1
        self._lines.append(line + "\n")

    def flush(self) -> None:
        if self.dropped > self._told:
            number, self._told = self.dropped - self._told, self.dropped
            note = Record(self._last, "note", text="the file is full", values={"dropped": number})
            self._lines.append(record_line(note) + "\n")
        lines = []
        while self._lines:  # another thread may go on to append
            lines.append(self._lines.popleft())
        if lines:
            with open(self.path, "a", encoding="ascii", newline="\n") as file:
                file.write("".join(lines))


def _at(record: Record) -> float:
    return record.at
