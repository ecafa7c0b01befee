"""Exercises of 06: why does this page take two seconds?"""

from math import log

from ...scenarios import ApiStyles
from ..learning import Exercise

__all__ = ["EXERCISES"]

EXERCISES = {
    "06.1": Exercise(
        lambda: ApiStyles(batched=False, parallel=6).run().summary()["rounds"],
        tolerance=0,
        hints={
            "Those are the rounds for the names; the list comes before them.": (lambda: 7),
            "That is one after the other; six can be under way at once.": lambda: 41,
        },
    ),
    "06.2": Exercise(
        lambda: -0.01 * log(1 - 0.99**0.1),
        unit="s",
        hints={
            "That is the p99 of one call. All ten have to be fast.": lambda: 0.01 * log(100),
            "They run at once: the slowest counts, and not the sum.": lambda: 0.1 * log(100),
        },
    ),
    "06.3": Exercise(
        lambda: 1 / (1 - 0.02),
        tolerance=1e-4,
        hints={
            "The reply to the second try can be lost, too, and that to the third.": lambda: 1.02,
            "Only with a key. Without one the service books each request that it gets.": lambda: 1,
        },
    ),
    "06.4": Exercise(
        lambda: 1 - 0.99**30,
        unit="%",
        hints={
            "That counts a page twice on which two calls fail.": lambda: 30 * 0.01,
            "That is one call. A page needs thirty.": lambda: 0.01,
        },
    ),
}
