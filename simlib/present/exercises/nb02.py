"""Exercises of 02: what does a queue do to a message?"""

from math import ceil

from ...theory import mm1k
from ..learning import Exercise

__all__ = ["EXERCISES"]

EXERCISES = {
    "02.1": Exercise(
        lambda: 1200 / 40,
        unit="s",
        hints={
            "That has the unit messages²/s. L = λ W: you know L and λ.": lambda: 1200 * 40,
            "Upside down: that is how many leave per second and message.": lambda: 40 / 1200,
        },
    ),
    "02.2": Exercise(
        lambda: 1 - 0.1 / 0.4,
        unit="%",
        hints={
            "At that load the *wait* is 0.4 s; the work comes on top.": lambda: 0.8,
            "That is the load at which the mean latency is 0.2 s.": lambda: 0.5,
        },
    ),
    "02.3": Exercise(
        lambda: ceil((36 + 36 * 1800 / 900) / 10),
        tolerance=0,
        hints={
            "That does the backlog in time. New messages keep coming.": lambda: ceil(
                36 * 1800 / 900 / 10
            ),
            "As whole ones: with fewer it takes longer.": lambda: 10.8,
        },
    ),
    "02.4": Exercise(
        lambda: mm1k(12, 10, 6).p_loss,
        unit="%",
        hints={
            "K counts the message in service, too.": lambda: mm1k(12, 10, 5).p_loss,
            "That is what a huge queue would drop in the long run. A small one is empty now and "
            "then, and loses more.": lambda: 2 / 12,
        },
    ),
}
