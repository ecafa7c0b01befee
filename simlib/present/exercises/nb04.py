"""Exercises of 04: can a message get lost, or come twice?"""

from ...theory import redelivery, retries
from ..learning import Exercise

__all__ = ["EXERCISES"]

EXERCISES = {
    "04.1": Exercise(
        lambda: 1000 * (redelivery(0.2).mean_deliveries - 1),
        hints={
            "Of the repetitions, too, one ack in five is lost.": lambda: 200,
            "That is all bookings; the first of each payment is right.": lambda: 1250,
        },
    ),
    "04.2": Exercise(
        lambda: 4,
        tolerance=0,
        hints={
            "With so many it is one in a thousand.": lambda: 3,
            "The first attempt is one of them: it is not a retry, but it counts.": lambda: 5,
        },
    ),
    "04.3": Exercise(
        lambda: retries(0.6, 1.0, 0.3).utilisation,
        unit="%",
        hints={
            "Those that are repeated fail again, in 30 % of the cases.": lambda: 0.6 * 1.3,
            "Upside down: failures add work.": lambda: 0.6 * 0.7,
        },
    ),
    "04.4": Exercise(
        lambda: 2 * 30 + 240,
        unit="s",
        hints={
            "Then the third copy, which waits in the queue for long, is forgotten.": lambda: 60,
            "The last copy doesn't leave before 60 s have passed.": lambda: 240,
            "Three copies are two pauses apart.": lambda: 330,
        },
    ),
}
