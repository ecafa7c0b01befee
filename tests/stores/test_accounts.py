"""The account, and what remembers bookings."""

from __future__ import annotations

from typing import Any

import pytest

from simlib.stores import Accounts


class Clock:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_booking_changes_the_balance_each_time_and_one_with_the_inbox_once() -> None:
    with Accounts(Clock(), window=None) as accounts:
        for _ in range(2):
            accounts.book(1, 30)
            accounts.book_once(2, 5)
        assert accounts.balance == 65
        assert accounts.bookings == {1: 2, 2: 1}


def test_a_booking_that_fails_leaves_no_note_in_the_inbox() -> None:
    with Accounts(Clock(), window=None) as accounts:
        too_large: Any = 2**80
        with pytest.raises(OverflowError):
            accounts.book_once(1, too_large)
        accounts.book_once(1, 30)
        assert accounts.balance == 30


def test_a_note_is_forgotten_after_the_window_and_no_sooner() -> None:
    clock = Clock()
    with Accounts(clock, window=10.0) as accounts:
        accounts.book_once(1, 30)
        accounts.note_in_store(1)
        clock.now = 10.0
        accounts.book_once(1, 30)
        assert accounts.store_knows(1)
        assert accounts.balance == 30
        clock.now = 10.5
        assert not accounts.store_knows(1)
        accounts.book_once(1, 30)
        assert accounts.balance == 60


def test_the_store_knows_nothing_of_the_inbox() -> None:
    with Accounts(Clock(), window=None) as accounts:
        accounts.book_once(1, 30)
        assert not accounts.store_knows(1)
