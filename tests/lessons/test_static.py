"""The site of plain files that `--static` writes; tests/site runs it."""

from __future__ import annotations

import re
import zipfile

import pytest

from examples.lessons import __main__ as command
from examples.lessons import catalogue
from examples.lessons.web.static import ELSEWHERE, NEEDED, CannotWrite, write_site


def test_a_site_has_the_page_the_library_and_the_lessons(tmp_path):
    files, where = write_site(tmp_path / "site")
    assert files == ["index.html", "lessons.zip", "page.css", "page.js", "site.js", "worker.js"]
    assert where == ELSEWHERE and where in (tmp_path / "site" / "worker.js").read_text(encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "site" / "lessons.zip") as archive:
        names = archive.namelist()
    assert {"reactor/__init__.py", "handlers/broker/broker.py", "examples/lessons/web/seat.py"} <= set(names)
    assert {f"examples/lessons/texts/{name}.txt" for name in catalogue.NAMES} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests", "/"))]


def test_the_page_asks_for_nothing_from_elsewhere_but_pyodide(tmp_path):
    write_site(tmp_path)
    for name in ("index.html", "page.js", "page.css", "site.js", "worker.js"):
        text = (tmp_path / name).read_text(encoding="utf-8").replace(ELSEWHERE, "")
        assert not re.findall(r"(?:https?:)?//[a-z]", re.sub(r"^\s*//.*$", "", text, flags=re.M)), name


def test_the_same_site_each_time_and_over_an_older_one(tmp_path):
    write_site(tmp_path)
    before = (tmp_path / "lessons.zip").read_bytes()
    write_site(tmp_path)
    assert (tmp_path / "lessons.zip").read_bytes() == before


def test_pyodide_is_copied_from_a_directory(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    for name in NEEDED:
        (package / name).write_text(name, encoding="utf-8")
    files, where = write_site(tmp_path / "site", str(package))
    assert where == "./pyodide/" and {f"pyodide/{name}" for name in NEEDED} <= set(files)


def test_what_is_no_place_for_a_site_and_no_pyodide(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(CannotWrite, match="has other files in it"):
        write_site(tmp_path)
    assert command.main(["--static", str(tmp_path / "site"), "--pyodide", str(tmp_path)]) == 1
    assert "has no pyodide.mjs" in capsys.readouterr().err


def test_the_command_names_what_comes_from_elsewhere(tmp_path, capsys):
    assert command.main(["--static", str(tmp_path / "site")]) == 0
    assert f"Python comes from {ELSEWHERE}; nothing else is needed." in capsys.readouterr().out
