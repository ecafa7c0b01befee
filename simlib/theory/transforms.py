"""Laplace-Stieltjes transforms of common distributions, and the way back.

A transform takes s (per second), real or complex, to the mean of ``exp(-s X)``. Any function that
does this will serve where a formula asks for one; these are the usual.
"""

from __future__ import annotations

import cmath
import math

from simlib.theory import checks
from simlib.theory.checks import Transform


def deterministic_lst(value: float) -> Transform:
    """Always `value` seconds (> 0)."""
    always = checks.duration("value", value)
    return lambda s: cmath.exp(-s * always)


def exponential_lst(mean: float) -> Transform:
    """Exponential with `mean` seconds (> 0)."""
    return erlang_lst(1, mean)


def erlang_lst(k: int, mean: float) -> Transform:
    """Sum of `k` equal exponential phases (>= 1) with `mean` seconds in all (> 0)."""
    phases = checks.whole("k", k)
    phase_mean = checks.duration("mean", mean) / phases
    return lambda s: complex((1 + s * phase_mean) ** -phases)


def hyperexponential_lst(mean: float, cv: float) -> Transform:
    """Two exponential phases with balanced means.

    Parameters
    ----------
    mean
        Mean of all (seconds), > 0.
    cv
        Coefficient of variation, > 1.

    Notes
    -----
    One phase is chosen with probability p, the other with 1 - p, and each contributes half the
    mean. Whitt (1982), "Approximating a point process by a renewal process, I", eq. 3.7.
    """
    average = checks.duration("mean", mean)
    variation = checks.positive("cv", cv, "(standard deviation / mean)")
    if variation <= 1:
        raise ValueError(f"cv must be > 1 for two exponential phases, got {cv!r}")
    excess = (variation**2 - 1) / (variation**2 + 1)
    often = (1 + math.sqrt(excess)) / 2
    short, long = average / (2 * often), average / (2 * (1 - often))
    return lambda s: often / (1 + s * short) + (1 - often) / (1 + s * long)


def tail_at(lst: Transform, t: float) -> float:
    """Probability that a variable with this transform exceeds `t` seconds (> 0).

    Notes
    -----
    Abate and Whitt (1995), "Numerical inversion of Laplace transforms of probability
    distributions", algorithm EULER. Where the distribution is smooth, the error is below 1e-9 for
    queues up to a load of 0.95 and about 1e-7 at 0.999; beside a jump or a kink it is larger.
    """
    accuracy, plain, averaged = 24.0, 40, 12
    terms = []
    for k in range(plain + averaged + 1):
        s = complex(accuracy, 2 * math.pi * k) / (2 * t)
        value = ((1 - lst(s)) / s).real
        terms.append(value / 2 if k == 0 else value * (-1.0) ** k)
    weights = [math.comb(averaged, k) * 0.5**averaged for k in range(averaged + 1)]
    sums = [sum(terms[: plain + k + 1]) for k in range(averaged + 1)]
    total = sum(w * partial for w, partial in zip(weights, sums, strict=True))
    return min(1.0, max(0.0, math.exp(accuracy / 2) / t * total))
