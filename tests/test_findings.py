"""The scripts of findings/: each says what is surprising, of what version and why it matters, and can be run.

They install packages and are run by hand; here is only what can be said without a network.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "findings").glob("*"))
PARTS = ["What most expect:", "What happens:", "Version:", "Seen: 20", "Why it matters:"]


def test_there_are_some_and_nothing_else():
    assert SCRIPTS and all(script.suffix == ".sh" for script in SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_says_what_it_shows_and_pins_what_it_installs(script):
    text = script.read_text(encoding="utf-8")
    head = text[: text.index("set -euo pipefail")]
    assert [part for part in PARTS if part not in head] == []
    assert re.search(r"install .*==\d", text) and "mktemp -d" in text and "trap " in text
    others = re.sub(r"proton\.(reactor|handlers)", "", text)
    assert not re.search(r"\b(reactor|handlers)\b", others), "it runs without the product"


@pytest.mark.skipif(sys.platform == "win32" or shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_can_be_run(script):
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(script)], timeout=60).returncode == 0
