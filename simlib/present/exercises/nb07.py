"""Exercises of 07: it was down for ten seconds. Why doesn't it come back?"""

from ..learning import Exercise

__all__ = ["EXERCISES"]

CAPACITY, TIMEOUT, RETRIES, LOAD, DOWN, WORK = 300, 1, 3, 280, 10, 0.1

EXERCISES = {
    "07.1": Exercise(
        lambda: CAPACITY / (1 + RETRIES),
        unit="calls per second",
        hints={
            "The first attempt counts, too: a call that fails is four attempts.": (
                lambda: CAPACITY / RETRIES
            ),
            "That is what it bears as long as all is well.": lambda: CAPACITY,
        },
    ),
    "07.2": Exercise(
        lambda: CAPACITY * (TIMEOUT - WORK),
        unit="attempts",
        tolerance=0.01,
        hints={
            "Whoever has waited that long has no time left for the work.": (
                lambda: CAPACITY * TIMEOUT
            ),
        },
    ),
    "07.3": Exercise(
        lambda: (LOAD * DOWN - CAPACITY * TIMEOUT) / (CAPACITY - LOAD),
        unit="s",
        hints={
            "What was sent meanwhile waits, and is worked off with the little that is to spare.": (
                lambda: DOWN
            ),
            "The last second of the backlog is in time: that much may wait.": (
                lambda: LOAD * DOWN / (CAPACITY - LOAD)
            ),
        },
    ),
}
