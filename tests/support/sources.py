"""The sources as the house rules see them: files, imports, classes, words. Nothing is imported, everything is read.

The finders below take sources and return what breaks a rule, as {subject: places}. They judge nothing: the rules,
and the exceptions that still wait, are in tests/test_house.py.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import re
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Optional

ROOT = Path(__file__).resolve().parent.parent.parent

#: subject (a module, a pair of modules, a class ...) -> the places where it breaks the rule
Found = dict[str, list[str]]


class Import(NamedTuple):
    """One imported module. names: what `from` takes out of it. typing_only: under TYPE_CHECKING."""

    module: str
    names: tuple[str, ...]
    line: int
    typing_only: bool


class Source:
    """One file: its path, its name as a module, the package (wing) it stands in, its text and its imports.

    It is parsed when a test asks for it: to collect the tests the names are enough.
    """

    def __init__(self, path: Path, text: Optional[str] = None) -> None:
        self.path = path.relative_to(ROOT).as_posix()
        self.text = path.read_text(encoding="utf-8") if text is None else text
        self.is_package = path.stem == "__init__"
        self.name = module_name(path)
        self.wing = self.name if self.is_package else self.name.rpartition(".")[0]

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def imports(self) -> list[Import]:
        return [found for node, typed in self._top() for found in self._read(node, typed)]

    def docstring(self) -> str:
        """That of the module; "" without one. It is the first thing there, so that nothing more is read."""
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type not in (tokenize.COMMENT, tokenize.NL):
                return str(ast.literal_eval(token.string)) if token.type == tokenize.STRING else ""
        return ""

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
    imported = {
        f"{inner.module}.{inner.names[0].name}" if isinstance(inner, ast.ImportFrom) else inner.names[0].name
        for inner in node.body
        if isinstance(inner, (ast.Import, ast.ImportFrom))
    }
    return imported >= set(lazy(node.orelse))


def lazy(statements) -> list[str]:
    """The modules that `NAME = Lazily("PACKAGE.NAME")` stands for; the one other thing that may be said there, but for
    the `members` of a package."""
    names = []
    for statement in statements:
        assert isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call), ast.dump(statement)
        (target,), (argument,) = statement.targets, statement.value.args
        if (target.id, statement.value.func.id) in (("__getattr__", "members"), ("__dir__", "names_of")):
            continue
        said = statement.value.func.id, argument.value.rpartition(".")[2]
        assert said == ("Lazily", target.id), ast.dump(statement)
        names.append(argument.value)
    return names


def later_members(statements) -> set[str]:
    """The names that a package imports when they are asked for: the keywords of its `members`."""
    calls = [statement.value for statement in statements if isinstance(statement.value, ast.Call)]
    return {word.arg for call in calls if call.func.id == "members" for word in call.keywords}


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


def is_standard(module: str) -> bool:
    root = module.partition(".")[0]
    if hasattr(sys, "stdlib_module_names"):
        return root in sys.stdlib_module_names
    spec = importlib.util.find_spec(root)  # Python 3.9 does not tell
    return spec is not None and "site-packages" not in (spec.origin or "")


# -- finders ---------------------------------------------------------------------------------------------
def arrows_of_circles(sources: Iterable[Source]) -> Found:
    """The imports for type checkers alone that close a circle, as "importer -> imported"."""
    graph = {source.name: {found.module for found in source.imports} for source in sources}
    reached = {name: _reachable(graph, name) for name in graph}
    arrows: Found = defaultdict(list)
    for source in sources:
        for found in source.imports:
            if found.typing_only and source.name in reached.get(found.module, ()):
                arrows[f"{source.name} -> {found.module}"].append(f"{source}:{found.line}")
    return dict(arrows)


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        new = graph.get(ahead.pop(), set()) - seen
        seen |= new
        ahead += new
    return seen


def arrows_between(sources: Iterable[Source], start: str, end: str) -> Found:
    """The imports, type checkers' included, from one package into another, as "importer -> imported"."""
    arrows: Found = defaultdict(list)
    for source in sources:
        for found in source.imports:
            if f"{source.name}.".startswith(f"{start}.") and f"{found.module}.".startswith(f"{end}."):
                arrows[f"{source.name} -> {found.module}"].append(f"{source}:{found.line}")
    return dict(arrows)


def stubs(sources: Iterable[Source]) -> Found:
    """The classes, typing.Protocol apart, with methods that only raise NotImplementedError: "module.Class"."""
    found: Found = defaultdict(list)
    for source in sources:
        for cls in _classes(source.tree):
            for method in cls.body:
                if isinstance(method, _FUNCTIONS) and _only_raises(method) and not _is_protocol(cls):
                    found[f"{source.name}.{cls.name}"].append(f"{source}:{method.lineno} {method.name}")
    return dict(found)


def _only_raises(method) -> bool:
    body = method.body[1:] if ast.get_docstring(method) else method.body
    raised = body[0].exc if len(body) == 1 and isinstance(body[0], ast.Raise) else None
    return getattr(raised.func if isinstance(raised, ast.Call) else raised, "id", None) == "NotImplementedError"


def _is_protocol(cls: ast.ClassDef) -> bool:
    return any("Protocol" in ast.dump(base) for base in cls.bases)


def long_functions(sources: Iterable[Source], lines: int) -> Found:
    """The functions of more than that many lines, signature and docstring included: "module.name"."""
    found: Found = defaultdict(list)
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, _FUNCTIONS) and _length(node) > lines:
                found[f"{source.name}.{node.name}"].append(f"{source}:{node.lineno} {_length(node)} lines")
    return dict(found)


def _length(node) -> int:
    return node.end_lineno - node.lineno + 1


def assignments(sources: Iterable[Source], attribute: str) -> Found:
    """The modules that assign to an attribute of that name."""
    found: Found = defaultdict(list)
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Attribute) and node.attr == attribute and isinstance(node.ctx, ast.Store):
                found[source.name].append(f"{source}:{node.lineno}")
    return dict(found)


def foreign_privates(sources: Iterable[Source]) -> Found:
    """The private names used outside the class that has them, as "module: expression".

    A class has the names that its body defines, that it assigns to itself, and those of its bases in the same
    module. A table beside a class may name the class's own methods (`Class._method`).
    """
    found: Found = defaultdict(list)
    for source in sources:
        classes = {cls.name: cls for cls in _classes(source.tree)}
        known = {cls: _names(cls, classes) for cls in _classes(source.tree)}
        for cls, node in _private_uses(source.tree, None):
            value = node.value
            names = known[cls] if cls else set()
            if isinstance(value, ast.Name) and value.id in classes:
                names = names | known[classes[value.id]]
            if node.attr in names or ast.unparse(node) in ("sys._getframe", "sys._current_frames"):
                continue
            found[f"{source.name}: {ast.unparse(node)}"].append(f"{source}:{node.lineno}")
    return dict(found)


def _private_uses(tree, cls) -> Iterator[tuple[Optional[ast.ClassDef], ast.Attribute]]:
    """All `x._name`, each with the class it stands in."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            yield cls, node
        yield from _private_uses(node, node if isinstance(node, ast.ClassDef) else cls)


def _names(cls: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> set[str]:
    names = set()
    for node in cls.body:
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            names.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names |= {name.id for target in targets if target for name in ast.walk(target) if isinstance(name, ast.Name)}
        if isinstance(node, ast.Assign) and getattr(targets[0], "id", None) == "__slots__":
            names |= {item.value for item in ast.walk(node.value) if isinstance(item, ast.Constant)}
    for node in ast.walk(cls):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if getattr(node.value, "id", None) in ("self", "cls"):
                names.add(node.attr)
    for base in cls.bases:
        other = classes.get(getattr(base, "id", ""))
        if other is not None and other is not cls:
            names |= _names(other, classes)
    return names


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _classes(tree) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def prose(source: Source) -> str:
    """The docstrings and comments of a source."""
    documented = (ast.Module, ast.ClassDef, *_FUNCTIONS)
    texts = [ast.get_docstring(node) or "" for node in ast.walk(source.tree) if isinstance(node, documented)]
    tokens = tokenize.generate_tokens(io.StringIO(source.text).readline)
    return "\n".join([*texts, *(token.string for token in tokens if token.type == tokenize.COMMENT)])


def per_thousand(text: str, family: Iterable[str]) -> float:
    """How often the words of a family stand in a text, per 1,000 words."""
    words = re.findall(r"[a-z]+", text.lower())
    return 1000 * sum(word in family for word in words) / max(1, len(words))
