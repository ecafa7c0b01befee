"""What a dashboard shows of calls: how many were made, tried and answered, second by second."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .result import Result

__all__ = ["calls_over_time"]


def calls_over_time(result: Result, every: float = 1.0) -> pd.DataFrame:
    """A run of calls, interval by interval.

    Parameters
    ----------
    result : Result
        Of a scenario in which a message is a call.
    every : float
        Length of an interval (s, > 0). The last one, if time cuts it short, is left out.

    Returns
    -------
    DataFrame
        The index is the begin of each interval (``time``, s). ``calls``, ``attempts`` and
        ``answered`` are per second, at the instants at which they were made, sent and answered.
        ``in_time`` is the share of the calls made then that were answered in time (NaN: none was
        made, or it is not known yet). ``waiting`` is how many attempts wait for a worker at its
        end.

    Raises
    ------
    ValueError
        If the run has not even one interval.
    """
    if not every > 0:
        raise ValueError(f"every must be > 0 s, got {every!r}")
    # A run of 180 s has 180 seconds, whatever rounding does to the last one.
    intervals = int(result.duration / every + 1e-9)
    if not intervals:
        raise ValueError(f"every must be <= the run's {result.duration:g} s, got {every:g}")
    edges = every * np.arange(intervals + 1)

    def count(instants: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.histogram(instants[~np.isnan(instants)], edges)[0]

    created, finished = result.columns["created"], result.columns["finished"]
    well = ~np.isnan(finished)
    over = well | (result.messages["outcome"] == "lost").to_numpy()
    known_until = created[~over].min(initial=np.inf)
    sent = np.concatenate([result.columns["enqueued"], result.moves["requeued"]])
    series = result.series["queue_length"]
    places = np.searchsorted(series.index.to_numpy(), edges[1:], side="right") - 1
    made = count(created)
    in_time = count(created[well]) / np.where(made, made, np.nan)
    in_time[edges[1:] > known_until] = np.nan
    return pd.DataFrame(
        {
            "calls": made / every,
            "attempts": count(sent) / every,
            "answered": count(result.columns.get("answered", finished)) / every,
            "in_time": in_time,
            "waiting": series.to_numpy()[places],
        },
        index=pd.Index(edges[:-1], name="time"),
    )
