"""Exercises of 10: which numbers can you trust?"""

from math import sqrt
from statistics import stdev

from ...analysis import interval
from ...theory import mm1_run_length
from ..learning import Exercise

__all__ = ["EXERCISES"]

RUNS = [4.1, 5.3, 4.7, 6.0, 4.9]  # s, the five means of 10.2

EXERCISES = {
    "10.1": Exercise(
        lambda: mm1_run_length(0.85, 1.0).customers(0.1),
        tolerance=0.03,
        hints={
            "That is for a load of 80 %.": lambda: mm1_run_length(0.8, 1.0).customers(0.1),
            "That is for ± 5 %.": lambda: mm1_run_length(0.85, 1.0).customers(0.05),
        },
    ),
    "10.2": Exercise(
        lambda: interval(RUNS).half_width,
        unit="s",
        hints={
            "That takes the normal distribution's 1.96; five runs need Student's t.": lambda: (
                1.96 * stdev(RUNS) / sqrt(5)
            ),
            "That is the whole width.": lambda: 2 * interval(RUNS).half_width,
        },
    ),
}
