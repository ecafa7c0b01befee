"""How much of a series to leave out until it is level."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["BATCH", "mser5"]

BATCH = 5


def mser5(values: ArrayLike) -> int:
    """How many values to leave out at the start, so that what is left is settled.

    Parameters
    ----------
    values : array_like, shape (n,)
        A series, such as the latencies of successive messages; n >= 10.

    Returns
    -------
    int
        The number of values to leave out, a multiple of 5. More than a third of n means that the
        series is too short to tell.

    Notes
    -----
    MSER-5 (White 1997, "An effective truncation heuristic for bias reduction in simulation
    output"; White, Cobb & Spratt 2000): of batch means of 5, leave out those that make the
    standard error of the rest the smallest. As usual the last half is not looked at.
    """
    series = np.asarray(values, float)
    if series.ndim != 1 or len(series) < 2 * BATCH:
        raise ValueError(f"mser5 needs a series of at least {2 * BATCH}, got shape {series.shape}")
    means = series[: len(series) // BATCH * BATCH].reshape(-1, BATCH).mean(axis=1)
    left = np.arange(len(means), 0, -1)
    # Sums over everything from a batch to the end.
    sums = np.cumsum(means[::-1])[::-1]
    squares = np.cumsum((means**2)[::-1])[::-1]
    statistic = (squares - sums**2 / left) / left**2
    return BATCH * int(np.argmin(statistic[: len(means) // 2 + 1]))
