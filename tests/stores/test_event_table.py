"""The table of events, and how far each subscriber has read."""

from __future__ import annotations

from simlib.stores import EventTable


def test_each_subscriber_reads_on_from_its_own_position() -> None:
    with EventTable(2) as table:
        for number in (7, 8, 9):
            table.add(number)
        assert table.after_position(0) == [(1, 7), (2, 8), (3, 9)]
        table.move(0, 2)
        assert table.after_position(0) == [(3, 9)]
        assert len(table.after_position(1)) == 3
        assert table.count() == 3


def test_listeners_are_told_when_the_event_is_there() -> None:
    with EventTable(1) as table:
        seen: list[int] = []
        table.listeners.append(lambda: seen.append(table.count()))
        table.add(1)
        table.add(2)
        assert seen == [1, 2]
