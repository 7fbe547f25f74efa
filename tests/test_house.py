"""The house rules that a program can check: floors, doors, rooms, and the front of the house.

Everything is read from the source with `ast`; nothing is imported, so a broken module fails its own tests and
not these.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path
from typing import NamedTuple, Optional

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: From the ground up. A module may import from its own floor and from those below. The longest name that fits
#: is a module's floor; the root of reactor is a list of re-exports, and stands on the roof of what it lists.
FLOORS = {
    "reactor.lazily": 0,
    "reactor.errors": 0,
    "reactor.url": 0,
    "reactor.version": 0,
    "reactor.hosts": 0,
    "reactor.shown": 0,
    "reactor.reasons": 0,
    "reactor.codec": 1,
    "reactor.engine": 2,
    "reactor.tracing": 3,
    "reactor.loop": 4,
    "reactor.container": 5,
    "reactor.blocking": 5,
    "reactor.simulation": 6,
    "reactor.utils": 6,
    "reactor": 6.5,
    "handlers.broker": 8,
    "handlers": 7,
}
LOOP = FLOORS["reactor.loop"]

#: What below the loop would make the engine see the world: each of them is an argument up there instead.
WORLDLY = set("time socket select selectors random os threading logging".split())
WORLDLY |= set("asyncio concurrent multiprocessing secrets signal subprocess".split())

#: Imports for type checkers alone that go upwards: importing module -> why it is truly needed.
UPWARD_TYPES: dict[str, str] = {}

#: What stands in the open beside dot-files, and what tools leave there and .gitignore keeps out.
FRONT = {"pyproject.toml", "MANIFEST.in", "tox.ini", "README.md", "LICENSE", "CHANGELOG.md"}
FRONT |= {"reactor", "handlers", "examples", "tests", "findings"}
LEFT_BEHIND = {"build", "dist", "htmlcov", "__pycache__"}
LEFT_BEHIND |= {"PKG-INFO", "setup.cfg"}  # of a source distribution

#: A room is 150 to 450 lines; this is where somebody has to act.
ROOM = 500


class Import(NamedTuple):
    """One imported module. names: what `from` takes out of it. typing_only: under TYPE_CHECKING."""

    module: str
    names: tuple[str, ...]
    line: int
    typing_only: bool


class Source:
    """One file: where it is, what it is called, and what it says."""

    def __init__(self, path: Path) -> None:
        self.path = path.relative_to(ROOT).as_posix()
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text, self.path)
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        self.is_package = parts[-1] == "__init__"
        if self.is_package:
            parts.pop()
        self.name = ".".join(parts)
        self.imports = [found for node, typed in self._top() for found in self._read(node, typed)]

    def __repr__(self) -> str:
        return self.path

    def _top(self):
        """Import statements where they belong: in the module's body, or in its TYPE_CHECKING block."""
        for node in self.tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                yield node, False
            elif is_type_checking(node):
                for inner in node.body:
                    if isinstance(inner, (ast.Import, ast.ImportFrom)):
                        yield inner, True

    def _read(self, node, typing_only):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), node.lineno, typing_only)
            return
        module = node.module or ""
        if node.level:
            package = self.name.split(".")
            package = package[: len(package) - node.level + (1 if self.is_package else 0)]
            module = ".".join([*package, *([module] if module else [])])
        taken = []
        for alias in node.names:
            # `from reactor.codec import types` imports a module, whatever it looks like.
            if f"{module}.{alias.name}" in MODULE_NAMES:
                yield Import(f"{module}.{alias.name}", (), node.lineno, typing_only)
            else:
                taken.append(alias.name)
        if taken:
            yield Import(module, tuple(taken), node.lineno, typing_only)


def is_type_checking(node) -> bool:
    if not isinstance(node, ast.If):
        return False
    test = node.test
    if getattr(test, "id", getattr(test, "attr", None)) != "TYPE_CHECKING":
        return False
    imported = {inner.names[0].name for inner in node.body if isinstance(inner, ast.Import)}
    return imported >= set(lazy(node.orelse))


def lazy(statements) -> list[str]:
    """The modules that `NAME = Lazily("NAME")` stands for; the one other thing that may be said there."""
    names = []
    for statement in statements:
        assert isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call), ast.dump(statement)
        (target,), (argument,) = statement.targets, statement.value.args
        assert statement.value.func.id == "Lazily" and target.id == argument.value, ast.dump(statement)
        names.append(target.id)
    return names


def files(*tops: str) -> list[Path]:
    return sorted(path for top in tops for path in (ROOT / top).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULE_NAMES = {module_name(path) for path in files("reactor", "handlers", "examples", "tests")}
SOURCES = [Source(path) for path in files("reactor", "handlers")]
EXAMPLES = [Source(path) for path in files("examples")]
SIBLINGS = {"examples", *(source.name.rpartition(".")[2] for source in EXAMPLES)}  # a script's, as a file
TESTS = [Source(path) for path in files("tests")]

each_source = pytest.mark.parametrize("source", SOURCES, ids=repr)
each_script = pytest.mark.parametrize("source", [*SOURCES, *EXAMPLES], ids=repr)


def floor(module: str) -> Optional[float]:
    """The floor of a module of ours; None for anybody else's."""
    while module:
        if module in FLOORS:
            return FLOORS[module]
        module = module.rpartition(".")[0]
    return None


def is_standard(module: str) -> bool:
    root = module.partition(".")[0]
    if hasattr(sys, "stdlib_module_names"):
        return root in sys.stdlib_module_names
    spec = importlib.util.find_spec(root)  # Python 3.9 does not tell
    return spec is not None and "site-packages" not in (spec.origin or "")


# -- floors ----------------------------------------------------------------------------------------------
@each_source
def test_imports_go_down_only(source):
    here = floor(source.name)
    assert here is not None, f"{source.name} stands on no floor: give it one in FLOORS"
    for found in source.imports:
        there = floor(found.module)
        if there is None or there <= here:
            continue
        excused = found.typing_only and source.name in UPWARD_TYPES
        assert excused, f"{source}:{found.line}: floor {here} imports {found.module} of floor {there}"


def test_every_excuse_is_used():
    used = {
        source.name
        for source in SOURCES
        for found in source.imports
        if found.typing_only and (floor(found.module) or 0) > floor(source.name)
    }
    assert set(UPWARD_TYPES) == used


@each_source
def test_below_the_loop_the_world_is_not_seen(source):
    if floor(source.name) >= LOOP:
        return
    seen = [(found.line, found.module) for found in source.imports]
    assert not [f"{source}:{line}: {name}" for line, name in seen if name.partition(".")[0] in WORLDLY]


@pytest.mark.parametrize("source", [s for s in SOURCES if s.name.startswith("reactor")], ids=repr)
def test_reactor_never_imports_handlers(source):
    """A user's own handlers.py, beside his script, would be found first."""
    assert not [found for found in source.imports if found.module.partition(".")[0] == "handlers"]


def test_no_two_modules_need_each_other():
    graph = {source.name: {i.module for i in source.imports if not i.typing_only} for source in SOURCES}
    settled: set[str] = set()

    def visit(name, above):
        if name in above:
            pytest.fail("a circle of imports: " + " -> ".join([*above[above.index(name) :], name]))
        if name in settled or name not in graph:
            return
        for other in sorted(graph[name]):
            visit(other, [*above, name])
        settled.add(name)

    for name in sorted(graph):
        visit(name, [])


# -- doors -----------------------------------------------------------------------------------------------
@each_script
def test_imports_stand_at_the_top(source):
    at_the_top = {id(node) for node in source.tree.body}
    for node in source.tree.body:
        if is_type_checking(node):
            at_the_top |= {id(inner) for inner in node.body}
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            assert id(node) in at_the_top, f"{source}:{node.lineno}: an import not at the module's top"
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", None))
            excused = source.name == "reactor.lazily"
            assert excused or name not in ("__import__", "import_module"), f"{source}:{node.lineno}: {name}"


@each_source
def test_what_is_imported_later_is_of_the_standard_library_and_of_no_other_world(source):
    for node in source.tree.body:
        if is_type_checking(node) and node.orelse:
            for name in lazy(node.orelse):
                assert is_standard(name), f"{source}:{node.lineno}: {name}"
                assert floor(source.name) >= LOOP or name not in WORLDLY, f"{source}:{node.lineno}: {name}"


@each_script
def test_nothing_but_the_standard_library(source):
    for found in source.imports:
        root = found.module.partition(".")[0]
        ours = root in ("reactor", "handlers") or (source in EXAMPLES and root in SIBLINGS)
        assert ours or is_standard(root), f"{source}:{found.line}: {found.module}"


@each_script
def test_no_name_is_imported_by_a_star(source):
    assert not [found for found in source.imports if "*" in found.names]


@pytest.mark.parametrize("source", [s for s in SOURCES if s.name.startswith("handlers.broker")], ids=repr)
def test_the_broker_is_an_application_like_any_other(source):
    _uses_only_what_is_public(source, own="handlers.broker")


@pytest.mark.parametrize("source", EXAMPLES, ids=repr)
def test_examples_show_the_public_names_only(source):
    _uses_only_what_is_public(source, own="examples", also={"handlers.broker", "reactor.utils"})


def _uses_only_what_is_public(source, own, also=frozenset()):
    public = {"reactor": public_names("reactor"), "handlers": public_names("handlers")}
    for found in source.imports:
        if floor(found.module) is None or f"{found.module}.".startswith(f"{own}.") or found.module in also:
            continue
        where = f"{source}:{found.line}"
        assert found.module in public, f"{where}: {found.module} is no public module"
        private = set(found.names) - public[found.module]
        assert not private, f"{where}: {found.module}.__all__ does not have {sorted(private)}"


def public_names(package: str) -> set[str]:
    """What __all__ of a package says, read and not imported."""
    source = next(source for source in SOURCES if source.name == package and source.is_package)
    for node in source.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(getattr(target, "id", None) == "__all__" for target in targets):
            return set(ast.literal_eval(node.value))
    return set()


@pytest.mark.parametrize("package", ["reactor", "handlers"])
def test_the_roots_only_list(package):
    source = next(source for source in SOURCES if source.name == package)
    for node in source.tree.body[1:]:
        if isinstance(node, ast.ImportFrom):
            continue
        assert isinstance(node, ast.Assign), f"{source}:{node.lineno}: more than a list of re-exports"
        assert {target.id for target in node.targets} <= {"__all__", "__version__"}, f"{source}:{node.lineno}"


# -- rooms -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("source", [*SOURCES, *EXAMPLES, *TESTS], ids=repr)
def test_every_module_says_what_it_is_for(source):
    assert (ast.get_docstring(source.tree) or "").strip(), f"{source} has no docstring"


@each_source
def test_no_room_overgrows(source):
    assert source.text.count("\n") <= ROOM


@each_script
def test_the_oldest_python_can_read_it(source):
    ast.parse(source.text, source.path, feature_version=(3, 9))


# -- the front of the house ------------------------------------------------------------------------------
def test_the_top_level_holds_what_the_plan_says():
    seen = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    seen = {name for name in seen - LEFT_BEHIND if not name.endswith(".egg-info")}
    assert seen - FRONT == set(), "not of the plan"
    assert FRONT - seen == set(), "missing"


def test_no_dependency_at_run_time():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r"^dependencies = \[\]$", project, re.M)
    assert re.search(r'^requires-python = ">=3.9"$', project, re.M)


def test_both_packages_are_typed():
    assert (ROOT / "reactor" / "py.typed").is_file() and (ROOT / "handlers" / "py.typed").is_file()


def test_the_changelog_knows_this_version():
    source = next(source for source in SOURCES if source.name == "reactor")
    version = re.search(r'^__version__ = "([^"]+)"$', source.text, re.M)
    assert version is not None
    assert f"## [{version.group(1)}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_readme_begins_with_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^```[a-z]*\n(.*?)^```$", readme, re.M | re.S)
    assert block is not None
    job, tests = block.group(1).splitlines()
    assert job == "python3 -m examples.helloworld"
    assert tests.endswith(" -m tox -e py")
