"""The tables of the chapters, held against the code: nothing is missing, nothing is invented."""

from __future__ import annotations

import inspect
import re
import uuid
from typing import Any, Callable

import pytest

import handlers
import reactor
from handlers.broker import Broker
from reactor.codec.attributes import ATTRIBUTES as KEYWORDS
from reactor.codec.definitions import BY_NAME
from reactor.codec.encode import encode_value
from tests.support.chapters import CHAPTERS, in_code
from tests.support.processes import CHECKOUT

USING = CHAPTERS["reactor/README.md"]
FAILURES = CHAPTERS["reactor/FAILURES.md"]
PRODUCTION = CHAPTERS["reactor/PRODUCTION.md"]

CALLS: dict[str, Callable[..., Any]] = {
    "Container": reactor.Container,
    "connect": reactor.Container.connect,
    "listen": reactor.Container.listen,
    "create_sender": reactor.Container.create_sender,
    "create_receiver": reactor.Container.create_receiver,
    "create_session": reactor.Container.create_session,
    "MessagingHandler": handlers.MessagingHandler,
}


def keywords(call: str) -> dict[str, Any]:
    """Each keyword and its default; None for one that has to be given."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = [p for p in inspect.signature(CALLS[call]).parameters.values() if p.kind in kinds and p.name != "self"]
    return {p.name: None if p.default is p.empty else p.default for p in found}


# -- keywords --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS)
def test_every_keyword_is_in_the_table(call: str) -> None:
    listed = [name for names, of, *_ in USING.table("keywords") if call in in_code(of) for name in in_code(names)]
    assert sorted(listed) == sorted(keywords(call))


def test_the_table_of_keywords_shows_their_defaults() -> None:
    for names, of, default, _ in USING.table("keywords"):
        assert set(in_code(of)) <= CALLS.keys()
        for name in in_code(names):
            known = {keywords(call)[name] for call in in_code(of)} - {None}
            assert {repr(value) for value in known} == ({default.strip("`")} if default else set()), name


@pytest.mark.parametrize("row", [row for row in USING.table("keywords") if "`container." in row[3]], ids=lambda r: r[0])
def test_the_table_of_keywords_names_attributes_of_the_container(row: list[str]) -> None:
    container = reactor.Container()
    for code in in_code(row[3]):
        if code.startswith("container."):
            value: Any = container
            for name in code.split(".")[1:]:
                value = getattr(value, name)
            _, _, said = row[3].partition(f"`{code}`: ")
            if said:
                shown = said.split()[0].strip("`.")
                assert shown == {None: "no"}.get(value, f"{value:g}" if type(value) is float else str(value))


def test_every_option_of_links_is_in_the_table() -> None:
    bases = {reactor.LinkOption, reactor.SenderOption, reactor.ReceiverOption}
    options = {name for name in reactor.__all__ if _is_option(getattr(reactor, name))}
    listed = [code.partition("(")[0] for option, _ in USING.table("options") for code in in_code(option)]
    assert sorted(listed) == sorted(options - {base.__name__ for base in bases})


def _is_option(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, reactor.LinkOption)


# -- messages --------------------------------------------------------------------------------------------

ATTRIBUTES = USING.table("message attributes")

#: The constructors of AMQP's types [1.6]: what the encoding of an example may begin with.
CODES = {
    "null": {0x40}, "boolean": {0x41, 0x42, 0x56}, "ubyte": {0x50}, "ushort": {0x60}, "uint": {0x43, 0x52, 0x70},
    "ulong": {0x44, 0x53, 0x80}, "byte": {0x51}, "short": {0x61}, "int": {0x54, 0x71}, "long": {0x55, 0x81},
    "float": {0x72}, "double": {0x82}, "decimal32": {0x74}, "decimal64": {0x84}, "decimal128": {0x94}, "char": {0x73},
    "timestamp": {0x83}, "uuid": {0x98}, "binary": {0xA0, 0xB0}, "string": {0xA1, 0xB1}, "symbol": {0xA3, 0xB3},
    "list": {0x45, 0xC0, 0xD0}, "map": {0xC1, 0xD1}, "array": {0xE0, 0xF0}, "described": {0x00},
}


def test_every_attribute_of_a_message_is_in_the_table() -> None:
    assert sorted(row[0].strip("`") for row in ATTRIBUTES) == sorted(KEYWORDS)


@pytest.mark.parametrize("row", [row for row in ATTRIBUTES if row[2]], ids=lambda row: row[0])
def test_the_table_shows_the_default_of_an_attribute(row: list[str]) -> None:
    assert row[2].strip("`") == repr(getattr(reactor.Message(), row[0].strip("`")))


@pytest.mark.parametrize("section", ["header", "properties"])
def test_the_table_names_all_fields_of_a_section_in_their_order(section: str) -> None:
    listed = [row[3].partition(".")[2] for row in ATTRIBUTES if row[3].startswith(section + ".")]
    assert listed == [field.name for field in BY_NAME[section].fields]


def test_the_table_has_every_type() -> None:
    assert [row[0] for row in USING.table("types")] == list(CODES)


@pytest.mark.parametrize("row", USING.table("types"), ids=lambda row: row[0])
def test_a_python_value_travels_as_its_type_and_comes_back(row: list[str]) -> None:
    value = eval(in_code(row[1])[0], {**{name: getattr(reactor, name) for name in reactor.__all__}, "uuid": uuid})
    assert encode_value(value)[0] in CODES[row[0]]
    came = reactor.Message.from_bytes(reactor.Message(value).encode()).body
    assert type(came) is type(value)
    assert came == value


# -- callbacks -------------------------------------------------------------------------------------------

CALLBACKS = USING.table("callbacks")


def test_every_callback_is_in_the_table() -> None:
    known = {name for name in dir(handlers.MessagingHandler) if name.startswith("on_")}
    assert sorted(row[0].strip("`") for row in CALLBACKS) == sorted(known)


@pytest.mark.parametrize("row", CALLBACKS, ids=lambda row: row[0])
def test_the_table_says_whether_a_callback_does_something_by_default(row: list[str]) -> None:
    method = getattr(handlers.MessagingHandler, row[0].strip("`"))
    idle = getattr(method, "does_nothing", False) or getattr(method, "declared_only", False)
    # The part for incoming messages logs what cannot be decoded where no subclass has the method.
    assert bool(row[3]) == (not idle or row[0] == "`on_decode_error`")


def test_the_other_events_of_the_engine_are_listed() -> None:
    paragraph = USING.text.partition("<!-- engine events -->\n")[2].partition("\n\n")[0]
    types = [value for value in vars(reactor.Event).values() if isinstance(value, reactor.EventType)]
    others = {etype.method for etype in types} - {row[0].strip("`") for row in CALLBACKS}
    assert sorted(re.findall(r"`(on_\w*[a-z])`", paragraph)) == sorted(others)


# -- limits ----------------------------------------------------------------------------------------------

UNITS = {"": 1, "MiB": 2**20, "GiB": 2**30}


def rows_of(table: str) -> dict[str, int]:
    """The keywords of a table of limits, and the default that it shows for each."""
    shown: dict[str, int] = {}
    for names, _, default, _ in FAILURES.table(table):
        values = [value.strip() for value in re.split(r", ", default)]
        for name, value in zip(in_code(names), values):
            number, _, unit = value.partition(" ")
            shown[name] = int(number.replace(",", "")) * UNITS[unit]
    return shown


def test_the_table_of_limits_is_that_of_the_class() -> None:
    limits = reactor.Limits()
    assert rows_of("limits") == {name: getattr(limits, name) for name in reactor.Limits.__slots__}


def test_the_table_of_the_broker_has_its_bounds() -> None:
    parameters = inspect.signature(Broker).parameters
    # The size of one message is a bound on a sender, not on all connections.
    bounds = {name for name in parameters if name.startswith("max_")} - {"max_message_size"}
    assert rows_of("bounds of the broker") == {name: parameters[name].default for name in bounds}


# -- loggers ---------------------------------------------------------------------------------------------


def loggers_of_the_code() -> set[str]:
    found = set()
    for path in [*(CHECKOUT / "reactor").rglob("*.py"), *(CHECKOUT / "handlers").rglob("*.py")]:
        module = ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).replace(".__init__", "")
        for argument in re.findall(r"(?:getLogger|\blogger)\((__name__|\".*?\")\)", path.read_text(encoding="utf-8")):
            found.add(module if argument == "__name__" else argument.strip('"'))
    return found


def test_the_table_of_loggers_has_those_of_the_code() -> None:
    names = loggers_of_the_code()
    listed = {row[0].strip("`") for row in PRODUCTION.table("loggers")}
    for logger in names:
        assert [name for name in listed if f"{logger}.".startswith(f"{name}.")], f"{logger}: its level is not described"
    for name in listed:
        assert [logger for logger in names if f"{logger}.".startswith(f"{name}.")], f"{name}: no such logger"
    own = {logger for logger in names if re.fullmatch(r"handlers\.\w+", logger)}
    assert own <= listed
