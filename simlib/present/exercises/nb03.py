"""Exercises of 03: what does it cost to remember?"""

from ...theory import group_commit, linger
from ..learning import Exercise

__all__ = ["EXERCISES"]

EXERCISES = {
    "03.1": Exercise(
        lambda: 50 / (2e-3 + 50 * 5e-6),
        unit="1/s",
        hints={
            "That is puts per second; each has 50 messages.": lambda: 1 / (2e-3 + 50 * 5e-6),
            "That has a sync for each message.": lambda: 1 / (2e-3 + 5e-6),
            "The writing takes time, too.": lambda: 50 / 2e-3,
        },
    ),
    "03.2": Exercise(
        lambda: 2500 * 0.02,
        unit="messages",
        hints={
            "The time is up before the batch is full.": lambda: 1000,
            "That is the average; the question is the most.": lambda: 25,
            "In 20 ms, not in a second.": lambda: 2500,
        },
    ),
    "03.3": Exercise(
        lambda: group_commit(10_000, 1e-3).mean_batch,
        unit="messages",
        hints={
            "That is what the average message sees: large groups have more members.": lambda: (
                group_commit(10_000, 1e-3).mean_batch_seen_by_message
            ),
            "That is the number in the system, those that wait included.": lambda: (
                group_commit(10_000, 1e-3).L
            ),
        },
    ),
    "03.4": Exercise(
        lambda: linger(500, 100, 0.03).mean_delay,
        unit="s",
        hints={
            "That is how long a batch stays open: only its first message waits so long.": lambda: (
                0.03
            ),
            "100 messages would take 0.2 s to come; the time is up before.": lambda: 0.1,
            "The first one waits the whole time, and it is in every batch.": lambda: 0.015,
        },
    ),
}
