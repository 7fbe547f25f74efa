"""Samples: the picture of a broker every second, with rates, for all that watch.

The streams of events enter, each in its thread. The first one that comes when a second is over takes the next sample,
and the others have it, too; while nothing watches, nothing is sampled.
"""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple, Optional

from handlers.broker.web.survey import Node, Picture, Survey

INTERVAL = 1.0
"""Seconds between samples, at least."""

SHARE = 20
"""A sample that takes the broker long is followed by a pause of so many times as long ..."""

LONGEST = 10.0
"""... and of so many seconds at most."""

Row = dict[str, Any]


class Sample(NamedTuple):
    """overview: numbers of the whole broker. rows: of each node, by its name. Rates are per second, None where there is
    nothing before to compare with."""

    number: int
    overview: Row
    rows: dict[str, Row]


class Sampler:
    """Takes samples; from any thread but the broker's."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._lock = threading.Lock()
        self._sample: Optional[Sample] = None
        self._picture: Optional[Picture] = None
        self._counted: dict[str, tuple[int, int]] = {}
        self._taken = 0.0
        self.pause = INTERVAL

    def sample(self) -> Sample:
        """The newest sample, taken now if the last one is out of date. Raises Unanswered."""
        with self._lock:
            began = time.monotonic()
            if self._sample is None or began - self._taken >= 0.9 * self.pause:
                self._sample = self._next(began - self._taken)
                self._taken = began
            return self._sample

    def _next(self, elapsed: float) -> Sample:
        picture, before = self._survey.take(), self._picture
        comparable = before is not None and elapsed < 10 * self.pause  # else it is a mean over a time unwatched
        targets = {node.dead_letter for node in picture.nodes if node.dead_letter}
        counted = {node.numbers.name: _flow(node) for node in picture.nodes}
        rows = {}
        for node in picture.nodes:
            name = node.numbers.name
            rates = _rates(counted[name], self._counted.get(name), elapsed) if comparable else (None, None)
            rows[name] = _row(node, rates, name in targets)
        overview: Row = {**picture.counters, **picture.broker.to_dict()}
        counters = picture.counters
        now = counters["enqueued"], counters["acknowledged"]
        then = None if before is None else (before.counters["enqueued"], before.counters["acknowledged"])
        overview["in"], overview["out"] = _rates(now, then, elapsed) if comparable else (None, None)
        overview["dead_letters"] = sum(rows[name]["depth"] for name in targets if name in rows)
        overview["dead_letter_queues"] = len(targets & rows.keys())
        self._picture, self._counted = picture, counted
        self.pause = min(LONGEST, max(INTERVAL, SHARE * picture.cost))
        return Sample(1 if self._sample is None else self._sample.number + 1, overview, rows)


def _flow(node: Node) -> tuple[int, int]:
    return node.numbers.enqueued, node.numbers.acknowledged


def _rates(
    now: tuple[int, int], then: Optional[tuple[int, int]], elapsed: float
) -> tuple[Optional[float], Optional[float]]:
    """Messages that came in and that were acknowledged, per second."""
    if then is None or now[0] < then[0]:
        then = 0, 0  # a new node, or a new one of this name
    return round((now[0] - then[0]) / elapsed, 1), round(max(0, now[1] - then[1]) / elapsed, 1)


def _row(node: Node, rates: tuple[Optional[float], Optional[float]], takes_dead_letters: bool) -> Row:
    row: Row = node.numbers.to_dict()
    row["in"], row["out"] = rates
    row["dynamic"] = node.dynamic
    row["dead_letter"] = node.dead_letter
    row["takes_dead_letters"] = takes_dead_letters
    return row
