"""Table: the deliveries of a timeline as plain data for the script of a page; where they are too many, runs of them.

A run is of one link and one outcome. Deliveries that stand out (another outcome, redelivered, never read) keep a row of
their own, as far as there is room.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Optional

from reactor.tracing.links import Delivery
from reactor.tracing.timeline import Timeline

#: Rows at most. With fewer deliveries each of them has one.
MOST = 8_000

#: Characters of labels, tags and reasons.
_LABEL, _TAG, _REASON = 28, 16, 120


def table(timeline: Timeline, most: int = MOST) -> dict[str, Any]:
    """The data of the table.

    rows: of each delivery the place of its link, delivery-id, the last id of a run, how many, tag, label; microseconds
    of sent, received, decided, settled (null: not known); outcome, how often it came before, bytes, reason, the record
    of its first frame, latency, time to settle. Of a run the times are those of its first, and the last two are the
    longest. folded: whether some rows are runs. all: how many deliveries.
    """
    deliveries = timeline.deliveries
    if len(deliveries) <= most:
        return {"rows": [_row(delivery) for delivery in deliveries], "folded": False, "all": len(deliveries)}
    odd = [delivery for delivery in deliveries if stands_out(delivery)][: most // 2]
    kept = set(odd)
    runs: dict[tuple[int, str], list[Delivery]] = {}
    for delivery in deliveries:
        if delivery not in kept:
            runs.setdefault((delivery.link.number, delivery.outcome), []).append(delivery)
    size = max(2, -(-2 * (len(deliveries) - len(odd)) // max(1, most)))
    rows = [_row(delivery) for delivery in odd]
    for found in runs.values():
        rows += [_run(found[start : start + size]) for start in range(0, len(found), size)]
    rows.sort(key=lambda row: row[14])
    return {"rows": rows, "folded": True, "all": len(deliveries)}


def stands_out(delivery: Delivery) -> bool:
    """Whether a delivery is to be seen among many."""
    return delivery.redelivered > 0 or delivery.outcome not in ("accepted", "settled", "")


def _row(delivery: Delivery) -> list[Any]:
    tag = delivery.tag[:_TAG]
    shown = tag.decode("ascii") if tag.isalnum() and tag.isascii() else tag.hex() and "0x" + tag.hex()
    return [
        delivery.link.number, delivery.number, delivery.number, 1, shown, delivery.label[:_LABEL],
        micros(delivery.sent), micros(delivery.received), micros(delivery.decided), micros(delivery.settled),
        delivery.outcome, delivery.redelivered, delivery.size, delivery.reason[:_REASON], delivery.frame,
        micros(delivery.latency), _settling(delivery),
    ]  # fmt: skip


def _run(run: Sequence[Delivery]) -> list[Any]:
    row = _row(run[0])
    if len(run) > 1:
        row[2], row[3] = run[-1].number, len(run)
        row[5] = "%s ... %s" % (run[0].label[:_LABEL], run[-1].label[:_LABEL])
        row[11] = max(delivery.redelivered for delivery in run)
        row[12] = sum(delivery.size for delivery in run)
        row[15] = _longest(micros(delivery.latency) for delivery in run)
        row[16] = _longest(map(_settling, run))
    return row


def _settling(delivery: Delivery) -> Optional[int]:
    """Microseconds from the first frame to the settlement."""
    begin = delivery.sent if delivery.sent is not None else delivery.received
    return None if begin is None or delivery.settled is None else micros(delivery.settled - begin)


def _longest(values: Iterable[Optional[int]]) -> Optional[int]:
    return max((each for each in values if each is not None), default=None)


def micros(value: Optional[float]) -> Optional[int]:
    """Seconds as whole microseconds."""
    return None if value is None else int(value * 1_000_000 + 0.5)
