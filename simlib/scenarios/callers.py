"""What whoever makes a request sees of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..analysis.metrics import Metric

__all__ = ["CALLER", "seen_by_callers"]

CALLER = {
    "caller_mean": Metric("caller occupied, mean", "s"),
    "caller_p50": Metric("caller occupied, median", "s"),
    "caller_p95": Metric("caller occupied, 95th percentile", "s"),
    "caller_p99": Metric("caller occupied, 99th percentile", "s"),
}
"""The figures of :func:`seen_by_callers`."""


def seen_by_callers(times: NDArray[np.float64]) -> dict[str, float]:
    """How long requests occupied whoever made them (s).

    Parameters
    ----------
    times : ndarray of shape (requests,)
        From creation to the answer (s); NaN for a request that failed, which is left out.
    """
    answered = times[~np.isnan(times)]
    if not len(answered):
        return dict.fromkeys(CALLER, np.nan)
    figures = (np.mean(answered), *np.percentile(answered, [50, 95, 99]))
    return dict(zip(CALLER, map(float, figures), strict=True))
