"""The rows of the record that copies of messages have in a broker."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from ..environment import Environment
from ..record import Record

__all__ = ["CopyRows"]

ROWS = 1024
"""How many rows of the record are made ready at a time."""


class CopyRows:
    """Gives each copy of a message a row, which is found by its queue and its body.

    Parameters
    ----------
    env : Environment
    record : Record
        Gets the labels ``message`` and ``queue``.
    """

    def __init__(self, env: Environment, record: Record) -> None:
        self.env = env
        self.record = record
        self.publishing = (0, 0.0)
        """Which message is being published, and when it was due (s)."""
        self.made: list[str] = []
        """Queues whose copies have got their rows since somebody cleared this."""
        self.queue_names: list[str] = []
        """The queues, in the order in which they were declared."""
        self.latest = array("q")
        """The latest delivery of each copy, counted from 1, by row; 0: none yet."""
        self.by_queue: defaultdict[str, dict[bytes, int]] = defaultdict(dict)
        """Rows by the queues that copies were put into first, and by bodies."""
        self._places: dict[str, int] = {}
        self._next = self._end = 0
        for name in ("message", "queue"):
            record.label(name)
        labels = record.labels
        self._columns = record.created, record.enqueued, labels["message"], labels["queue"]

    def new(self, queue: str, body: bytes) -> int:
        """A row for a copy of what is being published, put into a queue now; "": into none."""
        created, enqueued, message_of, queue_of = self._columns
        row = self._next
        if row == self._end:
            row = self.record.prepare(ROWS)
            self._end = row + ROWS
            self.latest.extend(array("q", [0]) * (self._end - len(self.latest)))
        self._next = row + 1
        message_of[row], created[row] = self.publishing
        enqueued[row] = self.env._now
        places = self._places
        if queue in places:
            queue_of[row] = places[queue]
        elif queue:
            queue_of[row] = self.place(queue)
        self.by_queue[queue][body] = row
        self.made.append(queue)
        return row

    def find(self, queue: str, body: bytes, headers: Mapping[str, Any] | None) -> int:
        """The row of a copy in a queue, which may be one that it got to as it died."""
        if headers:
            queue = headers.get("x-first-death-queue", queue)
        row = self.by_queue[queue].get(body)
        return self.new(queue, body) if row is None else row

    def place(self, queue: str) -> int:
        """Where a queue stands in ``queue_names``."""
        if queue not in self._places:
            self._places[queue] = len(self.queue_names)
            self.queue_names.append(queue)
        return self._places[queue]
