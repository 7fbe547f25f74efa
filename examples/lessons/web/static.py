"""The lessons as a site of plain files: the same page, with Python in the browser (Pyodide) in place of a server.

The site has the page, a worker that runs Python, and one archive with the library and the lessons. From elsewhere it
has Pyodide alone: the files NEEDED, from a content delivery network, or from a copy beside the page. No program of a
student, and no answer, leaves the browser.
"""

import shutil
import zipfile
from pathlib import Path

import handlers
import reactor

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[2]

VERSION = "314.0.7"

#: The npm package `pyodide`, as a content delivery network has it.
ELSEWHERE = f"https://cdn.jsdelivr.net/npm/pyodide@{VERSION}/"

#: Of Pyodide: its loader, the interpreter, its standard library, and the list of its packages.
NEEDED = ["pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json"]

#: Files of the library and the lessons that the browser runs.
KINDS = {".py", ".txt"}


class CannotWrite(Exception):
    """The site cannot be written. The text says why."""


def write_site(directory, pyodide=ELSEWHERE):
    """Write the site. pyodide: the address of Pyodide's files, or a directory with them, which is copied into the site.
    Returns the names of the files, and where the site expects Pyodide."""
    site = Path(directory)
    if site.exists() and any(site.iterdir()) and not (site / "lessons.zip").exists():
        raise CannotWrite(f"{site} has other files in it: name a new directory, or one with an older site")
    site.mkdir(parents=True, exist_ok=True)
    place = pyodide if "://" in pyodide else _copy(Path(pyodide), site / "pyodide")
    page = (HERE / "page.html").read_text(encoding="utf-8")
    page = page.replace('<script src="page.js">', '<script src="site.js"></script>\n<script src="page.js">')
    (site / "index.html").write_text(page, encoding="utf-8")
    for name in ("page.js", "page.css"):
        shutil.copyfile(HERE / name, site / name)
    (site / "site.js").write_text('window.LESSONS_WORKER = "worker.js";\n', encoding="utf-8")
    worker = (HERE / "worker.js").read_text(encoding="utf-8")
    (site / "worker.js").write_text(worker.replace("PLACE_OF_PYODIDE", place), encoding="utf-8")
    with zipfile.ZipFile(site / "lessons.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(_sources()):
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()), place


def _sources():
    """Names in the archive, and their files."""
    for package in (reactor, handlers):
        root = Path(package.__file__).resolve().parent
        yield from _below(root, root.parent)
    yield "examples/__init__.py", TOP / "examples" / "__init__.py"
    yield from _below(TOP / "examples" / "lessons", TOP)


def _below(root, top):
    for path in root.rglob("*"):
        if path.is_file() and path.suffix in KINDS and "__pycache__" not in path.parts:
            yield path.relative_to(top).as_posix(), path


def _copy(source, target):
    """Pyodide's files into the site."""
    missing = [name for name in NEEDED if not (source / name).is_file()]
    if missing:
        raise CannotWrite(f"{source} has no {', '.join(missing)}: it is to be the npm package pyodide")
    target.mkdir(exist_ok=True)
    for name in NEEDED:
        shutil.copyfile(source / name, target / name)
    return "./pyodide/"
