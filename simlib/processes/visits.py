"""Who did what for a message, step by step, where that is more than waiting and being worked on."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import nan

__all__ = ["Visits"]


class Visits:
    """A row for each stretch of time that a message spent with somebody, a column per fact.

    Rows of a message come in the order of their begin. What caused a visit stands before it.
    """

    def __init__(self) -> None:
        self.message = array("q")
        """Rows of their messages in the record."""
        self.parent = array("q")
        """The row of the visit that it is a part of; -1: of none."""
        self.start = array("d")
        """Begin (s)."""
        self.end = array("d")
        """End (s); NaN: it went on to the end of the run."""
        self.name: list[str] = []
        """What was done, such as ``publish``."""
        self.by: list[str] = []
        """Who did it."""
        self.event: list[str] = []
        """What was published, or what the message told; empty where that is nothing."""
        self.cause: list[str] = []
        """Why it came to nothing; empty where it did not."""

    def __len__(self) -> int:
        return len(self.message)

    def begin(
        self,
        message: int,
        name: str,
        by: str,
        start: float,
        *,
        end: float = nan,
        parent: int = -1,
        event: str = "",
    ) -> int:
        """Note that something begins; the number of its row."""
        self.message.append(message)
        self.parent.append(parent)
        self.start.append(start)
        self.end.append(end)
        self.name.append(name)
        self.by.append(by)
        self.event.append(event)
        self.cause.append("")
        return len(self.message) - 1

    def finish(self, row: int, end: float, cause: str = "") -> None:
        """Note when it is over (s), and why it came to nothing, if it did."""
        self.end[row] = end
        self.cause[row] = cause

    def of(self, messages: Sequence[int]) -> Visits:
        """Those of some messages only, which are numbered anew, in this order."""
        numbers = {old: new for new, old in enumerate(messages)}
        kept, rows = Visits(), dict[int, int]()
        for row, message in enumerate(self.message):
            if message in numbers:
                rows[row] = kept.begin(
                    numbers[message],
                    self.name[row],
                    self.by[row],
                    self.start[row],
                    parent=rows.get(self.parent[row], -1),
                    event=self.event[row],
                )
                kept.finish(rows[row], self.end[row], self.cause[row])
        return kept
