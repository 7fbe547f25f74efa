"""The public face: every name that applications use has a type, and `dir()` and `help()` show those names alone.

Read from the classes in `reactor.__all__` and `handlers.__all__`. What type checkers see beyond them stands in the
rooms of COMPLETED, and is read from their source.
"""

from __future__ import annotations

import ast
import inspect
import pydoc
import re
import textwrap
from functools import cache
from typing import Any, Optional

import pytest

import handlers
import reactor
import reactor.event
from reactor.codec import attributes
from reactor.engine import limits, public
from tests import test_exports

#: The one name of "any value at all" for type checkers; it is looked for below under its own name.
ALIAS = "AnyValue"

#: Where a type is `Any` all the same, or is found elsewhere, and why.
EXCUSED = {
    "LinkOption.apply(link)": "options for senders are LinkOptions, too, and take no receivers: `test` keeps them away",
    "Message.__init__(kwargs)": "FieldAttributes.__init__ has the keywords for type checkers; tests/typing uses them",
    "Url.__init__(kwargs)": "a second signature has the keywords for type checkers; tests/typing uses them",
}

#: The rooms that complete classes for type checkers.
COMPLETED = (public, reactor.event)

CLASSES = {
    name: found
    for package in (reactor, handlers)
    for name in package.__all__
    if inspect.isclass(found := getattr(package, name))
}
#: Made by others than applications.
NOT_MADE = "Endpoint Session Link Sender Receiver Delivery Acceptor Task".split()
#: Whose `dir()` is a list.
LISTED = "Endpoint Connection Session Link Sender Receiver Delivery Transport EventBase Event".split()

each_class = pytest.mark.parametrize("name", sorted(CLASSES))


def completions() -> dict[str, dict[str, dict[str, Optional[str]]]]:
    """By class and member: what the rooms of COMPLETED say, as `types_of` answers."""
    found: dict[str, dict[str, dict[str, Optional[str]]]] = {}
    for room in COMPLETED:
        for block in ast.parse(inspect.getsource(room)).body:
            if not (isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING"):
                continue
            for cls in block.body:
                if isinstance(cls, ast.ImportFrom):
                    continue
                assert isinstance(cls, ast.ClassDef)
                members = found.setdefault(cls.name, {})
                for node in cls.body:
                    if isinstance(node, ast.AnnAssign):
                        members[node.target.id] = {"": ast.unparse(node.annotation)}
                    elif isinstance(node, ast.FunctionDef):
                        given = [*node.args.args[1:], *node.args.kwonlyargs]
                        types = {one.arg: one.annotation and ast.unparse(one.annotation) for one in given}
                        types["return"] = node.returns and ast.unparse(node.returns)
                        members.setdefault(node.name, {}).update(types)
    return found


COMPLETIONS = completions()


@cache
def members(cls: type) -> list[str]:
    """The names of a class for applications."""
    names = set(dir(cls))
    if cls.__name__ not in LISTED:  # the attributes of objects, too
        names.update(*(set_by(base) for base in cls.__mro__ if base.__module__.startswith(("reactor", "handlers"))))
    names = {name for name in names if not name.startswith("_")}
    return sorted(names if cls.__name__ in NOT_MADE else {"__init__", *names})


def types_of(cls: type, name: str) -> Optional[dict[str, Optional[str]]]:
    """The annotations of a member by parameter, "return" and "" (an attribute's own), each None where it is missing.
    None for an attribute that needs none: its value has a type."""
    for base in cls.__mro__:
        completed = COMPLETIONS.get(base.__name__, {}).get(name)
        if completed is not None and CLASSES.get(base.__name__) is base:
            return completed
        if base.__module__.partition(".")[0] not in ("reactor", "handlers"):
            if name in vars(base):
                return None  # of Python's own
            continue
        member = vars(base).get(name)
        if name in vars(base).get("__annotations__", ()):
            return {"": base.__annotations__[name]}
        if isinstance(member, (staticmethod, classmethod)):
            member = member.__func__
        if isinstance(member, property):
            types = {"": member.fget.__annotations__.get("return")}
            if member.fset is not None:
                types.update(_of_function(member.fset))
                types.pop("return")
            return types
        if inspect.isfunction(member):
            return _of_function(member)
        if member is None or inspect.ismemberdescriptor(member):
            if name in set_by(base):
                return set_by(base)[name]
        else:
            return None  # a constant, or a class
    return {"": None}


def _of_function(function: Any) -> dict[str, Optional[str]]:
    given = list(inspect.signature(function).parameters)
    code = function.__code__
    first = code.co_varnames[0] if code.co_varnames else ""
    skipped = 1 if first in ("self", "cls") else 0
    types = {name: function.__annotations__.get(name) for name in given[skipped:]}
    return {**types, "return": function.__annotations__.get("return")}


@cache
def set_by(cls: type) -> dict[str, dict[str, Optional[str]]]:
    """The attributes that a class's own methods set, with their types: annotated there, that of the parameter that is
    assigned, none needed where another value is assigned. One that is only ever None has none."""
    found: dict[str, dict[str, Optional[str]]] = {}
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body  # type: ignore[attr-defined]
    nested = [inner for node in body if isinstance(node, ast.If) for inner in (*node.body, *node.orelse)]
    for function in (node for node in [*body, *nested] if isinstance(node, ast.FunctionDef)):
        given = [*function.args.args, *function.args.kwonlyargs]
        types = {one.arg: one.annotation and ast.unparse(one.annotation) for one in given}
        for node in ast.walk(function):
            if not isinstance(node, (ast.Assign, ast.AnnAssign)):
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for one in (inner for target in targets for inner in getattr(target, "elts", [target])):
                if not (isinstance(one, ast.Attribute) and getattr(one.value, "id", None) == "self"):
                    continue
                if isinstance(node, ast.AnnAssign):
                    found[one.attr] = {"": ast.unparse(node.annotation)}
                elif isinstance(node.value, ast.Name) and types.get(node.value.id) is not None:
                    found.setdefault(one.attr, {"": types[node.value.id]})
                elif not (isinstance(node.value, ast.Constant) and node.value.value is None):
                    found.setdefault(one.attr, {})
    return found


@cache
def faults(name: str) -> list[str]:
    """What is without a type in a class, or is of any: "Class.member(parameter)"."""
    found = []
    for member in members(CLASSES[name]):
        types = types_of(CLASSES[name], member)
        for parameter, annotation in (types or {}).items():
            if annotation is None or re.search(r"\bAny\b", str(annotation)):
                found.append(f"{name}.{member}({parameter})" if parameter else f"{name}.{member}")
    return found


# -- types -----------------------------------------------------------------------------------------------
@each_class
def test_every_name_for_applications_has_a_type(name):
    assert [fault for fault in faults(name) if fault not in EXCUSED] == []


def test_every_excuse_is_used():
    assert EXCUSED.keys() - {fault for name in CLASSES for fault in faults(name)} == set()


def test_a_missing_type_and_one_of_any_are_found(monkeypatch):
    class Sample:
        def open(self, mask, *, name: Any = None):
            """As the others."""

        @property
        def state(self):
            """As the others."""

    Sample.__module__ = "reactor.sample"
    monkeypatch.setitem(CLASSES, "Sample", Sample)
    monkeypatch.setattr(f"{__name__}.NOT_MADE", ["Sample"])
    monkeypatch.setattr(f"{__name__}.LISTED", ["Sample"])
    wanted = ["Sample.open(mask)", "Sample.open(name)", "Sample.open(return)", "Sample.state"]
    assert faults("Sample") == wanted


def test_any_value_has_one_name():
    """For type checkers: no program needs it at run time."""
    assert f"\n    {ALIAS} = Any\n" in inspect.getsource(reactor.codec.types)


def test_the_completed_classes_are_the_classes_themselves():
    for room in COMPLETED:
        completed = set(re.findall(r"^    class (\w+)", inspect.getsource(room), re.M))
        assert completed
        for name in completed:
            found = getattr(room, name)
            assert found is CLASSES[name] and found.__module__ != room.__name__, name


@pytest.mark.parametrize("name", sorted(COMPLETIONS))
def test_what_is_completed_for_type_checkers_is_there_with_the_same_parameters(name):
    cls = CLASSES[name]
    for member, types in COMPLETIONS[name].items():
        found = inspect.getattr_static(cls, member, None)
        if inspect.isfunction(found):
            assert list(_of_function(found)) == list(types), f"{name}.{member}"
        else:
            assert set(types) <= {"", "return"}, f"{name}.{member}"


def keywords_for_type_checkers(room: Any, cls: str, function: str) -> set[str]:
    """The keywords of a signature that stands under TYPE_CHECKING in a class body."""
    tree = ast.parse(inspect.getsource(room))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == cls).body
    block = next(node for node in body if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING")
    (found,) = (node for node in block.body if isinstance(node, ast.FunctionDef) and node.name == function)
    return {one.arg for one in found.args.kwonlyargs}


def test_type_checkers_know_the_keywords_of_a_message_an_address_and_limits():
    settable = {name for name in dir(reactor.Message) if getattr(getattr(reactor.Message, name), "fset", None)}
    assert keywords_for_type_checkers(attributes, "FieldAttributes", "__init__") == settable - {"body"}
    parts = keywords_for_type_checkers(reactor.url, "Url", "__init__")
    with pytest.raises(TypeError) as refused:
        reactor.Url(**dict.fromkeys([*parts, "colour"]))
    assert set(str(refused.value).partition(" it has ")[2].split(", ")) == parts
    assert keywords_for_type_checkers(limits, "Limits", "replace") == set(reactor.Limits.__slots__)


# -- dir() and help() ------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", LISTED)
def test_the_names_of_the_original_are_listed(name):
    wanted = {member.name for one, member in test_exports.MEMBERS if one.name == name}
    waiting = {key.rpartition(".")[2] for key in test_exports.ABSENT if f".{name}." in key}
    if name == "Link":
        waiting.add("drained")  # of senders and receivers
    assert wanted - waiting - set(dir(CLASSES[name])) == set()


@pytest.mark.parametrize("name", LISTED)
def test_a_listed_name_is_there(name):
    for member in members(CLASSES[name]):
        assert types_of(CLASSES[name], member) != {"": None}, f"{name}.{member}"


@pytest.mark.parametrize("name", LISTED)
def test_help_shows_the_listed_names_and_no_others(name):
    cls = CLASSES[name]
    shown = pydoc.plain(pydoc.render_doc(cls))
    hidden = {other for base in cls.__mro__ for other in vars(base) if not other.startswith("_")} - set(dir(cls))
    assert hidden or name in ("EventBase", "Event")
    assert not [other for other in hidden if re.search(rf"^ \|  {other}\b", shown, re.M)]
    assert re.search(r"^ \|  (dispatch|handler|link|mode)\b", shown, re.M)


def test_a_container_has_these_names_and_no_others():
    assert [name for name in dir(reactor.Container) if not name.startswith("_")] == sorted(
        """call_soon_threadsafe close connect connection connections create_receiver create_sender
        create_session declare_transaction do_work ended_by exit_status explain explain_both_ends failures found_no_peer
        global_handler handler listen listen_for_questions mark next_attempt note_failure now post process quiesced run
        runs_coroutines schedule selectable start stop today update waiting_for wakeup will_reconnect
        will_redirect will_retry""".split()
    )


def test_an_object_lists_the_names_of_its_class_and_those_that_the_application_gives_it():
    connection = reactor.Connection()
    connection.colour = "green"
    assert set(dir(connection)) == {*dir(reactor.Connection), "colour"}
    assert "work_on" not in dir(connection) and callable(connection.work_on)


def test_a_class_of_the_application_lists_what_it_adds():
    class Own(reactor.ApplicationEvent):
        colour = "green"

    assert {"colour", "subject", "connection", "container"} <= {*dir(Own), *dir(Own("own"))}
