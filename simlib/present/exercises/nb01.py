"""Exercises of 01: call and wait, or put it in a queue?"""

from math import ceil

from ...theory import closed, mm1, mmc, outage
from ..learning import Exercise

__all__ = ["EXERCISES"]

EXERCISES = {
    "01.1": Exercise(
        lambda: mmc(24, 10, 4).Wq,
        unit="s",
        hints={
            "That is the whole latency; leave out the work itself.": lambda: mmc(24, 10, 4).W,
            "That is one fast worker. Before four slow ones an order waits less.": lambda: (
                mm1(24, 40).Wq
            ),
        },
    ),
    "01.2": Exercise(
        lambda: next(n for n in range(1, 99) if closed(n, 0.02, 10, 4).throughput >= 0.99 * 40),
        tolerance=0,
        hints={
            "That leaves none to wait for the network while the workers work.": lambda: 4,
            "That is how many are busy on average at full capacity; they don't reach 95 %.": (
                lambda: ceil(40 * 0.12)
            ),
            "Near: they reach 98.7 %.": lambda: 6,
        },
    ),
    "01.3": Exercise(
        lambda: outage(20, 4 / 0.102, 60).drain_time,
        tolerance=0.01,
        unit="s",
        hints={
            "New orders keep coming in while the backlog is worked off.": lambda: (
                20 * 60 / (4 / 0.102)
            ),
            "That is with 40 per second. The get and the ack take a worker 2 ms, too.": lambda: 60,
        },
    ),
}
