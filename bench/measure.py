"""Measuring on a machine that others use, too.

A neighbour slows everything down for a while, so absolute times mean little. What is compared runs
in short slices that take turns, and each slice counts in relation to its neighbours in time. Time
is the CPU time of this process.
"""

import gc
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

Slice = Callable[[], Mapping[str, float]]
"""Does a piece of work; CPU seconds per unit of it, by part."""


@dataclass(frozen=True)
class Spread:
    """The median of several measurements, and how far they lie apart."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        return cls(median(values), min(values), max(values), len(values))


@dataclass(frozen=True)
class Comparison:
    """A contender beside its baseline."""

    ratio: Spread
    """Contender / baseline."""
    contender: float
    """Median CPU seconds per unit."""
    baseline: float
    """Median CPU seconds per unit."""


def whole(work: Callable[[], object], units: int) -> Slice:
    """A slice that is one call of ``work``, which does so many units."""

    def measured() -> Mapping[str, float]:
        begun = time.process_time()
        kept = work()
        spent = time.process_time() - begun
        del kept  # only now: throwing results away is no part of the work
        return {"whole": spent / units}

    return measured


def alternate(baseline: Slice, contender: Slice, slices: int) -> dict[str, Comparison]:
    """Measure A B A B … A, each B in relation to the mean of the A before and the A after it."""
    # The collector stays on, as for any user, but has only to do with what a slice makes itself.
    gc.collect()
    gc.freeze()
    try:
        _tidily(baseline)
        if slices > 1:  # a slice that is taken only once is long, and warms itself up
            _tidily(contender)
        before = [_tidily(baseline)]
        own = []
        for _ in range(slices):
            own.append(_tidily(contender))
            before.append(_tidily(baseline))
    finally:
        gc.unfreeze()
    return {part: _comparison(before, own, part) for part in own[0]}


def compare(baseline: Slice, contender: Slice, slices: int) -> Comparison:
    """The same for work measured as a whole."""
    return alternate(baseline, contender, slices)["whole"]


def _tidily(measured: Slice) -> Mapping[str, float]:
    gc.collect()
    return measured()


def _comparison(
    baseline: list[Mapping[str, float]], contender: list[Mapping[str, float]], part: str
) -> Comparison:
    around = [(a[part] + b[part]) / 2 for a, b in pairwise(baseline)]
    own = [times[part] for times in contender]
    return Comparison(
        ratio=Spread.of([b / a for a, b in zip(around, own, strict=True)]),
        contender=median(own),
        baseline=median(times[part] for times in baseline),
    )


def peak_memory() -> int:
    """The most memory this process ever had (bytes)."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not ru_maxrss: on Linux that starts from what the parent process had.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    import resource  # Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
