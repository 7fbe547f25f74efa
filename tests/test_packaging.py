"""What the package carries, computed from the files that it is built from. `tox -e package` builds and installs it."""

from __future__ import annotations

import importlib.util
import re
from fnmatch import fnmatch
from types import ModuleType

import pytest

from reactor import help as pages
from tests.support.chapters import LINK
from tests.support.processes import CHECKOUT

PROJECT = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def index_readme() -> ModuleType:
    spec = importlib.util.spec_from_file_location("index_readme", CHECKOUT / ".build" / "index_readme.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("address", [None, "https://example.com/files/"])
def test_the_links_of_the_readme_work_in_a_package_index(index_readme: ModuleType, address: str) -> None:
    shown = index_readme.for_index(README, address)
    for target in LINK.findall(shown):
        assert target.startswith(("#", "https://")), f"{target} leads to a file beside the page"
    assert words(shown) == words(README), "nothing but links differs"


def words(page: str) -> str:
    """Without brackets, and without what stands in round ones."""
    return re.sub(r"\(\S+\)|[\[\]]", "", page)


def test_a_link_is_absolute_where_the_address_is_known(index_readme: ModuleType) -> None:
    address = index_readme.find_address('[project.urls]\nDocumentation = "https://example.com/files/"\n')
    shown = index_readme.for_index("[a b](x/y.md#z), [c](#d), [e](https://f.example)", address)
    assert shown == "[a b](https://example.com/files/x/y.md#z), [c](#d), [e](https://f.example)"


def test_a_link_is_plain_text_where_it_is_not(index_readme: ModuleType) -> None:
    assert index_readme.find_address("[project]\n") is None
    assert index_readme.for_index("[a b](x/y.md#z), [c](#d)", None) == "a b, [c](#d)"


def test_the_wheel_has_the_chapters_beside_the_code() -> None:
    """By the patterns of package-data, and of data-files."""
    lines = re.findall(r'^"?([\w./-]+)"? = \[(.*)\]$', PROJECT.partition("[tool.setuptools.package-data]")[2], re.M)
    patterns = {package.replace(".", "/"): re.findall(r'"([^"]+)"', globs) for package, globs in lines}
    for file in pages.CHAPTERS.values():
        folder, _, name = file.rpartition("/")
        if folder == "examples":
            assert "examples/*.md" in patterns["share/doc/amqp-reactor/examples"]
        elif folder not in ("", "tests"):  # the metadata has the README; the chapter on development is for checkouts
            assert any(fnmatch(name, glob) for glob in patterns[folder])


@pytest.mark.parametrize("package", ["handlers.broker.web", "reactor.look"])
def test_the_wheel_has_the_web_page(package: str) -> None:
    """`tox -e package` asks for it, in the wheel that was built."""
    patterns = re.search(r'^"%s" = \[(.*)\]$' % package, PROJECT, re.M)
    assert patterns is not None
    globs = re.findall(r'"([^"]+)"', patterns.group(1))
    for path in CHECKOUT.joinpath(*package.split(".")).iterdir():
        assert path.suffix == ".py" or path.is_dir() or any(fnmatch(path.name, glob) for glob in globs), path


def test_the_source_distribution_has_all_chapters() -> None:
    manifest = (CHECKOUT / "MANIFEST.in").read_text(encoding="utf-8").split()
    assert {"README.md", ".build", "examples", "tests"} <= set(manifest)
