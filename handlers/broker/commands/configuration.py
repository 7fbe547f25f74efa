"""The keys of a configuration that have a form of their own: nodes with policies, users, permissions, limits.

`serve` enters: for the readers of a file's values, and for a page that shows all that would be served.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any, Union

from handlers.broker.access.permissions import Permissions, PermissionsError
from handlers.broker.access.userfile import user_name, verifier
from handlers.broker.broker import Broker
from handlers.broker.commands.options import Below, Reader, Setting, below, each, objects, text, texts
from handlers.broker.commands.sizes import PLACE, limit, url
from handlers.broker.nodes.policy import Policy

OTHERS = ("listen", "store", "queues", "topics", "policies", "users", "permissions", "limits", "config", "check_config")
"""The page has lines of its own for these."""


def _policy(value: Any) -> Policy:
    try:
        return Policy.from_json(value)
    except ValueError as error:
        raise ValueError(str(error).partition("policy: ")[2] or str(error)) from None


def _policies(value: Any) -> dict[str, Policy]:
    return objects(value, _policy)


def _nodes(value: Any) -> Union[list[str], dict[str, Policy]]:
    """Names, or policies by name."""
    return _policies(value) if isinstance(value, dict) else texts(value)


def _users(value: Any) -> Union[str, dict[str, list[str]]]:
    """The path of a file, or verifiers by name: a password has no place in a file."""
    if not isinstance(value, dict):
        return text(value)
    found = objects(value, lambda given: [verifier(one).export() for one in texts(given)])
    for name in found:
        user_name(name)
    return found


def _permissions(value: Any) -> Mapping[str, Any]:
    try:
        Permissions(value)
    except PermissionsError as error:
        raise Below(str(error)[len("permissions") :]) from None
    table: Mapping[str, Any] = value
    return table


def _limits(value: Any) -> list[tuple[str, int]]:
    found = objects(value, lambda number: number if isinstance(number, str) else json.dumps(number))
    read = []
    for name, number in found.items():
        try:
            read.append(limit(f"{name}={number}"))
        except argparse.ArgumentTypeError as error:
            raise below(f".{name}", error) from None
    return read


def _listen(value: Any) -> list[str]:
    """URLs, at least one."""
    found = each(value, lambda one: url(text(one)))
    if not found:
        raise ValueError(f"[] has no address; leave the key out for {PLACE}")
    return found


def _web(value: Any) -> Union[str, bool, None]:
    """An address, or whether there is a web page, on a free port."""
    return value or None if isinstance(value, bool) else text(value)


READERS: dict[str, Reader] = {
    "listen": _listen,
    "queues": _nodes,
    "topics": _nodes,
    "policies": _policies,
    "users": _users,
    "permissions": _permissions,
    "limits": _limits,
    "web": _web,
}


def page(options: argparse.Namespace, settings: Mapping[str, Setting], broker: Broker) -> Iterator[str]:
    """The lines that show all that would be served. broker: made of the options, without a store."""
    for place in broker.urls:
        yield f"listen {place}: {broker.doors.foresee(place)}"
    yield "store: " + (options.store or "none, all is in memory")
    for kind, nodes in (("queue", options.queues), ("topic", options.topics), ("policy", options.policies or {})):
        for name in nodes:
            policy = nodes[name].to_json() if isinstance(nodes, Mapping) else {}
            yield f"{kind} {name}: {_json(policy)}"
    users = broker.doors.users
    if users is not None:
        yield f"users: {len(users)}{f' in {users.path}' if users.path else ''}"
    for user, given in (options.permissions or {}).items():
        yield f"permissions of {user}: {_json(given)}"
    for name, value in options.limits:
        yield f"limits.{name}: {value}"
    for name, setting in sorted(settings.items()):
        value = getattr(options, name)
        if name not in OTHERS and value != setting.default:
            yield f"{name}: {_json(value)}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
