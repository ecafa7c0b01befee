"""Exercises of 05: one reader or many?"""

from ...theory.messaging import partition_throughput, prefetch
from ..learning import Exercise

__all__ = ["EXERCISES"]

EXERCISES = {
    "05.1": Exercise(
        lambda: 60 * 0.04 / 3,
        unit="%",
        hints={
            "Each service gets every order: two queues don't share the work.": lambda: (
                60 * 0.04 / 6
            ),
            "The instances of a service compete for its queue.": lambda: 60 * 0.04,
        },
    ),
    "05.2": Exercise(
        lambda: prefetch(0.06, 0.02, 1).saturating_prefetch,
        tolerance=0,
        hints={
            "An ack goes there, and the next message comes back: both ways count.": lambda: 2.5,
            "While the others are under way, one is being worked on.": lambda: 3,
        },
    ),
    "05.3": Exercise(
        lambda: partition_throughput(12, 5, 50),
        unit="1/s",
        hints={
            "Partitions are not cut in two: somebody has three of them.": lambda: 250,
            "That would be with 12 consumers.": lambda: 600,
        },
    ),
    "05.4": Exercise(
        lambda: 4 / (8 * 0.06),
        unit="1/s",
        hints={
            "That is for one call. An event takes eight of them.": lambda: 4 / 0.06,
            "That is one thread. There are four.": lambda: 1 / (8 * 0.06),
        },
    ),
}
