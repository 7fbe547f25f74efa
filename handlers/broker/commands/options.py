"""Options of a command that may also stand in a file, as JSON: `--config FILE`.

    {"listen": ["amqp://0.0.0.0:5672"], "users": "users", "queues": {"jobs": {"max_length": 1000}}}

Each option of the command line is a key, under its name with underscores; further keys have readers of their own. An
option that is given on the command line takes the place of the key. A command enters, which adds its options and gets
the values.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, NamedTuple, Optional

from handlers.broker.nodes.directory import is_unicode

Reader = Callable[[Any], Any]
"""Makes the value of an option of the value in the file; raises ValueError or argparse.ArgumentTypeError."""

NOT_IN_FILES = frozenset({"help", "version", "config", "check_config"})


class ConfigError(ValueError):
    """A file of options cannot be used. The text names the file and the place in it."""


class Below(ValueError):
    """A fault below a key. The text goes on from the key, such as ".jobs: ..." or "[1]: ..."."""


def below(path: str, error: Exception) -> Below:
    """`error`, which was found at `path`."""
    return Below(f"{path}{error}" if isinstance(error, Below) else f"{path}: {error}")


class Setting(NamedTuple):
    """An option: its value when it is not given, and the reader of its value in a file."""

    default: Any
    reader: Reader


class Options(argparse.ArgumentParser):
    """An ArgumentParser for options that may stand in a file, too.

    readers: of keys that are no options, or that have another form in the file.
    """

    def __init__(self, readers: Mapping[str, Reader], **options: Any) -> None:
        self.settings: dict[str, Setting] = {}
        self.usual: dict[str, Any] = {}
        self.readers = readers
        super().__init__(**options)

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        """As that of the base. An option that is not given is not in its result."""
        default = options.pop("default", False if options.get("action") == "store_true" else None)
        action = super().add_argument(*names, default=argparse.SUPPRESS, **options)
        if isinstance(default, str) and action.type is not None:
            default = _converted(action, default)
        self.usual[action.dest] = default
        if action.dest not in NOT_IN_FILES:
            repeated = options.get("action") == "append"
            reader = _flag if action.nargs == 0 else _texts(action) if repeated else _text(action)
            self.settings[action.dest] = Setting(default, self.readers.get(action.dest, reader))
        return action

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """All options: those of the command line, else those of its --config, else the defaults. Raises ConfigError;
        ends the program for a command line that cannot be read, as `parse_args` does."""
        given = vars(self.parse_args(arguments))
        readers = {**{name: setting.reader for name, setting in self.settings.items()}, **self.readers}
        values: dict[str, Any] = {**dict.fromkeys(readers), **self.usual}
        path: Optional[str] = given.get("config")
        if path is not None:
            values.update(_read(path, readers))
        values.update(given)
        return argparse.Namespace(**values)


def objects(value: Any, of: Callable[[Any], Any]) -> dict[str, Any]:
    """A JSON object with values that `of` reads; an error names its key."""
    if not isinstance(value, dict):
        raise ValueError(f"{_shown(value)} is no object")
    read = {}
    for name, one in value.items():
        try:
            read[name] = of(one)
        except (ValueError, argparse.ArgumentTypeError) as error:
            raise below(f".{name}", error) from None
    return read


def text(value: Any) -> str:
    """A text that is not empty, of characters that can be written."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{_shown(value)} is no text")
    if "\0" in value or not is_unicode(value):
        raise ValueError(f"{json.dumps(value):.60} has a character that cannot be written")
    return value


def texts(value: Any) -> list[str]:
    """A list of texts, or a single one."""
    return each(value, text)


def each(value: Any, of: Callable[[Any], Any]) -> list[Any]:
    """A list of texts, or a single one, each as `of` reads it; an error names its place."""
    if isinstance(value, str):
        return [of(value)]
    if not isinstance(value, list):
        raise ValueError(f"{_shown(value)} is no list of texts")
    read = []
    for at, one in enumerate(value):
        try:
            read.append(of(one))
        except (ValueError, argparse.ArgumentTypeError) as error:
            raise below(f"[{at}]", error) from None
    return read


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{_shown(value)} is neither true nor false")
    return value


def _text(action: argparse.Action) -> Reader:
    """The reader of an option with one value."""

    def read(value: Any) -> Any:
        if action.type is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        return _converted(action, text(value))

    return read


def _texts(action: argparse.Action) -> Reader:
    return lambda value: each(value, lambda one: _converted(action, text(one)))


def _converted(action: argparse.Action, value: str) -> Any:
    """A text, as the option takes it on the command line."""
    convert: Any = action.type or str
    try:
        return convert(value)
    except ValueError:
        raise ValueError(f"{_shown(value)} is no {(action.metavar or 'value')!s:.20}".lower()) from None


def _read(path: str, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The values of a file. Raises ConfigError."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = json.load(file, object_pairs_hook=_no_twins, parse_constant=_no_constant)
    except OSError as error:
        raise ConfigError(f"{path}: it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: it is no text in UTF-8") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}:{error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: {_shown(content)} is no object with options")
    values = {}
    for key, value in content.items():
        if key not in readers:
            raise ConfigError(f"{path}: no option {key!r}; there are {', '.join(sorted(readers))}")
        try:
            values[key] = readers[key](value)
        except (ValueError, argparse.ArgumentTypeError) as error:
            raise ConfigError(f"{path}: {below(key, error)}") from None
    return values


def _no_twins(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, value in pairs:
        if name in read:
            raise ValueError(f"the key {name!r} is there twice in one object")
        read[name] = value
    return read


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _shown(value: Any) -> str:
    """A value of the file, short."""
    written = json.dumps(value, ensure_ascii=False)
    if not is_unicode(written):
        written = json.dumps(value)
    return written if len(written) <= 60 else f"{written[:60]}..."
