"""Recording: all that happened in a run, in order of time, with a header; and its files.

Pictures, lessons and notebooks draw from it; recorders fill it. The ending of a file's name is its format: JSON lines
(`.jsonl`), which keep everything, and captures of Wireshark and tcpdump, which keep the frames.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Optional, Union

from reactor.look.diagram import picture
from reactor.look.page import frame, page
from reactor.tracing.captures.reading import read_capture
from reactor.tracing.captures.writing import write_capture
from reactor.tracing.columns import draw
from reactor.tracing.lines import MARK, header_line, read_lines, record_line
from reactor.tracing.record import KINDS, VERSION, Record, RecordingError
from reactor.tracing.timeline import Timeline

__all__ = ["KINDS", "Record", "Recording", "RecordingError", "VERSION"]


class Recording:
    """A header and records.

    header: "amqp-reactor" is the version of the form, "clock" is "real" or "world", "began" the date in seconds since
        1970-01-01 UTC (None where it is not known), "title" one line for people, "dropped" how many records are not
        there because there was no room, "cut" a list of sentences about missing parts (absent where nothing is
        missing). What is not given gets its default.
    records: the records, in order of time.
    """

    def __init__(self, header: Optional[dict[str, Any]] = None, records: Iterable[Record] = ()) -> None:
        defaults = {MARK: VERSION, "clock": "real", "began": None, "title": "", "dropped": 0}
        self.header: dict[str, Any] = {**defaults, **(header or {})}
        self.records: list[Record] = list(records)

    def __len__(self) -> int:
        return len(self.records)

    def __bool__(self) -> bool:
        return True  # one without records is a recording all the same

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Recording):
            return NotImplemented
        return self.header == other.header and self.records == other.records

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __repr__(self) -> str:
        title = self.header.get("title")
        return "<Recording%s: %d records>" % (" %r" % title if title else "", len(self.records))

    def text(self, width: int = 80, *, ascii_only: bool = False, everything: bool = False) -> str:
        """The sequence diagram of it as lines of text; the same for the same recording, everywhere.

        width: columns, 40 at least. ascii_only: for terminals without box drawing. everything: a row for each frame.
        """
        return draw(self.timeline(), width, ascii_only, everything)

    def svg(self, *, everything: bool = False) -> str:
        """The sequence diagram of it as a picture, light or dark with its reader: a document of SVG, the same for the
        same recording, everywhere. everything: a row for each frame."""
        return picture(self.timeline(), everything)

    def html(self, *, everything: bool = False) -> str:
        """A page with all of it: the sequence diagram that unfolds, frames by field, curves over time, a table of
        deliveries. It needs nothing from elsewhere, and has 3 MB at most. everything: a row for each frame."""
        return page(self.timeline(), everything)

    def _repr_html_(self) -> str:
        """For notebooks: the page in a frame."""
        return frame(self.html(), self.header.get("title") or "A run of AMQP")

    def _repr_svg_(self) -> str:
        """For notebooks."""
        return self.svg()

    def timeline(self) -> Timeline:
        """It as a model: lanes, links, deliveries, curves, marks."""
        return Timeline(self.records, self.header)

    def write(self, path: Union[str, Path]) -> None:
        """Write a file, in the format of its ending: `.jsonl` or `.pcapng`.

        RecordingError for another ending, and for a record with values that JSON does not know; OSError where the file
        cannot be written.
        """
        if _ending(path, (".jsonl", ".pcapng")) == ".pcapng":
            with open(path, "wb") as capture:
                capture.writelines(write_capture(self.header, self.records))
            return
        with open(path, "w", encoding="ascii", newline="\n") as file:
            file.write(header_line(self.header) + "\n")
            for record in self.records:
                file.write(record_line(record) + "\n")

    @classmethod
    def read(cls, path: Union[str, Path]) -> Recording:
        """Read a file, in the format of its ending: `.jsonl`, `.pcapng` or `.pcap`. Of captures the connections with
        port 5672 are read, and those that begin with AMQP's header.

        Of a file that was cut off the whole part is read, and `header["cut"]` has sentences about the rest.
        RecordingError, with the place in the file, for one that is none; OSError where it cannot be read.
        """
        ending = _ending(path, (".jsonl", ".pcapng", ".pcap"))
        with open(path, "rb") as file:
            if ending == ".jsonl":
                return cls(*read_lines(file, str(path)))
            return cls(*read_capture(file.read(), str(path)))


def _ending(path: Union[str, Path], known: tuple[str, ...]) -> str:
    ending = Path(path).suffix.lower()
    if ending not in known:
        raise RecordingError("%s: recordings have names that end in %s" % (path, " or ".join(known)))
    return ending
