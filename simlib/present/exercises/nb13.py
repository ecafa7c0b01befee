"""Exercises of 13: does it hold on a real wire?"""

from ..learning import Exercise

__all__ = ["EXERCISES"]

EXERCISES = {
    "13.1": Exercise(
        lambda: 41 * (0.04 + 0.004),
        unit="s",
        hints={
            "That is the line alone. Each call takes its 4 ms, too.": lambda: 41 * 0.04,
        },
    ),
    "13.2": Exercise(
        lambda: 3 * 0.5 + 0.1 + 0.2,
        unit="s",
        hints={
            "Between three attempts there are two pauses.": lambda: 3 * 0.5,
            "After the last attempt nobody pauses.": lambda: 3 * 0.5 + 0.1 + 0.2 + 0.4,
        },
    ),
    "13.3": Exercise(
        lambda: 50,
        tolerance=0,
        hints={
            "So many outcomes there must be at least. There are many more, and most are good.": (
                lambda: 10
            ),
            "That is the window. It opens when half of it has failed.": lambda: 100,
        },
    ),
    "13.4": Exercise(
        lambda: 428,
        tolerance=0,
        hints={
            "That is for a tag that is not the latest. Here is none.": lambda: 412,
            "That is for what contradicts something that is there.": lambda: 409,
            "The body is all right; what is missing is not in it.": lambda: 422,
        },
    ),
}
