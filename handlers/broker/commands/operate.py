"""`amqp-broker status|queues|peek|purge|move|subscriptions|unsubscribe`: a look at a running broker, and a hand in it,
over AMQP."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Callable

from handlers.broker.commands import sizes
from handlers.broker.management.client import REFUSED, UNREACHED, ManagementClient, ManagementError
from handlers.broker.management.peeking import plain
from reactor import SSLException, Url, environment_secret, environment_url

NOT_DONE, USAGE, NO_BROKER, NOT_ALLOWED, NO_ANSWER = range(1, 6)
"""Exit statuses."""

STATUSES = """\
exit status: 0 done, 1 not done (no such queue ...), 2 wrong usage, 3 no broker there, 4 not allowed, 5 no answer

The user is that of --user, of the URL, or of AMQP_USER; the password that of --password, of the URL, or of
AMQP_PASSWORD; else it is asked for, on a terminal. AMQP_URL_FILE, AMQP_USER_FILE and AMQP_PASSWORD_FILE name files with
these instead.
"""

EXAMPLES = {
    "status": "  amqp-broker status --url amqps://alice@broker.example --tls-ca authority.pem\n",
    "queues": "  amqp-broker queues\n  amqp-broker queues 'jobs.*' --json\n",
    "peek": "  amqp-broker peek jobs\n      the first ten messages of a queue; it keeps them\n"
    "  amqp-broker peek jobs --offset 100 --count 1 --clip 64K --json\n",
    "purge": "  amqp-broker purge jobs --count 10\n      the first ten that no consumer holds\n",
    "move": "  amqp-broker move jobs.dead jobs\n      all messages that no consumer holds, in their order\n",
    "subscriptions": "  amqp-broker subscriptions\n  amqp-broker subscriptions news --json\n",
    "unsubscribe": "  amqp-broker unsubscribe news laptop/reader\n      as `amqp-broker subscriptions news` names it\n",
}

PURPOSES = {
    "status": "the broker as a whole, and its connections",
    "queues": "the queues and topics, with their messages and links",
    "peek": "messages of a queue, with their properties and why they are where they are; none is taken",
    "purge": "remove messages of a queue",
    "move": "move messages from one queue to the end of another",
    "subscriptions": "the subscriptions of a topic, or of all",
    "unsubscribe": "end a subscription that no receiver is attached to, with its messages",
}


def run(name: str, arguments: Sequence[str]) -> int:
    """Do the command `name`; returns the exit status."""
    parser = _parser(name)
    options = parser.parse_args(arguments)
    try:
        if options.url is None:
            options.url = environment_url(default="amqp://127.0.0.1").full
        domain = sizes.trusting(options.url, options.tls_ca)
        credentials = _credentials(options)
    except (ValueError, SSLException) as error:
        parser.error(str(error))
    command: Callable[[ManagementClient, argparse.Namespace], None] = _COMMANDS[name]
    where = Url(options.url).redacted
    try:
        with ManagementClient(options.url, options.timeout, ssl_domain=domain, **credentials) as management:
            command(management, options)
    except ManagementError as error:
        return _explained(name, where, error)
    except BrokenPipeError:  # of `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def _explained(name: str, where: str, error: ManagementError) -> int:
    status = NOT_DONE if error.status else NO_ANSWER
    text = str(error)
    if error.why == UNREACHED:
        status, text = NO_BROKER, f"no broker at {where}: {text}"
    elif error.why == REFUSED:
        status, text = NOT_ALLOWED, f"{where} refuses: {text}"
        if "set_trusted_ca_db" in text:  # the names of the library mean little in a shell
            text += "; with this command: --tls-ca FILE"
    elif error.status in (401, 403):
        status = NOT_ALLOWED
    print(f"amqp-broker {name}: {text}", file=sys.stderr)
    return status


def _credentials(options: argparse.Namespace) -> dict[str, Any]:
    url = Url(options.url)
    user = options.user or url.username or environment_secret("AMQP_USER")
    if not user:
        return {}
    password = options.password or url.password
    if password is None and user == (environment_secret("AMQP_USER") or user):
        password = environment_secret("AMQP_PASSWORD")
    if password is None and sys.stdin.isatty():
        password = getpass.getpass(f"Password of {user}: ")
    return {"user": user, "password": password or ""}


# -- the commands


def _status(management: ManagementClient, options: argparse.Namespace) -> None:
    overview = management.ask("READ", "broker", name="broker").body
    connections = list(management.query("connection"))
    if options.json:
        _print_json({"broker": overview, "connections": connections})
        return
    print(f"{overview['product']} {overview['version']}")
    for name in ("connections", "links", "nodes", "depth", "bytes", "enqueued", "acknowledged", "rejected", "expired",
                 "removed", "refused", "internal_errors", "transactions", "committed", "rolled_back",
                 "timed_out"):  # fmt: skip
        print(f"{name.replace('_', ' '):>16}  {overview[name]}")
    print()
    columns = ("number", "container", "user", "address", "links", "unsettled")
    _print_table(columns, connections)


def _queues(management: ManagementClient, options: argparse.Namespace) -> None:
    nodes = list(management.query("node", pattern=options.pattern or None))
    if options.json:
        _print_json(nodes)
        return
    _print_table(("name", "kind", "waiting", "acquired", "bytes", "consumers", "producers", "enqueued", "acknowledged",
                  "rejected", "expired"), nodes)  # fmt: skip


def _peek(management: ManagementClient, options: argparse.Namespace) -> None:
    bounds = {"offset": options.offset, "count": options.count, "clip": options.clip}
    rows = management.ask("PEEK", "queue", name=options.queue, **bounds).body
    if options.json:
        _print_json([_decoded(row) for row in rows])
        return
    for row in rows:
        _print_message(_decoded(row))
    if not rows:
        print(f"{options.queue}: no messages")


def _purge(management: ManagementClient, options: argparse.Namespace) -> None:
    count = management.ask("PURGE", "queue", name=options.queue, count=options.count).body["messages"]
    _print_count(options, count, f"removed from {options.queue}")


def _move(management: ManagementClient, options: argparse.Namespace) -> None:
    body = management.ask("MOVE", "queue", name=options.source, to=options.to, count=options.count).body
    _print_count(options, body["messages"], f"moved from {options.source} to {options.to}")


def _subscriptions(management: ManagementClient, options: argparse.Namespace) -> None:
    topics = [options.topic] if options.topic else [row["name"] for row in management.query("topic")]
    rows = [row for topic in topics for row in management.query("subscription", node=topic)]
    if options.json:
        _print_json(rows)
        return
    _print_table(("topic", "waiting", "acquired", "bytes", "consumers", "enqueued", "selector", "name"), rows)


def _unsubscribe(management: ManagementClient, options: argparse.Namespace) -> None:
    facts = management.ask("DELETE", "subscription", name=options.name, node=options.topic).properties
    _print_count(options, facts["messages"], f"ended with the subscription {options.name}")


_COMMANDS = {"status": _status, "queues": _queues, "peek": _peek, "purge": _purge, "move": _move,
             "subscriptions": _subscriptions, "unsubscribe": _unsubscribe}  # fmt: skip


# -- printing


def _decoded(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of PEEK, without the bytes of a body that has a value."""
    shown = {name: plain(value) for name, value in row.items()}
    if not row["clipped"] and row["error"] is None:
        del shown["data"]
    deaths = row["annotations"].get("x-opt-deaths")
    if deaths is not None:
        shown["deaths"] = plain(deaths)
    return shown


def _print_message(row: Mapping[str, Any]) -> None:
    facts = [row["state"], f"{row['bytes']} bytes", f"priority {row['priority']}"]
    facts += ["durable"] if row["durable"] else []
    facts += [f"delivered in vain {row['delivery_count']} times"] if row["delivery_count"] else []
    facts += [f"expires in {row['expires_in']:.0f} s"] if row["expires_in"] is not None else []
    print(f"{row['place']}: {', '.join(facts)}")
    for title, name in (("properties", "properties"), ("application", "application_properties"),
                        ("annotations", "annotations")):  # fmt: skip
        for key, value in row[name].items():
            if key != "x-opt-deaths":
                print(f"    {title:>11}  {key} = {_shown(value)}")
    for death in row.get("deaths") or ():
        print(f"          death  {_shown(death)}")
    if row["error"] is not None:
        print(f"          error  {row['error']}")
    if row["clipped"] or row["error"] is not None:
        print(f"           data  {_shown(row['data'])}{' ...' if row['clipped'] else ''}")
    else:
        print(f"           body  {_shown(row['body'])}")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() and value else json.dumps(value, ensure_ascii=False)


def _print_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Numbers to the right, texts to the left; the last column is not padded."""
    table = [[name.upper() for name in columns]]
    numbers = [True] * len(columns)
    for row in rows:
        values = [row.get(name) for name in columns]
        numbers = [right and isinstance(value, int) for right, value in zip(numbers, values)]
        table.append(["-" if value is None else str(value) for value in values])
    numbers = [right and len(table) > 1 for right in numbers]
    widths = [max(len(line[at]) for line in table) for at in range(len(columns))]
    for line in table:
        cells = [text.rjust(width) if right else text.ljust(width) for text, width, right in zip(line, widths, numbers)]
        print("  ".join(cells).rstrip())


def _print_json(value: Any) -> None:
    print(json.dumps(plain(value), indent=2, ensure_ascii=False))


def _print_count(options: argparse.Namespace, count: int, how: str) -> None:
    if options.json:
        _print_json({"messages": count})
    else:
        print(f"{count} message{'' if count == 1 else 's'} {how}")


# -- the command line


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog=f"amqp-broker {name}",
        description=f"Show, of a running broker: {PURPOSES[name]}."
        if name in ("status", "queues", "peek", "subscriptions")
        else f"In a running broker: {PURPOSES[name]}.",
        epilog=f"examples:\n{EXAMPLES[name]}\n{STATUSES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    if name == "queues":
        add("pattern", nargs="?", metavar="PATTERN", help="of their names, as in a shell: 'jobs.*' (all)")
    elif name == "move":
        add("source", metavar="FROM", help="the queue that has them")
        add("to", metavar="TO", help="the queue that gets them; it has to be there")
    elif name in ("peek", "purge"):
        add("queue", metavar="QUEUE")
    elif name == "subscriptions":
        add("topic", nargs="?", metavar="TOPIC", help="whose (of all topics)")
    elif name == "unsubscribe":
        add("topic", metavar="TOPIC")
        add("name", metavar="NAME", help="of the subscription, as `amqp-broker subscriptions` shows it")
    if name == "peek":
        add("--offset", metavar="NUMBER", type=_count, default=0, help="messages that are passed over first (0)")
        add("--count", metavar="NUMBER", type=_count, default=10, help="how many are shown (10)")
        add("--clip", metavar="SIZE", type=sizes.size, default="4K", help="bytes of a body that are shown (4K)")
    elif name in ("purge", "move"):
        add("--count", metavar="NUMBER", type=_count, help="how many, from the head of the queue on (all)")
    add("--url", metavar="URL", type=sizes.url, help="of the broker (that of AMQP_URL, or amqp://127.0.0.1)")
    add("--user", metavar="NAME", help="to log in with (that of the URL, or none)")
    add("--password", metavar="TEXT", help="see below")
    add("--tls-ca", metavar="FILE", help="to trust at amqps://...: authorities, or one certificate; PEM")
    add("--timeout", metavar="SECONDS", type=float, default=10.0, help="for the connection, and for each answer (10)")
    add("--json", action="store_true", help="print JSON")
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"not a number: {text!r}")
    return int(text)


def commands() -> Iterable[tuple[str, Callable[[list[str]], int], str]]:
    """Each command: its name, the function that does it, and its purpose."""
    for name, purpose in PURPOSES.items():
        yield name, partial(run, name), purpose
