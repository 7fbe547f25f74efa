"""Curves and marks: a number that changes over the time of a recording, and moments that stand out in it."""

from __future__ import annotations

from typing import NamedTuple

Point = tuple[float, float]


class Mark(NamedTuple):
    """A moment that stands out.

    kind: "lost", "drain", "window full", "held", "retry", "crashed", "restarted", "note". lane: the name of the program
    that it is about, or "". link: the number of the link, or -1. text: for people. peer: the name of the program at the
    other end of the connection that it is about, or "".
    """

    at: float
    kind: str
    lane: str
    link: int
    text: str
    peer: str = ""


class Curve:
    """A number over time; it holds its value until the next point.

    name: "credit", "unsettled", "available", "queued" or "window". points: (seconds, value), in order of time.
    """

    __slots__ = ("name", "points")

    def __init__(self, name: str) -> None:
        self.name = name
        self.points: list[Point] = []

    def set(self, at: float, value: float) -> None:
        """The value from now on."""
        points = self.points
        if points and points[-1][1] == value:
            return
        if len(points) > 1 and points[-1][0] == points[-2][0] == at:
            before, last = points[-2][1], points[-1][1]
            if (last > before) == (value > last):  # within one moment its turns are kept, and not each step
                points.pop()
        points.append((at, value))

    def cut(self, begin: float, end: float) -> None:
        """Keep the points from a second to another, and the value that it had before."""
        before = [value for at, value in self.points if at < begin]
        inside = [point for point in self.points if begin <= point[0] <= end]
        self.points = [(begin, before[-1]), *inside] if before else inside

    @property
    def last(self) -> float:
        """The value at the end; 0 before the first."""
        return self.points[-1][1] if self.points else 0

    @property
    def highest(self) -> float:
        """The largest value; 0 without one."""
        return max((value for _, value in self.points), default=0)

    def __bool__(self) -> bool:
        return any(value for _, value in self.points)


def thinned(points: list[Point], most: int) -> list[Point]:
    """At most about so many points that look the same: of each stretch of time the first, the least, the largest and
    the last are kept."""
    if len(points) <= most or most < 8:
        return points[:1] + points[-1:] if most < 8 < len(points) else points
    begin, end = points[0][0], points[-1][0]
    stretches = most // 4
    width = (end - begin) / stretches
    kept: list[Point] = []
    bucket: list[Point] = []
    number = 0
    for point in points:
        place = min(stretches - 1, int((point[0] - begin) / width)) if width > 0 else 0
        if place != number:
            kept += _extremes(bucket)
            bucket, number = [], place
        bucket.append(point)
    return kept + _extremes(bucket)


def _extremes(bucket: list[Point]) -> list[Point]:
    if len(bucket) <= 4:
        return bucket
    places = {0, len(bucket) - 1}
    places.add(min(range(len(bucket)), key=lambda place: bucket[place][1]))
    places.add(max(range(len(bucket)), key=lambda place: bucket[place][1]))
    return [bucket[place] for place in sorted(places)]
