"""Pyodide, as npm has it: Python for browsers, and for Node.

    python -m tests.support.pyodide        installs it where it is missing, says what is there

It lies beside the clients of other projects (tests/support/strangers.py), in a folder of its own. It is installed only
here: the tests find it, or skip.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from examples.lessons.web.static import NEEDED, VERSION
from tests.support.strangers import folder

#: Seconds for the installation.
PATIENCE = 100.0


def package() -> Path:
    """The directory of the package."""
    return folder().parent / "pyodide" / "node_modules" / "pyodide"


def missing() -> str:
    """Why there is none; "" when there is."""
    if shutil.which("node") is None:
        return "there is no node"
    if not all((package() / name).is_file() for name in NEEDED):
        return f"no pyodide at {package()}: python -m tests.support.pyodide"
    return ""


def install() -> None:
    """Install it, if it can be had."""
    place = package().parent.parent
    place.mkdir(parents=True, exist_ok=True)
    (place / "package.json").write_text('{"private": true}', encoding="utf-8")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", f"pyodide@{VERSION}"]
    try:
        subprocess.run(command, cwd=place, check=True, timeout=PATIENCE)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{' '.join(command)}: {error}")


def main() -> None:
    if missing() and shutil.which("npm"):
        install()
    why = missing()
    print(f"skipped lessons in Pyodide: {why}" if why else f"pyodide: {package()}")


if __name__ == "__main__":
    main()
