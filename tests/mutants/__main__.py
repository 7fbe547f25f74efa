"""See the package. It runs in a copy of the checkout, where the modules may be broken."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".tox", "__pycache__", ".hypothesis")

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(CHECKOUT, tree, ignore=LEFT_OUT)
        sys.exit(subprocess.run([sys.executable, "-m", "tests.mutants.examine", *sys.argv[1:]], cwd=tree).returncode)
