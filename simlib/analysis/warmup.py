"""How long a run takes to forget how it began."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .arguments import checked, whole
from .seeds import run_seeds

if TYPE_CHECKING:
    from ..scenarios.base import Scenario

__all__ = ["BATCH", "mser5", "welch"]

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


def welch(
    scenario: Scenario, replications: int = 20, seed: int = 1, *, window: int = 200
) -> pd.DataFrame:
    """The latency of the first, second, third … message, averaged over replications.

    Parameters
    ----------
    scenario : Scenario
        What to run; its own warm-up is not left out.
    replications, seed : int
        How many runs, and from which seed theirs are spawned.
    window : int
        Messages before and after each one that its moving average takes in, >= 1.

    Returns
    -------
    DataFrame
        A row per message: ``mean`` over the runs, and ``smooth``, its moving average (s). Where
        ``smooth`` has become level the warm-up is over (Welch 1983, "The statistical analysis of
        simulation results").
    """
    window = whole("window", window)
    latencies = [checked(scenario).run(each).latency for each in run_seeds(replications, seed)]
    shortest = min(map(len, latencies))
    mean = np.mean([each[:shortest] for each in latencies], axis=0)
    # Near the ends the window is narrower, and still as wide on either side.
    place = np.arange(shortest)
    reach = np.minimum(window, np.minimum(place, place[::-1]))
    sums = np.concatenate(([0.0], np.cumsum(mean)))
    smooth = (sums[place + reach + 1] - sums[place - reach]) / (2 * reach + 1)
    return pd.DataFrame({"mean": mean, "smooth": smooth})
