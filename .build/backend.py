"""The build backend: setuptools, with the README of the package index made before it (index_readme.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from index_readme import find_address, for_index
from setuptools import build_meta

#: As pyproject.toml names it; setuptools has its own files in this directory, too.
MADE = Path("build") / "README.md"


def with_readme(hook: Callable[..., Any]) -> Callable[..., Any]:
    """A hook of setuptools that finds the README made."""

    def build(*arguments: Any, **keywords: Any) -> Any:
        text = for_index(
            Path("README.md").read_text(encoding="utf-8"),
            find_address(Path("pyproject.toml").read_text(encoding="utf-8")),
        )
        MADE.parent.mkdir(exist_ok=True)
        MADE.write_text(text, encoding="utf-8")
        return hook(*arguments, **keywords)

    return build


get_requires_for_build_wheel = with_readme(build_meta.get_requires_for_build_wheel)
get_requires_for_build_sdist = with_readme(build_meta.get_requires_for_build_sdist)
get_requires_for_build_editable = with_readme(build_meta.get_requires_for_build_editable)
prepare_metadata_for_build_wheel = with_readme(build_meta.prepare_metadata_for_build_wheel)
prepare_metadata_for_build_editable = with_readme(build_meta.prepare_metadata_for_build_editable)
build_wheel = with_readme(build_meta.build_wheel)
build_sdist = with_readme(build_meta.build_sdist)
build_editable = with_readme(build_meta.build_editable)
