"""How long a run takes to forget how it began."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .arguments import checked, whole
from .result import Experiment
from .seeds import run_seeds

__all__ = ["welch"]


def welch(
    scenario: Experiment, replications: int = 20, seed: int = 1, *, window: int = 200
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
