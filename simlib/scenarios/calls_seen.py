"""What became of calls and of the attempts at them."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan

import numpy as np
from numpy.typing import NDArray

from ..analysis.metrics import Metric
from ..processes import Ledger, Record
from ..processes.calls.attempt import SERVED, Attempt
from ..processes.calls.client import Client
from ..processes.calls.fates import Fates

__all__ = ["CALLS", "FATES", "recovered_at", "seen", "settle"]

CALLS = {
    "goodput": Metric("calls answered in time", "%"),
    "attempts_per_call": Metric("attempts per call"),
    "recovered_at": Metric("99 % are answered in time from", "s"),
}
"""What whoever calls sees."""

FATES = {
    "attempts": Metric("attempts", "messages"),
    "answered": Metric("attempts that were answered", "messages"),
    "failed": Metric("attempts that failed", "messages"),
    "late": Metric("attempts that were answered too late", "messages"),
    "rejected": Metric("attempts that were rejected", "messages"),
    "skipped": Metric("attempts that were skipped", "messages"),
    "cancelled": Metric("attempts that were cancelled", "messages"),
    "under_way": Metric("attempts under way at the end", "messages"),
}
"""What became of the attempts; together they are all."""

ENOUGH = 0.99
"""The share of calls answered in time that is called well."""


def settle(record: Record, fates: Fates, client: Client, here: Sequence[Attempt]) -> Ledger:
    """Balance the accounts at the end of a run, and write down what is still under way.

    Parameters
    ----------
    record, fates, client
        What was noted, counted and made.
    here : sequence of Attempt
        All attempts that may still be worked on, wherever they are.
    """
    fates.check(len(here))
    answered = fates.answered
    begun = set()
    for attempt in here:
        at_work = attempt.place == SERVED
        if attempt.answer is None and not attempt.call.over and attempt.number not in begun:
            if at_work:
                begun.add(attempt.number)
                record.started[attempt.number] = attempt.start
        else:
            start = attempt.start if at_work else nan
            record.attempts.add(
                attempt.number, start, start, nan, outcome="under way", by=attempt.by
            )
    open_calls = client.made - answered - client.gave_up
    return Ledger(
        published=client.made,
        acked=answered,
        ready=open_calls - len(begun),
        unacked=len(begun),
        lost=client.gave_up,
        redelivered=fates.attempts - client.made,
        redone=record.redone(),
    )


def seen(record: Record, fates: Fates, ledger: Ledger, under_way: int) -> dict[str, float]:
    """The figures of a run.

    ``goodput`` is the share of the calls whose end is known.
    """
    over = ledger.acked + ledger.lost
    created, finished = np.array(record.created), np.array(record.finished)
    return {
        "goodput": ledger.acked / over if over else nan,
        "attempts_per_call": fates.attempts / ledger.published if ledger.published else nan,
        "recovered_at": recovered_at(created, finished, np.array(record.lost, int)),
        **{name: getattr(fates, name) for name in FATES if name != "under_way"},
        "under_way": under_way,
    }


def recovered_at(
    created: NDArray[np.float64], finished: NDArray[np.float64], lost: NDArray[np.int64]
) -> float:
    """Since when, to the second, 99 % of the calls of each second are answered in time (s).

    Parameters
    ----------
    created, finished : ndarray of shape (calls,)
        When each was made and answered (s), NaN where it was not.
    lost : ndarray
        Which ones came to nothing. Where the others are not answered, it is not known yet what
        becomes of them, and seconds from the first of them on are left out.

    Returns
    -------
    float
        Infinite if the last second was not well; NaN if there is none.
    """
    well = ~np.isnan(finished)
    over = well.copy()
    over[lost] = True
    known = created < np.min(created[~over], initial=inf, where=~np.isnan(created[~over]))
    second = np.floor(created[known]).astype(int)
    made = np.bincount(second)
    if not len(made):
        return nan
    share = np.bincount(second, well[known], len(made)) / np.maximum(made, 1)
    bad = np.flatnonzero((made > 0) & (share < ENOUGH))
    if not len(bad):
        return 0.0
    return inf if bad[-1] == len(made) - 1 else float(bad[-1] + 1)
