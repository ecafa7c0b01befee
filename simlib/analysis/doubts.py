"""Reasons not to trust a run: too short, not settled, not finished, or without a steady state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..theory import mm1_run_length

if TYPE_CHECKING:
    from .result import Result

__all__ = ["DoubtWarning", "doubts", "mser5"]

TOO_WIDE = 0.2
"""A run is too short if its mean wait is not even known to ± 20 %."""

FORGETS = 20
"""So many times 1 / (1 - load)² messages it takes until a queue has forgotten its empty start."""

BATCH = 5


class DoubtWarning(UserWarning):
    """An interval is about runs that can't be trusted; the text says why."""


def doubts(result: Result, runs: int = 1) -> tuple[str, ...]:
    """Why averages can't be trusted; empty if nothing speaks against them.

    Parameters
    ----------
    result : Result
        One run.
    runs : int
        How many like it the averages are over.
    """
    said = []
    load = getattr(result.scenario, "load", None)
    unfinished = result.ledger.ready + result.ledger.unacked
    bounded = getattr(result.scenario, "capacity", None) is not None
    if unfinished:
        said.append("messages were still in the system at the end, and their latency is not known")
    if load is not None and load >= 1 and not bounded:
        said.append(f"at a load of {load:.3g} there is no steady state, the run's length decides")
    elif load is not None and load < 1:
        # In units of service times only the load matters. However many runs there are, each must
        # be long enough to forget how it began.
        needed = max(
            mm1_run_length(load, 1.0).customers(TOO_WIDE) / runs, FORGETS / (1 - load) ** 2
        )
        if len(result.wait) - result.warmup < needed:
            said.append(
                f"short for a load of {load:.3g}: M/M/1 would need about {_rounded_up(needed):,} "
                f"messages a run to know its mean wait to ± {TOO_WIDE:.0%}"
            )
    latency = result.latency[result.warmup :]
    latency = latency[~np.isnan(latency)]
    if len(latency) >= 20 * BATCH and mser5(latency) > len(latency) // 3:
        said.append("the latency was not settled: its warm-up seems longer than a third of the run")
    return tuple(said)


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


def _rounded_up(number: float) -> int:
    """To two significant digits."""
    scale = 10.0 ** max(0, int(np.floor(np.log10(number))) - 1)
    return int(np.ceil(number / scale) * scale)
