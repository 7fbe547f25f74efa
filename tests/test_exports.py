"""What is public: the names we promise, and each name and signature of the original beside ours.

`data/proton-api.txt` lists the original's public surface. Of each of its names one of three things is true,
and said here: we have it with compatible parameters, it waits for later work (WAITING), or it will not come
(ABSENT). Whoever adds a waiting name takes it off the list: the test fails until then.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any, NamedTuple, Optional

import pytest

import handlers
import reactor
import reactor.aio
import reactor.azure
import reactor.telemetry
import reactor.tokens

API = Path(__file__).parent / "data" / "proton-api.txt"

#: Where a user finds what he imported from the original.
HOMES = {
    "proton": "reactor",
    "proton.handlers": "handlers",
    "proton.reactor": "reactor",
    "proton.utils": "reactor.utils",
}

#: Names of our own in `reactor.__all__`, beside those of the original.
OWN = {
    "ACCEPTED REJECTED RELEASED MODIFIED RECEIVED": "outcomes, to compare with and to pass to update()",
    "ReactorException ProtocolError LocalProtocolError RemoteProtocolError": "the exception tree",
    "DecodeError SASLException TransactionException TransactionRolledBack": "the exception tree",
    "ConnectionClosed LinkDetached SendException": "exceptions that the original keeps in its utils",
    "Reject Release": "exceptions that the original keeps in its handlers",
    "Acknowledge AutoAccept MaxUnsettled Prefetch Resend": "options of a link that the original has not",
    "LocalExpiry RedeliveryPolicy": "options of a receiver that the original has not",
    "AcknowledgeMode": "the modes of JMS",
    "explain": "why nothing moves",
    "ExactlyOnce UnsettledError UnsettledFile UnsettledMemory": "exactly once, and where its deliveries are kept",
    "environment_secret environment_url": "the broker and the password, as container images are told them",
    "Limits": "how much is taken of a peer, at most",
    "Pairs": "a map that no dict can hold",
    "ScramSecret": "what a server keeps in place of a password",
    "Acceptor Leftover Task": "what Container.listen(), stop() and schedule() return",
    "EventBase": "the common base of Event and ApplicationEvent",
    "long": "the original's name for int as an AMQP long",
    "VERSION VERSION_MAJOR VERSION_MINOR VERSION_POINT": "constants of the original",
    "__version__": "the version",
}

#: Names of our own in `handlers.__all__`.
OWN_HANDLERS: dict[str, str] = {
    "DuplicateFilter": "each message id once",
    "Publisher": "a bound on messages without an outcome",
}

#: The names of packages that are imported by their own name, which the original has not.
OWN_PACKAGES = {
    reactor.telemetry: (
        "CONTENT_TYPE Telemetry TraceContext Traced Tracing current_trace group labels log_fields read_trace"
        " write_trace"
    ),
    reactor.tokens: "AccessToken Bearer Claims SharedAccessKey Token TokenProvider",
    reactor.azure: (
        "BATCH_FORMAT Batch BlockingManagement CONDITIONS EVENT_HUBS Locked Management ManagementError Meaning"
        " Operation SERVICE_BUS SessionFilter abandon abandon_deferred cancel_scheduled complete_deferred dead_letter"
        " dead_letter_deferred defer defer_again lock_token messages_of peek receive_deferred renew_lock"
        " renew_session_lock schedule scheduled session_id_of session_locked_until tag_of"
    ),
}

# -- what waits, and what will not come ------------------------------------------------------------------
_SERVED = "the events of a blocking connection go to parts of its own, on the thread that serves it"
_MADE = "made by a session or a connection"
_FROM_THE_PEER = "the peer has chosen it"

#: "module.Class" or "module.Class.member" -> why it is not there yet. A class stands for all its members.
WAITING: dict[str, str] = {}

#: Names that will not come, and why. They stay off: the test fails when one appears all the same.
ABSENT = {
    "proton.Session.get_condition": "in no released version of the original",
    "proton.Event.wrap": "an internal of the C binding",
    "proton.Transport.wrap": "an internal of the C binding",
    "proton.handlers.IOHandler": "the original's loop as a handler; ours is reactor.loop, behind Container",
    "proton.handlers.PythonIO": "the original's older loop as a handler",
    "proton.handlers.EndpointStateHandler.on_transport_tail_closed": "on_disconnected is told once, at the end",
    "proton.handlers.FlowController.on_delivery": "the engine tops up credit itself, once per turn",
    "proton.handlers.FlowController.on_link_flow": "the engine tops up credit itself, once per turn",
    "proton.reactor.EventInjector.on_selectable_init": "it wakes the container without a descriptor of its own",
    "proton.reactor.EventInjector.on_selectable_readable": "it wakes the container without a descriptor",
    **dict.fromkeys(
        [
            *(f"proton.utils.BlockingConnection.on_transport_{end}closed" for end in ("", "head_", "tail_")),
            "proton.utils.BlockingConnection.on_connection_remote_close",
            "proton.utils.BlockingConnection.on_link_remote_close",
            "proton.utils.SyncRequestResponse.on_message",
        ],
        _SERVED,
    ),
}

#: Classes that are handlers in the original and not here, and why.
NO_HANDLERS = dict.fromkeys(["proton.utils.BlockingConnection", "proton.utils.SyncRequestResponse"], _SERVED)

#: What differs on purpose -> why: "module.Class" for its constructor, "module.Class.method(parameter)", or
#: "module.Class.property" for one that can only be read here.
DIFFERENT = {
    "proton.reactor.Backoff": "its keywords have names: initial, factor, max_delay, max_tries",
    "proton.DeclaredDisposition.id": _FROM_THE_PEER,
    "proton.TransactionalDisposition.id": _FROM_THE_PEER,
    "proton.TransactionalDisposition.outcome_type": _FROM_THE_PEER,
    "proton.utils.BlockingReceiver": _MADE,
    "proton.utils.BlockingSender": _MADE,
    "proton.Endpoint": "a base of what connections and sessions make, never made by itself",
}


# -- reading the list ------------------------------------------------------------------------------------
class Member(NamedTuple):
    """A constant, property or method of a class of the original."""

    kind: str
    name: str
    signature: str = ""
    read_only: bool = False


class Class(NamedTuple):
    """A class of the original."""

    module: str
    name: str
    bases: list[str]
    signature: str
    members: list[Member]

    @property
    def key(self) -> str:
        return f"{self.module}.{self.name}"


def read_api() -> tuple[list[Class], list[str]]:
    """The classes of the list, and its other names."""
    classes: list[Class] = []
    others: list[str] = []
    module = ""
    for line in API.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            module = line[3:].strip()
        elif not module or not line.strip():
            continue
        elif line.startswith("    "):
            classes[-1].members.extend(read_members(line.strip()))
        elif " = " in line and "(" not in line:
            others.append(f"{module}.{line.split()[0]}")
        else:
            found = re.fullmatch(r"(\w+)\(([^)]*)\)(?:\s+(\(.*))?", line.strip())
            assert found, f"this line cannot be read: {line}"
            name, bases, signature = found.groups()
            classes.append(Class(module, name, bases.replace(" ", "").split(","), signature or "", []))
    return classes, others


def read_members(line: str) -> list[Member]:
    if line.startswith("constants: "):
        return [Member("constant", name) for name in line[11:].split(", ")]
    if line.startswith("properties: "):
        names = [name.partition(" ") for name in line[12:].split(", ")]
        return [Member("property", name, "", "(ro)" in rest) for name, _, rest in names]
    name, signature = re.fullmatch(r"(\w+)(\(.*)", line).groups()
    return [Member("method", name, "(...)" if signature == "(...) static" else signature)]


CLASSES, OTHERS = read_api()
BY_NAME = {one.name: one for one in CLASSES}
MEMBERS = [(one, member) for one in CLASSES for member in one.members]


# -- finding ours ----------------------------------------------------------------------------------------
def ours(one: Class) -> Optional[type]:
    """Our class of that name, where the user would look for it."""
    try:
        home = importlib.import_module(HOMES[one.module])
    except ModuleNotFoundError:
        return None
    return getattr(home, one.name, None)


def has_member(cls: type, member: Member) -> bool:
    """Whether instances have it: by the class, or because an __init__ sets it."""
    if hasattr(cls, member.name):
        return True
    setting = re.compile(rf"\bself\.{member.name}\b[^=\n]*=[^=]")
    for base in cls.__mro__[:-1]:
        init = base.__dict__.get("__init__")
        if init is not None and inspect.isfunction(init) and setting.search(inspect.getsource(init)):
            return True
    return False


def parameters(signature: str) -> list[ast.arg]:
    """The arguments of a signature as the list prints it, each with `.default` (an ast node or None)."""
    tree = ast.parse(textwrap.dedent(f"def f{signature}: pass"))
    arguments = tree.body[0].args  # type: ignore[attr-defined]
    found = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(found) - len(arguments.defaults)) + list(arguments.defaults)
    for argument, default in zip(found, defaults):
        argument.default = default  # type: ignore[attr-defined]
    found = [argument for argument in found if argument.arg not in ("self", "impl")]
    for argument, stars in ((arguments.vararg, "*"), (arguments.kwarg, "**")):
        if argument is not None:
            argument.arg = stars + argument.arg
            found.append(argument)
    return found


def complaints(where: str, theirs: str, function: Any) -> list[str]:
    """Why a call that suits the original's signature may not suit ours."""
    mine = list(inspect.signature(function).parameters.values())
    if mine and mine[0].name == "self":
        del mine[0]
    named = {parameter.name: parameter for parameter in mine}
    takes_any = {parameter.kind for parameter in mine}
    wrong = []
    wanted = parameters(theirs)
    for position, argument in enumerate(wanted):
        name = argument.arg
        if f"{where}({name})" in DIFFERENT:
            continue
        if name.startswith("**"):
            if inspect.Parameter.VAR_KEYWORD not in takes_any:
                wrong.append(f"takes no {name}")
        elif name.startswith("*"):
            if inspect.Parameter.VAR_POSITIONAL not in takes_any:
                wrong.append(f"takes no {name}")
        elif name not in named:
            if inspect.Parameter.VAR_KEYWORD not in takes_any:
                wrong.append(f"has no parameter {name}")
        else:
            wrong.extend(compare(position, argument, named[name], mine))
    known = {argument.arg for argument in wanted}
    for parameter in mine:
        optional = parameter.default is not parameter.empty or parameter.kind in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        )
        if parameter.name not in known and not optional:
            wrong.append(f"needs {parameter.name}, which the original has not")
    return [f"{where}: {text}" for text in wrong]


def compare(position: int, argument: Any, parameter: inspect.Parameter, mine: list) -> list[str]:
    wrong = []
    name = argument.arg
    if parameter.kind is parameter.KEYWORD_ONLY or mine.index(parameter) != position:
        wrong.append(f"has {name} at another position")
    if argument.default is None:
        return wrong
    if parameter.default is parameter.empty:
        wrong.append(f"has no default for {name}")
        return wrong
    try:
        default = ast.literal_eval(argument.default)
    except ValueError:
        return wrong
    if default != parameter.default and not (not default and parameter.default is None):
        wrong.append(f"has the default {parameter.default!r} for {name}, the original {default!r}")
    return wrong


def label(value: Any) -> str:
    if isinstance(value, Class):
        return value.key
    return getattr(value, "name", None) or str(value)


# -- what we promise -------------------------------------------------------------------------------------
def test_reactor_offers_the_original_s_names_and_its_own():
    missing = {*WAITING, *ABSENT}
    names = {key.rpartition(".")[2] for key in OTHERS}
    names |= {one.name for one in CLASSES if HOMES[one.module] == "reactor" and one.key not in missing}
    names |= {name for line in OWN for name in line.split()}
    assert sorted(reactor.__all__) == sorted(names)


def test_handlers_offers_the_original_s_names_and_its_own():
    missing = {*WAITING, *ABSENT}
    names = {one.name for one in CLASSES if one.module == "proton.handlers" and one.key not in missing}
    names |= {name for line in OWN_HANDLERS for name in line.split()}
    assert sorted(handlers.__all__) == sorted(names)


@pytest.mark.parametrize("package", OWN_PACKAGES, ids=lambda package: package.__name__)
def test_packages_of_their_own_offer_their_names(package):
    assert sorted(package.__all__) == sorted(OWN_PACKAGES[package].split())


@pytest.mark.parametrize("package", [reactor, handlers, *OWN_PACKAGES], ids=lambda package: package.__name__)
def test_every_listed_name_exists_and_is_listed_once(package):
    assert len(package.__all__) == len(set(package.__all__))
    for name in package.__all__:
        assert hasattr(package, name), name


def test_every_public_class_and_function_explains_itself():
    silent = [
        f"{package.__name__}.{name}"
        for package in (reactor, handlers, *OWN_PACKAGES)
        for name in package.__all__
        if inspect.isroutine(value := getattr(package, name)) or inspect.isclass(value)
        if not (value.__doc__ or "").strip()
    ]
    assert silent == []


# -- the original, name by name --------------------------------------------------------------------------
def test_the_lists_name_what_exists_there():
    known = {one.key for one in CLASSES} | {f"{one.key}.{member.name}" for one, member in MEMBERS}
    assert {*WAITING, *ABSENT} - known == set()
    assert WAITING.keys() & ABSENT.keys() == set()
    assert all(WAITING.values()) and all(ABSENT.values()) and all(DIFFERENT.values())


@pytest.mark.parametrize("one", CLASSES, ids=label)
def test_class(one):
    cls = ours(one)
    if one.key in WAITING or one.key in ABSENT:
        assert cls is None, f"{one.key} is here now: take it off the list"
        return
    assert cls is not None, f"{HOMES[one.module]}.{one.name} is missing"
    for base in one.bases:
        if one.key in NO_HANDLERS:
            assert not issubclass(cls, reactor.Handler), f"{one.key} is a handler now: take it off the list"
        elif base in BY_NAME and base not in ("Data",):
            parent = ours(BY_NAME[base])
            assert parent is not None and issubclass(cls, parent), f"{one.name} is no {base}"
        elif base in ("int", "str", "float", "bytes", "list", "Exception"):
            assert issubclass(cls, getattr(__import__("builtins"), base)), f"{one.name} is no {base}"
    made_by_others = "impl" in one.signature  # a handle of the C library: no user calls that
    if one.signature and not made_by_others and one.key not in DIFFERENT:
        assert complaints(one.key, one.signature, cls) == []


@pytest.mark.parametrize("one, member", MEMBERS, ids=label)
def test_member(one, member):
    if one.key in WAITING or one.key in ABSENT:
        return
    cls = ours(one)
    assert cls is not None, f"{HOMES[one.module]}.{one.name} is missing"
    key = f"{one.key}.{member.name}"
    if key in WAITING or key in ABSENT:
        assert not hasattr(cls, member.name), f"{key} is here now: take it off the list"
        return
    # Every link is a Sender or a Receiver: what one of all links can do, each of them must.
    for kind in (reactor.Sender, reactor.Receiver) if one.name == "Link" else (cls,):
        check_member(key, kind, member)


def check_member(key: str, cls: type, member: Member) -> None:
    assert has_member(cls, member), f"{key} is missing"
    found = inspect.getattr_static(cls, member.name, None)
    if member.kind == "property" and not member.read_only and isinstance(found, property):
        read_only = found.fset is None
        assert read_only == (key in DIFFERENT), f"{key} can be set in the original"
    elif member.kind == "method":
        assert callable(getattr(cls, member.name)), f"{key} is no method"
        if member.signature != "(...)":
            assert complaints(key, member.signature, getattr(cls, member.name)) == []


def test_other_names_are_there():
    assert [key for key in OTHERS if not hasattr(reactor, key.rpartition(".")[2])] == []


def test_the_names_of_asyncio():
    names = "AsyncConnection AsyncContainer AsyncReceiver AsyncRequests AsyncSender AsyncSession"
    names += " Opening ReceivedMessage TransactionBlock connect"
    assert sorted(reactor.aio.__all__) == sorted(names.split())
    assert [name for name in reactor.aio.__all__ if not getattr(reactor.aio, name).__doc__] == []
