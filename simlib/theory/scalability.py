"""How throughput grows with concurrency, and why it falls again: Gunther's law."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simlib.theory import checks
from simlib.theory.birth_death import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalability:
    """The universal scalability law with its three coefficients."""

    gamma: float
    """Throughput of one worker (per second)."""
    alpha: float
    """Contention: the fraction of the work that only one can do at a time."""
    beta: float
    """Coherence: the price of two workers keeping each other up to date."""

    @property
    def peak(self) -> float:
        """Workers with the highest throughput; inf if it never falls."""
        return math.sqrt((1 - self.alpha) / self.beta) if self.beta > 0 else math.inf

    def throughput(self, workers: float) -> float:
        """Throughput (per second) of so many workers, > 0."""
        n = checks.positive("workers", workers)
        return self.gamma * n / (1 + self.alpha * (n - 1) + self.beta * n * (n - 1))


def usl(gamma: float, alpha: float, beta: float) -> Scalability:
    """The universal scalability law.

    Parameters
    ----------
    gamma
        Throughput of one worker (per second), > 0.
    alpha
        Contention, 0 to 1. With ``beta == 0`` it is Amdahl's law.
    beta
        Coherence, >= 0.

    Notes
    -----
    Gunther (2007), *Guerrilla Capacity Planning*, chapter 4: ``gamma * N / (1 + alpha * (N - 1) +
    beta * N * (N - 1))``. A description of measurements, not a queueing model.
    """
    return Scalability(
        gamma=checks.rate("gamma", gamma),
        alpha=checks.probability("alpha", alpha),
        beta=checks.non_negative("beta", beta),
    )


def fit_usl(workers: Sequence[float], throughputs: Sequence[float]) -> Scalability:
    """The law that fits measurements best.

    Parameters
    ----------
    workers
        Numbers of workers, > 0; at least three different.
    throughputs
        Throughput measured with each (per second), > 0.

    Notes
    -----
    Workers over throughput is linear in the three unknowns: ordinary least squares. Noise can
    make a coefficient slightly negative; it is returned as it is.
    """
    n = np.array(checks.each("workers", workers, _workers))
    measured = np.array(checks.each("throughputs", throughputs, checks.rate))
    checks.same_length(workers=tuple(n), throughputs=tuple(measured))
    if len(set(n.tolist())) < 3:
        raise ValueError(f"workers must have at least three different numbers, got {workers!r}")
    terms = np.column_stack((np.ones(len(n)), n - 1, n * (n - 1)))
    solution: Floats = np.linalg.lstsq(terms, n / measured, rcond=None)[0]
    per_item, contention, coherence = solution.tolist()
    return Scalability(gamma=1 / per_item, alpha=contention / per_item, beta=coherence / per_item)


def _workers(name: str, value: object) -> float:
    return checks.positive(name, value)
