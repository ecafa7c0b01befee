"""Reasons not to trust a run: too short, not settled, not finished, or without a steady state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..theory import mm1_run_length
from .warmup import BATCH, mser5

if TYPE_CHECKING:
    from .result import Result

__all__ = ["DoubtWarning", "doubts"]

TOO_WIDE = 0.2
"""A run is too short if its mean wait is not even known to ± 20 %."""

FORGETS = 20
"""So many times 1 / (1 - load)² messages it takes until a queue has forgotten its empty start."""


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


def _rounded_up(number: float) -> int:
    """To two significant digits."""
    scale = 10.0 ** max(0, int(np.floor(np.log10(number))) - 1)
    return int(np.ceil(number / scale) * scale)
