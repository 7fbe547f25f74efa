"""Why does nothing move? ``python -m reactor.explain PID-or-URL`` asks a running program, or a broker about a queue.

  PID                      the containers of a process that listen for questions
  /path/of/a.sock          the one that listens there
  127.0.0.1:5999           the one that listens there, with --token, or AMQP_REACTOR_TOKEN in the environment
  amqp://host/queue        how a broker of this library sees that queue

Exit status: 0 where nothing stands in the way, 1 where something does, 2 for a mistake in the options, 3 where there
is no answer.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Optional

from reactor.container.explain.sentences import Explanation
from reactor.explain.asking import NoAnswer, ask, of_broker, of_process

WELL, STUCK, USAGE, NO_ANSWER = range(4)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Ask, and print the answer. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m reactor.explain", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", metavar="PID-or-URL")
    parser.add_argument("--token", default=os.environ.get("AMQP_REACTOR_TOKEN"), help="of listen_for_questions()")
    parser.add_argument("--near", action="store_true", help="do not ask the peers of the program for their view")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS", help="for each answer (10)")
    parser.add_argument("--json", action="store_true", help="the answers as JSON")
    options = parser.parse_args(arguments)
    if not options.timeout > 0:
        parser.error("--timeout is a number of seconds above 0")
    try:
        answers = sorted(_answers(options), key=_main_thread_first)
    except ValueError as error:
        parser.error(str(error))
    except NoAnswer as error:
        print(error, file=sys.stderr)
        return NO_ANSWER
    _print(answers, options.json)
    return STUCK if any(told.stuck for _, told in answers) else WELL


def _answers(options: argparse.Namespace) -> Iterator[tuple[str, Explanation]]:
    target = options.target
    if target.startswith(("amqp:", "amqps:", "amqpws:", "amqpwss:")):
        yield "", of_broker(target, options.timeout)
        return
    places = of_process(int(target)) if target.isascii() and target.isdigit() else [target]
    for place in places:
        yield ask(place, options.token, not options.near, options.timeout)


def _main_thread_first(answer: tuple[str, Explanation]) -> bool:
    return ", thread MainThread," not in answer[0]


def _print(answers: Sequence[tuple[str, Explanation]], as_json: bool) -> None:
    if as_json:
        rows = [{"container": name, "sentences": [{"kind": one.kind, "stuck": one.stuck, "text": str(one)}
                                                  for one in told]} for name, told in answers]  # fmt: skip
        print(json.dumps(rows, indent=2))
        return
    width = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100
    for number, (name, told) in enumerate(answers):
        if len(answers) > 1:
            print("%s%s:" % ("\n" if number else "", name))
        for sentence in told:
            print(textwrap.fill(sentence, width, subsequent_indent="  ", break_on_hyphens=False))


if __name__ == "__main__":
    sys.exit(main())
