"""The house rules that a program can check: floors, doors, rooms, and the front of the house.

Everything is read from the source with `ast`; nothing is imported, so a broken module fails its own tests and
not these.
"""

from __future__ import annotations

import ast
import re
from typing import Optional

import pytest

from tests.support import sources as reading
from tests.support import waiting
from tests.support.sources import (
    EXAMPLES,
    ROOT,
    SIBLINGS,
    SOURCES,
    TESTS,
    Source,
    is_standard,
    is_type_checking,
    later_members,
    lazy,
)

#: From the ground up. A module may import from its own floor and from those below. The longest name that fits
#: is a module's floor; the root of reactor is a list of re-exports, and stands on the roof of what it lists.
FLOORS = {
    "reactor.lazily": 0,
    "reactor.errors": 0,
    "reactor.url": 0,
    "reactor.version": 0,
    "reactor.hosts": 0,
    "reactor.shown": 0,
    "reactor.listing": 0,
    "reactor.reasons": 0,
    "reactor.help": 6,
    "reactor.environment": 5,
    "reactor.telemetry": 6,
    "reactor.system": 4,
    "reactor.codec": 1,
    "reactor.engine": 2,
    "reactor.tracing": 3,
    "reactor.look": 3,
    "reactor.look.program": 6,
    "reactor.look.watching": 6,
    "reactor.look.__main__": 6,
    "reactor.loop": 4,
    "reactor.container": 5,
    "reactor.event": 5,
    "reactor.explain": 6,
    "reactor.blocking": 5,
    "reactor.tokens": 5,
    "reactor.azure": 5,
    "reactor.aio": 5,
    "reactor.simulation": 6,
    "reactor.utils": 6,
    "reactor.as_proton": 7.5,
    "reactor": 6.5,
    "handlers.broker": 8,
    "handlers": 7,
}
LOOP = FLOORS["reactor.loop"]

#: What below the loop would make the engine see the world: each of them is an argument up there instead.
WORLDLY = set("time socket select selectors random os threading logging".split())
WORLDLY |= set("asyncio concurrent multiprocessing secrets signal subprocess".split())

#: Modules that only a program of others imports, and what they need of it.
PLUGINS = {"handlers.broker.pytest_plugin": {"pytest"}, "reactor.telemetry.opentelemetry": {"opentelemetry"}}

#: Imports for type checkers alone that go upwards: importing module -> why it is truly needed.
UPWARD_TYPES: dict[str, str] = {}

#: What stands in the open beside dot-files, and what tools leave there and .gitignore keeps out.
FRONT = {"pyproject.toml", "MANIFEST.in", "tox.ini", "README.md", "LICENSE", "CHANGELOG.md"}
FRONT |= {"reactor", "handlers", "examples", "tests", "findings"}
LEFT_BEHIND = {"build", "dist", "htmlcov", "__pycache__"}
LEFT_BEHIND |= {"PKG-INFO", "setup.cfg"}  # of a source distribution

#: Lines. A room is 150 to 450 lines; this is where it has to be cut. A function is rarely over 60.
ROOM = 500
FUNCTION = 80

#: Words that leave the reader guessing where a noun would do: family -> (words, how many in 1,000 words of comments
#: and docstrings). h11, h2, websockets, aioquic and trio keep these bounds.
LANGUAGE_BOUNDS = {
    "what": ({"what"}, 4),
    "says": ({"told", "says", "say", "tells", "tell"}, 2),
    "who": ({"who", "whom", "whoever", "whose"}, 0.3),
    "somebody": ({"somebody", "nobody", "everybody", "anybody"}, 0.3),
}



each_source = pytest.mark.parametrize("source", SOURCES, ids=repr)
each_script = pytest.mark.parametrize("source", [*SOURCES, *EXAMPLES], ids=repr)


def floor(module: str) -> Optional[float]:
    """The floor of a module of ours; None for anybody else's."""
    while module:
        if module in FLOORS:
            return FLOORS[module]
        module = module.rpartition(".")[0]
    return None


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
    """A user's own handlers.py, beside his script, would be found first. reactor.as_proton loads ours by its place."""
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


def test_modules_of_every_program_leave_typing_to_type_checkers():
    """It takes as long to import as twenty modules of ours: TYPE_CHECKING comes from reactor.lazily, and the rest of it
    is imported below that."""
    known = {source.name: source for source in SOURCES}
    imported: set[str] = set()
    ahead = ["reactor", "handlers"]
    while ahead:
        name = ahead.pop()
        if name in known and name not in imported:
            imported.add(name)
            ahead += [known[name].wing, *(found.module for found in known[name].imports if not found.typing_only)]
    found = {(name, one.module, one.line) for name in imported for one in known[name].imports if not one.typing_only}
    assert not [f"{name}:{line}: {module}" for name, module, line in found if module in ("typing", "contextlib")]


@each_source
def test_names_that_are_imported_later_are_those_that_type_checkers_see(source):
    for node in source.tree.body:
        if is_type_checking(node):
            later = later_members(node.orelse)
            assert not later or later == {alias.name for inner in node.body for alias in inner.names}, source


@each_script
def test_nothing_but_the_standard_library(source):
    for found in source.imports:
        root = found.module.partition(".")[0]
        ours = root in ("reactor", "handlers") or (source in EXAMPLES and root in SIBLINGS)
        ours = ours or root in PLUGINS.get(source.name, ())
        assert ours or is_standard(root), f"{source}:{found.line}: {found.module}"


@each_script
def test_no_module_imports_a_plugin(source):
    """Its imports are for the program that loads it: here they may fail."""
    assert not [found for found in source.imports if found.module in PLUGINS]


@each_script
def test_no_name_is_imported_by_a_star(source):
    assert not [found for found in source.imports if "*" in found.names]


@pytest.mark.parametrize("source", [s for s in SOURCES if s.name.startswith("handlers.broker")], ids=repr)
def test_the_broker_is_an_application_like_any_other(source):
    _uses_only_what_is_public(source, own="handlers.broker")


@pytest.mark.parametrize("source", EXAMPLES, ids=repr)
def test_examples_show_the_public_names_only(source):
    also = {"handlers.broker", "handlers.broker.store.memory", "reactor.aio", "reactor.simulation", "reactor.utils"}
    also |= {"reactor.tracing.recorder", "reactor.tracing.recording"}
    _uses_only_what_is_public(source, own="examples", also=also)


def _uses_only_what_is_public(source, own, also=frozenset()):
    public = {name: public_names(name) for name in ("reactor", "handlers", "reactor.system", "reactor.telemetry")}
    for found in source.imports:
        if floor(found.module) is None or f"{found.module}.".startswith(f"{own}.") or found.module in also:
            continue
        where = f"{source}:{found.line}"
        assert found.module in public, f"{where}: {found.module} is no public module"
        private = set(found.names) - public[found.module]
        assert not private, f"{where}: {found.module}.__all__ does not have {sorted(private)}"


def public_names(package: str) -> set[str]:
    """What __all__ of a package says, read and not imported."""
    source = next(source for source in SOURCES if source.name == package)
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
        if is_type_checking(node):
            assert all(isinstance(inner, ast.ImportFrom) for inner in node.body), f"{source}:{node.lineno}"
            assigned, allowed = node.orelse, {"__getattr__", "__dir__"}
        else:
            assigned, allowed = [node], {"__all__", "__version__"}
        for inner in assigned:
            assert isinstance(inner, ast.Assign), f"{source}:{inner.lineno}: more than a list of re-exports"
            assert {target.id for target in inner.targets} <= allowed, f"{source}:{inner.lineno}"


# -- rooms -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("source", [*SOURCES, *EXAMPLES, *TESTS], ids=repr)
def test_every_module_says_what_it_is_for(source):
    assert source.docstring().strip(), f"{source} has no docstring"


@each_source
def test_no_room_overgrows(source):
    assert source.text.count("\n") <= ROOM


@each_script
def test_the_oldest_python_can_read_it(source):
    ast.parse(source.text, source.path, feature_version=(3, 9))


# -- debts: rules with exceptions that wait in tests/support/waiting.py, and may only shrink -----------------
def settle(found, listed):
    """Fails on what is found and not listed, and on what is listed and not found any more."""
    new = {subject: places for subject, places in found.items() if subject not in listed}
    assert not new, "breaks the rule: " + "; ".join(f"{subject} ({', '.join(at)})" for subject, at in new.items())
    gone = sorted(set(listed) - set(found))
    assert not gone, f"mended: take these lines out of tests/support/waiting.py: {gone}"


def test_no_import_closes_a_circle_type_checkers_included():
    settle(reading.arrows_of_circles(SOURCES), waiting.CIRCLES)


def test_no_endpoint_knows_the_wire():
    arrows = reading.arrows_between(SOURCES, "reactor.engine.endpoints", "reactor.engine.wire")
    settle(arrows, waiting.FROM_ENDPOINTS_TO_WIRE)


def test_no_base_class_has_methods_that_only_raise():
    settle(reading.stubs(SOURCES), waiting.STUBS)


def test_no_function_overgrows():
    settle(reading.long_functions(SOURCES, FUNCTION), waiting.LONG)


def test_the_state_of_an_endpoint_is_set_by_its_table_alone():
    table = "reactor.engine.endpoints.endpoint"
    holders = [s for s in SOURCES if s.name.startswith(("reactor.engine", "reactor.container", "reactor.loop"))]
    settle(reading.assignments([s for s in holders if s.name != table], "state"), waiting.STATES)


def test_a_private_name_is_used_by_its_own_class_alone():
    listed = {f"{module}: {name}" for module, (names, _) in waiting.PRIVATES.items() for name in names.split()}
    settle(reading.foreign_privates(SOURCES), listed)


WINGS = sorted({source.wing for source in SOURCES})


@pytest.mark.parametrize("wing", WINGS)
def test_the_language_is_plain(wing):
    text = "\n".join(reading.prose(source) for source in SOURCES if source.wing == wing)
    for family, (words, final) in LANGUAGE_BOUNDS.items():
        figure = reading.per_thousand(text, words)
        bound = waiting.LANGUAGE.get(wing, {}).get(family)
        about = f"{wing}: {'/'.join(sorted(words))}: {figure:.1f} per 1,000 words of comments and docstrings"
        assert figure <= (final if bound is None else bound), f"{about}, bound {final if bound is None else bound}"
        assert bound is None or figure > final, f"{about}: mended, take {family}={bound} out of waiting.LANGUAGE"


def test_every_wing_with_a_bound_exists():
    assert set(waiting.LANGUAGE) <= set(WINGS)


@pytest.mark.parametrize(
    ("find", "text", "found"),
    [
        (reading.stubs, "class A:\n    def f(self):\n        raise NotImplementedError", ["handlers.x.A"]),
        (reading.stubs, "class A(Protocol):\n    def f(self):\n        raise NotImplementedError", []),
        (reading.stubs, "class A:\n    def f(self):\n        raise TypeError", []),
        (lambda s: reading.long_functions(s, 2), "def f():\n    x = 1\n    return x", ["handlers.x.f"]),
        (lambda s: reading.long_functions(s, 3), "def f():\n    x = 1\n    return x", []),
        (lambda s: reading.assignments(s, "state"), "link.state |= 4", ["handlers.x"]),
        (lambda s: reading.assignments(s, "state"), "link.status = link.state", []),
        (reading.foreign_privates, "class A:\n    def f(self, link):\n        link._x = 1", ["handlers.x: link._x"]),
        (reading.foreign_privates, "class A(B):\n    def f(self):\n        return self._x", ["handlers.x: self._x"]),
        (reading.foreign_privates, "class A:\n    __slots__ = ('_x',)\n    def f(self, a):\n        a._x", []),
        (reading.foreign_privates, "class B:\n    _x = 1\nclass A(B):\n    def f(self): self._x", []),
        (reading.foreign_privates, "class A:\n    def _f(self): pass\nTABLE = {1: A._f}", []),
        (lambda s: reading.arrows_between(s, "handlers", "sys"), "import sys", ["handlers.x -> sys"]),
        (lambda s: reading.arrows_between(s, "handlers", "sys"), "import syslog", []),
    ],
)  # fmt: skip
def test_the_finders_find(find, text, found):
    assert list(find([Source(ROOT / "handlers" / "x.py", text)])) == found


def test_a_circle_is_found_when_one_of_its_arrows_is_for_type_checkers():
    here = Source(ROOT / "handlers" / "here.py", "import handlers.there")
    there = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import handlers.here"
    found = reading.arrows_of_circles([here, Source(ROOT / "handlers" / "there.py", there)])
    assert list(found) == ["handlers.there -> handlers.here"]


def test_prose_is_docstrings_and_comments():
    text = reading.prose(Source(ROOT / "handlers" / "x.py", '"""What."""\nwhat = "what"  # who says\n'))
    assert [reading.per_thousand(text, {word}) for word in ("what", "who", "says", "nobody")] == [1000 / 3] * 3 + [0]


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
