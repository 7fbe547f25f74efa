"""Pictures of real runs: python -m reactor.look script.py [arguments]; or of a recording: python -m reactor.look FILE

Everything that the containers of the script do is recorded, and a page is left when it ends: by itself, by an
exception, by Ctrl-C or SIGTERM. The script runs as it does without this: its arguments, its output, its exit status.
"""

from __future__ import annotations

import argparse
import atexit
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, Optional

from reactor.look.diagram import picture
from reactor.look.page import facts, page
from reactor.look.program import Program
from reactor.look.watching import Watching
from reactor.tracing.columns import draw
from reactor.tracing.record import RecordingError
from reactor.tracing.recording import Recording

#: Endings of recordings, and of pictures.
RECORDINGS, PICTURES = (".jsonl", ".pcapng", ".pcap"), (".html", ".svg", ".txt", ".jsonl", ".pcapng")

PROGRAM = "python -m reactor.look"


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Look at a recording, or run a program and look at it. arguments: those of the process."""
    parser = _parser()
    given = parser.parse_args(arguments)
    _take_from_behind(given)
    if given.width < 40:
        parser.error("--width: a sequence diagram needs 40 columns, not %d" % given.width)
    if given.world is not None and given.world < 1:
        parser.error("--world: worlds have numbers from 1 on, not %d" % given.world)
    recorded = not given.module and Path(given.what).suffix.lower() in RECORDINGS
    if given.output is None and not given.text:
        given.output = Path(given.what.rpartition(".")[2] if given.module else given.what).stem + ".html"
    if given.output is not None:
        _check_output(given)
    if recorded:
        return _look_at_file(given)
    return _look_at_program(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage="%(prog)s [options] (script.py | -m module) [arguments] [-o FILE | --text]\n"
        "       %(prog)s [options] (run.jsonl | capture.pcapng | capture.pcap)",
        description="Run a program of this library and leave a page with its messages; or make one of a recording.",
        epilog="Options stand before the program; -o and --text may also be the last words, where none stands before.",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the page; or .svg, .txt, .jsonl, .pcapng by its ending")
    parser.add_argument("--text", action="store_true", help="print the sequence diagram instead, in 80 columns")
    parser.add_argument("--width", type=int, default=80, metavar="COLUMNS", help="of the text (80)")
    parser.add_argument("--all", action="store_true", help="fold nothing: a row for each frame")
    parser.add_argument("--from", dest="begin", type=float, metavar="SECONDS", help="look at the part from there on")
    parser.add_argument("--until", type=float, metavar="SECONDS", help="and until there")
    text = "of several simulated worlds, or beside real connections, that one: 1 for the first (the last one)"
    parser.add_argument("--world", type=int, metavar="NUMBER", help=text)
    parser.add_argument("-m", dest="module", action="store_true", help="the program is a module, as with python -m")
    parser.add_argument("what", metavar="script.py", help="a program, or a recording")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the arguments of the program")
    return parser


def _take_from_behind(given: argparse.Namespace) -> None:
    """-o FILE and --text at the very end are ours, unless one stands before the program."""
    rest = given.arguments
    if given.output is not None or given.text:
        return
    if rest[-1:] == ["--text"]:
        given.text = True
        del rest[-1:]
    elif rest[-2:-1] == ["-o"]:
        given.output = rest[-1]
        del rest[-2:]


def _check_output(given: argparse.Namespace) -> None:
    """Before anything runs: whether the picture can be written."""
    path = Path(given.output)
    if path.suffix.lower() not in PICTURES:
        _stop("-o %s: the ending of its name is its format: %s" % (path, ", ".join(PICTURES)))
    if path.is_dir() or not path.parent.is_dir():
        _stop("-o %s: %s" % (path, "this is a folder" if path.is_dir() else "there is no folder %s" % path.parent))
    if path.exists() and Path(given.what).exists() and path.samefile(given.what):
        _stop("-o %s: this would replace %s itself" % (path, given.what))


def _stop(sentence: str) -> NoReturn:
    sys.stderr.write("%s: %s\n" % (PROGRAM, sentence))
    raise SystemExit(2)


def _look_at_file(given: argparse.Namespace) -> int:
    if given.arguments:
        _stop("a recording takes no arguments: %s" % " ".join(given.arguments))
    if given.world is not None:
        _stop("--world is for a program: a recording is of one world")
    try:
        recording = Recording.read(given.what)
    except RecordingError as error:
        _stop(str(error))
    except OSError as error:
        _stop("cannot read %s: %s" % (given.what, error.strerror))
    recording.header["title"] = recording.header.get("title") or Path(given.what).name
    return 0 if _write(recording, given) else 1


def _look_at_program(given: argparse.Namespace) -> int:
    try:
        program = Program(given.what, given.arguments, given.module)
    except OSError as error:
        _stop("cannot open %s: %s" % (given.what, error.strerror))
    watching = Watching(Path(given.what).name, given.world)  # without its arguments: there may be a password among them
    process = os.getpid()
    # The program may leave a folder, and a part of it may go on in threads: those have ended when this is called.
    given.output = given.output and os.path.abspath(given.output)

    def leave_picture() -> None:
        if os.getpid() != process:
            return  # a child of the program, which is a copy of this process
        recording = watching.stop()
        for sentence in recording.header.get("cut", ()):
            sys.stderr.write("%s: %s\n" % (PROGRAM, sentence))
        _write(recording, given)

    atexit.register(leave_picture)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)
    home = str(Path(__file__).resolve().parents[2])
    program.take_place()
    if home not in sys.path:  # from a checkout: the program has the library with which it is looked at
        sys.path.append(home)
    program.run()
    return 0


def _terminated(number: int, frame: Any) -> None:
    """SIGTERM would end the process without the picture."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise SystemExit(128 + number)


def _write(recording: Recording, given: argparse.Namespace) -> bool:
    """Draw it; whether that was possible."""
    timeline = recording.timeline()
    timeline.cut(given.begin, given.until)
    try:
        if given.text:
            _print(draw(timeline, given.width, not _shows_boxes(), given.all))
        if given.output is None:
            return True
        path = Path(given.output)
        kind = path.suffix.lower()
        if kind in RECORDINGS:
            recording.write(path)
        else:
            make = {".svg": picture, ".html": page}.get(kind)
            text = draw(timeline, given.width, False, given.all) if make is None else make(timeline, given.all)
            path.write_bytes(text.encode("utf-8"))
    except (OSError, RecordingError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        sys.stderr.write("%s: cannot write %s: %s\n" % (PROGRAM, given.output or "the diagram", reason))
        return False
    sys.stderr.write("%s: %s\n" % (path, facts(timeline)))
    return True


def _shows_boxes() -> bool:
    try:
        "│─┌".encode(sys.stdout.encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True


def _print(text: str) -> None:
    encoding = sys.stdout.encoding or "ascii"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
