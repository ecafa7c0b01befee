"""Exercises of 08: where is my order?"""

from ...scenarios import Consistency
from ...theory import polled_outbox
from ..learning import Exercise

__all__ = ["EXERCISES"]


def _sent_twice() -> int:
    """The place of the step after which a crash of the relay sends an event again."""
    outbox = Consistency()
    relay = ("read", "publish", "mark")
    return next(
        place
        for place, step in enumerate(relay, 1)
        if outbox.replace(crash_after=step).run().summary()["events"] > 1
    )


def _broken_without_idempotence() -> int:
    """How many steps of the saga break something if nobody knows what was done."""
    saga = Consistency(pattern="orchestrated saga", dedup="none")
    crashed = [saga.replace(crash_after=step).run().summary() for step in saga.steps]
    return sum(each["broken"] > 0 for each in crashed)


EXERCISES = {
    "08.1": Exercise(
        lambda: polled_outbox(10, polling=1.0, publish_time=0.005, delivery=0.02).staleness,
        tolerance=0.01,
        unit="s",
        hints={
            "Half of the sleep is only the wait for the next look.": lambda: 0.5,
            "A write waits for a whole sleep only if it just missed the look.": lambda: 1.0,
        },
    ),
    "08.2": Exercise(
        _sent_twice,
        tolerance=0,
        hints={
            "It has read and sent nothing yet: it will read again.": lambda: 1,
            "The row is marked: it is not found again.": lambda: 3,
        },
    ),
    "08.3": Exercise(
        _broken_without_idempotence,
        tolerance=0,
        hints={
            "That is so if all services know what they have done.": lambda: 0,
            "A step that was only begun, or is logged, is not done twice.": lambda: 12,
            "Approving twice changes nothing.": lambda: 4,
        },
    ),
}
