"""The program of the front page that stands still is explained as the front page shows it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reactor.container.explain.places import of_process
from reactor.container.explain.sentences import OBSTACLES, USUAL
from tests.support.chapters import CHAPTERS
from tests.support.processes import DEADLINE, environment
from tests.test_readme import plain

README = CHAPTERS["README.md"]


def unwrapped(text: str) -> list[str]:
    """The sentences, without what differs from run to run."""
    joined = text.replace("\n  ", " ")
    joined = re.sub(r"\b9[89]\d\b", "990", joined)  # of 1,000 of credit, which is renewed as the wire cuts the messages
    return plain(re.sub(r"\d+(\.\d)? s\b", "N s", joined))


@pytest.mark.skipif(sys.platform == "win32", reason="a Unix socket is asked")
def test_the_stuck_program_is_explained_in_one_command(runtime_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "stuck.py").write_text(README.marked("file")["stuck.py"], encoding="utf-8")
    console = next(block.text for block in README.blocks if block.mark == "console: of a running program")
    shown = unwrapped(console.partition("reactor.explain 4711\n")[2])
    variables = environment(XDG_RUNTIME_DIR=str(runtime_dir), PYTHONUNBUFFERED="1")
    with open(tmp_path / "stuck.log", "w") as log:
        program = subprocess.Popen([sys.executable, "stuck.py"], cwd=tmp_path, env=variables, stdout=log)
    try:
        printed: list[str] = []
        end = time.monotonic() + DEADLINE
        while printed != shown and time.monotonic() < end:  # it gets going, and then stands for a second
            command = [sys.executable, "-m", "reactor.explain", str(program.pid)]
            asked = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=DEADLINE)
            printed = unwrapped(asked.stdout)
            assert program.poll() is None
        assert printed == shown
        assert asked.returncode == 1
    finally:
        program.kill()
        program.wait()


def test_the_chapter_has_every_kind_of_sentence() -> None:
    text = CHAPTERS["reactor/explain/README.md"].section("Sentences")
    table, _, usual = text.partition("And these are the waits")
    assert set(re.findall(r"`([a-z ]+)`", "\n".join(re.findall(r"^\| (.+?) \|", table, re.M)))) == set(OBSTACLES)
    assert set(re.findall(r"`([a-z ]+)`", usual)) == set(USUAL)


def test_the_sockets_of_a_process_are_found_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "amqp-reactor").mkdir()
    for name in ("7.sock", "7-2.sock", "77.sock", "7.txt", "x7.sock"):
        (tmp_path / "amqp-reactor" / name).touch()
    assert [Path(path).name for path in of_process(7)] == ["7-2.sock", "7.sock"]
