"""How many messages there are at given instants, averaged over many runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .arguments import checked
from .parallel import spread
from .replications import interval
from .result import Experiment
from .seeds import run_seeds

__all__ = ["snapshots"]


def snapshots(
    scenario: Experiment,
    times: ArrayLike,
    replications: int = 20,
    seed: int = 1,
    *,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """The mean number in the system at some instants, where there is no steady state to wait for.

    Parameters
    ----------
    scenario : Scenario
        What to run; its own warm-up is not left out.
    times : array_like, shape (instants,)
        Instants of simulated time (s), none after the end of a run.
    replications, seed : int
        How many runs, >= 2, and from which seed theirs are spawned.
    n_jobs : int
        Processes to run in; -1 for as many as there are cores. The numbers don't depend on it.

    Returns
    -------
    DataFrame
        A row per instant: ``time`` (s), and ``in_system_mean`` (messages) with ``…_low`` and
        ``…_high``, Student's interval over the runs at 95 % confidence.
    """
    instants = np.asarray(times, float)
    seeds = run_seeds(replications, seed)
    runs = ((checked(scenario), instants, each) for each in seeds)
    counts = list(spread(_counts, runs, n_jobs))
    rows = []
    for time, column in zip(instants.tolist(), np.transpose(counts), strict=True):
        mean, low, high, _ = interval(column)
        rows.append((time, mean, low, high))
    names = ["time", "in_system_mean", "in_system_mean_low", "in_system_mean_high"]
    return pd.DataFrame(rows, columns=names)


def _counts(scenario: Experiment, times: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    return scenario.run(seed).in_system_at(times)
