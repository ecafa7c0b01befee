"""Reasons not to trust a run: too short, not settled, not finished, or asked for something odd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..processes.record import Ledger
from .run_lengths import TOO_WIDE, Needed
from .settling import BATCH, mser5

__all__ = ["DoubtWarning", "Loaded", "Seen", "Signs", "copies", "doubts", "signs"]


class Loaded(Protocol):
    """What bears on whether to trust a run, before it is made: a scenario, seen from here."""

    settles: ClassVar[bool]
    """Whether there is a steady state for its averages to be about, after a while."""

    @property
    def offered_load(self) -> float | None:
        """Work that arrives per second and worker; None where nothing arrives by itself."""

    def doubted(self) -> list[str]:
        """What is risky or contradicts itself in its parameters, in words."""

    def needed(self) -> Needed | None:
        """How many messages a run must have to be trusted; None if no formula says so."""


class Seen(Protocol):
    """What bears on whether to trust a run, after it was made: a result, seen from here."""

    @property
    def latency(self) -> NDArray[np.float64]:
        """How long each message took (s); NaN for those that did not finish."""

    @property
    def observed(self) -> slice:
        """Which messages averages are over."""

    @property
    def ledger(self) -> Ledger:
        """Where every message is at the end."""


class DoubtWarning(UserWarning):
    """An interval is about runs that can't be trusted; the text says why."""


class Signs(NamedTuple):
    """What a run shows of itself that bears on whether to trust it."""

    observed: int
    """Messages that averages are over."""
    unfinished: bool
    """Whether messages were in the system at the end."""
    settled: bool
    """Whether the latency was level after the first third of them, as far as one can see."""


def signs(result: Seen) -> Signs:
    """What to look at in a run, before it is decided what to make of it."""
    latency = result.latency[result.observed]
    observed = len(latency)
    latency = latency[~np.isnan(latency)]
    return Signs(
        observed=observed,
        unfinished=bool(result.ledger.unfinished),
        settled=len(latency) < 20 * BATCH or mser5(latency) <= len(latency) // 3,
    )


def doubts(scenario: Loaded | None, seen: Signs, runs: int = 1) -> tuple[str, ...]:
    """Why averages can't be trusted; empty if nothing speaks against them.

    Parameters
    ----------
    scenario : Scenario or None
        What was run; None if that is not known.
    seen : Signs
        What one run has shown.
    runs : int
        How many like it the averages are over.
    """
    said = []
    if seen.unfinished:
        said.append("messages were still in the system at the end, and their latency is not known")
    if scenario is not None:
        said += scenario.doubted()
        said += _by_theory(scenario, seen, runs)
    if not seen.settled and (scenario is None or scenario.settles):
        said.append("the latency was not settled: its warm-up seems longer than a third of the run")
    return tuple(said)


def copies(summaries: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What to say of replications that are one run over and over; empty if they are not."""
    first, *others = summaries
    # By their text: of two NaNs one doesn't equal the other.
    if not others or "error" in first or any(repr(each) != repr(first) for each in others):
        return ()
    count = len(summaries)
    return (f"all {count} runs are the same: nothing in them is random, nor in their interval",)


def _by_theory(scenario: Loaded, seen: Signs, runs: int) -> list[str]:
    """What speaks against a run of this length before one has looked at it."""
    load, needed = scenario.offered_load, scenario.needed()
    if needed is None:
        if load is None or not load >= 1:  # NaN: nobody knows
            return []
        return [f"at a load of {load:.3g} there is no steady state, the run's length decides"]
    # However many runs there are, each must be long enough to forget how it began.
    a_run = max(needed.known / runs, needed.settled)
    if seen.observed >= a_run:
        return []
    purpose = (
        f"know its averages to ± {TOO_WIDE:.0%}"
        if needed.known / runs > needed.settled
        else "forget that it was empty at first"
    )
    at = "" if load is None else f" for a load of {load:.3g}"
    return [f"short{at}: {needed.model} would need {_about(a_run)} messages a run to {purpose}"]


def _about(number: float) -> str:
    """Up to two significant digits."""
    if not np.isfinite(number):
        return "endlessly many"
    scale = 10.0 ** max(0, int(np.floor(np.log10(number))) - 1)
    return f"about {int(np.ceil(round(number / scale, 6)) * scale):,}"
