"""Exercises of 14: does the real thing do what the simulation says?"""

from ...scenarios import FromParts
from ..learning import Exercise

__all__ = ["EXERCISES"]

PARTS = FromParts(
    interarrival=0.0,
    service=0.002,
    put_cost=0.0015,
    get_cost=0.0003,
    ack_cost=0.0012,
    messages=1_000,
)
COMPUTING = FromParts(interarrival=0.0, service=0.005, consumers=8, processors=1, messages=1_000)


def _ceiling(scenario: FromParts) -> float:
    return float(scenario.run().summary()["throughput"])


EXERCISES = {
    "14.1": Exercise(
        lambda: 1 / max(0.0015, 0.0003 + 0.002 + 0.0012),
        tolerance=0.01,
        unit="1/s",
        hints={
            "While the consumer is at work, the producer puts the next.": lambda: 1 / 0.005,
            "The consumer also gets and acks.": lambda: 1 / 0.002,
        },
    ),
    "14.2": Exercise(
        lambda: _ceiling(PARTS.replace(one_lock=True)),
        tolerance=0.01,
        unit="1/s",
        hints={
            "That is side by side.": lambda: 1 / 0.0035,
            "Work needs no lock: a put fits in meanwhile.": lambda: 1 / 0.005,
        },
    ),
    "14.3": Exercise(
        lambda: _ceiling(COMPUTING),
        tolerance=0.01,
        unit="1/s",
        hints={
            "Threads of one interpreter take turns in computing.": lambda: 8 / 0.005,
            "That is what processes do, where there are two processors.": lambda: 2 / 0.005,
        },
    ),
}
