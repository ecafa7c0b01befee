"""What can be watched of a run: who sends what to whom, and how much is where.

A message is a dot that moves from place to place: from its producer through an exchange to a queue,
to a consumer, back if that came to nothing, and in the end to where it is done, or lost. A request
goes to a service, and its reply comes back. While something stays at a place it is counted there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from enum import IntEnum
from math import inf
from typing import NamedTuple

__all__ = ["Hops", "Move", "Sort", "Stay"]


class Sort(IntEnum):
    """What it is that moves."""

    FIRST = 0
    """A message or request on its way."""
    AGAIN = 1
    """It is delivered again, or comes back because nothing came of it, or is gone."""
    REPLY = 2
    """An answer."""


class Move(NamedTuple):
    """Something goes from one place to another."""

    start: float
    """When it leaves (s)."""
    end: float
    """When it is there (s)."""
    origin: str
    target: str
    sort: Sort


class Stay(NamedTuple):
    """Something is at a place, waiting, worked on, or for good."""

    start: float
    """Since when (s)."""
    end: float
    """Until when (s); infinite where it stays."""
    place: str
    sort: Sort


class Hops:
    """What moves in a run, and what stays where.

    ``tokens`` are lists of moves, one list for each thing that moves: after one another.
    """

    def __init__(self) -> None:
        self.tokens: list[list[Move]] = []
        self.stays: list[Stay] = []
        self.ends: list[str] = []
        """The places that nothing leaves."""
        self.keepers: list[str] = []
        """The places where things wait."""
        self.traces = 0
        """How many messages or requests there are, each counted once."""

    @property
    def places(self) -> list[list[str]]:
        """The names of the places, in columns from left to right, by how far messages go."""
        edges = [(move.origin, move.target) for move in self._each() if move.sort is not Sort.REPLY]
        names = dict.fromkeys([place for edge in edges for place in edge])
        names |= dict.fromkeys(stay.place for stay in self.stays)
        forward = {
            (move.origin, move.target)
            for move in self._each()
            if move.sort is Sort.FIRST and move.target not in self.ends
        }
        inner = [name for name in names if name not in self.ends]
        depth = dict.fromkeys((name for name in inner if all(name != to for _, to in forward)), 0)
        if not depth and inner:
            depth[inner[0]] = 0  # services that call in a circle
        reached = list(depth)
        for name in reached:  # grows on the way
            for origin, target in sorted(forward):
                if origin == name and target not in depth:
                    depth[target] = depth[name] + 1
                    reached.append(target)
        for name in inner:
            depth.setdefault(name, 0)
        columns = [
            sorted((name for name in depth if depth[name] == level), key=_in_order)
            for level in sorted(set(depth.values()))
        ]
        return [*columns, self.ends] if self.ends else columns

    def drawn(self, least: float) -> list[Move]:
        """All moves by their start, each at least so long (s) that it can be seen.

        What moves on before it is seen to be there sets out a little later; what stays where, and
        since when, is not touched.
        """
        found = []
        for token in self.tokens:
            free = -inf
            for move in token:
                start = max(move.start, free)
                free = max(move.end, start + least)
                found.append(move._replace(start=start, end=free))
        return sorted(found)

    def counts(self) -> dict[tuple[str, str], Counter[Sort]]:
        """How often something went from one place to another."""
        found: dict[tuple[str, str], Counter[Sort]] = {}
        for move in self._each():
            found.setdefault((move.origin, move.target), Counter())[move.sort] += 1
        order = [name for names in self.places for name in names]
        return dict(sorted(found.items(), key=lambda each: tuple(map(order.index, each[0]))))

    def most(self) -> dict[str, int]:
        """The most that was at each place at once, but for where all things end."""
        steps: dict[str, list[tuple[float, int]]] = {}
        for stay in self.stays:
            if stay.place not in self.ends and stay.start < stay.end:
                steps.setdefault(stay.place, []).extend([(stay.start, 1), (stay.end, -1)])
        found = {}
        for place, each in steps.items():
            there = found[place] = 0
            for _, step in sorted(each):
                there += step
                found[place] = max(found[place], there)
        return found

    def at(self, instant: float, place: str) -> int:
        """How many are at a place at an instant (s)."""
        here = [stay for stay in self.stays if stay.place == place]
        come = bisect_right(sorted(stay.start for stay in here), instant)
        return come - bisect_right(sorted(stay.end for stay in here), instant)

    def _each(self) -> Iterable[Move]:
        return (move for token in self.tokens for move in token)


def _in_order(name: str) -> tuple[str, int]:
    """Places by their names, "queue 10" after "queue 9"."""
    words, _, number = name.rpartition(" ")
    return (words, int(number)) if number.isdigit() else (name, 0)
